"""Reads of people, shaped for pages and for the features above."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, column, func, or_, select, table
from sqlalchemy.orm import aliased

from portal.centres import profile
from portal.centres.models import Centre, Department
from portal.centres.queries import inside
from portal.core import reads
from portal.core.access import Actor, Role
from portal.core.audit import AuditLog
from portal.core.db import db, is_sqlite
from portal.core.sessions import WebSession
from portal.core.states import StateHistory
from portal.people import rules
from portal.people.models import (
    KnownDevice,
    LoginCode,
    LoginFailure,
    PhoneLookup,
    Relative,
    Resident,
    SpokenCode,
    StaffAccount,
)

# Every signed-in page begins with this one statement (core.reads). It counts in the inbox's table (of notices, above),
# because a second statement per page would cost more than the rest of the head.
_home, _unread = aliased(Centre), table("inbox_message", column("audience"), column("person_id"), column("read_at"))
_UNREAD = select(func.count()).where(
    _unread.c.audience == WebSession.audience, _unread.c.person_id == WebSession.person_id, _unread.c.read_at.is_(None)
)
_RESIDENT = and_(WebSession.audience == "resident", Resident.id == WebSession.person_id, Resident.erased_at.is_(None))
_STAFF = and_(
    WebSession.audience == "staff", StaffAccount.id == WebSession.person_id, StaffAccount.disabled_at.is_(None)
)
_VIEWER = (
    select(
        WebSession.id.label("session_id"), WebSession.audience, WebSession.person_id, WebSession.last_seen_at,
        WebSession.proved_at,
        Resident.name.label("resident_name"), Resident.elder_mode,
        _home.id.label("home_id"), _home.code.label("home_code"), _home.name.label("home_name"),
        _home.short_name.label("home_short"), _home.phone.label("home_phone"), _home.address.label("home_address"),
        StaffAccount.name.label("staff_name"), StaffAccount.role, StaffAccount.must_change, StaffAccount.centre_id,
        StaffAccount.totp_on_at,
        Centre.path.label("centre_path"), Centre.name.label("centre_name"), Centre.short_name.label("centre_short"),
        Centre.level, StaffAccount.department_id, Department.name.label("department_name"),
        _UNREAD.scalar_subquery().label("unread"),
    )
    .select_from(WebSession)
    .outerjoin(Resident, _RESIDENT)
    .outerjoin(_home, _home.id == Resident.home_centre_id)
    .outerjoin(StaffAccount, _STAFF)
    .outerjoin(Centre, Centre.id == StaffAccount.centre_id)
    .outerjoin(Department, Department.id == StaffAccount.department_id)
    .where(WebSession.id == bindparam("session_id"), WebSession.ended_at.is_(None))
    .where(WebSession.expires_at > bindparam("now"), or_(Resident.id.is_not(None), StaffAccount.id.is_not(None)))
)  # fmt: skip


def viewer_row(session_id: str, now: datetime) -> Row[Any] | None:
    """The live session's person with all a page's frame needs; idle limits are the caller's. One statement."""
    return reads.row(_VIEWER, session_id=session_id, now=now)


# Residents ------------------------------------------------------------------------------------------------------------


def resident(resident_id: int) -> Resident | None:
    """A resident who is not erased."""
    found = db.session.get(Resident, resident_id)
    return found if found is not None and found.erased_at is None else None


LEFT = "已注销用户"


def doers(rows: Iterable[StateHistory | AuditLog]) -> dict[int, str]:
    """Who did it, by the line's id: staff as they were called then, a resident as the name is now. One statement."""
    every = list(rows)
    asked = {row.actor_id for row in every if row.actor_kind == "resident" and row.actor_id}
    found: dict[int | None, str] = {}
    if asked:
        alive = select(Resident.id, Resident.name).where(Resident.id.in_(asked), Resident.erased_at.is_(None))
        found = {row.id: row.name for row in db.session.execute(alive)}
    return {r.id: r.actor_name if r.actor_kind != "resident" else found.get(r.actor_id, LEFT) for r in every}


