"""Finding a room: a centre's rooms, a wish by time and people, never a dead end (SPEC V1, V2, N3; Q1, Q2)."""

from __future__ import annotations

import re
from datetime import time, timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.core import clock
from portal.venues.models import Venue
from tests.factories import NOW, Make, Town

TODAY = NOW.date()
DAY = TODAY + timedelta(days=1)
SECRET_NAME, SECRET_TITLE = "保密的来电人", "保密的用途"


def at(hour: int, minute: int = 0, days: int = 1) -> Any:
    return clock.at(TODAY + timedelta(days=days), time(hour, minute))


def text(client: FlaskClient, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, f"{path}: {answer.status_code}"
    return answer.get_data(as_text=True)


def links(page: str, pattern: str) -> list[str]:
    return [unescape(url) for url in re.findall(rf'href="({pattern}[^"]*)"', page)]


@pytest.fixture
def hall(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="多功能厅", capacity=60, functions=["会议", "舞蹈"])


@pytest.fixture
def small(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="书吧", capacity=8, functions=["读书"])


@pytest.fixture
def near(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A2"], name="邻居会议室", capacity=20, functions=["会议"])


@pytest.fixture
def far(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["B2"], name="远处大厅", capacity=200, functions=["会议"])


def test_a_centres_rooms_with_the_days_ahead(client: FlaskClient, town: Town, make: Make, hall: Venue) -> None:
    make.booking(hall, at(9, days=2), 12 * 60)
    make.booking(hall, at(9, days=3), 9 * 60)
    make.closure(hall, at(0, days=4), at(0, days=5))
    page = text(client, "/venues?centre=A1")
    assert "多功能厅" in page and "容纳 60 人" in page
    assert '今天 <span class="whole">11:00–21:00</span> 有空' in page
    strip = re.search(r'<nav class="strip".*?</nav>', page, re.DOTALL)
    assert strip is not None
    words = re.findall(r"</b>(\S+?)</a>", strip[0])
    assert words == ["有空", "有空", "订满", "不多", "不开", "有空", "有空"]
    assert links(strip[0], "/venues/")[1] == f"/venues/{hall.id}?day=2026-11-26"


def test_the_week_can_be_turned(client: FlaskClient, hall: Venue) -> None:
    page = text(client, "/venues?centre=A1&week=2026-12-03")
    assert "11月30日（周一）起的一周" in page and "day=2026-11-30" in page
    assert "/venues?centre=A1&week=2026-12-07" in links(page, "/venues")
    assert "还早" in text(client, "/venues?centre=A1&week=2026-12-14")


def test_without_a_centre_one_is_chosen_first(client: FlaskClient, hall: Venue, near: Venue) -> None:
    page = text(client, "/venues")
    assert "/?choose=1" in page and "/venues?centre=A1" in page and "/venues?centre=A2" in page
    client.get("/c/A1")
    assert "多功能厅" in text(client, "/venues")


def test_a_centre_without_rooms_shows_the_nearest(client: FlaskClient, town: Town, near: Venue, far: Venue) -> None:
    page = text(client, "/venues?centre=A1S")
    assert "还没有网上能订的场地" in page and "tel:" in page
    assert page.index("甲二社区") > 0
    order = [page.index(f"/venues?centre={code}") for code in ("B2", "A2")]
    assert order == sorted(order)  # A1S lies next to B2


def test_a_wish_finds_free_rooms_own_centre_first(
    client: FlaskClient, make: Make, hall: Venue, small: Venue, near: Venue, far: Venue
) -> None:
    make.booking(far, at(14), 60)
    page = text(client, "/venues?centre=A1&day=tomorrow&from=14:00&to=16:00&people=10")
    assert "2 个场地有空" in page
    assert page.index("多功能厅") < page.index("邻居会议室")
    assert "书吧" not in page and "远处大厅" not in page
    found = links(page, f"/venues/{hall.id}")
    assert found == [f"/venues/{hall.id}?day=2026-11-26&start=14:00&end=16:00&people=10"]
    assert "14:00 开始" in text(client, found[0]) and 'value="16:00" selected' in text(client, found[0])


def test_filters_by_use_and_kind(client: FlaskClient, town: Town, make: Make, hall: Venue, small: Venue) -> None:
    make.venue(town.centres["A1"], name="广场", kind="public", functions=["舞蹈"])
    page = text(client, "/venues?centre=A1&function=舞蹈")
    assert "多功能厅" in page and "广场" in page and "书吧" not in page
    page = text(client, "/venues?centre=A1&kind=public")
    assert "广场" in page and "多功能厅" not in page


def test_free_now(client: FlaskClient, make: Make, hall: Venue, small: Venue) -> None:
    make.booking(small, at(9, days=0), 120)
    page = text(client, "/venues?centre=A1&when=now")
    assert "多功能厅" in page and "现在空着，到 21:00" in page and "最早订 11:00" in page
    assert "书吧" not in page


def test_the_weekend_and_a_whole_day(client: FlaskClient, make: Make, hall: Venue) -> None:
    page = text(client, "/venues?centre=A1&day=weekend")
    assert "11月28日（周六）、11月29日（周日）" in page and "多功能厅" in page
    make.booking(hall, at(9), 12 * 60)
    page = text(client, "/venues?centre=A1&day=tomorrow")
    assert "没有正好空着的场地" in page and "这些时间有空" in page


def test_nothing_fits_brings_other_times_that_can_be_had(client: FlaskClient, make: Make, hall: Venue) -> None:
    make.booking(hall, at(14), 60)
    page = text(client, "/venues?centre=A1&day=tomorrow&from=14:00&to=15:00")
    assert "没有正好空着的场地" in page
    other = links(page, f"/venues/{hall.id}")
    assert other == [
        f"/venues/{hall.id}?day=2026-11-26&start=13:00&end=14:00",
        f"/venues/{hall.id}?day=2026-11-26&start=15:00&end=16:00",
    ]
    for url in other:
        assert "订走了" not in text(client, url)


def test_too_many_people_names_the_largest(client: FlaskClient, hall: Venue) -> None:
    page = text(client, "/venues?centre=A1&people=500")
    assert "附近最大的场地坐 60 人" in page and "tel:075584200003" in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("day=2026-11-20&from=9:00", "这一天已经过去了"),
        ("from=16:00&to=14:00", "结束时间要晚于开始时间"),
        ("to=14:00", "请也选一个开始时间"),
        ("from=下午", "时间请按 14:00 的样子填写"),
    ],
)
def test_a_bad_wish_is_explained_and_kept(client: FlaskClient, hall: Venue, query: str, said: str) -> None:
    page = text(client, f"/venues?centre=A1&people=7&{query}")
    assert said in page and 'name="people" min="1" max="9999" inputmode="numeric" value="7"' in page


