"""Use of rooms: every figure equals a count by hand and opens its records (SPEC V7, A1, P6)."""

from __future__ import annotations

import random
import re
import time as stopwatch
from datetime import date, datetime, timedelta
from html import unescape
from io import BytesIO
from typing import Any

import openpyxl
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert

from portal.centres.models import OpeningException
from portal.core import clock, scope
from portal.core.db import db, writing
from portal.venues import rules
from portal.venues.actions import check_in
from portal.venues.models import (
    APPROVED,
    BY_ACTIVITY,
    BY_RESIDENT,
    BY_STAFF,
    CANCELLED,
    LAPSED,
    PENDING,
    REFUSED,
    RELEASED,
    WAITING,
    Booking,
    Venue,
    VenueClosure,
    VenueHours,
)
from portal.venues.usage import figures as usage
from portal.venues.usage import idle
from tests.factories import NOW, Town
from tests.venues.made import booked, room

MONTH = "2026-11"
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)
DAYS = [FIRST + timedelta(days=n) for n in range(30)]


@pytest.fixture
def rooms(town: Town) -> list[Venue]:
    """Three rooms in A1, one in its station, one in A2; one with hours of its own, closures, a day that differs."""
    a1, station, a2 = (town.centres[c] for c in ("A1", "A1S", "A2"))
    made = [room(a1), room(a1, "少儿书吧", own_hours=True), room(a1, "闲房"), room(station, "站里"), room(a2, "别处")]
    night = ((0, 480, 720), (0, 1200, 1440), (1, 0, 90), (4, 600, 1300))
    db.session.add_all([VenueHours(venue_id=made[1].id, weekday=w, opens=o, closes=c) for w, o, c in night])
    for venue, start, end in ((made[0], (5, 600), (5, 1000)), (None, (10, 0), (12, 720))):
        db.session.add(
            VenueClosure(
                centre_id=a1.id,
                venue_id=venue.id if venue else None,
                reason="检修",
                created_by="A1管理员",
                created_at=NOW,
                starts_at=rules.moment(DAYS[start[0]], start[1]),
                ends_at=rules.moment(DAYS[end[0]], end[1]),
            )
        )
    db.session.add(OpeningException(centre_id=a1.id, day=DAYS[20], opens=600, closes=660, reason="演练"))
    db.session.commit()
    return made


def fill(rooms: list[Venue], seed: int = 7, count: int = 260) -> None:
    """Bookings of every kind and state that do not overlap, from before the month to after it."""
    dice = random.Random(seed)
    states = [APPROVED] * 6 + [RELEASED, PENDING, CANCELLED, WAITING, REFUSED]
    taken: dict[int, list[tuple[Any, Any]]] = {}
    for _ in range(count):
        venue, day = dice.choice(rooms), FIRST + timedelta(days=dice.randrange(-3, 34))
        start = dice.randrange(0, 46) * 30
        end = start + dice.choice((30, 60, 90, 120, 480))
        begins = rules.moment(day, 0) + timedelta(minutes=start)
        ends = begins + timedelta(minutes=end - start)
        if any(begins < e and s < ends for s, e in taken.get(venue.id, [])):
            continue
        taken.setdefault(venue.id, []).append((begins, ends))
        status, source = dice.choice(states), dice.choice((BY_RESIDENT, BY_STAFF, BY_ACTIVITY))
        came = begins if status == APPROVED and ends < NOW and dice.random() < 0.5 else None
        row = booked(
            venue,
            day,
            0,
            30,
            status=status,
            source=source,
            people=dice.randrange(1, 40),
            checked_in_at=came,
            function=dice.choice(("", "会议", "舞蹈")),
        )
        row.starts_at, row.ends_at, row.held_until = begins, ends, ends
    db.session.commit()


