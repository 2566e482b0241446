"""A case is opened, handed over by acceptance, its clocks never move but for three audited things (I1, I4-I7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.cases import actions, calendar_actions, deadlines, kinds, notice_text, policy, queries
from portal.cases.errors import AlreadyOffered, BadNotice, MayNotDecline
from portal.cases.models import DISPATCH, REFER, CalendarDay, CalendarYear, Case, CaseClock, Handover
from portal.cases.policy import Policy, Term
from portal.cases.states import MACHINE
from portal.core import clock, outbox, registry, scope, states
from portal.core.access import Permission
from portal.core.audit import AuditLog
from portal.core.errors import NotAllowed
from portal.core.states import ReasonMissing
from portal.people.models import StaffAccount
from tests.factories import NOW, Town

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KIND = kinds.Kind("help", "求助", "help", Permission.FEEDBACK, "help")
POLICY = Policy(
    clocks={"answer": Term("workdays", 5), "sign": Term("working_hours", 4), "visit": Term("hours", 24)},
    answer=Term("working_hours", 4),
)


@pytest.fixture(autouse=True)
def a_kind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A kind of its own, as help requests will be one."""
    real = policy.of
    monkeypatch.setattr(policy, "of", lambda name: POLICY if name == "help" else real(name))
    monkeypatch.setitem(kinds._kinds, "help", KIND)
    registry.question.cache_clear()  # it knows the kinds of before
    with scope.system("test"):
        yield
    registry.question.cache_clear()


@pytest.fixture
def known(session: Any) -> None:
    """2026 as the migration seeds it (tests/house/test_schema.py), as far as these tests need it."""
    session.add(CalendarYear(year=2026, entered_at=NOW))
    session.add_all(CalendarDay(day=date(2026, 10, d), kind="rest", name="国庆节") for d in range(1, 8))
    session.commit()


def case(town: Town, at: str = "A1", now: datetime = NOW, clocks: tuple[str, ...] = ("answer", "visit")) -> Case:
    return actions.open_case("help", town.centres[at], "上门理发", "", clocks, now)


def test_clocks_come_from_the_policy_and_the_nearest_is_due(session: Any, town: Town) -> None:
    row = case(town)
    due = {c.name: c.due_at for c in session.scalars(select(CaseClock))}
    assert due["visit"] == NOW + DAY == row.due_at and clock.local(due["answer"]).hour == 18
    actions.stop_clock(row, "visit", NOW + HOUR)
    assert row.due_at == due["answer"]


def test_responsibility_moves_only_on_acceptance(session: Any, town: Town) -> None:
    row = case(town, "A")
    due = row.due_at
    offered = actions.offer(town.actor("A"), row, DISPATCH, town.centres["A1"], "请上门", NOW)
    assert row.waits_at.code == "A"
    with pytest.raises(AlreadyOffered):
        actions.offer(town.actor("A"), row, DISPATCH, town.centres["A2"], "请上门", NOW)
    with pytest.raises(NotAllowed, match="甲一社区"):
        actions.accept(town.actor("A2"), offered, NOW)
    [line] = [w for w in registry.waiting_lines(town.actor("A1"), NOW, queries.waits_for) if "求助" in w.title]
    assert "等您答复是否接收" in line.detail
    actions.accept(town.actor("A1"), offered, NOW + HOUR)
    assert (row.waits_at.code, row.turn_since, row.due_at) == ("A1", NOW + HOUR, due)
    with pytest.raises(states.NoSuchTransition):
        actions.accept(town.actor("A1"), offered, NOW + HOUR)


def test_declined_stays_with_the_giver_and_the_third_goes_to_both_their_superior(session: Any, town: Town) -> None:
    row = case(town, "A1")
    for turn in range(3):
        offered = actions.offer(town.actor("A1"), row, REFER, town.centres["A2"], "该他们办", NOW + turn * HOUR)
        with pytest.raises(ReasonMissing):
            actions.decline(town.actor("A2"), offered, " ", NOW)
        actions.decline(town.actor("A2"), offered, "不是我们的", NOW + turn * HOUR)
        assert row.waits_at.code == ("A1" if turn < 2 else "A")
    names = [h.name for h in states.history(MACHINE, [row.id])]
    assert names == ["open", *("offer", "declined") * 3, "lift"]


def test_back_and_forth_ends_above_both(session: Any, town: Town) -> None:
    row = case(town, "A1")
    for turn in range(3):
        actions.hand_on(town.actor("A1"), row, "up", actions.above(row), "请街道办", NOW)
        actions.hand_on(town.actor("A"), row, "back", actions.below(row), "社区可以办", NOW)
        assert row.waits_at.code == ("A1" if turn < 2 else "D")


