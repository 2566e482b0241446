"""What happens around rooms today, by the actions everybody uses: series, closures, waiting, deciding."""

from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.core import clock, scope
from portal.core.access import Actor
from portal.core.db import db, writing
from portal.core.errors import DomainError
from portal.demo.stage import DISTRICT, Stage
from portal.people.models import Resident
from portal.venues import occupancy, rules
from portal.venues.actions import approval, booking, closures, duty_notes, series
from portal.venues.models import APPROVED, BY_RESIDENT, EVERYBODY, PENDING, Booking, Venue
from portal.venues.rules import Span
from portal.venues.rules.eligibility import Wish

HOME = "440307009001"  # of the demo's first resident
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOTES = (
    ("投影仪开机要等两分钟，遥控器没电了，已买电池。", True),
    ("空调漏水，已报修，师傅周一来。", False),
    ("上一场的人走时没有摆回桌椅，请提醒下一位。", False),
)


def before(stage: Stage) -> None:
    """What the bookings of others go around: a course every week, and rooms under repair."""
    with writing(), scope.system("demo"):
        hall = _room(stage, HOME, "多功能厅")
        today = clock.today(stage.now)
        course = series.Rule(
            hall.id, "太极拳公益班", frozenset({1, 3}), today - 10 * DAY, today + 25 * DAY, 9 * 60, 10 * 60 + 30, 25
        )
        then = stage.now - 11 * DAY
        busy = {p.day: series.Choice(series.SKIP) for p in series.plan(course, then) if p.held_by}
        series.book_series(stage.boss(HOME), course, busy, then)
    for code, number, start, end, why in (
        (HOME, 1, -1, 1, "地面维修"), ("440307009002", 0, 2, 3, "设备检修"), ("440307010001", 2, 4, 6, "内部使用"),
    ):  # fmt: skip
        with writing(), scope.system("demo"):
            rooms = _rooms(stage, code)
            span = Span(_at(stage, start, 9), _at(stage, end, 18))
            venue = rooms[number % len(rooms)]
            closures.close(stage.boss(code), venue.centre_id, venue.id, span, why, False, stage.now - 2 * DAY)


def _at(stage: Stage, days: int, hour: int) -> datetime:
    return clock.at(clock.today(stage.now) + days * DAY, time(hour))


def _rooms(stage: Stage, code: str) -> list[Venue]:
    wanted = select(Venue).where(Venue.centre_id == stage.centres[code], Venue.bookable, Venue.active)
    return list(db.session.scalars(wanted.order_by(Venue.position)))


def _room(stage: Stage, code: str, name: str) -> Venue:
    rooms = _rooms(stage, code)
    return next((v for v in rooms if v.name == name), rooms[0])


# People ---------------------------------------------------------------------------------------------------------------


def after(stage: Stage) -> None:
    """Today's stories; one that a rule forbids at this hour is left out."""
    first = _first(stage)
    for story in (
        _mine_for_sure, _mine_to_decide, _mine_in_line, _mine_offered, _handed_up, _overdue, _overdue_at_the_top,
        _decided, _moved, _noted,
    ):  # fmt: skip
        _play(stage, story, first)


Story = Callable[[Stage, Actor], object]


def _play(stage: Stage, story: Story, first: Actor) -> None:
    try:
        with writing(), scope.system("demo"):
            story(stage, first)
    except DomainError:  # at night nothing is free within the hours that the story needs
        db.session.rollback()


def _first(stage: Stage) -> Actor:
    with scope.system("demo"):
        row = db.session.scalars(select(Resident).order_by(Resident.id).limit(1)).one()
        return Actor(kind="resident", id=row.id, name=row.name)


def _neighbours(stage: Stage, but: int = 0) -> Iterator[Actor]:
    """People of the first resident's community."""
    wanted = select(Resident).where(Resident.home_centre_id == stage.centres[HOME], Resident.id != but)
    for row in db.session.scalars(wanted.order_by(Resident.id)):
        yield Actor(kind="resident", id=row.id, name=row.name)


