"""Reads for residents' pages of rooms (SPEC V1, V2, V5, S9). Who booked is never read here, except one's own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import joinedload

from portal.centres import profile
from portal.centres.models import Centre
from portal.core import clock, deadlines, reads, remarks, scope
from portal.core.access import Viewer
from portal.core.db import db
from portal.people.models import Relative
from portal.venues import rules
from portal.venues.errors import BookingGone
from portal.venues.models import (
    APPROVED,
    BY_ACTIVITY,
    HOLDS,
    OFFERED,
    PENDING,
    RELEASED,
    WAITING,
    Booking,
    Venue,
    VenueNote,
)
from portal.venues.rules import eligibility
from portal.venues.states import LABELS, MACHINE, TONES

NEXT_SHOWN = timedelta(hours=24)  # what the sheet at the door looks ahead
PAST_SHOWN = timedelta(days=90)  # how long a finished booking stays on /me


def venue(venue_id: int) -> Venue | None:
    """An active room or outside place with its centre; None otherwise. One statement."""
    wanted = select(Venue).where(Venue.id == venue_id, Venue.active)
    with scope.system("rooms are public"):
        return db.session.scalar(wanted.options(joinedload(Venue.centre)))


def kind_word(code: str) -> str:
    """What the profile calls a kind of venue; '' when it has no word."""
    return profile.current().venues.kinds.get(code, "")


def home_path(viewer: Viewer | None) -> str | None:
    """The path of a resident's home centre; None for somebody unknown. At most one statement."""
    if viewer is None or viewer.audience != "resident":
        return None
    if viewer.home_centre is None:
        return ""
    found = db.session.get(Centre, viewer.home_centre.id)
    return found.path if found is not None else ""


_RELATIVES = (
    select(Relative.id, Relative.name, Relative.relation)
    .where(Relative.resident_id == bindparam("resident"), Relative.removed_at.is_(None))
    .order_by(Relative.id)
)


def people(viewer: Viewer | None) -> list[tuple[str, str]]:
    """For whom a resident may book: value and words, themselves first. One statement."""
    if viewer is None or viewer.audience != "resident":
        return []
    rows = db.session.execute(_RELATIVES, {"resident": viewer.id})
    return [("me", f"我（{viewer.name}）"), *((str(i), f"{relation}（{name}）") for i, name, relation in rows)]


# One's own bookings ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Own:
    """A booking as its owner sees it. number: place in the line, from 1."""

    row: Booking
    number: int | None
    until: datetime  # up to here the owner withdraws or moves it

    @property
    def label(self) -> str:
        return f"候补第 {self.number} 位" if self.number else LABELS[self.row.status]

    @property
    def tone(self) -> str:
        return TONES[self.row.status]

    @property
    def live(self) -> bool:
        return self.row.status in (*HOLDS, WAITING)

    @property
    def decider(self) -> str:
        """Who approves it."""
        return (self.row.waits_at or self.row.venue.centre).label

    def headline(self, fresh: bool) -> str:
        """What its page says first. fresh: asked for just now."""
        if self.row.status == PENDING:
            return f"已交给{self.decider}审批"
        return "订上了" if fresh and self.row.status == APPROVED else self.label

    @property
    def steps(self) -> list[tuple[str, str, str]]:
        """The way from asking to leaving as ui.steps draws it, for a live booking."""
        row, last = self.row, ("到场签到", "wait", self._coming)
        if row.status == APPROVED:
            here = ("到场签到", "now", self._coming) if row.checked_in_at is None else ("签到好了", "done", "")
            tidy = ("用完请收拾好", "wait", "关灯关空调，桌椅放回原处")
            return [("订上了", "done", "这段时间给您留好了"), here, tidy]
        if row.status == PENDING:
            until = f"{clock.stamp(row.decide_by)} 前答复，过时由上一级来办" if row.decide_by else "结果会通知您"
            return [("已提交", "done", "这段时间先给您留着"), (f"{self.decider}审批", "now", until), last]
        if row.status == WAITING:
            turn = ("轮到了马上通知您", "wait", deadlines.late_text())
            return [(self.label, "now", "有人退订按先后递补"), turn, last]
        until = f"{clock.stamp(row.accept_by)} 前点“我要这个时间”" if row.accept_by else ""
        return [("有空位了", "done", ""), ("请您确认", "now", until), last]

    @property
    def _coming(self) -> str:
        release = rules.release_text(self.row.venue.release)
        lost = f"；开始 {release}没签到，场地放给别人" if release else ""
        return f"{clock.hour(self.row.starts_at - eligibility.EARLY)} 起扫门口的二维码，点“我到了”{lost}"


_WITH = (
    joinedload(Booking.venue).joinedload(Venue.centre), joinedload(Booking.relative), joinedload(Booking.waits_at),
)  # fmt: skip


def own(resident_id: int, booking_id: int) -> Own:
    """One's own booking. Raises BookingGone for anybody else's. At most two statements."""
    with scope.system("own booking, and how many are ahead"):
        wanted = select(Booking).where(Booking.id == booking_id, Booking.resident_id == resident_id)
        row = db.session.scalar(wanted.options(*_WITH))
        if row is None:
            raise BookingGone()
        return Own(row, _number(row), eligibility.deadline(row.venue, row))


def _number(row: Booking) -> int | None:
    """Place in the line of those who want part of the same time."""
    if row.status != WAITING:
        return None
    ahead = select(func.count(Booking.id)).where(
        Booking.venue_id == row.venue_id, Booking.status == WAITING, Booking.starts_at < row.held_until,
        Booking.held_until > row.starts_at, Booking.id < row.id,
    )  # fmt: skip
    return 1 + int(db.session.scalar(ahead) or 0)


