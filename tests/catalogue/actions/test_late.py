"""Cut-offs of each level, reminders before, the late list after (SPEC C5)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.catalogue import waiting
from portal.catalogue.actions import handing_in, publishing, reviewing
from portal.catalogue.staff import queries
from portal.core import clock, outbox, registry
from portal.notices.models import InboxMessage
from tests.catalogue.wording import MONTH, at_subdistrict, draft
from tests.factories import NOW, Town

CUTOFF = clock.at(date(2026, 11, 22), time(18))  # the communities' part of December's list


def _told(session: Any, words: str) -> list[str]:
    wanted = select(InboxMessage.title, InboxMessage.person_id).where(InboxMessage.title.contains(words))
    return sorted(f"{person}:{title}" for title, person in session.execute(wanted))


def _tick(session: Any, now: datetime) -> int:
    session.commit()
    made = publishing.remind_due(now)
    outbox.run_due(now)
    session.commit()
    return made


def _submit(town: Town, who: str, at: datetime) -> None:
    draft(town, who, title=f"{who}的活动")
    handing_in.submit_issue(town.actor(who), town.centres[who], MONTH, at)


def test_two_reminders_and_then_the_late_list(session: Any, town: Town) -> None:
    _submit(town, "A1", CUTOFF - timedelta(days=5))
    assert _tick(session, CUTOFF - timedelta(days=3)) == 0
    assert _tick(session, CUTOFF - timedelta(days=2)) == 4  # A2, B1, B2, the department; A1 has handed in
    assert _tick(session, CUTOFF - timedelta(days=2) + timedelta(minutes=30)) == 0  # told once
    two = _told(session, "上交还剩 2 天")
    assert len(two) == 3
    assert _tick(session, CUTOFF - timedelta(days=1)) == 4
    assert len(_told(session, "上交还剩 1 天")) == 3
    assert _tick(session, CUTOFF) == 5  # three late centres, two subdistricts
    assert len(_told(session, "已过上交期限")) == 3
    assert _told(session, "清单未交") == [
        f"{town.staff['A'].id}:12月清单未交 1 个",
        f"{town.staff['B'].id}:12月清单未交 2 个",
    ]
    assert _tick(session, CUTOFF + timedelta(days=1)) == 0


def test_a_dead_scheduler_sends_only_the_last_reminder(session: Any, town: Town) -> None:
    _tick(session, CUTOFF - timedelta(hours=20))
    assert len(_told(session, "上交还剩 1 天")) >= 4
    assert _told(session, "上交还剩 2 天") == []


def test_a_reminder_overtaken_by_the_work_is_not_sent(session: Any, town: Town) -> None:
    now = CUTOFF - timedelta(days=2)
    session.commit()
    publishing.remind_due(now)
    _submit(town, "B1", now)
    session.commit()
    outbox.run_due(now)
    people = {line.split(":")[0] for line in _told(session, "上交还剩 2 天")}
    assert str(town.staff["B1"].id) not in people
    assert str(town.staff["B2"].id) in people


def test_reviewers_are_reminded_of_what_waits(session: Any, town: Town) -> None:
    at_subdistrict(town)
    now = clock.at(date(2026, 11, 25), time(18))  # a day before the subdistricts' cut-off
    _tick(session, now)
    assert _told(session, "审核还剩 1 天") == [f"{town.staff['A'].id}:12月清单审核还剩 1 天"]


@pytest.mark.parametrize(
    ("who", "late"),
    [("D", ["A1", "A2", "B1", "B2"]), ("A", ["A1", "A2"]), ("B", ["B1", "B2"])],
)
def test_the_late_list(session: Any, town: Town, who: str, late: list[str]) -> None:
    path = town.centres[who].path
    assert queries.late(MONTH, CUTOFF - timedelta(seconds=1), path) == []
    found = queries.late(MONTH, CUTOFF, path)
    assert [row.centre.code for row in found] == late
    assert {row.text for row in found} == {"还没有上交，也没有编写"}


def test_handed_in_late_stays_on_the_list_with_its_hour(session: Any, town: Town) -> None:
    _submit(town, "A1", CUTOFF - timedelta(hours=1))
    _submit(town, "A2", CUTOFF + timedelta(hours=3))
    found = queries.late(MONTH, NOW, town.centres["A"].path)
    assert [(row.centre.code, row.rows, row.text) for row in found] == [("A2", 1, "11月22日 21:00 上交，迟交 3 小时")]
    head = queries.head(town.actor("A"), MONTH, NOW)
    assert (head.submitted, head.expected, head.late, head.waiting) == (2, 2, 0, 2)
    assert (head.cutoff_label, head.cutoff) == ("街道初审截止", clock.at(date(2026, 11, 26), time(18)))


def test_what_waits_for_me(session: Any, town: Town) -> None:
    first, second = at_subdistrict(town, title="一"), at_subdistrict(town, title="二")
    lines = registry.waiting_lines(town.actor("A"), NOW, waiting.waits_for)
    assert [(w.title, w.detail, w.count, w.tone) for w in lines] == [
        ("12月清单未交", "2 个社区还没有上交", 1, "red"),
        ("甲一社区 12月清单", "2 条待初审", 2, "gold"),
    ]
    reviewing.return_entry(town.actor("A"), first, "对象不清", "audience", NOW)
    reviewing.return_entry(town.actor("A"), second, "对象不清", "audience", NOW)
    mine = registry.waiting_lines(town.actor("A1"), NOW, waiting.waits_for)
    assert [(w.title, w.detail, w.count) for w in mine] == [
        ("甲一社区 12月清单", "2 条被退回，改好后送回", 2),
        ("12月清单还没有上交", "11月22日 18:00 截止", 1),
    ]
    assert registry.waiting_lines(town.actor("D-LOOK"), NOW, waiting.waits_for) == []
    assert registry.waiting_lines(town.actor("B1"), NOW, waiting.waits_for)[0].title == "12月清单还没有上交"


def test_average_review_time(session: Any, town: Town) -> None:
    for hours in (24, 48):
        entry = draft(town, title=f"等{hours}")
        reviewing.offer(town.actor("A1"), entry, NOW - timedelta(hours=hours))
        reviewing.approve(town.actor("A"), entry, NOW)
    assert queries.head(town.actor("A"), MONTH, NOW).review_days == pytest.approx(1.5)
    assert queries.head(town.actor("D"), MONTH, NOW).review_days is None


def test_pages_numbers_cost_a_fixed_number_of_queries(session: Any, town: Town, count_queries: Any) -> None:
    """The head of the list, the late list and a row's history, however many rows there are."""
    actor, path = town.actor("D"), town.centres["D"].path

    def cost() -> list[int]:
        session.commit()
        counts = []
        for read in (
            lambda: queries.head(actor, MONTH, NOW), lambda: queries.late(MONTH, NOW, path),
            lambda: queries.history(queries.entry(shown)), lambda: queries.open_changes(actor),
        ):  # fmt: skip
            with count_queries() as seen:
                read()
            counts.append(sum(q.startswith(("SELECT", "WITH")) for q in seen))
        return counts

    shown = at_subdistrict(town).id
    few = cost()
    for number in range(12):
        reviewing.approve(town.actor("A"), at_subdistrict(town, title=f"活动{number}"), NOW)
        draft(town, "B1", title=f"乙一{number}")
    assert cost() == few
    assert few == [5, 4, 4, 1]  # one each for the dates of the month
