"""A search says of every room what the rules and a look at what is taken say of it alone (SPEC V2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.centres.models import Centre
from portal.core import clock
from portal.core.db import db
from portal.core.errors import DomainError
from portal.venues import rules
from portal.venues.actions import booking
from portal.venues.availability import search
from portal.venues.availability.room_snapshot import Snapshot
from portal.venues.availability.search import Wanted
from portal.venues.models import Venue
from portal.venues.rules import Closure, Span, Terms
from portal.venues.rules.eligibility import Wish
from tests.factories import Make, Town
from tests.venues.helping import at

DAY, ONE = date(2026, 11, 26), timedelta(days=1)
HOUSE = Centre(id=1, code="A1", name="甲一社区党群服务中心", short_name="甲一社区", path="/1/2/", phone="", address="")
NOW = clock.at(DAY - ONE, time(10, 0, 30, 5))

minutes = st.integers(0, 96).map(lambda n: n * 15)
hours = st.lists(st.tuples(minutes, minutes), max_size=3).map(
    lambda pairs: tuple(p for p in sorted((min(a, b), max(a, b)) for a, b in pairs) if p[0] < p[1])
)


def apart(found: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Opening hours do not overlap."""
    kept: list[tuple[int, int]] = []
    for opens, closes in found:
        if not kept or opens > kept[-1][1]:
            kept.append((opens, closes))
    return tuple(kept)


def after_midnight(first: int, last: int) -> Span:
    return Span(rules.moment(DAY, first), rules.moment(DAY, last))


