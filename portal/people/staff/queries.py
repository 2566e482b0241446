"""Reads for the staff pages: accounts of one's tree, and the audit log.

Neither table is CentreScoped (an account signs in before there is a scope; the audit log is core's), so the subtree is
written out here and in nothing else.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Self

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, not_, or_, select
from sqlalchemy.orm import aliased, contains_eager, joinedload

from portal.centres.models import Centre, Department
from portal.centres.queries import inside
from portal.core import clock
from portal.core.access import Actor, Role
from portal.core.audit import REMARK, AuditLog
from portal.core.db import db
from portal.core.remarks import Remark
from portal.people.audit_proof import Proof
from portal.people.models import StaffAccount

PER_PAGE = 50
EXPORT_LIMIT = 20_000
STATES = {"active": "正常", "initial": "初始密码未用", "expired": "初始密码已过期", "disabled": "已停用"}


# Accounts -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """q: parts of a name, username, centre or department, or the last digits of a number. centre_id: with all below it.
    state: a key of STATES; sort: of SORTS."""

    q: str = ""
    level: str = ""
    centre_id: int | None = None
    role: str = ""
    department_id: int | None = None
    state: str = ""
    sort: str = "place"
    page: int = 1

    @property
    def narrowed(self) -> bool:
        return bool(self.q or self.level or self.centre_id or self.role or self.department_id)


# How accounts may be sorted: the words, and the columns.
_LOGIN = StaffAccount.last_login_at
SORTS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "place": ("按阵地", (Centre.depth, Centre.path, StaffAccount.department_id, StaffAccount.username)),
    "name": ("按姓名", (StaffAccount.name, StaffAccount.id)),
    "login": ("最近登录的在前", (_LOGIN.is_(None), _LOGIN.desc(), StaffAccount.id)),
    "unused": ("最久没登录的在前", (_LOGIN.is_not(None), _LOGIN, StaffAccount.id)),
}
TAIL = 4  # digits of a number that are enough to look for it


def _mine(actor: Actor) -> Select[StaffAccount]:
    """Accounts of the actor's own centre and below; a department's people see their department only (P5, P6)."""
    statement = select(StaffAccount).join(StaffAccount.centre).options(contains_eager(StaffAccount.centre))
    statement = statement.where(*inside(actor.centre_path))
    if actor.department_id is not None:
        statement = statement.where(StaffAccount.department_id == actor.department_id)
    return statement


def account(actor: Actor, account_id: int) -> StaffAccount | None:
    """An account the actor may see; a sibling's or parent's does not exist."""
    return db.session.scalar(_mine(actor).where(StaffAccount.id == account_id))


def _state(state: str, now: datetime) -> ColumnElement[bool]:
    live = StaffAccount.disabled_at.is_(None)
    waiting = and_(live, StaffAccount.must_change)
    if state == "disabled":
        return not_(live)
    if state == "initial":
        return and_(waiting, or_(StaffAccount.password_expires_at.is_(None), StaffAccount.password_expires_at > now))
    if state == "expired":
        return and_(waiting, StaffAccount.password_expires_at <= now)
    return and_(live, not_(StaffAccount.must_change))


def state_of(row: StaffAccount, now: datetime) -> str:
    """A key of STATES."""
    if row.disabled_at is not None:
        return "disabled"
    if not row.must_change:
        return "active"
    return "expired" if row.password_expires_at is not None and row.password_expires_at <= now else "initial"


def like(column: Any, part: str) -> ColumnElement[bool]:
    """Contains, with the wildcards of LIKE taken literally."""
    found: ColumnElement[bool] = column.icontains(part, autoescape=True)
    return found


def _looked_for(wanted: AccountFilter) -> list[ColumnElement[bool]]:
    """All but the state."""
    found: list[ColumnElement[bool]] = []
    for word in wanted.q.split()[:5]:
        names = (StaffAccount.username, StaffAccount.name, Centre.name, Centre.short_name)
        said = [like(column, word) for column in names]
        said.append(StaffAccount.department.has(like(Department.name, word)))
        if word.isdecimal() and len(word) >= TAIL:
            said.append(StaffAccount.phone.endswith(word))
        found.append(or_(*said))
    if wanted.level:
        found.append(Centre.level == wanted.level)
    if wanted.centre_id is not None:
        top = aliased(Centre)
        below = (top.id == wanted.centre_id, Centre.path >= top.path, Centre.path < top.path + ":")
        found.append(exists(select(top.id).where(*below)))
    if wanted.role:
        found.append(StaffAccount.role == wanted.role)
    if wanted.department_id is not None:
        found.append(StaffAccount.department_id == wanted.department_id)
    return found


def accounts(actor: Actor, wanted: AccountFilter, now: datetime) -> list[StaffAccount]:
    """One page of accounts."""
    statement = _mine(actor).options(joinedload(StaffAccount.department)).where(*_looked_for(wanted))
    if wanted.state in STATES:
        statement = statement.where(_state(wanted.state, now))
    order = statement.order_by(*SORTS[wanted.sort][1])
    return list(db.session.scalars(order.limit(PER_PAGE).offset((max(1, wanted.page) - 1) * PER_PAGE)))


def state_counts(actor: Actor, wanted: AccountFilter, now: datetime) -> dict[str, int]:
    """How many of the accounts looked for are in each state. One statement."""
    mine = _mine(actor).where(*_looked_for(wanted))
    sums = [func.count(case((_state(state, now), 1))) for state in STATES]
    row = db.session.execute(mine.with_only_columns(*sums)).one()
    return dict(zip(STATES, row, strict=True))


def newcomers(actor: Actor, most: int, ids: Iterable[int] | None = None) -> list[StaffAccount]:
    """Accounts whose owners have not set a password of their own yet, in tree order; of these ids when given."""
    statement = _mine(actor).where(StaffAccount.disabled_at.is_(None), StaffAccount.must_change)
    statement = statement.where(StaffAccount.id != actor.id)
    if ids is not None:
        statement = statement.where(StaffAccount.id.in_(list(ids)))
    order = statement.options(joinedload(StaffAccount.department))
    return list(db.session.scalars(order.order_by(Centre.depth, Centre.path, StaffAccount.username).limit(most)))


def people_of_departments(actor: Actor) -> dict[int, int]:
    """How many accounts of each department are in use; of the actor's tree."""
    mine = select(StaffAccount.department_id, func.count()).join(StaffAccount.centre)
    working = (StaffAccount.department_id.is_not(None), StaffAccount.disabled_at.is_(None))
    mine = mine.where(*inside(actor.centre_path), *working)
    return {number: count for number, count in db.session.execute(mine.group_by(StaffAccount.department_id)) if number}


