"""Orders to members of the demo's first team: offered, agreed, on the way, there, done, declined (SPEC H7)."""

from datetime import datetime, time, timedelta

from sqlalchemy import select

from portal.core import clock, scope
from portal.core.access import Actor
from portal.core.db import db, writing
from portal.demo.stage import Stage
from portal.help_requests import actions as requests
from portal.help_requests import reviewing
from portal.help_requests.actions import Asked
from portal.help_requests.models import HelpOrder, HelpRequest
from portal.help_requests.orders import actions, queries
from portal.help_requests.orders.actions import Wish
from portal.people.models import Resident

HOUR = timedelta(hours=1)
# Which resident, kind, words; the visit: days from today and hour; what became of it.
STORIES = (
    (2, "agency", "帮忙取体检报告，送到家里。", 1, 9, ()),
    (3, "errand", "买一箱牛奶、两棵白菜，送上四楼。", 1, 15, ("yes",)),
    (4, "care", "中午过来看看老人吃饭、吃药。", 0, 0, ("yes", "go", "arrive")),
    (5, "agency", "到银行取存折补登，已经打过电话。", 0, 0, ("yes", "go")),
    (6, "errand", "取药，医保卡在家里。", 2, 10, ("no",)),
    (7, "errand", "送一袋米到楼上。", 0, 0, ("yes", "go", "arrive", "finish")),
)


def build(stage: Stage) -> int:
    """Each asked yesterday, reviewed, accepted, and given to who can; returns how many orders there are."""
    for number, story in enumerate(STORIES):
        with writing(), scope.system("demo"):
            _play(stage, number, *story)
    return len(STORIES)


def _play(
    stage: Stage, number: int, who: int, kind: str, words: str, days: int, hour: int, way: tuple[str, ...]
) -> None:
    asked_at = stage.now - 20 * HOUR + number * timedelta(minutes=7)
    person = db.session.scalars(select(Resident).order_by(Resident.id).offset(who).limit(1)).one()
    own = Actor(kind="resident", id=person.id, name=person.name)
    row = requests.ask_for_help(own, Asked(kind, words), None, asked_at)
    above = stage.boss(stage.code_of(row.case.waits_at_id))
    reviewing.dispatch(above, row.id, row.centre_id, asked_at + HOUR)
    home = stage.boss(stage.code_of(row.centre_id))
    reviewing.accept(home, row.id, asked_at + 2 * HOUR)
    at = stage.now - timedelta(minutes=100 if days == 0 else 30)
    start = _start(stage, days, hour, at)
    order = _give(home, row, start, at)
    if order is not None:
        _carry_out(order, way, at, stage.now)


def _start(stage: Stage, days: int, hour: int, at: datetime) -> datetime:
    """Of what goes on now, a little after it was given; else by day."""
    if days == 0:
        soon = at + timedelta(minutes=20)
        return soon.replace(minute=soon.minute // 15 * 15, second=0, microsecond=0)
    return clock.at(clock.today(stage.now) + timedelta(days=days), time(hour))


def _give(boss: Actor, row: HelpRequest, start: datetime, at: datetime) -> HelpOrder | None:
    """To the first who can; at an hour when nobody is on duty to the first of the list, with the reason."""
    end = start + 2 * HOUR
    lines = queries.candidates(row, start, end, at)
    known = [line for line in lines if line.who.code not in ("left", "not_yet", "skill", "busy")]
    if not known:
        return None
    best = known[0]
    why = "" if best.who.can else "求助人指定要他，已经打电话说好"
    return actions.assign(boss, row.id, Wish(best.who.id, start, end, why), at)


def _carry_out(order: HelpOrder, way: tuple[str, ...], at: datetime, now: datetime) -> None:
    for number, step in enumerate(way, 1):
        moment = min(at + number * timedelta(minutes=15), now)
        if step in ("yes", "no"):
            actions.answer(order, step == "yes", "那天要上班", moment)
        elif step == "finish":
            actions.finish(order, "米放在厨房了，老人身体很好。", moment)
        else:
            {"go": actions.go, "arrive": actions.arrive}[step](order, moment)
