"""The dates of a month as they are: the profile's, or what the district set on the page (SPEC C5)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal, select

from portal.catalogue.models import Cutoff
from portal.catalogue.month_rules import DEPARTMENTS, Part, counts, problems
from portal.centres import profile
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.centres.profile import Level
from portal.core import audit, clock, outbox
from portal.core.access import Actor, Permission
from portal.core.db import UTCDateTime, db
from portal.core.errors import DomainError, NotAllowed


class DatesRefused(DomainError):
    """`problems`: by code of the part, why."""

    status = 422
    message = "有的日期不合适，还没有保存。"

    def __init__(self, found: Mapping[str, str]) -> None:
        super().__init__()
        self.problems = found


def parts(month: str) -> list[Part]:
    """Every date of a month, from below to the top. What files a list goes before what reviews it, and so on."""
    found: list[Part] = []
    above = ""
    for level in profile.current().levels:  # from the top
        usual = level.cutoff(month)
        if usual is None:
            continue
        found.append(Part(level.code, _what(level), usual, above))
        if level.files_list:
            top = found[0].code
            found.append(Part(DEPARTMENTS, "部门报计划", usual, top if top != level.code else ""))
        above = level.code
    return found[::-1]


def _what(level: Level) -> str:
    return f"{level.short}{'交清单' if level.files_list else level.review or '报计划'}"


def of(month: str) -> dict[str, datetime]:
    """By level, and for departments: until when. One statement."""
    moved = dict(db.session.execute(select(Cutoff.level, Cutoff.at).where(Cutoff.month == month)).all())
    return {part.code: moved.get(part.code, part.usual) for part in parts(month)}


def for_centre(centre: Centre | None, dates: Mapping[str, datetime]) -> datetime | None:
    """Until when this centre does its part; None when it has none, or was not here yet when it was over."""
    at = dates.get(centre.level) if centre is not None else None
    return at if centre is not None and counts(at, centre.created_at) else None


def moved(month: Any, level: Any) -> Any:
    """What was set for a month and level, in SQL; NULL where the profile's date stands."""
    return select(Cutoff.at).where(Cutoff.month == month, Cutoff.level == level).scalar_subquery()


def in_sql(part: Part, month: str) -> ColumnElement[datetime]:
    """The date itself, in SQL."""
    return func.coalesce(moved(month, part.code), literal(part.usual, UTCDateTime()), type_=UTCDateTime())


# Setting them ---------------------------------------------------------------------------------------------------------


def may_set(actor: Actor) -> bool:
    """They are the business of whoever publishes."""
    return actor.can(Permission.PUBLISH) and centres.at_top(actor)


def set_dates(actor: Actor, month: str, dates: Mapping[str, datetime], now: datetime) -> list[str]:
    """Write the dates of a month; what is as usual is not kept. Reminders and the late list follow by themselves, and
    whoever has another date now is told.

    dates: of every part. Returns what changed, as '社区交清单 2月8日 18:00'. Raises NotAllowed, DatesRefused.
    """
    if not may_set(actor):
        raise NotAllowed("每月的日期由统一发布清单的上级来定。")
    all_parts, old = parts(month), of(month)
    if found := problems(all_parts, dates, month):
        raise DatesRefused(found)
    changed = [part for part in all_parts if dates[part.code] != old[part.code]]
    if not changed:
        return []
    db.session.execute(delete(Cutoff).where(Cutoff.month == month))
    db.session.add_all(
        Cutoff(month=month, level=part.code, at=dates[part.code], set_by=actor.name[:40], set_at=now)
        for part in all_parts
        if dates[part.code] != part.usual
    )
    said = [f"{part.what} {clock.stamp(dates[part.code])}" for part in changed]
    audit.record(
        actor, "set_dates", "issue", None, now, summary=f"{clock.month_name(month, with_year=True)}：{'，'.join(said)}",
        before={part.what: clock.stamp(old[part.code]) for part in changed},
        after={part.what: clock.stamp(dates[part.code]) for part in changed},
    )  # fmt: skip
    moves = {part.code: [old[part.code].isoformat(), dates[part.code].isoformat()] for part in changed}
    payload = {"month": month, "moved": moves, "by": actor.id}
    outbox.put("catalogue.dates_moved", f"{month}:{now.isoformat()}", payload, now)
    db.session.flush()
    return said