def managers_left(account_row: StaffAccount) -> int:
    """Other working managers of the same centre (or department)."""
    statement = select(func.count()).where(
        StaffAccount.centre_id == account_row.centre_id, StaffAccount.id != account_row.id,
        StaffAccount.role == Role.MANAGER, StaffAccount.disabled_at.is_(None),
        StaffAccount.department_id.is_not_distinct_from(account_row.department_id),
    )  # fmt: skip
    return db.session.scalar(statement) or 0


# The audit log --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """who, what: parts of the actor's name and of the summary. first, last: Shanghai days, both included.

    before_id: rows older than this one (the next page). path: a centre of the actor's tree with everything below.
    """

    who: str = ""
    what: str = ""
    verb: str = ""
    object_type: str = ""
    object_id: int | None = None
    first: date | None = None
    last: date | None = None
    path: str = ""
    before_id: int | None = None

    def as_data(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"first": self.first and str(self.first), "last": self.last and str(self.last)}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """From `as_data`."""
        days = {name: date.fromisoformat(data[name]) for name in ("first", "last") if data[name]}
        return cls(**data | days)


def _is_top(path: str) -> bool:
    """Whether no account stands outside `path`: then its holder is the top of this deployment. One statement."""
    outside = select(StaffAccount.id).join(Centre, StaffAccount.centre_id == Centre.id)
    return not db.session.scalar(select(exists(outside.where(not_(and_(*inside(path)))))))


def _readable(actor: Actor) -> ColumnElement[bool]:
    """Lines about records of the actor's tree. What the system did for nobody's centre is for the top alone."""
    if actor.department_id is not None:
        own = select(StaffAccount.id).where(StaffAccount.department_id == actor.department_id)
        return and_(AuditLog.actor_kind == "staff", AuditLog.actor_id.in_(own))
    path, line = actor.centre_path, AuditLog.centre_path
    if not _is_top(path):
        return and_(line >= path, line < path + ":")
    # Nearly every line: said so that the newest are found by walking back from the end, not by an index of paths.
    return not_(and_(line != "", or_(line < path, line >= path + ":")))


_REMARK = AuditLog.after[REMARK].as_integer()


def _audit(actor: Actor, wanted: AuditFilter) -> Select[int]:
    statement = select(AuditLog.id).where(_readable(actor))
    if wanted.path:
        statement = statement.where(AuditLog.centre_path >= wanted.path, AuditLog.centre_path < wanted.path + ":")
    if wanted.who:
        statement = statement.where(like(AuditLog.actor_name, wanted.who))
    if wanted.what:
        said = select(Remark.id).where(like(Remark.words, wanted.what))
        statement = statement.where(or_(like(AuditLog.summary, wanted.what), _REMARK.in_(said)))
    exact = {"verb": wanted.verb, "object_type": wanted.object_type, "object_id": wanted.object_id}
    statement = statement.filter_by(**{name: value for name, value in exact.items() if value not in ("", None)})
    if wanted.first is not None:
        statement = statement.where(AuditLog.at >= clock.at(wanted.first, time()))
    if wanted.last is not None:
        statement = statement.where(AuditLog.at < clock.at(wanted.last + timedelta(days=1), time()))
    if wanted.before_id is not None:
        statement = statement.where(AuditLog.id < wanted.before_id)
    return statement


def audit_rows(actor: Actor, wanted: AuditFilter, limit: int = PER_PAGE) -> list[AuditLog]:
    """Newest first; one more than `limit` when there is a next page (keyset by id). Two statements."""
    # Their ids first: without a filter an index alone has them.
    ids = _audit(actor, wanted).order_by(AuditLog.id.desc()).limit(limit + 1)
    return list(db.session.scalars(select(AuditLog).where(AuditLog.id.in_(ids)).order_by(AuditLog.id.desc())))


def audit_count(actor: Actor, wanted: AuditFilter, most: int) -> int:
    """How many lines meet the filter, counted up to `most`."""
    return db.session.scalar(select(func.count()).select_from(_audit(actor, wanted).limit(most).subquery())) or 0


def audit_remarks(rows: Iterable[AuditLog]) -> dict[int, str]:
    """What was written about a person, by the line's id; nothing where the person has left. One statement."""
    numbers = {row.id: row.after[REMARK] for row in rows if row.after and REMARK in row.after}
    if not numbers:
        return {}
    wanted = select(Remark.id, Remark.words).where(Remark.id.in_(numbers.values()), Remark.words != "")
    words = {row.id: row.words for row in db.session.execute(wanted)}
    return {line: words[number] for line, number in numbers.items() if number in words}


def audit_words(actor: Actor, proof: Proof | None) -> tuple[list[str], list[str]]:
    """The verbs and object types for the filter: the night's, and those of the lines since that one may read."""
    since = (_readable(actor), AuditLog.id > (proof.upto if proof else 0))
    found = db.session.execute(select(AuditLog.verb, AuditLog.object_type).where(*since).distinct()).all()
    verbs, kinds = {row[0] for row in found}, {row[1] for row in found}
    if proof is not None:
        verbs.update(proof.verbs)
        kinds.update(proof.kinds)
    return sorted(verbs), sorted(kinds)
