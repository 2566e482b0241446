"""扫码点单: the portal of a district's party-and-community service centres."""

from typing import Any

from flask import Flask
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
    help_requests,
    notices,
    operations,
    people,
    settings,
    signup,
    venues,
)
from portal.core import (
    access,
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
    transfer,
)

migrate = Migrate()
FEATURES = (
    centres,
    people,
    notices,
    cases,
    feedback,
    venues,
    catalogue,
    signup,
    help_requests,
    front,
    operations,
    demo,
)


csrf = CSRFProtect()
login = LoginManager()
login.session_protection = None  # our sessions are rows that can be ended; a guess by browser adds nothing


def create_app(overrides: dict[str, Any] | None = None) -> Flask:
    """Build the app: settings, extensions, features. Raises UndeclaredAccess if a view does not say who may open it."""
    app = Flask(__name__)
    app.session_interface = cookies.CookieSessions()
    app.config.update(settings.from_environment())
    app.config.update(overrides or {})
    logs.init_app(app)
    transfer.init_app(app)
    # The order matters. WSGI layers: a later one stands around the earlier ones, so a request passes wsgi.py's static
    # files, metrics, headers, the proxy's addresses, then Flask. Hooks before a request run in this order
    # (odd paths, write lock, CSRF, access), those after it backwards: the commit of `db`, then
    # compression as the last of them.
    if app.config["BEHIND_PROXY"]:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    incoming.init_app(app)
    db.init_app(app)
    migrate.init_app(app, db.db, directory=str(settings.ROOT / "migrations"), render_as_batch=True)
    csrf.init_app(app)
    limits.init_app(app)
    login.init_app(app)
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
