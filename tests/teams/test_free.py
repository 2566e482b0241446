"""Who is free, each with the reason; as many statements for 200 members as for 12 (SPEC H7)."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest

from portal.core import clock
from portal.teams import free
from portal.teams.models import Team
from portal.teams.rules import Busy
from tests.teams.conftest import TODAY, by_name, member, shift

SOON = TODAY + timedelta(days=3)


def at(hour: int, minute: int = 0) -> datetime:
    return clock.at(SOON, time(hour, minute))


@pytest.fixture
def busy(monkeypatch: Any) -> list[Busy]:
    """What a feature above says."""
    found: list[Busy] = []
    monkeypatch.setattr(free, "busy_sources", {"test": lambda ids, a, b: [x for x in found if x.member_id in ids]})
    return found


def test_each_has_a_reason(session: Any, team: Team, busy: list[Busy]) -> None:
    names = ("队员0", "队员1", "队员2", "队员3", "队员4", "队员5", "居民甲", "居民乙")
    on = {name: by_name(team, name) for name in names}
    for slot, name in enumerate(names[:-2], 1):
        shift(team, 3, "pm", on[name], slot=slot)
    shift(team, 3, "am", on["居民甲"], slot=1)
    on["队员4"].until, on["队员5"].since = TODAY + timedelta(days=2), TODAY + timedelta(days=9)
    busy += [
        Busy(on["队员1"].id, at(15), at(16), "取药"), Busy(on["队员2"].id, at(13), at(13, 45), "上门"),
        Busy(on["队员3"].id, at(16, 20), at(17), "上门"),
    ]  # fmt: skip
    session.commit()
    found = free.candidates(at(14), at(16), team_id=team.id, skill="care")
    said = {c.name: c.reason for c in found}
    assert len(found) == 12 and [c.name for c in found if c.can] == ["队员0"]
    assert said == {
        "队员0": "在班，13:00–18:00 有空",
        "队员1": "那时有单：15:00–16:00 取药",
        "队员2": "离上一单不到 30 分钟，13:45 才办完",
        "队员3": "离下一单不到 30 分钟，16:20 就有单",
        "队员4": "已离队",
        "队员5": f"{clock.day(TODAY + timedelta(days=9))} 才入队",
        **dict.fromkeys(("队长", "联络", "分队长甲", "分队长乙", "居民甲", "居民乙"), "没有这项技能（照料陪护）"),
    }
    said = {c.name: c.reason for c in free.candidates(at(14), at(16), path=team.centre.path)}
    assert said["居民甲"] == "不在班，当天排在 8:00–13:00" and said["居民乙"] == "不在班，当天没有排他"
    # Two shifts that meet hold a span across; a team without a roster of the day is no wall.
    shift(team, 3, "am", on["队员0"], slot=2)
    assert next(c for c in free.candidates(at(12), at(14), team_id=team.id) if c.name == "队员0").can
    tomorrow = free.candidates(at(14) + timedelta(days=1), at(16) + timedelta(days=1), team_id=team.id)
    assert {c.reason for c in tomorrow if c.can} == {"当天没有排班，那时没有别的单"}


def test_few_statements_however_many(session: Any, team: Team, busy: list[Busy], count_queries: Any) -> None:
    for number in range(200):
        member(team, f"更多{number}")
    session.flush()
    shift(team, 3, "pm", by_name(team, "队员0"))
    number = team.id
    session.commit()
    with count_queries() as seen:
        found = free.candidates(at(14), at(16), team_id=number, skill="errand")
    assert len(found) == 212 and all(c.reason for c in found)
    assert len([one for one in seen if one != "BEGIN"]) == 2  # and one for each source of what keeps them busy
