"""Somebody rings: "没收到". What they were told is found by their number, and it says what to do (SPEC M2, P8)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.core import clock
from portal.core.audit import AuditLog
from portal.core.db import db
from portal.notices import actions, lookup, queries, rules
from portal.notices.actions import Told
from portal.notices.models import Delivery
from portal.people.models import PhoneLookup

FIND, LIST = "/staff/messages/find", "/staff/messages"


def tell(town: Any, who: int, now: datetime, title: str = "报名成功", kind: str = "sign_up", key: str = "k") -> None:
    actions.tell_residents([Told(town.residents[who].id, key)], kind, title, "周日上午", "/me", now)
    db.session.commit()


def outcome(state: str, now: datetime, error: str = "") -> None:
    db.session.rollback()  # SQLite: a transaction that has read an old state may not write
    for row in db.session.scalars(select(Delivery)):
        row.done_at, row.outcome, row.last_error = now, state, error
    db.session.commit()


def counted() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count(PhoneLookup.id))) or 0


def typed_in(page: Any) -> str:
    return page.post(FIND, data={"phone": "199-0000 0000"}).location or ""


def test_a_number_leads_to_what_its_holder_was_told(client: Any, as_staff: Any, town: Any, now: datetime) -> None:
    tell(town, 0, now)
    tell(town, 1, now, "别人的")
    outcome("sent", now)
    me = as_staff(client, town.staff["A1"])
    address = typed_in(me)
    assert address == f"/staff/messages/residents/{town.residents[0].id}"
    page = me.get(address).text
    assert [
        word for word in ("报名成功", "周日上午", "已发出", "199****0000", "已交给运营商") if word not in page
    ] == []
    assert "别人的" not in page
    assert "19900000000" not in page
    assert counted() == 1
    line = db.session.scalars(select(AuditLog).where(AuditLog.verb == "look_up")).one()
    assert (line.object_id, line.actor_name) == (town.residents[0].id, "A1管理员")
    assert "0000" not in line.summary


@pytest.mark.parametrize(
    ("who", "home"), [("A1", True), ("A", True), ("D", True), ("A2", False), ("B1", False), ("ZFB", False)]
)
def test_only_those_of_ones_own_tree(
    client: Any, as_staff: Any, town: Any, now: datetime, who: str, home: bool
) -> None:
    tell(town, 0, now)
    me = as_staff(client, town.staff[who])
    own = me.get(f"/staff/messages/residents/{town.residents[0].id}")
    found = me.post(FIND, data={"phone": "19900000000"})
    if who == "ZFB" and found.status_code == 403:  # an operator of a department has no messages at all
        return
    assert own.status_code == (200 if home else 404)
    assert found.status_code == (303 if home else 422)


def test_a_strangers_number_and_nobodys_are_told_alike(client: Any, as_staff: Any, town: Any, now: datetime) -> None:
    tell(town, 3, now)
    me = as_staff(client, town.staff["A1"])
    answers = [me.post(FIND, data={"phone": phone}) for phone in ("19900000003", "13912345678")]
    said = [re.search(r'id="phone-err".*?</p>', answer.text, re.DOTALL) for answer in answers]
    assert said[0] is not None
    assert said[1] is not None
    assert said[0][0] == said[1][0]
    assert "请核对号码" in said[0][0]
    assert 'value="19900000003"' in answers[0].text
    assert counted() == 2, "a number that was tried counts all the same"


def test_the_last_digits_find_what_left(client: Any, as_staff: Any, town: Any, now: datetime) -> None:
    tell(town, 0, now, "给零号的")
    tell(town, 1, now, "给一号的")
    me = as_staff(client, town.staff["A1"])
    answer = me.post(FIND, data={"phone": "00 01"})
    assert answer.location == "/staff/messages?tail=0001"
    page = me.get(answer.location).text
    assert "给一号的" in page
    assert "给零号的" not in page
    assert "马上就发" in page
    assert me.post(FIND, data={"phone": "1990000 0001"[:9]}).location == "/staff/messages?tail=0000", (
        "no more than four"
    )
    assert "没有发给尾号 7777 的消息" in me.get("/staff/messages?tail=7777").text
    hidden = as_staff(client, town.staff["B1"]).get("/staff/messages?tail=0001").text
    assert "给一号的" not in hidden


@pytest.mark.parametrize("typed", ["", "12", "abc", "139123456789012", "😀"])
def test_what_is_no_number_is_said_beside_the_field(client: Any, as_staff: Any, town: Any, typed: str) -> None:
    answer = as_staff(client, town.staff["A1"]).post(FIND, data={"phone": typed})
    assert answer.status_code == 422
    assert "请填 11 位手机号，或者后 4 位数字" in answer.text


def test_kind_and_days_narrow_the_list(client: Any, as_staff: Any, town: Any, now: datetime) -> None:
    tell(town, 0, now - timedelta(days=3), "三天前", "reminder", "a")
    tell(town, 0, now, "今天的", "sign_up.confirmed", "b")
    me = as_staff(client, town.staff["A1"])
    for args, shown, hidden in (
        ("kind=sign_up", "今天的", "三天前"), ("kind=reminder", "三天前", "今天的"),
        ("first=2026-11-25", "今天的", "三天前"), ("last=2026-11-24", "三天前", "今天的"),
        ("first=2026-11-25&last=2026-11-22", "今天的", "没有这样的"), ("kind=bogus&tail=99", "今天的", "没有这样的"),
    ):  # fmt: skip
        page = me.get(f"{LIST}?{args}").text
        assert shown in page, args
        assert hidden not in page, args
    assert "已对调" in me.get(f"{LIST}?first=2026-11-25&last=2026-11-22").text
    assert "不是日期" in me.get(f"{LIST}?first=9999-12-31").text
    tabs = re.findall(r'<span class="n"[^>]*>(\d+)</span>', me.get(f"{LIST}?kind=reminder").text)
    assert tabs[0] == "1", "the tabs count what the filter lets through"
    outcome("failed", now)
    page = me.get(f"{LIST}?kind=place").text
    assert "没发出的全部重发" in page, "how it stands is said of all, whatever is looked for"


@pytest.mark.parametrize(
    ("state", "hours", "said"),
    [
        ("failed", 0, "可以按“重发”"),
        ("failed", 13, "已经过时"),
        ("local", 0, "当时没有接短信网关"),
        ("", 0, "马上就发"),
    ],
)
def test_it_says_what_to_do(town: Any, now: datetime, state: str, hours: int, said: str) -> None:
    tell(town, 0, now - timedelta(hours=hours), kind="reminder")
    if state:
        outcome(state, now)
    row = lookup.told(town.residents[0].id).rows[0]
    assert said in lookup.what_to_do(row.texts[0], now)


def test_at_night_it_says_when_it_leaves(town: Any, now: datetime) -> None:
    night = clock.at(now.date(), datetime(2026, 1, 1, 23).time())
    tell(town, 0, night)
    row = lookup.told(town.residents[0].id).rows[0]
    assert lookup.what_to_do(row.texts[0], night) == f"{rules.quiet_text()}不打扰居民，11月26日 8:00 发出。"


def test_what_somebody_switched_off_is_the_reason(client: Any, as_staff: Any, town: Any, now: datetime) -> None:
    town.residents[0].quiet = {"off": ["sign_up"]}
    db.session.commit()
    tell(town, 0, now)
    page = as_staff(client, town.staff["A1"]).get(f"/staff/messages/residents/{town.residents[0].id}").text
    assert "本人关了“报名结果”的短信" in page
    assert "没发短信" in page


def test_login_codes_are_told_without_the_code(client: Any, as_staff: Any, town: Any, now: datetime) -> None:
    actions.text_phone("19900000000", "验证码 424242", "login_code", "c", now)
    actions.text_phone("19900010000", "验证码 515151", "login_code", "d", now)
    db.session.commit()
    page = as_staff(client, town.staff["A1"]).get(f"/staff/messages/residents/{town.residents[0].id}").text
    assert "登录验证码" in page
    assert "424242" not in page
    assert "515151" not in page
    assert len(lookup.codes(town.residents[0])) == 1
    assert "念登录码" in page


def test_the_index_has_the_digits(app: Any, town: Any, now: datetime) -> None:
    """A look-up reads the few texts of a number, not all that ever left."""
    wanted = select(Delivery.id).where(*queries.Wanted(tail="0001").conditions()).order_by(Delivery.id.desc()).limit(21)
    with db.engine.connect() as connection:
        if connection.dialect.name != "sqlite":
            pytest.skip("PostgreSQL reads a small table whole")
        plan = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {wanted.compile(connection, compile_kwargs={'literal_binds': True})}"
        ).all()
    assert "ix_delivery_tail" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
