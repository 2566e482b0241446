"""Reads of urgent requests: who is alarmed, what rings on a desk, who listens (SPEC H4)."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, literal_column, or_, select
from sqlalchemy.orm import aliased, joinedload, selectinload

from portal.cases import ladder
from portal.centres import profile
from portal.centres import queries as centres
from portal.centres.models import Centre, label
from portal.core import clock, reads, scope
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.help_requests.urgent import rules
from portal.help_requests.urgent.models import (
    MISTAKEN,
    OPEN,
    RINGING,
    SCREEN,
    TAKEN,
    Alarm,
    AlarmAck,
    AlarmReader,
    AlarmReceipt,
    AlarmStep,
    DutyPhone,
    Listener,
    UrgentCall,
    Watch,
)  # fmt: skip
from portal.help_requests.urgent.rules import Around, Place
from portal.people.models import Resident, StaffAccount

PAGE = 40


@cache
def _policy(code: str) -> rules.Policy:
    return rules.policy(profile.load(code).urgent)


def policy() -> rules.Policy:
    """The numbers and words of this deployment."""
    return _policy(profile.current().code)


# Who is alarmed -------------------------------------------------------------------------------------------------------


@cache
def _neighbours(code: str) -> dict[str, tuple[str, ...]]:
    file = profile.load(code).file("neighbours.csv")
    if not file.exists():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: (row["code"], int(row["rank"])))
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        found[row["code"]] = (*found.get(row["code"], ()), row["neighbour"])
    return found


def community(centre: Centre) -> Centre:
    """The level that answers for where somebody lives: the centre itself or, for a station, the one above."""
    filing = {lv.code for lv in profile.current().levels if lv.files_list}
    above = reversed(centres.ancestors(centre))
    return centre if centre.level in filing else next((c for c in above if c.level in filing), centre)


def top() -> Centre | None:
    """Where an alarm goes when nobody knows the community: the highest centre where somebody answers."""
    here = ladder.staffed(Permission.URGENT)
    wanted = select(Centre).where(Centre.id.in_(here)).order_by(Centre.depth, Centre.id).limit(1)
    return db.session.scalars(wanted).first()


def around(centre: Centre, now: datetime) -> Around:
    """Who may be alarmed about `centre`; only where somebody answers. Some six statements."""
    here = ladder.staffed(Permission.URGENT)
    own = ladder.desk(centre, Permission.URGENT, here)
    above = [c for c in reversed(centres.ancestors(own)) if c.id in here]
    near = [c for c in neighbours(centre) if c.id in here and c.id != own.id]
    others = [c for c in centres.children(above[0]) if c.id in here and c.active] if above else []
    known = listening([own.id, *(c.id for c in (*above, *near, *others))], now)
    place = {c.id: Place(c.id, c.label, c.id in known) for c in (own, *above, *near, *others)}
    return Around(
        place[own.id], [place[c.id] for c in above], [place[c.id] for c in near],
        [place[c.id] for c in others if c.id != own.id],
    )  # fmt: skip


def neighbours(centre: Centre) -> list[Centre]:
    """The next ones by the profile's neighbours.csv (bays and hills lie between some); else the nearest brothers."""
    codes = _neighbours(profile.current().code).get(centre.code)
    if codes:
        found = {c.code: c for c in db.session.scalars(select(Centre).where(Centre.code.in_(codes), Centre.active))}
        return [found[code] for code in codes if code in found]
    if centre.parent_id is None:
        return []
    others = select(Centre).where(Centre.parent_id == centre.parent_id, Centre.id != centre.id, Centre.active)
    return sorted(db.session.scalars(others), key=lambda c: (_apart(c, centre.latitude, centre.longitude), c.id))[:3]


def nearest(latitude: float, longitude: float) -> Centre | None:
    """The community centre next to a position, as the crow flies; None beyond 30 km."""
    filing = [lv.code for lv in profile.current().levels if lv.files_list]
    wanted = select(Centre).where(Centre.level.in_(filing), Centre.active, Centre.latitude.is_not(None))
    best = min(db.session.scalars(wanted), key=lambda c: (_apart(c, latitude, longitude), c.id), default=None)
    return best if best is not None and _apart(best, latitude, longitude) < 30 else None


