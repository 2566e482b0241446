"""When somebody is reminded and until when an offer stands: the same for activities and rooms (SPEC S2, S5, V5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core import deadlines
from portal.signup.rules import SHORTEST_OFFER
from portal.venues.actions import waiting_list

pytestmark = pytest.mark.once

START = datetime(2026, 12, 13, 0, 30, tzinfo=UTC)
HOUR, MINUTE, NOTHING = timedelta(hours=1), timedelta(minutes=1), timedelta()


@pytest.mark.parametrize(
    ("before", "activity", "room"),
    [
        (72 * HOUR, None, None),
        (24 * HOUR, None, None),
        (20 * HOUR, 10 * HOUR, 10 * HOUR),  # half of what is left, so that the next one may follow
        (5 * HOUR, 150 * MINUTE, 150 * MINUTE),
        (3 * HOUR, 2 * HOUR, 90 * MINUTE),  # the least differs: a family is asked, a room is taken the same day
        (HOUR, HOUR, 30 * MINUTE),
        (20 * MINUTE, 20 * MINUTE, 15 * MINUTE),
        (5 * MINUTE, 5 * MINUTE, 5 * MINUTE),  # never after the start
        (NOTHING, None, None),
        (-HOUR, None, None),
    ],
)
def test_offer_until(before: timedelta, activity: timedelta | None, room: timedelta | None) -> None:
    now = START - before
    for least, after in ((SHORTEST_OFFER, activity), (waiting_list.SHORTEST_OFFER, room)):
        assert deadlines.offer_until(START, now, least) == (None if after is None else now + after)


@pytest.mark.parametrize(
    ("now", "start", "until"),
    [
        ("20 21:55", "21 18:00", "21 9:00"),  # half would be 7:57, when many sleep
        ("20 21:55", "21 9:30", "21 9:00"),  # half would be 3:42
        ("21 2:00", "21 11:00", "21 9:00"),
        ("20 23:30", "21 8:45", "21 4:07"),  # no hour of the morning is left
        ("20 12:00", "20 20:00", "20 16:00"),  # in the day as ever
        ("20 15:00", "21 14:30", "21 9:00"),  # half would be 2:45
        ("20 9:00", "21 8:59", "20 20:59"),
        ("21 7:00", "21 9:30", "21 9:00"),
    ],
)
def test_nothing_lapses_while_people_sleep(now: str, start: str, until: str) -> None:
    """Days and hours of December in Shanghai."""

    def moment(text: str) -> datetime:
        return datetime.strptime(f"2026-12-{text} +0800", "%Y-%m-%d %H:%M %z")

    found = deadlines.offer_until(moment(start), moment(now), MINUTE)
    assert found is not None and found.replace(second=0) == moment(until)


def test_without_a_start_nothing_is_late() -> None:
    assert deadlines.offer_until(None, START, HOUR) is None


@given(st.integers(1, 24 * 60 - 1), st.integers(0, 300))
def test_an_offer_leaves_time_and_never_passes_the_start(minutes: int, least: int) -> None:
    now = START - minutes * MINUTE
    until = deadlines.offer_until(START, now, least * MINUTE)
    assert until is not None
    assert now < until <= START
    assert until - now >= min(least * MINUTE, START - now)


@pytest.mark.parametrize(
    ("before", "known_before", "rule"),
    [
        (25 * HOUR, 72 * HOUR, None), (24 * HOUR, 72 * HOUR, "day"), (2 * HOUR + MINUTE, 72 * HOUR, "day"),
        (2 * HOUR, 72 * HOUR, "hours"), (MINUTE, 72 * HOUR, "hours"), (NOTHING, 72 * HOUR, None),
        (-HOUR, 72 * HOUR, None), (3 * HOUR, None, "day"), (HOUR, None, "hours"),
        (20 * HOUR, 23 * HOUR, None), (20 * HOUR, 24 * HOUR, "day"), (HOUR, 23 * HOUR, "hours"), (HOUR, HOUR, None),
    ],
)  # fmt: skip
def test_reminders(before: timedelta, known_before: timedelta | None, rule: str | None) -> None:
    known = None if known_before is None else START - known_before
    assert deadlines.reminder_due(START, START - before, known) == rule
