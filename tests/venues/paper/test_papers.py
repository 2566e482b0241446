"""Papers of rooms: the week for the door, the centre's table, the poster at the door (SPEC V5, V7, P8, Q7)."""

from __future__ import annotations

import dataclasses
import re
from datetime import date, timedelta
from io import BytesIO
from typing import Any

import pikepdf
import pytest
from flask.testing import FlaskClient

from portal.core import clock
from portal.core.pdf import render
from portal.venues.models import BY_ACTIVITY, BY_STAFF, CANCELLED, PENDING, RELEASED, VenueClosure
from portal.venues.paper import documents
from portal.venues.paper.documents import ACTIVITY, ASKED, BOOKED, CentreWeek, Day, DoorPoster, RoomWeek, Shut, Slot
from tests.core.printed import codes_in, fetched, fonts_of, links_of, picture, text_of
from tests.factories import NOW, Town
from tests.venues.made import KEY, booked, room

pytestmark = pytest.mark.once

MONDAY = date(2026, 11, 23)
HOURS = ((540, 1260),)
URL = "https://fuwu.example.gov.cn/venues/12"
DAYS = tuple(MONDAY + timedelta(days=n) for n in range(7))
EMPTY = tuple(Day(day, HOURS) for day in DAYS)
FULL = tuple(
    Day(
        day,
        HOURS,
        tuple(
            Slot(
                540 + 60 * n,
                600 + 60 * n,
                *(("社区老年大学手机摄影班", ACTIVITY), ("已预约", BOOKED), ("预约中", ASKED))[n % 3],
            )
            for n in range(12)
        ),
    )
    for day in DAYS
)
WEEK = RoomWeek(
    name="多功能厅",
    centre_name="葵涌社区党群服务中心",
    days=EMPTY,
    issued_on=date(2026, 11, 21),
    url=URL,
    place="二楼 203",
    capacity=50,
    area_m2=86,
    functions=("会议", "培训"),
    hours=("每天 9:00–21:00",),
    rules=("离开时关灯", "桌椅放回原处"),
    phone="0755-84200001",
)


def ink(made: bytes, page: int = 1) -> float:
    """The share of dark points on a page."""
    counts = picture(made, page, 40).histogram()
    return sum(counts[:128]) / sum(counts)


def sizes_of(made: bytes) -> set[float]:
    """Type sizes used on the first page, in points as printed."""
    with pikepdf.open(BytesIO(made)) as opened:
        parts = opened.pages[0].Contents
        content = parts.read_bytes() if isinstance(parts, pikepdf.Stream) else b"\n".join(p.read_bytes() for p in parts)
    scales = [abs(float(m)) for m in re.findall(rb"/\S+ ([\d.]+) Tf", content)]
    return {round(s, 1) for s in scales}


def test_an_empty_week_invites_and_its_code_opens_the_room() -> None:
    made = render(documents.room_week(WEEK, "a3"))
    (text,) = text_of(made)
    for words in ("葵涌社区党群服务中心", "多功能厅", "11月23日—29日", "二楼203", "可容50人", "每天9:00–21:00", "离开时关灯",
                  "0755-84200001", "2026年11月21日制", "第1页共1页", "这一周都还空着", "周一23日", "周日29日"):  # fmt: skip
        assert words in text
    assert codes_in(picture(made, 1, 60)) == [URL]
    assert links_of(made) == [URL]
    assert all(fonts_of(made).values())
    assert ink(made) > 0.05


@pytest.mark.parametrize("paper", documents.PAPERS)
def test_a_full_week_names_every_hour_on_one_sheet(paper: str) -> None:
    made = render(documents.room_week(dataclasses.replace(WEEK, days=FULL), paper))
    (text,) = text_of(made)
    assert text.count("社区老年大学手机摄影班") == 4 * 7
    assert text.count("已预约") == text.count("预约中") == 4 * 7
    assert "…" not in text
    assert "还空着" not in text
    assert codes_in(picture(made, 1, 60 if paper == "a3" else 85)) == [URL]
    width, height = (297, 210) if paper == "a4" else (420, 297)
    with pikepdf.open(BytesIO(made)) as opened:
        box = [float(n) for n in opened.pages[0].MediaBox]
    assert box[2] == pytest.approx(width * 72 / 25.4, abs=1)
    assert box[3] == pytest.approx(height * 72 / 25.4, abs=1)


def test_a3_is_read_from_two_metres() -> None:
    """Title at least 60 pt, everything that is read at least 18 pt; only the issue line is smaller."""
    made = render(documents.room_week(dataclasses.replace(WEEK, days=FULL), "a3"))
    unit = min(sizes_of(made))
    sizes = sorted(s for s in sizes_of(made))
    assert max(sizes) / unit == pytest.approx(72 / 14, rel=0.02)
    assert sizes[1] / unit == pytest.approx(18 / 14, rel=0.02)


