"""A lively fortnight and more of bookings around today, in bulk: within every rule, around what is already held.

Written as rows with their histories, because a thousand past requests by the actions would take long; what happens
to people today is in `room_stories.py`.
"""

import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import joinedload

from portal.core import clock, remarks, scope
from portal.core.db import db, writing
from portal.core.states import StateHistory
from portal.demo.rooms import dice
from portal.demo.stage import Stage
from portal.people.models import Resident
from portal.venues import occupancy, rules
from portal.venues.models import (
    APPROVED,
    BY_RESIDENT,
    BY_STAFF,
    CANCELLED,
    HOLDS,
    OWN,
    PENDING,
    REFUSED,
    RELEASED,
    STAFF_ONLY,
    WITHDRAWN,
    Booking,
    Venue,
)
from portal.venues.rules import Span, Terms

PAST, COMING = 16, 10  # days
HOUR = timedelta(hours=1)
TITLES = {
    "会议": ("楼栋长碰头会", "业主小组会议", "家委会碰头"), "培训": ("急救知识培训", "电商小课堂"),
    "讲座": ("健康讲座",), "议事协商": ("加装电梯商量会", "停车位商量会"), "读书": ("读书小组", "亲子读书会"),
    "亲子活动": ("亲子手工", "宝宝生日会"), "课后托管": ("作业互助小组",), "棋牌": ("象棋小组", "老友牌局"),
    "手工": ("编织小组",), "书画": ("书法练习",), "舞蹈": ("舞蹈队排练", "广场舞队练新舞"), "合唱": ("合唱团排练",),
    "健身": ("健身", "八段锦小组"), "球类": ("打球",), "瑜伽": ("瑜伽小组",), "展览": ("团体参观",),
    "观影": ("看老电影",), "志愿服务": ("志愿者分工会",), "矛盾调解": ("邻里调解",), "直播": ("助农直播",),
}  # fmt: skip
INTERNAL = ("党支部会议", "两委班子例会", "网格员培训", "工作人员培训", "民生微实事评审会")
REFUSED_FOR = ("不在使用范围内", "商业活动不能用", "中心要用这个场地")
CANCELLED_FOR = ("设备故障", "停电停水", "上级临时安排")


class Town:
    """Who books where: neighbours in turn, so that nobody goes beyond a limit."""

    def __init__(self, stage: Stage, luck: random.Random) -> None:
        self.stage, self.luck, self.turn = stage, luck, 0
        paths = {number: stage.paths[code] for code, number in stage.centres.items()}
        # Not the first one: what happens to him is a story of its own.
        known = select(Resident).where(Resident.home_centre_id.is_not(None)).order_by(Resident.id)
        self.first, *people = db.session.scalars(known)
        luck.shuffle(people)
        self.people = [(p, paths[p.home_centre_id or 0]) for p in people]

    def neighbour(self, venue: Venue) -> int | None:
        """The next resident of the centre (where only those may) or of its subdistrict; None: nobody lives there."""
        path = venue.centre.path
        around = path if venue.who_may == OWN else "/".join(path.split("/")[:4]) + "/"
        for _ in self.people:
            self.turn = (self.turn + 1) % len(self.people)
            person, home = self.people[self.turn]
            if home.startswith(around):
                return person.id
        return None


