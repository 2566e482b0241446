"""A district's first morning: what is set up in which order, each step done or not as the tables say (SPEC N2).

Nothing is remembered of it but that somebody put it away. A feature that brings a better page for a step adds its
endpoint in front of the others in STEPS; nothing else has to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import current_app, url_for
from sqlalchemy import exists, select

from portal.cases.models import CalendarYear
from portal.catalogue.models import Category, Entry, Guide
from portal.centres import queries
from portal.centres.models import Centre, Setting
from portal.centres.staff_list import Listed
from portal.core import audit, clock
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import NotAllowed

AWAY = "first_morning.away"
ACCOUNTS = "账户"


@dataclass(frozen=True, slots=True)
class Step:
    """endpoints: where it is done; the first that this installation has. more: pages that belong to it too, as (words,
    endpoint)."""

    key: str
    title: str
    how: str
    endpoints: tuple[str, ...]
    more: tuple[tuple[str, str], ...] = ()


STEPS = (
    Step("tree", "阵地", "街道、社区、服务站一行一个，用一张表导进来。", ("centres_staff.import_centres",)),
    Step(
        "details",
        "补齐信息",
        "导出这张表，在 Excel 里补上地址、电话、开放时间、地图位置和负责人，再传回来。",
        ("centres_staff.import_centres",),
    ),
    Step(
        "accounts",
        "账户",
        "每个中心至少一个账户，各人用各人的；有职能部门的先建部门。一次性密码印成纸条，交到本人手上。",
        ("people_staff.import_accounts",),
        (("建职能部门", "people_staff.departments"),),
    ),
    Step("services", "类别和办事指南", "看一遍类别和办事指南，电话、地址改成本地的。", ("catalogue_staff.guides",)),
    Step(
        "dates",
        "日期",
        "核对节假日和调休，期限都按它算；个别月份要早交、晚交，单独改那个月的截止时间。",
        ("cases_staff.calendar",),
        (("改一个月的截止时间", "catalogue_staff.dates"),),
    ),
    Step("month", "第一个月", "各中心用 Excel 导入清单、交上来，审核后发布，再印海报。", ("catalogue_staff.month",)),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A step as it stands. note: what is still to do, in words."""

    step: Step
    done: bool
    note: str = ""

    @property
    def url(self) -> str:
        """Where it is done."""
        return url_for(next(name for name in self.step.endpoints if name in current_app.view_functions))

    @property
    def more(self) -> list[tuple[str, str]]:
        """Pages that belong to it too, as (words, address)."""
        return [(words, url_for(name)) for words, name in self.step.more if name in current_app.view_functions]


@dataclass(frozen=True, slots=True)
class Morning:
    stages: tuple[Stage, ...]
    away: bool

    @property
    def done(self) -> int:
        """How many steps."""
        return sum(stage.done for stage in self.stages)

    @property
    def begun(self) -> bool:
        """Whether a list has been published: from then on what waits comes first, setting up after it."""
        return any(stage.done for stage in self.stages if stage.step.key == "month")

    @property
    def shown(self) -> bool:
        """On the start page: until all is done, or somebody put it away."""
        return not self.away and self.done < len(self.stages)


def morning(actor: Actor, rows: Sequence[Listed], now: datetime) -> Morning:
    """How far the setting up is. rows: the centres as listed. One statement."""
    year = int(clock.add_months(clock.month_of(now), 1)[:4])
    inside = select(Centre.id).where(*queries.inside(actor.centre_path))
    kinds, guides, calendar, published, away = db.session.execute(
        select(
            exists().where(Category.id.is_not(None)),
            exists().where(Guide.active),
            exists().where(CalendarYear.year == year),
            exists().where(Entry.published_at.is_not(None), Entry.centre_id.in_(inside)),
            exists().where(Setting.key == AWAY),
        )
    ).one()
    bare = sum(any(gap.label != ACCOUNTS for gap in row.gaps) for row in rows)
    alone = sum(any(gap.label == ACCOUNTS for gap in row.gaps) for row in rows)
    facts = {
        "tree": (len(rows) > 1, f"现在有 {len(rows)} 个"),
        "details": (not bare, f"还有 {bare} 个不全" if bare else "都齐了"),
        "accounts": (not alone, f"还有 {alone} 个中心没有账户" if alone else "都有了"),
        "services": (kinds and guides, "" if kinds and guides else "还没有办事指南" if kinds else "还没有类别"),
        "dates": (calendar, f"{year} 年的节假日{'已录入' if calendar else '还没有录入'}"),
        "month": (published, "" if published else "还没有发布过清单"),
    }
    return Morning(tuple(Stage(step, *facts[step.key]) for step in STEPS), bool(away))


def put_away(actor: Actor, away: bool, now: datetime) -> None:
    """Take it off the start page, or put it back there; twice is the same as once. Raises NotAllowed."""
    if not (actor.can(Permission.CENTRES) and queries.at_top(actor)):
        raise NotAllowed()
    row = db.session.get(Setting, AWAY)
    if (row is not None) == away:
        return
    if row is None:
        db.session.add(Setting(key=AWAY, value=clock.local(now).isoformat()))
    else:
        db.session.delete(row)
    db.session.flush()
    audit.record(actor, "put_away" if away else "bring_back", "first_morning", None, now)
