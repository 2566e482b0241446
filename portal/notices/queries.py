"""Reads of inboxes and of messages on their way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, case, exists, func, literal_column, null, or_, select

from portal.centres.models import Centre
from portal.core import clock
from portal.core.access import Actor, Role
from portal.core.db import db, is_sqlite, packed
from portal.notices import kinds
from portal.notices.models import Delivery, InboxMessage
from portal.people.models import Resident

PAGE = 20
COUNTED = timedelta(days=30)  # how far back the page of deliveries counts
STATES = {
    "waiting": "待发", "failed": "没发出", "unknown": "不确定", "unreceived": "没送到", "capped": "当天已满",
    "local": "只在本页", "sent": "已发出",
}  # fmt: skip
PROBLEMS = ("failed", "unknown", "unreceived")  # what somebody has to look at, and may send again


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list ordered newest first; `next_before` is the keyset of the following one."""

    rows: Sequence[Any]
    next_before: int | None


def _page(statement: Any, identity: Any, before: int | None) -> Page:
    if before:
        statement = statement.where(identity < before)
    rows = db.session.execute(statement.order_by(identity.desc()).limit(PAGE + 1)).all()
    return Page(rows[:PAGE], rows[PAGE - 1].id if len(rows) > PAGE else None)


def inbox(audience: str, person_id: int, before: int | None = None, unread_only: bool = False) -> Page:
    """One's own messages, newest first, 20 a page; one query."""
    message = InboxMessage
    statement = select(
        message.id, message.kind, message.title, message.body, message.link, message.created_at, message.read_at
    ).where(message.audience == audience, message.person_id == person_id)
    if unread_only:
        statement = statement.where(message.read_at.is_(None))
    return _page(statement, message.id, before)


def unread(audience: str, person_id: int) -> int:
    """How many messages a person has not read."""
    own = (InboxMessage.audience == audience, InboxMessage.person_id == person_id, InboxMessage.read_at.is_(None))
    return db.session.scalar(select(func.count()).select_from(InboxMessage).where(*own)) or 0


Counted = tuple[ScalarSelect[int], Callable[[], Select[Any]]]  # how many; and what makes the SELECT of their row


def unread_of(audience: str, person_id: int) -> Counted:
    """How many a person has not read; and one packed row: number, the newest title, since when the oldest waits."""
    own = (InboxMessage.audience == audience, InboxMessage.person_id == person_id, InboxMessage.read_at.is_(None))
    newest = select(InboxMessage.title).where(*own).order_by(InboxMessage.id.desc()).limit(1)
    return _summed(InboxMessage, own, newest.scalar_subquery)


def given_up(visible: ColumnElement[bool], since: datetime, now: datetime) -> Counted:
    """Failed texts written from `since` on that are still of use: how many; and one packed row with the oldest."""
    # Written out, not bound: only so does SQLite see that the small index of failed ones holds them all.
    failed = Delivery.outcome == literal_column("'failed'")
    return _summed(Delivery, (failed, Delivery.created_at >= since, ~_stale(now), visible), null)


def _summed(
    model: type[InboxMessage | Delivery], wanted: tuple[ColumnElement[bool], ...], title: Callable[[], Any]
) -> Counted:
    def row() -> Select[Any]:
        every = select(func.count(model.id).label("number"), func.min(model.created_at).label("since")).where(*wanted)
        found = every.subquery().c
        return select(packed(number=found.number, since=found.since, title=title())).where(found.number > 0)

    return select(func.count(model.id)).where(*wanted).scalar_subquery(), row


def _stale(now: datetime) -> ColumnElement[bool]:
    """The SQL of is_stale."""
    kept = [(kind.code, timedelta(minutes=kind.keep_minutes)) for kind in kinds.TABLE if kind.keep_minutes is not None]
    return or_(*(
        (Delivery.created_at < now - keep) & ((Delivery.kind == code) | Delivery.kind.startswith(f"{code}."))
        for code, keep in kept
    ))  # fmt: skip


def is_stale(kind: str, created_at: datetime, now: datetime) -> bool:
    """Whether a text message of this kind is past its use (a login code after ten minutes)."""
    keep = kinds.of(kind).keep_minutes
    return keep is not None and now - created_at > timedelta(minutes=keep)


def sees_all(actor: Actor) -> bool:
    """Whether no centre stands outside the actor's subtree, its own ancestors apart (the district in most trees).

    A department's people never do, although their department is attached to the district.
    """
    if actor.department_id is not None or not actor.centre_path:
        return False
    return bool(db.session.scalar(select(_is_top(actor))))


