"""Clocks, hand-overs, silence, appeal, being done again, callers, what is near (SPEC H2, H3, H6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from portal.cases import deadlines as case_deadlines
from portal.cases.models import CaseClock
from portal.core import clock, outbox
from portal.feedback.models import Evaluation
from portal.help_requests import actions, deadlines, queries, registering, reviewing, told
from portal.help_requests.actions import Asked
from portal.help_requests.models import HelpRequest
from portal.help_requests.registry import satisfied
from portal.notices.models import Delivery, InboxMessage
from portal.people.models import StaffAccount
from tests.factories import NOW, Town
from tests.help_requests.conftest import WORDS, Filed, deliver, fresh
from tests.help_requests.walks import walk as random_walk

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SLOW = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])


def review(row: HelpRequest, session: Any) -> CaseClock:
    found: CaseClock = session.scalars(
        select(CaseClock).where(CaseClock.case_id == row.case_id, CaseClock.name == "review").order_by(CaseClock.id)
    ).first()
    return found


@SLOW
@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 3000)), max_size=3))
def test_review_is_due_a_day_after_filing_plus_what_was_asked(
    session: Any, town: Town, gaps: list[tuple[int, int]]
) -> None:
    """due = filed + 24 h + time waited for answers (72 h in all at most), while it was not missed before."""
    session.rollback()
    a, own, now = town.actor("A"), town.resident_actor(0), NOW
    row = actions.ask_for_help(own, Asked("agency", WORDS), None, now)
    asked = 0
    for before, answered in gaps:
        now += timedelta(minutes=before)
        reviewing.ask(a, row.id, "哪天？", now)
        now += timedelta(minutes=answered)
        missed = review(row, session).due_at <= now - timedelta(minutes=min(answered, 72 * 60 - asked))
        actions.answer(own, row.id, "明天", now)
        asked += 0 if missed else min(answered, 72 * 60 - asked)
        if missed:
            break
    assert review(row, session).due_at == NOW + 24 * HOUR + timedelta(minutes=asked)
    session.rollback()


@SLOW
@given(st.integers(0, 10**6))
def test_random_walks(session: Any, town: Town, seed: int) -> None:
    """A few of `make help-walks`."""
    session.rollback()
    random_walk(town, seed, NOW, steps=18)


def test_reviewed_by_the_residents_subdistrict_or_the_ladder(session: Any, town: Town, filed: Filed) -> None:
    """Home decides, not the code that was scanned; where nobody works the level above has it, and says so."""
    assert filed().case.waits_at.code == "A"
    assert filed(number=3).case.waits_at.code == "B"
    for account in session.scalars(select(StaffAccount).where(StaffAccount.centre_id == town.centres["A"].id)):
        account.disabled_at = NOW
    session.commit()
    row = filed(kind="errand")
    assert row.case.waits_at.code == "D" and row.centre.code == "A1"
    assert queries.request(row.id) is not None and told.holder(row, NOW, None).who == "测试区"  # type: ignore[union-attr]


def test_warned_once_told_once_and_the_resident_sees_it(session: Any, town: Town, filed: Filed) -> None:
    """80 %: the owner; 100 %: the unit and the level above; two schedulers tell once."""
    row = filed()
    for moment in (NOW + 19 * HOUR, NOW + 19.3 * HOUR, NOW + 20 * HOUR, NOW + 24 * HOUR, NOW + 25 * HOUR):
        for _ in range(2):
            session.rollback()
            case_deadlines.warn(moment)
            case_deadlines.overdue(moment)
            outbox.run_due(moment)
    session.rollback()
    sent = session.execute(
        select(InboxMessage.person_id, InboxMessage.title)
        .where(InboxMessage.audience == "staff")
        .order_by(InboxMessage.id)
    ).all()
    a, d = town.staff["A"].id, town.staff["D"].id
    titles = [(who, title.split("（")[0]) for who, title in sent]
    assert titles.count((a, "求助快到期了")) == 1 and titles.count((a, "求助超时了")) == 1
    assert titles.count((d, "甲街道的求助超时")) == 1 and len(titles) == 4  # and that it came
    held = told.holder(fresh(row.id), NOW + 25 * HOUR, None)
    assert held is not None and "已经晚了 1 小时" in held.late and "上级也收到了提醒" in held.late


def test_no_answer_counts_as_accepted_and_the_address_opens(session: Any, town: Town, filed: Filed) -> None:
    row = filed("dispatched")
    later = NOW + 5 * HOUR
    session.rollback()
    case_deadlines.lapse(later)
    outbox.run_due(later)
    row = fresh(row.id)
    assert row.status == "accepted" and row.taken_id == town.centres["A1"].id and row.case.waits_at.code == "A1"


def test_sent_back_keeps_its_clock(session: Any, town: Town, filed: Filed) -> None:
    row = filed("dispatched")
    whole = queries.clock_of(row, "whole")
    reviewing.decline(town.actor("A1"), row.id, "人手不够", NOW + HOUR)
    session.commit()
    row = fresh(row.id)
    assert (row.status, row.case.waits_at.code) == ("received", "A")
    reviewing.dispatch(town.actor("A"), row.id, town.centres["A2"].id, NOW + 2 * HOUR)
    reviewing.accept(town.actor("A2"), row.id, NOW + 3 * HOUR)
    session.commit()
    again = queries.clock_of(fresh(row.id), "whole")
    assert whole is not None and again is not None and (again.id, again.due_at) == (whole.id, whole.due_at)
    reviewing.hand_back(town.actor("A2"), row.id, "上门后发现超出能力", NOW + 4 * HOUR)
    session.commit()
    row = fresh(row.id)
    assert (row.status, row.case.waits_at.code, row.taken_at) == ("received", "A", None)


def test_referred_to_a_department_an_outside_number_and_another_tree(session: Any, town: Town, filed: Filed) -> None:
    """Ours until they accept; a number outside cannot accept."""
    a, zfb = town.actor("A"), town.actor("ZFB")
    row = filed()
    reviewing.refer(a, row.id, f"d{town.department.id}", "专业部门办", NOW)
    session.commit()
    assert fresh(row.id).case.waits_at.code == "A"
    reviewing.accept(zfb, row.id, NOW + HOUR)
    session.commit()
    assert fresh(row.id).case.department_id == town.department.id
    reviewing.take(zfb, row.id, NOW + 2 * HOUR)
    reviewing.finish(zfb, row.id, "办好了", NOW + 3 * HOUR)
    session.commit()
    assert fresh(row.id).status == "done"
    outside = registering.keep_outside(a, "家电维修", "0755-00000001", "", NOW)
    session.commit()
    other = filed(kind="bee")
    reviewing.refer(a, other.id, f"o{outside.id}", "请师傅", NOW)
    session.commit()
    row = fresh(other.id)
    assert row.case.waits_at.code == "A" and "家电维修" in told.steps(row, queries.history(row.id), NOW, None)[1].who
    third = filed(kind="errand")
    reviewing.refer(a, third.id, f"c{town.centres['B'].id}", "住在贵辖区", NOW)
    session.commit()
    reviewing.decline(town.actor("B"), third.id, "不住在这里", NOW + HOUR)
    session.commit()
    deliver()
    assert fresh(third.id).case.waits_at.code == "A"


def test_silence_is_no_satisfaction_and_stars_are(session: Any, town: Town, filed: Filed) -> None:
    silent, happy = filed("done"), filed("confirmed", kind="errand")
    session.rollback()
    assert deadlines.settle(NOW + 6 * DAY) == 0
    assert deadlines.settle(NOW + 7 * DAY) == 1 and deadlines.settle(NOW + 8 * DAY) == 0
    row = fresh(silent.id)
    assert (row.status, row.by_default) == ("confirmed", True) and not satisfied(row) and satisfied(fresh(happy.id))
    assert [e.stars for e in session.scalars(select(Evaluation))] == [5]


def test_not_solved_once_freely_then_a_level_up_and_appeal_once(session: Any, town: Town, filed: Filed) -> None:
    own, a1 = town.resident_actor(0), town.actor("A1")
    row = filed("done")
    for at, code in ((1, "A1"), (3, "A")):
        actions.not_solved(own, row.id, "", NOW + at * HOUR)
        session.commit()
        again = fresh(row.id)
        assert (again.status, again.case.waits_at.code) == ("accepted", code)
        found = queries.clock_of(again, "again")
        assert found is not None and found.due_at == NOW + (at + 48) * HOUR
        reviewing.finish(a1 if code == "A1" else town.actor("A"), row.id, "再办一次", NOW + (at + 1) * HOUR)
        session.commit()
    refused = filed("refused", kind="bee")
    actions.appeal(own, refused.id, "不同意", NOW + HOUR)
    session.commit()
    assert (fresh(refused.id).status, fresh(refused.id).case.waits_at.code) == ("received", "D")
    reviewing.refuse(town.actor("D"), refused.id, "复核过了", ("kind", "other"), NOW + 2 * HOUR)
    session.commit()
    from portal.core import states
    from portal.help_requests.states import MACHINE

    assert "appeal" not in {t.name for t in states.available(MACHINE, fresh(refused.id), own)}


def test_recorded_for_a_caller_who_is_told_by_telephone(session: Any, town: Town) -> None:
    """No text leaves; what has to be said stands on the list of whoever wrote it down, with the number readable there."""
    from portal.help_requests import private_fields

    a1 = town.actor("A1")
    row = actions.record(a1, Asked("errand", WORDS), "19900000990", "庄金水", "", NOW, by_phone=True)
    session.commit()
    reviewing.ask(town.actor("A"), row.id, "买几天的菜？", NOW + HOUR)
    session.commit()
    deliver(NOW + HOUR)
    row = fresh(row.id)
    assert row.call_text == "买几天的菜？" and not session.scalars(select(Delivery)).all()
    assert [r.id for r in queries.to_call(a1)] == [row.id] and not queries.to_call(town.actor("A"))
    assert private_fields.may_read(row, a1, "phone", NOW) and not private_fields.may_read(row, a1, "address", NOW)
    actions.say_called(a1, row.id, NOW + 2 * HOUR)
    actions.answer(a1, row.id, "三天的", NOW + 2 * HOUR)
    session.commit()
    assert fresh(row.id).call_text == "" and review(row, session).due_at == NOW + 25 * HOUR
    assert not private_fields.may_read(fresh(row.id), a1, "phone", NOW)


def test_a_strangers_number_stays_a_number(session: Any, town: Town) -> None:
    """Somebody of another tree is shown by the name that was typed, never by the registered one (P8)."""
    a1, phone = town.actor("A1"), town.residents[3].phone or ""
    row = actions.record(a1, Asked("errand", WORDS), phone, "随便写的", "", NOW)
    kept = registering.register(a1, phone, "随便写的", "", clock.today(NOW), None, "", NOW)
    session.commit()
    assert row.caller_name == kept.caller_name == "随便写的" and row.centre.code == "A1"
    assert queries.person_of(row, clock.today(NOW)) == "随***" and row.masked_address == "甲一社区"


def test_near_in_time_kind_and_place(session: Any, town: Town, filed: Filed) -> None:
    first = filed(latitude=22.6000, longitude=114.4000)
    same = filed(number=1, place="金丝雀花园 12栋345房", words="也要取药")
    near = filed(number=1, place="别处1号", words="取药三", latitude=22.6012, longitude=114.4000)
    filed(number=1, place="远处1号", words="取药四", latitude=22.7, longitude=114.4)
    filed(number=1, kind="bee", words="别的事")
    filed(number=1, now=NOW - 20 * DAY, words="很久以前")
    found = {n.id: n.why for n in queries.near(fresh(first.id), NOW)}
    assert found == {same.id: "同一住址", near.id: "离 130 米"}


def test_registered_is_looked_up_and_never_a_wall(session: Any, town: Town, filed: Filed) -> None:
    row, today = filed(), clock.today(NOW)
    kind = queries.help_kinds.of("agency")
    assert queries.registration(row.person_key, today) is None
    assert queries.suggested(row, kind, False, town.actor("A")) is None
    phone = town.residents[0].phone or ""
    kept = registering.register(town.actor("A1"), phone, "", "", today, today + 10 * DAY, "低保证", NOW)
    session.commit()
    assert queries.registration(row.person_key, today) is not None
    suggested = queries.suggested(row, kind, True, town.actor("A"))
    assert suggested is not None and suggested.label == "甲一社区"
    registering.end(town.actor("A1"), kept.id, NOW)
    session.commit()
    assert queries.registration(row.person_key, today + DAY) is None


def test_the_same_press_twice_is_one_request(session: Any, town: Town, filed: Filed) -> None:
    assert filed().id == filed(now=NOW + timedelta(seconds=20)).id
    assert filed().id != filed(now=NOW + HOUR).id