def build(stage: Stage) -> int:
    """Bookings of all rooms with histories. Returns how many."""
    luck = dice(stage, "days")
    today = clock.today(stage.now)
    first, until = today - timedelta(days=PAST), today + timedelta(days=COMING)
    with writing(), scope.system("demo"):
        wanted = select(Venue).where(Venue.bookable).options(joinedload(Venue.centre)).order_by(Venue.id)
        venues = list(db.session.scalars(wanted))
        terms = occupancy.terms_of(venues, first, until)
        held = occupancy.taken([v.id for v in venues], clock.at(first, time()), clock.at(until, time()))
        town = Town(stage, luck)
        rows = [
            row
            for venue in venues
            for row in _of_room(town, venue, terms[venue.id], list(held.get(venue.id, ())), first, until)
        ]
        db.session.execute(insert(Booking), rows)
        _yesterday_of_the_first(town)
        _histories(town)
        db.session.execute(
            update(Venue).where(Venue.bookable).values(version=Venue.version + 1)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
    return len(rows)


def _of_room(
    town: Town, venue: Venue, terms: Terms, held: list[Span], first: date, until: date
) -> Iterator[dict[str, Any]]:
    """Some rooms are loved, some stand idle; each stretch of opening hours is taken with the room's own luck."""
    stage, luck = town.stage, town.luck
    popular = venue.centre.code in ("440307DP", "440307009001")
    love = luck.choice((0.02, 0.06, 0.1, 0.18)) + (0.5 if popular else 0)
    last = min(until, clock.today(stage.now) + timedelta(days=venue.ahead_days + 1))
    for day in (first + timedelta(days=n) for n in range((last - first).days)):
        for stretch in rules.open_spans(terms, day):
            if luck.random() >= love:
                continue
            span = _within(luck, venue, stretch)
            if span is None or not rules.is_clear(span, venue.buffer, held):
                continue
            row = _row(town, venue, span)
            if row["status"] in HOLDS:
                held.append(Span(span.start, row["held_until"]))
            yield row


def _within(luck: random.Random, venue: Venue, stretch: Span) -> Span | None:
    """A length the room allows, somewhere in the stretch, on its grid."""
    step = venue.step
    longest = min(venue.longest, 120 if luck.random() < 0.8 else venue.longest, stretch.minutes) // step * step
    if longest < venue.shortest or (stretch.minutes % step and stretch.minutes < venue.shortest + step):
        return None
    minutes = luck.randrange(venue.shortest, longest + step, step)
    begins = luck.randrange(0, stretch.minutes - minutes + 1, step)
    start = stretch.start + timedelta(minutes=begins)
    return Span(start, start + timedelta(minutes=minutes))


def _row(town: Town, venue: Venue, span: Span) -> dict[str, Any]:
    luck, stage = town.luck, town.stage
    alone = venue.who_may == STAFF_ONLY or luck.random() < 0.2
    resident_id = None if alone else town.neighbour(venue)
    inside = resident_id is None
    function = luck.choice(venue.functions)
    title = luck.choice(INTERNAL) if inside and venue.who_may != STAFF_ONLY else luck.choice(TITLES[function])
    boss = stage.boss(venue.centre.code)
    row: dict[str, Any] = {
        "venue_id": venue.id, "centre_id": venue.centre_id, "source": BY_STAFF if inside else BY_RESIDENT,
        "resident_id": resident_id, "title": title,
        "function": "" if inside else function, "people": luck.randint(2, max(2, min(venue.capacity or 10, 40))),
        "starts_at": span.start, "ends_at": span.end, "held_until": rules.held(span, venue.buffer).end,
        "created_by": boss.name if inside else "", "contact_name": "", "contact_phone": "", "needs": "", "reason": "",
        "waits_at_id": None, "decide_by": None, "accept_by": None, "ended_at": None, "checked_in_at": None,
        "revision": 1,
    }  # fmt: skip
    asked = min(span.start - timedelta(days=luck.uniform(1, 6)), stage.now - HOUR)
    row |= {"created_at": _awake(asked), "status": APPROVED, "decided_at": None}
    if inside or not venue.needs_approval:
        row["decided_at"] = row["created_at"]
    else:
        row["decided_at"] = min(row["created_at"] + HOUR * luck.uniform(0.5, 9), span.start, stage.now)
    return row | (_ended(luck, venue, row) if span.end <= stage.now else _open(luck, venue, row, stage.now))


def _awake(at: datetime) -> datetime:
    """Nobody books between midnight and six."""
    return at - timedelta(hours=8) if clock.local(at).hour < 6 else at


def _ended(luck: random.Random, venue: Venue, row: dict[str, Any]) -> dict[str, Any]:
    """What has become of a past booking: used, nobody came, or called off before."""
    start, fate = row["starts_at"], luck.random()
    before = start - (start - row["created_at"]) / 3
    came = {"checked_in_at": start + timedelta(minutes=luck.randint(-8, 8))}
    if row["source"] == BY_STAFF or fate < 0.78:
        return came
    if fate < 0.87:
        gone = {"status": RELEASED, "ended_at": start + timedelta(minutes=venue.release)}
        return gone if venue.release else {}
    if fate < 0.94:
        return {"status": WITHDRAWN, "ended_at": before}
    if venue.needs_approval and fate < 0.98:
        return {"status": REFUSED, "ended_at": row["decided_at"], "reason": luck.choice(REFUSED_FOR)}
    return {"status": CANCELLED, "ended_at": before, "reason": luck.choice(CANCELLED_FOR)}


def _open(luck: random.Random, venue: Venue, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Running now, waiting for a decision, or simply to come."""
    if row["starts_at"] <= now:
        return {"checked_in_at": row["starts_at"]}
    if row["source"] == BY_RESIDENT and venue.needs_approval and luck.random() < 0.2:
        asked = now - HOUR * luck.uniform(0.5, min(14, venue.approve_hours - 2))
        decide_by = rules.decide_by(asked, venue.approve_hours, row["starts_at"])
        if decide_by > now + HOUR:
            return {"status": PENDING, "created_at": asked, "decided_at": None, "decide_by": decide_by,
                    "waits_at_id": venue.centre_id}  # fmt: skip
    if row["source"] == BY_RESIDENT and luck.random() < 0.06:
        return {"status": WITHDRAWN, "ended_at": now - HOUR * luck.uniform(0.2, 0.9)}
    return {}


def _yesterday_of_the_first(town: Town) -> None:
    """The tour's resident used a room lately, and will be asked how it was."""
    now = town.stage.now
    lately = select(Booking).join(Booking.venue).where(
        Booking.status == APPROVED, Booking.source == BY_RESIDENT, Booking.checked_in_at.is_not(None),
        Booking.ends_at < now - HOUR, Booking.ends_at > now - timedelta(days=3),
        Booking.centre_id == town.first.home_centre_id, ~Venue.needs_approval,
    )  # fmt: skip
    row = db.session.scalars(lately.order_by(Booking.ends_at.desc(), Booking.id).limit(1)).first()
    if row is not None:
        row.resident_id = town.first.id
        db.session.flush()


# Histories -----------------------------------------------------------------------------------------------------------

STEPS = {WITHDRAWN: "withdraw", CANCELLED: "cancel", REFUSED: "refuse", RELEASED: "release"}


def _histories(town: Town) -> None:
    """The lines that the actions would have written."""
    told = select(StateHistory.object_id).where(StateHistory.object_type == "booking")
    wanted = select(Booking).where(Booking.id.not_in(told)).options(joinedload(Booking.venue).joinedload(Venue.centre))
    lines = [line for row in db.session.scalars(wanted.order_by(Booking.id)) for line in _lines(town, row)]
    db.session.execute(insert(StateHistory), lines)


def _who(kind: str, number: int | None, name: str, centre_id: int | None = None) -> dict[str, Any]:
    return {"actor_kind": kind, "actor_id": number, "actor_name": name, "centre_id": centre_id}


def _lines(town: Town, row: Booking) -> Iterator[dict[str, Any]]:
    boss = town.stage.boss(row.venue.centre.code)
    staff = _who("staff", boss.id, boss.name, boss.centre_id)
    mine = _who("resident", row.resident_id, "")
    examined = row.resident_id is not None and row.venue.needs_approval
    first = PENDING if examined else APPROVED
    line: dict[str, Any] = {
        "object_type": "booking", "object_id": row.id, "name": "book", "from_status": first, "to_status": first,
        "written": "", "remark_id": None, "about": "", "details": None, "at": row.created_at,
        **(mine if row.resident_id else staff),
    }  # fmt: skip
    yield line
    now = first
    if examined and row.status not in (PENDING, REFUSED):
        yield line | staff | {"name": "approve", "from_status": now, "to_status": APPROVED, "at": row.decided_at}
        now = APPROVED
    if row.status in STEPS:
        who = {WITHDRAWN: mine, RELEASED: _who("system", None, "系统")}.get(row.status, staff)
        remark = remarks.write("booking", row.id, row.reason)
        yield line | who | {"name": STEPS[row.status], "from_status": now, "to_status": row.status,
                            "remark_id": remark.id if remark else None, "at": row.ended_at}  # fmt: skip
