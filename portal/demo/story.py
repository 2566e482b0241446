"""The acts of the demo in their order, and whether it has been played."""

import logging
import random
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import func, select, text

from portal.catalogue.models import Entry
from portal.centres.models import Setting
from portal.core import clock, scope
from portal.core.db import db, is_sqlite, writing
from portal.core.errors import DomainError
from portal.demo import (
    coming,
    crowd,
    current,
    help_requests,
    incidents,
    opinions,
    orders,
    places,
    residents,
    room_days,
    room_stories,
    rooms,
    teams,
)
from portal.demo.stage import Stage, cast, publication
from portal.operations import work
from portal.people.models import Resident

MARK = "demo"
SEED = 20261201
Say = Callable[[str], None]


class NotEmpty(DomainError):
    message = "数据库里已有居民或服务清单，演示数据只能放进空的数据库。"
    advice = "请换一个新的 DATABASE_URL 或 PORTAL_DATA_DIR。"


class HalfLoaded(DomainError):
    message = "上一次演示数据没有装完。"
    advice = "请删掉这个数据库，重新 db upgrade 后再来。"


def loaded() -> dict[str, str] | None:
    """What the mark says, or None when the demo is not there. Raises NotEmpty, HalfLoaded."""
    with scope.system("demo"):
        mark = db.session.get(Setting, MARK)
        people = db.session.scalar(select(func.count(Resident.id)))
        rows = db.session.scalar(select(func.count(Entry.id)))
    db.session.rollback()
    if mark is not None and not mark.value.get("done"):
        raise HalfLoaded()
    if mark is None and (people or rows):
        raise NotEmpty()
    return dict(mark.value) if mark is not None else None


def load(password: str, now: datetime, say: Say) -> Stage:
    """Play everything. The same seed, month and hour give the same town; only the password differs."""
    month = clock.month_of(now)
    stage = Stage(
        now=now, dice=random.Random(SEED),  # noqa: S311 dice for a story, not for secrets
        month=month, following=clock.add_months(month, 1), published_at=publication(month, now),
    )  # fmt: skip
    # A thousand texts that no gateway takes would each be a line of the log.
    spoken = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    _hurry(True)
    try:
        _play(stage, password, say)
    finally:
        _hurry(False)
        structlog.configure(wrapper_class=spoken)
    return stage


def _play(stage: Stage, password: str, say: Say) -> None:
    with writing(), scope.system("demo"):
        db.session.add(Setting(key=MARK, value={"month": stage.month, "done": False}))
        places.build(stage, password)
    with scope.system("demo"):
        cast(stage)
        db.session.rollback()
    say(f"{len(stage.centres)} 个阵地，{len(stage.staff)} 个工作账户")
    residents.build(stage)
    say(f"{residents.COUNT} 位虚构的居民")
    say(f"{rooms.build(stage)} 个场地")
    rows = current.build(stage, say)
    work.sweep(stage.published_at)
    say(f"{clock.month_name(stage.month)}清单已发布 {rows} 条")
    crowd.build(stage, say)
    incidents.callers(stage)
    incidents.changes(stage)
    incidents.late_places(stage)
    work.sweep(stage.now)
    incidents.first_resident(stage)
    say("报名、候补、变更、取消都发生过了")
    room_stories.before(stage)
    bookings = room_days.build(stage)
    room_stories.after(stage)
    say(f"{bookings} 次场地预约，还有候补、固定安排和临时停用")
    say(f"{opinions.build(stage)} 份评价，几份要回访")
    say(f"{teams.build(stage)} 位服务队队员，排班表排到下个月")
    say(f"{help_requests.build(stage)} 件求助，每种状态都有")
    say(f"{orders.build(stage)} 张派单")
    coming.build(stage)
    say(f"{clock.month_name(stage.following)}清单正在审核")
    work.tick(stage.now)
    say("消息已发出，提醒已排好")
    with writing():
        mark = db.session.get_one(Setting, MARK)
        mark.value = {"month": stage.month, "done": True, "loaded_at": stage.now.isoformat()}


def _hurry(on: bool) -> None:
    """SQLite need not wait for the disk at each of a thousand small commits: a demo that is lost is loaded again."""
    db.session.remove()
    if is_sqlite():
        db.session.connection().execute(text("ROLLBACK"))
        db.session.connection().execute(text(f"PRAGMA synchronous={'OFF' if on else 'FULL'}"))
        db.session.remove()
