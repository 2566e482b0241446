"""The residents' list: filters, Chinese search, freshness, one query when nothing changed (SPEC C9)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.catalogue.models import Entry
from portal.catalogue.public import month_snapshot
from portal.core import clock
from tests import factories

NOW = factories.NOW


@pytest.fixture(autouse=True)
def _cold() -> None:
    month_snapshot.forget()


def at(day: int, hour: int = 9, minute: int = 0) -> datetime:
    return clock.at(datetime(2026, 11, day).date(), datetime(2026, 1, 1, hour, minute).time())


def spans(*days: int) -> list[tuple[datetime, datetime]]:
    return [(at(d), at(d, 11)) for d in days]


@pytest.fixture
def month(town: factories.Town, make: factories.Make) -> dict[str, Entry]:
    a1, b1, cats = town.centres["A1"], town.centres["B1"], town.categories
    return {
        "past": make.entry(a1, spans(3), title="已过的讲座"),
        "today": make.entry(
            a1, [(at(25, 15), at(25, 17))], title="亲子绘本阅读会", groups=["family"], capacity=3, taken=1
        ),
        "full": make.entry(a1, spans(27), title="冬至包汤圆", capacity=20, taken=20, waiting=3),
        "other": make.entry(b1, spans(28), title="海洋守护净滩", category=cats["public"], place="沙鱼涌海滩"),
        "walk": make.entry(a1, spans(29), title="普法宣传", category=cats["public"], walk_in=True, capacity=None),
        "draft": make.entry(a1, spans(30), title="未公布的活动", status="draft"),
        "gone": make.entry(a1, spans(30), title="取消了的课", status="cancelled"),
    }


def text(client: FlaskClient, query: str = "") -> str:
    answer = client.get(f"/services{query}")
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_the_list_shows_what_is_to_come(client: FlaskClient, month: Any) -> None:
    page = text(client)
    assert "亲子绘本阅读会" in page and "今天 · 11月25日 周三" in page and "15:00–17:00" in page
    assert "已过的讲座" not in page and "看这个月已经结束的 1 项" in page
    assert "未公布的活动" not in page
    assert "仅剩 2 位" in page and "可候补，前面 3 人" in page and "直接到场" in page and "已取消" in page


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("?category=public", "海洋守护净滩", "亲子绘本阅读会"),
        ("?category=popular", "亲子绘本阅读会", "已过的讲座"),
        ("?centre=B1", "海洋守护净滩", "普法宣传"),
        ("?centre=A", "普法宣传", "海洋守护净滩"),
        ("?day=today", "亲子绘本阅读会", "冬至包汤圆"),
        ("?day=2026-11-27", "冬至包汤圆", "亲子绘本阅读会"),
        ("?day=weekend", "海洋守护净滩", "亲子绘本阅读会"),
        ("?for=family", "亲子绘本阅读会", "普法宣传"),
        ("?free=1", "海洋守护净滩", "冬至包汤圆"),
        ("?q=绘本", "亲子绘本阅读会", "普法宣传"),
        ("?q=沙鱼涌", "海洋守护净滩", "普法宣传"),
        ("?q=净滩 公共", "海洋守护净滩", "普法宣传"),
        ("?ended=1", "已过的讲座", "普法宣传"),
    ],
)
def test_filters(client: FlaskClient, month: Any, query: str, shown: str, hidden: str) -> None:
    page = text(client, query)
    assert shown in page
    assert hidden not in page


@pytest.mark.parametrize(
    "query", ["?day=2026-13-45", "?month=2026-99", "?page=abc", "?centre=NOPE", "?q=%00", "?page=999"]
)
def test_odd_filters_never_fail(client: FlaskClient, month: Any, query: str) -> None:
    text(client, query)


def test_nothing_found_says_what_to_do(client: FlaskClient, month: Any) -> None:
    page = text(client, "?q=滑雪")
    assert "没有找到合适的服务" in page and "看全部服务" in page


def test_month_without_a_list_says_when(client: FlaskClient, town: Any) -> None:
    assert "2027年3月清单 2027年3月1日公布" in text(client, "?month=2027-03")


def test_a_first_list_published_early_is_what_is_shown(client: FlaskClient, town: Any, make: Any) -> None:
    days = [(clock.at(datetime(2026, 12, 3).date(), datetime(2026, 1, 1, 9).time()),) * 2]
    make.entry(town.centres["A1"], [(days[0][0], days[0][0] + timedelta(hours=2))], title="第一张清单", month="2026-12")
    assert "第一张清单" in text(client)
    assert "还没有公布" in text(client, "?month=2026-11")
    make.entry(town.centres["A1"], spans(27), title="这个月的")
    assert "这个月的" in text(client) and "第一张清单" in text(client)


def test_free_places_are_fresh(client: FlaskClient, month: Any, session: Any) -> None:
    assert "仅剩 2 位" in text(client)
    entry = session.get(Entry, month["today"].id)
    entry.taken, entry.version = 3, entry.version + 1
    session.commit()
    page = text(client)
    assert "仅剩 2 位" not in page and "可候补" in page


def test_a_minute_later_the_finished_one_is_gone(client: FlaskClient, month: Any) -> None:
    assert "亲子绘本阅读会" in text(client)
    with clock.frozen(at(25, 17, 1)):
        assert "亲子绘本阅读会" not in text(client)


def test_one_query_when_nothing_changed(client: FlaskClient, month: Any, count_queries: Any) -> None:
    text(client)
    with count_queries() as seen:
        text(client)
    read = [s for s in seen if s != "BEGIN"]
    assert len(read) == 1 and "sum(entry.version)" in read[0], seen


def test_one_changed_row_is_read_alone(client: FlaskClient, month: Any, session: Any, count_queries: Any) -> None:
    """A sign-up costs one reload of the row it touched, whatever the length of the list."""
    text(client)
    entry = session.get(Entry, month["today"].id)
    entry.taken, entry.version = 2, entry.version + 1
    session.commit()
    with count_queries() as seen:
        text(client)
    read = [s for s in seen if "FROM entry_session" in s or "entry.organiser" in s]
    assert len(read) == 2 and all(re.search(r"entry(_|\.)id IN \([^,]*?\)(\s|$)", s) for s in read), read


def test_two_for_somebody_signed_in(
    client: FlaskClient, month: Any, town: Any, as_resident: Any, count_queries: Any
) -> None:
    as_resident(client, town.residents[0])
    text(client)
    with count_queries() as seen:
        text(client)
    read = [s for s in seen if s != "BEGIN"]
    assert len(read) == 2 and "web_session" in read[0] and "sum(entry.version)" in read[1], seen


def test_a_cold_list_costs_a_fixed_number_of_queries(
    client: FlaskClient, month: Any, make: Any, town: Any, count_queries: Any
) -> None:
    with count_queries() as few:
        text(client)
    for number in range(30):
        make.entry(town.centres["A2"], spans(26), title=f"更多{number}")
    month_snapshot.forget()
    with count_queries() as many:
        text(client)
    assert len(many) == len(few) <= 9


def test_pages_of_twenty(client: FlaskClient, town: Any, make: Any) -> None:
    for number in range(25):
        make.entry(town.centres["A1"], spans(26), title=f"第{number:02d}场")
    first, second = text(client), text(client, "?page=2")
    assert first.count('class="act"') == 20 and second.count('class="act"') == 5
    assert "第 1 页，共 2 页" in first


def test_staff_see_the_public_list_as_everybody(client: FlaskClient, month: Any, town: Any, as_staff: Any) -> None:
    page = text(as_staff(client, town.staff["B1"]))
    assert "亲子绘本阅读会" in page and "未公布的活动" not in page


def test_kept_pages_keep_no_token(client: FlaskClient, month: Any, app: Any) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        one, other = app.test_client(), app.test_client()
        pages = [text(one), text(other), text(one)]
    finally:
        app.config["WTF_CSRF_ENABLED"] = False
    tokens = [page.split('X-CSRFToken": "')[1].split('"')[0] for page in pages]
    assert "@" not in "".join(tokens) and tokens[0] != tokens[1] and tokens[0].split(".")[0] == tokens[2].split(".")[0]


def test_kept_pages_differ_by_frame(client: FlaskClient, month: Any, town: Any, app: Any, as_resident: Any) -> None:
    """Two people never see each other's centre, unread count or version of the page."""
    first = as_resident(app.test_client(), town.residents[0])
    other = as_resident(app.test_client(), town.residents[3])
    assert "甲一社区" in text(first) and "乙一社区" not in text(first).split("results")[0]
    assert "乙一社区" in text(other)
    first.post("/elder", data={"on": "1"})
    assert 'class="elder"' in text(first) and 'class="elder"' not in text(other)