def resident_by_phone(phone: str) -> Resident | None:
    """phone: 11 digits."""
    return db.session.scalar(select(Resident).where(Resident.phone == phone))


def relatives(resident_id: int) -> list[Relative]:
    """Those the resident acts for, oldest entry first (P2)."""
    statement = select(Relative).where(Relative.resident_id == resident_id, Relative.removed_at.is_(None))
    return list(db.session.scalars(statement.order_by(Relative.id)))


def relative(resident_id: int, relative_id: int) -> Relative | None:
    """One of the resident's own relatives; anybody else's does not exist."""
    found = db.session.get(Relative, relative_id)
    own = found is not None and found.resident_id == resident_id and found.removed_at is None
    return found if own else None


def resident_ids(path: str = "", groups: Iterable[str] = ()) -> list[int]:
    """Residents whose home centre is `path` or below ('' for everybody), in any of `groups` when given."""
    statement = select(Resident.id, Resident.groups).where(Resident.erased_at.is_(None))
    if path:
        statement = statement.join(Centre, Resident.home_centre_id == Centre.id).where(*inside(path))
    wanted = set(groups)
    rows = db.session.execute(statement.order_by(Resident.id))
    # Groups are a small JSON list; picked here so that both databases answer alike.
    return [i for i, own in rows if not wanted or wanted & set(own or ())]


def home_choices() -> dict[str, list[tuple[str, str]]]:
    """Centres one can be at home in, by the name of the centre above, in tree order: for the select box (P1)."""
    levels = [lv.code for lv in profile.current().levels if lv.files_list]
    statement = select(Centre).where(Centre.active)
    if levels:
        statement = statement.where(Centre.level.in_(levels))
    rows = list(db.session.scalars(statement))
    parents = {c.parent_id for c in rows}
    names = {c.id: c.label for c in db.session.scalars(select(Centre).where(Centre.id.in_(parents)))}
    answer: dict[str, list[tuple[str, str]]] = {}
    for centre in sorted(rows, key=lambda c: [int(i) for i in c.path.strip("/").split("/")]):
        answer.setdefault(names.get(centre.parent_id or 0, ""), []).append((str(centre.id), centre.label))
    return answer


# Codes and failures ---------------------------------------------------------------------------------------------------


def lock_codes(phone: str) -> None:
    """Let only one request at a time send a code to `phone`; SQLite's write lock already does."""
    if not is_sqlite():
        db.session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"login-code:{phone}"))))


def codes_sent(phone: str, address: str, now: datetime) -> rules.CodesSent:
    """When codes went to this number, from this address' network and from its site. At most four statements."""
    network = rules.network(address)

    def moments(condition: ColumnElement[bool], span: timedelta = timedelta(hours=1)) -> Sequence[datetime]:
        wanted = select(LoginCode.sent_at).where(condition, LoginCode.sent_at > now - span)
        return db.session.scalars(wanted.order_by(LoginCode.sent_at)).all()

    site = rules.site(network)
    return rules.CodesSent(
        moments(LoginCode.phone == phone, timedelta(days=1)),
        moments(LoginCode.address == network) if network else (),
        moments(LoginCode.address.startswith(site)) if site else (),
        moments(and_(LoginCode.phone == phone, LoginCode.known), timedelta(days=1)),
    )


def codes_in(span: timedelta, now: datetime) -> int:
    """How many codes were sent to anybody lately."""
    return db.session.scalar(select(func.count(LoginCode.id)).where(LoginCode.sent_at > now - span)) or 0


def last_code(phone: str, browser: str) -> LoginCode | None:
    """The newest code sent to a number (11 digits) for this browser, used up or not; None when there is none."""
    statement = select(LoginCode).where(LoginCode.phone == phone, LoginCode.browser == browser)
    statement = statement.order_by(LoginCode.id.desc()).limit(1)
    return db.session.scalar(statement.execution_options(populate_existing=True))