def _is_top(actor: Actor) -> ColumnElement[bool]:
    above = [int(i) for i in actor.centre_path.strip("/").split("/")]
    outside = or_(Centre.path < actor.centre_path, Centre.path >= actor.centre_path + ":")
    return ~exists(select(Centre.id).where(outside, Centre.id.not_in(above)))


def sees_login_codes(actor: Actor, sms_configured: bool) -> bool:
    """A code lets its reader sign in as the resident: shown only while nothing else could deliver it, and only to
    a manager of the top level."""
    return not sms_configured and actor.role == Role.MANAGER and sees_all(actor)


def visible(actor: Actor) -> ColumnElement[bool] | None:
    """The deliveries this staff member may see: all, or those to residents at home in the subtree. None: none."""
    if actor.department_id is not None or not actor.centre_path:
        return None
    inside = and_(Centre.path >= actor.centre_path, Centre.path < actor.centre_path + ":")
    # Asked row by row along primary keys: a list of all messages of the subtree would be built for every page.
    at_home = exists().where(
        InboxMessage.id == Delivery.message_id, InboxMessage.audience == "resident",
        Resident.id == InboxMessage.person_id, Centre.id == Resident.home_centre_id, inside,
    )  # fmt: skip
    return _is_top(actor) | at_home


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries are looked for. state: of STATES; kind: a code of kinds.TABLE; tail: the last digits of the
    number; first, last: days in Shanghai on which they were written, both included."""

    state: str = ""
    kind: str = ""
    tail: str = ""
    first: date | None = None
    last: date | None = None

    @property
    def narrowed(self) -> bool:
        return bool(self.kind or self.tail or self.first or self.last)

    def conditions(self) -> list[ColumnElement[bool]]:
        """All but the state."""
        found: list[ColumnElement[bool]] = []
        if self.tail:
            found.append(Delivery.tail == self.tail)
        if self.kind:  # 'sign_up' and 'sign_up.confirmed': '/' comes after '.'
            found.append(and_(Delivery.kind >= self.kind, Delivery.kind < f"{self.kind}/"))
        if self.first is not None:
            found.append(Delivery.created_at >= clock.at(self.first, time()))
        if self.last is not None:
            found.append(Delivery.created_at < clock.at(self.last + timedelta(days=1), time()))
        return found


def _in_state(state: str) -> ColumnElement[bool] | None:
    if state == "waiting":
        return Delivery.done_at.is_(None)
    return _state() == state if state in STATES else None


def _state() -> ColumnElement[str]:
    """In which of STATES a delivery stands: one expression for lists, tabs and what is sent again."""
    return case(
        (Delivery.done_at.is_(None), "waiting"),
        (and_(Delivery.outcome == "sent", Delivery.received.is_(False)), "unreceived"),
        else_=Delivery.outcome,
    )


SHOWN = (
    Delivery.id, Delivery.channel, Delivery.recipient, Delivery.body, Delivery.kind, Delivery.created_at,
    Delivery.due_at, Delivery.done_at, Delivery.outcome, Delivery.attempts, Delivery.last_error, Delivery.message_id,
    Delivery.received, Delivery.receipt, Delivery.receipt_at, _state().label("state"),
)  # fmt: skip


def deliveries(actor: Actor, wanted: Wanted, before: int | None = None) -> Page:
    """Messages on their way or gone, newest first, 20 a page, as far as the actor may see them."""
    seen = visible(actor)
    if seen is None:
        return Page([], None)
    statement = select(*SHOWN).where(seen, *wanted.conditions())
    state = _in_state(wanted.state)
    return _page(statement if state is None else statement.where(state), Delivery.id, before)


def delivery_counts(actor: Actor, wanted: Wanted, now: datetime) -> dict[str, int]:
    """How many stand in each state of STATES: of the days looked for, else of the last ones (COUNTED). One query."""
    seen = visible(actor)
    if seen is None:
        return dict.fromkeys(STATES, 0)
    state = _state()
    statement = select(state, func.count()).where(seen, *wanted.conditions())
    if wanted.first is None and wanted.last is None:
        statement = statement.where(Delivery.created_at >= now - COUNTED)
    found = {row[0]: row[1] for row in db.session.execute(statement.group_by(state))}
    return {name: found.get(name, 0) for name in STATES}


def failed_deliveries(actor: Actor, ids: Sequence[int], limit: int = 500) -> Sequence[Any]:
    """Those of `ids` that did not arrive (all that failed when it is empty) and the actor may see, newest first."""
    seen = visible(actor)
    if seen is None:
        return []
    statement = select(Delivery.id, Delivery.kind, Delivery.created_at).where(seen)
    if ids:
        statement = statement.where(Delivery.id.in_(ids), _state().in_(PROBLEMS))
    else:
        statement = statement.where(Delivery.outcome == "failed")
    return db.session.execute(statement.order_by(Delivery.created_at.desc()).limit(limit)).all()


def backlog(now: datetime) -> tuple[int, float, int]:
    """Due deliveries, age of the oldest in seconds, and how many failed in the last day (for /readyz, /metrics)."""
    due = select(func.count(), func.min(Delivery.due_at)).where(Delivery.done_at.is_(None), Delivery.due_at <= now)
    count, oldest = db.session.execute(due).one()
    failed = select(func.count()).select_from(Delivery).where(
        Delivery.outcome == "failed", Delivery.created_at >= now - timedelta(days=1)
    )  # fmt: skip
    return count, (now - oldest).total_seconds() if oldest else 0.0, db.session.scalar(failed) or 0


def texts_of(resident_id: int) -> list[dict[str, Any]]:
    """Everything the resident was told, for the export of personal data (SPEC P8)."""
    statement = select(InboxMessage.created_at, InboxMessage.title, InboxMessage.body).where(
        InboxMessage.audience == "resident", InboxMessage.person_id == resident_id
    )
    rows = db.session.execute(statement.order_by(InboxMessage.id))
    return [{"时间": row.created_at.isoformat(), "标题": row.title, "内容": row.body} for row in rows]


@dataclass(frozen=True, slots=True)
class Cost:
    """What left in one month: messages and what providers count (pieces); `lost`: failed or not received."""

    month: str
    kind: str
    channel: str
    sent: int
    pieces: int
    lost: int


def costs(actor: Actor) -> list[Cost]:
    """What left, by month in Shanghai, kind and channel, the newest month first; one query, for page and totals."""
    seen = visible(actor)
    if seen is None:
        return []
    month = _month(Delivery.created_at)
    gone = Delivery.outcome == "sent"
    statement = select(
        month.label("month"), Delivery.kind, Delivery.channel, func.sum(case((gone, 1), else_=0)).label("sent"),
        func.sum(case((gone, Delivery.pieces), else_=0)).label("pieces"),
        func.sum(case((_state().in_(PROBLEMS), 1), else_=0)).label("lost"),
    ).where(seen, Delivery.done_at.is_not(None), Delivery.outcome.in_(["sent", "failed", "unknown"]))  # fmt: skip
    found: dict[tuple[str, str, str], list[int]] = {}
    for row in db.session.execute(statement.group_by(month, Delivery.kind, Delivery.channel)):
        sums = found.setdefault((row.month, kinds.of(row.kind).code, row.channel), [0, 0, 0])
        for place, number in enumerate((row.sent, row.pieces, row.lost)):
            sums[place] += int(number)
    order = {kind.code: place for place, kind in enumerate(kinds.TABLE)}
    keys = sorted(found, key=lambda key: (order.get(key[1], len(order)), key[2]))
    return [Cost(*key, *found[key]) for key in sorted(keys, key=lambda key: key[0], reverse=True)]


def _month(moment: Any) -> ColumnElement[str]:
    """'YYYY-MM' of a moment on Shanghai's clock, which has no summer time."""
    if is_sqlite():
        return func.strftime("%Y-%m", moment, "+8 hours")
    return func.to_char(func.timezone("Asia/Shanghai", moment), "YYYY-MM")


def reasons(actor: Actor, now: datetime, limit: int = 8) -> Sequence[Any]:
    """Why messages of the last days (COUNTED) did not arrive: channel, reason, state, how many; the most first."""
    seen = visible(actor)
    if seen is None:
        return []
    state, why = _state(), case((Delivery.outcome == "sent", Delivery.receipt), else_=Delivery.last_error)
    statement = select(Delivery.channel, state.label("state"), why.label("why"), func.count().label("number"))
    statement = statement.where(seen, Delivery.created_at >= now - COUNTED, state.in_(PROBLEMS))
    grouped = statement.group_by(Delivery.channel, state, why).order_by(func.count().desc(), why)
    return db.session.execute(grouped.limit(limit)).all()
