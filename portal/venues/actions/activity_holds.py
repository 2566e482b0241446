"""An activity's place is a booking (SPEC V4): the catalogue, which stands above, says which spans it needs.

One truth: the bookings of an activity are made equal to its sessions, under the venue's lock and the database's net.
Flush only, never commit.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import insert, inspect, select, update

from portal.core import clock, scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db
from portal.core.errors import Stale
from portal.venues import locks, occupancy, rules
from portal.venues.actions import booking as residents
from portal.venues.actions import waiting_list
from portal.venues.errors import RoomTaken
from portal.venues.models import ACTIVE, APPROVED, BY_ACTIVITY, HOLDS, PENDING, Booking, Venue
from portal.venues.rules import Span
from portal.venues.rules.eligibility import Wish
from portal.venues.states import MACHINE

MOST_ROOMS = 3
FAR = 3660  # days: activities are planned as far ahead as anybody likes
MOVED = "活动改了时间或地点"
HOUSE = system_actor("服务清单")  # the catalogue's review has decided; the room follows


@dataclass(frozen=True, slots=True)
class Conflict:
    """A session that cannot have the room: what holds it, other times of the same room, other rooms of the centre."""

    span: Span
    when: str
    held_by: str
    shifts: tuple[Span, ...] = ()
    other_rooms: tuple[tuple[int, str], ...] = ()
    bookings: tuple[int, ...] = ()  # what stands in the way, for links; none when the room is closed

    @property
    def day(self) -> date:
        return clock.local(self.span.start).date()


def hold(
    source_id: int, title: str, venue_id: int | None, spans: Sequence[Span], people: int, firm: bool,
    actor: Actor, now: datetime,
) -> None:  # fmt: skip
    """Make the bookings of activity `source_id` equal to `spans` in the venue: add, retitle, end.

    firm: the activity is published, so the holds are approved; before that they are pending at nobody's desk. Spans
    already over are left as they are. All or nothing: raises RoomTaken with every conflict. Locks: venues, lower first.
    """
    with scope.system("a room's holds belong to everybody's bookings"):
        locked, kept = _locked(source_id, venue_id)
        wanted = {s for s in spans if s.end > now} if venue_id in locked and locked[venue_id].bookable else set()
        stays = {(venue_id, span) for span in wanted}
        leaving = [b for b in kept if b.ends_at > now and (b.venue_id, Span(b.starts_at, b.ends_at)) not in stays]
        staying = [b for b in kept if b not in leaving and b.status in HOLDS and b.venue_id == venue_id]
        new = sorted(wanted - {Span(b.starts_at, b.ends_at) for b in staying}, key=lambda s: s.start)
        if new and venue_id in locked:
            clashes = _conflicts(locked[venue_id], new, now, [b.id for b in kept], wanted)
            if clashes:
                raise RoomTaken(locked[venue_id].name, clashes)
        for row in leaving:
            waiting_list.move(locked[row.venue_id], row, "withdraw", HOUSE, now, MOVED, ended_at=now)
        if venue_id in locked:
            _put(locked[venue_id], staying, new, (source_id, title, max(1, people), firm), actor, now)
        # Only now: a session put off by half an hour must not lose its own room to whoever waited for the old time.
        for row in leaving:
            waiting_list.free_up(locked[row.venue_id], waiting_list.held(row), now)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an activity would hold, for holding many at once."""

    source_id: int
    title: str
    venue_id: int
    spans: tuple[Span, ...]
    people: int


