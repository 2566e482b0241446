"""What is free, kept in memory: few statements, fresh after every write, and nobody gets somebody else's page (SPEC V2)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from portal.core import clock, scope
from portal.core.db import db, writing
from portal.people.models import Resident
from portal.venues.actions import booking, closures
from portal.venues.actions import rooms as room_actions
from portal.venues.availability import room_snapshot, search
from portal.venues.availability.search import Wanted
from portal.venues.models import OWN, Booking, Venue, VenueClosure
from tests.factories import NOW, Make, Town
from tests.venues.helping import at, span, wish

SEARCH = "/venues?centre=A1&day=2026-11-27&from=14:00&to=16:00&people=10"
WEEK = "/venues?centre=A1"


@pytest.fixture
def rooms(town: Town, make: Make) -> list[Venue]:
    """Two rooms of A1 and one next door."""
    return [
        make.venue(town.centres["A1"], name="大会议室"),
        make.venue(town.centres["A1"], name="小会议室"),
        make.venue(town.centres["A2"], name="隔壁会议室"),
    ]


def page(client: FlaskClient, path: str = SEARCH) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def elsewhere(app: Flask, write: Callable[[], object]) -> None:
    """A write as another process makes it: by a connection of its own, committed."""
    with app.app_context(), writing(), scope.system("another process"):
        write()


def asked(seen: list[str]) -> list[str]:
    return [s for s in seen if not s.startswith(("BEGIN", "PRAGMA"))]


# Few statements -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [WEEK, f"{WEEK}&week=2026-12-01", SEARCH])
def test_two_statements_when_nothing_has_changed(
    client: FlaskClient, rooms: Any, town: Town, as_resident: Any, count_queries: Any, path: str
) -> None:
    """The viewer, and whether anything has changed."""
    other = as_resident(client.application.test_client(), town.residents[1])
    page(as_resident(client, town.residents[0]), path)
    with count_queries() as seen:
        page(other, path)
    assert len(asked(seen)) == 2 and "web_session" in asked(seen)[0], seen


def test_a_room_costs_as_few_statements_for_the_next_one_who_looks(
    client: FlaskClient, rooms: list[Venue], town: Town, as_resident: Any, count_queries: Any
) -> None:
    """Who is looking, whether anything has changed, what people think of it; whom it may be booked for."""
    path, other = (
        f"/venues/{rooms[0].id}?day=2026-11-27",
        as_resident(client.application.test_client(), town.residents[1]),
    )
    as_resident(client, town.residents[0])
    for more, expected in (("", 3), ("&start=14:00", 4)):
        page(client, path + more)
        with count_queries() as seen:
            page(other, path + more)
        assert len(asked(seen)) == expected, seen


def test_another_wish_asks_only_for_days_nobody_has_asked_for(
    client: FlaskClient, rooms: Any, count_queries: Any
) -> None:
    page(client)
    with count_queries() as known:
        page(client, SEARCH.replace("14:00", "15:00"))
    with count_queries() as new:
        page(client, SEARCH.replace("27", "28"))
    assert (len(asked(known)), len(asked(new))) == (1, 2), (known, new)


def test_after_a_booking_the_same_few_whatever_the_number_of_rooms(
    app: Flask, client: FlaskClient, rooms: list[Venue], town: Town, make: Make, as_resident: Any, count_queries: Any
) -> None:
    as_resident(client, town.residents[0])
    you, counts, others = town.resident_actor(1), [], town.centres["A2"]
    for hour in (18, 20):
        page(client)
        wanted = wish(rooms[0], 27, hour, 60)
        db.session.rollback()
        elsewhere(app, lambda: booking.book(you, wanted, NOW))  # noqa: B023 at once
        with count_queries() as seen:
            page(client)
        counts.append(len(asked(seen)))
        for number in range(20):
            make.venue(others, name=f"更多{number}-{hour}")
    # Who is looking, the stamp; which versions; the one room that moved, its hours, closures and bookings.
    assert counts == [7, 7]


def test_a_process_that_knows_nothing(
    client: FlaskClient, rooms: Any, make: Make, town: Town, as_resident: Any, count_queries: Any
) -> None:
    as_resident(client, town.residents[0])

    def cold() -> int:
        room_snapshot.forget()
        client.application.extensions.pop("portal_kept", None)
        with count_queries() as seen:
            page(client)
        return len(asked(seen))

    few = cold()
    db.session.rollback()  # what this test has read is older than the sign-in
    for number in range(30):
        make.venue(town.centres["B1"], name=f"更多{number}")
    # Who is looking, the stamp; versions, rooms with their centres, hours, closures; bookings.
    assert cold() == few == 7


# Fresh ----------------------------------------------------------------------------------------------------------------


def test_what_another_process_does_is_shown_at_once(
    app: Flask, client: FlaskClient, rooms: list[Venue], town: Town
) -> None:
    big, small, _ = rooms
    clerk = town.actor("A1")
    assert "3 个场地有空" in page(client)
    me, big_wish, centre = town.resident_actor(0), wish(big), small.centre_id
    elsewhere(app, lambda: booking.book(me, big_wish, NOW))
    shown = page(client)
    assert "2 个场地有空" in shown and "大会议室" not in shown
    elsewhere(app, lambda: closures.close(clerk, centre, small.id, span(27, 8, 600), "打蜡", False, NOW))
    assert "1 个场地有空" in page(client)
    closure = select(VenueClosure.id)
    elsewhere(app, lambda: closures.lift(clerk, db.session.scalars(closure).one(), NOW))
    assert "2 个场地有空" in page(client)
    first = select(Booking.id)
    elsewhere(app, lambda: booking.withdraw(me, db.session.scalars(first).one(), NOW))
    assert "3 个场地有空" in page(client)
    elsewhere(app, lambda: room_actions.retire_room(clerk, small.id, NOW))
    assert "小会议室" not in page(client) and "小会议室" not in page(client, WEEK)
    elsewhere(app, lambda: room_actions.restore_room(clerk, small.id, NOW))
    assert "小会议室" in page(client) and "小会议室" in page(client, WEEK)


def test_a_changed_rule_is_shown_at_once(app: Flask, client: FlaskClient, rooms: list[Venue], town: Town) -> None:
    assert "大会议室" in page(client)
    clerk, number = town.actor("A1"), rooms[0].id

    def edit(**values: Any) -> None:
        room = db.session.get(Venue, number)
        assert room is not None
        room_actions.edit_room(
            clerk, number, replace(room_actions.facts_of(room), **values), room_actions.week_of(room), NOW
        )

    elsewhere(app, lambda: edit(capacity=9))
    assert "大会议室" not in page(client)
    elsewhere(app, lambda: edit(capacity=12, name="改了名的会议室"))
    assert "改了名的会议室" in page(client)


def test_hours_of_a_centre_and_centres_themselves_are_a_minute_old_at_most(
    client: FlaskClient, rooms: list[Venue], town: Town, session: Any
) -> None:
    assert "3 个场地有空" in page(client)
    session.execute(text("DELETE FROM opening_hours WHERE centre_id = :id"), {"id": town.centres["A2"].id})
    town.centres["A1"].active = False
    session.commit()
    with clock.frozen(NOW + timedelta(minutes=1)):
        assert "大会议室" not in page(client, SEARCH.replace("centre=A1&", "")) and "没有正好空着的" in page(client)


def test_the_hours_pass(client: FlaskClient, make: Make, town: Town) -> None:
    """An hour that begins too soon is not offered any more, though nobody has written anything."""
    make.venue(town.centres["A1"], notice=60)
    path = "/venues?centre=A1&day=today&from=12:00&to=13:00"
    with clock.frozen(at(25, 10, 59)):
        assert "1 个场地有空" in page(client, path)
    with clock.frozen(at(25, 11, 0) + timedelta(seconds=1)):
        assert "没有正好空着的" in page(client, path)


@pytest.mark.own_database
def test_what_a_request_takes_back_is_not_kept(app: Flask, rooms: list[Venue], town: Town, client: FlaskClient) -> None:
    """Offers are read in the middle of a write; what that write had done so far is nobody else's."""
    assert "3 个场地有空" in page(client)
    me, you, wanted_room = town.resident_actor(0), town.resident_actor(1), wish(rooms[0])
    db.session.rollback()
    with (
        app.app_context(),
        scope.system("a request that is refused in the end"),
        suppress(ZeroDivisionError),
        writing(),
    ):
        booking.book(me, wanted_room, NOW)
        db.session.flush()
        room_snapshot.forget()
        wanted = Wanted(days=(date(2026, 11, 27),), opens=840, closes=960)
        assert search.free_for(wanted, NOW).total == 3  # what has been committed
        raise ZeroDivisionError
    assert "3 个场地有空" in page(client)
    # A booking that is committed after all raises the version by as much as the one that was taken back.
    elsewhere(app, lambda: booking.book(you, wanted_room, NOW))
    assert "2 个场地有空" in page(client)


