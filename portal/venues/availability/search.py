"""Which room is free when, near whom (SPEC V2): the search, a centre's week, a room's day, and what a loser is offered.

Everything is answered from the snapshot of rooms (room_snapshot.py) and judged by the rules that judge a booking, so
that what is offered can be booked.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote_plus

from sqlalchemy import bindparam, select

from portal.centres import profile
from portal.centres.models import Centre
from portal.centres.rules import clock_text, distance_km, distance_text
from portal.core import clock, scope
from portal.core.db import db
from portal.venues import occupancy, rules
from portal.venues.availability import room_snapshot
from portal.venues.availability.room_snapshot import Snapshot
from portal.venues.models import APPROVED, BY_ACTIVITY, Booking, Venue
from portal.venues.rules import Span, Terms
from portal.venues.rules import day_words as days
from portal.venues.rules.day_words import Day
from portal.venues.rules.eligibility import Wish, may_book

PAGE = 20
STRIP = 7  # days of a strip
TRIED = 12  # rooms whose other times are looked up when nothing fits
SHOWN = 6  # such offers
MOST = 3  # rooms of a kind that a loser is offered
OUTSIDE_SHOWN = 60
FUNCTIONS_SHOWN = 12
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
        return distance_text(self.km)


class Card(NamedTuple):
    """A room in a list. week: the strip (first is the day shown); span: the time that fits the wish, ready to book.

    query: the wish as the room's page takes it; told: when the room is free, in words.
    """

    venue: Venue
    place: Place
    week: Sequence[Day] = ()
    span: Span | None = None
    until: datetime | None = None  # stands empty until then
    refusal: rules.Refusal | None = None
    query: str = ""
    told: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search; other: offers of other times when nothing fits; largest: what the largest room holds."""

    cards: list[Card]
    total: int
    pages: int
    other: list[Card] = field(default_factory=list)
    largest: int = 0


class Hit(NamedTuple):
    """A room that fits, the first day on which it does, and the span or until when it stands empty."""

    room: Venue
    day: date
    query: str
    span: Span | None = None
    until: datetime | None = None


