"""Who is looking: one statement per request turns the cookie's token into a viewer (SPEC P3, P6, P7)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import g, request, session
from sqlalchemy import update

from portal.centres import profile
from portal.centres import queries as centres
from portal.centres import rules as centre_rules
from portal.centres.models import Centre
from portal.core import access, clock, cookies, db, pages, sessions
from portal.core.access import ROLE_LABELS, Actor, Role
from portal.people import queries

CENTRE_COOKIE = "centre"
ELDER_COOKIE = "elder"
BEFORE = ("people_staff.logout", "people_staff.proof")  # open to whoever must do something first
SET_UP = ("people_staff.begin_second_factor", "people_staff.confirm_second_factor")


@dataclass(frozen=True, slots=True)
class CentreBrief:
    """What the head of a page says of the home centre."""

    id: int
    code: str
    name: str
    short_name: str
    phone: str
    address: str

    @property
    def mark(self) -> str:
        return centre_rules.mark(self.short_name)

    @property
    def hours_today(self) -> str:
        """What the head says beside the name: '到 18:00' while open, else when it opens next; '' when unknown."""
        return _opening(self.id)[0]

    @property
    def open_now(self) -> bool:
        return _opening(self.id)[1]


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in resident or staff member, as Flask-Login and the pages need it."""

    id: int
    audience: sessions.Audience
    name: str
    session_id: str
    token: str
    unread: int = 0
    elder: bool = False
    home_centre: CentreBrief | None = None
    role: Role | None = None
    centre_id: int | None = None
    centre_path: str = ""
    centre_name: str = ""
    level: str = ""
    department_id: int | None = None
    department_name: str = ""
    must_change: bool = False
    second_factor: bool = False
    proved_at: datetime | None = None

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """The session's random token, so that a replayed cookie dies with its row."""
        return self.token

    @property
    def post_label(self) -> str:
        """'葵涌街道 管理员', or the department."""
        place = self.department_name or self.centre_name
        return f"{place} {ROLE_LABELS[self.role]}" if self.role else place

    @property
    def must_first(self) -> tuple[str, ...]:
        """Endpoints of what comes before anything else, the first of them to be led to; () when nothing does."""
        if self.must_change:
            return "people_staff.change_password", *BEFORE
        demanded = self.role is not None and (self.level, str(self.role)) in profile.current().second_factor
        if demanded and not self.second_factor:
            return "people_staff.second_factor", *SET_UP, *BEFORE
        return ()

    def as_actor(self, address: str = "") -> Actor:
        return Actor(
            kind=self.audience, id=self.id, name=self.name, centre_id=self.centre_id, centre_path=self.centre_path,
            role=self.role, department_id=self.department_id, address=address,
        )  # fmt: skip


def load(token: str, now: datetime) -> Viewer | None:
    """The viewer of a live session, or None. One statement; `last_seen_at` moves at most every five minutes."""
    session_id = sessions.fingerprint(token)
    row = queries.viewer_row(session_id, now)
    if row is None or row.last_seen_at + sessions.IDLE[row.audience] <= now:
        return None
    if now - row.last_seen_at >= sessions.TOUCH_EVERY:
        _touch(session_id, row.last_seen_at, now)
    if row.audience == "resident":
        return _resident(row, token)
    return _staff(row, token)


def _resident(row: Any, token: str) -> Viewer:
    home = None
    if row.home_id is not None:
        short = row.home_short or row.home_name
        home = CentreBrief(row.home_id, row.home_code, row.home_name, short, row.home_phone, row.home_address)
    return Viewer(
        id=row.person_id, audience="resident", name=row.resident_name, session_id=row.session_id, token=token,
        unread=row.unread, elder=bool(row.elder_mode), home_centre=home, proved_at=row.proved_at,
    )  # fmt: skip


def _staff(row: Any, token: str) -> Viewer:
    return Viewer(
        id=row.person_id, audience="staff", name=row.staff_name, session_id=row.session_id, token=token,
        unread=row.unread, role=Role(row.role), centre_id=row.centre_id, centre_path=row.centre_path,
        centre_name=row.centre_short or row.centre_name, level=row.level, department_id=row.department_id,
        department_name=row.department_name or "", must_change=bool(row.must_change),
        second_factor=row.totp_on_at is not None, proved_at=row.proved_at,
    )  # fmt: skip


def _touch(session_id: str, before: datetime, now: datetime) -> None:
    statement = update(sessions.WebSession).where(sessions.WebSession.id == session_id).values(last_seen_at=now)
    if request and request.method in db.READ_METHODS:
        db.side_write(statement)  # a GET's own transaction only reads
    else:
        db.db.session.execute(statement.execution_options(synchronize_session=False))
    if request and before.date() != now.date():
        session.modified = True  # the cookie lasts 180 days from its signing: signed anew by a day's first visit


def _opening(centre_id: int) -> tuple[str, bool]:
    """What the head says of a centre's hours."""

    def make() -> tuple[str, bool]:
        opening = centres.opening(centre_id, clock.now())
        return (f"到 {opening.until}" if opening.open_now else opening.next_text), opening.open_now

    return pages.kept(("hours", centre_id, pages.minute(clock.now())), make)


def brief_of(centre: Centre) -> CentreBrief:
    """The frame's facts of any centre."""
    return CentreBrief(centre.id, centre.code, centre.name, centre.label, centre.phone, centre.address)


def chosen_centre() -> CentreBrief | None:
    """The centre an anonymous visitor chose, from the cookie `centre` (its code)."""
    code = cookies.read(CENTRE_COOKIE)
    if not code or len(code) > 32:
        return None

    def make() -> CentreBrief | None:
        centre = centres.by_code(code)
        if centre is None or not centre.active:
            return None
        return brief_of(centre)

    return pages.kept(("chosen centre", code, pages.minute(clock.now())), make)


def home_centre() -> CentreBrief | None:
    """A resident's home centre, or the visitor's choice. Kept for the length of the request."""
    here = g._get_current_object()
    if "home_centre" not in here:
        user = access.viewer()
        own = user.home_centre if user is not None and user.audience == "resident" else None
        here.home_centre = own or (None if user is not None and user.audience == "staff" else chosen_centre())
    found: CentreBrief | None = here.home_centre
    return found


def elder_mode() -> bool:
    """Elder mode: a resident's own setting, else the cookie `elder`; never on the staff face (P7)."""
    user = access.viewer()
    if user is None:
        return cookies.read(ELDER_COOKIE) == "1"
    return bool(user.elder)


def context() -> dict[str, Any]:
    """What every page's frame needs."""
    return {"viewer": access.viewer(), "home_centre": home_centre(), "elder": elder_mode()}