def test_far_days_and_odd_words_never_fail(client: FlaskClient, rooms: Any) -> None:
    for query in (
        "day=2199-12-31&from=14:00&to=16:00", "day=2027-03-01&from=14:00", "day=2026-11-27&from=23:00&to=26:00",
        "day=2026-11-27&from=47:59&to=48:00", "week=2199-12-31", "week=2027-01-04", "day=2026-11-27&page=999",
        "day=2026-11-27&function=%40slot%40&people=9999", "kind=%3Cscript%3E&function=%26%22",
    ):  # fmt: skip
        shown = page(client, f"/venues?centre=A1&{query}")
        assert "<script>" not in shown.split("</head>")[1]
    assert "没有正好空着的场地" in page(client, "/venues?centre=A1&day=2199-12-31&from=14:00&to=16:00")


def test_a_room_that_is_booked_half_a_year_ahead(client: FlaskClient, make: Make, town: Town) -> None:
    make.venue(town.centres["A1"], name="大礼堂", ahead_days=180)
    day = (NOW + timedelta(days=179)).date().isoformat()
    assert "1 个场地有空" in page(client, f"/venues?centre=A1&day={day}&from=14:00&to=16:00")


# One's own page -------------------------------------------------------------------------------------------------------


def test_nobody_gets_the_page_of_somebody_with_another_home(
    app: Flask, town: Town, make: Make, as_resident: Any, as_staff: Any, session: Any
) -> None:
    """A room for the centre's own residents: who looks first changes nothing, nor does a chosen centre."""
    make.venue(town.centres["A1"], name="本社区活动室", who_may=OWN)
    make.venue(town.centres["A1"], name="大家的活动室")
    homeless = Resident(phone="19900001234", name="甲", groups=[], quiet={}, created_at=NOW)
    session.add(homeless)
    session.commit()
    own, other = town.residents[0], town.residents[2]
    found = {}
    for name, person in (("other", other), ("own", own), ("homeless", homeless), ("staff", None), ("nobody", None)):
        client = app.test_client()
        client.get("/c/A1")  # chooses A1 for whoever has no home
        if person is not None:
            as_resident(client, person)
        elif name == "staff":
            as_staff(client, town.staff["A1"])
        found[name] = ["本社区活动室" in page(client, SEARCH), "只给甲一社区的居民用" in page(client, WEEK)]
    assert found == {
        "own": [True, False],
        "other": [False, True],
        "homeless": [False, True],
        "staff": [True, False],
        "nobody": [True, False],
    }


