"""Every Tuesday from … until … (SPEC V4): planned with a list of conflicts, booked all at once. Flush only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import select

from portal.core import audit, clock, scope
from portal.core.access import Actor
from portal.core.db import db
from portal.core.errors import Stale
from portal.core.states import ReasonMissing
from portal.venues import locks, rules
from portal.venues.actions import activity_holds, approval, waiting_list
from portal.venues.actions import booking as residents
from portal.venues.actions.activity_holds import Conflict
from portal.venues.errors import BookingRefused, SeriesRefused, SlotTaken, VenueGone
from portal.venues.models import ACTIVE, APPROVED, BY_STAFF, WAITING, Booking, BookingSeries, Venue
from portal.venues.rules import Span
from portal.venues.rules.eligibility import Wish

TAKE, SKIP, WAIT, MOVE = "take", "skip", "wait", "move"
TWICE = timedelta(minutes=2)  # a second press of the same button


@dataclass(frozen=True, slots=True)
class Rule:
    """weekdays: 0 Monday … 6 Sunday; both days included; opens/closes: minutes after midnight, Shanghai."""

    venue_id: int
    title: str
    weekdays: frozenset[int]
    first_day: date
    last_day: date
    opens: int
    closes: int
    people: int = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do on one date. For 'move': another room and/or another span."""

    kind: str = TAKE
    venue_id: int | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(slots=True)
class SeriesResult:
    series: BookingSeries
    booked: list[Booking] = field(default_factory=list)
    waiting: list[Booking] = field(default_factory=list)
    skipped: list[date] = field(default_factory=list)


def spans_of(rule: Rule, now: datetime) -> list[Span]:
    """The dates of a rule that are still to come. Raises SeriesRefused for an empty, reversed or endless one."""
    refusal = rules.series_refusal(rule.first_day, rule.last_day, rule.weekdays, rule.opens, rule.closes)
    if refusal is not None:
        raise SeriesRefused(refusal.message, advice=refusal.advice, field=refusal.field or None)
    spans = rules.series_spans(rule.first_day, rule.last_day, rule.weekdays, rule.opens, rule.closes)
    coming = [s for s in spans if s.start > now]
    if not coming:
        raise SeriesRefused("这些日期都已经过去了。", advice="请选以后的日期。")
    return coming


def plan(rule: Rule, now: datetime) -> list[Conflict]:
    """Each date with what stands in its way, '' when it is free (V4). Reads only; it is checked again when booked.

    Raises SeriesRefused, VenueGone.
    """
    spans = spans_of(rule, now)
    clashes = {c.span: c for c in activity_holds.conflicts(_room(rule.venue_id).id, spans, now)}
    return [clashes.get(span, Conflict(span, "", "")) for span in spans]


def _room(venue_id: int) -> Venue:
    venue = db.session.scalars(select(Venue).where(Venue.id == venue_id)).one_or_none()
    if venue is None or not venue.bookable or not venue.active:
        raise VenueGone()
    return venue


def book_series(actor: Actor, rule: Rule, choices: Mapping[date, Choice], now: datetime) -> SeriesResult:
    """Book every date as chosen; a date without a choice is taken as it stands. All or nothing.

    Raises SlotTaken naming the first date that somebody took meanwhile, SeriesRefused, BookingRefused, VenueGone,
    NotAllowed. The form sent twice is one series. Locks: every venue involved, lower ids first.
    """
    approval.must(actor)
    spans = spans_of(rule, now)
    wanted = {rule.venue_id} | {c.venue_id for c in choices.values() if c.kind == MOVE and c.venue_id}
    locked = locks.lock_all(wanted)  # in the actor's scope: a neighbour's room does not exist
    missing = wanted - locked.keys()
    if missing or not locked[rule.venue_id].bookable or not locked[rule.venue_id].active:
        raise VenueGone()
    double = _same(actor, rule, now)
    if double is not None:
        return double
    series = BookingSeries(
        venue_id=rule.venue_id, centre_id=locked[rule.venue_id].centre_id, title=_title(rule),
        weekdays=sorted(rule.weekdays), first_day=rule.first_day, last_day=rule.last_day, opens=rule.opens,
        closes=rule.closes, created_by=actor.name, created_at=now,
    )  # fmt: skip
    db.session.add(series)
    db.session.flush()
    result = SeriesResult(series)
    with scope.system("a room's other bookings"):
        for span in spans:
            _one(actor, rule, series, span, choices.get(clock.local(span.start).date(), Choice()), locked, result, now)
        if not result.booked and not result.waiting:
            raise SeriesRefused("一个日期也没有选上。", advice="请至少留一个日期，或换个时间、场地。")
    audit.record(
        actor, "booking.series", "booking_series", series.id, now, centre_id=series.centre_id,
        summary=f"{series.title}：{len(result.booked)} 次，候补 {len(result.waiting)}，跳过 {len(result.skipped)}",
    )  # fmt: skip
    return result


