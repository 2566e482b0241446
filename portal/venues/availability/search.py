"""Which room is free when, near whom (SPEC V2): the search, a centre's week, a room's day, and what a loser is offered.

Lists and searches are answered from the board (room_snapshot.py), one room from the database. What is taken is read for
everybody, never by whom.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote_plus

from sqlalchemy import select

from portal.centres import profile
from portal.centres.models import Centre
from portal.core import clock, scope
from portal.core.db import db
from portal.venues import occupancy, rules
from portal.venues.availability import bit_search, room_snapshot
from portal.venues.availability.room_snapshot import Board, House, Room
from portal.venues.models import APPROVED, BY_ACTIVITY, Booking, Venue
from portal.venues.rules import Span, Terms
from portal.venues.rules import day_words as days
from portal.venues.rules.day_words import Day
from portal.venues.rules.eligibility import Wish, may_book

PAGE = 20
STRIP = 7  # days of a strip
TRIED = 12  # rooms whose other times are looked up when nothing fits
SHOWN = 6  # such offers
OUTSIDE_SHOWN = 60
FUNCTIONS_SHOWN = 12
USUAL = 60  # minutes of a wish without an end


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for. opens, closes: minutes after midnight; people 0: not said; home_path None: unknown."""

    centre: Centre | House | None = None
    days: tuple[date, ...] = ()
    opens: int | None = None
    closes: int | None = None
    people: int = 0
    function: str = ""
    kind: str = ""
    now: bool = False
    page: int = 1
    home_path: str | None = None

    @property
    def asked(self) -> bool:
        """Whether anything narrows the search; otherwise the centre's own rooms are shown."""
        return bool(self.days or self.now or self.people or self.function or self.kind or self.opens is not None)


@dataclass(frozen=True, slots=True)
class Place:
    """A centre that has rooms, and how far it lies from the one asked for (None: unknown)."""

    centre: Centre | House
    km: float | None
    own: bool = False

    @property
    def far(self) -> str:
        if self.own or self.km is None:
            return ""
        return f"{self.km * 1000:.0f} 米" if self.km < 1 else f"{self.km:.1f} 公里"