@pytest.mark.parametrize("name", ["大鹏半岛国家地质公园博物馆多媒体学术报告厅（东区）", "长" * 60, "A"])
def test_long_and_short_names_stay_on_one_sheet(name: str) -> None:
    week = dataclasses.replace(
        WEEK,
        name=name,
        days=FULL,
        place="东区一楼，请从北门进，凭身份证登记后由工作人员带入",
        rules=("很长的须知" * 20,) * 5,
        hours=("周一至周五 9:00–12:00、14:00–21:00（晚间延时）", "周六 9:00–17:00", "周日不开放"),
    )
    made = render(documents.room_week(week, "a3"))
    (text,) = text_of(made)
    assert name[:20] in text
    assert codes_in(picture(made, 1, 60)) == [URL]


def test_closures_say_why() -> None:
    days = (Day(MONDAY, HOURS, shut=(Shut(840, 1020, "空调检修"),)), Day(DAYS[1], closed="台风停用"), *EMPTY[2:])
    (text,) = text_of(render(documents.room_week(dataclasses.replace(WEEK, days=days))))
    assert "空调检修" in text
    assert "不开放台风停用" in text
    everywhere = tuple(Day(day, closed="春节放假") for day in DAYS)
    (text,) = text_of(render(documents.room_week(dataclasses.replace(WEEK, days=everywhere))))
    assert text.count("春节放假") == 7
    assert "空白处都可以订" not in text


def test_half_hours_are_put_together_instead_of_left_out() -> None:
    slots = tuple(Slot(480 + 30 * n, 510 + 30 * n, "已预约") for n in range(28))
    joined = documents.merged(slots, 35)
    assert [(s.start, s.end, s.count) for s in joined] == [(480 + 60 * n, 540 + 60 * n, 2) for n in range(14)]
    assert sum(s.count for s in documents.merged(slots, 20)) == 28
    both = documents.merged((Slot(540, 550, "合唱", ACTIVITY), Slot(550, 560, "已预约")), 30)
    assert [(s.start, s.end, s.text, s.kind) for s in both] == [(540, 560, "合唱、已预约", ACTIVITY)]


def test_a_centres_twelve_rooms() -> None:
    rooms = tuple(dataclasses.replace(WEEK, name=f"活动室{n}", days=(EMPTY, FULL)[n % 2]) for n in range(1, 13))
    week = CentreWeek(
        "葵涌社区党群服务中心",
        rooms,
        MONDAY,
        date(2026, 11, 21),
        "https://x.example/venues?centre=A1",
        "0755-84200001",
        "葵新北路8号",
        ("每天 9:00–21:00",),
    )
    made = render(documents.centre_week(week))
    pages = text_of(made)
    everything = "".join(pages)
    for n in range(1, 13):
        assert f"活动室{n}" in everything
    assert everything.count("空着可订") == 6 * 7
    for number, text in enumerate(pages, start=1):
        assert f"第{number}页共{len(pages)}页" in text
        assert "周一11月23日" in text
        assert ink(made, number) > 0.01
    assert codes_in(picture(made, 1, 110)) == ["https://x.example/venues?centre=A1"]
    assert all(fonts_of(made).values())
    with pytest.raises(ValueError, match="needs rooms"):
        render(documents.centre_week(dataclasses.replace(week, rooms=())))


def test_bookings_in_a_row_become_one_line() -> None:
    slots = (
        Slot(540, 600, "已预约"),
        Slot(600, 660, "已预约"),
        Slot(660, 720, "合唱", ACTIVITY),
        Slot(780, 800, "已预约"),
    )
    assert [(s.start, s.end, s.count) for s in documents.touching(slots)] == [
        (540, 660, 2),
        (660, 720, 1),
        (780, 800, 1),
    ]


def test_the_doors_poster_holds_both_codes_and_says_what_to_do() -> None:
    poster = DoorPoster(
        "多功能厅",
        "葵涌社区党群服务中心",
        f"{URL}/door/{KEY}",
        URL,
        date(2026, 11, 21),
        "二楼 203",
        "0755-84200001",
        release="15 分钟",
        early="30 分钟",
    )
    made = render(documents.door_poster(poster))
    (text,) = text_of(made)
    for words in ("到了扫一扫", "我到了", "想订这个场地", "开始后15分钟", "0755-84200001", "第1页共1页"):
        assert words in text
    assert codes_in(picture(made, 1, 72)) == sorted([URL, f"{URL}/door/{KEY}"])
    assert "让给别人" not in text_of(render(documents.door_poster(dataclasses.replace(poster, release=""))))[0]