def test_service_page(client: FlaskClient, month: Any, town: Any) -> None:
    page = client.get(f"/services/{month['today'].id}").get_data(as_text=True)
    assert "11月25日（周三）15:00–17:00" in page and "还有 2 位" in page and "0755-8420" in page
    assert client.get(f"/services/{month['draft'].id}").status_code == 404
    assert client.get(f"/services/{month['gone'].id}").status_code == 200
    assert client.get(f"/s/{month['today'].id}").headers["Location"].endswith(f"/services/{month['today'].id}")


def test_weekly_service_tells_its_rule(client: FlaskClient, town: Any, make: Any) -> None:
    entry = make.entry(town.centres["A1"], spans(26, 27, 30), weekly={"label": "每周一、四、五 9:00–11:00"})
    page = client.get(f"/services/{entry.id}").get_data(as_text=True)
    page = re.sub(r"</?span[^>]*>", "", page)
    assert "每周一、四、五 9:00–11:00" in page and "下一次 11月26日（周四）9:00–11:00" in page and "全部 3 次" in page


def test_strangers_cannot_fill_the_memory(client: FlaskClient, month: Any) -> None:
    """A page repeats its address in its links: a thousand long addresses would be kept as a gigabyte."""
    assert client.get("/services?category=popular").status_code == 200
    store = client.application.extensions["portal_kept"]

    def lists() -> int:
        return sum(key[0] == "list" for key in store)

    before = lists()
    for number in range(3):
        assert client.get(f"/services?nonsense={'x' * 400}{number}").status_code == 200
        assert client.get(f"/venues?centre=A1&nonsense={'x' * 400}{number}").status_code == 200
    assert lists() == before
    client.get("/services?day=tomorrow")
    assert lists() == before + 1


