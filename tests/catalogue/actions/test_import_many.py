"""Many rows at once: few statements whatever their number, and each row where it belongs (SPEC C7, Q8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from portal.catalogue import bulk_rules, rules
from portal.catalogue.actions import drafting, entry_values, importing
from portal.catalogue.actions.plan_rows import rows_of
from portal.catalogue.models import Entry, PlanImport
from portal.catalogue.staff import export, queries
from portal.core import audit_chain
from portal.core import db as core_db
from portal.core.audit import AuditLog
from portal.core.db import db
from portal.core.states import StateHistory
from tests.conftest import KIND
from tests.factories import NOW, Make, Town
from tests.pauses import Pauses

MONTH = "2026-12"
PLANS = Path(__file__).parents[1] / "data" / "plans"


def preview(town: Town, data: bytes, who: str = "A1", centre: str = "A1", month: str = MONTH) -> PlanImport:
    return importing.preview_plan(town.actor(who), town.centres[centre], month, "计划.xlsx", data, NOW)


def counted(work: Any) -> int:
    """Statements that `work` sends, its commit with the audit lines included."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        work()
        db.session.commit()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    return len(sent)


def test_three_hundred_rows_cost_few_statements(session: Any, town: Town) -> None:
    data = (PLANS / "m15-300rows.xlsx").read_bytes()
    looked = counted(lambda: preview(town, data))
    upload = session.scalars(select(PlanImport)).one()
    taken: list[Entry] = []
    sent = counted(lambda: taken.extend(importing.take_in_plan(town.actor("A1"), upload, None, NOW)))
    assert len(taken) == 300
    assert looked <= 30
    assert sent <= 30, sent  # of 300 rows; 0.5 a row are allowed
    assert audit_chain.verify(()).fault is None
    lines = session.scalars(select(AuditLog.object_id).where(AuditLog.verb == "draft_entry").order_by(AuditLog.id))
    assert list(lines) == [entry.id for entry in taken]


def sheet(first: int, count: int) -> bytes:
    """So many good rows, and one without a time."""
    lines = "".join(
        f"党群服务,第{n}课,12月{1 + n % 28}日{9 + n // 28}:00-{10 + n // 28}:00\n" for n in range(first, first + count)
    )
    return f"服务类别,服务名称,服务时间\n{lines}党群服务,待定{first},待定\n".encode()


def test_an_import_goes_in_batches_each_committed(session: Any, town: Town, monkeypatch: Any) -> None:
    """What stops it leaves whole batches behind, each row with its history and audit line; pressed again it does the
    rest, and the row that is not good keeps its reason."""
    upload = preview(town, sheet(0, 10))
    session.commit()
    monkeypatch.setattr(bulk_rules, "IMPORT_BATCH", 4)
    real, calls = drafting.draft_entries, 0

    def dies_in_the_second(*args: Any) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("the power is off")
        return real(*args)

    monkeypatch.setattr(drafting, "draft_entries", dies_in_the_second)
    with pytest.raises(RuntimeError):
        importing.take_in_batches(town.actor("A1"), upload, None, NOW)
    assert session.scalar(select(func.count(Entry.id))) == 4
    assert [row.state for row in rows_of(upload)].count("taken") == 4
    assert importing.take_in_batches(town.actor("A1"), upload, None, NOW) == 6
    found = rows_of(upload)
    assert [row.state for row in found] == ["taken"] * 10 + ["bad"]
    assert len({row.entry_id for row in found}) == 11
    assert importing.take_in_batches(town.actor("A1"), upload, None, NOW) == 0
    noted = session.scalars(select(AuditLog.summary).where(AuditLog.verb == "take_in_plan").order_by(AuditLog.id))
    assert [words.split("导入 ")[1] for words in noted] == ["4 条", "4 条", "2 条"]
    assert session.scalar(select(func.count()).where(StateHistory.name == "draft_entry")) == 10


def test_chosen_rows_of_several_batches(session: Any, town: Town, monkeypatch: Any) -> None:
    upload = preview(town, sheet(0, 10))
    session.commit()
    monkeypatch.setattr(bulk_rules, "IMPORT_BATCH", 2)
    numbers = [row.number for row in rows_of(upload)][:5]
    assert importing.take_in_batches(town.actor("A1"), upload, iter(numbers), NOW) == 5
    assert [row.number for row in rows_of(upload) if row.entry_id] == numbers
    with pytest.raises(importing.NoSuchRow):
        importing.take_in_batches(town.actor("A1"), upload, [999], NOW)


def test_twice_the_rows_cost_no_statement_more(session: Any, town: Town) -> None:
    def cost(first: int, count: int) -> int:
        upload = preview(town, sheet(first, count))
        session.commit()
        return counted(lambda: importing.take_in_batches(town.actor("A1"), upload, None, NOW))

    cost(0, 2)
    assert cost(20, 12) == cost(40, 24)


@pytest.mark.own_database
@pytest.mark.skipif(KIND != "sqlite", reason="PostgreSQL has many writers")
def test_between_batches_other_processes_find_the_lock_free(session: Any, town: Town, monkeypatch: Any) -> None:
    upload = preview(town, sheet(0, 10))
    session.commit()
    clock = Pauses()
    monkeypatch.setattr(core_db, "time", clock)
    monkeypatch.setattr(bulk_rules, "IMPORT_BATCH", 4)
    assert importing.take_in_batches(town.actor("A1"), upload, None, NOW) == 10
    assert clock.pauses == 2


