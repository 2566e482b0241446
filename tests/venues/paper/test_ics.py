"""The public calendar of a room (SPEC V2, P8)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask.testing import FlaskClient
from icalendar import Calendar

from portal.core.db import db
from portal.venues import rules
from portal.venues.models import BY_ACTIVITY, CANCELLED, PENDING, VenueClosure
from tests.factories import NOW, Town
from tests.venues.made import booked, room

THURSDAY = date(2026, 11, 26)


def events(client: FlaskClient, venue: Any) -> dict[str, Any]:
    answer = client.get(f"/venues/{venue.id}.ics")
    assert answer.status_code == 200
    assert answer.mimetype == "text/calendar"
    assert all(len(line) <= 75 for line in answer.data.split(b"\r\n")), "lines are folded (RFC 5545, 3.1)"
    book = Calendar.from_ical(answer.data)
    assert book["version"] == "2.0"
    return {str(e["uid"]): e for e in book.walk("VEVENT")}


def test_busy_times_without_names(client: FlaskClient, town: Town) -> None:
    venue = room(town.centres["A1"], name="多功能厅，带舞台；可以分成两间，名字长得要折行的那一间")
    one = booked(venue, THURSDAY, 540, 600, resident_id=town.residents[0].id, revision=3)
    two = booked(venue, THURSDAY, 600, 720, source=BY_ACTIVITY)
    three = booked(venue, THURSDAY, 780, 840, status=PENDING, source=BY_ACTIVITY, title="没公开")
    off = booked(venue, THURSDAY, 900, 960, status=CANCELLED, title="婚宴")
    booked(venue, date(2027, 1, 18), 540, 600)
    last = booked(venue, date(2027, 1, 17), 540, 600)
    db.session.commit()
    found = events(client, venue)
    assert set(found) == {f"booking-{row.id}@portal.example" for row in (one, two, three, last, off)}
    first = found[f"booking-{one.id}@portal.example"]
    assert first.decoded("dtstart") == datetime(2026, 11, 26, 1, tzinfo=UTC)
    assert first.decoded("dtend") == datetime(2026, 11, 26, 2, tzinfo=UTC)
    assert str(first["summary"]) == "已预约"
    assert (first["sequence"], str(first["status"])) == (3, "CONFIRMED")
    assert str(first["location"]) == f"甲一社区党群服务中心 二楼 203 {venue.name}"
    assert str(first["url"]) == f"https://portal.example/venues/{venue.id}"
    assert str(found[f"booking-{two.id}@portal.example"]["summary"]) == "合唱团排练"
    assert str(found[f"booking-{three.id}@portal.example"]["summary"]) == "预约中"
    assert str(found[f"booking-{three.id}@portal.example"]["status"]) == "TENTATIVE"
    given_back = found[f"booking-{off.id}@portal.example"]
    assert (str(given_back["summary"]), str(given_back["status"])) == ("已取消", "CANCELLED")
    text = client.get(f"/venues/{venue.id}.ics").text.replace("\r\n ", "")
    for secret in ("张三", "没公开", "婚宴", "居民甲", "1990000"):
        assert secret not in text


def test_a_moved_booking_keeps_its_name_and_counts_up(client: FlaskClient, town: Town) -> None:
    venue = room(town.centres["A1"])
    row = booked(venue, THURSDAY, 540, 600)
    db.session.commit()
    (before,) = events(client, venue).values()
    row.starts_at, row.ends_at, row.held_until = (
        m + timedelta(hours=2) for m in (row.starts_at, row.ends_at, row.held_until)
    )
    row.revision += 1
    db.session.commit()
    (after,) = events(client, venue).values()
    assert after["uid"] == before["uid"]
    assert after["sequence"] == before["sequence"] + 1
    assert after.decoded("dtstart") - before.decoded("dtstart") == timedelta(hours=2)


def test_closures_and_rooms_that_are_not_there(client: FlaskClient, town: Town) -> None:
    venue = room(town.centres["A1"])
    shut = {"starts_at": rules.moment(THURSDAY, 540), "ends_at": rules.moment(THURSDAY, 720)}
    db.session.add_all(
        [
            VenueClosure(
                centre_id=venue.centre_id,
                venue_id=None,
                reason="消防演练",
                created_by="A1管理员",
                created_at=NOW,
                **shut,
            ),
            VenueClosure(
                centre_id=venue.centre_id,
                venue_id=venue.id,
                reason="已撤销的",
                created_by="A1管理员",
                created_at=NOW,
                lifted_at=NOW,
                **shut,
            ),
        ]
    )
    db.session.commit()
    (closed,) = events(client, venue).values()
    assert (str(closed["status"]), closed["sequence"]) == ("CONFIRMED", 2)  # it was closed and opened once before
    assert str(closed["summary"]) == "不开放：消防演练"
    assert closed.decoded("dtend") == shut["ends_at"]
    assert client.get("/venues/999999.ics").status_code == 404
    venue.active = False
    db.session.commit()
    assert client.get(f"/venues/{venue.id}.ics").status_code == 404
