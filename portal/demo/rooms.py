"""Rooms of every centre with rules as different as in real life; outside places came with `init` (SPEC V1)."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from portal.centres import typed_hours
from portal.core import scope
from portal.core.db import db, writing
from portal.demo.stage import DISTRICT, Stage, communities, subdistricts, table
from portal.venues.actions import import_csv, rooms
from portal.venues.actions.rooms import RoomFacts, Week

SEED = 20261202  # dice of its own: the other acts fall as before
NOT_GIVEN_OUT = ("厅堂", "服务厅", "大厅", "母婴室")
MOST = {"440307DP": 12, "440307009": 6, "440307010": 6, "440307011": 6, "440307009001": 8}  # others: 3 to 7
NOTES = (
    "钥匙在一楼前台，借用要登记。", "空调遥控器在讲台抽屉里。", "投影仪用 HDMI 线，转接头向前台借。", "",
    "散场后请检查窗户有没有关好。", "",
)  # fmt: skip
PARTNERS = ("辖区幼儿园", "社区股份公司", "街道老年协会", "某物业服务中心（演示）")


def dice(stage: Stage, act: str) -> random.Random:
    """The same falls for the same month, whatever the other acts do."""
    return random.Random(f"{SEED}:{act}:{stage.month}")  # noqa: S311 dice for a story, not for secrets


def build(stage: Stage) -> int:
    """Three to eight rooms in each community, six in a subdistrict, twelve in the district. Returns how many."""
    luck, pool = dice(stage, "rooms"), {row["name"]: row for row in table("rooms")}
    words = {row["code"]: row["functions"].split() for row in table("centres")}
    then = stage.before(60, "10:00")
    made = 0
    with writing(), scope.system("demo"):
        for code in (DISTRICT, *subdistricts(stage), *communities(stage)):
            centre, actor = stage.centre(code), stage.boss(code)
            for number, (facts, week) in enumerate(_rooms(luck, code, words[code], pool), 1):
                rooms.add_room(actor, centre, replace(facts, position=100 + number), week, then)
                made += 1
        db.session.flush()
    return made


def _rooms(
    luck: random.Random, code: str, words: list[str], pool: dict[str, dict[str, str]]
) -> Iterator[tuple[RoomFacts, Week | None]]:
    """What the centre says it has, then others of the pool."""
    usual = import_csv.usual_rooms()
    # The district's usual rooms came with the deployment's own list.
    taken = set(usual) if code == DISTRICT else set[str]()
    wanted = [(w, _like(w, pool)) for w in words if not w.endswith(NOT_GIVEN_OUT)]
    names = [(w, like) for w, like in wanted if like and like not in taken]
    size = MOST.get(code, luck.randint(3, 7)) - len(taken)
    others = [n for n in pool if n not in taken and n not in {like for _, like in names}]
    luck.shuffle(others)
    for name, like in [*names, *((n, n) for n in others)][:size]:
        yield _facts(luck, name.removeprefix("二楼").removeprefix("三楼"), pool[like or name], usual)


def _like(word: str, pool: dict[str, dict[str, str]]) -> str:
    """Which row of the pool a centre's own word means: 海边书吧 and 渔家书屋 are reading rooms."""
    if "书" in word and "书画" not in word:
        return "书吧"
    return next((name for name in pool if word.endswith(name)), "")


def _facts(
    luck: random.Random, name: str, row: dict[str, str], usual: dict[str, RoomFacts]
) -> tuple[RoomFacts, Week | None]:
    start = usual.get(row["like"], RoomFacts(name))
    rules: dict[str, Any] = {}
    for pair in row["rules"].split():
        key, value = pair.split("=")
        known = getattr(start, key)
        rules[key] = value == "1" if isinstance(known, bool) else int(value) if value.isdigit() else value
    facts = replace(
        start, name=name, place=row["place"], area_m2=round(int(row["area"]) * luck.uniform(0.8, 1.2)),
        capacity=max(4, round(int(row["capacity"]) * luck.uniform(0.7, 1.1))),
        functions=_split(row["functions"]) or start.functions, equipment=_split(row["equipment"]) or start.equipment,
        intro=row["intro"] or start.intro, terms_of_use=start.terms_of_use or "用完请关灯、关空调\n桌椅请放回原处",
        staff_notes=luck.choice(NOTES), **rules,
    )  # fmt: skip
    if luck.random() < 0.12:
        facts = replace(facts, responsible="shared", partner=luck.choice(PARTNERS))
    if luck.random() < 0.25:
        facts = replace(facts, ahead_days=luck.choice((7, 30)), cancel=luck.choice((60, 240, 1440)))
    return facts, _week(row["hours"])


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split("、")) if text else ()


def _week(text: str) -> Week | None:
    """The same hours every day; '' for the centre's own."""
    if not text:
        return None
    spans = [(h.opens, h.closes) for h in typed_hours.read_day(text)]
    return dict.fromkeys(range(7), spans)