def test_a_combined_table_puts_its_rows_to_their_centres(session: Any, town: Town) -> None:
    labels = [town.centres[code].label for code in ("A1", "A2", "B1")]
    lines = "".join(f"{label},党群服务,{label}的活动,12月5日9:00-10:00\n" for label in labels)
    data = f"社区,服务类别,服务名称,服务时间\n{lines}没有的社区,党群服务,谁的,12月5日9:00-10:00\n".encode()
    upload = preview(town, data, who="A", centre="A")
    rows = rows_of(upload)
    assert [row.state for row in rows] == ["ready", "ready", "bad", "bad"]
    assert [p.field for p in rows[2].problems if p.severity == "error"] == ["centre"]
    assert labels[2] in rows[2].problems[0].message
    taken = importing.take_in_plan(town.actor("A"), upload, None, NOW)
    assert {entry.title: entry.centre_id for entry in taken} == {
        f"{label}的活动": town.centres[code].id for label, code in zip(labels[:2], ("A1", "A2"), strict=True)
    }
    choice = importing.Choice(centre_id=town.centres["A2"].id)
    (moved,) = importing.set_for_rows(town.actor("A"), upload, [rows[3].number], choice, NOW)
    assert (moved.state, moved.centre_id) == ("ready", town.centres["A2"].id)
    with pytest.raises(importing.RowsNotReady):
        importing.set_for_rows(
            town.actor("A"), upload, [rows[2].number], importing.Choice(centre_id=town.centres["B1"].id), NOW
        )


def test_the_title_of_another_centre_asks_and_that_of_a_superior_does_not(session: Any, town: Town) -> None:
    def titled(name: str) -> PlanImport:
        data = f"{name}2026年12月服务清单\n服务类别,服务名称,服务时间\n党群服务,课,12月5日9:00-10:00\n".encode()
        return preview(town, data)

    assert titled(town.centres["A1"].name).question == ""
    assert titled(town.centres["A"].name).question == ""
    assert titled("迎新春").question == ""
    asked = titled(town.centres["A2"].name)
    assert town.centres["A2"].label in asked.question
    with pytest.raises(importing.RowsNotReady):
        importing.take_in_plan(town.actor("A1"), asked, None, NOW)
    importing.answer_question(town.actor("A1"), asked, NOW)
    assert len(importing.take_in_plan(town.actor("A1"), asked, None, NOW)) == 1


def test_a_category_is_guessed_from_earlier_months_and_said_to_be(session: Any, town: Town, make: Make) -> None:
    make.entry(town.centres["A1"], title="亲子阅读（第3期）", month="2026-11", category=town.categories["public"])
    session.flush()
    data = "服务名称,服务时间\n亲子阅读（第4期）,12月5日9:00-10:00\n从没办过,12月6日9:00-10:00\n".encode()
    known, new = rows_of(preview(town, data))
    assert (known.values.category_id, known.category_guessed, known.state) == (
        town.categories["public"].id,
        True,
        "ready",
    )
    assert any("猜是“公共服务”" in p.message for p in known.problems)
    assert (new.values.category_id, new.category_guessed, new.state) == (0, False, "bad")


def test_our_own_table_is_read_back_without_loss(session: Any, town: Town) -> None:
    """Weekly rules, walking in, units, several days, contacts: what is exported is what was written (C10, C7)."""
    lines = (
        "公共服务,四点半课堂,写作业,每周一至周五16:30-18:00,二楼,小学生,30人,张三、李四,0755-84200001\n"
        "党群服务,义诊,量血压,12月8日9:00-11:00,大厅,全体居民,直接到场,陈社工,0755-84200002\n"
        "党群服务,亲子课,手工,12月5日、12日、19日9:00-10:30,二楼,3-6岁儿童及家长,15个亲子家庭,陈社工,0755-84200002\n"
        "党群服务,放电影,看,12月31日23:00-次日0:30,广场,全体居民,不限,陈社工,0755-84200002\n"
        "公共服务,书法,写,每周三19:00-20:30（共3节）,二楼,居民,20组,陈社工,0755-84200002\n"
    )
    head = "服务类别,服务名称,服务内容,服务时间,服务地点,服务对象,名额,联系人,联系电话\n"
    before = importing.take_in_plan(town.actor("A1"), preview(town, (head + lines).encode()), None, NOW)
    assert len(before) == 5
    rows = queries.board_rows(town.actor("A1"), [Entry.id.in_([e.id for e in before])], NOW, looked_at=False)
    for made in (export.to_xlsx(rows), export.to_csv(rows)):
        again = rows_of(preview(town, made))
        assert [row.state for row in again] == ["duplicate"] * 5, [(r.raw, r.problems) for r in again if not r.ok]
        kept = {row.values.title: row.values for row in again}
        for entry in before:
            wanted, got = entry_values.values_of(entry), kept[entry.title]
            same = [name for name in rules.differing(wanted, got) if name not in ("service_type_id", "weekly")]
            assert same == [], (entry.title, same)
            assert (wanted.weekly or {}).get("weekdays") == (got.weekly or {}).get("weekdays"), entry.title