def hold_free(wanted: Sequence[Wanted], actor: Actor, now: datetime) -> set[int]:
    """Hold, pending, what is free for activities that hold nothing yet, by a fixed number of statements.

    Returns the ids of those that have all they want now; the others hold nothing more than before, and `hold` says
    why. Earlier ones of `wanted` come first. Locks: venues, lower first.
    """
    with scope.system("a room's holds belong to everybody's bookings"):
        locked = locks.lock_all({w.venue_id for w in wanted})
        asked = [(w, sorted({s for s in w.spans if s.end > now}, key=lambda s: s.start)) for w in wanted]
        dates = [s for _, spans in asked for s in spans]
        if not dates or not locked:
            return set()
        first, last = min(s.start for s in dates), max(s.end for s in dates)
        days = clock.local(first).date(), clock.local(last).date() + timedelta(days=1)
        terms = occupancy.terms_of(list(locked.values()), *days)
        around = timedelta(days=1)
        taken = occupancy.taken(list(locked), first - around, last + around)
        holding = set(db.session.scalars(_live([w.source_id for w in wanted])))
        rows: list[Booking] = []
        for want, spans in asked:
            venue = locked.get(want.venue_id)
            if venue is None or not venue.bookable or want.source_id in holding:
                continue
            if _fits(venue, terms[venue.id], spans, taken[venue.id]):
                rows += _fresh(venue, want, spans, actor, now)
                taken[venue.id] += [rules.held(s, venue.buffer) for s in spans]
                holding.add(want.source_id)
        _enter(rows, locked, actor, now)
    return {row.source_id for row in rows if row.source_id is not None}


def _live(source_ids: Sequence[int]) -> Any:
    live = Booking.source == BY_ACTIVITY, Booking.source_id.in_(source_ids), Booking.status.in_(ACTIVE)
    return select(Booking.source_id).where(*live).distinct()


def _fits(venue: Venue, terms: rules.Terms, spans: Sequence[Span], taken: Sequence[Span]) -> bool:
    if _overlapping(spans):
        return False
    return all(
        span.end - span.start <= timedelta(hours=rules.MAX_HOURS) and rules.shut_by(terms, span) is None
        and not any(rules.collides(rules.held(span, venue.buffer), other) for other in taken)
        for span in spans
    )  # fmt: skip


def _fresh(venue: Venue, want: Wanted, spans: Sequence[Span], actor: Actor, now: datetime) -> list[Booking]:
    begins, words = [s.start for s in spans], want.title[: residents.TITLE_MAX] or venue.name
    rows = []
    for span in spans:
        wish = Wish(venue.id, span.start, span.end, max(1, want.people), words)
        until = _until(span.end, rules.held(span, venue.buffer).end, begins)
        row = residents.made(venue, wish, PENDING, BY_ACTIVITY, actor, now, source_id=want.source_id, held_until=until)
        rows.append(row)
    return rows


def _enter(rows: Sequence[Booking], locked: dict[int, Venue], actor: Actor, now: datetime) -> None:
    if not rows:
        return
    names = {column.key for column in inspect(Booking).column_attrs}
    values = [{name: value for name, value in vars(row).items() if name in names} for row in rows]
    statement = insert(Booking).returning(Booking.id).execution_options(render_nulls=True)
    ids = list(db.session.scalars(statement, values))
    for venue_id in sorted({row.venue_id for row in rows}):
        locks.touch(locked[venue_id], now)
    db.session.flush()
    states.note_many(MACHINE, [(number, PENDING, None) for number in ids], "book", actor, now)