def test_a_rooms_page_is_ones_own(app: Flask, town: Town, make: Make, as_resident: Any, session: Any) -> None:
    """Whoever looks first: who may not book is told so, big type stays big, and the form carries one's own name."""
    room = make.venue(town.centres["A1"], name="本社区活动室", who_may=OWN)
    town.residents[1].elder_mode = True
    session.commit()
    path = f"/venues/{room.id}?day=2026-11-27&start=14:00"
    shown = []
    for person in (town.residents[2], town.residents[1], town.residents[0], None):
        client = app.test_client()
        if person is not None:
            as_resident(client, person)
        shown.append(page(client, path))
    other, elder, own, nobody = shown
    assert "只给甲一社区的居民用" in other and "book-form" not in other
    assert all("只给甲一社区的居民用" not in text and "book-form" in text for text in (elder, own, nobody))
    assert ["这一天的安排" in text for text in shown] == [True, False, True, True]
    assert f"我（{town.residents[0].name}）" in own and f"我（{town.residents[0].name}）" not in elder + nobody


def test_the_frame_is_ones_own(app: Flask, town: Town, rooms: Any, as_resident: Any, session: Any) -> None:
    """Unread messages, big type and the way in are not shared, though the rooms are."""
    town.residents[1].elder_mode = True
    session.commit()
    plain, elder, nobody = (app.test_client() for _ in range(3))
    as_resident(plain, town.residents[0])
    as_resident(elder, town.residents[1])
    for _ in range(2):
        assert 'class="elder"' in page(elder) and 'class="elder"' not in page(plain)
        assert 'class="elder"' not in page(nobody)
    tokens = {page(client).split('X-CSRFToken": "')[1][:40] for client in (plain, elder, nobody)}
    assert len(tokens) == 3 and not any("@" in token for token in tokens)