_COMING = (
    select(Booking.id)
    .where(Booking.resident_id == bindparam("resident_id"), Booking.ends_at > bindparam("now"))
    .limit(1)
)


def mine(resident_id: int, now: datetime, coming: bool = False) -> list[Own]:
    """Every booking of a resident's that is to come or, unless `coming`, ended lately. At most two statements."""
    if coming and not reads.own_rows(_COMING, resident_id=resident_id, now=now):
        return []
    since = now if coming else now - PAST_SHOWN
    wanted = select(Booking).where(Booking.resident_id == resident_id, Booking.ends_at > since)
    with scope.system("own bookings"):
        rows = db.session.scalars(wanted.options(*_WITH).order_by(Booking.starts_at, Booking.id))
        return [Own(row, None, eligibility.deadline(row.venue, row)) for row in rows]


def next_step(one: Own, now: datetime) -> str:
    """What happens next with a booking, and until when, in one sentence."""
    row = one.row
    if row.status == APPROVED:
        if row.ends_at <= now:
            return ""
        if row.checked_in_at is not None:
            return "已签到"
        leaving = f"{clock.stamp(one.until)} 前可退订或改时间" if one.until > now else "来不了请打电话"
        return f"到场扫门口的二维码签到，{leaving}"
    if row.status == PENDING:
        due = f"，{clock.stamp(row.decide_by)} 前答复您" if row.decide_by else ""
        return f"{one.decider}正在审批{due}"
    if row.status == OFFERED:
        return f"请在 {clock.stamp(row.accept_by)} 前确认，过时给下一位" if row.accept_by else "请尽快确认"
    if row.status == WAITING:
        return "有人退订就按先后递补，轮到了通知您"
    if row.status == RELEASED:
        return "开始后没有签到，场地放给别人了"
    return row.reason


def personal(resident_id: int) -> list[dict[str, Any]]:
    """This feature's part of the export of own data, with what staff wrote about each booking (P8)."""
    wanted = select(Booking).where(Booking.of(resident_id))
    with scope.system("own data"):
        rows = list(db.session.scalars(wanted.options(*_WITH).order_by(Booking.id)))
        ids = [row.id for row in rows]
        said = remarks.about(MACHINE.name, ids)
        notes = select(VenueNote.booking_id, VenueNote.body).where(VenueNote.booking_id.in_(ids))
        for booking_id, body in db.session.execute(notes.order_by(VenueNote.id)):
            said.setdefault(booking_id or 0, []).append(body)
        return [_told(row, said.get(row.id, [])) for row in rows]


def _told(row: Booking, said: list[str]) -> dict[str, Any]:
    return {
        "场地": f"{row.venue.centre.label} {row.venue.name}", "时间": clock.span(row.starts_at, row.ends_at),
        "为谁": row.relative.name if row.relative else "本人", "用途": row.title, "人数": row.people,
        "需要": row.needs, "状态": LABELS[row.status], "原因": row.reason, "提交时间": clock.stamp(row.created_at),
        "签到时间": clock.stamp(row.checked_in_at) if row.checked_in_at else "", "办理说明": said,
        "登记的联系人": f"{row.contact_name} {row.contact_phone}".strip(), "工作人员登记的姓名": row.caller_name,
    }  # fmt: skip


def booked_at(resident_id: int, centre_id: int, since: datetime) -> bool:
    """Whether a resident has booked since then, by their own act, a room of this very centre."""
    own = select(Booking.id).where(
        Booking.resident_id == resident_id, Booking.centre_id == centre_id, Booking.created_by == "",
        Booking.created_at > since,
    )  # fmt: skip
    return db.session.scalar(own.limit(1)) is not None


# At the door ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Door:
    """What the QR at a room's door shows: now and next without names, and one's own booking that may check in."""

    now_text: str
    next_text: str
    empty: bool
    own: Booking | None  # to check in with
    coming: Booking | None  # one's own later today


def door(one: Venue, viewer_id: int | None, now: datetime) -> Door:
    """The next 24 hours of a room at its door, masked. One statement."""
    wanted = select(Booking).where(
        Booking.venue_id == one.id, Booking.status.in_(HOLDS), Booking.ends_at > now,
        Booking.starts_at > now - timedelta(days=2), Booking.starts_at < now + NEXT_SHOWN,
    )  # fmt: skip
    with scope.system("what is on in this room, never whose"):
        rows = list(db.session.scalars(wanted.order_by(Booking.starts_at)))
    present = next((r for r in rows if r.starts_at <= now), None)
    following = next((r for r in rows if r.starts_at > now), None)
    own_rows = [r for r in rows if viewer_id is not None and r.resident_id == viewer_id and r.status == APPROVED]
    ready = [r for r in own_rows if r.starts_at <= now + eligibility.EARLY]
    ready.sort(key=lambda r: (r.checked_in_at is not None, r.starts_at))
    return Door(
        _present(present), _following(following, now), present is None, ready[0] if ready else None,
        next((r for r in own_rows if r not in ready), None),
    )  # fmt: skip


def _what(row: Booking) -> str:
    """A public activity by its title; anybody else's booking is only taken."""
    public = row.source == BY_ACTIVITY and row.status == APPROVED
    return f"“{row.title}”" if public else "有人订了"


def _present(row: Booking | None) -> str:
    if row is None:
        return "现在空着"
    return f"{_what(row)}，到 {clock.hour(row.ends_at)}"


def _following(row: Booking | None, now: datetime) -> str:
    if row is None:
        return f"接下来 {clock.lasting(NEXT_SHOWN)}没有人订"
    day = "" if clock.today(row.starts_at) == clock.today(now) else "明天 "
    return f"{day}{clock.hour(row.starts_at)}–{clock.hour(row.ends_at)} {_what(row)}"
