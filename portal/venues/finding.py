"""Which room is free when, near whom (SPEC V2): the search, a centre's week, a room's day, and what a loser is offered.

Read through the few functions at the end (`places`, `rooms_of`, `known`), so that they may be answered from memory.
What is taken is read for everybody, never by whom.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.centres.models import Centre
from portal.centres.rules import distance_km
from portal.core import clock, scope
from portal.core.db import db
from portal.venues import days, facts, rules
from portal.venues.booking import Wish, may_book
from portal.venues.days import Day
from portal.venues.models import APPROVED, BY_ACTIVITY, Booking, Venue
from portal.venues.rules import Span, Terms

PAGE = 20
STRIP = 7  # days of a strip
MOST_ROOMS = 400  # looked through by one search, the nearest first
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

    centre: Centre
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

    venue: Venue
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


def free_for(wanted: Wanted, now: datetime) -> Found:
    """Rooms that fit, own centre first, then the nearest; PAGE a page. Eight statements, however many rooms there are.

    With a time: rooms free for exactly that; without: rooms with anything free on those days. Nothing fits: other
    times of the nearest rooms.
    """
    where, venues = _candidates(wanted)
    span_days = wanted.days or (clock.today(now),)
    terms, taken = known(venues, span_days[0], span_days[-1] + timedelta(days=1 + rules_days(wanted)))
    cards = [
        card for v in venues if (card := _fitting(v, where[v.centre_id], terms[v.id], taken[v.id], wanted, now))
    ]  # fmt: skip
    pages = max(1, -(-len(cards) // PAGE))
    first = (min(wanted.page, pages) - 1) * PAGE
    other = [] if cards else _other_times(venues, where, terms, taken, wanted, now)
    largest = max((v.capacity or 0 for v in venues), default=0)
    return Found(cards[first : first + PAGE], len(cards), pages, other, largest)


def rules_days(wanted: Wanted) -> int:
    """Days after the wished ones that are read too: a week of other times where a time is wished for."""
    return STRIP if wanted.opens is not None else 0


def _candidates(wanted: Wanted) -> tuple[dict[int, Place], list[Venue]]:
    """The nearest rooms that suit by their facts; those too small stay out."""
    where = {p.centre.id: p for p in places(wanted.centre)}
    order = {centre_id: number for number, centre_id in enumerate(where)}
    found = [v for v in rooms_of(where) if _suits(v, wanted)]
    found.sort(key=lambda v: (order[v.centre_id], v.position, v.id))
    return where, found[:MOST_ROOMS]


def _suits(venue: Venue, wanted: Wanted) -> bool:
    return (
        (not wanted.function or wanted.function in venue.functions)
        and (not wanted.kind or venue.kind == wanted.kind)
        and may_book(venue, wanted.home_path) is None
    )


def _fitting(
    venue: Venue, place: Place, terms: Terms, taken: list[Span], wanted: Wanted, now: datetime
) -> Card | None:  # fmt: skip
    if wanted.people and venue.capacity is not None and wanted.people > venue.capacity:
        return None
    if wanted.now:
        until = days.free_now(terms, taken, now)
        week = days.week_of(terms, clock.today(now), 1, taken, now)
        return Card(venue, place, week, until=until) if until is not None else None
    for day in wanted.days or (clock.today(now),):
        if wanted.opens is None:
            told = days.day_of(terms, day, taken, now)
            if told.free:
                return Card(venue, place, (told,))
            continue
        span = span_of(day, wanted)
        if fits(terms, span, wanted.people or None, taken, now):
            return Card(venue, place, (days.day_of(terms, day, taken, now),), span)
    return None


def span_of(day: date, wanted: Wanted) -> Span:
    """The wished time on `day`; an hour when no end was said."""
    opens = wanted.opens or 0
    return Span(days.at(day, opens), days.at(day, wanted.closes if wanted.closes is not None else opens + USUAL))


def fits(terms: Terms, span: Span, people: int | None, taken: Iterable[Span], now: datetime) -> bool:
    """Whether `span` may be booked and nobody has it."""
    held = rules.held(span, terms.buffer)
    return rules.refusal(terms, span, people, now) is None and not any(rules.collides(held, t) for t in taken)


def _other_times(
    venues: Sequence[Venue], where: dict[int, Place], terms: dict[int, Terms], taken: dict[int, list[Span]],
    wanted: Wanted, now: datetime,
) -> list[Card]:  # fmt: skip
    """Near times of the nearest rooms that are large enough; two of each."""
    big = [v for v in venues if not wanted.people or v.capacity is None or v.capacity >= wanted.people]
    offers = []
    for venue in big[:TRIED]:
        its, place = terms[venue.id], where[venue.centre_id]
        if wanted.opens is None:
            week = days.week_of(its, (wanted.days or (clock.today(now),))[0], STRIP, taken[venue.id], now)
            free = next((d for d in week if d.free), None)
            offers += [Card(venue, place, (free,))] if free else []
            continue
        wish = span_of(wanted.days[0] if wanted.days else clock.today(now), wanted)
        for span in rules.alternatives(its, wish, taken[venue.id], now, most=2):
            offers.append(Card(venue, place, span=span))
    return offers[:SHOWN]


# A centre, a room -----------------------------------------------------------------------------------------------------


def centre_week(centre: Centre, first: date, now: datetime, home_path: str | None = None) -> list[Card]:
    """The rooms of one centre with their strips from `first`, in the order of the centre. Seven statements."""
    place = Place(centre, 0.0, own=True)
    venues = sorted(rooms_of([centre.id]), key=lambda v: (v.position, v.id))
    terms, taken = known(venues, first, first + timedelta(days=STRIP))
    return [
        Card(v, place, days.week_of(terms[v.id], first, STRIP, taken[v.id], now), refusal=may_book(v, home_path))
        for v in venues
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

    Sixteen statements, however many rooms there are.
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


def places(near: Centre | None) -> list[Place]:
    """Centres with rooms to book: `near` itself first, then by distance; those of unknown place last. One statement."""
    has = select(Venue.id).where(Venue.centre_id == Centre.id, Venue.active, Venue.bookable).exists()
    with scope.system("which centres have rooms is public"):
        centres = list(db.session.scalars(select(Centre).where(Centre.active, has).order_by(Centre.path)))
    found = [Place(c, _km(near, c), own=near is not None and c.id == near.id) for c in centres]
    return sorted(found, key=lambda p: (not p.own, p.km is None, p.km or 0.0))


def _km(one: Centre | None, other: Centre) -> float | None:
    if one is None or one.latitude is None or one.longitude is None:
        return None
    if other.latitude is None or other.longitude is None:
        return None
    return distance_km(one.latitude, one.longitude, other.latitude, other.longitude)


def rooms_of(centre_ids: Iterable[int]) -> list[Venue]:
    """Active rooms of these centres that are booked here, with their centre. One statement."""
    wanted = select(Venue).where(Venue.centre_id.in_(list(centre_ids)), Venue.active, Venue.bookable)
    with scope.system("rooms are public"):
        return list(db.session.scalars(wanted.options(joinedload(Venue.centre)).order_by(Venue.position, Venue.id)))


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
