"""Many at once (SPEC V2, V5), on both databases: no two holds of a room ever overlap, nobody gets more than their share.

PostgreSQL: the lock of the room decides, the exclusion constraint is the net. SQLite: its one writer (BEGIN IMMEDIATE)
is the lock and cannot be taken away. Over HTTP: tests/load/room_rush.py.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from portal.core import errors, outbox, scope
from portal.core.access import Actor
from portal.core.db import db, is_sqlite
from portal.core.errors import DomainError
from portal.core.states import StateHistory
from portal.people.models import Resident
from portal.venues import deadlines, locks, occupancy, overlap_constraint
from portal.venues.actions import activity_holds, approval, booking, check_in, series, waiting_list
from portal.venues.actions.series import Choice, Rule
from portal.venues.errors import LimitReached, SlotTaken
from portal.venues.models import APPROVED, LAPSED, OFFERED, PENDING, RELEASED, WAITING, Booking, Venue
from portal.venues.rules import Span
from portal.venues.rules.eligibility import Wish
from tests.concurrency import THREADS, Gap, in_the_gap, rush
from tests.factories import NOW, Make, Town
from tests.venues.helping import at, overlapping, statuses, wish

pytestmark = pytest.mark.own_database

SEED = int(os.environ.get("PORTAL_FUZZ_SEED", "0"))
SIZES = [pytest.param(120, THREADS), pytest.param(500, 50, marks=pytest.mark.load)]
PEOPLE = 120
Job = Callable[[], Any]


def faults(answers: Sequence[Any]) -> list[Any]:
    """What is neither an answer nor a refusal in words; the net's refusal has its words too."""
    return [
        a for a in answers
        if isinstance(a, Exception) and not isinstance(a, DomainError)
        and not (isinstance(a, IntegrityError) and errors.for_integrity(a))
    ]  # fmt: skip


def errors_of(answers: Sequence[Any]) -> Counter[str]:
    return Counter(type(a).__name__ for a in answers if isinstance(a, Exception))


class Crowd:
    """Residents, staff and clocks that all want the same few rooms on the same three days."""

    def __init__(self, town: Town, make: Make, seed: int) -> None:
        self.random = random.Random(seed)
        a1, a2 = town.centres["A1"], town.centres["A2"]
        rooms = [
            make.venue(a1, buffer=30), make.venue(a1, needs_approval=True), make.venue(a2, needs_approval=True, buffer=15),
        ]  # fmt: skip
        self.rooms = [r.id for r in rooms]
        self.people = [p.id for p in make.residents(PEOPLE, a1)]
        self.clerk = town.actor("A")

    def start(self) -> Any:
        return at(self.random.choice((27, 28, 29)), self.random.randrange(9, 19), self.random.choice((0, 30)))

    def row(self, *wanted: str) -> tuple[int, int]:
        """A booking and its resident, chosen while others are busy with it."""
        mine = select(Booking.id, Booking.resident_id).where(
            Booking.status.in_(wanted), Booking.resident_id.is_not(None)
        )
        with scope.system("race"):
            rows = db.session.execute(mine).all()
        db.session.rollback()
        return self.random.choice([(i, r or 0) for i, r in rows] or [(0, 0)])

    def job(self) -> Job:
        pick, start = self.random.random(), self.start()
        end = start + timedelta(minutes=self.random.choice((60, 90, 120)))
        room = self.random.choice(self.rooms)
        me = Actor("resident", self.random.choice(self.people), "居民")
        asked = Wish(room, start, end, title="会")
        if pick < 0.45:
            return lambda: booking.book(me, asked, NOW).id
        if pick < 0.55:
            return lambda: booking.wait(me, asked, NOW).id
        if pick < 0.65:
            return lambda: self._decide(start.minute == 0)
        if pick < 0.75:
            return lambda: self._change(start, end, room)
        if pick < 0.83:
            number = self.random.random()
            return lambda: (
                approval.move(self.clerk, self.row(APPROVED, PENDING)[0], room, start, end, f"{number}", NOW).id
            )
        if pick < 0.90:
            return self._series(room)
        if pick < 0.95:
            return self._activity(room, start)
        return self._leave

    def _decide(self, yes: bool) -> int:
        number = self.row(PENDING)[0]
        act = approval.approve(self.clerk, number, NOW) if yes else approval.refuse(self.clerk, number, "不行", NOW)
        return act.id

    def _change(self, start: Any, end: Any, room: int) -> int:
        number, owner = self.row(APPROVED, PENDING)
        return booking.change(Actor("resident", owner, "居民"), number, start, end, NOW, venue_id=room).id

    def _leave(self) -> int:
        number, owner = self.row(APPROVED, PENDING, WAITING)
        return booking.withdraw(Actor("resident", owner, "居民"), number, NOW).id

    def _series(self, room: int) -> Job:
        opens = self.random.randrange(9, 19) * 60
        rule = Rule(room, f"团{self.random.random()}", frozenset({4, 5, 6}), date(2026, 11, 27), date(2026, 11, 29),
                    opens, opens + 60)  # fmt: skip
        waits = {date(2026, 11, d): Choice("wait") for d in (27, 28, 29)} if self.random.random() < 0.5 else {}
        return lambda: len(series.book_series(self.clerk, rule, waits, NOW).booked)

    def _activity(self, room: int, start: Any) -> Job:
        number, spans = self.random.randrange(5), [Span(start, start + timedelta(hours=1))]
        return lambda: activity_holds.hold(number, f"活动{number}", room, spans, 20, True, self.clerk, NOW)

    def run(self, app: Flask, jobs: int, threads: int = THREADS) -> list[Any]:
        """Each job chooses its rows while the others run."""
        made = [self.job() for _ in range(jobs)]
        return rush(app, made, threads)


