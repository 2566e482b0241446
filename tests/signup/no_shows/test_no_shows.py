"""Who signs up and does not come (SPEC S8): off by default, counted once, told, appealed, decided; what follows ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.catalogue.models import Entry
from portal.core import clock, outbox, scope
from portal.core.audit import AuditLog
from portal.core.db import writing
from portal.notices.models import InboxMessage
from portal.signup import actions
from portal.signup.attendance import actions as attendance
from portal.signup.attendance.actions import Mark
from portal.signup.errors import SignUpRefused
from portal.signup.models import SignUp
from portal.signup.no_shows import queries, rules
from portal.signup.no_shows.models import NoShow, NoShowRule
from portal.signup.no_shows.rules import Policy
from tests.factories import NOW, Make, Town

SignIn = Callable[[FlaskClient, Any], FlaskClient]
DAY = timedelta(days=1)
RULE = Policy(True, 2, 90 * DAY, 30 * DAY, 7 * DAY)


@pytest.fixture
def on(session: Any, town: Town) -> Policy:
    switch_on(session)
    return RULE


def switch_on(session: Any) -> None:
    session.add(NoShowRule(id=1, active=True, most=2, within_days=90, pause_days=30, appeal_days=7, version=1))
    session.commit()


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with clock.frozen(NOW):
        yield


def missed(session: Any, town: Town, make: Make, days: int = 0, came: int | None = None) -> Entry:
    """An activity `days` from now that residents 0 and 1 signed up for, and whose roster was gone through and settled."""
    start = NOW + days * DAY + timedelta(hours=1)
    entry = make.entry(town.centres["A1"], [(start, start + timedelta(hours=1))], title=f"活动第{days}天")
    signed = [actions.sign_up(town.resident_actor(n), entry.id, None, 0, NOW) for n in range(2)]
    session.commit()
    date, over = entry.sessions[0].id, start + timedelta(hours=2)
    with writing():
        if came is not None:
            mark = Mark(f"mark-{date}-{came}", signed[came].person_key, True, over, "list")
            attendance.mark(town.actor("A1"), date, [mark], [], over)
        attendance.close(town.actor("A1"), date, over)
    session.rollback()
    with scope.system("test"):
        outbox.run_due(over + rules.SETTLES)
    session.rollback()
    return entry


def told(session: Any, person: int, kind: str) -> list[str]:
    wanted = select(InboxMessage.body).where(InboxMessage.person_id == person, InboxMessage.kind == kind)
    return list(session.scalars(wanted.order_by(InboxMessage.id)))


def try_again(session: Any, town: Town, make: Make, moment: Any, number: int = 0) -> SignUp:
    start = moment + 5 * DAY
    entry = make.entry(town.centres["A1"], [(start, start + timedelta(hours=1))])
    return actions.sign_up(town.resident_actor(number), entry.id, None, 0, moment)


def test_off_by_default_nothing_is_counted_and_nobody_is_told(session: Any, town: Town, make: Make) -> None:
    assert queries.policy().on is False
    missed(session, town, make)
    assert session.scalars(select(NoShow)).all() == []
    assert told(session, town.residents[0].id, "sign_up.no_show") == []


def test_who_did_not_come_is_counted_once_and_told(session: Any, town: Town, make: Make, on: Policy) -> None:
    missed(session, town, make, came=1)
    rows = session.scalars(select(NoShow)).all()
    assert [r.resident_id for r in rows] == [town.residents[0].id]
    (body,) = told(session, town.residents[0].id, "sign_up.no_show")
    assert on.text in body and on.appeal_text in body
    assert told(session, town.residents[1].id, "sign_up.no_show") == []


def test_so_many_times_mean_a_pause_that_ends(session: Any, town: Town, make: Make, on: Policy) -> None:
    missed(session, town, make)
    assert try_again(session, town, make, NOW + 2 * DAY).status == "confirmed"
    session.commit()
    missed(session, town, make, 3)
    later = NOW + 6 * DAY
    with pytest.raises(SignUpRefused, match="不能在网上报名"):
        try_again(session, town, make, later)
    session.rollback()
    assert try_again(session, town, make, later, 2).status == "confirmed", "nobody else has to wait"
    assert try_again(session, town, make, later + on.pause).status == "confirmed"


def test_a_corrected_roster_takes_it_back(session: Any, town: Town, make: Make, on: Policy) -> None:
    for days in (0, 3):
        entry = missed(session, town, make, days)
    over = entry.last_end + 2 * DAY
    mark = Mark("found-on-paper", f"r{town.residents[0].id}", True, over, "paper")
    date = entry.sessions[0].id
    with writing():
        attendance.mark(town.actor("A1"), date, [mark], [], over)
    assert len(queries.counted(f"r{town.residents[0].id}")) == 1
    assert try_again(session, town, make, NOW + 6 * DAY).status == "confirmed"


def test_an_appeal_is_decided_with_a_reason_and_told(
    session: Any, town: Town, make: Make, on: Policy, client: FlaskClient, as_resident: SignIn, as_staff: SignIn
) -> None:
    missed(session, town, make, came=1)
    row = session.scalars(select(NoShow)).one()
    later = row.counted_at + DAY
    session.rollback()
    with clock.frozen(later):
        as_resident(client, town.residents[0])
        assert on.text in client.get("/me/no-shows").text
        assert "报名没到：" in client.get("/me").text
        there = f"/me/no-shows/{row.id}/appeal"
        assert "请写为什么" in client.post(there, data={"words": " "}).text
        assert "交上去了" in client.post(there, data={"words": "我来了，没签上"}, follow_redirects=True).text
        session.rollback()
        assert queries.counted(row.person_key) == [], "while it waits the doubt is theirs"
        as_staff(client, town.staff["A1"])
        assert "报名没到的申诉" in client.get("/staff").text
        assert "我来了，没签上" in client.get("/staff/no-shows").text
        assert client.post(f"/staff/no-shows/{row.id}", data={"answer": "uphold"}).status_code == 422
        client.post(f"/staff/no-shows/{row.id}", data={"answer": "uphold", "reason": "签到表上没有"})
        as_staff(client, town.staff["B1"])
        assert client.post(f"/staff/no-shows/{row.id}", data={"answer": "excuse", "reason": "x"}).status_code == 404
    session.rollback()
    assert (row.status, row.answer) == ("upheld", "签到表上没有")
    session.rollback()
    with scope.system("test"):
        outbox.run_due(later)
    (body,) = told(session, town.residents[0].id, "sign_up.no_show_answer")
    assert "没有通过" in body and "签到表上没有" in body


def test_an_appeal_is_ones_own_and_in_time(
    session: Any, town: Town, make: Make, on: Policy, client: FlaskClient, as_resident: SignIn
) -> None:
    missed(session, town, make, came=1)
    row = session.scalars(select(NoShow)).one()
    there, late = f"/me/no-shows/{row.id}/appeal", row.counted_at + on.appeal
    session.rollback()
    as_resident(client, town.residents[1])
    assert client.post(there, data={"words": "不是我"}).status_code == 404
    with clock.frozen(late):
        as_resident(client, town.residents[0])
        assert "已经过了" in client.post(there, data={"words": "太晚了"}).text


@pytest.mark.parametrize(
    ("days", "until"), [([], None), ([0], None), ([0, 91], None), ([0, 90], 120), ([0, 1, 200], 31), ([0, 1, 60], 90)]
)
def test_the_rule(days: list[int], until: int | None) -> None:
    found = rules.paused_until([NOW + n * DAY for n in days], RULE)
    assert found == (None if until is None else NOW + until * DAY)


def test_residents_read_the_rule_where_it_applies(session: Any, town: Town, make: Make, client: FlaskClient) -> None:
    entry, drop_in = make.entry(town.centres["A1"]), make.entry(town.centres["A1"], walk_in=True)
    session.rollback()
    assert "报了名没有来" not in client.get(f"/services/{entry.id}").text
    session.rollback()
    switch_on(session)
    assert RULE.text in client.get(f"/services/{entry.id}").text
    assert RULE.text not in client.get(f"/services/{drop_in.id}").text


def test_the_district_sets_its_rule_by_a_page(
    session: Any, town: Town, client: FlaskClient, as_staff: SignIn, make: Make
) -> None:
    """Off until then; at the top alone, within bounds, once at a time, audited; residents read it at once."""
    there, good = "/staff/no-shows/rule", {"most": "2", "within_days": "90", "pause_days": "30", "appeal_days": "7"}
    entry = make.entry(town.centres["A1"])
    for code, may in (("A1", False), ("D", True)):
        as_staff(client, town.staff[code])
        page = client.get(there).text
        assert "没有启用" in page and (">保存<" in page) is may
        answer = client.post(there, data={**good, "active": "y", "version": "0"})
        assert answer.status_code == (303 if may else 403)
    assert RULE.text in client.get(there).text and RULE.text in client.get(f"/services/{entry.id}").text
    for wrong, said in (
        ({"most": "1"}, "满几次请填 2–10 次"), ({"pause_days": "91"}, "1–90 天"), ({"within_days": "很多"}, "7–365 天"),
        ({"appeal_days": ""}, "请填可以申诉的天数"), ({"version": "0"}, "别人刚刚改过"),
    ):  # fmt: skip
        answer = client.post(there, data={**good, "active": "y", "version": "1", **wrong})
        assert answer.status_code == 422 and said in answer.text
    assert client.post(there, data={**good, "version": "1"}).status_code == 303
    assert "没有启用" in client.get(there).text and RULE.text not in client.get(f"/services/{entry.id}").text
    session.rollback()
    lines = session.scalars(select(AuditLog).where(AuditLog.verb == "set_no_show_rule").order_by(AuditLog.id))
    assert [line.after["rule"] for line in lines] == [RULE.said, "未启用"]


def test_who_is_paused_reads_it_before_the_tap(
    session: Any, town: Town, make: Make, on: Policy, client: FlaskClient, as_resident: SignIn
) -> None:
    for day in (0, 1):
        missed(session, town, make, days=day, came=1)
    moment = NOW + 3 * DAY
    entry = make.entry(town.centres["A1"], [(moment + DAY, moment + DAY + timedelta(hours=1))])
    session.rollback()
    for number, paused in ((0, True), (1, False)):
        with clock.frozen(moment):
            page = as_resident(client, town.residents[number]).get(f"/services/{entry.id}").text
        assert ("最近 2 次报了名没有来" in page) is paused and ("确认报名" in page) is not paused
