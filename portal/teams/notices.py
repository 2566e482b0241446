"""The wording of every message about teams and rosters, in one place (SPEC M3, H7)."""

from collections.abc import Sequence
from datetime import timedelta

from portal.core import clock
from portal.core.words import Words
from portal.teams import queries, rules
from portal.teams.models import Shift, TeamMember

HOUR = timedelta(hours=1)
MOST_NAMED = 6  # gaps that one message names; the page has all


def when(shift: Shift) -> str:
    """'12月3日（周四）上午 8:00–13:00'."""
    part = queries.policy().part(shift.part)
    return f"{clock.day(shift.day)}{part.label} {part.hours}"


def _listed(gaps: Sequence[Shift]) -> str:
    named = "；".join(when(shift) for shift in gaps[:MOST_NAMED])
    return named + (f" 等 {len(gaps)} 处" if len(gaps) > MOST_NAMED else "")


def gaps(team: str, found: Sequence[Shift]) -> Words:
    """To the contact person, once for each gap of the next seven days."""
    title = f"{team}：未来 {rules.AHEAD.days} 天有 {len(found)} 个班缺人"
    return Words("team.gap", title, f"{_listed(found)}。请打开排班表安排。")


def last_call(team: str, found: Sequence[Shift]) -> Words:
    """To the captain, once, 24 hours before."""
    title = f"{team}：{rules.LAST_CALL // HOUR} 小时内有 {len(found)} 个班没人"
    return Words("team.gap", title, f"{_listed(found)}。请队长现在定人。")


def offered(shift: Shift, member: TeamMember) -> Words:
    """To colleagues: who wants to give a shift away."""
    return Words("team.swap", f"{member.name}想换班，您能接吗？", f"{when(shift)}。点开“我的队务”，谁先接就是谁的。")


def swapped(shift: Shift, by: TeamMember, before: TeamMember) -> Words:
    """To the captain and to whoever had it."""
    return Words("team.swap", f"换好班了：{by.name}接了{before.name}的班", f"{when(shift)}，由{by.name}来。")


def left(team: str, count: int, first: str) -> Words:
    """To the contact person: shifts of somebody who has left."""
    return Words("team.gap", f"{team}：有队员离队，空出 {count} 个班", f"从{first}起，请打开排班表重新安排。")