def _free(venue: Venue, asked: datetime, earliest: datetime) -> Span:
    """A free hour or so that may be asked for at `asked`. Raises DomainError when there is none."""
    terms = occupancy.terms_for(venue, earliest)
    day = clock.today(earliest)
    for number in range(8):
        on = day + number * DAY
        start_of = clock.at(on, time())
        taken = occupancy.taken([venue.id], start_of, start_of + DAY).get(venue.id, [])
        minutes = max(venue.shortest, 60 // venue.step * venue.step)
        for start in rules.starts(terms, on, taken, asked, minutes):
            if start >= earliest:
                return Span(start, start + timedelta(minutes=minutes))
    raise DomainError("没有空的时间。")


def _ask(stage: Stage, actor: Actor, venue: Venue, asked: datetime, earliest: datetime, title: str) -> Booking:
    span = _free(venue, asked, earliest)
    people = min(8, venue.capacity or 8)
    return booking.book(actor, Wish(venue.id, span.start, span.end, people, title), asked)


def _open_rooms(stage: Stage, code: str, examined: bool) -> list[Venue]:
    rooms = [v for v in _rooms(stage, code) if v.needs_approval is examined and v.who_may == EVERYBODY]
    if not rooms:
        raise DomainError("没有这样的场地。")
    return rooms


def _mine_for_sure(stage: Stage, first: Actor) -> None:
    venue = _open_rooms(stage, HOME, False)[0]
    _ask(stage, first, venue, stage.now - 20 * HOUR, stage.now + 26 * HOUR, "亲子读书会")


def _mine_to_decide(stage: Stage, first: Actor) -> None:
    venue = _open_rooms(stage, HOME, True)[0]
    _ask(stage, first, venue, stage.now - 4 * HOUR, stage.now + 50 * HOUR, "同学聚会彩排")


def _held(stage: Stage, least: datetime, most: datetime) -> Iterator[Booking]:
    """Bookings of residents, in rooms that keep a waiting list and are open to all."""
    wanted = select(Booking).join(Booking.venue).where(
        Booking.status == APPROVED, Booking.source == BY_RESIDENT, Booking.starts_at > least, Booking.starts_at < most,
        Venue.waiting_list, Venue.who_may == EVERYBODY,
    ).options(joinedload(Booking.venue))  # fmt: skip
    home = Venue.centre_id != stage.centres[HOME]
    yield from db.session.scalars(wanted.order_by(home, Booking.starts_at, Booking.id))


def _line_up(actor: Actor, row: Booking, at: datetime) -> Booking:
    """Wait for a booked time. Raises DomainError when the room does not allow it."""
    people = min(6, row.venue.capacity or 6)
    return booking.wait(actor, Wish(row.venue_id, row.starts_at, row.ends_at, people, row.title), at)


def _mine_in_line(stage: Stage, first: Actor) -> None:
    """Somebody else was quicker: two in line for the same hour."""
    for row in _held(stage, stage.now + 30 * HOUR, stage.now + 9 * DAY):
        if row.resident_id == first.id:
            continue
        others = list(_neighbours(stage, first.id or 0))
        ahead = next(o for o in others if o.id != row.resident_id)
        try:
            _line_up(ahead, row, stage.now - 9 * HOUR)
            _line_up(first, row, stage.now - 6 * HOUR)
        except DomainError:
            continue
        return


def _mine_offered(stage: Stage, first: Actor) -> None:
    """The one who had it takes it back on the last day: the next in line is asked."""
    for row in _held(stage, stage.now + 5 * HOUR, stage.now + 22 * HOUR):
        if row.resident_id == first.id:
            continue
        asked = max(row.created_at + HOUR, stage.now - 3 * HOUR)
        holder = Actor(kind="resident", id=row.resident_id, name=row.resident.name if row.resident else "")
        try:
            _line_up(first, row, asked)
            booking.withdraw(holder, row.id, stage.now - HOUR / 2, "家里有事，来不了")
        except DomainError:
            continue
        return


def _request(stage: Stage, code: str, asked: datetime, title: str, skip: int = 0) -> Booking:
    rooms = _open_rooms(stage, code, True)
    actor = list(_neighbours(stage))[-1 - skip]
    return _ask(stage, actor, rooms[skip % len(rooms)], asked, stage.now + 3 * DAY, title)


def _handed_up(stage: Stage, _first: Actor) -> None:
    row = _request(stage, HOME, stage.now - 9 * HOUR, "街道广场舞联赛选拔")
    approval.hand_up(stage.boss(HOME), row.id, "涉及上级单位的活动", stage.now - 2 * HOUR)


def _overdue(stage: Stage, _first: Actor) -> None:
    """Nobody decided within a day: the clock hands it up."""
    _request(stage, "440307009002", stage.now - 27 * HOUR, "亲子义卖准备会")


def _overdue_at_the_top(stage: Stage, _first: Actor) -> None:
    _request(stage, DISTRICT, stage.now - 30 * HOUR, "社会组织交流会", 1)


def _decided(stage: Stage, _first: Actor) -> None:
    """One yes and one no with its reason."""
    pending = select(Booking).where(Booking.status == PENDING, Booking.starts_at > stage.now + 2 * DAY)
    rows = list(db.session.scalars(pending.options(joinedload(Booking.centre)).order_by(Booking.id).limit(12)))
    for row, no in zip(rows[6:8], (False, True), strict=False):
        boss = stage.boss(row.centre.code)
        if no:
            approval.refuse(boss, row.id, "请换到更合适的场地", stage.now - HOUR)
        else:
            approval.approve(boss, row.id, stage.now - HOUR)


def _moved(stage: Stage, _first: Actor) -> None:
    """A projector breaks: the group goes next door."""
    for row in _held(stage, stage.now + 2 * DAY, stage.now + 8 * DAY):
        code = stage.code_of(row.centre_id)
        if code == HOME:  # somebody stands in line there
            continue
        for venue in _rooms(stage, code):
            if venue.id == row.venue_id or (venue.capacity or 0) < row.people:
                continue
            if occupancy.is_free(venue.id, rules.held(Span(row.starts_at, row.ends_at), venue.buffer)):
                span = (row.starts_at, row.ends_at)
                approval.move(stage.boss(code), row.id, venue.id, *span, "原场地设备故障", stage.now - 3 * HOUR)
                return


def _noted(stage: Stage, _first: Actor) -> None:
    rooms = _rooms(stage, HOME)
    for number, (words, done) in enumerate(NOTES):
        note = duty_notes.add(stage.boss(HOME), rooms[number % len(rooms)].id, words, stage.now - (30 - number) * HOUR)
        if done:
            duty_notes.solve(stage.boss(HOME), note.id, stage.now - 5 * HOUR)