def failures(key: str, since: datetime) -> list[tuple[str, datetime]]:
    """What failed of `key` after `since`: from which network and when, oldest first."""
    wanted = select(LoginFailure.address, LoginFailure.at).where(LoginFailure.key == key, LoginFailure.at > since)
    return [(row.address, row.at) for row in db.session.execute(wanted.order_by(LoginFailure.at))]


def lookups(account_id: int, since: datetime) -> Sequence[datetime]:
    """When a staff member typed somebody's number after `since`, oldest first."""
    wanted = select(PhoneLookup.at).where(PhoneLookup.account_id == account_id, PhoneLookup.at > since)
    return db.session.scalars(wanted.order_by(PhoneLookup.at)).all()


def accounts_failed(network: str, since: datetime) -> list[datetime]:
    """When somebody last failed from a network, for each account's name that was tried there; oldest first."""
    wanted = select(func.max(LoginFailure.at).label("last")).where(
        LoginFailure.address == network, LoginFailure.at > since, LoginFailure.key.startswith("account:")
    )
    return list(db.session.scalars(wanted.group_by(LoginFailure.key).order_by("last")))


# Staff ----------------------------------------------------------------------------------------------------------------


def account_by_username(username: str) -> StaffAccount | None:
    """username: already in lower case."""
    return db.session.scalar(select(StaffAccount).where(StaffAccount.username == username))


def is_known_device(account_id: int, token_hash: str) -> bool:
    """Whether a browser (its hash) has signed in to the account before (P3)."""
    statement = select(KnownDevice.id).where(KnownDevice.account_id == account_id, KnownDevice.token_hash == token_hash)
    return db.session.scalar(statement) is not None


def staff_of(centre_ids: Iterable[int], roles: Iterable[Role] = tuple(Role)) -> list[StaffAccount]:
    """Working accounts of the given centres themselves (not below), without departments' people."""
    statement = select(StaffAccount).where(
        StaffAccount.centre_id.in_(list(centre_ids)), StaffAccount.role.in_(list(roles)),
        StaffAccount.disabled_at.is_(None), StaffAccount.department_id.is_(None),
    )  # fmt: skip
    return list(db.session.scalars(statement.order_by(StaffAccount.id)))


def live_sessions(audience: str, person_id: int, now: datetime) -> list[WebSession]:
    """Sessions that are still open, last used first."""
    statement = select(WebSession).where(
        WebSession.audience == audience, WebSession.person_id == person_id,
        WebSession.ended_at.is_(None), WebSession.expires_at > now,
    )  # fmt: skip
    return list(db.session.scalars(statement.order_by(WebSession.last_seen_at.desc())))


def has_staff() -> bool:
    return bool(db.session.scalar(select(func.count()).select_from(StaffAccount)))


# Codes that staff read out --------------------------------------------------------------------------------------------


def spoken_codes(account_id: int, resident_id: int, since: datetime) -> tuple[Sequence[datetime], Sequence[datetime]]:
    """When an account read codes out, and when codes were read out for a resident, after `since`; oldest first."""
    lately = select(SpokenCode.made_at).where(SpokenCode.made_at > since).order_by(SpokenCode.made_at)
    return (
        db.session.scalars(lately.where(SpokenCode.account_id == account_id)).all(),
        db.session.scalars(lately.where(SpokenCode.resident_id == resident_id)).all(),
    )


def last_spoken_code(resident_id: int, now: datetime) -> SpokenCode | None:
    """The code that would open a resident's account now."""
    wanted = select(SpokenCode).where(
        SpokenCode.resident_id == resident_id, SpokenCode.used_at.is_(None), SpokenCode.expires_at > now
    )
    return db.session.scalar(wanted.order_by(SpokenCode.id.desc()).limit(1))


def departments(actor: Actor) -> list[Department]:
    """Departments the actor may give accounts to."""
    statement = select(Department).join(Department.centre).where(Department.active, *inside(actor.centre_path))
    if actor.department_id is not None:
        statement = statement.where(Department.id == actor.department_id)
    return list(db.session.scalars(statement.order_by(Department.name)))
