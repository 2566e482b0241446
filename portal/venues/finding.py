"""Which room is free when, near whom (SPEC V2): the search, a centre's week, a room's day, and what a loser is offered.

Lists and searches are answered from the board (board.py), one room from the database. What is taken is read for
everybody, never by whom.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from sqlalchemy import select

from portal.centres.models import Centre
from portal.core import clock, scope
from portal.core.db import db
from portal.venues import board, days, facts, rules
from portal.venues.board import Board, House, Room, Sheet
from portal.venues.booking import Wish, may_book
from portal.venues.days import Day
from portal.venues.models import APPROVED, BY_ACTIVITY, EVERYBODY, Booking, Venue
from portal.venues.rules import Span, Terms

PAGE = 20
STRIP = 7  # days of a strip
TRIED = 12  # rooms whose other times are looked up when nothing fits
SHOWN = 6  # such offers
USUAL = 60  # minutes of a wish without an end


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for. opens, closes: minutes after midnight; people 0: not said; home_path None: unknown."""

    centre: Centre | None = None
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


@dataclass(frozen=True, slots=True)
class Card:
    """A room in a list. week: the strip (first is the day shown); span: the time that fits the wish, ready to book."""

    venue: Venue | Room
    place: Place
    week: tuple[Day, ...] = ()
    span: Span | None = None
    until: datetime | None = None  # stands empty until then
    refusal: rules.Refusal | None = None

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
    seen = seen or board.current(now)
    order, km = seen.near(wanted.centre)
    rooms = [r for r in order if _suits(r, wanted)]
    sheets = _sheets(seen, rooms, wanted, now)
    fitting = [(r, hit) for r in rooms if (hit := _fitting(r, seen.terms[r.id], sheets[r.id], wanted, now))]
    pages = max(1, -(-len(fitting) // PAGE))
    first = (min(wanted.page, pages) - 1) * PAGE
    cards = [_card(r, hit, km, wanted) for r, hit in fitting[first : first + PAGE]]
    other = [] if fitting else _other_times(seen, rooms, km, wanted, now)
    largest = max((r.capacity or 0 for r in rooms), default=0)
    return Found(cards, len(fitting), pages, other, largest)


def _suits(room: Room, wanted: Wanted) -> bool:
    return (
        (not wanted.function or wanted.function in room.functions)
        and (not wanted.kind or room.kind == wanted.kind)
        and (room.who_may == EVERYBODY or may_book(room, wanted.home_path) is None)
    )


def _sheets(seen: Board, rooms: Sequence[Room], wanted: Wanted, now: datetime) -> dict[int, list[Sheet]]:
    """The wished days of each room (today when none is wished); wished days are neighbours, a weekend at most."""
    first = wanted.days[0] if wanted.days else clock.today(now)
    count = (wanted.days[-1] - first).days + 1 if wanted.days else 1
    if (first - clock.today(seen.loaded_at)).days + count > board.AHEAD:
        return {r.id: [] for r in rooms}  # nobody books so far ahead
    return seen.week(rooms, first, count)


Hit = tuple[Day, Span | None, datetime | None]  # the day, the span that fits a wished time, or until when it is free


def _fitting(room: Room, terms: Terms, sheets: Sequence[Sheet], wanted: Wanted, now: datetime) -> Hit | None:
    if wanted.people and room.capacity is not None and wanted.people > room.capacity:
        return None
    for sheet in sheets:
        if wanted.now:
            until = days.free_now(terms, sheet.taken, now)
            return (sheet.day, None, until) if until is not None else None
        if wanted.opens is None:
            if sheet.day.free:
                return sheet.day, None, None
            continue
        span = span_of(sheet.day.day, wanted)
        if board.fits(room, terms, sheet, span, now):
            return sheet.day, span, None
    return None


def _card(room: Room, hit: Hit, km: dict[int, float | None], wanted: Wanted) -> Card:
    day, span, until = hit
    return Card(room, _place(room.centre, km, wanted.centre), (day,), span, until)


def _place(house: House, km: dict[int, float | None], centre: Centre | None) -> Place:
    return Place(house, km.get(house.id), own=centre is not None and house.id == centre.id)


def span_of(day: date, wanted: Wanted) -> Span:
    """The wished time on `day`; an hour when no end was said."""
    opens = wanted.opens or 0
    return Span(days.at(day, opens), days.at(day, wanted.closes if wanted.closes is not None else opens + USUAL))


def fits(terms: Terms, span: Span, people: int | None, taken: Iterable[Span], now: datetime) -> bool:
    """Whether `span` may be booked and nobody has it."""
    held = rules.held(span, terms.buffer)
    return rules.refusal(terms, span, people, now) is None and not any(rules.collides(held, t) for t in taken)


def _other_times(
    seen: Board, rooms: Sequence[Room], km: dict[int, float | None], wanted: Wanted, now: datetime
) -> list[Card]:
    """Near times of the nearest rooms that are large enough; two of each. One statement at most."""
    big = [r for r in rooms if not wanted.people or r.capacity is None or r.capacity >= wanted.people][:TRIED]
    today = clock.today(now)
    first = wanted.days[0] if wanted.days else today
    if (first - clock.today(seen.loaded_at)).days + STRIP + 1 > board.AHEAD:
        first = today
    offers = []
    for room, sheets in zip(big, seen.week(big, first, STRIP + 1).values(), strict=True):
        place = _place(room.centre, km, wanted.centre)
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
    centre: Centre, first: date, now: datetime, home_path: str | None = None, seen: Board | None = None
) -> list[Card]:
    """The rooms of one centre with their strips from `first`, in the order of the centre. One statement at most."""
    seen = seen or board.current(now)
    rooms = sorted((r for r in seen.rooms.values() if r.centre_id == centre.id), key=lambda r: (r.position, r.id))
    first = min(first, clock.today(seen.loaded_at) + timedelta(days=board.AHEAD - STRIP))
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


def places(near: Centre | None, now: datetime, seen: Board | None = None) -> list[Place]:
    """Centres with rooms to book: `near` itself first, then by distance; those of unknown place last."""
    order, km = (seen or board.current(now)).near(near)
    houses = dict.fromkeys(r.centre for r in order)
    return [_place(house, km, near) for house in houses]


def rooms_of(centre_id: int, now: datetime) -> list[Room]:
    """The rooms of one centre that are booked here, in its order."""
    rooms = (r for r in board.current(now).rooms.values() if r.centre_id == centre_id)
    return sorted(rooms, key=lambda r: (r.position, r.id))


def known(
    venues: Sequence[Venue], first: date, until: date, but: Collection[int] = ()
) -> tuple[dict[int, Terms], dict[int, list[Span]]]:
    """Rules and held spans of venues for the local days [first, until). At most five statements."""
    if not venues:
        return {}, {}
    with scope.system("what is taken, never by whom"):
        terms = facts.terms_of(venues, first, until)
        # A day on either side, for rooms that stay open over midnight.
        start, end = (clock.at(d, time()) for d in (first - timedelta(days=1), until + timedelta(days=1)))
        return terms, facts.taken([v.id for v in venues], start, end, but)


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
    "Card", "Found", "Offers", "Place", "RoomDay", "Wanted", "centre_week", "fits", "free_for", "instead_of", "known",
    "places", "room_day", "rooms_of", "span_of", "wish_of",
]  # fmt: skip
