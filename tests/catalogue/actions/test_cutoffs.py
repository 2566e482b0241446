"""Dates of a month: set at the top, followed by reminders and the late list; 催一下 once a day (SPEC C5)."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.catalogue import cutoffs, waiting
from portal.catalogue.actions import handing_in, publishing, reviewing, urging
from portal.catalogue.models import Cutoff, Urge
from portal.catalogue.month_rules import DEPARTMENTS, counts, may_urge, problems
from portal.catalogue.staff import queries
from portal.core import clock, outbox, registry
from portal.core.audit import AuditLog
from portal.core.db import writing
from portal.core.errors import NotAllowed
from portal.notices.models import InboxMessage
from tests.catalogue.wording import MONTH, draft
from tests.factories import NOW, Town

USUAL = clock.at(date(2026, 11, 22), time(18))
MOVED = clock.at(date(2026, 11, 12), time(12))
PUT_OFF = clock.at(date(2026, 11, 24), time(12))
PAGE = f"/staff/catalogue/dates?month={MONTH}"


def typed(**changes: str) -> dict[str, str]:
    """The form as it stands by the profile."""
    usual = {part.code: clock.local(part.usual).strftime("%Y-%m-%dT%H:%M") for part in cutoffs.parts(MONTH)}
    return usual | changes


def told(session: Any, words: str) -> set[int]:
    session.rollback()
    return set(session.scalars(select(InboxMessage.person_id).where(InboxMessage.title.contains(words))))


def tick(session: Any, now: datetime) -> int:
    session.commit()
    made = publishing.remind_due(now)
    outbox.run_due(now)
    session.commit()
    return made


def set_usual(session: Any, town: Town, **changes: datetime) -> None:
    actor, dates = town.actor("D"), {part.code: part.usual for part in cutoffs.parts(MONTH)}
    with writing():
        cutoffs.set_dates(actor, MONTH, dates | changes, NOW)


def test_the_page_moves_them_and_everything_follows(
    client: FlaskClient, town: Town, session: Any, as_staff: Any
) -> None:
    as_staff(client, town.staff["D"])
    form = client.get(PAGE).text
    assert re.findall(r'<label for="(\w+)">([^<]+)', form) == [
        ("station", "服务站报计划"), ("department", "部门报计划"), ("community", "社区交清单"), ("subdistrict", "街道初审"),
        ("district", "新区复审"),
    ]  # fmt: skip
    done = client.post(PAGE, data=typed(station="2026-11-10T18:00", community="2026-11-12T12:00", department=""))
    assert done.status_code == 303
    page = client.get(done.location).text
    assert "社区交清单 11月12日 12:00" in page and 'value="2026-11-12T12:00"' in page
    session.rollback()
    assert cutoffs.of(MONTH)["community"] == MOVED and cutoffs.of("2027-01")["community"] != MOVED
    assert {row.level for row in session.scalars(select(Cutoff))} == {"station", "community"}
    assert queries.late(MONTH, MOVED, town.centres["D"].path) and not queries.late(MONTH, MOVED - timedelta(minutes=1))
    assert "11月12日 12:00" in client.get(f"/staff/catalogue/late?month={MONTH}").text
    line = session.scalars(select(AuditLog).where(AuditLog.verb == "set_dates")).one()
    assert line.before == {"服务站报计划": "11月18日 18:00", "社区交清单": "11月22日 18:00"}
    usual = typed()
    session.rollback()
    client.post(PAGE, data=usual)  # as usual again
    session.rollback()
    assert not session.scalars(select(Cutoff)).all()


@pytest.mark.parametrize(("change", "why"), [
    ({"community": "2026-11-27T18:00"}, "不能晚于“街道初审”的 11月26日 18:00"),
    ({"department": "2026-11-30T18:00"}, "不能晚于“新区复审”"), ({"district": "2026-12-02T18:00"}, "11月1日 0:00 到 12月1日 0:00"),
    ({"station": "2026-10-20T18:00"}, "之间"), ({"station": "下周五"}, "请按 2026-12-22 18:00 的样子"),
])  # fmt: skip
def test_a_date_that_will_not_do_is_said_beside_it(
    client: FlaskClient, town: Town, session: Any, as_staff: Any, change: dict[str, str], why: str
) -> None:
    as_staff(client, town.staff["D"])
    answer = client.post(PAGE, data=typed(**change))
    assert answer.status_code == 422 and why in answer.text and next(iter(change.values())) in answer.text
    session.rollback()
    assert not session.scalars(select(Cutoff)).all()


@pytest.mark.parametrize("who", ["A", "A1", "A1S", "ZFB", "D-LOOK"])
def test_others_see_them_and_cannot_set_them(client: FlaskClient, town: Town, as_staff: Any, who: str) -> None:
    as_staff(client, town.staff[who])
    page = client.get(PAGE)
    assert "11月22日 18:00" in page.text and "保存日期" not in page.text
    assert client.post(PAGE, data=typed()).status_code == 403
    with pytest.raises(NotAllowed):
        cutoffs.set_dates(town.actor(who), MONTH, cutoffs.of(MONTH), NOW)


def test_reminders_follow_a_date_that_was_moved(session: Any, town: Town) -> None:
    tick(session, USUAL - timedelta(days=2))
    assert len(told(session, "上交还剩 2 天")) == 5
    later = USUAL + timedelta(days=3)
    set_usual(session, town, community=later)
    assert tick(session, USUAL - timedelta(days=2) + timedelta(hours=1)) == 0
    session.execute(InboxMessage.__table__.delete())  # type: ignore[attr-defined]
    tick(session, USUAL)
    assert not told(session, "已过上交期限")
    tick(session, later - timedelta(days=2))  # anew, for the new date
    assert len(told(session, "上交还剩 2 天")) == 5
    tick(session, later)
    assert len(told(session, "已过上交期限")) == 5


def test_stations_and_departments_are_reminded_until_they_have_sent_something(session: Any, town: Town) -> None:
    dates = cutoffs.of(MONTH)
    tick(session, dates["station"] - timedelta(days=1))
    assert told(session, "12月计划还剩 1 天") == {town.staff["A1S"].id}
    lines = registry.waiting_lines(town.actor("A1S"), dates["station"] - timedelta(days=1), waiting.waits_for)
    assert [(w.title, w.tone) for w in lines] == [("12月计划还没有报", "gold")]
    lines = registry.waiting_lines(town.actor("ZFB"), dates[DEPARTMENTS] + timedelta(hours=1), waiting.waits_for)
    assert [(w.title, w.tone) for w in lines] == [("12月计划还没有报", "red")]
    tick(session, dates[DEPARTMENTS] - timedelta(days=2))
    assert town.staff["ZFB"].id in told(session, "12月计划还剩 2 天")
    plan = draft(town, "ZFB", title="反诈宣传")
    reviewing.offer(town.actor("ZFB"), plan, NOW)
    tick(session, dates[DEPARTMENTS] - timedelta(days=1))
    assert town.staff["ZFB"].id not in told(session, "12月计划还剩 1 天")
    assert registry.waiting_lines(town.actor("ZFB"), dates[DEPARTMENTS], waiting.waits_for) == []


def test_nobody_is_late_for_what_was_over_before_they_were_here(
    client: FlaskClient, town: Town, session: Any, as_staff: Any
) -> None:
    """The first day of an installation, after the cut-offs of the month."""
    for centre in town.centres.values():
        session.merge(centre).created_at = NOW
    draft(town, "A1S", title="站里的")
    session.commit()
    assert queries.late(MONTH, NOW) == []
    head = queries.head(town.actor("D"), MONTH, NOW)
    assert (head.late, head.overdue) == (0, False)
    assert queries.head(town.actor("A1"), MONTH, NOW).cutoff is None
    for who in ("D", "A", "A1", "A1S", "ZFB"):
        lines = registry.waiting_lines(town.actor(who), NOW, waiting.waits_for)
        assert [line for line in lines if line.due is not None and line.due <= NOW] == [], who
    tick(session, NOW)
    assert told(session, "期限") == told(session, "未交") == set()
    page = as_staff(client, town.staff["D"]).get(f"/staff/catalogue/late?month={MONTH}").text
    assert page.count("本月不计迟交") == 4 and "没交" not in page.replace("迟交或没交", "")
    set_usual(session, town, community=NOW + timedelta(hours=5), department=NOW + timedelta(hours=5))
    assert len(queries.late(MONTH, NOW + timedelta(hours=6))) == 4  # a date of this month binds them


def test_urged_once_a_day_by_whom_and_when(client: FlaskClient, town: Town, session: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["A"])
    late = f"/staff/catalogue/late?month={MONTH}"
    assert client.get(late).text.count(">催一下<") == 2
    url = f"/staff/catalogue/late/{town.centres['A1'].id}/urge?month={MONTH}"
    done = client.post(url)
    page = client.get(done.location).text
    assert "已经催了甲一社区" in page and "A管理员 11月25日 10:00 催过" in page and page.count(">催一下<") == 1
    session.rollback()
    outbox.run_due(NOW)
    session.commit()
    assert told(session, "催交12月清单") == {town.staff["A1"].id, town.operator["A1"].id}
    body = session.scalars(select(InboxMessage.body).where(InboxMessage.title.contains("催交"))).first()
    assert "甲街道的A管理员" in body and "0755-84200001" in body.replace(" ", "")
    again = client.post(url)
    assert "已经催过甲一社区" in client.get(again.location).text
    with clock.frozen(NOW + timedelta(days=1)):
        as_staff(client, town.staff["A"]).post(url)
    session.rollback()
    assert session.scalars(select(Urge)).one().at == NOW + timedelta(days=1)
    assert len(session.scalars(select(AuditLog).where(AuditLog.verb == "urge")).all()) == 2


def test_who_is_not_late_or_not_below_is_not_urged(client: FlaskClient, town: Town, session: Any) -> None:
    centre = town.centres["A1"]
    with pytest.raises(urging.NotLate):
        urging.urge(town.actor("A"), centre, MONTH, USUAL - timedelta(minutes=1))
    draft(town, "A1")
    handing_in.submit_issue(town.actor("A1"), centre, MONTH, NOW)
    with pytest.raises(urging.NotLate):
        urging.urge(town.actor("A"), centre, MONTH, NOW)
    for who, whom in (("B", "A2"), ("A2", "A2"), ("A2", "B1"), ("D-LOOK", "A2"), ("ZFB", "A2")):
        with pytest.raises(NotAllowed):
            urging.urge(town.actor(who), town.centres[whom], MONTH, NOW)
    with pytest.raises(urging.NotLate):
        urging.urge(town.actor("A"), town.centres["A1S"], MONTH, NOW)  # a station files no list


def test_rules_alone() -> None:
    late = clock.at(date(2026, 11, 25), time(23, 59))
    assert may_urge(None, late) and not may_urge(late, late) and may_urge(late, late + timedelta(minutes=1))
    assert counts(USUAL, USUAL) and not counts(USUAL, USUAL + timedelta(seconds=1)) and not counts(None, USUAL)


def test_the_profiles_own_dates_have_no_problems(town: Town) -> None:
    for month in ("2026-12", "2027-02", "2027-03"):
        parts = cutoffs.parts(month)
        assert problems(parts, {part.code: part.usual for part in parts}, month) == {}


def test_whoever_has_another_date_is_told_both_once(session: Any, town: Town) -> None:
    set_usual(session, town, community=PUT_OFF)
    outbox.run_due(NOW)
    outbox.run_due(NOW)
    session.commit()
    found = session.scalars(select(InboxMessage).where(InboxMessage.title.contains("改到"))).all()
    communities = {account.id for code, account in town.staff.items() if code in ("A1", "A2", "B1", "B2")}
    assert communities <= {message.person_id for message in found}
    others = {town.staff[code].id for code in ("D", "A", "A1S", "ZFB")}
    assert not others & {message.person_id for message in found}  # their own date stands
    assert len({message.person_id for message in found}) == len(found)
    assert "原来到 11月22日 18:00，现在改到 11月24日 12:00" in found[0].body


def test_departments_hear_of_their_own_date(session: Any, town: Town) -> None:
    set_usual(session, town, **{DEPARTMENTS: MOVED})
    outbox.run_due(NOW)
    assert told(session, "部门报计划改到") == {town.staff["ZFB"].id}


def test_a_date_that_moved_on_meanwhile_is_told_as_it_is(session: Any, town: Town) -> None:
    later = PUT_OFF + timedelta(days=1)
    set_usual(session, town, community=PUT_OFF)
    with writing():
        dates = cutoffs.of(MONTH) | {"community": later}
        cutoffs.set_dates(town.actor("D"), MONTH, dates, NOW + timedelta(minutes=1))
    outbox.run_due(NOW + timedelta(minutes=1))
    session.commit()
    titles = set(session.scalars(select(InboxMessage.title).where(InboxMessage.title.contains("改到"))))
    assert titles == {"12月社区交清单改到 11月25日 12:00"}