def by_hand(venue: Venue) -> dict[str, Any]:
    """The same figures, minute by minute and row by row, from the opening hours as they stand in the tables."""
    found: dict[str, Any] = {"open": [0, 0, 0], "booked": [0, 0, 0], "minutes": 0, "people": 0,
                             **dict.fromkeys(usage.KINDS, 0)}  # fmt: skip
    part = lambda minute: 0 if minute < 720 else 1 if minute < 1080 else 2  # noqa: E731
    shut = [
        c for c in db.session.query(VenueClosure) if c.centre_id == venue.centre_id and c.venue_id in (None, venue.id)
    ]
    hours = {w: [(h.opens, h.closes) for h in venue.hours if h.weekday == w] for w in range(7)}
    for day in DAYS:
        spans = hours[day.weekday()] if venue.own_hours else [(540, 1260)]
        if day == DAYS[20] and venue.centre.code == "A1":
            spans = [(600, 660)]
        for minute in range(1440):
            moment = rules.moment(day, minute)
            open_now = any(o <= minute < c for o, c in spans)
            if open_now and not any(c.starts_at <= moment < c.ends_at for c in shut):
                found["open"][part(minute)] += 1
    for row in db.session.query(Booking).filter_by(venue_id=venue.id):
        if not FIRST <= clock.local(row.starts_at).date() <= LAST or row.status not in (APPROVED, RELEASED):
            continue
        length = (row.ends_at - row.starts_at) // timedelta(minutes=1)
        over = row.ends_at <= NOW
        used = row.status == APPROVED and (row.checked_in_at is not None or (over and row.source == BY_ACTIVITY))
        kind = "missed" if row.status == RELEASED else "used" if used else "unrecorded" if over else "coming"
        found[kind] += 1
        if used:
            found["minutes"] += length
            found["people"] += row.people
        for n in range(length if row.status == APPROVED else 0):
            there = clock.local(row.starts_at + timedelta(minutes=n))
            found["booked"][part(there.hour * 60 + there.minute)] += 1
    return found


def test_figures_equal_a_count_by_hand(rooms: list[Venue], count_queries: Any) -> None:
    fill(rooms)
    path = rooms[0].centre.path
    db.session.commit()
    with count_queries() as seen:
        groups = usage.use_of(path, usage.month_span(MONTH), NOW)
    assert len([s for s in seen if not s.startswith(("BEGIN", "PRAGMA"))]) <= 6
    assert [g.centre.code for g in groups] == ["A1", "A1S"]
    for use in (u for g in groups for u in g.rooms):
        hand = by_hand(use.venue)
        assert list(use.figures.open_parts) == hand["open"], use.venue.name
        assert list(use.figures.booked_parts) == hand["booked"], use.venue.name
        assert use.figures.counts == {k: hand[k] for k in usage.KINDS}
        assert (use.figures.used, use.figures.people) == (hand["minutes"], hand["people"])
    everything = usage.total(usage.use_of(path, usage.month_span(MONTH), NOW))
    assert everything.bookings == sum(sum(by_hand(r)[k] for k in usage.KINDS) for r in rooms[:4])
    assert everything.percent == round(100 * everything.booked / everything.open)