@pytest.mark.parametrize(("kind", "ends"), [(DISPATCH, "A1"), (REFER, "D")])
def test_no_answer_counts(session: Any, town: Town, kind: str, ends: str) -> None:
    row = case(town, "A")
    offered = actions.offer(town.actor("A"), row, kind, town.centres["A1"], "请办", NOW)
    session.commit()
    assert deadlines.lapse(offered.answer_by - HOUR) == 0 and deadlines.lapse(offered.answer_by) == 1
    assert deadlines.lapse(offered.answer_by) == 0, "a handler run twice has acted once"
    session.expire_all()
    assert session.get_one(Case, row.id).waits_at.code == ends


def test_some_kinds_may_not_be_declined(session: Any, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    row = case(town, "A")
    offered = actions.offer(town.actor("A"), row, DISPATCH, town.centres["A1"], "请办", NOW)
    monkeypatch.setattr(policy, "of", lambda name: Policy(may_decline=False))
    with pytest.raises(MayNotDecline):
        actions.decline(town.actor("A1"), offered, "不去", NOW)


def test_an_offer_to_an_empty_level_goes_above_it(session: Any, town: Town) -> None:
    session.execute(
        StaffAccount.__table__.update().where(StaffAccount.username.in_(("b", "b1"))).values(disabled_at=NOW)
    )
    row = case(town, "A1")
    assert actions.offer(town.actor("A1"), row, REFER, town.centres["B1"], "他们办", NOW).receiver.code == "D"


def test_only_three_things_move_a_due_time(session: Any, town: Town) -> None:
    row = case(town, clocks=("visit",))
    due = row.due_at
    actions.claim(town.actor("A1"), row, NOW)
    actions.hand_on(town.actor("A1"), row, "up", actions.above(row), "请街道办", NOW)
    assert row.due_at == due
    with pytest.raises(NotAllowed, match="上级批准"):
        actions.extend(town.actor("A"), row, "visit", due + DAY, "人手不够", NOW)
    with pytest.raises(ReasonMissing):
        actions.extend(town.actor("D"), row, "visit", due + DAY, "", NOW)
    actions.extend(town.actor("D"), row, "visit", due + DAY, "人手不够", NOW)
    assert row.due_at == due + DAY
    session.commit()
    assert session.scalars(select(AuditLog.verb)).all() == ["extend"]


def test_waiting_for_the_resident_adds_exactly_that_and_72_hours_at_most(session: Any, town: Town) -> None:
    row = case(town, clocks=("visit",))
    due = row.due_at
    actions.ask(town.actor("A1"), row, "门牌号是多少？", NOW)
    assert row.due_at == due, "asking stops nothing by itself"
    actions.answered(row, NOW + 5 * HOUR)
    assert row.due_at == due + 5 * HOUR
    actions.ask(town.actor("A1"), row, "几楼？", NOW + 5 * HOUR)
    actions.answered(row, NOW + 10 * DAY)
    assert row.due_at == due + 5 * HOUR, "it was missed meanwhile, and a missed clock stays missed"
    assert row.waited == 72 * 60


def test_missed_clocks_are_told_once_in_office_hours(session: Any, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    row = case(town, clocks=("visit",))
    assert row.due_at is not None
    session.commit()
    night = row.due_at + 12 * HOUR  # 22:00
    morning = row.due_at + 23 * HOUR
    assert deadlines.overdue(night) == 0, "staff are told in office hours"
    assert deadlines.overdue(morning) == 1 and deadlines.overdue(morning) == 0
    second = morning + 3 * DAY  # Monday
    assert deadlines.overdue(second) == 1 and deadlines.overdue(second + DAY) == 0
    topics = session.execute(select(outbox.Outbox.topic, outbox.Outbox.payload)).all()
    assert [(t, p["step"]) for t, p in topics if t == "help.overdue"] == [("help.overdue", 1), ("help.overdue", 2)]


def test_a_missed_clock_may_hand_the_case_up(session: Any, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "of", lambda name: Policy(POLICY.clocks, then="hand_up", after_hours=1, any_time=True))
    row = case(town, clocks=("visit",))
    session.commit()
    assert row.due_at is not None and deadlines.overdue(row.due_at) == 1 and deadlines.overdue(row.due_at + HOUR) == 1
    session.expire_all()
    assert session.get_one(Case, row.id).waits_at.code == "A"


def test_a_department_has_what_it_accepted_and_nobody_else(session: Any, town: Town) -> None:
    row = case(town, "A")
    offered = actions.offer(town.actor("A"), row, REFER, town.centres["D"], "政法办办", NOW, department=town.department)
    assert [w.title for w in registry.waiting_lines(town.actor("ZFB"), NOW, queries.waits_for)] == ["求助：上门理发"]
    actions.accept(town.actor("ZFB"), offered, NOW)
    assert row.department_id == town.department.id
    assert registry.waiting_lines(town.actor("ZFB"), NOW, queries.waits_for) and not registry.waiting_lines(
        town.actor("D"), NOW, queries.waits_for
    )
    session.execute(StaffAccount.__table__.update().where(StaffAccount.username == "zfb").values(disabled_at=NOW))
    actions.resettle(NOW)
    assert row.department_id is None and registry.waiting_lines(town.actor("D"), NOW, queries.waits_for)


def test_two_at_once_and_one_is_told(session: Any, town: Town) -> None:
    row = case(town)
    actions.close(town.actor("A1"), row, "已办好", NOW)
    assert row.status == "done" and all(c.stopped_at for c in session.scalars(select(CaseClock)))
    with pytest.raises(states.NoSuchTransition):
        actions.claim(town.actor("A1"), row, NOW)


def test_what_waits_is_one_statement(session: Any, town: Town, count_queries: Any) -> None:
    for _ in range(3):
        case(town)
    session.commit()
    actor = town.actor("A1")
    with count_queries() as few:
        registry.waiting_lines(actor, NOW, queries.waits_for)
    assert len([s for s in few if not s.startswith(("BEGIN", "PRAGMA"))]) == 1


# The calendar ---------------------------------------------------------------------------------------------------------


def test_entering_a_year_counts_due_times_once_more(session: Any, town: Town, known: None) -> None:
    opened = clock.at(date(2026, 12, 31), NOW.time())
    row = case(town, now=opened, clocks=("answer",))
    assert clock.day(row.due_at) == "1月7日（周四）"
    assert queries.head(row, opened).until == "约 1月7日 18:00"
    reading = notice_text.read("元旦：1月1日至3日放假，1月9日上班。", 2027)
    with pytest.raises(NotAllowed):
        calendar_actions.enter_year(town.actor("A"), 2027, reading, "", NOW)
    with pytest.raises(BadNotice):
        calendar_actions.enter_year(town.actor("D"), 2027, notice_text.read("？", 2027), "", NOW)
    assert calendar_actions.enter_year(town.actor("D"), 2027, reading, "国办发明电", NOW) == 1
    assert clock.day(row.due_at) == "1月8日（周五）" and queries.head(row, opened).until == "1月8日 18:00"
    again = notice_text.read("元旦：1月1日至5日放假。", 2027)
    assert calendar_actions.enter_year(town.actor("D"), 2027, again, "", NOW) == 0, "only what was assumed moves"
    session.commit()
    assert session.scalars(select(AuditLog.verb)).all() == ["enter_year", "enter_year"]


def test_the_page_shows_what_was_understood_before_it_saves(
    session: Any, town: Town, known: None, client: Any, as_staff: Any
) -> None:
    as_staff(client, town.staff["A1"])
    page = client.get("/staff/calendar").text
    assert "节假日安排" in page and "国庆节" in page and "<textarea" not in page
    assert client.post("/staff/calendar/2027", data={"text": "元旦：1月1日放假"}).status_code == 403
    as_staff(client, town.staff["D"])
    assert "2027年（未公布）" in client.get("/staff/calendar?year=2027").text
    bad = client.post("/staff/calendar/2027", data={"text": "元旦 1月1日"})
    assert bad.status_code == 422 and "没有看懂" not in bad.text and "元旦 1月1日" in bad.text
    seen = client.post("/staff/calendar/2027", data={"text": "元旦：1月1日至3日放假，1月4日上班。"})
    assert seen.status_code == 200 and "请核对：共 4 天" in seen.text and "1月4日" in seen.text
    assert not queries.days_of(2027)
    done = client.post("/staff/calendar/2027", data={"text": "元旦：1月1日至3日放假。", "do": "save", "notice": "7号"})
    assert done.status_code == 303
    session.rollback()
    assert len(queries.days_of(2027)) == 3
    assert client.post("/staff/calendar/2031", data={"text": "元旦：1月1日放假"}).status_code == 404


def test_handover_rows_tell_the_way(session: Any, town: Town) -> None:
    row = case(town, "A1")
    actions.hand_on(town.actor("A1"), row, "up", actions.above(row), "请街道办", NOW, tried="打过三次电话")
    [way] = session.scalars(select(Handover)).all()
    assert (way.kind, way.status, way.tried, way.decided_by) == ("up", "accepted", "打过三次电话", "A1管理员")
