"""What people type finds what they mean (SPEC C9, issue 11): street words, a slip, one piece, traditional forms."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.catalogue import words
from portal.catalogue.models import Guide
from portal.catalogue.public import month_snapshot
from portal.core import clock
from portal.core.db import db

TITLES = (
    "长者智能手机课堂", "高龄老人探访慰问", "便民义剪进小区", "社区义诊：量血压、测血糖", "太极公开课（葵涌社区）", "亲子烘焙：手工曲奇",
    "晚间瑜伽班", "四点半课堂", "书法培训班", "广场舞交流会", "粤剧折子戏", "反诈宣传进家门", "法律咨询日", "邻里纠纷怎么办",
    "海洋守护净滩", "冬至包汤圆", "亲子绘本阅读会", "合唱团排练", "心理健康讲座", "招聘会", "主题党日：重走红色路", "义工岗前培训",
    "露天电影放映", "长者饭堂开放日", "小家电维修", "羽毛球友谊赛", "插花沙龙", "垃圾分类小课堂", "青年联谊会", "社保政策咨询",
)  # fmt: skip
# What is typed -> a piece of the title that must be among the first found.
WISHES = {
    "老人 手机": "智能手机", "手机": "智能手机", "教老年人用手机": "智能手机", "智能 手机": "智能手机", "长者手机": "智能手机", "看望老人": "探访",
    "老人": "探访", "阿婆 聊天": "探访", "理发": "义剪", "剪头发": "义剪", "免费理发": "义剪", "量血压": "义诊", "体检": "义诊", "看病": "义诊",
    "義診": "义诊", "太极": "太极", "太极公开课葵涌": "太极", "太级": "太极", "打拳": "太极", "葵涌 太极": "太极", "亲子烘培": "烘焙", "做饭": "烘焙",
    "曲奇": "烘焙", "瑜伽": "瑜伽", "瑜珈": "瑜伽", "晚上瑜伽": "瑜伽", "四点半": "四点半", "小孩放学": "四点半", "托管": "四点半", "写字": "书法",
    "毛笔字": "书法", "書法": "书法", "跳舞": "广场舞", "廣場舞": "广场舞", "唱戏 粤剧": "粤剧", "骗子": "反诈", "防骗": "反诈", "打官司": "法律",
    "律师": "法律", "吵架": "纠纷", "调解": "纠纷", "海边": "净滩", "净滩": "净滩", "包汤圆": "汤圆", "汤园": "汤圆", "绘本": "绘本", "带娃 看书": "绘本",
    "唱歌": "合唱", "心情": "心理", "找工作": "招聘", "党课": "党日", "志愿者 培训": "义工", "看电影": "电影", "吃饭": "饭堂", "修电器": "维修",
    "打球": "羽毛球", "羽毛球": "羽毛球", "种花": "插花", "环保": "垃圾分类", "相亲": "联谊", "社保": "社保", "ＹＯＧＡ瑜伽": "瑜伽",
}  # fmt: skip


@pytest.fixture
def list_(town: Any, make: Any) -> None:
    month_snapshot.forget()
    for number, title in enumerate(TITLES):
        when = clock.at(date(2026, 11, 26) + timedelta(number % 4), time(9 + number % 8))
        make.entry(town.centres["A1"], [(when, when + timedelta(hours=1))], title=title, content="", audience="居民")


def shown(client: FlaskClient, q: str) -> list[str]:
    page = client.get("/services", query_string={"q": q}).get_data(as_text=True)
    return re.findall(r'class="act(?: dim)?".*?<strong>([^<]*)</strong>', page, re.DOTALL)


def test_wishes_find_what_they_mean(client: FlaskClient, list_: Any) -> None:
    """At least 57 of 60, among the first six."""
    missed = {
        q: shown(client, q)[:6] for q, piece in WISHES.items() if not any(piece in t for t in shown(client, q)[:6])
    }
    assert len(WISHES) >= 60 and len(missed) <= len(WISHES) * 3 // 60, missed


@pytest.mark.once
@pytest.mark.parametrize("q", ["滑雪", "考驾照", "xyz", "！！！", "9"])
def test_what_nobody_offers_finds_nothing_and_says_whom_to_ring(client: FlaskClient, list_: Any, q: str) -> None:
    page = client.get("/services", query_string={"q": q}).get_data(as_text=True)
    if words.terms(q):
        assert "没有找到合适的服务" in page and "也可以打电话问" in page and 'href="tel:' in page
        assert "很多人在报的" in page and len(shown(client, q)) == 3
    else:
        assert len(shown(client, q)) == 20, "signs alone are no wish"


def test_a_slip_is_shown_as_the_nearest_not_as_found(client: FlaskClient, list_: Any) -> None:
    page = client.get("/services?q=太级").get_data(as_text=True)
    assert page.index("没有找到合适的服务") < page.index("最接近的") < page.index("太极公开课")


def test_guides_and_rooms_stand_below(client: FlaskClient, town: Any, make: Any, list_: Any) -> None:
    guide = Guide(category_id=town.categories["life-food"].id, title="老人助餐补贴怎么办", updated_at=clock.now())
    db.session.add(guide)
    db.session.commit()
    page = client.get("/services?q=长者").get_data(as_text=True)
    assert page.index("智能手机课堂") < page.index("指南和场地") < page.index("老人助餐补贴怎么办")


def test_the_box_proposes_only_what_exists(client: FlaskClient, list_: Any) -> None:
    page = client.get("/services").get_data(as_text=True)
    proposed = re.findall(r"“(.*?)”", re.search(r'placeholder="([^"]*)"', page)[1])  # type: ignore[index]
    assert len(proposed) == 2 and all(shown(client, word) for word in proposed)


@pytest.mark.once
def test_words_are_not_made_of_two_fields() -> None:
    text = words.searchable(["周三课", "堂食"])
    assert not words.terms("课堂").found_in(text) and words.terms("周 三课").found_in(text)


@pytest.mark.once
def test_each_line_of_synonyms_has_two_words_and_each_word_one_line() -> None:
    every = [word for line in words.LINES for word in line]
    assert all(len(line) >= 2 for line in words.LINES) and len(every) == len({*every})
    assert all(words.plain(word) == word.removeprefix("@") for word in every)
