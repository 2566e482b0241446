"""Fills an empty database for the room rush: the town, people who are signed in, rooms, bookings. Prints JSON.

Run in a process of its own with the portal's environment: `python -m tests.load.room_seed PEOPLE ROOMS`.
"""

from __future__ import annotations

import json
import sys
from datetime import time, timedelta

from itsdangerous import URLSafeTimedSerializer

from portal import create_app
from portal.core import clock, cookies, protection, scope, sessions
from portal.core.db import db
from portal.venues.models import APPROVED, PENDING
from tests import factories
from tests.load.seed import CSRF

AHEAD = 10  # days until the first of the two days that everybody wants


def main(people: int, rooms: int) -> None:
    app = create_app()
    now = clock.now()
    first = clock.today(now) + timedelta(days=AHEAD)
    with app.app_context(), scope.system("load test"):
        db.create_all()
        with db.engine.begin() as connection:
            protection.install(connection)
        factories.build_town(now)
        town, make = factories.load_town(), factories.Make(now=now)
        home = town.centres["A1"]
        # Every second room asks for approval; buffers differ.
        venues = [make.venue(home, needs_approval=bool(n % 2), buffer=15 * (n % 3)) for n in range(rooms)]
        residents = make.residents(people, home)
        # On a third day: requests to decide and bookings to move into the two.
        asked, own = [], []
        for n in range(people // 4):
            venue, start = venues[n % rooms], clock.at(first + timedelta(days=20 + n // rooms), time(9))
            status = PENDING if n % 2 else APPROVED
            row = make.booking(venue, start, 60, residents[n], status=status)
            (asked if n % 2 else own).append((n, row.id, row.venue_id, row.starts_at.isoformat()))
        tokens = [sessions.open_session("resident", p.id, now) for p in residents]
        clerk = sessions.open_session("staff", town.staff["A1"].id, now)
        db.session.commit()
        told = {
            "rooms": [(v.id, v.buffer) for v in venues], "days": [str(first), str(first + timedelta(days=1))],
            "asked": asked, "own": own,
        }  # fmt: skip
    signer = cookies.CookieSessions().get_signing_serializer(app)
    assert signer is not None
    form = URLSafeTimedSerializer(app.config["SECRET_KEY"], salt="wtf-csrf-token").dumps(CSRF)
    # The last cookie is the clerk's.
    told |= {
        "cookies": [signer.dumps({"_user_id": t, "_fresh": True, "csrf_token": CSRF}) for t in [*tokens, clerk]],
        "csrf": form,
        "cookie": app.config["SESSION_COOKIE_NAME"],
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
