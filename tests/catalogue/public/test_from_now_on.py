"""One list from now on, across months (SPEC C9): right at each turn of a month, of a year and of February."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text, update

from portal.catalogue import pictures
from portal.catalogue.models import Entry
from portal.catalogue.public import month_snapshot
from portal.core import clock
from portal.core.db import db
from tests.conftest import KIND

TURNS = {"of a month": date(2026, 12, 1), "of a year": date(2027, 1, 1), "of February": date(2027, 3, 1)}
HOURS = (0, 9, 10, 20, 21, 23)
STATIC = Path(__file__).parents[3] / "portal" / "static"


@dataclass(frozen=True)
class Planned:
    start: datetime
    end: datetime
    title: str

    @property
    def on(self) -> date:
        return clock.local(self.start).date()


def planned(turn: date) -> list[Planned]:
    """Two things a day, from a week before the turn until a week after it."""
    found = []
    for day in (turn + timedelta(days=number) for number in range(-7, 8)):
        for name, begin, end in (("晨练", time(9), time(10)), ("夜读", time(19, 30), time(21))):
            found.append(Planned(clock.at(day, begin), clock.at(day, end), f"{name}{day.month}月{day.day}"))
    return found


@pytest.fixture(autouse=True)
def _cold() -> None:
    month_snapshot.forget()


@pytest.mark.once
@pytest.mark.parametrize("early", [False, True], ids=["next month not out", "published early"])
@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_every_list_around_a_turn(client: FlaskClient, town: Any, make: Any, turn: date, early: bool) -> None:
    """At these hours of the last two and the first two days: the list, the days by their words, search."""
    plan = planned(turn)
    for item in plan:
        make.entry(town.centres["A1"], [(item.start, item.end)], title=item.title)
    following = clock.month_of(turn)
    for day in (turn + timedelta(days=number) for number in (-2, -1, 0, 1)):
        out = early or day >= turn
        status = "published" if out else "approved"
        db.session.execute(
            update(Entry).where(Entry.month == following).values(status=status, version=Entry.version + 1)
        )
        db.session.commit()
        known = [item for item in plan if out or item.on < turn]
        monday = day - timedelta(days=day.weekday())
        spans = {
            "": (date.min, date.max), "?day=today": (day, day + timedelta(1)), "?day=week": (day, monday + timedelta(7)),
            "?day=tomorrow": (day + timedelta(1), day + timedelta(2)),
            "?day=weekend": (max(day, monday + timedelta(5)), monday + timedelta(7)),
        }  # fmt: skip
        for hour in HOURS:
            with clock.frozen(clock.at(day, time(hour, 30))):
                now = clock.now()
                for query, (first, end) in spans.items():
                    wanted = [i.title for i in known if first <= i.on < end and i.end > now]
                    assert shown(client, query) == wanted[:20], (query, now)
                nightly = [i.title for i in known if i.end > now and "夜读" in i.title]
                assert shown(client, "?q=夜读") == nightly, now


def shown(client: FlaskClient, query: str) -> list[str]:
    """Titles of the cards, in the order of the page."""
    page = page_of(client, query)
    return re.findall(r'class="act(?: dim)?".*?<strong>([^<]*)</strong>', page, re.DOTALL)


def page_of(client: FlaskClient, query: str) -> str:
    return client.get(f"/services{query}").get_data(as_text=True)


@pytest.fixture
def evening(town: Any, make: Any) -> Any:
    """30 November, half past nine in the evening: one thing is over, one comes tomorrow and is not out yet."""
    a1 = town.centres["A1"]
    make.entry(a1, [(at(date(2026, 11, 30), 9), at(date(2026, 11, 30), 10))], title="今天的晨练")
    make.entry(a1, [(at(date(2026, 12, 1), 9), at(date(2026, 12, 1), 10))], title="明天的晨练", status="approved")
    with clock.frozen(at(date(2026, 11, 30), 21, 30)):
        yield


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return clock.at(day, time(hour, minute))


@pytest.mark.once
@pytest.mark.parametrize("query", ["", "?day=tomorrow", "?day=2026-12-05", "?month=2026-12"])
def test_what_is_not_out_says_when_it_will_be(client: FlaskClient, evening: Any, query: str) -> None:
    page = page_of(client, query)
    assert "12月清单 12月1日公布" in page and "明天的晨练" not in page and "少写几个字" not in page


def test_the_last_evening_says_so_on_home_and_centre_too(client: FlaskClient, evening: Any) -> None:
    assert "12月清单 12月1日公布" in client.get("/").get_data(as_text=True)
    page = client.get("/c/A1").get_data(as_text=True)
    assert "12月清单 12月1日公布" in page and "打印11月清单" in page and "打印12月清单" not in page


def test_published_early_it_shows_at_once_everywhere(client: FlaskClient, evening: Any) -> None:
    page_of(client, ""), client.get("/c/A1")  # what is kept of before must not stay
    db.session.execute(update(Entry).where(Entry.month == "2026-12").values(status="published", version=2))
    db.session.commit()
    for address in ("/services", "/services?q=明天", "/services?day=tomorrow", "/services?day=week", "/", "/c/A1"):
        page = client.get(address).get_data(as_text=True)
        assert "明天的晨练" in page and "12月1日公布" not in page, address
    page = client.get("/c/A1").get_data(as_text=True)
    assert "还有 1 项" in page and "打印12月清单" in page


def test_what_is_over_is_folded_below(client: FlaskClient, town: Any, make: Any) -> None:
    day = date(2026, 11, 28)
    for number in range(25):
        make.entry(town.centres["A1"], [(at(day, 8), at(day, 9))], title=f"早场{number}")
    make.entry(town.centres["A1"], [(at(day, 19), at(day, 21))], title="晚场")
    with clock.frozen(at(day, 18)):
        page = page_of(client, "?day=today")
        assert shown(client, "?day=today") == ["晚场"]
        assert page.index("晚场") < page.index("今天已结束 25 项") < page.index("早场24")
        assert page.count("早场") == 20 and "看全部 25 项" in page
        assert len(shown(client, "?day=today&ended=1")) == 20 and len(shown(client, "?day=today&ended=1&page=2")) == 5
    with clock.frozen(at(day, 22)):
        page = page_of(client, "?day=today")
        assert "今天的活动都结束了" in page and "看接下来的活动" in page and "今天已结束 26 项" in page


def test_a_series_stands_by_its_next_time_of_the_day(client: FlaskClient, town: Any, make: Any) -> None:
    """Of two times on one day the one that is not over stands for it."""
    day = date(2026, 11, 28)
    make.entry(town.centres["A1"], [(at(day, 8), at(day, 9)), (at(day, 19), at(day, 20))], title="两场")
    with clock.frozen(at(day, 12)):
        assert shown(client, "?day=today") == ["两场"] and "19:00–20:00" in page_of(client, "?day=today")


def test_something_that_lasts_past_midnight_of_the_last(client: FlaskClient, town: Any, make: Any) -> None:
    make.entry(town.centres["A1"], [(at(date(2026, 11, 30), 22), at(date(2026, 12, 1), 1))], title="跨夜值守")
    with clock.frozen(at(date(2026, 12, 1), 0, 30)):
        assert shown(client, "") == ["跨夜值守"]


# Home first -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def neighbours(town: Any, make: Any, client: FlaskClient) -> Any:
    """At home in A1; A2 is 2 km away, B1 20 km; of B2 nobody knows where it is."""
    for code, latitude in (("A1", 22.60), ("A2", 22.618), ("B1", 22.78), ("B2", None)):
        town.centres[code].latitude, town.centres[code].longitude = latitude, 114.4 if latitude else None
    day = date(2026, 11, 26)
    for code in ("B1", "B2", "A2", "A1"):
        for number in range(5):
            when = at(day + timedelta(number), 9)
            make.entry(town.centres[code], [(when, when + timedelta(hours=1))], title=f"{code}的{number}")
    db.session.commit()
    client.get("/c/A1")  # scanned: this phone's centre


def test_home_comes_first_then_near_then_the_district(client: FlaskClient, neighbours: Any) -> None:
    page = page_of(client, "")
    order = shown(client, "")
    assert order[:3] == ["A1的0", "A1的1", "A1的2"] and order[3:5] == ["A2的0", "A2的1"]
    assert sorted(order) == sorted({*order}) and len(order) == 20, "each once"
    rest = order[5:]
    assert rest == sorted(rest, key=lambda title: (int(title[-1]), rest.index(title))), "the rest by time"
    assert "A1的3" in rest and "甲一社区还有 2 项" in page and "2.0 公里" in page and "附近" in page
    assert page.count("公里") == 2, "only what is near says how far"


def test_a_card_of_another_month_says_so(client: FlaskClient, town: Any, make: Any) -> None:
    for day in (date(2026, 11, 28), date(2026, 12, 20)):
        make.entry(town.centres["A1"], [(at(day, 9), at(day, 10))], title=f"{day.month}月的")
    page = page_of(client, "")
    assert "<b>28</b>周六" in page and "<b>20</b>12月 周日" in page


def test_pages_lose_and_repeat_nothing(client: FlaskClient, neighbours: Any, town: Any, make: Any) -> None:
    for number in range(30):
        when = at(date(2026, 12, 1) + timedelta(number // 2), 14)
        make.entry(town.centres["B1"], [(when, when + timedelta(hours=1))], title=f"再{number}")
    found = [title for number in (1, 2, 3) for title in shown(client, f"?page={number}")]
    assert len(found) == 50 == len({*found})


def test_choosing_the_centre_by_its_link_shows_all_of_it(client: FlaskClient, neighbours: Any) -> None:
    assert shown(client, "?centre=A1") == [f"A1的{number}" for number in range(5)]
    assert "附近" not in page_of(client, "?centre=A1")


def test_who_changes_the_community_comes_back_to_the_list(client: FlaskClient, neighbours: Any, town: Any) -> None:
    page = client.get("/?choose=1&next=/services").get_data(as_text=True)
    assert 'name="next" value="/services"' in page
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    form = {"centre": str(town.centres["B1"].id), "next": "/services", "csrf_token": token[1] if token else ""}
    answer = client.post("/my-centre", data=form)
    assert answer.status_code == 303 and answer.location == "/services"
    assert client.post("/my-centre", data=form | {"next": "//elsewhere.example"}).location == "/"


@pytest.mark.once
@pytest.mark.parametrize(
    ("title", "groups", "drawing"),
    [
        ("高龄老人探访慰问", [], "elder"), ("四点半课堂", ["child"], "children"), ("冬至剪纸", [], "festival"),
        ("邻里纠纷怎么办", [], "law"), ("亲子绘本阅读会", ["family"], "reading"), ("海洋守护净滩", [], "ocean"),
        ("长者智能手机课", ["elder"], "elder"), ("便民服务", ["elder"], "elder"), ("便民服务", [], "other"),
        ("职场沟通小课堂", [], "other"), ("重走东纵路", [], "party"), ("反电诈夜间宣传队", [], "law"),
        ("阳台种菜课", [], "green"), ("社区书吧夜读时光", [], "reading"), ("客家茶果制作体验", [], "craft"),
    ],
)  # fmt: skip
def test_the_drawing_of_a_service(title: str, groups: list[str], drawing: str) -> None:
    assert pictures.of(title, groups) == drawing


@pytest.mark.once
def test_every_drawing_is_in_the_file() -> None:
    known = {*re.findall(r'<symbol id="([a-z]+)"', (STATIC / "kinds.svg").read_text())}
    assert {name for name, _ in pictures.WORDS} | {*pictures.OF_GROUP.values(), pictures.OTHER} == known


def test_states_are_told_apart(client: FlaskClient, town: Any, make: Any) -> None:
    a1, when = town.centres["A1"], [(at(date(2026, 11, 28), 9), at(date(2026, 11, 28), 10))]
    make.entry(a1, when, title="可报", capacity=20, taken=2)
    make.entry(a1, when, title="快满", capacity=20, taken=18)
    make.entry(a1, when, title="满了", capacity=20, taken=20, waiting=3)
    make.entry(a1, when, title="走来", walk_in=True, capacity=None)
    page = page_of(client, "")
    cards = {
        m[1]: m[0]
        for m in re.findall(r'(<a class="act[^"]*"[^>]*>.*?<strong>([^<]*)</strong>.*?</a>)', page, re.DOTALL)
    }
    assert 'class="can green"' in cards["可报"] and 'class="can gold"' in cards["快满"]
    assert 'class="act dim"' in cards["满了"] and 'class="can blue"' in cards["走来"]


@pytest.mark.skipif(KIND != "sqlite", reason="PostgreSQL chooses by its statistics")
def test_stamps_read_one_index_and_nothing_else(session: Any, town: Any) -> None:
    statement = month_snapshot.STAMPS.params(months=month_snapshot.months_from("2026-11"))
    words = str(statement.compile(db.engine, compile_kwargs={"literal_binds": True}))
    plan = [row[3] for row in session.execute(text(f"EXPLAIN QUERY PLAN {words}"))]
    assert plan == ["SEARCH entry USING COVERING INDEX ix_entry_stamp (month=? AND status=?)"], plan
