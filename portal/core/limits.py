"""Rate limits in Redis; when it is down they go on in memory instead of failing (SPEC Q3)."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address


class ViewLimits(Limiter):
    """Limits hang on views (`@limiter.limit`) and are checked when the view is called.

    Flask-Limiter's hooks around every request serve limits of the whole app, headers and later deductions. We have none
    of these, and looking for them costs more than the database (docs/performance.md).
    """

    def init_app(self, app: Flask) -> None:
        registered = (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs)
        hooks: list[list[Any]] = [functions[None] for functions in registered]
        ours = [list(functions) for functions in hooks]
        super().init_app(app)
        for functions, kept in zip(hooks, ours, strict=True):
            functions[:] = kept


limiter = ViewLimits(get_remote_address)


def init_app(app: Flask) -> None:
    app.config.setdefault("RATELIMIT_STORAGE_URI", app.config["REDIS_URL"])
    app.config.setdefault("RATELIMIT_STORAGE_OPTIONS", {"socket_connect_timeout": 0.3, "socket_timeout": 0.3})
    app.config.setdefault("RATELIMIT_IN_MEMORY_FALLBACK_ENABLED", True)
    app.config.setdefault("RATELIMIT_HEADERS_ENABLED", False)
    limiter.init_app(app)
