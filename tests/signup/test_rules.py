"""Who may take a place, who is next, until when (SPEC S1-S5): every answer is a sentence with a way out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core import clock
from portal.signup import rules
from tests import factories

pytestmark = pytest.mark.once

NOW = factories.NOW
START = clock.at(datetime(2026, 12, 13).date(), datetime(2026, 12, 13, 8, 30).time())


@dataclass(frozen=True)
class Facts:
    status: str = "published"
    capacity: int | None = 30
    unit: str = "人"
    walk_in: bool = False
    needs_review: bool = False
    max_companions: int = 0
    own_first_until: datetime | None = None
    sign_up_from: datetime | None = None
    sign_up_until: datetime | None = None
    withdraw_until: datetime | None = None
    first_start: datetime | None = START
    last_end: datetime | None = START + timedelta(hours=2)
    changed_at: datetime | None = None
    taken: int = 0
    waiting: int = 0


DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("facts", "at", "code"),
    [
        (Facts(), NOW, None),
        (Facts(status="cancelled"), NOW, "cancelled"),
        (Facts(status="draft"), NOW, "gone"),
        (Facts(walk_in=True), NOW, "walk_in"),
        (Facts(walk_in=True), START + timedelta(hours=3), "over"),
        (Facts(sign_up_from=NOW + DAY), NOW, "not_yet"),
        (Facts(sign_up_from=NOW), NOW, None),
        (Facts(sign_up_until=NOW), NOW, "closed"),
        (Facts(sign_up_until=NOW + timedelta(seconds=1)), NOW, None),
        (Facts(), START, "started"),
        (Facts(), START - timedelta(seconds=1), None),
        # A series that may be joined later, until its window ends.
        (Facts(sign_up_until=START + 7 * DAY, last_end=START + 14 * DAY), START + DAY, None),
        (Facts(sign_up_until=START + 7 * DAY, last_end=START + 14 * DAY), START + 8 * DAY, "started"),
        # A window that is longer than the activity ends with it.
        (Facts(sign_up_until=START + 7 * DAY), START + timedelta(hours=3), "over"),
    ],
)
def test_window(facts: Facts, at: datetime, code: str | None) -> None:
    refusal = rules.may_sign_up(facts, "/1/2/4/", "/1/2/4/", at)
    assert (refusal.code if refusal else None) == code
    if refusal:
        assert refusal.message.endswith("。")
        assert refusal.advice or code == "walk_in"


@pytest.mark.parametrize(
    ("home", "code"), [("/1/2/4/", None), ("/1/2/4/9/", None), ("/1/2/5/", "own_first"), ("", "no_home")]
)
def test_own_community_first(home: str, code: str | None) -> None:
    facts = Facts(own_first_until=NOW + DAY)
    refusal = rules.may_sign_up(facts, home, "/1/2/4/", NOW)
    assert (refusal.code if refusal else None) == code
    assert rules.may_sign_up(facts, home, "/1/2/4/", NOW + DAY) is None


@pytest.mark.parametrize(
    ("wanted", "most", "ok"), [(1, 0, True), (2, 0, False), (3, 2, True), (4, 2, False), (0, 2, False)]
)
def test_party(wanted: int, most: int, ok: bool) -> None:
    refusal = rules.may_sign_up(Facts(max_companions=most), "", "/", NOW, wanted)
    assert (refusal is None) == ok


def test_party_larger_than_all_places() -> None:
    refusal = rules.may_sign_up(Facts(max_companions=9, capacity=3), "", "/", NOW, 4)
    assert refusal is not None
    assert "3 个名额" in refusal.message


@pytest.mark.parametrize(
    ("facts", "wanted", "place"),
    [
        (Facts(taken=29), 1, "confirmed"),
        (Facts(taken=29, needs_review=True), 1, "pending"),
        (Facts(taken=30), 1, "waiting"),
        (Facts(taken=29), 2, "waiting"),
        # A free place belongs to the queue: whoever comes now stands behind it.
        (Facts(taken=28, waiting=1), 1, "waiting"),
        (Facts(capacity=None, taken=10_000), 5, "confirmed"),
        (Facts(capacity=None, needs_review=True), 1, "pending"),
    ],
)
def test_decide_place(facts: Facts, wanted: int, place: str) -> None:
    assert rules.decide_place(facts, wanted) == place


def test_nobody_overtakes() -> None:
    assert rules.next_in_line([(1, 1), (2, 3), (3, 1)], 2) == [1]
    assert rules.next_in_line([(1, 1), (2, 3), (3, 1)], 5) == [1, 2, 3]
    assert rules.next_in_line([(1, 4), (2, 1)], 3) == []
    assert rules.next_in_line([(1, 4), (2, 1)], None) == [1, 2]


@given(st.lists(st.integers(1, 6), max_size=20), st.integers(0, 40))
def test_queue_is_a_prefix_that_fits(parties: list[int], free: int) -> None:
    queue = list(enumerate(parties))
    chosen = rules.next_in_line(queue, free)
    assert chosen == list(range(len(chosen)))
    assert sum(parties[: len(chosen)]) <= free
    assert len(chosen) == len(parties) or sum(parties[: len(chosen) + 1]) > free


def test_withdraw_until_the_deadline_or_after_a_change() -> None:
    facts = Facts(withdraw_until=START - DAY)
    late = START - timedelta(hours=3)
    assert rules.may_withdraw(facts, "confirmed", NOW, START - DAY - timedelta(seconds=1)) is None
    refusal = rules.may_withdraw(facts, "confirmed", NOW, late)
    assert refusal is not None
    assert "打电话" in refusal.advice
    # The waiting list may always be left; whoever did not agree to the new time may leave too (C8).
    assert rules.may_withdraw(facts, "waiting", NOW, late) is None
    changed = replace(facts, changed_at=NOW + DAY)
    assert rules.may_withdraw(changed, "confirmed", NOW, late) is None
    assert rules.may_withdraw(changed, "confirmed", NOW + 2 * DAY, late) is not None
    assert rules.may_withdraw(changed, "confirmed", NOW, START) is not None
    assert rules.leave_until(facts, NOW) == facts.withdraw_until and rules.leave_until(changed, NOW) == START


def test_who_has_just_signed_up_may_think_better_of_it() -> None:
    """An hour, also after the deadline, but never into the activity; what is said at the tap is what holds."""
    hour = timedelta(hours=1)
    facts = Facts(withdraw_until=START - DAY)
    late = START - DAY + 2 * hour
    assert rules.leave_until(facts, late) == late + hour
    assert rules.may_withdraw(facts, "confirmed", late, late + hour - MINUTE) is None
    assert rules.may_withdraw(facts, "confirmed", late, late + hour) is not None
    assert rules.leave_until(facts, START - MINUTE) == START
    assert rules.leave_until(facts, START + DAY) == START + DAY + hour, "a series that is joined later"
    assert "前可自行退出" in rules.leaving_text(rules.leave_until(facts, late), late)


def test_who_gets_a_place_late_may_think_better_of_it_too() -> None:
    """Moved up from the queue, or passed by the organiser, after the deadline to leave."""
    facts, hour = Facts(withdraw_until=START - 2 * DAY), timedelta(hours=1)
    late = START - DAY - hour
    assert rules.leave_until(facts, NOW, late) == late + hour
    assert rules.may_withdraw(facts, "confirmed", NOW, late + MINUTE) is not None
    assert rules.may_withdraw(facts, "confirmed", NOW, late + MINUTE, late) is None
    assert rules.leave_until(facts, NOW, NOW + MINUTE) == facts.withdraw_until, "in time the deadline stands"


def test_what_is_said_of_leaving_is_true_at_that_moment() -> None:
    assert rules.leaving_text(START, START - DAY) == "12月13日 8:30 前可自行退出"
    assert "打电话" in rules.leaving_text(START, START) and "提前退出" in rules.leaving_text(None, START)


def test_low_enrolment() -> None:
    soon = START - timedelta(hours=40)
    assert rules.is_low(Facts(taken=8), soon)
    assert not rules.is_low(Facts(taken=9), soon)
    assert not rules.is_low(Facts(taken=1), START - timedelta(hours=49))
    assert not rules.is_low(Facts(taken=1), START)
    assert not rules.is_low(Facts(taken=1, capacity=None), soon)
    assert not rules.is_low(Facts(taken=1, status="cancelled"), soon)
    # Sign-up that closes long before the start is watched by its own end.
    early = Facts(taken=1, sign_up_until=START - 5 * DAY)
    assert rules.is_low(early, START - 6 * DAY)
    assert not rules.is_low(early, START - 7 * DAY)


def test_extension_limit() -> None:
    assert rules.extension_limit(Facts(), START, NOW) is None
    assert rules.extension_limit(Facts(), NOW, NOW) is not None
    assert rules.extension_limit(Facts(), START + DAY, NOW) is not None
