"""People signed in to a filled portal, and its addresses, as `Target`: python -m tests.attack.prepare PORT.

In a process of its own, with the portal's own environment: whoever measures keeps nothing of it.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select

from bench.prepare import CSRF, cookies
from portal import create_app
from portal.catalogue.models import PUBLISHED, Entry
from portal.centres.models import Centre
from portal.core import clock, scope, sessions
from portal.core.db import db, writing
from portal.people.models import Resident, StaffAccount
from portal.venues.models import Venue
from tests.attack.target import Target


def target(app: Flask, port: int, now: datetime) -> Target:
    """Within an app context."""
    with writing(), scope.system("an attack"):
        entries = select(Entry).where(Entry.status == PUBLISHED, Entry.walk_in.is_(False))
        # At the end of a month little is left to sign up for; a refusal takes the same lock.
        entry = db.session.scalars(entries.order_by((Entry.first_start > now).desc(), Entry.taken)).first()
        assert entry is not None, "the portal has published something"
        community = _account("community")
        district = _account("district")
        people = [sessions.open_session("resident", _resident(), now)]
        people += [sessions.open_session("staff", account.id, now) for account in (community, district)]
        nobody, resident, staff, manager = cookies(app, ["", *people])
        place, month = db.session.get_one(Centre, community.centre_id), clock.month_of(clock.today(now))
        return Target(
            port, URLSafeTimedSerializer(app.config["SECRET_KEY"], salt="wtf-csrf-token").dumps(CSRF), nobody, resident,
            staff, manager, month, place.id, entry.id, place.code, tuple(_papers(entry, place, month)),
            tuple(_tables(entry, month)),
        )  # fmt: skip


def _account(level: str) -> Any:
    """A manager of that level."""
    found = select(StaffAccount).join(Centre, Centre.id == StaffAccount.centre_id)
    found = found.where(Centre.level == level, StaffAccount.role == "manager", StaffAccount.department_id.is_(None))
    return db.session.scalars(found.where(StaffAccount.disabled_at.is_(None)).order_by(StaffAccount.id)).first()


def _resident() -> int:
    return (
        db.session.scalars(select(Resident.id).where(Resident.erased_at.is_(None)).order_by(Resident.id)).first() or 0
    )


def _papers(entry: Entry, place: Centre, month: str) -> list[str]:
    venues = db.session.scalars(select(Venue.id).where(Venue.active).order_by(Venue.id).limit(3))
    codes = db.session.scalars(select(Centre.code).where(Centre.level == "community").order_by(Centre.id).limit(10))
    posters = db.session.scalars(select(Entry.id).where(Entry.status == PUBLISHED).order_by(Entry.id).limit(40))
    return [
        *(f"/services/{number}/poster.pdf" for number in posters), *(f"/print/venues/{number}.pdf" for number in venues),
        *(f"/print/list/{month}/{code}.pdf" for code in codes), f"/print/venues/centre/{place.code}.pdf?paper=a3",
    ]  # fmt: skip


def _tables(entry: Entry, month: str) -> list[str]:
    board = f"/staff/catalogue/export.xlsx?month={month}"
    return [board, "/staff/audit.csv", f"/staff/venues/use.xlsx?month={month}", f"/staff/venues/use?month={month}"]


def main() -> None:
    app = create_app()
    with app.app_context():
        print(target(app, int(sys.argv[1]), clock.now()).to_json())


if __name__ == "__main__":
    main()