@pytest.mark.parametrize(
    "query",
    ["day=x", "day=9999-99-99", "day=0001-01-01", "week=-1", "from=99:99", "people=-3", "people=1e9", "page=0",
     "page=99", "kind=%00", "function=%27", "centre=NOPE", "when=never", "day=9999-12-31", "week=9999-12-31"],
)  # fmt: skip
def test_odd_addresses_open(client: FlaskClient, hall: Venue, query: str) -> None:
    text(client, f"/venues?{query}")
    text(client, f"/venues/{hall.id}?{query}&start=25:99&end=x")


def test_rooms_for_others_are_said_to_be_so(
    client: FlaskClient, town: Town, make: Make, as_resident: Any, hall: Venue
) -> None:
    own = make.venue(town.centres["A1"], name="本社区教室", who_may="own")
    desk = make.venue(town.centres["A1"], name="党员活动室", who_may="staff")
    as_resident(client, town.residents[3])  # lives in B1
    page = text(client, "/venues?centre=A1")
    assert "不在网上预约" in page and "只给甲一社区的居民用" in page
    page = text(client, "/venues?centre=A1&day=tomorrow")
    assert "多功能厅" in page and "本社区教室" not in page and "党员活动室" not in page
    for one in (own, desk):
        page = text(client, f"/venues/{one.id}?start=14:00")
        assert "确认预约" not in page and "075584200003" in page
    as_resident(client, town.residents[0])
    assert "本社区教室" in text(client, "/venues?centre=A1&day=tomorrow")


def test_outside_places_tell_how_to_book_there(client: FlaskClient, town: Town, make: Make, hall: Venue) -> None:
    outside = make.venue(
        town.centres["D"],
        name="市图书馆",
        kind="city",
        bookable=False,
        link="https://lib.example/book",
        phone="0755-84200088",
    )
    page = text(client, "/venues?centre=A1")
    assert "市级公共场地" in page and "不在这里预约" in page and f"/venues/{outside.id}" in page
    page = text(client, f"/venues/{outside.id}")
    assert 'href="https://lib.example/book"' in page and "tel:075584200088" in page and "以对方说的为准" in page
    assert "/book" not in links(page, f"/venues/{outside.id}/")


def test_the_search_is_paged(client: FlaskClient, town: Town, make: Make) -> None:
    for number in range(23):
        make.venue(town.centres["A1"], name=f"小间{number:02d}", position=number)
    page = text(client, "/venues?centre=A1&day=tomorrow")
    assert "23 个场地有空" in page and page.count('<li><a class="panel"') == 20 and "第 1 页，共 2 页" in page
    assert text(client, "/venues?centre=A1&day=tomorrow&page=2").count('<li><a class="panel"') == 3