def test_the_centres_do_not_mix(client: FlaskClient, rooms: Any) -> None:
    for _ in range(2):
        assert "<p>甲一社区</p>" in page(client, WEEK) and "<p>甲二社区</p>" in page(client, "/venues?centre=A2")
        assert "隔壁会议室" in page(client, "/venues?centre=A2")


# Memory and threads ---------------------------------------------------------------------------------------------------


def test_the_memory_is_bounded(app: Flask, rooms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_snapshot, "MOST_DAYS", 50)
    with app.app_context():
        seen = room_snapshot.current(NOW)
        for number in range(120):
            search.free_for(Wanted(days=(NOW.date() + timedelta(days=number),)), NOW, seen)
            assert len(seen.taken) <= 50 + 3 * len(seen.rooms)


@pytest.mark.own_database
def test_threads_get_whole_answers(app: Flask, rooms: list[Venue], monkeypatch: pytest.MonkeyPatch) -> None:
    """Days are dropped and snapshots renewed under the feet of searches that run."""
    monkeypatch.setattr(room_snapshot, "MOST_DAYS", 4)
    wrong: list[object] = []
    stop = threading.Event()

    def look(offset: int) -> None:
        try:
            with app.app_context(), clock.frozen(NOW):
                for number in range(60):
                    day = NOW.date() + timedelta(days=1 + (offset + number) % 9)
                    if search.free_for(Wanted(days=(day,), opens=600, closes=660), NOW).total != 3:
                        wrong.append(day)
        except Exception as error:
            wrong.append(error)

    def renew() -> None:
        while not stop.wait(0.005):
            if room_snapshot._kept:
                old = room_snapshot._kept[0]
                room_snapshot._kept[:] = [replace(old, stamp="old", taken=dict(old.taken), days=dict(old.days))]

    threads = [threading.Thread(target=look, args=(n,)) for n in range(4)]
    other = threading.Thread(target=renew)
    for one in (*threads, other):
        one.start()
    for one in threads:
        one.join()
    stop.set()
    other.join()
    assert wrong == []


def test_another_database_is_not_answered_from_this_ones_snapshot(
    app: Flask, rooms: list[Venue], client: FlaskClient, session: Any
) -> None:
    """After a restore with the same stamp (as each test begins) `forget` starts anew."""
    assert "大会议室" in page(client)
    session.execute(text("UPDATE venue SET name = '恢复的会议室' WHERE id = :id"), {"id": rooms[0].id})
    session.commit()
    room_snapshot.forget()
    assert "恢复的会议室" in page(client)
