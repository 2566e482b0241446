"""Access is declared on each view, and what is not declared is denied: the app refuses to start (SPEC Q4)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeVar, cast

from flask import Flask, Response, abort, current_app, g, make_response, redirect, request, url_for
from flask_login import current_user

from portal.core import form_recovery, incoming, scope

View = TypeVar("View", bound=Callable[..., Any])
Audience = Literal["public", "resident", "staff"]


class Permission(StrEnum):
    VIEW = "view"  # read the staff face
    PLAN = "plan"  # draft and change catalogue rows
    REVIEW = "review"  # decide rows of centres below
    PUBLISH = "publish"
    SIGN_UPS = "sign_ups"
    VENUES = "venues"  # rooms, their bookings, closures and series
    FEEDBACK = "feedback"  # evaluations read and call-backs made
    TEAMS = "teams"  # service teams, their members and rosters; who is sent
    HELP = "help"  # help requests reviewed, accepted and done
    GUIDES = "guides"
    CENTRES = "centres"
    ACCOUNTS = "accounts"
    AUDIT = "audit"
    LET_IN = "let_in"  # read a login code out to a resident whom one knows
    MESSAGES = "messages"
    URGENT = "urgent"  # urgent help: alarmed, takes it
    UNMASK = "unmask"  # see a phone or address in full, recorded


class Role(StrEnum):
    MANAGER = "manager"
    OPERATOR = "operator"
    INSPECTOR = "inspector"


PERMISSION_LABELS = {
    Permission.VIEW: "查看", Permission.PLAN: "编制清单", Permission.REVIEW: "审核清单", Permission.PUBLISH: "发布清单",
    Permission.SIGN_UPS: "管理报名", Permission.VENUES: "管理场地", Permission.FEEDBACK: "评价和回访",
    Permission.TEAMS: "服务队", Permission.GUIDES: "维护生活指南", Permission.CENTRES: "维护阵地信息",
    Permission.HELP: "求助办理",
    Permission.ACCOUNTS: "管理账户", Permission.AUDIT: "查看操作记录", Permission.MESSAGES: "查看消息出口",
    Permission.URGENT: "紧急求助接警",
    Permission.LET_IN: "帮居民登录", Permission.UNMASK: "查看完整电话",
}  # fmt: skip
ROLE_LABELS = {Role.MANAGER: "管理员", Role.OPERATOR: "经办人", Role.INSPECTOR: "督查员"}

# The one role table. What a centre may decide on top of this (review, publish) follows from its place in the tree.
GRANTS: dict[Role, frozenset[Permission]] = {
    Role.MANAGER: frozenset(Permission),
    Role.OPERATOR: frozenset(Permission) - {Permission.ACCOUNTS, Permission.AUDIT, Permission.CENTRES},
    Role.INSPECTOR: frozenset({Permission.VIEW, Permission.AUDIT}),
}


def granted(role: Role | None) -> frozenset[Permission]:
    """What a role may do; nothing without one."""
    return GRANTS[role] if role is not None else frozenset()


@dataclass(frozen=True, slots=True)
class Actor:
    """On whose behalf an action writes: for rights, histories and the audit log."""

    kind: Literal["resident", "staff", "system"]
    id: int | None
    name: str
    centre_id: int | None = None
    centre_path: str = ""
    role: Role | None = None
    department_id: int | None = None
    address: str = ""  # network address

    def can(self, permission: Permission) -> bool:
        if self.kind == "system":
            return True
        return permission in granted(self.role)


def system_actor(name: str = "系统") -> Actor:
    return Actor(kind="system", id=None, name=name)


@dataclass(frozen=True, slots=True)
class Access:
    """files: whether a file may be sent to it; whatever else is sent is small (`incoming.largest`).

    tells_size: its page itself says that a file is too large, with all that was typed; so it is let in further.

    slow: it hashes, unpacks or adds up for a tenth of a second or more: one at a time in a web process (`door.py`).
    """

    audience: Audience
    permission: Permission | None = None
    files: bool = False
    slow: bool = False
    tells_size: bool = False


def _declare(view: View, access: Access) -> View:
    if hasattr(view, "access"):
        raise RuntimeError(f"{view.__name__}: access declared twice")
    view.access = access  # type: ignore[attr-defined]
    return view


def public(view: View) -> View:
    """Anybody may open it."""
    return _declare(view, Access("public"))


def public_slow(view: View) -> View:
    """Anybody may open it, one at a time: see Access."""
    return _declare(view, Access("public", slow=True))


def public_files(view: View) -> View:
    """Anybody may open it and send a file, one at a time: what unpacks a file is slow."""
    return _declare(view, Access("public", files=True, slow=True))


def resident(view: View) -> View:
    """Signed-in residents only; others are asked to sign in and come back."""
    return _declare(view, Access("resident"))


def staff(
    permission: Permission, *, files: bool = False, slow: bool = False, tells_size: bool = False
) -> Callable[[View], View]:
    """Signed-in staff whose role grants `permission`. For the rest see Access; what unpacks a file is slow."""

    def decorate(view: View) -> View:
        return _declare(view, Access("staff", permission, files, slow or files, tells_size))

    return decorate


class HomeCentre(Protocol):
    """What is known of a resident's centre without asking the database."""

    @property
    def id(self) -> int: ...


