"""扫码点单: the portal of a district's party-and-community service centres."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from portal import (
    cases,
    catalogue,
    centres,
    demo,
    feedback,
    front,
    notices,
    operations,
    people,
    settings,
    signup,
    venues,
)
from portal.core import (
    access,
    again,
    audit,  # noqa: F401  # its table belongs to every deployment, whichever features are open
    cookies,
    db,
    errors,
    form_recovery,
    headers,
    incoming,
    limits,
    logs,
    pages,
    states,  # noqa: F401  # as that of audit
)

migrate = Migrate()
FEATURES = (centres, people, notices, cases, feedback, venues, catalogue, signup, front, operations, demo)


class Portal(Flask):
    """Flask without what it asks about every function before each call: none of ours is async."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


class Tokens(CSRFProtect):
    """Reading needs no token: said at once, before Flask-WTF looks for exempted views."""

    def protect(self, apply_exemptions: bool = False) -> None:
        if request.method not in db.READ_METHODS:
            super().protect(apply_exemptions)


csrf = Tokens()


class Sessions(LoginManager):
    """Our sessions are rows that can be ended (core.sessions); a guess by browser and address adds nothing to them."""

    def _session_protection_failed(self) -> bool:
        return False

    def _update_remember_cookie(self, response: Response) -> Response:
        return response  # we set no second cookie that outlives the session


def create_app(overrides: dict[str, Any] | None = None) -> Flask:
    """Build the app: settings, extensions, features. Raises UndeclaredAccess if a view does not say who may open it."""
    app = Portal(__name__)
    app.config.update(settings.from_environment())
    app.config.update(overrides or {})
    logs.init_app(app)
    # The order matters. WSGI layers: a later one stands around the earlier ones, so a request passes wsgi.py's static
    # files, metrics, headers, `again`, the proxy's addresses, then Flask. Hooks before a request run in this order
    # (odd paths, write lock, CSRF, access), those after it backwards: the commit of `db` is the last of them.
    if app.config["BEHIND_PROXY"]:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    again.init_app(app)
    incoming.init_app(app)
    db.init_app(app)
    migrate.init_app(app, db.db, directory=str(settings.ROOT / "migrations"), render_as_batch=True)
    cookies.init_app(app)
    csrf.init_app(app)
    limits.init_app(app)
    login = Sessions(app)
    people.load_viewers(login)
    access.init_app(app)
    headers.init_app(app)
    errors.init_app(app)
    form_recovery.init_app(app)
    pages.init_app(app)
    for feature in FEATURES:
        feature.register(app)
    access.check_declared(app)
    return app