def test_an_unchanged_calendar_is_not_sent_again(client: FlaskClient, month: Any, session: Any) -> None:
    first = client.get("/calendar/A1.ics")
    tag = {"If-None-Match": first.headers["ETag"]}
    assert client.get("/calendar/A1.ics", headers=tag).status_code == 304
    assert client.get("/calendar/A1.ics?month=2026-12").data.count(b"BEGIN:VEVENT") == 0
    entry = session.get(Entry, month["today"].id)
    entry.title, entry.version = "改了名的活动", entry.version + 1
    session.commit()
    changed = client.get("/calendar/A1.ics", headers=tag)
    assert changed.status_code == 200 and "改了名的活动" in changed.get_data(as_text=True)


def test_calendar_and_json_hold_public_facts_only(client: FlaskClient, month: Any) -> None:
    ics = client.get("/calendar/A1.ics").get_data(as_text=True)
    assert ics.count("BEGIN:VEVENT") == 5 and "未公布" not in ics and "STATUS:CANCELLED" in ics
    data = client.get("/api/v1/services?month=2026-11&centre=A1").get_json()
    assert data["count"] == 5
    keys = set(data["services"][0])
    assert not keys & {"contact", "phone", "status_reason", "taken"} and {"free", "sessions", "url"} <= keys
    assert client.get("/api/v1/services?month=12").status_code == 400
    assert client.get("/api/v1/services?centre=NOPE").status_code == 404


def test_qr_picture_decodes_to_the_short_address(client: FlaskClient, month: Any) -> None:
    import io

    import zxingcpp
    from PIL import Image

    raw = client.get(f"/services/{month['today'].id}/qr.png").data
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(raw)))
    assert [f.text for f in found] == [f"https://portal.example/s/{month['today'].id}"]


def test_a_page_that_is_no_more_shows_the_last_one(client: FlaskClient, month: Any, town: Any) -> None:
    page = client.get("/services?page=99").get_data(as_text=True)
    assert "没有找到" not in page and page.count('class="act"') == client.get("/services").get_data(as_text=True).count(
        'class="act"'
    )


def test_what_is_over_says_so_and_counts_no_free_places(client: FlaskClient, town: Any, make: Any) -> None:
    entry = make.entry(town.centres["A1"], spans(3), capacity=80)
    page = client.get(f"/services/{entry.id}").get_data(as_text=True)
    assert "已结束" in page and "这个活动已经结束了。" in page and 'href="/services">看其他活动' in page
    assert "还有 80 位" not in page and "前可自行退出" not in page and 'id="share"' not in page


@pytest.mark.own_database
def test_what_a_request_takes_back_is_not_kept(app: Any, client: FlaskClient, month: Any, session: Any) -> None:
    """Rows are read apart from the request's transaction: neither what it has written so far nor an older state."""
    entry = session.get(Entry, month["today"].id)
    entry.taken, entry.version = 3, entry.version + 1
    session.flush()
    row = month_snapshot.snapshot("2026-11", NOW).rows[entry.id]
    session.rollback()
    assert (row.taken, row.version) == (1, 1)
    assert "仅剩 2 位" in text(client)


def test_one_page_says_one_thing(client: FlaskClient, town: Any, make: Any) -> None:
    """Full and closed is not 'one may wait'; over is not 'just come' (issue 11, S4)."""
    a1, later = town.centres["A1"], [(at(28), at(28, 11))]
    closed = make.entry(a1, later, title="满了也截止了", capacity=5, taken=5, sign_up_until=at(25, 9))
    full = make.entry(a1, later, title="满了", capacity=5, taken=5)
    ended = make.entry(a1, [(at(24), at(24, 11))], title="完了", walk_in=True, capacity=None)
    pages = {e.title: client.get(f"/services/{e.id}").get_data(as_text=True) for e in (closed, full, ended)}
    assert "可以候补" in pages["满了"]
    assert "已满" in pages["满了也截止了"] and "可以候补" not in pages["满了也截止了"]
    assert "不用报名" not in pages["完了"]
