"""Migrate and fill the database of DATABASE_URL, sign people in. Prints one JSON object.

In a process of its own, so that nothing of it is left in the one that measures: python -m bench.prepare [--scale 0.05]
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from contextlib import redirect_stdout
from typing import Any

from flask import Flask
from flask_migrate import upgrade
from itsdangerous import URLSafeTimedSerializer

from bench.fill import fill
from portal import create_app
from portal.core import clock, scope, sessions
from portal.core.db import writing

CSRF = "0" * 40  # what Flask-WTF keeps in the session; a form carries it signed


def cookies(app: Flask, tokens: list[str]) -> list[str]:
    """What the browsers of these sessions send: the same values as people.signing puts in."""
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    name = app.config["SESSION_COOKIE_NAME"]
    kept: dict[str, Any] = {"_permanent": True, "_fresh": True, "csrf_token": CSRF}
    return [f"{name}={signer.dumps(kept | {'_user_id': token})}" for token in tokens]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--people", type=int, default=1500, help="signed in, to sign up")
    chosen = parser.parse_args()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    app = create_app()
    with redirect_stdout(sys.stderr), app.app_context():
        upgrade()
        first, code = fill(clock.now(), chosen.scale)
        with writing(), scope.system("bench"):
            people = range(2, 2 + chosen.people)
            others = [sessions.open_session("resident", number, clock.now()) for number in people]
    told = {
        "cookies": cookies(app, [first, *others]),
        "code": code,
        "csrf": URLSafeTimedSerializer(app.config["SECRET_KEY"], salt="wtf-csrf-token").dumps(CSRF),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
