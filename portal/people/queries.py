"""Reads of people, shaped for pages and for the features above."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import func, select

from portal.centres import profile
from portal.centres.models import Centre
from portal.centres.queries import inside
from portal.core import reads
from portal.core.access import Role
from portal.core.db import db, is_sqlite
from portal.core.sessions import WebSession
from portal.people.models import KnownDevice, LoginCode, LoginFailure, Relative, Resident, StaffAccount

# The hot path of every signed-in page: plain SQL, one round trip (core.reads). Reads the inbox's table (of notices,
# above), as a count only, because a second statement per page would cost more than the rest of the head. `{more}` is
# what the page itself wants to know in the same round trip (core.access.reading_with).
_COLUMNS = {
    "session_id": "s.id", "audience": "s.audience", "person_id": "s.person_id", "last_seen_at": "s.last_seen_at",
    "resident_name": "r.name", "elder_mode": "r.elder_mode",
    "home_id": "h.id", "home_code": "h.code", "home_name": "h.name", "home_short": "h.short_name",
    "home_phone": "h.phone", "home_address": "h.address",
    "staff_name": "a.name", "role": "a.role", "must_change": "a.must_change", "centre_id": "a.centre_id",
    "centre_path": "c.path", "centre_name": "c.name", "centre_short": "c.short_name", "level": "c.level",
    "department_id": "a.department_id", "department_name": "d.name",
    "unread": "(SELECT count(*) FROM inbox_message m WHERE m.audience = s.audience AND m.person_id = s.person_id "
    "AND m.read_at IS NULL)",
}  # fmt: skip
_VIEWER = f"""
SELECT {", ".join(_COLUMNS.values())}, {{more}}
FROM web_session s
LEFT JOIN resident r ON s.audience = 'resident' AND r.id = s.person_id AND r.erased_at IS NULL
LEFT JOIN centre h ON h.id = r.home_centre_id
LEFT JOIN staff_account a ON s.audience = 'staff' AND a.id = s.person_id AND a.disabled_at IS NULL
LEFT JOIN centre c ON c.id = a.centre_id
LEFT JOIN department d ON d.id = a.department_id
WHERE s.id = :session_id AND s.ended_at IS NULL AND s.expires_at > :now AND (r.id IS NOT NULL OR a.id IS NOT NULL)
"""  # noqa: S608
ViewerRow: Any = namedtuple("ViewerRow", [*_COLUMNS, "more"])  # type: ignore[misc]
SEEN_AT = ViewerRow._fields.index("last_seen_at")


@cache
def _viewer_sql(more: str) -> str:
    return _VIEWER.format(more=more)


def viewer_row(session_id: str, now: datetime, more: str = "NULL", values: dict[str, Any] | None = None) -> Any | None:
    """The live session's person with all a page's frame needs; idle limits are the caller's. One statement.

    more: a scalar SQL expression that the page wants in the same round trip, with its `values`.
    """
    found = reads.row(_viewer_sql(more), {"session_id": session_id, "now": reads.bound(now), **(values or {})})
    if found is None:
        return None
    return ViewerRow._make([*found[:SEEN_AT], reads.moment(found[SEEN_AT]), *found[SEEN_AT + 1 :]])


# Residents ------------------------------------------------------------------------------------------------------------


def resident(resident_id: int) -> Resident | None:
    """A resident who is not erased."""
    found = db.session.get(Resident, resident_id)
    return found if found is not None and found.erased_at is None else None


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


@dataclass(frozen=True, slots=True)
class CodesSent:
    """Moments (aware UTC) of codes sent in the last hour, oldest first."""

    to_phone: list[datetime]
    to_address: list[datetime]


def lock_codes(phone: str) -> None:
    """Let only one request at a time send a code to `phone`; SQLite's write lock already does."""
    if not is_sqlite():
        db.session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"login-code:{phone}"))))


def codes_sent(phone: str, address: str, now: datetime) -> CodesSent:
    """When codes went to this number and from this address within the last hour, oldest first."""
    since = now - timedelta(hours=1)

    def moments(condition: Any) -> list[datetime]:
        statement = select(LoginCode.sent_at).where(condition, LoginCode.sent_at > since)
        return list(db.session.scalars(statement.order_by(LoginCode.sent_at)))

    return CodesSent(
        to_phone=moments(LoginCode.phone == phone), to_address=moments(LoginCode.address == address) if address else []
    )


def last_code(phone: str) -> LoginCode | None:
    """The newest code sent to a number (11 digits), used up or not; None when there is none."""
    statement = select(LoginCode).where(LoginCode.phone == phone).order_by(LoginCode.id.desc()).limit(1)
    return db.session.scalar(statement.execution_options(populate_existing=True))


def failures(keys: Iterable[str], since: datetime) -> dict[str, list[datetime]]:
    """Failed sign-ins after `since` by key, oldest first."""
    statement = select(LoginFailure.key, LoginFailure.at)
    statement = statement.where(LoginFailure.key.in_(list(keys)), LoginFailure.at > since)
    found: dict[str, list[datetime]] = {}
    for key, at in db.session.execute(statement.order_by(LoginFailure.at)):
        found.setdefault(key, []).append(at)
    return found


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