class Card(NamedTuple):
    """A room in a list. week: the strip (first is the day shown); span: the time that fits the wish, ready to book.

    query: the wish as the room's page takes it; told: when the room is free, in words.
    """

    venue: Venue | Room
    place: Place
    week: tuple[Day, ...] = ()
    span: Span | None = None
    until: datetime | None = None  # stands empty until then
    refusal: rules.Refusal | None = None
    query: str = ""
    told: str = ""

    @property
    def today(self) -> Day | None:
        return self.week[0] if self.week else None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search; other: offers of other times when nothing fits; too_many: the largest room nearby."""

    cards: list[Card]
    total: int
    pages: int
    other: list[Card] = field(default_factory=list)
    largest: int = 0


def free_for(wanted: Wanted, now: datetime, seen: Board | None = None) -> Found:
    """Rooms that fit, own centre first, then the nearest; PAGE a page. Two statements at most, none when all is known.

    With a time: rooms free for exactly that; without: rooms with anything free on those days. Nothing fits: other
    times of the nearest rooms.
    """
    seen = seen or room_snapshot.current(now)
    order, _km = seen.near(wanted.centre)
    suiting = bit_search.suiting(seen, wanted.function, wanted.kind, wanted.home_path)
    large = suiting & bit_search.large(seen, wanted.people) if wanted.people else suiting
    hits = _hits(seen, large, wanted, now)
    fitting = sum(hit.rooms for hit in hits)
    total = fitting.bit_count()
    pages = max(1, -(-total // PAGE))
    shown = bit_search.chosen(order, seen, fitting, (min(wanted.page, pages) - 1) * PAGE, PAGE)
    near = _places(seen, wanted.centre)
    cards = _cards(seen, shown, hits, near)
    if total:
        return Found(cards, total, pages)
    bit = bit_search.bits(seen)
    largest = max((r.capacity or 0 for r in order if suiting & bit[r.id]), default=0)
    tried = bit_search.chosen(order, seen, large, 0, TRIED)
    return Found(cards, total, pages, _other_times(seen, tried, near, wanted, now), largest)


class Hit(NamedTuple):
    """Rooms (one bit each) that are first found on this day: free for the span, or until the moment their bit tells."""

    day: date
    rooms: int
    span: Span | None = None
    until: Mapping[int, datetime] = MappingProxyType({})
    query: str = ""  # the wish as a room's page takes it
    told: str = ""  # the span in words


def _hit(day: date, rooms: int, wanted: Wanted, span: Span | None = None) -> Hit:
    query = [f"day={day.isoformat()}"]
    if span is not None:
        query.append(f"start={_typed(wanted.opens)}")
        query += [f"end={_typed(wanted.closes)}"] if wanted.closes is not None else []
    query += [f"people={wanted.people}"] if wanted.people else []
    query += [f"function={quote_plus(wanted.function)}"] if wanted.function else []
    told = f"{clock.day(day)}{clock.hour(span.start)}–{days.end_text(span.end, day)} 有空" if span is not None else ""
    return Hit(day, rooms, span, query="&".join(query), told=told)


def _typed(minutes: int | None) -> str:
    return "" if minutes is None else f"{minutes // 60}:{minutes % 60:02d}"


def _hits(seen: Board, among: int, wanted: Wanted, now: datetime) -> list[Hit]:
    """On each wished day (today when none is wished) the rooms that were not found the day before."""
    today = clock.today(now)
    if wanted.now:
        return [_now(seen, among, wanted, now)]
    wished = [d for d in wanted.days or (today,) if 0 <= (d - today).days < room_snapshot.AHEAD]
    if len(wished) > 1:  # a weekend in one statement
        seen.week(seen.rooms.values(), wished[0], (wished[-1] - wished[0]).days + 1)
    hits = []
    for day in wished:
        span = span_of(day, wanted) if wanted.opens is not None else None
        found = bit_search.free_for(seen, day, span, now) if span else bit_search.day(seen, day).any
        hits.append(_hit(day, found & among, wanted, span))
        among &= ~found
    return hits


def _now(seen: Board, among: int, wanted: Wanted, now: datetime) -> Hit:
    """Rooms that stand empty at this moment, and until when."""
    today = clock.today(now)
    bit, until = bit_search.bits(seen), {}
    for room, (sheet,) in seen.week([r for r in seen.rooms.values() if among & bit[r.id]], today, 1).items():
        end = days.free_now(seen.terms[room], sheet.taken, now)
        if end is not None:
            until[room] = end
    return _hit(today, sum(bit[room] for room in until), wanted)._replace(until=until)


def _cards(seen: Board, rooms: Sequence[Room], hits: Sequence[Hit], near: Mapping[int, Place]) -> list[Card]:
    bit, cards = bit_search.bits(seen), []
    for room in rooms:
        hit = hits[0] if len(hits) == 1 else next(h for h in hits if h.rooms & bit[room.id])
        if hit.span is not None:
            cards.append(Card(room, near[room.centre_id], span=hit.span, query=hit.query, told=hit.told))
            continue
        (sheet,) = seen.week([room], hit.day, 1)[room.id]
        until = hit.until.get(room.id)
        told = _told(sheet.day, until, seen)
        cards.append(Card(room, near[room.centre_id], (sheet.day,), None, until, query=hit.query, told=told))
    return cards


def _told(day: Day, until: datetime | None, seen: Board) -> str:
    """When a found room is free."""
    if until is not None:
        return f"现在空着，到 {clock.hour(until)}"
    return f"{'今天' if day.day == clock.today(seen.loaded_at) else clock.day(day.day)} {day.hours} 有空"


def span_of(day: date, wanted: Wanted) -> Span:
    """The wished time on `day`; an hour when no end was said."""
    opens = wanted.opens or 0
    return Span(days.at(day, opens), days.at(day, wanted.closes if wanted.closes is not None else opens + USUAL))


def _other_times(
    seen: Board, rooms: Sequence[Room], near: dict[int, Place], wanted: Wanted, now: datetime
) -> list[Card]:
    """Near times of the nearest rooms that are large enough; two of each. One statement at most."""
    today = clock.today(now)
    first = wanted.days[0] if wanted.days else today
    if not 0 <= (first - today).days < room_snapshot.AHEAD - STRIP:
        first = today
    offers = []
    for room, sheets in zip(rooms, seen.week(rooms, first, STRIP + 1).values(), strict=True):
        place = near[room.centre_id]
        if wanted.opens is None:
            free = next((s.day for s in sheets if s.day.free), None)
            offers += [Card(room, place, (free,))] if free else []
            continue
        taken = list({(t.start, t.end): t for s in sheets for t in s.taken}.values())
        for span in rules.alternatives(seen.terms[room.id], span_of(first, wanted), taken, now, most=2):
            offers.append(Card(room, place, span=span))
    return offers[:SHOWN]


# A centre, a room -----------------------------------------------------------------------------------------------------


def centre_week(
    centre: Centre | House, first: date, now: datetime, home_path: str | None = None, seen: Board | None = None
) -> list[Card]:
    """The rooms of one centre with their strips from `first`, in the order of the centre. One statement at most."""
    seen = seen or room_snapshot.current(now)
    rooms = sorted((r for r in seen.rooms.values() if r.centre_id == centre.id), key=lambda r: (r.position, r.id))
    first = min(first, clock.today(seen.loaded_at) + timedelta(days=room_snapshot.AHEAD - STRIP))
    sheets = seen.week(rooms, first, STRIP)
    return [
        Card(r, Place(r.centre, 0.0, own=True), tuple(s.day for s in sheets[r.id]), refusal=may_book(r, home_path))
        for r in rooms
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RoomDay:
    """One room around one day: the strip, the day's timeline, the starts to choose from."""

    terms: Terms
    taken: list[Span]
    week: tuple[Day, ...]
    day: Day
    pieces: list[days.Piece]
    starts: list[tuple[str, list[datetime]]]