def _put(
    venue: Venue, staying: list[Booking], new: list[Span], what: tuple[int, str, int, bool], actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    source_id, title, people, firm = what
    words = title[: residents.TITLE_MAX] or venue.name
    begins = sorted([b.starts_at for b in staying] + [s.start for s in new])
    for row in staying:
        row.held_until = _until(row.ends_at, row.held_until, begins)
        if (row.title, row.people) != (words, people):
            row.title, row.people = words, people
            locks.touch(venue, now)
        if firm and row.status == PENDING:
            waiting_list.move(venue, row, "approve", HOUSE, now, decided_at=now)
    for span in new:
        wish = Wish(venue.id, span.start, span.end, people, words)
        until = _until(span.end, rules.held(span, venue.buffer).end, begins)
        residents.enter(
            venue, wish, APPROVED if firm else PENDING, BY_ACTIVITY, actor, now, source_id=source_id, held_until=until
        )
    db.session.flush()


def _until(end: datetime, held_until: datetime, begins: list[datetime]) -> datetime:
    """Between two sessions of one activity nobody tidies up: the buffer ends where its next session begins."""
    return min([held_until, *(b for b in begins if b >= end)])


def _locked(source_id: int, venue_id: int | None = None) -> tuple[dict[int, Venue], list[Booking]]:
    """The rooms of an activity, locked, and its live holds as they are under the lock. Raises Stale."""
    rooms = {b.venue_id for b in _of(source_id)} | ({venue_id} if venue_id else set())
    locked = locks.lock_all(rooms)
    rows = _of(source_id)
    if any(row.venue_id not in locked for row in rows):  # somebody gave it another room between the two reads
        raise Stale()
    return locked, rows


def _of(source_id: int) -> list[Booking]:
    wanted = select(Booking).where(
        Booking.source == BY_ACTIVITY, Booking.source_id == source_id, Booking.status.in_(ACTIVE)
    )
    wanted = wanted.order_by(Booking.venue_id, Booking.starts_at).execution_options(populate_existing=True)
    return list(db.session.scalars(wanted))


def confirm(source_ids: Collection[int], now: datetime) -> dict[int, set[tuple[int, Span]]]:
    """Publication of a month: what is held for these activities becomes firm, by a fixed number of statements.

    Returns what each of them holds from now on: (venue id, span). Locks: their venues, lower ids first.
    """
    mine = select(Booking).where(
        Booking.source == BY_ACTIVITY, Booking.source_id.in_(source_ids), Booking.status.in_(HOLDS)
    )
    with scope.system("a room's holds belong to everybody's bookings"):
        locked = locks.lock_all(db.session.scalars(mine.with_only_columns(Booking.venue_id).distinct()))
        rows = list(db.session.scalars(mine.order_by(Booking.venue_id, Booking.starts_at)))
        asked = [b for b in rows if b.status == PENDING]
        if asked:
            states.fire_many(MACHINE, asked, "approve", HOUSE, now)
            decided = update(Booking).where(Booking.id.in_([b.id for b in asked]))
            decided = decided.values(decided_at=now, revision=Booking.revision + 1)
            db.session.execute(decided.execution_options(synchronize_session=False))
        for venue_id in sorted({b.venue_id for b in asked}):
            locks.touch(locked[venue_id], now)
        db.session.flush()
    held: dict[int, set[tuple[int, Span]]] = {}
    for row in rows:
        held.setdefault(row.source_id or 0, set()).add((row.venue_id, Span(row.starts_at, row.ends_at)))
    return held


def release(source_id: int, reason: str, now: datetime) -> int:
    """The activity is gone: its coming holds end and the times go on. Returns how many. Locks: its venues."""
    with scope.system("a room's holds belong to everybody's bookings"):
        locked, rows = _locked(source_id)
        coming = [b for b in rows if b.ends_at > now]
        for row in coming:
            waiting_list.end(locked[row.venue_id], row, "withdraw", HOUSE, now, reason)
    return len(coming)


def conflicts(venue_id: int, spans: Iterable[Span], now: datetime, source_id: int | None = None) -> list[Conflict]:
    """What stands in the way of an activity, without taking anything: for previews. Reads with the system scope."""
    with scope.system("a room's holds belong to everybody's bookings"):
        venue = db.session.get(Venue, venue_id)
        if venue is None or not venue.bookable:
            return []
        own = [b.id for b in _of(source_id)] if source_id is not None else []
        coming = [s for s in spans if s.end > now]
        return _conflicts(venue, coming, now, own, coming)


def _conflicts(
    venue: Venue, spans: Sequence[Span], now: datetime, own: Sequence[int], sessions: Iterable[Span]
) -> list[Conflict]:
    """own: bookings of the activity itself; sessions: all it is going to hold, which must not overlap either."""
    if not spans:
        return []
    first, last = min(s.start for s in spans), max(s.end for s in spans)
    days = clock.local(first).date(), clock.local(last).date() + timedelta(days=1)
    terms = occupancy.terms_of([venue], *days)[venue.id]
    twice, found = _overlapping(sessions), []
    for span in spans:
        why, ids = _why_not(venue, terms, span, own)
        if span in twice:
            why = "、".join(filter(None, (why, "这个活动的另一场")))
        if why:
            found.append(replace(_conflict(venue, terms, span, why, now), bookings=ids))
    return found


def _overlapping(sessions: Iterable[Span]) -> set[Span]:
    """Both of every two sessions that share some of their time."""
    found: set[Span] = set()
    longest: Span | None = None
    for span in sorted(set(sessions), key=lambda s: (s.start, s.end)):
        if longest is not None and span.start < longest.end:
            found |= {span, longest}
        if longest is None or span.end > longest.end:
            longest = span
    return found


def _why_not(venue: Venue, terms: rules.Terms, span: Span, own: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    if span.end - span.start > timedelta(hours=rules.MAX_HOURS):
        return f"一场最长 {rules.MAX_HOURS} 小时，请按天填写", ()
    shut = rules.shut_by(terms, span)
    if shut is not None:
        return f"场地停用（{shut.reason}）", ()
    others = occupancy.in_the_way(venue.id, rules.held(span, venue.buffer), own)
    return "、".join(dict.fromkeys(words(b) for b in others)), tuple(b.id for b in others)


def words(row: Any) -> str:
    """What holds the room, for staff: '“主题党课”' or '居民预约（待审批）'; never who. row: a booking, its columns."""
    if row.source == BY_ACTIVITY:
        return f"“{row.title}”"
    kind = "居民预约" if row.resident_id is not None else f"“{row.title}”"
    return f"{kind}（待审批）" if row.status == PENDING else kind


def _conflict(venue: Venue, terms: rules.Terms, span: Span, why: str, now: datetime) -> Conflict:
    around = Span(span.start - timedelta(days=1), span.end + timedelta(days=1))
    taken = occupancy.taken([venue.id], around.start, around.end)[venue.id]
    return Conflict(
        span, clock.span(span.start, span.end), why, _shifts(terms, span, taken, now), other_rooms(venue, span)
    )


def _shifts(terms: rules.Terms, span: Span, taken: list[Span], now: datetime) -> tuple[Span, ...]:
    """The nearest starts of that day before and after, for the whole length. What binds residents (how far ahead, how
    long) does not bind the house; its opening hours do."""
    minutes, day = span.minutes, clock.local(span.start).date()
    step = terms.step if minutes % terms.step == 0 else 5
    house = replace(terms, notice=0, ahead_days=FAR, shortest=min(terms.shortest, minutes), longest=24 * 60, step=step)
    found = rules.starts(house, day, taken, now, minutes)
    near = [s for s in found if s < span.start][-1:] + [s for s in found if s > span.start][:1]
    return tuple(Span(s, s + (span.end - span.start)) for s in near)


def other_rooms(venue: Venue, span: Span) -> tuple[tuple[int, str], ...]:
    """Rooms of the same centre that are free and open then, big enough, the best fitting first: (id, name)."""
    wanted = select(Venue).where(Venue.centre_id == venue.centre_id, Venue.id != venue.id, Venue.active, Venue.bookable)
    rooms = list(db.session.scalars(wanted))
    if not rooms:
        return ()
    longest = max(r.buffer for r in rooms)
    taken = occupancy.taken([r.id for r in rooms], span.start, rules.held(span, longest).end)
    day = clock.local(span.start).date()
    terms = occupancy.terms_of(rooms, day, day + timedelta(days=1))
    need = venue.capacity or 0
    free = [
        r
        for r in rooms
        if rules.is_clear(span, r.buffer, taken[r.id])
        and rules.shut_by(terms[r.id], span) is None
        and any(o.start <= span.start and span.end <= o.end for o in rules.open_spans(terms[r.id], day))
    ]
    free.sort(key=lambda r: ((r.capacity or 0) < need, abs((r.capacity or 0) - need), r.position, r.id))
    return tuple((r.id, r.name) for r in free[:MOST_ROOMS])