def forgotten(session: Any) -> list[int]:
    """People who wait for a time that nobody holds."""
    rows = session.scalars(select(Booking).where(Booking.status == WAITING)).all()
    return [b.id for b in rows if occupancy.is_free(b.venue_id, waiting_list.held(b))]


@pytest.mark.parametrize(("jobs", "threads"), SIZES)
def test_a_crowd_never_overlaps(app: Flask, session: Any, town: Town, make: Make, jobs: int, threads: int) -> None:
    crowd = Crowd(town, make, SEED)
    session.rollback()
    answers = crowd.run(app, jobs, threads)
    assert faults(answers) == [], f"seed {SEED}: {errors_of(answers)}"
    session.rollback()
    assert overlapping(session) == [], f"seed {SEED}"
    assert forgotten(session) == [], f"seed {SEED}"
    seen = errors_of(answers)
    assert seen["SlotTaken"] > 0, seen  # losers, in words, with what they wished for
    assert not seen["IntegrityError"] and not seen["OperationalError"], seen  # the lock came first: no net, no deadlock
    held = session.scalar(select(func.count()).select_from(Booking).where(Booking.status.in_((APPROVED, PENDING))))
    assert held > 10


def test_the_losers_wish_comes_back(app: Flask, session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"]).id
    people = [p.id for p in make.residents(60, town.centres["A1"])]
    asked = Wish(room, at(27, 14), at(27, 16), title="会")
    session.rollback()
    answers = rush(app, [lambda i=i: booking.book(Actor("resident", i, "居民"), asked, NOW).id for i in people])
    lost = [a for a in answers if isinstance(a, SlotTaken)]
    assert len(lost) == 59 and all(a.wish.span == asked.span and a.status == 409 for a in lost)


# What makes it safe ---------------------------------------------------------------------------------------------------


def unlocked(statement: Any, of: Any) -> Any:
    return statement


def without_net() -> None:
    with db.engine.begin() as connection:
        overlap_constraint.remove(connection)


def two_want_one_hour(
    app: Flask, session: Any, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch
) -> tuple[bool, list[Any]]:
    """Nothing but lock and look: the second asks while the first has looked and not yet written."""
    room = make.venue(town.centres["A1"]).id
    jobs = [lambda m=m: booking.book(m, Wish(room, at(27, 14), at(27, 16), title="会"), NOW).id
            for m in (town.resident_actor(0), town.resident_actor(1))]  # fmt: skip
    session.rollback()
    without_net()
    gap = Gap(occupancy.is_free)
    monkeypatch.setattr(occupancy, "is_free", gap)
    both_looked, answers = in_the_gap(app, gap, *jobs)
    session.rollback()
    return both_looked, answers


def test_control_without_lock_and_net_it_overlaps(
    app: Flask, session: Any, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look alone is not enough: two look at once and both see a free room. This is what the tests above rely on."""
    if is_sqlite():
        pytest.skip("SQLite's BEGIN IMMEDIATE is the lock; see the next test")
    monkeypatch.setattr(locks, "for_update", unlocked)
    both_looked, answers = two_want_one_hour(app, session, town, make, monkeypatch)
    assert both_looked and faults(answers) == []
    assert len(overlapping(session)) == 1


def test_control_without_the_net_and_the_look_it_overlaps(
    app: Flask, session: Any, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On both databases: one writer at a time does not help who does not look."""
    room = make.venue(town.centres["A1"])
    asked, people = wish(room), [town.resident_actor(n) for n in (0, 1)]
    session.rollback()
    without_net()
    monkeypatch.setattr(occupancy, "is_free", lambda *_a, **_k: True)
    answers = rush(app, [lambda m=m: booking.book(m, asked, NOW).id for m in people])
    assert faults(answers) == []
    session.rollback()
    assert len(overlapping(session)) == 1


def test_the_lock_alone_holds(
    app: Flask, session: Any, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even in the gap between look and write."""
    both_looked, answers = two_want_one_hour(app, session, town, make, monkeypatch)
    assert not both_looked
    assert isinstance(answers[0], int) and isinstance(answers[1], SlotTaken), answers
    assert overlapping(session) == []


@pytest.mark.parametrize("gone", ["lock", "look", "both"])
def test_the_net_alone_holds(
    app: Flask, session: Any, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    crowd = Crowd(town, make, SEED)
    session.rollback()
    if gone != "look":
        monkeypatch.setattr(locks, "for_update", unlocked)
    if gone != "lock":
        monkeypatch.setattr(occupancy, "is_free", lambda *_a, **_k: True)
    answers = crowd.run(app, 60)
    session.rollback()
    assert overlapping(session) == []
    if gone != "lock":
        caught = [a for a in answers if isinstance(a, IntegrityError)]
        assert caught and all(isinstance(errors.for_integrity(a), SlotTaken) for a in caught)


# One person, one request, one place in line ---------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [{"hours_per_week": 2}, {"bookings_per_month": 1}])
def test_a_limit_holds_in_many_rooms_at_once(
    app: Flask, session: Any, town: Town, make: Make, limit: dict[str, int]
) -> None:
    rooms = [make.venue(town.centres["A1"], **limit).id for _ in range(12)]
    me = town.resident_actor(0)
    session.rollback()
    jobs = [lambda r=r, d=d: booking.book(me, Wish(r, at(d, 14), at(d, 16)), NOW).id for r in rooms for d in (27, 28)]
    answers = rush(app, jobs)
    assert errors_of(answers) == {"LimitReached": 23} and faults(answers) == []
    assert sum(isinstance(a, LimitReached) for a in answers) == 23


def test_a_double_click_is_one_booking(app: Flask, session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"])
    me, asked, clerk = town.resident_actor(0), wish(room), town.actor("A1")
    house = wish(room, 28)
    session.rollback()
    answers = rush(app, [lambda: booking.book(me, asked, NOW).id] * 20)
    assert len(set(answers)) == 1 and isinstance(answers[0], int)
    answers = rush(app, [lambda: approval.book_for(clerk, house, "", "王", NOW).id] * 20)
    assert len(set(answers)) == 1 and isinstance(answers[0], int)


def test_one_caller_in_two_forms_is_one_resident(app: Flask, session: Any, town: Town, make: Make) -> None:
    rooms = [make.venue(town.centres["A1"]) for _ in range(8)]
    clerk, asked = town.actor("A1"), [wish(r) for r in rooms]
    session.rollback()
    answers = rush(app, [lambda w=w: approval.book_for(clerk, w, "19900008888", "陈", NOW).id for w in asked])
    assert faults(answers) == [], errors_of(answers)
    session.rollback()
    assert session.scalar(select(func.count()).select_from(Resident).where(Resident.phone == "19900008888")) == 1


def test_two_of_staff_decide_the_same_request(app: Flask, session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], needs_approval=True)
    ids = [make.booking(room, at(27, 9 + n), resident=town.residents[0], status=PENDING).id for n in range(6)]
    one, other = town.actor("A1"), town.actor("A")
    session.rollback()
    jobs: list[Job] = []
    for i in ids:
        jobs += [lambda i=i: approval.approve(one, i, NOW).id, lambda i=i: approval.refuse(other, i, "不行", NOW).id]
        jobs += [
            lambda i=i: approval.hand_up(one, i, "", NOW).id,
            lambda i=i: approval.cancel(other, i, "停电", NOW).id,
        ]
    answers = rush(app, jobs)
    assert faults(answers) == []
    refused = [a for a in answers if isinstance(a, DomainError)]
    assert all(a.status in (403, 409) for a in refused)
    session.rollback()
    for i in ids:
        ends = select(StateHistory.name).where(StateHistory.object_type == "booking", StateHistory.object_id == i)
        names = [n for n in session.scalars(ends) if n in ("approve", "refuse", "cancel")]
        assert names in (["approve"], ["refuse"], ["cancel"], ["approve", "cancel"])


def test_the_line_moves_up_exactly_once(app: Flask, session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"])
    held = make.booking(room, at(27, 14), 120, town.residents[0])
    rows = [make.booking(room, at(27, 14), 120, town.residents[n], status=WAITING) for n in (1, 2, 3, 4)]
    me, clerk, number = town.resident_actor(0), town.actor("A1"), held.id
    session.rollback()
    jobs: list[Job] = [lambda: booking.withdraw(me, number, NOW).id] * 10
    jobs += [lambda: approval.cancel(clerk, number, "停电", NOW).id] * 5
    answers = rush(app, jobs)
    assert faults(answers) == []
    session.rollback()
    assert statuses(session, rows) == [APPROVED, WAITING, WAITING, WAITING]
    assert overlapping(session) == []
    ups = select(func.count()).select_from(StateHistory).where(StateHistory.name == "move_up")
    assert session.scalar(ups) == 1
    keys = session.scalars(select(outbox.Outbox.key).where(outbox.Outbox.topic == "venues.moved_up")).all()
    assert len(keys) == 1


def test_accepted_and_lapsed_at_the_same_moment(app: Flask, session: Any, town: Town, make: Make) -> None:
    """Both clocks say 12:00: whoever is first wins, and exactly one person has the room."""
    room = make.venue(town.centres["A1"], notice=0)
    for n in range(6):
        start = at(26, 9 + 2 * n)
        make.booking(room, start, 120, town.residents[1], status=OFFERED, accept_by=at(25, 12))
        make.booking(room, start, 120, town.residents[2], status=WAITING)
    offers = session.scalars(select(Booking.id).where(Booking.status == OFFERED)).all()
    me, just, over = town.resident_actor(1), at(25, 11, 59), at(25, 12)
    session.rollback()
    jobs: list[Job] = [lambda: deadlines.lapse(over)] * 3
    jobs += [lambda i=i: booking.accept(me, i, just).id for i in offers]
    random.Random(SEED).shuffle(jobs)
    answers = rush(app, jobs)
    assert faults(answers) == []
    session.rollback()
    assert overlapping(session) == []
    found = Counter((b.status, b.resident_id == me.id) for b in session.scalars(select(Booking)))
    given_on = found[(OFFERED, False)] + found[(APPROVED, False)]  # asked, or booked at once a day ahead
    assert found[(APPROVED, True)] == found[(WAITING, False)] and found[(LAPSED, True)] == given_on
    assert found[(APPROVED, True)] + found[(LAPSED, True)] == 6


def test_two_schedulers_release_and_hand_up_once(app: Flask, session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], release=15)
    asks = make.venue(town.centres["A1"], needs_approval=True)
    gone = [
        make.booking(r, at(25, 9, 30), 120, town.residents[0])
        for r in (room, make.venue(town.centres["A1"], release=15))
    ]
    asked = make.booking(asks, at(27, 14), resident=town.residents[0], status=PENDING)
    asked.decide_by = NOW
    session.commit()
    answers = rush(app, [lambda: check_in.release_no_shows(NOW), lambda: deadlines.hand_up_undecided(NOW)] * 4)
    assert faults(answers) == []
    assert statuses(session, gone) == [RELEASED] * 2
    session.refresh(asked)
    assert asked.waits_at_id == town.centres["A"].id
    names = Counter(session.scalars(select(StateHistory.name)))
    assert (names["release"], names["hand_up"]) == (2, 1)


def test_moves_between_two_rooms_in_both_directions(app: Flask, session: Any, town: Town, make: Make) -> None:
    """Locks are taken in the order of ids, so nobody waits for each other in a circle."""
    one, two = make.venue(town.centres["A1"], longest=60), make.venue(town.centres["A2"], longest=60)
    rooms: list[Venue] = [one, two]
    rows = []
    for n in range(24):
        room = rooms[n % 2]
        rows.append(make.booking(room, at(27, 9 + n // 2) if n < 24 else NOW, 60, town.residents[n % 5]))
    owners = [(b.id, b.resident_id, two.id if b.venue_id == one.id else one.id, b.starts_at) for b in rows]
    ids, clerk = (one.id, two.id), town.actor("A")
    session.rollback()
    jobs: list[Job] = []
    for number, owner, other, start in owners:
        me, later = Actor("resident", owner, "居民"), start + timedelta(days=1)
        jobs.append(
            lambda m=me, i=number, o=other, s=later: booking.change(m, i, s, s + timedelta(hours=1), NOW, venue_id=o).id
        )
        for room in ids:
            jobs.append(
                lambda i=number, r=room, s=later: approval.move(clerk, i, r, s, s + timedelta(hours=1), "换", NOW).id
            )
    random.Random(SEED).shuffle(jobs)
    answers = rush(app, jobs)
    assert faults(answers) == [], errors_of(answers)
    session.rollback()
    assert overlapping(session) == []
    assert session.scalar(select(func.count()).select_from(Booking).where(Booking.status == APPROVED)) == 24