# From the database ----------------------------------------------------------------------------------------------------


def _fill(town: Town) -> Any:
    venue = room(town.centres["A1"])
    person = town.residents[0].id
    booked(venue, DAYS[3], 540, 600, resident_id=person)
    booked(venue, DAYS[3], 600, 720, source=BY_ACTIVITY)
    booked(venue, DAYS[4], 540, 600, source=BY_ACTIVITY, status=PENDING, title="还没公开的活动")
    booked(venue, DAYS[4], 840, 900, source=BY_STAFF, title="支部会议")
    booked(venue, DAYS[4], 900, 960, source=BY_STAFF, contact_name="李四", contact_phone="19900000009")
    for status in (CANCELLED, RELEASED):
        booked(venue, DAYS[5], 540, 600, resident_id=person, status=status)
    town_session = VenueClosure(
        centre_id=venue.centre_id,
        venue_id=venue.id,
        starts_at=clock.at(DAYS[6], clock.local(NOW).time()),
        ends_at=clock.at(DAYS[6], clock.local(NOW).time()) + timedelta(hours=2),
        reason="空调检修",
        created_by="A1管理员",
        created_at=NOW,
    )
    from portal.core.db import db

    db.session.add(town_session)
    db.session.commit()
    return venue


def test_anybody_prints_the_week_and_reads_no_name(client: FlaskClient, town: Town) -> None:
    venue = _fill(town)
    answer = fetched(client, f"/print/venues/{venue.id}.pdf?paper=a3")
    assert answer.status_code == 200
    assert answer.mimetype == "application/pdf"
    (text,) = text_of(answer.data)
    for words in (
        "合唱团排练",
        "空调检修",
        "9:00–10:00已预约",
        "14:00–15:00中心使用",
        "15:00–16:00已预约",
        "离开时关灯",
    ):
        assert words in text
    assert text.count("预约中") == 1
    for secret in ("张三", "李四", "支部会议", "还没公开", "居民甲", "1990000"):
        assert secret not in text
    assert codes_in(picture(answer.data, 1, 60)) == [f"https://portal.example/venues/{venue.id}"]


def test_another_week_and_odd_questions(client: FlaskClient, town: Town) -> None:
    venue = _fill(town)
    (later,) = text_of(fetched(client, f"/print/venues/{venue.id}.pdf?week=2026-12-03").data)
    assert "11月30日—12月6日" in later
    assert "合唱团" not in later
    for odd in ("week=x", "week=9999-12-31", "paper=a0", "week=&paper="):
        (text,) = text_of(fetched(client, f"/print/venues/{venue.id}.pdf?{odd}").data)
        assert "11月23日—29日" in text
    venue.active = False
    from portal.core.db import db

    db.session.commit()
    assert fetched(client, f"/print/venues/{venue.id}.pdf").status_code == 404
    assert fetched(client, "/print/venues/999999.pdf").status_code == 404


def test_the_centres_sheet(client: FlaskClient, town: Town) -> None:
    _fill(town)
    room(town.centres["A1"], "少儿书吧", place="一楼")
    room(town.centres["A1S"], "别的中心的房间")
    text = "".join(text_of(fetched(client, "/print/venues/centre/A1.pdf").data))
    assert "多功能厅" in text
    assert "少儿书吧" in text
    assert "合唱团排练" in text
    assert "别的中心" not in text
    assert "张三" not in text
    answer = fetched(client, "/print/venues/centre/B1.pdf")
    assert answer.status_code == 404
    assert "还没有可以预约的场地" in answer.text
    assert fetched(client, "/print/venues/centre/nowhere.pdf").status_code == 404


def test_the_key_of_the_door_is_for_those_who_look_after_the_room(
    client: FlaskClient, town: Town, as_staff: Any, as_resident: Any
) -> None:
    venue = room(town.centres["A1"])
    path = f"/print/venues/{venue.id}/door.pdf"
    assert client.get(path).status_code == 303
    expected = {"A1": 200, "A1-OP": 200, "A": 200, "A2": 404, "A1S": 404, "B1": 404, "D-LOOK": 403, "ZFB": 404}
    seen = {who: fetched(as_staff(client.application.test_client(), town.staff[who]), path) for who in expected}
    assert {who: answer.status_code for who, answer in seen.items()} == expected
    assert f"https://portal.example/venues/{venue.id}/door/{KEY}" in codes_in(picture(seen["A1"].data, 1, 72))
    assert "no-store" in seen["A1"].headers["Cache-Control"]
    assert as_resident(client, town.residents[0]).get(path).status_code == 303
