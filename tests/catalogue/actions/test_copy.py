"""Last month again: the 2nd Tuesday stays a 2nd Tuesday (SPEC C7)."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.catalogue import rules
from portal.catalogue.actions import drafting
from portal.catalogue.models import DRAFT, Entry
from portal.core import clock
from portal.core.errors import NotAllowed
from tests.catalogue.wording import MONTH, span
from tests.factories import NOW, Town


@pytest.mark.once
@pytest.mark.parametrize(
    ("day", "month", "target"),
    [
        (date(2026, 11, 10), "2026-12", date(2026, 12, 8)),  # 2nd Tuesday
        (date(2026, 11, 1), "2026-12", date(2026, 12, 6)),  # 1st Sunday
        (date(2026, 11, 30), "2026-12", None),  # 5th Monday: December has four
        (date(2026, 12, 31), "2027-01", None),  # 5th Thursday
        (date(2026, 12, 29), "2027-01", None),
        (date(2026, 12, 31), "2027-07", date(2027, 7, 29)),
        (date(2027, 1, 29), "2027-02", None),
        (date(2026, 12, 13), "2027-01", date(2027, 1, 10)),  # over New Year
    ],
)
def test_the_same_weekday_of_the_month(day: date, month: str, target: date | None) -> None:
    found = rules.same_weekday_of_month(day, month)
    assert found == target
    assert found is None or found.weekday() == day.weekday()


@pytest.mark.once
def test_every_day_of_two_years_maps_inside_the_month() -> None:
    day = date(2026, 1, 1)
    while day < date(2028, 1, 1):
        month = clock.add_months(clock.month_of(day), 1)
        found = rules.same_weekday_of_month(day, month)
        assert found is None or (clock.month_of(found) == month and (found.day - 1) // 7 == (day.day - 1) // 7)
        assert found is not None or day.day > 28
        day += timedelta(days=1)


def _november(day: int, start: str = "9:00", end: str = "11:00") -> Any:
    return span(day, start, end, "2026-11")


def test_copying_a_month(session: Any, town: Town, make: Any) -> None:
    centre = town.centres["A1"]
    tuesday = _november(10)
    source = make.entry(
        centre,
        title="手机班",
        sessions=[(tuesday.start, tuesday.end)],
        sign_up_until=tuesday.start - timedelta(days=1),
        taken=12,
        waiting=3,
        change_note="旧的变更",
    )
    make.entry(centre, title="撤下的", sessions=[(tuesday.start, tuesday.end)], status="dropped")
    make.entry(town.centres["A2"], title="别家的", sessions=[(tuesday.start, tuesday.end)])
    copies = drafting.copy_month(town.actor("A1"), centre, "2026-11", MONTH, NOW)
    (copy,) = copies
    assert (copy.title, copy.status, copy.month, copy.copied_from_id) == ("手机班", DRAFT, MONTH, source.id)
    assert [s.starts_at for s in copy.sessions] == [span(8).start]
    assert copy.sign_up_until == span(8).start - timedelta(days=1)
    assert (copy.taken, copy.waiting, copy.change_note, copy.published_at) == (0, 0, "", None)
    assert copy.check_note == "由11月复制，请核对日期和内容。"
    assert drafting.copy_month(town.actor("A1"), centre, "2026-11", MONTH, NOW) == []  # a second click
    assert session.scalar(select(func.count(Entry.id)).where(Entry.month == MONTH)) == 1


def test_a_fifth_monday_is_left_to_check(session: Any, town: Town, make: Any) -> None:
    last = _november(30)
    make.entry(town.centres["A1"], title="月末", sessions=[(last.start, last.end)])
    (copy,) = drafting.copy_month(town.actor("A1"), town.centres["A1"], "2026-11", MONTH, NOW)
    assert copy.sessions == []
    assert copy.check_note.startswith("12月没有第五个周一，11月30日 9:00 这一场没有复制。")


def test_a_weekly_row_is_unfolded_anew(session: Any, town: Town, make: Any) -> None:
    weekly = rules.weekly_dict([0, 1, 2, 3, 4], time(16, 30), time(18))
    sessions = [(s.start, s.end) for s in rules.unfold([0, 1, 2, 3, 4], time(16, 30), time(18), "2026-11")]
    make.entry(town.centres["A1"], title="四点半课堂", sessions=sessions, weekly=weekly)
    (copy,) = drafting.copy_month(town.actor("A1"), town.centres["A1"], "2026-11", MONTH, NOW)
    assert (len(copy.sessions), copy.weekly["label"]) == (23, "每周一至周五 16:30–18:00")


def test_refused(session: Any, town: Town) -> None:
    with pytest.raises(drafting.NothingToCopy):
        drafting.copy_month(town.actor("A1"), town.centres["A1"], "2026-10", MONTH, NOW)
    with pytest.raises(NotAllowed):
        drafting.copy_month(town.actor("A1"), town.centres["A2"], "2026-11", MONTH, NOW)
    with pytest.raises(drafting.NothingToCopy):
        drafting.copy_month(town.actor("A1"), town.centres["A1"], "2026-99", MONTH, NOW)


def test_what_stands_there_already_is_not_doubled(session: Any, town: Town, make: Any) -> None:
    tuesday, there = _november(10), span(8)
    for title in ("手机班", "汤圆会"):
        make.entry(town.centres["A1"], title=title, sessions=[(tuesday.start, tuesday.end)])
    make.entry(town.centres["A1"], title="手机班", status=DRAFT, sessions=[(there.start, there.end)])
    copies = drafting.copy_month(town.actor("A1"), town.centres["A1"], "2026-11", MONTH, NOW)
    assert [copy.title for copy in copies] == ["汤圆会"]


def test_allotted_rows_are_drawn_up_again_by_their_department(session: Any, town: Town, make: Any) -> None:
    """Not by the communities, and once however many of them had it."""
    tuesday, centres = _november(10), town.centres
    for code in ("A1", "B2"):
        make.entry(
            centres[code],
            title="普法讲座",
            sessions=[(tuesday.start, tuesday.end)],
            department_id=town.department.id,
            author_centre_id=centres["D"].id,
        )
    make.entry(centres["A1"], title="自己的", sessions=[(tuesday.start, tuesday.end)])
    assert [c.title for c in drafting.copy_month(town.actor("A1"), centres["A1"], "2026-11", MONTH, NOW)] == ["自己的"]
    assert drafting.of_departments(centres["A1"], "2026-11") == 1
    (copy,) = drafting.copy_month(town.actor("ZFB"), centres["D"], "2026-11", MONTH, NOW)
    assert (copy.title, copy.centre_id, copy.department_id, copy.status) == (
        "普法讲座", centres["D"].id, town.department.id, DRAFT,
    )  # fmt: skip
