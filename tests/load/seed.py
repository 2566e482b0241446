"""Fills an empty database for a rush: the town, people and staff who are signed in, one activity. Prints JSON.

Run in a process of its own with the portal's environment: `python -m tests.load.seed PEOPLE PLACES`.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta

from itsdangerous import URLSafeTimedSerializer

from portal import create_app
from portal.core import clock, protection, scope, sessions
from portal.core.cookies import CookieSessions
from portal.core.db import db
from tests import factories

CSRF = "f" * 40  # what Flask-WTF keeps in the session; the form carries it signed
DESKS = ("A1", "A", "A2", "D")  # centres whose staff are signed in


def main(people: int, places: int) -> None:
    app = create_app()
    now = clock.now()
    with app.app_context(), scope.system("load test"):
        db.create_all()
        with db.engine.begin() as connection:
            protection.install(connection)
        factories.build_town(now)
        town, make = factories.load_town(), factories.Make(now=now)
        start = now + timedelta(days=20)
        entry = make.entry(town.centres["A1"], [(start, start + timedelta(hours=2))], capacity=places)
        ids = [p.id for p in make.residents(people, town.centres["A1"])]
        tokens = [sessions.open_session("resident", i, now) for i in ids]
        at_desks = {code: sessions.open_session("staff", town.staff[code].id, now) for code in DESKS}
        db.session.commit()
        entry_id = entry.id
    signer = CookieSessions().get_signing_serializer(app)
    assert signer is not None
    form = URLSafeTimedSerializer(app.config["SECRET_KEY"], salt="wtf-csrf-token").dumps(CSRF)

    def cookie(token: str) -> str:
        return str(signer.dumps({"_user_id": token, "_fresh": True, "csrf_token": CSRF}))

    told = {
        "entry": entry_id, "residents": ids, "cookies": [cookie(t) for t in tokens], "csrf": form,
        "cookie": app.config["SESSION_COOKIE_NAME"], "desks": {code: cookie(t) for code, t in at_desks.items()},
    }  # fmt: skip
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
