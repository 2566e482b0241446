"""The demo's rooms: every centre has some, bookings keep every rule, and everything that can happen has happened."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from portal.cases.models import Case
from portal.centres.models import Centre
from portal.core import clock
from portal.core.states import StateHistory
from portal.feedback import queries as evaluations
from portal.feedback.models import CallBack, Evaluation
from portal.venues import occupancy, rules
from portal.venues.actions import rooms
from portal.venues.models import (
    APPROVED,
    BY_RESIDENT,
    HOLDS,
    OWN,
    PENDING,
    STAFF_ONLY,
    Booking,
    BookingSeries,
    Venue,
    VenueClosure,
    VenueNote,
)
from portal.venues.states import LABELS

DAY = timedelta(days=1)


def test_every_centre_has_rooms_and_the_district_twelve(loaded: Any) -> None:
    counted = select(Centre.code, Centre.level, func.count(Venue.id)).join(Venue, Venue.centre_id == Centre.id)
    rows = loaded.execute(counted.where(Venue.bookable).group_by(Centre.code, Centre.level)).all()
    found = {code: number for code, _, number in rows}
    assert found["440307DP"] == 12 and sorted(Counter(level for _, level, _ in rows).items()) == [
        ("community", 25),
        ("district", 1),
        ("subdistrict", 3),
    ]
    assert all(3 <= number <= 12 for number in found.values())
    assert loaded.scalar(select(func.count(Venue.id)).where(~Venue.bookable)) == 19


def test_rooms_are_such_as_staff_could_have_typed(loaded: Any) -> None:
    venues = list(loaded.scalars(select(Venue)))
    assert not [(v.name, p) for v in venues if (p := rooms.problems(rooms.facts_of(v), rooms.week_of(v)))]
    keys = [(v.centre_id, v.name) for v in venues]
    assert len(keys) == len(set(keys))
    bookable = [v for v in venues if v.bookable]
    for name in ("buffer", "release", "longest", "ahead_days", "needs_approval", "who_may", "own_hours"):
        assert len({getattr(v, name) for v in bookable}) > 1, name


def test_nobody_holds_what_another_holds(loaded: Any) -> None:
    held: dict[int, list[Booking]] = defaultdict(list)
    for row in loaded.scalars(select(Booking).where(Booking.status.in_(HOLDS)).order_by(Booking.starts_at)):
        held[row.venue_id].append(row)
    pairs = [(a, b) for rows in held.values() for a, b in pairwise(rows)]
    assert len(pairs) > 500 and not [(a.title, b.title) for a, b in pairs if b.starts_at < a.held_until]


def test_every_status_source_and_kind_of_story_occurs(loaded: Any, now: datetime) -> None:
    assert set(loaded.scalars(select(Booking.status).distinct())) == set(LABELS) - {"lapsed"}
    assert set(loaded.scalars(select(Booking.source).distinct())) == {"resident", "staff", "activity"}
    steps = set(loaded.scalars(select(StateHistory.name).where(StateHistory.object_type == "booking").distinct()))
    assert {"book", "approve", "refuse", "hand_up", "offer", "withdraw", "cancel", "release"} <= steps
    assert loaded.scalar(select(func.count(BookingSeries.id))) == 1
    assert loaded.scalar(select(func.count(VenueClosure.id)).where(VenueClosure.ends_at > now)) == 3
    assert sorted(loaded.scalars(select(VenueNote.solved_at.is_(None)))) == [False, True, True]
    today = [clock.today(b.starts_at) == clock.today(now) for b in loaded.scalars(select(Booking))]
    assert sum(today) > 10
    late = select(Booking).where(Booking.status == PENDING, Booking.source == BY_RESIDENT, Booking.decide_by.is_(None))
    assert loaded.scalars(late).one().venue.centre.code == "440307DP"


def test_what_residents_have_booked_keeps_the_rules_of_the_room(loaded: Any, now: datetime) -> None:
    wanted = select(Booking).where(Booking.source == BY_RESIDENT).options(joinedload(Booking.venue))
    rows = list(loaded.scalars(wanted))
    first, until = clock.today(now) - 20 * DAY, clock.today(now) + 20 * DAY
    terms = occupancy.terms_of(list({r.venue_id: r.venue for r in rows}.values()), first, until)
    bad = []
    for row in rows:
        asked = min(row.created_at, row.starts_at - timedelta(minutes=row.venue.notice))
        why = rules.refusal(terms[row.venue_id], rules.Span(row.starts_at, row.ends_at), row.people, asked)
        moved = row.status == APPROVED and row.revision > 1  # staff may move a booking beyond the hours
        if (why and why.code != "too_far" and not moved) or row.venue.who_may == STAFF_ONLY:
            bad.append((row.title, row.venue.name, why))
        if row.venue.who_may == OWN and row.resident and row.resident.home_centre_id:
            home = loaded.get_one(Centre, row.resident.home_centre_id)
            bad += [] if home.path.startswith(row.venue.centre.path) else [(row.title, row.venue.name, "not own")]
    assert len(rows) > 500 and not bad


def test_each_booking_has_its_history(loaded: Any) -> None:
    lines = select(StateHistory.object_id, StateHistory.to_status).where(StateHistory.object_type == "booking")
    latest = {row.object_id: row.to_status for row in loaded.execute(lines.order_by(StateHistory.id))}
    assert {b.id: b.status for b in loaded.scalars(select(Booking))} == latest


def test_opinions_and_call_backs(loaded: Any, now: datetime) -> None:
    assert Counter(loaded.scalars(select(CallBack.status))) == {"open": 3, "claimed": 1, "done": 1}
    assert (
        loaded.scalar(
            select(func.count(Case.id)).where(Case.kind == "call_back", Case.due_at < now, Case.status != "done")
        )
        == 2
    )
    keys = set(loaded.scalars(select(Evaluation.group_key).where(Evaluation.subject_kind == "booking")))
    assert sum(found.shown for found in evaluations.average(keys).values()) >= 5
    assert not list(loaded.scalars(select(Evaluation.id).where(Evaluation.given_at < Evaluation.asked_at)))


def test_the_tours_resident_has_a_bit_of_everything(loaded: Any, now: datetime) -> None:
    mine = list(loaded.scalars(select(Booking).where(Booking.resident_id == 1)))
    assert {b.status for b in mine} == {"approved", "pending", "waiting", "offered"}
    used = [b for b in mine if b.ends_at < now]
    assert len(used) == 1 and used[0].checked_in_at is not None
    asked = select(Evaluation.stars).where(Evaluation.resident_id == 1, Evaluation.subject_kind == "booking")
    assert list(loaded.scalars(asked)) == [None]
