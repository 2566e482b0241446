"""How much rooms are used (SPEC V7, A1): figures per room and centre, and the records behind each of them.

A booking counts where and when it starts. What counts: what was approved. Four kinds make it up, so that every figure
is a sum of records: used (checked in, or an activity that is over), missed (released because nobody came), unrecorded
(over, nobody checked in), coming. Booked time is all of it but what was missed: that was given on. Time booked outside
the opening hours counts too. All times in minutes; parts of a day by Shanghai's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, extract, func, or_, select
from sqlalchemy.orm import contains_eager

from portal.centres.models import Centre
from portal.centres.queries import inside
from portal.core import clock
from portal.core.db import db
from portal.venues import occupancy, rules
from portal.venues.models import APPROVED, BY_ACTIVITY, LAPSED, REFUSED, RELEASED, WAITING, Booking, Venue
from portal.venues.rules.opening_hours import MINUTE, Hours

DAY = timedelta(days=1)
# (key, word, from, until) in minutes of the local day.
PARTS = (("morning", "上午", 0, 720), ("afternoon", "下午", 720, 1080), ("evening", "晚上", 1080, 1440))
USED, MISSED, UNRECORDED, COMING = "used", "missed", "unrecorded", "coming"
KINDS = {USED: "用了", MISSED: "没来", UNRECORDED: "没有签到记录", COMING: "还没到"}
UNMET = (WAITING, REFUSED, LAPSED)
GIVEN = (APPROVED, RELEASED)

Minutes = tuple[int, int, int]  # per part of the day
NONE: Minutes = (0, 0, 0)


def _plus(one: Minutes, other: Minutes) -> Minutes:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


@dataclass
class Figures:
    """Sums of rooms and a time. open_parts, booked_parts: minutes per part of the day; counts: bookings per kind."""

    open_parts: Minutes = NONE
    booked_parts: Minutes = NONE
    used: int = 0
    people: int = 0  # of the bookings that were used
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def add(self, other: Figures) -> None:
        self.open_parts = _plus(self.open_parts, other.open_parts)
        self.booked_parts = _plus(self.booked_parts, other.booked_parts)
        self.used += other.used
        self.people += other.people
        for kind in KINDS:
            self.counts[kind] += other.counts[kind]

    @property
    def open(self) -> int:
        return sum(self.open_parts)

    @property
    def booked(self) -> int:
        return sum(self.booked_parts)

    @property
    def bookings(self) -> int:
        return sum(self.counts.values())

    @property
    def use(self) -> rules.Use:
        return rules.Use(self.open, self.booked)

    @property
    def percent(self) -> int | None:
        """Booked of open time; None for a room that did not open."""
        return round(100 * self.use.share) if self.open else None

    @property
    def parts(self) -> list[tuple[str, str, int, int, int | None]]:
        """(key, word, open, booked, percent) of each part of the day."""
        return [
            (key, word, opened, booked, round(100 * booked / opened) if opened else None)
            for (key, word, _, _), opened, booked in zip(PARTS, self.open_parts, self.booked_parts, strict=True)
        ]


@dataclass(frozen=True)
class RoomUse:
    venue: Venue
    figures: Figures


@dataclass(frozen=True)
class CentreUse:
    centre: Centre
    rooms: tuple[RoomUse, ...]
    figures: Figures


@dataclass(frozen=True)
class Span:
    """The local days [first, until) that figures are about."""

    first: date
    until: date

    @property
    def moments(self) -> tuple[datetime, datetime]:
        return clock.at(self.first, time()), clock.at(self.until, time())

    @property
    def days(self) -> list[date]:
        return [self.first + n * DAY for n in range((self.until - self.first).days)]


def month_span(month: str) -> Span:
    return Span(*clock.month_days(month))


# Conditions -----------------------------------------------------------------------------------------------------------


def kind_of(now: datetime) -> ColumnElement[str]:
    """Which of KINDS a booking that counts is; the one place that says so."""
    return case(
        (Booking.status == RELEASED, MISSED),
        (Booking.checked_in_at.is_not(None), USED),
        (Booking.ends_at > now, COMING),
        (Booking.source == BY_ACTIVITY, USED),
        else_=UNRECORDED,
    )


def _seconds(moment: Any) -> ColumnElement[int]:
    """Seconds since 1970: the same on both databases, whatever the session's time zone."""
    return cast(extract("epoch", moment), BigInteger)


