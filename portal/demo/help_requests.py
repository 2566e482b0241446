"""Help requests of the last weeks, one at least in every state; some were sent back, appealed, done again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from portal.core import clock, scope
from portal.core.access import Actor
from portal.core.db import db, writing
from portal.demo.stage import Stage, communities, subdistricts
from portal.help_requests import actions, queries, registering, reviewing
from portal.help_requests.actions import Asked
from portal.help_requests.models import HelpRequest
from portal.people.models import Relative, Resident

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Story:
    """hours: before now that it was asked. way: the steps that followed. who: which resident, 0 the demo's."""

    who: int
    kind: str
    words: str
    hours: float
    way: tuple[str, ...]
    day: int | None = None  # days after it was asked
    relative: bool = False
    place: str = ""


HOME = "葵新花园3栋402（演示）"
ASKED = ("dispatch", "accept")
DONE = (*ASKED, "go", "arrive", "finish")
STORIES = (
    Story(0, "agency", "帮妈妈到葵涌人民医院取降压药，药单和医保卡在家里。", 26, (*ASKED, "go"), 1, True),
    Story(0, "errand", "买两袋米和一桶油送上楼，电梯在修。", 4, (), 1),
    Story(0, "ease", "想找人陪妈妈聊聊天，她最近不太说话。", 74, DONE, None, True),
    Story(0, "other", "客厅的灯坏了，自己够不着。", 300, (*DONE, "confirm5")),
    Story(0, "care", "术后在家，中午要人帮忙做饭换药。", 10, ("ask",), 2),
    Story(0, "bee", "午休没地方充电，附近有没有歇脚点？", 120, ("refuse",)),
    Story(1, "agency", "取降压药，和楼上一起就行。", 3, (), 1, place=HOME),
    Story(2, "care", "轮椅要人帮忙抬上下楼。", 25.5, (), 1),
    Story(3, "errand", "雨天不方便，买菜送到家。", 6, ("dispatch",), 0),
    Story(4, "agency", "代办老年乘车卡，照片已经准备好。", 50, ("dispatch", "decline")),
    Story(5, "ease", "陪诊，下周二上午复查。", 20, ("refer",), 6),
    Story(6, "errand", "煤气罐搬不动，请人换一下。", 60, (*DONE, "not_solved"), 1),
    Story(7, "other", "水龙头漏水，找不到师傅。", 15, ("outside",)),
    Story(8, "bee", "想学怎么办居住证。", 170, (*DONE, "confirm2")),
    Story(9, "agency", "不会在手机上交水电费。", 40, ("withdraw",)),
    Story(10, "care", "老人起身困难，想请人上门看看。", 48, (*ASKED, "go", "arrive"), 1),
    Story(11, "bee", "送餐时摔了一跤，想问问理赔怎么办。", 70, ("refuse", "appeal")),
    Story(12, "errand", "取快递，东西有点重。", 240, (*DONE, "silent")),
    Story(13, "agency", "社保卡丢了，要补办。", 33, ASKED, 1),
)


def build(stage: Stage) -> int:
    """Play all of them; returns how many. Vulnerable people are registered first, and a number outside is stored."""
    _registered(stage)
    for story in STORIES:
        _play(stage, story)
    _caller(stage)
    return len(STORIES) + 1


def _registered(stage: Stage) -> None:
    """The community has registered some of its people; the mother of the demo's resident too."""
    with writing(), scope.system("demo"):
        boss = stage.boss(communities(stage)[0])
        day = clock.today(stage.now) - timedelta(days=200)
        people = list(db.session.scalars(select(Resident).order_by(Resident.id).limit(8)))
        mother = db.session.scalars(select(Relative).where(Relative.resident_id == people[0].id)).first()
        registering.register(
            boss,
            people[0].phone or "",
            "",
            mother.name if mother else "",
            day,
            None,
            "高龄独居",
            stage.now - 30 * 24 * HOUR,
        )
        for person, proof in ((people[1], "残疾人证"), (people[3], "低保证"), (people[6], "失能评估")):
            home = stage.boss(stage.code_of(person.home_centre_id or 0))
            until = clock.today(stage.now) + timedelta(days=160)
            registering.register(home, person.phone or "", "", "", day, until, proof, stage.now - 20 * 24 * HOUR)
        for code in subdistricts(stage)[:1]:
            registering.keep_outside(
                stage.boss(code), "家电维修公益热线", "0755-00000001", "水电小修", stage.now - 900 * HOUR
            )