def free_for(wanted: Wanted, now: datetime, seen: Snapshot | None = None) -> Found:
    """Rooms that fit, own centre first, then the nearest; PAGE a page. One statement at most, none when all is known.

    With a time: rooms free for exactly that; without: rooms with anything free on those days. Nothing fits: other
    times of the nearest rooms.
    """
    seen = seen or room_snapshot.current(now)
    near = places(seen, wanted.centre)
    suiting = _suiting(seen, wanted)
    large = _large(seen, suiting, wanted.people)
    hits = _hits(seen, large, wanted, now)
    pages_ = max(1, -(-len(hits) // PAGE))
    first = (min(wanted.page, pages_) - 1) * PAGE
    if hits:
        return Found([_card(seen, hit, near, now) for hit in hits[first : first + PAGE]], len(hits), pages_)
    largest = max((seen.terms[number].capacity or 0 for number in suiting), default=0)
    return Found([], 0, 1, _other_times(seen, large[:TRIED], near, wanted, now), largest)


def _suiting(seen: Snapshot, wanted: Wanted) -> list[int]:
    """Rooms for this use, of this kind, and for somebody with this home, whenever they are free; the nearest first."""

    def suits(room: Venue) -> bool:
        if (wanted.function and wanted.function not in room.functions) or (wanted.kind and room.kind != wanted.kind):
            return False
        return may_book(room, wanted.home_path) is None

    near = wanted.centre.id if wanted.centre is not None else 0
    key = ("suiting", near, wanted.function, wanted.kind, wanted.home_path)
    return seen.part(key, lambda: [room.id for room in _nearest(seen, wanted.centre) if suits(room)])


def _large(seen: Snapshot, rooms: list[int], people: int) -> list[int]:
    terms = seen.terms
    return [number for number in rooms if not people or (terms[number].capacity or people) >= people]


def _hits(seen: Snapshot, rooms: list[int], wanted: Wanted, now: datetime) -> list[Hit]:
    """The rooms that fit, each on the first of the wished days (today when none is wished) on which it does."""
    today = clock.today(now)
    if wanted.now:
        seen.know(rooms, today, 1)
        until = ((i, days.free_now(seen.terms[i], seen.taken_in(i, today, 1), now)) for i in rooms)
        return [Hit(seen.rooms[i], today, _query(today, wanted), until=end) for i, end in until if end is not None]
    found: dict[int, Hit] = {}
    for day in wanted.days or (today,):
        left = [number for number in rooms if number not in found]
        if 0 <= (day - today).days < room_snapshot.AHEAD:
            span, query = span_of(day, wanted) if wanted.opens is not None else None, _query(day, wanted)
            there = _free_at(seen, left, span, now) if span else _free_on(seen, left, day, now)
            found |= {number: Hit(seen.rooms[number], day, query, span) for number in there}
    return [found[number] for number in rooms if number in found]


def _free_at(seen: Snapshot, rooms: list[int], span: Span, now: datetime) -> Iterator[int]:
    """Rooms of which the span may be booked now: nobody has it, and no rule is against it."""
    day = clock.today(span.start)
    taken = seen.know(rooms, day, 1)
    over_midnight = span.end > rules.moment(day, 1440)
    for number in rooms:
        terms, there = seen.terms[number], taken[number, day]
        if over_midnight:
            there = seen.taken_in(number, day, 1)
        if rules.is_clear(span, terms.buffer, there) and rules.refusal(terms, span, None, now) is None:
            yield number


def _free_on(seen: Snapshot, rooms: list[int], day: date, now: datetime) -> list[int]:
    """Rooms of which anything may be booked on a day."""
    seen.know(rooms, day, 1)
    return [number for number in rooms if seen.week(number, day, 1, now)[0].free]


def _card(seen: Snapshot, hit: Hit, near: dict[int, Place], now: datetime) -> Card:
    week = seen.week(hit.room.id, hit.day, 1, now) if hit.span is None else ()
    place, told = near[hit.room.centre_id], _told(hit, week, now)
    return Card(hit.room, place, week, hit.span, hit.until, query=hit.query, told=told)


def _query(day: date, wanted: Wanted) -> str:
    parts = [f"day={day.isoformat()}"]
    if wanted.opens is not None and not wanted.now:
        parts.append(f"start={clock_text(wanted.opens)}")
        parts += [f"end={clock_text(wanted.closes)}"] if wanted.closes is not None else []
    parts += [f"people={wanted.people}"] if wanted.people else []
    parts += [f"function={quote_plus(wanted.function)}"] if wanted.function else []
    return "&".join(parts)


def _told(hit: Hit, week: Sequence[Day], now: datetime) -> str:
    if hit.until is not None:
        return f"现在空着，到 {clock.hour(hit.until)}"
    if hit.span is not None:
        return _span_told(hit.day, hit.span)
    return f"{'今天' if hit.day == clock.today(now) else clock.day(hit.day)} {week[0].hours} 有空"


@lru_cache(maxsize=64)  # all the rooms of a page are free for the same
def _span_told(day: date, span: Span) -> str:
    return f"{clock.day(day)}{clock.hour(span.start)}–{days.end_text(span.end, day)} 有空"


def span_of(day: date, wanted: Wanted) -> Span:
    """The wished time on `day`; an hour when no end was said."""
    opens = wanted.opens or 0
    return Span(
        rules.moment(day, opens), rules.moment(day, wanted.closes if wanted.closes is not None else opens + USUAL)
    )


def _other_times(seen: Snapshot, rooms: list[int], near: dict[int, Place], wanted: Wanted, now: datetime) -> list[Card]:
    """Near times of the nearest rooms that are large enough; two of each. One statement at most."""
    today = clock.today(now)
    first = wanted.days[0] if wanted.days else today
    if not 0 <= (first - today).days < room_snapshot.AHEAD - STRIP:
        first = today
    seen.know(rooms, first, STRIP + 1)
    offers = []
    for number in rooms:
        room = seen.rooms[number]
        place = near[room.centre_id]
        if wanted.opens is None:
            free = next((day for day in seen.week(number, first, STRIP + 1, now) if day.free), None)
            offers += [Card(room, place, (free,))] if free else []
            continue
        taken = seen.taken_in(number, first, STRIP + 1)
        for span in rules.alternatives(seen.terms[number], span_of(first, wanted), taken, now, most=2):
            offers.append(Card(room, place, span=span))
    return offers[:SHOWN]


# A centre, a room -----------------------------------------------------------------------------------------------------


def centre_week(
    centre: Centre, first: date, now: datetime, home_path: str | None = None, seen: Snapshot | None = None
) -> list[Card]:
    """The rooms of one centre with their strips from `first`, in the order of the centre. One statement at most."""
    seen = seen or room_snapshot.current(now)
    rooms = _rooms_of(seen, centre.id)
    first = min(first, clock.today(now) + timedelta(days=room_snapshot.AHEAD - STRIP))
    seen.know([room.id for room in rooms], first, STRIP)
    place = Place(centre, 0.0, own=True)
    return [Card(r, place, seen.week(r.id, first, STRIP, now), refusal=may_book(r, home_path)) for r in rooms]


def _rooms_of(seen: Snapshot, centre_id: int) -> list[Venue]:
    return [room for room in seen.rooms.values() if room.centre_id == centre_id]


def rooms_of(centre_id: int, now: datetime) -> list[Venue]:
    """The rooms of one centre that are booked here, in its order."""
    return _rooms_of(room_snapshot.current(now), centre_id)


@dataclass(frozen=True, slots=True)
class RoomDay:
    """One room around one day: the strip, the day's timeline, the starts to choose from."""

    terms: Terms
    taken: list[Span]
    week: Sequence[Day]
    day: Day
    pieces: list[days.Piece]
    starts: list[tuple[str, list[datetime]]]


def room_day(
    venue: Venue, day: date | None, first: date | None, now: datetime, but: Collection[int] = (),
    seen: Snapshot | None = None,
) -> RoomDay:  # fmt: skip
    """A room's day and the week from `first`. Without a day: the first of the week with something free.

    but: bookings that do not count, namely the one that is being moved; then all is read, in five statements.
    """
    first = first or clock.today(now)
    last = max(first + timedelta(days=STRIP), (day or first) + timedelta(days=1))
    terms, taken = _known(seen or room_snapshot.current(now), venue, min(first, day or first), last, now, but)
    week = days.week_of(terms, first, STRIP, taken, now)
    shown = day or next((d.day for d in week if d.free), first)
    told = next((d for d in week if d.day == shown), None) or days.day_of(terms, shown, taken, now)
    return RoomDay(
        terms, taken, week, told, days.pieces(terms, shown, taken, activities(venue.id, shown), now),
        days.start_groups(terms, shown, taken, now),
    )  # fmt: skip


def _known(
    seen: Snapshot, venue: Venue, first: date, until: date, now: datetime, but: Collection[int] = ()
) -> tuple[Terms, list[Span]]:
    """Rules and held spans of a room for the local days [first, until), from the snapshot when it has them."""
    today = clock.today(now)
    if venue.id in seen.rooms and not but and today <= first and until <= today + timedelta(days=room_snapshot.AHEAD):
        return seen.terms[venue.id], seen.taken_in(venue.id, first, (until - first).days)
    with scope.system("what is taken, never by whom"):
        terms = occupancy.terms_of([venue], first, until)
        # A day on either side, for rooms that stay open over midnight.
        start, end = (clock.at(d, time()) for d in (first - timedelta(days=1), until + timedelta(days=1)))
        return terms[venue.id], occupancy.taken([venue.id], start, end, but)[venue.id]


_ACTIVITIES = (
    select(Booking.starts_at, Booking.held_until, Booking.title, Booking.source_id)
    .where(Booking.venue_id == bindparam("venue"), Booking.source == BY_ACTIVITY, Booking.status == APPROVED)
    .where(Booking.starts_at < bindparam("until"), Booking.starts_at > bindparam("earliest"))
    .where(Booking.held_until > bindparam("since"))
    .order_by(Booking.starts_at)
)


def activities(venue_id: int, day: date) -> list[days.Public]:
    """Public activities in the room on a local day: firm ones only, for a draft is not public. One statement."""
    start, end = rules.moment(day, 0), rules.moment(day, 1440)
    values = {"venue": venue_id, "until": end, "earliest": start - occupancy.LONGEST_HOLD, "since": start}
    with scope.system("titles of published activities"):
        rows = db.session.execute(_ACTIVITIES, values).all()
    return [days.Public(Span(a, b), title, f"/services/{entry}" if entry else "") for a, b, title, entry in rows]


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


def instead_of(wish: Wish, venue: Venue, home_path: str | None, now: datetime) -> Offers:
    """What the loser of `wish` may have instead (V2): ± and shorter here, the centre's others, near ones.

    A handful of statements, however many rooms there are.
    """
    day, seen = clock.today(wish.start), room_snapshot.current(now)
    terms, taken = _known(seen, venue, day, day + timedelta(days=STRIP + 1), now)
    times = rules.alternatives(terms, wish.span, taken, now)
    own: list[Card] = []
    near: list[Card] = []
    known = 0 <= (day - clock.today(now)).days < room_snapshot.AHEAD
    suiting = _large(seen, _suiting(seen, Wanted(venue.centre, home_path=home_path)), wish.people)
    others = [number for number in suiting if number != venue.id]
    for number in _free_at(seen, others if known else [], wish.span, now):
        room = seen.rooms[number]
        place = places(seen, venue.centre)[room.centre_id]
        (own if place.own else near).append(Card(room, place, span=wish.span))
        if len(near) == MOST:  # the centre's own came before them
            break
    return Offers(times, own[:MOST], near)


# Centres and places ---------------------------------------------------------------------------------------------------


def _km(one: Centre | None, other: Centre) -> float | None:
    if one is None or one.latitude is None or one.longitude is None:
        return None
    if other.latitude is None or other.longitude is None:
        return None
    return distance_km(one.latitude, one.longitude, other.latitude, other.longitude)


def places(seen: Snapshot, near: Centre | None) -> dict[int, Place]:
    """Centres with rooms by id: `near` itself first, then by distance; those of unknown place last."""

    def make() -> dict[int, Place]:
        own = near.id if near is not None else 0
        found = {r.centre_id: Place(r.centre, _km(near, r.centre), r.centre_id == own) for r in seen.rooms.values()}
        in_order = sorted(found.values(), key=lambda p: (not p.own, p.km is None, p.km or 0.0, p.centre.path))
        return {place.centre.id: place for place in in_order}

    return seen.part(("places", near.id if near is not None else 0), make)


def _nearest(seen: Snapshot, near: Centre | None) -> list[Venue]:
    """Every room, those of `near` first and then the nearest centres', in the order of each centre."""

    def make() -> list[Venue]:
        return [room for centre_id in places(seen, near) for room in _rooms_of(seen, centre_id)]

    return seen.part(("nearest", near.id if near is not None else 0), make)


def outside(seen: Snapshot, kind: str = "") -> list[tuple[str, list[Venue]]]:
    """Places that are booked elsewhere, under the headings of the profile."""
    words = profile.current().venues.kinds
    order = {code: number for number, code in enumerate(words)}
    groups: dict[str, list[Venue]] = {}
    chosen = [v for v in seen.outside.values() if not kind or v.kind == kind][:OUTSIDE_SHOWN]
    for one in sorted(chosen, key=lambda v: order.get(v.kind, len(order))):
        groups.setdefault(words.get(one.kind, "其他地方"), []).append(one)
    return list(groups.items())


def functions_offered(seen: Snapshot) -> list[str]:
    """What rooms that can be booked are used for, most frequent first."""

    def make() -> list[str]:
        counts = Counter(one for room in seen.rooms.values() for one in room.functions)
        return sorted(counts, key=lambda one: (-counts[one], one))[:FUNCTIONS_SHOWN]

    return seen.part(("functions",), make)


def kinds_offered(seen: Snapshot) -> list[tuple[str, str]]:
    """Kinds of rooms that can be booked here, as code and word, in the order of the profile."""
    found = {room.kind for room in seen.rooms.values()}
    return [(code, word) for code, word in profile.current().venues.kinds.items() if code in found]
