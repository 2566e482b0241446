"""Each calendar file is read by two parsers and, after a change, once more into the same phone (issue 11, C10)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.catalogue.actions import changing, entry_values, publishing, taking_back
from portal.catalogue.models import BulkStep
from portal.catalogue.public import month_snapshot
from portal.catalogue.timetext.parts import Span
from portal.core import clock, scope
from portal.core.db import db
from portal.venues.models import VenueClosure
from tests import calendars
from tests.factories import NOW, Make, Town
from tests.venues.made import booked, room

DAY, WEEK = timedelta(days=1), timedelta(days=7)
START = NOW + 8 * DAY


@pytest.fixture
def files(app: Any, town: Town, make: Make, as_resident: Any, session: Any) -> tuple[FlaskClient, Any, dict[str, str]]:
    """A series of three dates that I have a place in, a room that I have booked; the addresses of their files."""
    month_snapshot.forget()
    entry = make.entry(
        town.centres["A1"], [(START + n * WEEK, START + n * WEEK + DAY / 12) for n in range(3)], title="太极"
    )
    venue = room(town.centres["A1"])
    row = booked(venue, (NOW + 9 * DAY).date(), 540, 600, resident_id=town.residents[0].id)
    session.commit()
    me = as_resident(app.test_client(), town.residents[0])
    db.session.rollback()
    with clock.frozen(NOW):
        assert me.post(f"/services/{entry.id}/sign-up").status_code == 303
        me.post("/me/follows", data={"what": "centre", "code": "A1", "on": 1})
        me.post("/me/calendar")
        mine = re.search(r"/calendar/mine/[0-9a-f]+\.ics", unescape(me.get("/me/follows").get_data(as_text=True)))
    assert mine is not None
    return me, entry, {
        "centre": "/calendar/A1.ics?month=2026-12", "mine": mine[0], "activity": f"/services/{entry.id}.ics",
        "sign-up": f"/services/{entry.id}/sign-up.ics", "room": f"/venues/{venue.id}.ics",
        "booking": f"/venues/bookings/{row.id}/booking.ics",
    }  # fmt: skip


def fetch(files: Any, now: Any = NOW) -> dict[str, bytes]:
    me, _, paths = files
    with clock.frozen(now):
        found = {name: me.get(path).data for name, path in paths.items()}
    db.session.rollback()  # a read begun before the next write would be in its way
    return found


def test_read_again_after_a_change_nothing_is_twice_and_nothing_stays(files: Any, town: Town, session: Any) -> None:
    me, entry, paths = files
    before = {name: calendars.take({}, data) for name, data in fetch(files).items()}
    dates = [s.starts_at for s in entry.sessions]
    for name in ("centre", "activity", "sign-up"):
        assert calendars.seen(before[name]) == [("太极", start) for start in dates]
    assert len(calendars.seen(before["mine"])) == 4 and len(calendars.seen(before["room"])) == 1
    # The first date is taken out of the series, the last moves by a day; the booking is given back.
    spans = [Span(s.starts_at, s.ends_at) for s in entry.sessions]
    moved = Span(spans[2].start + DAY, spans[2].end + DAY)
    for sessions in ((spans[1], spans[2]), (spans[1], moved)):
        values = replace(entry_values.values_of(entry), sessions=sessions)
        changing.ask_change(town.actor("D"), entry, values, "场地调整", NOW)
    session.commit()
    with clock.frozen(NOW):
        assert me.post(paths["booking"].replace("booking.ics", "withdraw")).status_code == 303
    after = {name: calendars.take(before[name], data) for name, data in fetch(files).items()}
    for name in ("centre", "mine", "activity", "sign-up"):
        assert calendars.seen(after[name]) == [("太极", spans[1].start), ("太极", moved.start)], name
        assert after[name].keys() == before[name].keys()
    assert not calendars.seen(after["room"]) and not calendars.seen(after["booking"])
    cancelled = [e for book in after.values() for e in book.values() if e.cancelled]
    assert len(cancelled) == 4 + 3  # the date in four, the booking in three
    assert all(e.sequence > book[e.uid].sequence for e in cancelled for book in before.values() if e.uid in book)


def test_a_list_taken_back_is_off_and_published_again_is_on(
    client: FlaskClient, session: Any, town: Town, make: Make
) -> None:
    """Published before its month, read by a phone, taken back, published again."""
    month_snapshot.forget()
    entry = make.entry(town.centres["A1"], [(START, START + DAY / 12)], month="2026-12", status="approved")
    kept: dict[str, calendars.Event] = {}
    for publish in (True, False, True):
        if publish:
            with scope.system("test"):
                publishing.publish_in_batches("2026-12", NOW, town.actor("D"), force=True, reason="提前")
        else:
            step = session.scalar(select(BulkStep.id).order_by(BulkStep.id.desc()))
            session.rollback()
            assert taking_back.take_back(town.actor("D"), step, NOW).done == 1
        with clock.frozen(NOW):
            kept = calendars.take(kept, client.get("/calendar/A1.ics?month=2026-12").data)
        session.rollback()
        assert calendars.seen(kept) == ([(entry.title, START)] if publish else [])
        session.rollback()


def test_a_room_opened_again_and_closed_once_more(files: Any, session: Any, town: Town) -> None:
    me, _, paths = files
    kept: dict[str, calendars.Event] = {}
    start = NOW + 3 * DAY
    closed = {"centre_id": town.centres["A1"].id, "starts_at": start, "ends_at": start + DAY / 6, "created_by": "A1"}
    for lifted in (False, True, False):
        session.rollback()
        if lifted:
            session.query(VenueClosure).update({"lifted_at": NOW})
        else:
            session.add(VenueClosure(venue_id=None, reason="消防演练", created_at=NOW, **closed))
        session.commit()
        with clock.frozen(NOW):
            kept = calendars.take(kept, me.get(paths["room"]).data)
        assert ("不开放：消防演练" in dict(calendars.seen(kept))) is not lifted