def _play(stage: Stage, story: Story) -> None:
    at = stage.now - story.hours * HOUR
    with writing(), scope.system("demo"):
        person = db.session.scalars(select(Resident).order_by(Resident.id).offset(story.who).limit(1)).one()
        own = Actor(kind="resident", id=person.id, name=person.name)
        relative = db.session.scalars(select(Relative).where(Relative.resident_id == person.id)).first()
        day = clock.today(at) + timedelta(days=story.day) if story.day is not None else None
        asked = Asked(story.kind, story.words, day, place=story.place or (HOME if story.relative else ""))
        row = actions.ask_for_help(own, asked, relative.id if story.relative and relative else None, at)
        moment = at
        for number, name in enumerate(story.way):
            left = stage.now - moment
            moment = min(moment + min(2.5 * HOUR, left / (len(story.way) - number + 1)), stage.now)
            STEPS[name](stage, row, own, stage.now if name == "silent" else moment)


def _unit(stage: Stage, row: HelpRequest) -> Actor:
    """Who has it."""
    return stage.boss(stage.code_of(row.case.waits_at_id))


def _home(stage: Stage, row: HelpRequest) -> Actor:
    return stage.boss(stage.code_of(row.centre_id))


def _dispatch(stage: Stage, row: HelpRequest, _own: Actor, at: datetime) -> None:
    reviewing.dispatch(_unit(stage, row), row.id, row.centre_id, at)


def _refer(stage: Stage, row: HelpRequest, _own: Actor, at: datetime) -> None:
    department = next(iter(stage.departments.values()))
    reviewing.refer(_unit(stage, row), row.id, f"d{department}", "需要专业部门办理", at)


def _outside(stage: Stage, row: HelpRequest, _own: Actor, at: datetime) -> None:
    found = queries.outsiders()[0]
    reviewing.refer(_unit(stage, row), row.id, f"o{found.id}", "要由专业师傅来修", at)


def _refuse(stage: Stage, row: HelpRequest, _own: Actor, at: datetime) -> None:
    reviewing.refuse(_unit(stage, row), row.id, "要由专业机构来做", ("phone", "12345"), at)


Step = Callable[[Stage, HelpRequest, Actor, datetime], object]
STEPS: dict[str, Step] = {
    "ask": lambda s, r, _o, at: reviewing.ask(_unit(s, r), r.id, "出院小结和药单在手边吗？", at),
    "dispatch": _dispatch, "refer": _refer, "outside": _outside, "refuse": _refuse,
    "accept": lambda s, r, _o, at: reviewing.accept(_home(s, r), r.id, at),
    "decline": lambda s, r, _o, at: reviewing.decline(_home(s, r), r.id, "这段时间人手不够", at),
    "go": lambda s, r, _o, at: reviewing.move(_unit(s, r), r.id, "go", at),
    "arrive": lambda s, r, _o, at: reviewing.move(_unit(s, r), r.id, "arrive", at),
    "finish": lambda s, r, _o, at: reviewing.finish(_unit(s, r), r.id, "已经办好，本人在场", at),
    "confirm5": lambda _s, r, own, at: actions.confirm(own, r.id, 5, at),
    "confirm2": lambda _s, r, own, at: actions.confirm(own, r.id, 2, at),
    "not_solved": lambda _s, r, own, at: actions.not_solved(own, r.id, "罐子换了，阀门还在漏", at),
    "appeal": lambda _s, r, own, at: actions.appeal(own, r.id, "建议的电话打不通", at),
    "withdraw": lambda _s, r, own, at: actions.withdraw(own, r.id, at),
    "silent": lambda _s, r, _o, at: actions.settle(r, at),
}  # fmt: skip


def _caller(stage: Stage) -> None:
    """Somebody rang and is told by telephone."""
    with writing(), scope.system("demo"):
        boss = stage.boss(communities(stage)[0])
        asked = Asked("errand", "腿脚不便，请人帮忙买菜。", clock.today(stage.now))
        row = actions.record(boss, asked, "19900000990", "庄金水", "", stage.now - 5 * HOUR, by_phone=True)
        reviewing.ask(_unit(stage, row), row.id, "一次要买几天的菜？", stage.now - 2 * HOUR)
