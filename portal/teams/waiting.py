"""What waits for staff about teams: shifts of the next seven days that nobody has (SPEC H7)."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from portal.cases import ladder
from portal.centres.models import Centre, label
from portal.core import clock, registry
from portal.core.access import Actor, Permission
from portal.core.db import packed
from portal.core.registry import Waiting, Waits
from portal.teams import queries, rules
from portal.teams.models import OPEN, Shift, Team

SECTION = "teams"


@registry.waiting
def gaps(actor: Actor, now: datetime) -> list[Waits]:
    """Teams of the actor's own centre with open shifts, each team once."""
    if not actor.can(Permission.TEAMS) or actor.department_id is not None or actor.centre_id is None:
        return []
    today = clock.today(now)
    wanted = (
        Shift.status == OPEN, Shift.day >= today, Shift.day < today + rules.AHEAD,
        Shift.centre_id.in_(ladder.answers_for(actor, Permission.TEAMS)),
    )  # fmt: skip
    count = select(func.count(Shift.team_id.distinct())).where(*wanted).scalar_subquery()
    return [Waits(SECTION, count, lambda: _rows(wanted), lambda found: _line(found, now))]


def _rows(wanted: tuple[ColumnElement[bool], ...]) -> Select[Any]:
    found = select(
        Shift.team_id.label("team_id"), func.count().label("count"), func.min(Shift.day).label("day")
    ).where(*wanted).group_by(Shift.team_id).subquery()  # fmt: skip
    row = packed(id=found.c.team_id, count=found.c.count, day=found.c.day, team=Team.name, centre=label(Centre))
    rows = select(row).select_from(found).join(Team, Team.id == found.c.team_id)
    return rows.join(Centre, Centre.id == Team.centre_id).order_by(found.c.day, found.c.team_id)


def _line(found: dict[str, Any], now: datetime) -> Waiting:
    day = date.fromisoformat(str(found["day"])[:10])
    start = queries.policy().parts[0].span(day)[0]
    title = f"{found['team']}：{rules.AHEAD.days} 天内有 {found['count']} 个班缺人"
    detail = f"{found['centre']} · 最近的是{clock.day(day)}"
    soon = "gold" if start - now < rules.LAST_CALL else "neutral"
    return Waiting(SECTION, title, detail, now, f"/staff/teams/{found['id']}/roster", start, soon)