class Viewer(Protocol):
    """Whoever is signed in, as far as features may ask; made by portal.people from one query."""

    @property
    def id(self) -> int: ...
    @property
    def audience(self) -> Literal["resident", "staff"]: ...
    @property
    def name(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def unread(self) -> int: ...
    @property
    def elder(self) -> bool: ...
    @property
    def home_centre(self) -> HomeCentre | None: ...
    @property
    def role(self) -> Role | None: ...
    @property
    def centre_id(self) -> int | None: ...
    @property
    def centre_path(self) -> str: ...
    @property
    def department_id(self) -> int | None: ...
    @property
    def must_first(self) -> tuple[str, ...]: ...
    @property
    def second_factor(self) -> bool: ...
    @property
    def proved_at(self) -> datetime | None: ...
    def as_actor(self, address: str = "") -> Actor: ...


def of(view: Callable[..., Any]) -> Access | None:
    return getattr(view, "access", None)


class UndeclaredAccess(RuntimeError):
    """A view without @access: the app must not start."""


def check_declared(app: Flask) -> None:
    """Raises UndeclaredAccess with the name of every view that does not say who may open it."""
    missing = sorted(e for e, view in app.view_functions.items() if of(view) is None and e != "static")
    if missing:
        raise UndeclaredAccess("no access declared for: " + ", ".join(missing))


def viewer() -> Viewer | None:
    """The signed-in viewer or None."""
    user = current_user._get_current_object()
    return user if user.is_authenticated else None


def signed_in() -> Viewer:
    """The viewer of a page that is only for residents or staff. Raises PermissionError when nobody is signed in."""
    user = viewer()
    if user is None:
        raise PermissionError("nobody is signed in")
    return user


def actor() -> Actor:
    """The present viewer as an Actor. Raises PermissionError when nobody is signed in."""
    return signed_in().as_actor(request.remote_addr or "")


def sign_in_first(audience: Audience) -> Response:
    """Send to the right login page and back afterwards; HTMX gets HX-Redirect, not a page inside a fragment."""
    endpoint = "people_staff.login" if audience == "staff" else "people.login"
    # After a lost session a POST cannot be repeated by GET: come back to the page it was sent from.
    back = request.full_path.rstrip("?") if request.method == "GET" else _referring_path()
    target = url_for(endpoint, next=back)
    typed = form_recovery.lost_session(target)
    if typed is not None:
        return typed
    if incoming.htmx():
        answer = make_response("", 401)
        answer.headers["HX-Redirect"] = target
        return answer
    return cast(Response, redirect(target, 303))


def _referring_path() -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(request.referrer or "")
    except ValueError:  # 'http://['
        return "/"
    if parts.netloc != request.host:
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")


def safe_next(target: str | None, fallback: str = "/") -> str:
    """Only a path inside this site, whatever browsers make of odd slashes."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or "\\" in target:
        return fallback
    return fallback if any(ord(c) < 32 for c in target) else target


def _enforce() -> Any:
    endpoint = request.endpoint
    if endpoint is None or endpoint == "static":
        return None
    access = of(current_app.view_functions[endpoint])
    if access is None:
        abort(403)
    user = viewer()
    g.scope_token = scope.enter(_scope_of(user, access))
    if access.audience == "public":
        return None
    if user is None or user.audience != access.audience:
        return sign_in_first(access.audience)
    if access.audience == "staff":
        return _enforce_staff(user, access)
    return None


def _enforce_staff(user: Viewer, access: Access) -> Response | None:
    first = user.must_first
    if first and request.endpoint not in first:
        return cast(Response, redirect(url_for(first[0]), 303))
    if access.permission is not None and access.permission not in granted(user.role):
        abort(403)
    return None


def _scope_of(user: Viewer | None, access: Access) -> scope.Scope:
    """The page decides, not the person: on a public page staff see what everybody sees."""
    if access.audience == "staff" and user is not None and user.audience == "staff":
        return scope.StaffScope(user.centre_path, user.department_id)
    return scope.ResidentScope(user.id if user is not None and user.audience == "resident" else None)


def _leave(_error: BaseException | None) -> None:
    token = g.pop("scope_token", None)
    if token is not None:
        try:
            scope.leave(token)
        except ValueError:  # torn down in another context
            scope.enter(None)


def init_app(app: Flask) -> None:
    app.before_request(_enforce)
    app.teardown_request(_leave)
