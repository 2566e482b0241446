"""Limits on views hold, although nothing is looked up before every request."""

from __future__ import annotations

from flask import Flask
from flask_limiter.util import get_remote_address

from portal.core.limits import ViewLimits


def test_a_limit_on_a_view_holds() -> None:
    app = Flask(__name__)
    app.config.update(RATELIMIT_STORAGE_URI="memory://")
    limiter = ViewLimits(get_remote_address)

    @app.get("/few")
    @limiter.limit("2/minute")
    def few() -> str:
        return "ok"

    @app.get("/free")
    def free() -> str:
        return "ok"

    limiter.init_app(app)
    client = app.test_client()
    assert [client.get("/few").status_code for _ in range(3)] == [200, 200, 429]
    assert [client.get("/free").status_code for _ in range(3)] == [200] * 3