def room_day(venue: Venue, day: date | None, first: date | None, now: datetime, but: Collection[int] = ()) -> RoomDay:
    """A room's day and the week from `first`. Without a day: the first of the week with something free. Six statements.

    but: bookings that do not count, namely the one that is being moved.
    """
    first = first or clock.today(now)
    last = max(first + timedelta(days=STRIP), (day or first) + timedelta(days=1))
    terms_, taken_ = known([venue], min(first, day or first), last, but)
    terms, taken = terms_[venue.id], taken_[venue.id]
    week = days.week_of(terms, first, STRIP, taken, now)
    shown = day or next((d.day for d in week if d.free), first)
    told = next((d for d in week if d.day == shown), None) or days.day_of(terms, shown, taken, now)
    return RoomDay(
        terms, taken, week, told, days.pieces(terms, shown, taken, activities(venue.id, shown), now),
        days.start_groups(terms, shown, taken, now),
    )  # fmt: skip


# What a loser is offered ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offers:
    """Instead of a time that is taken: other times of the room, the same time in other rooms; all may be booked now."""

    times: list[Span]
    rooms: list[Card]
    near: list[Card]

    @property
    def any(self) -> bool:
        return bool(self.times or self.rooms or self.near)


def instead_of(wish: Wish, venue: Venue, home_path: str | None, now: datetime, most: int = 3) -> Offers:
    """What the loser of `wish` may have instead (V2): ± and shorter here, the centre's others, near ones.

    A handful of statements, however many rooms there are.
    """
    day = clock.local(wish.start).date()
    terms, taken = known([venue], day, day + timedelta(days=STRIP + 1))
    times = rules.alternatives(terms[venue.id], wish.span, taken[venue.id], now)
    closes = days.minutes_after(day, wish.end)
    wanted = Wanted(
        venue.centre, (day,), days.minutes_after(day, wish.start), closes, wish.people, home_path=home_path
    )  # fmt: skip
    cards = [c for c in free_for(wanted, now).cards if c.venue.id != venue.id]
    rooms = [c for c in cards if c.place.own][:most]
    return Offers(times, rooms, [c for c in cards if not c.place.own][:most])


# What is read ---------------------------------------------------------------------------------------------------------


def places(near: Centre | House | None, now: datetime, seen: Board | None = None) -> list[Place]:
    """Centres with rooms to book: `near` itself first, then by distance; those of unknown place last."""
    return list(_places(seen or room_snapshot.current(now), near).values())