def _apart(centre: Centre, latitude: float | None, longitude: float | None) -> float:
    """Kilometres; far away when either place is unknown."""
    if None in (centre.latitude, centre.longitude, latitude, longitude):
        return math.inf
    north = (centre.latitude - latitude) * 111.2  # type: ignore[operator]
    east = (centre.longitude - longitude) * 111.2 * math.cos(math.radians(latitude))  # type: ignore[operator,arg-type]
    return math.hypot(north, east)


def listening(centre_ids: Iterable[int], now: datetime) -> frozenset[int]:
    """Those of the centres where somebody's page is open now."""
    alive = select(Listener.centre_id).where(
        Listener.centre_id.in_(list(centre_ids)), Listener.seen_at > now - rules.ALIVE
    )
    return frozenset(db.session.scalars(alive))


# What rings on a desk -------------------------------------------------------------------------------------------------


def rings(now: Any) -> ColumnElement[bool]:
    """A step that rings at `now`: its time alone says so, no scheduler. Whoever took it and has not moved has it no
    more, and the steps of the next ring count."""
    return and_(
        AlarmStep.at <= now, AlarmStep.kind == SCREEN,
        or_(
            and_(Alarm.status == RINGING, AlarmStep.ring == Alarm.ring),
            and_(Alarm.status == TAKEN, Alarm.move_by <= now, AlarmStep.ring == Alarm.ring + 1),
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Desk:
    """One alarm as a staff page shows it; nothing private. sounds: full screen with sound, else the quiet bar."""

    id: int
    status: str
    ring: int
    centre: str
    why: str
    filed_at: datetime
    rung_at: datetime
    rings: bool
    acked: bool
    taken_by: str
    taken_centre: str
    taken_phone: str
    taken_at: datetime | None
    moving_at: datetime | None
    there_at: datetime | None
    people: int
    shown: int

    @property
    def sounds(self) -> bool:
        return self.rings and not self.acked


_HERE = aliased(Centre)
_TAKER = aliased(Centre)
_WHY = aliased(AlarmStep)


_OWN = (
    Alarm.id, Alarm.status, Alarm.filed_at, Alarm.rung_at, Alarm.taken_by, Alarm.taken_phone, Alarm.taken_at,
    Alarm.moving_at, Alarm.there_at, Alarm.people,
)  # fmt: skip
_RING = case((Alarm.status == RINGING, Alarm.ring), else_=Alarm.ring + 1)


def _desk() -> Select[Any]:
    """Everything that rings or is under way at :centre. One statement, Core: asked every two seconds by each page that
    is open while anything is open."""
    now: Any = bindparam("now")
    centre: Any = bindparam("centre")
    acked = select(AlarmAck.id).where(
        AlarmAck.alarm_id == Alarm.id, AlarmAck.centre_id == centre, AlarmAck.ring == _RING
    )
    shown = select(func.count()).where(AlarmReceipt.alarm_id == Alarm.id).scalar_subquery()
    why = (
        select(_WHY.why)
        .where(_WHY.alarm_id == Alarm.id, _WHY.centre_id == centre, _WHY.kind == SCREEN)
        .order_by(_WHY.ring.desc(), _WHY.at)
        .limit(1)
        .scalar_subquery()
    )
    shows: Any = (
        *_OWN, _RING.label("ring"), label(_HERE).label("centre"), why.label("why"), acked.exists().label("acked"),
        func.max(case((rings(now), 1), else_=0)).label("rings"), label(_TAKER).label("taken_centre"),
        shown.label("shown"),
    )  # fmt: skip
    statement: Any = select(*shows).select_from(Alarm).join(AlarmStep, AlarmStep.alarm_id == Alarm.id)
    statement = statement.join(_HERE, _HERE.id == Alarm.centre_id)
    statement = statement.outerjoin(_TAKER, _TAKER.id == Alarm.taken_centre_id).where(
        Alarm.status.in_(OPEN), AlarmStep.centre_id == centre, AlarmStep.at <= now, AlarmStep.kind == SCREEN,
        Alarm.filed_at > bindparam("oldest"),
    )  # fmt: skip
    grouped: Select[Any] = statement.group_by(
        *_OWN, Alarm.ring, _HERE.short_name, _HERE.name, _TAKER.short_name, _TAKER.name
    )
    return grouped.order_by(Alarm.filed_at, Alarm.id)


_DESK = _desk()


def desk(centre_id: int, now: datetime) -> list[Desk]:
    """What rings or is under way at this centre, the longest first. One statement."""
    found = reads.rows(_DESK, centre=centre_id, now=now, oldest=now - rules.RINGS)
    return [
        Desk(
            **{
                **row._mapping,
                "rings": bool(row.rings),
                "acked": bool(row.acked),
                "taken_centre": row.taken_centre or "",
                "why": row.why or "",
            }
        )
        for row in found
    ]


def stamp(found: Sequence[Desk], now: datetime) -> str:
    """Changes when a page must be drawn anew: every minute too, for it says what comes next."""
    said = "|".join(
        f"{d.id}:{d.status}:{d.ring}:{d.sounds}:{d.shown}:{d.taken_at}:{d.moving_at}:{d.there_at}" for d in found
    )
    return hashlib.sha256(f"{said}@{int(now.timestamp()) // 60}".encode()).hexdigest()[:16]


ANYTHING: Select[Any] = select(literal_column("1")).select_from(Alarm).where(
    # Written out, not bound: only so does SQLite see that the small index of open ones holds them all.
    literal_column("status IN ('ringing', 'taken', 'moving', 'there')")
).limit(1)  # fmt: skip


def shown_on(alarm_id: int) -> list[tuple[str, int]]:
    """On how many screens it has rung, by centre."""
    wanted = select(label(Centre), func.count(AlarmReceipt.session_id.distinct())).join(
        Centre, Centre.id == AlarmReceipt.centre_id
    )
    rows = db.session.execute(
        wanted.where(AlarmReceipt.alarm_id == alarm_id).group_by(Centre.id).order_by(Centre.depth.desc())
    )
    return [(str(name), int(count)) for name, count in rows]


def following(alarm: Alarm, now: datetime) -> list[AlarmStep]:
    """The next step's screens that do not ring yet, if it rings."""
    if alarm.status != RINGING:
        return []
    wanted = select(AlarmStep).where(
        AlarmStep.alarm_id == alarm.id, AlarmStep.ring == alarm.ring, AlarmStep.at > now, AlarmStep.kind == SCREEN
    )
    rows = list(db.session.scalars(wanted.order_by(AlarmStep.at, AlarmStep.id)))
    return [row for row in rows if row.no == rows[0].no]


def next_words(alarm_id: int, now: datetime) -> str:
    """'14:24 还没人接，溪涌社区和大鹏新区也会响铃'; '' when everybody is alarmed."""
    with scope.system("who else rings, by name of the centre only"):
        alarm = db.session.get_one(Alarm, alarm_id)
        steps = following(alarm, now)
        if not steps:
            return ""
        ids = [step.centre_id for step in steps]
        names = dict(db.session.execute(select(Centre.id, label(Centre)).where(Centre.id.in_(ids))).all())
    said = "、".join(names[i] for i in ids[:3]) + ("等" if len(ids) > 3 else "")
    return f"{clock.hour(steps[0].at)} 还没人接，{said}也会响铃"


# One alarm ------------------------------------------------------------------------------------------------------------


def call_by_key(key: str) -> UrgentCall | None:
    """For whoever holds the key; the caller reads in the system's scope."""
    return db.session.scalars(select(UrgentCall).where(UrgentCall.key == key)).one_or_none()


def alarm(alarm_id: int) -> Alarm | None:
    """One that the caller's scope sees, with its centre, taker, case and calls."""
    wanted = select(Alarm).where(Alarm.id == alarm_id)
    options = (
        joinedload(Alarm.centre),
        joinedload(Alarm.taken_centre),
        joinedload(Alarm.case),
        selectinload(Alarm.calls),
    )
    return db.session.scalars(wanted.options(*options)).one_or_none()


def alarmed(alarm_id: int, centre_id: int | None, now: datetime) -> bool:
    """Whether it has rung at this centre by now."""
    wanted = select(AlarmStep.id).where(
        AlarmStep.alarm_id == alarm_id, AlarmStep.centre_id == (centre_id or 0), AlarmStep.at <= now,
        AlarmStep.kind == SCREEN,
    )  # fmt: skip
    return db.session.scalar(wanted.limit(1)) is not None


def has_read(alarm_id: int, account_id: int | None) -> bool:
    """Whether this account has opened what is private of it."""
    wanted = select(AlarmReader.id).where(AlarmReader.alarm_id == alarm_id, AlarmReader.account_id == (account_id or 0))
    return db.session.scalar(wanted) is not None


def readers(alarm_id: int) -> list[AlarmReader]:
    return list(
        db.session.scalars(select(AlarmReader).where(AlarmReader.alarm_id == alarm_id).order_by(AlarmReader.id))
    )


def receipts(alarm_id: int) -> list[tuple[Any, ...]]:
    """(centre, who, when, sounded) of every screen."""
    wanted = (
        select(label(Centre), StaffAccount.name, AlarmReceipt.shown_at, AlarmReceipt.sounded)
        .join(Centre, Centre.id == AlarmReceipt.centre_id)
        .join(StaffAccount, StaffAccount.id == AlarmReceipt.account_id)
        .where(AlarmReceipt.alarm_id == alarm_id)
        .order_by(AlarmReceipt.shown_at, AlarmReceipt.id)
    )
    return [tuple(row) for row in db.session.execute(wanted)]


def mistakes(alarm: Alarm, now: datetime) -> int:
    """How often the same person pressed by mistake lately; shown, never a reason to refuse."""
    same = Alarm.resident_id == alarm.resident_id if alarm.resident_id else Alarm.phone == alarm.phone
    with scope.system("a count, whichever community it was in"):
        wanted = (
            select(func.count())
            .select_from(Alarm)
            .where(same, Alarm.status == MISTAKEN, Alarm.filed_at > now - rules.MISTAKES_WITHIN)
        )
        return db.session.scalar(wanted) or 0


def listed(page: int, only_open: bool) -> tuple[list[Alarm], bool]:
    """The alarms of the caller's scope, newest first; whether there are more."""
    wanted = select(Alarm).options(joinedload(Alarm.centre), joinedload(Alarm.taken_centre))
    if only_open:
        wanted = wanted.where(Alarm.status.in_(OPEN))
    else:
        wanted = wanted.where(Alarm.status.not_in(OPEN))
    rows = list(db.session.scalars(wanted.order_by(Alarm.filed_at.desc()).limit(PAGE + 1).offset((page - 1) * PAGE)))
    return rows[:PAGE], len(rows) > PAGE


# Who listens ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Watched:
    """A centre as the page of listeners shows it. without: minutes of a day (7-22) without anybody, today first."""

    id: int
    name: str
    sounding: int
    silent: int
    last: datetime | None
    without: tuple[int, ...]


def watched(actor: Actor, now: datetime, days: int = 3) -> list[Watched]:
    """The centres of the actor's subtree where somebody answers. Four statements."""
    here = ladder.staffed(Permission.URGENT)
    inside = select(Centre).where(*centres.inside(actor.centre_path), Centre.id.in_(here), Centre.active)
    rows = centres.in_tree_order(db.session.scalars(inside))
    ids = [c.id for c in rows]
    alive: dict[int, list[tuple[bool, datetime]]] = {}
    for centre_id, sound, seen in db.session.execute(
        select(Listener.centre_id, Listener.sound, Listener.seen_at).where(Listener.centre_id.in_(ids))
    ):
        alive.setdefault(centre_id, []).append((sound, seen))
    spans: dict[int, list[tuple[datetime, datetime]]] = {}
    oldest = clock.at(clock.today(now) - timedelta(days=days), time())
    for row in db.session.scalars(select(Watch).where(Watch.centre_id.in_(ids), Watch.until >= oldest)):
        spans.setdefault(row.centre_id, []).append((row.since, row.until))
    return [_watched(c, alive.get(c.id, []), spans.get(c.id, []), now, days) for c in rows]


def _watched(
    centre: Centre, alive: list[tuple[bool, datetime]], spans: list[tuple[datetime, datetime]], now: datetime, days: int
) -> Watched:
    there = [sound for sound, seen in alive if seen > now - rules.ALIVE]
    without = []
    for back in range(days):
        day = clock.today(now) - timedelta(days=back)
        start, end = clock.at(day, time(rules.DAY_FROM)), min(now, clock.at(day, time(rules.DAY_UNTIL)))
        without.append(rules.uncovered(spans, start, end) if end > start else 0)
    last = max((seen for _, seen in alive), default=None)
    return Watched(centre.id, centre.label, sum(there), len(there) - sum(there), last, tuple(without))


def untried(actor: Actor, now: datetime) -> list[tuple[str, str, datetime | None]]:
    """(centre, who, last) of browsers that listened this week and have not tried their sound in it."""
    wanted = (
        select(label(Centre), StaffAccount.name, Listener.tried_at)
        .join(Centre, Centre.id == Listener.centre_id).join(StaffAccount, StaffAccount.id == Listener.account_id)
        .where(
            *centres.inside(actor.centre_path), Listener.seen_at > now - timedelta(days=7),
            or_(Listener.tried_at.is_(None), Listener.tried_at < now - timedelta(days=7), Listener.heard.is_(False)),
        ).order_by(Centre.path, StaffAccount.name)
    )  # fmt: skip
    return [(str(a), str(b), c) for a, b, c in db.session.execute(wanted)]


def phones(centre_ids: Iterable[int]) -> list[DutyPhone]:
    """Duty telephones of these centres, in the caller's scope."""
    wanted = select(DutyPhone).where(DutyPhone.centre_id.in_(list(centre_ids)))
    return list(db.session.scalars(wanted.order_by(DutyPhone.centre_id, DutyPhone.id)))


def scoped_phones() -> list[tuple[DutyPhone, str]]:
    """Those that the caller's scope sees, with the centre's name."""
    wanted = select(DutyPhone, label(Centre)).join(Centre, Centre.id == DutyPhone.centre_id)
    return [(row, str(name)) for row, name in db.session.execute(wanted.order_by(Centre.path, DutyPhone.id))]


_OPEN_OF = select(Alarm.id).where(Alarm.resident_id == bindparam("resident_id"), Alarm.status.in_(OPEN)).limit(1)


def has_open(resident_id: int) -> bool:
    """Whether a resident's call for help is open. Home asks for everybody, and hardly anybody has one."""
    return reads.row(_OPEN_OF, resident_id=resident_id) is not None


def owned(resident_id: int, by_number: bool = False) -> list[Alarm]:
    """A resident's own, newest first. by_number: also what somebody filed with that number without signing in, which is
    forgotten with the person and shown to nobody. The caller reads in the system's scope."""
    number = select(Resident.phone).where(Resident.id == resident_id).scalar_subquery()
    typed = and_(Alarm.resident_id.is_(None), Alarm.phone != "", Alarm.phone == number)
    wanted = (
        select(Alarm)
        .where(or_(Alarm.resident_id == resident_id, typed) if by_number else Alarm.resident_id == resident_id)
        .options(selectinload(Alarm.calls), joinedload(Alarm.centre))
    )
    return list(db.session.scalars(wanted.order_by(Alarm.id.desc())))


def reached(alarm_id: int, now: datetime) -> list[AlarmStep]:
    """Every step that has come by now, screens only, first by first."""
    wanted = select(AlarmStep).where(AlarmStep.alarm_id == alarm_id, AlarmStep.kind == SCREEN, AlarmStep.at <= now)
    return list(db.session.scalars(wanted.order_by(AlarmStep.ring, AlarmStep.no, AlarmStep.at, AlarmStep.id)))
