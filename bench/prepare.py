"""Migrate and fill the database of DATABASE_URL, sign people in, count the list's statements. Prints one JSON object.

In a process of its own, so that nothing of it is left in the one that measures: python -m bench.prepare [--scale 0.05]
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from flask import Flask
from flask_migrate import upgrade
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import event

from bench.fill import fill
from portal import create_app
from portal.core import clock, reads, scope, sessions
from portal.core.db import db, writing

CSRF = "0" * 40  # what Flask-WTF keeps in the session; a form carries it signed
PEOPLE = 1500  # signed in, to sign up


def cookies(app: Flask, tokens: list[str]) -> list[str]:
    """What the browsers of these sessions send: the same values as people.signing puts in."""
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    name = app.config["SESSION_COOKIE_NAME"]
    kept: dict[str, Any] = {"_permanent": True, "_fresh": True, "csrf_token": CSRF}
    return [f"{name}={signer.dumps(kept | {'_user_id': token})}" for token in tokens]


def statements(
    app: Flask,
    cookie: str,
    path: str = "/services",
    card: str = 'class="act"',
    cards: int = 20,
    between: Callable[[], None] = lambda: None,
) -> int:
    """How many statements a list of somebody signed in sends after `between`; by default nothing has changed.

    Raises when it does not show so many cards.
    """
    seen: list[str] = []
    client = app.test_client(use_cookies=False)
    client.get(path, headers={"Cookie": cookie})
    between()
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda _c, _cur, text, *_rest: seen.append(text))
    reads.watch = seen.append
    page = client.get(path, headers={"Cookie": cookie})
    reads.watch = None
    if page.status_code != 200 or page.text.count(card) != cards:
        raise RuntimeError(f"{path} answered {page.status_code} with {page.text.count(card)} cards, not {cards}")
    return len([text for text in seen if not text.startswith(("BEGIN", "PRAGMA")) and text != reads.MARK_SQL])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    scale = parser.parse_args().scale
    logging.getLogger("alembic").setLevel(logging.WARNING)
    app = create_app()
    with redirect_stdout(sys.stderr), app.app_context():
        upgrade()
        first = fill(clock.now(), scale)
        with writing(), scope.system("bench"):
            people = range(2, 2 + PEOPLE)
            others = [sessions.open_session("resident", number, clock.now()) for number in people]
    told = {
        "cookies": cookies(app, [first, *others]),
        "csrf": URLSafeTimedSerializer(app.config["SECRET_KEY"], salt="wtf-csrf-token").dumps(CSRF),
    }
    print(json.dumps(told | {"statements": statements(app, told["cookies"][0])}))


if __name__ == "__main__":
    main()