def _places(seen: Board, near: Centre | House | None) -> dict[int, Place]:
    own = near.id if near is not None else 0

    def read() -> dict[int, Place]:
        order, km = seen.near(near)
        return {r.centre_id: Place(r.centre, km.get(r.centre_id), r.centre_id == own) for r in order}

    found: dict[int, Place] = seen.part(("places", own), read)
    return found


def rooms_of(centre_id: int, now: datetime) -> list[Room]:
    """The rooms of one centre that are booked here, in its order."""
    rooms = (r for r in room_snapshot.current(now).rooms.values() if r.centre_id == centre_id)
    return sorted(rooms, key=lambda r: (r.position, r.id))


Outside = tuple[tuple[str, tuple[tuple[int, str, str, str], ...]], ...]


def outside(seen: Board, kind: str = "") -> Outside:
    """Places that are booked elsewhere, by the kinds of the profile: heading, and id, name, address, phone of each."""

    def read() -> Outside:
        words = profile.current().venues.kinds
        order = {code: number for number, code in enumerate(words)}
        groups: dict[str, list[tuple[int, str, str, str]]] = {}
        chosen = [v for v in seen.outside if not kind or v.kind == kind][:OUTSIDE_SHOWN]
        for one in sorted(chosen, key=lambda v: order.get(v.kind, len(order))):
            heading = words.get(one.kind, "其他地方")
            groups.setdefault(heading, []).append((one.id, one.name, one.address, one.phone))
        return tuple((heading, tuple(items)) for heading, items in groups.items())

    found: Outside = seen.part(("outside", kind), read)
    return found


def functions_offered(seen: Board) -> tuple[str, ...]:
    """What rooms that can be booked are used for, most frequent first."""

    def read() -> tuple[str, ...]:
        counts = Counter(one for room in seen.rooms.values() for one in room.functions)
        return tuple(sorted(counts, key=lambda one: (-counts[one], one))[:FUNCTIONS_SHOWN])

    found: tuple[str, ...] = seen.part("functions", read)
    return found


def kinds_offered(seen: Board) -> list[tuple[str, str]]:
    """Kinds of rooms that can be booked here, as code and word, in the order of the profile."""
    found: set[str] = seen.part("kinds", lambda: {room.kind for room in seen.rooms.values()})
    return [(code, word) for code, word in profile.current().venues.kinds.items() if code in found]


def known(
    venues: Sequence[Venue], first: date, until: date, but: Collection[int] = ()
) -> tuple[dict[int, Terms], dict[int, list[Span]]]:
    """Rules and held spans of venues for the local days [first, until). At most five statements."""
    if not venues:
        return {}, {}
    with scope.system("what is taken, never by whom"):
        terms = occupancy.terms_of(venues, first, until)
        # A day on either side, for rooms that stay open over midnight.
        start, end = (clock.at(d, time()) for d in (first - timedelta(days=1), until + timedelta(days=1)))
        return terms, occupancy.taken([v.id for v in venues], start, end, but)


def activities(venue_id: int, day: date) -> list[days.Public]:
    """Public activities in the room on a local day: firm ones only, for a draft is not public. One statement."""
    start, end = clock.at(day, time()), clock.at(day + timedelta(days=1), time())
    wanted = select(Booking.starts_at, Booking.held_until, Booking.title, Booking.source_id).where(
        Booking.venue_id == venue_id, Booking.source == BY_ACTIVITY, Booking.status == APPROVED,
        Booking.starts_at < end, Booking.held_until > start,
    )  # fmt: skip
    with scope.system("titles of published activities"):
        rows = db.session.execute(wanted.order_by(Booking.starts_at)).all()
    return [days.Public(Span(a, b), title, f"/services/{entry}" if entry else "") for a, b, title, entry in rows]


def wish_of(wanted: Wanted, venue_id: int, day: date) -> Wish:
    """The searched time as a wish for one room."""
    span = span_of(day, wanted)
    return Wish(venue_id, span.start, span.end, wanted.people or 1)


__all__ = [
    "Card", "Found", "Offers", "Place", "RoomDay", "Wanted", "centre_week", "free_for", "functions_offered",
    "instead_of", "kinds_offered", "known", "outside", "places", "room_day", "rooms_of", "span_of", "wish_of",
]  # fmt: skip
