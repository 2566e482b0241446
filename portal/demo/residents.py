"""Residents and their relatives. The names are made up; every number is of the fictitious block 199 0000 0xxx."""

from datetime import timedelta

from portal.core import scope
from portal.core.db import db, writing
from portal.demo.stage import Stage, communities
from portal.people.actions import resident_records
from portal.people.actions.resident_records import RelativeValues, ResidentValues
from portal.people.models import Resident

COUNT = 120
SURNAMES = "陈李黄张林何罗郑梁谢钟吴赖曾邓叶苏彭温袁欧江冯庄"
GIVEN = (
    "秀英", "建国", "美华", "志强", "丽珍", "国荣", "玉兰", "伟明", "惠玲", "永发",
    "小燕", "文杰", "雪梅", "家豪", "桂芳", "俊贤", "淑仪", "海洋", "晓彤", "子轩",
    "嘉怡", "浩然", "思琪", "振华", "月娥", "金水", "佩珊", "启航", "婉婷", "宗泽",
)  # fmt: skip
ESTATES = ("葵新花园", "海滨小区", "迎宾苑", "老围", "渔民新村")
RELATIONS = (("母亲", 1948), ("父亲", 1946), ("子女", 2017), ("子女", 2019), ("祖父母或外祖父母", 1940), ("配偶", 1985))


def name(number: int) -> str:
    """A natural name, the same each time; no two of the first 720 are equal."""
    return SURNAMES[number % len(SURNAMES)] + GIVEN[(number * 7 + number // len(SURNAMES)) % len(GIVEN)]


def build(stage: Stage) -> None:
    """120 residents all over the tree, a third of them elders, every other one acts for somebody."""
    homes = [stage.centres[c] for c in communities(stage)]
    with writing(), scope.system("demo"):
        for number in range(COUNT):
            _resident(stage, number, homes)


def _resident(stage: Stage, number: int, homes: list[int]) -> None:
    dice = stage.dice
    birth = dice.choice((dice.randint(1938, 1964), dice.randint(1965, 2004), dice.randint(1965, 2004)))
    if number == 0:
        birth = 1988
    groups = _groups(number, birth)
    home = homes[0] if number < 8 else homes[(number * 5) % len(homes)]
    address = f"{ESTATES[number % 5]}{1 + number % 9}栋（演示）"
    told = birth if groups or dice.random() < 0.3 else None
    values = ResidentValues(name(number), address, home, told, groups)
    then = stage.now - timedelta(days=dice.randint(45, 70), hours=dice.randint(0, 9))
    person = resident_records.open_resident(f"199{number + 1:08d}", values, then)
    if birth < 1960 and dice.random() < 0.7:
        resident_records.set_elder(person, True, then)
    if number == 0:
        _family(person, stage)
    elif number % 2 == 1:
        relation, born = RELATIONS[number // 2 % len(RELATIONS)]
        given = name(400 + number)
        if relation == "子女":
            given = person.name[0] + given[1:]
        relative = RelativeValues(given, relation, born)
        resident_records.add_relative(person, relative, then + timedelta(days=1))


def _groups(number: int, birth: int) -> list[str]:
    worker = number % 11 == 4 and birth > 1970
    fits = {"elder": birth < 1964, "party": number % 6 == 2, "worker": worker, "vulnerable": number % 17 == 5}
    return [code for code, is_one in fits.items() if is_one]


def _family(person: Resident, stage: Stage) -> None:
    """The demo's first resident acts for a mother and a child."""
    then = stage.now - timedelta(days=40)
    resident_records.add_relative(person, RelativeValues("陈月娥", "母亲", 1952), then)
    resident_records.add_relative(person, RelativeValues("陈小舟", "子女", 2018), then)
    db.session.flush()