def _local_minute(span: Span) -> ColumnElement[int]:
    """Minutes after Shanghai's midnight at which a booking starts; its clock has not changed since 1991."""
    offset = clock.local(span.moments[0]).utcoffset() or timedelta()
    return (_seconds(Booking.starts_at) // 60 + int(offset.total_seconds()) // 60) % 1440


def _length() -> ColumnElement[int]:
    return (_seconds(Booking.ends_at) - _seconds(Booking.starts_at)) // 60


def _counts(span: Span) -> list[ColumnElement[bool]]:
    start, end = span.moments
    return [Booking.starts_at >= start, Booking.starts_at < end, Booking.status.in_(GIVEN)]


def _within(path: str) -> ColumnElement[bool]:
    return Booking.centre_id.in_(select(Centre.id).where(*inside(path)))


# Figures --------------------------------------------------------------------------------------------------------------


def use_of(path: str, span: Span, now: datetime, venue_id: int | None = None) -> list[CentreUse]:
    """Figures of each room below `path`, or of one, by centre in tree order (V7); six statements, however many rooms.

    A room out of use stands here only with the bookings it had.
    """
    figures = _booked(path, span, now, venue_id)
    venues = [v for v in venues_of(path, venue_id) if v.active or v.id in figures]
    terms = occupancy.terms_of([v for v in venues if v.active], span.first, span.until)
    for venue in venues:
        opened = open_in(terms[venue.id], span.days) if venue.active else NONE
        figures.setdefault(venue.id, Figures()).open_parts = opened
    by_house = [(centre, tuple(RoomUse(v, figures[v.id]) for v in rooms)) for centre, rooms in by_centre(venues)]
    return [CentreUse(centre, uses, total(uses)) for centre, uses in by_house]


def total(uses: Iterable[RoomUse | CentreUse]) -> Figures:
    """The sum of figures of rooms or centres."""
    result = Figures()
    for use in uses:
        result.add(use.figures)
    return result


def venues_of(path: str, venue_id: int | None = None) -> list[Venue]:
    """The rooms to book below `path`, retired ones too, or one of them. One statement."""
    wanted = select(Venue).join(Venue.centre).options(contains_eager(Venue.centre))
    if venue_id is not None:
        wanted = wanted.where(Venue.id == venue_id)
    wanted = wanted.where(*inside(path), Venue.bookable.is_(True)).order_by(Venue.position, Venue.id)
    return list(db.session.scalars(wanted))


def by_centre(venues: Sequence[Venue]) -> Iterator[tuple[Centre, list[Venue]]]:
    """Each centre with its rooms, in tree order."""
    groups: dict[str, list[Venue]] = {}
    for venue in venues:
        groups.setdefault(venue.centre.path, []).append(venue)
    for path in sorted(groups, key=lambda p: [int(i) for i in p.strip("/").split("/")]):
        yield groups[path][0].centre, groups[path]


def _booked(path: str, span: Span, now: datetime, venue_id: int | None) -> dict[int, Figures]:
    """Bookings summed by the database: one line for each room, kind and hour of the day."""
    kind, start, length = kind_of(now), _local_minute(span), _length()
    wanted = select(
        Booking.venue_id, kind.label("kind"), start.label("start"), length.label("length"), func.count(Booking.id),
        func.sum(Booking.people),
    ).where(_within(path), *_counts(span)).group_by(Booking.venue_id, "kind", "start", "length")  # fmt: skip
    if venue_id is not None:
        wanted = wanted.where(Booking.venue_id == venue_id)
    found: dict[int, Figures] = {}
    for venue, what, begin, minutes, count, people in db.session.execute(wanted):
        figures = found.setdefault(venue, Figures())
        figures.counts[what] += count
        if what == USED:
            figures.used += count * int(minutes)
            figures.people += int(people)
        if what != MISSED:
            by_part = parts_of(int(begin), int(begin) + int(minutes))
            figures.booked_parts = _plus(figures.booked_parts, tuple(count * m for m in by_part))  # type: ignore[arg-type]
    return found


def parts_of(start: int, end: int) -> Minutes:
    """Minutes of [start, end) in each part of the day; what runs over midnight belongs to the next day's parts."""
    sums = [0, 0, 0]
    for shift in (0, 1440):
        for index, (_, _, first, last) in enumerate(PARTS):
            sums[index] += max(0, min(end, last + shift) - max(start, first + shift))
    return sums[0], sums[1], sums[2]


def open_in(terms: rules.Terms, days: Iterable[date]) -> Minutes:
    """Open minutes of some days per part."""
    sums = NONE
    for day in days:
        sums = _plus(sums, open_on(terms, day))
    return sums


def open_on(terms: rules.Terms, day: date) -> Minutes:
    """Open minutes of one day per part."""
    begin = rules.moment(day, 0)
    if not terms.closures:
        return _in_parts(rules.hours_of(terms, day))
    return _in_parts(
        tuple(((p.start - begin) // MINUTE, (p.end - begin) // MINUTE) for p in rules.open_spans(terms, day))
    )


@lru_cache(maxsize=1024)  # few hours are different
def _in_parts(hours: Hours) -> Minutes:
    sums = NONE
    for opens, closes in hours:
        sums = _plus(sums, parts_of(opens, closes))
    return sums


# Records --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """Which records: of one room, of one centre's own rooms, or of everything below `path`.

    kind: "" all that counts, one of KINDS, "booked" (all but missed) or "unmet" (asked for and not got). part: a part
    of the day that the booking touches.
    """

    span: Span
    path: str = ""
    venue_id: int | None = None
    centre_id: int | None = None
    kind: str = ""
    part: str = ""
    function: str = ""


PER_PAGE = 50


def records(wanted: Wanted, page: int, now: datetime) -> tuple[list[tuple[Booking, str]], int]:
    """The bookings behind a figure with their kinds, in order of time, and how many there are. Two statements."""
    where = _where(wanted, now)
    number = db.session.scalar(select(func.count(Booking.id)).where(*where)) or 0
    statement = select(Booking, kind_of(now)).join(Booking.venue).join(Venue.centre).where(*where)
    statement = statement.options(contains_eager(Booking.venue).contains_eager(Venue.centre))
    statement = statement.order_by(Booking.starts_at, Booking.id).limit(PER_PAGE).offset((page - 1) * PER_PAGE)
    return [(booking, kind) for booking, kind in db.session.execute(statement)], number


def _where(wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    if wanted.kind == "unmet":
        where = _unmet(wanted.span)
    else:
        where = _counts(wanted.span)
    if wanted.kind == "booked":
        where.append(Booking.status == APPROVED)
    elif wanted.kind in KINDS:
        where.append(kind_of(now) == wanted.kind)
    if wanted.venue_id is not None:
        where.append(Booking.venue_id == wanted.venue_id)
    if wanted.centre_id is not None:
        where.append(Booking.centre_id == wanted.centre_id)
    if wanted.path:
        where.append(_within(wanted.path))
    if wanted.function:
        where.append(Booking.function == wanted.function)
    bounds = next(((first, last) for key, _, first, last in PARTS if key == wanted.part), None)
    if bounds is not None:
        where.append(_touches(wanted.span, *bounds))
    return where


def _touches(span: Span, first: int, last: int) -> ColumnElement[bool]:
    start, end = _local_minute(span), _local_minute(span) + _length()
    return or_(and_(start < last, end > first), end > first + 1440)


def _unmet(span: Span) -> list[ColumnElement[bool]]:
    """Asked for in these days or for these days, and not got."""
    start, end = span.moments
    return [Booking.starts_at >= start, Booking.created_at < end, Booking.created_at >= start,
            Booking.status.in_(UNMET)]  # fmt: skip


def unmet_by_function(path: str, span: Span) -> dict[int, dict[str, int]]:
    """centre → function → how often it was asked for and not got: refused, waiting, lapsed. One statement."""
    number = func.count(Booking.id)
    wanted = select(Booking.centre_id, Booking.function, number).where(
        _within(path), Booking.function != "", *_unmet(span)
    ).group_by(Booking.centre_id, Booking.function).order_by(number.desc(), Booking.function)  # fmt: skip
    found: dict[int, dict[str, int]] = {}
    for centre_id, function, times in db.session.execute(wanted):
        found.setdefault(centre_id, {})[function] = int(times)
    return found


def booked_by_room(path: str, span: Span) -> list[tuple[int, int, str, int]]:
    """Room, centre, function ('' unknown) and booked minutes: what rooms are taken for. One statement."""
    minutes = func.sum(_length())
    wanted = select(Booking.venue_id, Booking.centre_id, Booking.function, minutes).where(
        _within(path), Booking.status == APPROVED, *_counts(span)[:2]
    ).group_by(Booking.venue_id, Booking.centre_id, Booking.function).order_by(Booking.function)  # fmt: skip
    rows = db.session.execute(wanted)
    return [(venue, centre, function, int(number)) for venue, centre, function, number in rows]
