"""The search by bits says of every room what the rules and a look at what is taken say of it alone (SPEC V2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.core import clock
from portal.venues import rules
from portal.venues.availability import bit_search, search
from portal.venues.availability.room_snapshot import Board, House, Room, Sheet
from portal.venues.availability.search import Wanted
from portal.venues.rules import Closure, Span, Terms, day_words

pytestmark = pytest.mark.once

DAY, ONE = date(2026, 11, 26), timedelta(days=1)
HOUSE = House(1, "A1", "甲一社区党群服务中心", "甲一社区", "/1/2/", "", "", None, None)
ROOM = Room(
    id=1,
    centre_id=1,
    version=1,
    revision=1,
    bookable=True,
    name="室",
    kind="room",
    place="",
    address="",
    capacity=None,
    functions=(),
    phone="",
    who_may="everybody",
    needs_approval=False,
    waiting_list=True,
    own_hours=True,
    buffer=0,
    shortest=30,
    longest=180,
    step=30,
    notice=0,
    ahead_days=14,
    hours_per_week=None,
    bookings_per_month=None,
    cancel=0,
    release=0,
    position=0,
    centre=HOUSE,
)
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


@st.composite
def span(draw: st.DrawFn, first: int = -1440, last: int = 2 * 1440, longest: int = 600) -> Span:
    """Somewhere around the day, to five minutes."""
    start = draw(st.integers(first // 5, last // 5)) * 5
    length = draw(st.integers(1, longest // 5)) * 5
    begin = clock.at(DAY, time()) + timedelta(minutes=start)
    return Span(begin, begin + timedelta(minutes=length))


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    shortest = draw(st.sampled_from((15, 30, 60, 90)))
    step = draw(st.sampled_from((5, 15, 20, 30, 45, 60)))
    return Terms(
        weekly={day: apart(draw(hours)) for day in range(7)},
        exceptions=draw(st.dictionaries(st.sampled_from((DAY - ONE, DAY, DAY + ONE)), hours.map(apart), max_size=1)),
        closures=tuple(Closure(s) for s in draw(st.lists(span(), max_size=2))),
        buffer=draw(st.sampled_from((0, 15, 40))),
        shortest=shortest,
        longest=shortest + draw(st.integers(0, 8)) * 30,
        step=step,
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


@st.composite
def boards(draw: st.DrawFn) -> Board:
    """Four rooms with rules and bookings of their own."""
    seen = Board("", NOW, {}, [], {1: HOUSE}, {})
    for number in range(1, 5):
        own = draw(terms())
        seen.rooms[number] = replace(ROOM, id=number, buffer=own.buffer, shortest=own.shortest, longest=own.longest)
        seen.terms[number] = own
        taken = held(draw(st.lists(span(), max_size=4)), own.buffer)
        low, high = clock.at(DAY - ONE, time()), clock.at(DAY + 2 * ONE, time())
        near = [t for t in taken if t.start < high and t.end > low]
        seen.sheets[number, DAY] = Sheet(day_words.day_of(own, DAY, near, NOW), near)
    return seen


def expected(seen: Board, wish: Span, now: datetime) -> set[int]:
    """Asked of each room alone."""
    found = set()
    for number, own in seen.terms.items():
        taken = seen.sheets[number, DAY].taken
        mine = rules.held(wish, own.buffer)
        if rules.refusal(own, wish, None, now) is None and not any(rules.collides(mine, t) for t in taken):
            found.add(number)
    return found


def told(seen: Board, wish: Span, now: datetime) -> set[int]:
    found = bit_search.free_for(seen, DAY, wish, now)
    return {number for number, bit in bit_search.bits(seen).items() if found & bit}


@settings(derandomize=True, deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(boards(), st.lists(span(0, 1435), min_size=6, max_size=6))
def test_the_same_rooms_as_asked_one_by_one(seen: Board, wishes: list[Span]) -> None:
    """Off the grid, too long, over midnight, into a closure, across a buffer: whatever the wish."""
    later = NOW + timedelta(seconds=29)  # the board lives to the end of its minute
    for wish in wishes:
        assert told(seen, wish, NOW) == expected(seen, wish, NOW) == expected(seen, wish, later), wish


@settings(derandomize=True, deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
@given(boards())
def test_every_time_the_rules_offer_is_found(seen: Board) -> None:
    """From the other side: each start and end that the room's page offers is a wish that finds the room."""
    for number, own in seen.terms.items():
        taken = seen.sheets[number, DAY].taken
        for start in rules.starts(own, DAY, taken, NOW, own.shortest):
            for end in rules.ends(own, start, taken, NOW):
                assert number in told(seen, Span(start, end), NOW)


def open_all_day(**values: int) -> Terms:
    return Terms(weekly=dict.fromkeys(range(7), ((540, 1260),)), **values)  # type: ignore[arg-type]


def district() -> Board:
    """Three rooms, the second twice as large, the third only for its own centre's residents."""
    seen = Board("", NOW, {}, [], {1: HOUSE}, {})
    for number, (capacity, who) in enumerate(((10, "everybody"), (20, "everybody"), (30, "own")), 1):
        seen.rooms[number] = replace(ROOM, id=number, capacity=capacity, who_may=who, functions=(f"用途{number}",))
        seen.terms[number] = open_all_day()
        for day in (DAY - ONE, DAY, DAY + ONE):
            seen.sheets[number, day] = Sheet(day_words.day_of(seen.terms[number], day, [], NOW), [])
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
    """Yesterday and years ahead: nothing is read (the board here has no database), and other times are offered."""
    for day in (DAY - 30 * ONE, DAY + 400 * ONE, date(2199, 12, 31)):
        found = search.free_for(Wanted(days=(day,), opens=840, closes=960), NOW, full_week(district()))
        assert (found.total, found.cards) == (0, []) and found.other


def full_week(seen: Board) -> Board:
    for number in seen.rooms:
        for day in (DAY + n * ONE for n in range(-1, 9)):
            seen.sheets[number, day] = Sheet(day_words.day_of(seen.terms[number], day, [], NOW), [])
    return seen


def test_what_people_type_does_not_fill_the_memory() -> None:
    seen = district()
    for people in range(3000):
        bit_search.large(seen, people)
    assert len(seen.parts) <= 1001
    assert bit_search.large(seen, 15).bit_count() == 2