@st.composite
def span(draw: st.DrawFn, first: int = -1440, last: int = 2 * 1440, longest: int = 600) -> Span:
    """Somewhere around the day, to five minutes."""
    start = draw(st.integers(first // 5, last // 5)) * 5
    return after_midnight(start, start + draw(st.integers(1, longest // 5)) * 5)


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    shortest = draw(st.sampled_from((15, 30, 60, 90)))
    return Terms(
        weekly={day: apart(draw(hours)) for day in range(7)},
        exceptions=draw(st.dictionaries(st.sampled_from((DAY - ONE, DAY, DAY + ONE)), hours.map(apart), max_size=1)),
        closures=tuple(Closure(s) for s in draw(st.lists(span(), max_size=2))),
        buffer=draw(st.sampled_from((0, 15, 40))),
        shortest=shortest,
        longest=shortest + draw(st.integers(0, 8)) * 30,
        step=draw(st.sampled_from((5, 15, 20, 30, 45, 60))),
        ahead_days=draw(st.sampled_from((0, 1, 14))),
        notice=draw(st.sampled_from((0, 60, 1440))),
    )


def held(found: list[Span], buffer: int) -> list[Span]:
    """Bookings as the database lets them be: no two overlap, buffers included."""
    kept: list[Span] = []
    for one in sorted(found, key=lambda s: s.start):
        if not kept or kept[-1].end <= one.start:
            kept.append(rules.held(one, buffer))
    return kept


def put(seen: Snapshot, number: int, own: Terms, taken: list[Span], **values: Any) -> None:
    """A room with its rules and what is taken of it, as the snapshot reads it."""
    usual = {"who_may": "everybody", "kind": "room", "functions": [], "capacity": None, "phone": ""}
    room = Venue(id=number, centre_id=1, centre=HOUSE, name=f"室{number}", **usual | values)
    seen.rooms[number], seen.terms[number] = room, own
    for day in (DAY + n * ONE for n in range(-2, 12)):
        start, end = rules.moment(day, 0), rules.moment(day, 1440 + own.buffer)
        seen.taken[number, day] = [t for t in taken if t.start < end and t.end > start]


@st.composite
def rooms(draw: st.DrawFn) -> tuple[Snapshot, dict[int, list[Span]]]:
    """Four rooms with rules and bookings of their own."""
    seen, found = Snapshot("", NOW, {}, {}, {}), {}
    for number in range(1, 5):
        own = draw(terms())
        found[number] = held(draw(st.lists(span(), max_size=4)), own.buffer)
        put(seen, number, own, found[number])
    return seen, found


def told(seen: Snapshot, wish: Span, now: datetime) -> set[int]:
    opens, closes = ((moment - rules.moment(DAY, 0)) // timedelta(minutes=1) for moment in (wish.start, wish.end))
    wanted = Wanted(days=(DAY,), opens=opens, closes=closes)
    return {card.venue.id for card in search.free_for(wanted, now, seen).cards}


@pytest.mark.once
@settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(rooms(), st.lists(span(0, 1435), min_size=6, max_size=6))
def test_the_same_rooms_as_asked_one_by_one(scene: tuple[Snapshot, dict[int, list[Span]]], wishes: list[Span]) -> None:
    """Off the grid, too long, over midnight, into a closure, across a buffer: whatever the wish."""
    seen, taken = scene
    for wish in wishes:
        expected = {
            number
            for number, own in seen.terms.items()
            if rules.refusal(own, wish, None, NOW) is None
            and not any(rules.collides(rules.held(wish, own.buffer), t) for t in taken[number])
        }
        assert told(seen, wish, NOW) == expected, wish


@pytest.mark.once
@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(rooms())
def test_every_time_the_rules_offer_is_found(scene: tuple[Snapshot, dict[int, list[Span]]]) -> None:
    """From the other side: each start and end that the room's page offers is a wish that finds the room."""
    seen, taken = scene
    for number, own in seen.terms.items():
        for start in rules.starts(own, DAY, taken[number], NOW, own.shortest):
            for end in rules.ends(own, start, taken[number], NOW)[:3]:
                assert number in told(seen, Span(start, end), NOW)


def district() -> Snapshot:
    """Three rooms, the second twice as large, the third only for its own centre's residents."""
    seen = Snapshot("", NOW, {}, {}, {})
    for number, (capacity, who) in enumerate(((10, "everybody"), (20, "everybody"), (30, "own")), 1):
        own = Terms(weekly=dict.fromkeys(range(7), ((540, 1260),)), capacity=capacity)
        put(seen, number, own, [], who_may=who, functions=[f"用途{number}"])
    return seen


def names(wanted: Wanted) -> list[int]:
    return [card.venue.id for card in search.free_for(wanted, NOW, district()).cards]


def test_people_use_and_home() -> None:
    wish = Wanted(days=(DAY,), opens=840, closes=960)
    assert names(wish) == [1, 2, 3]  # whoever is not signed in is told when booking
    assert names(replace(wish, home_path="/1/2/7/")) == [1, 2, 3]
    assert names(replace(wish, home_path="/1/3/")) == names(replace(wish, home_path="")) == [1, 2]
    assert names(replace(wish, people=20)) == [2, 3]
    assert names(replace(wish, function="用途2")) == [2]
    assert names(replace(wish, kind="hall")) == []


def test_days_that_nobody_can_book_are_no_question_for_the_database() -> None:
    """Yesterday and years ahead: nothing is read (the snapshot here has no database), and other times are offered."""
    for day in (DAY - 30 * ONE, DAY + 400 * ONE, date(2199, 12, 31)):
        found = search.free_for(Wanted(days=(day,), opens=840, closes=960), NOW, district())
        assert (found.total, found.cards) == (0, []) and found.other


def test_a_day_is_told_anew_when_the_hours_have_passed() -> None:
    seen = district()
    room, today = 1, clock.today(NOW)
    assert seen.week(room, today, 1, NOW)[0].hours == "10:30–21:00"
    assert seen.week(room, today, 1, NOW + timedelta(seconds=20))[0] is seen.week(room, today, 1, NOW)[0]
    assert seen.week(room, today, 1, NOW + timedelta(minutes=30))[0].hours == "11:00–21:00"
    far = today + 15 * ONE
    seen.taken[1, far - ONE] = seen.taken[1, far] = seen.taken[1, far + ONE] = []
    assert [seen.week(room, far, 1, now)[0].word for now in (NOW, NOW + ONE)] == ["还早", "有空"]


def test_what_is_found_can_be_booked_and_nothing_else(town: Town, make: Make, session: Any, now: datetime) -> None:
    """Each room found for a time is booked for it, and each one not found is refused."""
    a1, me = town.centres["A1"], town.resident_actor(0)
    venues = [
        make.venue(a1, name="一室", buffer=15),
        make.venue(a1, name="二室", shortest=60, longest=120, step=60),
        make.venue(a1, name="三室", notice=26 * 60),
    ]
    make.booking(venues[0], at(26, 10), 90)
    make.booking(venues[1], at(26, 14), 60)
    make.closure(venues[2], at(26, 16), at(26, 18))
    session.commit()
    wishes = [(opens, opens + length) for opens in range(8 * 60, 21 * 60, 30) for length in (30, 60, 150)]
    offered, booked = {}, {}
    for opens, closes in wishes:
        wanted = Wanted(days=(DAY,), opens=opens, closes=closes)
        offered[opens, closes] = {card.venue.name for card in search.free_for(wanted, now).cards}
        booked[opens, closes] = set()
        for venue in venues:
            wish, trial = after_midnight(opens, closes), db.session.begin_nested()
            try:
                booking.book(me, Wish(venue.id, wish.start, wish.end, title="排练"), now)
                booked[opens, closes].add(venue.name)
            except DomainError:
                pass
            trial.rollback()
    assert offered == booked and len({frozenset(names) for names in offered.values()}) > 5