def _title(rule: Rule) -> str:
    return rule.title.strip()[:80] or "固定使用"


def _same(actor: Actor, rule: Rule, now: datetime) -> SeriesResult | None:
    """The same form, sent again by the same person moments later."""
    wanted = select(BookingSeries).where(
        BookingSeries.venue_id == rule.venue_id, BookingSeries.title == _title(rule),
        BookingSeries.first_day == rule.first_day, BookingSeries.last_day == rule.last_day,
        BookingSeries.opens == rule.opens, BookingSeries.closes == rule.closes, BookingSeries.ended_at.is_(None),
        BookingSeries.created_by == actor.name, BookingSeries.created_at > now - TWICE,
    )  # fmt: skip
    series = next((s for s in db.session.scalars(wanted) if frozenset(s.weekdays) == rule.weekdays), None)
    if series is None:
        return None
    with scope.system("all dates of a series"):
        rows = list(db.session.scalars(select(Booking).where(Booking.series_id == series.id).order_by(Booking.id)))
    return SeriesResult(series, [b for b in rows if b.status == APPROVED], [b for b in rows if b.status == WAITING], [])


def _one(
    actor: Actor, rule: Rule, series: BookingSeries, span: Span, choice: Choice, locked: Mapping[int, Venue],
    result: SeriesResult, now: datetime,
) -> None:  # fmt: skip
    day = clock.local(span.start).date()
    if choice.kind == SKIP:
        result.skipped.append(day)
        return
    venue = locked[rule.venue_id]
    if choice.kind == MOVE:
        venue = locked[choice.venue_id or rule.venue_id]
        span = Span(choice.start or span.start, choice.end or span.end)
    wish = Wish(venue.id, span.start, span.end, rule.people, series.title)
    try:
        approval.check(venue, wish, now)
        status = APPROVED
    except SlotTaken as taken:
        if choice.kind != WAIT:
            when = clock.span(span.start, span.end)
            raise SlotTaken(wish, f"{when} 的{venue.name}刚刚被占用，整个系列都没有保存。") from taken
        status = WAITING
    except BookingRefused as refused:
        refused.message = f"{clock.day(day)}：{refused.message}"
        raise
    row = residents.enter(venue, wish, status, BY_STAFF, actor, now, series_id=series.id)
    (result.waiting if status == WAITING else result.booked).append(row)


def end_series(actor: Actor, series_id: int, reason: str, now: datetime) -> int:
    """Cancel what is still to come of a series; the times go on. Returns how many dates.

    Raises VenueGone when there is no such series, ReasonMissing, NotAllowed. Locks: its venues, lower ids first.
    """
    approval.must(actor)
    series = db.session.scalars(select(BookingSeries).where(BookingSeries.id == series_id)).one_or_none()
    if series is None:
        raise VenueGone("没有找到这个固定预约。")
    if series.ended_at is not None:
        return 0
    if not reason.strip():
        raise ReasonMissing()
    with scope.system("all dates of a series"):
        coming = select(Booking).where(
            Booking.series_id == series.id, Booking.status.in_(ACTIVE), Booking.starts_at > now
        )
        locked = locks.lock_all(b.venue_id for b in db.session.scalars(coming))
        rows = list(db.session.scalars(coming.execution_options(populate_existing=True).order_by(Booking.starts_at)))
        if any(row.venue_id not in locked for row in rows):  # a date was moved between the two reads
            raise Stale()
        for row in rows:
            waiting_list.end(locked[row.venue_id], row, "cancel", actor, now, reason)
        series.ended_at = now
    audit.record(
        actor, "booking.end_series", "booking_series", series.id, now, centre_id=series.centre_id,
        summary=f"{series.title}：取消以后的 {len(rows)} 次。{reason}".strip(),
    )  # fmt: skip
    return len(rows)