def test_a_centres_own_page_leads_to_its_rooms(client: FlaskClient, hall: Venue, small: Venue) -> None:
    page = text(client, "/c/A1")
    assert "2 个场地" in page and "/venues?centre=A1" in page and f'href="/venues/{hall.id}"' in page
    assert "附近的场地" in text(client, "/c/B1")


# The room's own page --------------------------------------------------------------------------------------------------


def test_a_room_tells_everything_and_nobodys_name(client: FlaskClient, town: Town, make: Make) -> None:
    room = make.venue(
        town.centres["A1"],
        name="排练厅",
        place="二楼 203",
        area_m2=120,
        capacity=40,
        equipment=["镜子"],
        cancel=120,
        release=15,
        hours_per_week=4,
        bookings_per_month=3,
        terms_of_use="请换软底鞋\n用完关灯",
        contact="陈社工",
        responsible="shared",
        partner="某某学校",
        needs_approval=True,
        intro="有一面大镜子",
    )
    make.booking(room, at(10), 60, contact_name=SECRET_NAME, title=SECRET_TITLE)
    page = text(client, f"/venues/{room.id}?day=2026-11-26")
    for words in ("二楼 203", "120 平方米", "镜子", "9:00–21:00", "谁都可以订", "24 小时内答复", "至少提前 1 小时",
                  "最多提前 14 天", "30 分钟到 3 小时", "每人每周最多 4 小时", "每月最多 3 次", "开始前 2 小时可以自己退订",
                  "15 分钟没人签到", "陈社工", "和某某学校共用", "请换软底鞋", "有一面大镜子", "已订出"):  # fmt: skip
        assert words in page, words
    assert SECRET_NAME not in page and SECRET_TITLE not in page


def test_public_activities_are_named_drafts_are_not(client: FlaskClient, make: Make, hall: Venue) -> None:
    activity: dict[str, Any] = {"source": "activity", "source_id": 7, "contact_name": "", "contact_phone": ""}
    make.booking(hall, at(9), 60, title="合唱排练", **activity)
    make.booking(hall, at(11), 60, title="还没公布的活动", status="pending", **activity)
    page = text(client, f"/venues/{hall.id}?day=2026-11-26")
    assert '<a href="/services/7">活动：合唱排练</a>' in page and "还没公布的活动" not in page


def test_the_first_day_with_room_is_shown(client: FlaskClient, make: Make, hall: Venue) -> None:
    make.booking(hall, at(9, days=0), 12 * 60)
    page = text(client, f"/venues/{hall.id}")
    assert "11月26日（周四）" in page and "start=9:00" in page


@pytest.mark.parametrize(
    ("day", "said"), [("2026-11-27", "订满了"), ("2026-11-28", "设备检修"), ("2026-12-30", "最多提前 14 天订")]
)
def test_a_day_without_room_says_why_and_where_else(
    client: FlaskClient, make: Make, hall: Venue, day: str, said: str
) -> None:
    make.booking(hall, at(9, days=2), 12 * 60)
    make.closure(hall, at(0, days=3), at(0, days=4))
    page = text(client, f"/venues/{hall.id}?day={day}")
    assert said in page and f"/venues?centre=A1&day={day}" in links(page, "/venues")


def test_the_rooms_week(client: FlaskClient, make: Make, hall: Venue) -> None:
    make.booking(hall, at(9), 180)
    page = text(client, f"/venues/{hall.id}?week=2026-11-23")
    assert '下午 <span class="whole">12:00–18:00</span> 有空' in page
    assert "day=2026-12-01" in page  # the strip begins today


@pytest.mark.parametrize("path", ["/venues/99999", "/venues/99999?day=2026-11-26"])
def test_an_unknown_room_is_a_page_with_a_way_out(client: FlaskClient, town: Town, path: str) -> None:
    assert "回首页" in text(client, path, 404)


def test_a_retired_room_is_gone(client: FlaskClient, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], name="旧仓库", active=False)
    assert "旧仓库" not in text(client, "/venues?centre=A1")
    text(client, f"/venues/{room.id}", 404)


def test_elder_version_has_fewer_choices(client: FlaskClient, hall: Venue) -> None:
    client.set_cookie("elder", "1")
    page = text(client, "/venues?centre=A1")
    assert "选时间" in page and 'class="strip"' not in page
    page = text(client, f"/venues/{hall.id}?day=2026-11-26&start=14:00")
    assert "thumb sign-up still" in page and "这一天的安排" not in page and "start=15:00#book" in page
    assert "订场地" in text(client, "/c/A1")
