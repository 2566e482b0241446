"""What residents say and what public pages call it, against everything that the demo offers (SPEC C9, issue 11).

The list is the demo's own activities, guides and the rooms of each centre; the wishes are how elders, parents and workers
ask for them, the official names of services, and the same in traditional characters and in Cantonese.
"""

from __future__ import annotations

import csv
import re
from datetime import date, time, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.catalogue import rules
from portal.catalogue.models import Entry, EntrySession, Guide
from portal.catalogue.public import month_snapshot
from portal.core import clock
from portal.core.db import db
from tests.factories import NOW

pytestmark = pytest.mark.once

PORTAL = Path(__file__).parents[3] / "portal"
AT_LEAST = 57 / 60
FIRST = 6  # cards that somebody looks at before giving up

# What is typed -> a piece of the title of what is meant.
ELDERS = {
    "老人 手机": "智能手机", "老人家学手机": "智能手机", "教我用微信": "智能手机", "打太极": "太极", "早上做操": "八段锦", "剪头发": "义剪",
    "理发": "义剪", "量血压": "血压", "测血糖": "血糖", "看中医": "中医", "防骗": "防诈骗", "电话诈骗": "诈", "唱山歌": "山歌",
    "听戏": "粤剧", "粤曲": "粤剧", "合唱": "合唱", "老人送饭": "送餐", "有人陪聊天": "探访", "过生日": "生日", "包粽子": "粽子",
    "跳舞": "广场舞", "写毛笔字": "书法", "种菜": "种菜", "养生": "养生", "修雨伞": "义修", "看电影": "电影", "下棋": "棋",
    "义诊": "义诊", "法律咨询": "法律", "打官司": "法律", "老年人体检": "血压", "邻居吵架": "纠纷", "社保卡": "社保",
}  # fmt: skip
FAMILIES = {
    "小孩放学没人管": "四点半", "托管": "托管", "作业辅导": "辅导", "带孩子看书": "绘本", "亲子活动": "亲子", "做蛋糕": "烘焙",
    "学围棋": "围棋", "儿童手工": "手工", "周末带娃": "小小", "陪写作业": "写作业", "青春期": "青春期", "放风筝": "风筝", "露营": "露营",
    "观星": "观星", "看星星": "观星", "赶海": "潮间带", "科学实验": "科学", "消防": "消防", "急救": "急救", "暑假": "寒暑假",
}  # fmt: skip
OTHERS = {
    "找工作": "招聘", "打篮球": "篮球", "打羽毛球": "羽毛球", "学咖啡": "咖啡", "拍视频": "短视频", "摄影": "摄影", "学粤语": "粤语",
    "相亲": "交友", "外卖员": "骑手", "创业": "创业", "净滩": "净滩", "海边捡垃圾": "净滩", "当志愿者": "志愿者", "插花": "插花",
    "爬山": "登山", "观鸟": "观鸟", "党课": "党课", "党代表": "党代表", "主题党日": "党", "旧衣服回收": "衣物回收", "开锁": "开锁",
    "老鼠蟑螂": "除四害", "打疫苗": "疫苗", "小孩上学": "入学", "办身份证": "证件", "低保": "救助", "残疾证": "残疾", "停车": "停车",
}  # fmt: skip
OFFICIAL = {
    "老人关爱": "高龄", "亲子阅读": "绘本", "儿童成长教育": "儿童", "入户探访慰问": "探访", "手工制作": "手工", "科普教育": "科",
    "普法教育": "普法", "马路天使文明交通服务": "马路天使", "海洋守护": "海洋守护", "生物科技科普": "生物科技", "垃圾分类宣传": "垃圾分类",
    "扫黑除恶宣传": "扫黑除恶", "新时代大讲堂": "大讲堂", "过一次政治生日": "政治生日", "诵读原文": "诵读", "公益义卖": "义卖",
    "青少年托管": "四点半", "老年食堂": "餐", "法律援助": "法律", "老人活动室": "老人活动室", "会议室": "会议室", "书吧": "书吧",
}  # fmt: skip
OTHER_SCRIPT = {
    "長者手機": "智能手机", "義剪": "义剪", "飛髮": "义剪", "剪髮": "义剪", "學書法": "书法", "粵劇": "粤剧", "太極": "太极", "廣場舞": "广场舞",
    "親子烘焙": "烘焙", "防詐騙": "诈", "義診": "义诊", "睇戲": "电影", "睇醫生": "义诊", "傾偈": "探访", "細路功課": "功课", "搵工": "招聘",
    "凑仔": "亲子", "食饭": "餐", "行山": "登山", "唱歌": "合唱", "聽日朝早 太極": "太极", "周六下午老人手机": "智能手机",
    "星期日 亲子 葵涌": "亲子", "今晚电影": "电影",
}  # fmt: skip
WISHES = {**ELDERS, **FAMILIES, **OTHERS, **OFFICIAL, **OTHER_SCRIPT}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def everything(town: Any, make: Any) -> None:
    """The demo's activities over the days to come, its guides, the rooms of a centre."""
    month_snapshot.forget()
    a1, kept = town.centres["A1"], {}
    for row in table(PORTAL / "demo" / "data" / "activities.csv"):
        kept.setdefault(row["title"], row)
    for number, row in enumerate(kept.values()):
        start = clock.at(date(2026, 11, 26) + timedelta(number % 14), time(9 + number % 11))
        entry = Entry(
            centre_id=a1.id, author_centre_id=a1.id, category_id=town.categories["party"].id, title=row["title"],
            content=row["content"], place=row["place"], audience=row["audience"], groups=rules.groups_in(row["audience"]),
            month=clock.month_of(start), status="published", first_start=start, last_end=start + timedelta(hours=1),
            created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        entry.sessions = [EntrySession(starts_at=start, ends_at=start + timedelta(hours=1))]
        db.session.add(entry)
    for row in table(PORTAL / "profiles" / "dapeng" / "guides.csv"):
        guide = Guide(
            title=row["name"], summary=row["summary"], category_id=town.categories["life-food"].id, updated_at=NOW
        )
        db.session.add(guide)
    db.session.commit()
    for row in table(PORTAL / "profiles" / "dapeng" / "venues.csv"):
        if row["kind"] == "room":
            make.venue(a1, name=row["name"])


def found(client: FlaskClient, q: str) -> list[str]:
    """Titles of the first cards, and of the guides and rooms below."""
    with clock.frozen(NOW):
        page = unescape(client.get("/services", query_string={"q": q}).get_data(as_text=True))
    cards = re.findall(r'class="act(?: dim)?".*?<strong>([^<]*)</strong>', page, re.DOTALL)[:FIRST]
    return cards + re.findall(r'class="rowlink" href="/(?:guides|venues)/\d+"><span>([^<]*)<', page)


def test_wishes_are_met(client: FlaskClient, everything: Any) -> None:
    shown = {q: found(client, q) for q in WISHES}
    missed = {q: shown[q] for q, piece in WISHES.items() if not any(piece in title for title in shown[q])}
    assert len(WISHES) >= 120 and 1 - len(missed) / len(WISHES) >= AT_LEAST, missed


@pytest.mark.parametrize("q", ["滑雪", "考驾照", "买六合彩", "xyz"])
def test_what_nobody_offers_is_not_made_up(client: FlaskClient, everything: Any, q: str) -> None:
    with clock.frozen(NOW):
        page = client.get("/services", query_string={"q": q}).get_data(as_text=True)
    assert "没有找到合适的服务" in page and 'href="tel:' in page and "很多人在报的" in page