def test_each_figure_opens_exactly_its_records(rooms: list[Venue]) -> None:
    fill(rooms)
    span = usage.month_span(MONTH)
    for group in usage.use_of(rooms[0].centre.path, usage.month_span(MONTH), NOW):
        for use in group.rooms:
            for kind in usage.KINDS:
                found, number = usage.records(usage.Wanted(span, venue_id=use.venue.id, kind=kind), 1, NOW)
                assert number == use.figures.counts[kind]
                assert {stored for _, stored in found} <= {kind}
                if kind == usage.USED:
                    assert sum((b.ends_at - b.starts_at) // timedelta(minutes=1) for b, _ in found) == use.figures.used
            for index, (part, _, first, last) in enumerate(usage.PARTS):
                wanted = usage.Wanted(span, venue_id=use.venue.id, kind="booked", part=part)
                found, _ = usage.records(wanted, 1, NOW)
                shares = [_parts(b)[index] for b, _ in found]
                assert sum(shares) == use.figures.booked_parts[index], (use.venue.name, part, first, last)
                assert all(shares)
        _, number = usage.records(usage.Wanted(span, centre_id=group.centre.id), 1, NOW)
        assert number == group.figures.bookings


def _parts(row: Booking) -> tuple[int, int, int]:
    begin = rules.moment(clock.local(row.starts_at).date(), 0)
    return usage.parts_of(
        (row.starts_at - begin) // timedelta(minutes=1), (row.ends_at - begin) // timedelta(minutes=1)
    )


def test_parts_of_a_day() -> None:
    assert usage.parts_of(540, 1260) == (180, 360, 180)
    assert usage.parts_of(1380, 1380 + 600) == (540, 0, 60)
    assert usage.parts_of(0, 1440) == (720, 360, 360)
    assert usage.parts_of(700, 700) == (0, 0, 0)


def test_idle_rooms_and_what_to_do_with_them(rooms: list[Venue]) -> None:
    for venue in rooms:
        venue.created_at = NOW - timedelta(days=90)
    rooms[2].created_at = NOW - timedelta(days=1)  # new: not idle for four weeks
    station = rooms[3]
    station.functions = ["会议"]
    today = clock.today(NOW)
    booked(station, today - timedelta(days=5), 540, 720)  # a Friday morning
    for number, (status, function) in enumerate(
        ((WAITING, "舞蹈"), (REFUSED, "舞蹈"), (LAPSED, "会议"), (APPROVED, "合唱"))
    ):
        booked(
            station,
            today + timedelta(days=2),
            540 + 60 * number,
            600 + 60 * number,
            status=status,
            function=function,
            created_at=NOW - timedelta(days=2),
        )
    for n in range(1, 29):
        booked(rooms[0], today - timedelta(days=n), 540, 1260)
    db.session.commit()
    found = {i.venue.name: i for i in idle.idle_rooms(rooms[0].centre.path, NOW)}
    assert set(found) == {"站里", "少儿书吧"}
    lonely = found["站里"]
    assert lonely.use.booked_minutes == 180
    assert lonely.empty == (("上午", "周一至周四、周六、周日"), ("下午", "每天"), ("晚上", "每天"))
    assert lonely.unmet == (("舞蹈", 2, False), ("会议", 1, True))
    wanted = usage.Wanted(idle.asked_for(NOW), centre_id=station.centre_id, kind="unmet", function="舞蹈")
    assert usage.records(wanted, 1, NOW)[1] == 2


def test_the_threshold_decides_what_is_idle(session: Any) -> None:
    enough = usage.Figures(open_parts=(1200, 0, 0))
    assert idle.DEFAULTS["idle_open_hours"] == 20
    assert idle.is_idle(enough.use)
    assert not idle.is_idle(usage.Figures(open_parts=(1200, 0, 0), booked_parts=(120, 0, 0)).use)
    assert usage.Figures().percent is None and usage.Figures().use.share == 0


@pytest.mark.parametrize(
    ("days", "words"),
    [([0, 1, 2, 3, 4], "周一至周五"), ([0, 2], "周一、周三"), ([5, 6], "周六、周日"), (list(range(7)), "每天")],
)
def test_days_in_words(days: list[int], words: str) -> None:
    assert idle.days_words(days) == words


# Pages ----------------------------------------------------------------------------------------------------------------


def test_the_page_and_every_link_on_it(client: FlaskClient, town: Town, rooms: list[Venue], as_staff: Any) -> None:
    fill(rooms)
    figures = usage.total(usage.use_of(rooms[0].centre.path, usage.month_span(MONTH), NOW))
    db.session.commit()
    visitor = as_staff(client, town.staff["A1"])
    page = visitor.get(f"/staff/venues/use?month={MONTH}")
    assert page.status_code == 200
    assert "多功能厅" in page.text
    assert "站里" in page.text
    assert "别处" not in page.text
    assert f"订了 <b>{figures.booked / 60:.1f}".removesuffix(".0") in page.text
    links = sorted({unescape(u) for u in re.findall(r'href="(/staff/venues/use[^"#]*)', page.text)})
    assert len(links) > 20
    for link in links:
        assert visitor.get(link).status_code == 200, link
    counted = re.search(r"共 <b>(\d+)</b> 条", visitor.get(f"/staff/venues/use/records?month={MONTH}&kind=used").text)
    assert counted
    assert int(counted[1]) == figures.counts["used"]


def test_who_may_look(client: FlaskClient, town: Town, rooms: list[Venue], as_staff: Any) -> None:
    fill(rooms)
    venue = rooms[0].id
    assert client.get("/staff/venues/use").status_code == 303
    for who, code in {
        "A1": 200,
        "A1-OP": 200,
        "A": 200,
        "D": 200,
        "D-LOOK": 200,
        "A2": 404,
        "A1S": 404,
        "B": 404,
        "ZFB": 404,
    }.items():
        visitor = as_staff(client.application.test_client(), town.staff[who])
        assert visitor.get(f"/staff/venues/use/{venue}?month={MONTH}").status_code == code, who
        overview = visitor.get(f"/staff/venues/use?month={MONTH}")
        assert overview.status_code == 200, who
        assert ("多功能厅" in overview.text) == (code == 200), who
        assert visitor.get("/staff/venues/use?centre=A1").status_code == (404 if who in {"A2", "A1S", "B"} else 200), (
            who
        )
    look = as_staff(client.application.test_client(), town.staff["D-LOOK"])
    listed = look.get(f"/staff/venues/use/records?month={MONTH}").text
    assert "/staff/venues/bookings/" not in listed, "an inspector reads, the booking's own page is for those who decide"


def test_odd_questions(client: FlaskClient, town: Town, rooms: list[Venue], as_staff: Any) -> None:
    visitor = as_staff(client, town.staff["A1"])
    for odd in ("month=x", "month=2026-13", "month=2099-12", "month=2000-01", "centre=", "month=2026-11&page=99"):
        assert visitor.get(f"/staff/venues/use?{odd}").status_code == 200, odd
    for odd in ("kind=x&part=y&page=0", "page=99999999999", "kind=unmet&recent=1", "function=" + "长" * 300, "own=1"):
        assert visitor.get(f"/staff/venues/use/records?{odd}").status_code in {200, 400}, odd
    assert visitor.get("/staff/venues/use?centre=nowhere").status_code == 404
    assert visitor.get("/staff/venues/use/999999").status_code == 404


def test_small_samples_are_marked(client: FlaskClient, town: Town, rooms: list[Venue], as_staff: Any) -> None:
    booked(rooms[3], DAYS[1], 600, 660)
    for number in range(6):
        booked(rooms[4], DAYS[number], 600, 660)
    db.session.commit()
    page = as_staff(client, town.staff["A1S"]).get(f"/staff/venues/use?month={MONTH}").text
    assert "样本少" in page
    assert "开放时间少" not in page
    assert "样本少" not in as_staff(client, town.staff["A2"]).get(f"/staff/venues/use?month={MONTH}").text
    assert idle.little_open(usage.Figures(open_parts=(1199, 0, 0)))
    assert not idle.little_open(usage.Figures(open_parts=(1200, 0, 0)))


def test_nothing_to_count_yet(client: FlaskClient, town: Town, as_staff: Any) -> None:
    page = as_staff(client, town.staff["B1"]).get("/staff/venues/use")
    assert "没有场地可以统计" in page.text


def test_the_workbook_says_the_same(client: FlaskClient, town: Town, rooms: list[Venue], as_staff: Any) -> None:
    rooms[0].name = "=1+1"
    fill(rooms)
    groups = usage.use_of(rooms[0].centre.path, usage.month_span(MONTH), NOW)
    db.session.commit()
    answer = as_staff(client, town.staff["A1"]).get(f"/staff/venues/use.xlsx?month={MONTH}")
    assert answer.status_code == 200
    book = openpyxl.load_workbook(BytesIO(answer.data))
    assert book.sheetnames == ["场地", "中心", "闲置"]
    lines = list(book["场地"].iter_rows(min_row=3, values_only=True))
    shown = [u for g in groups for u in g.rooms]
    assert len(lines) == len(shown)
    for line, use in zip(lines, shown, strict=True):
        assert line[1] == use.venue.name
        assert line[2] == round(use.figures.open / 60, 1)
        assert line[3] == round(use.figures.booked / 60, 1)
        assert line[6] == use.figures.bookings
    assert book["场地"]["B3"].data_type == "s"
    assert book["中心"]["B3"].value == 3


def test_many_rooms_and_bookings_answer_quickly(
    app: Flask, client: FlaskClient, town: Town, as_staff: Any, count_queries: Any
) -> None:
    """300 rooms, 12,000 bookings of the month: the same statements as for five rooms, in less than a second of this process."""
    codes = ("A1", "A2", "A1S", "B1", "B2")
    rooms = [room_of(town.centres[codes[n % 5]].id, n) for n in range(300)]
    db.session.add_all(rooms)
    db.session.flush()
    values = [
        {
            "venue_id": v.id,
            "centre_id": v.centre_id,
            "source": BY_RESIDENT,
            "title": "用",
            "function": "会议",
            "people": 3,
            "needs": "",
            "contact_name": "",
            "contact_phone": "",
            "reason": "",
            "created_by": "",
            "revision": 1,
            "starts_at": start,
            "ends_at": start + timedelta(hours=1),
            "held_until": start + timedelta(hours=1),
            "status": APPROVED,
            "created_at": NOW,
        }
        for v in rooms
        for n in range(40)
        for start in [rules.moment(DAYS[n % 30], 540 + 90 * (n // 30))]
    ]
    db.session.execute(insert(Booking), values)
    db.session.commit()
    visitor = as_staff(client, town.staff["D"])
    visitor.get("/staff/venues/use")
    best = 9.0
    for _ in range(3):
        with count_queries() as seen:
            began = stopwatch.thread_time()
            page = visitor.get(f"/staff/venues/use?month={MONTH}")
            best = min(best, stopwatch.thread_time() - began)
    assert page.status_code == 200
    assert "每个中心" in page.text
    assert len(seen) < 45
    assert best < 1.0


def room_of(centre_id: int, number: int) -> Venue:
    return Venue(
        centre_id=centre_id,
        name=f"房{number}",
        door_key=f"k{number}",
        created_at=NOW - timedelta(days=90),
        updated_at=NOW,
        functions=[],
        equipment=[],
    )


def test_a_month_that_runs_on(town: Town, rooms: list[Venue]) -> None:
    """What is still to come counts as booked; a booking belongs to the month in which it starts."""
    night = booked(rooms[1], LAST, 1380, 1440)
    night.ends_at = night.held_until = night.starts_at + timedelta(hours=3)
    db.session.commit()
    with scope.system("test"):
        november = usage.total(usage.use_of(rooms[0].centre.path, usage.month_span(MONTH), NOW))
        december = usage.total(
            usage.use_of(rooms[0].centre.path, usage.month_span("2026-12"), datetime.now(NOW.tzinfo))
        )
    assert november.booked_parts == (120, 0, 60)
    assert november.counts["coming"] == 1
    assert december.booked == 0


def test_kept_figures_follow_every_write_and_stay_in_their_scope(
    client: FlaskClient, town: Town, rooms: list[Venue], as_staff: Any, session: Any
) -> None:
    """Who looks again sees what has been written meanwhile; a department sees nothing of what a district saw."""
    today = clock.today(NOW)
    row = booked(rooms[0], today, 540, 660)
    session.commit()
    number, page, clerk = row.id, f"/staff/venues/use?month={today:%Y-%m}", town.actor("A1")
    session.rollback()
    district = as_staff(client, town.staff["D"])
    for _ in range(2):
        assert "<b>0</b><span>次用了" in district.get(page).text
    with client.application.app_context(), writing(), scope.system("somebody else's request"):
        check_in.check_in_by_staff(clerk, number, NOW)
    assert "<b>1</b><span>次用了" in district.get(page).text
    assert "多功能厅" not in as_staff(client.application.test_client(), town.staff["ZFB"]).get(page).text
