"""The inboxes, the choices and the page of what left (SPEC M1-M3, P6)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.core import registry
from portal.core.audit import AuditLog
from portal.core.db import db
from portal.notices import actions, deliveries, kinds
from portal.notices.actions import Told
from portal.notices.models import Delivery, InboxMessage
from portal.people.models import Resident


def tell(town: Any, now: datetime, number: int = 1, who: int = 0, link: str = "/me") -> None:
    db.session.rollback()
    resident = town.residents[who].id
    db.session.rollback()  # SQLite: a transaction that has read an old state may not write
    for n in range(number):
        rows = [Told(resident, f"k{n}")]
        actions.tell_residents(rows, "sign_up", f"报名成功{n}号", "正文", link, now)
    db.session.commit()


def messages() -> list[InboxMessage]:
    db.session.rollback()
    db.session.expire_all()
    return list(db.session.scalars(select(InboxMessage).order_by(InboxMessage.id)))


def test_inbox_lists_opens_and_marks(client: Any, as_resident: Any, town: Any, now: datetime) -> None:
    tell(town, now, 2)
    tell(town, now, 1, who=1)
    me = as_resident(client, town.residents[0])
    page = me.get("/me/inbox").text
    assert page.count("letter unread") == 2
    assert "报名成功1号" in page
    assert "还有 <b>2</b> 条没看" in page
    first, _, foreign = messages()
    answer = me.post(f"/me/inbox/{first.id}/open")
    assert (answer.status_code, answer.location) == (303, "/me")
    assert messages()[0].read_at == now
    assert me.post(f"/me/inbox/{foreign.id}/open").status_code == 404
    assert me.post("/me/inbox/99999/open").status_code == 404
    assert me.get("/me/inbox").text.count("letter unread") == 1
    assert me.post("/me/inbox/read").status_code == 303
    page = me.get("/me/inbox?only=unread").text
    assert "没有没看过的消息" in page
    assert messages()[2].read_at is None


def test_a_link_never_leads_outside(client: Any, as_resident: Any, town: Any, now: datetime) -> None:
    tell(town, now, link="https://elsewhere.example/")
    me = as_resident(client, town.residents[0])
    assert me.post(f"/me/inbox/{messages()[0].id}/open").location == "/me/inbox"


def test_reading_is_not_a_get(client: Any, as_resident: Any, town: Any, now: datetime) -> None:
    tell(town, now)
    me = as_resident(client, town.residents[0])
    assert me.get(f"/me/inbox/{messages()[0].id}/open").status_code == 405


def test_inbox_pages_by_keyset(client: Any, as_resident: Any, town: Any, now: datetime) -> None:
    tell(town, now, 45)
    me = as_resident(client, town.residents[0])
    seen: list[str] = []
    url: str | None = "/me/inbox"
    while url:
        page = me.get(url).text
        seen += re.findall(r"报名成功(\d+)号", page)
        found = re.search(r'rel="next" href="([^"]+)"', page)
        url = found[1] if found else None
        if len(seen) == 20:
            tell(town, now, 46)  # a new one in between moves nothing
    assert seen == [str(n) for n in range(44, -1, -1)]


def test_inbox_query_count(client: Any, as_resident: Any, town: Any, now: datetime, count_queries: Any) -> None:
    tell(town, now, 20)
    me = as_resident(client, town.residents[0])
    me.get("/me/inbox")
    with count_queries() as few:
        me.get("/me/inbox")
    # The viewer and the list. (The frame's opening hours are kept in memory outside tests.)
    own = [s for s in few if s != "BEGIN" and "opening_" not in s]
    assert len([s for s in own if "inbox_message.title" in s]) == 1
    assert len(own) <= 2, own


def test_empty_inbox_says_what_comes_here(client: Any, as_resident: Any, town: Any) -> None:
    page = as_resident(client, town.residents[0]).get("/me/inbox").text
    assert "还没有消息" in page
    assert "全部标为已读" not in page


@pytest.mark.parametrize("path", ["/me/inbox", "/me/inbox/choices", "/staff/messages", "/staff/inbox-messages"])
def test_strangers_are_asked_to_sign_in(client: Any, session: Any, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 303
    assert "login" in answer.location


def test_choices_are_kept(client: Any, as_resident: Any, town: Any, now: datetime) -> None:
    me = as_resident(client, town.residents[0])
    page = me.get("/me/inbox/choices").text
    assert page.count("checked") == len(kinds.switchable()) + len(kinds.fixed())
    assert "微信" not in page
    assert me.post("/me/inbox/choices", data={"kind": ["sign_up", "bogus"]}).status_code == 303
    db.session.rollback()
    db.session.expire_all()
    quiet = db.session.get_one(Resident, town.residents[0].id).quiet
    off = [kind.code for kind in kinds.switchable() if kind.code != "sign_up"]
    assert quiet == {"off": off, "way": "sms", "calls": False} and {"booking", "reminder", "evaluation"} <= set(off)
    assert me.get("/me/inbox/choices").text.count("checked") == 1 + len(kinds.fixed())
    tell(town, now)
    assert db.session.scalars(select(Delivery)).one().kind == "sign_up"


def test_staff_inbox(client: Any, as_staff: Any, town: Any, now: datetime) -> None:
    actions.tell_staff([town.staff["A1"].id], "catalogue", "有一行被退回", "写明集合点", "/staff/catalogue", "r1", now)
    actions.tell_staff([town.staff["A2"].id], "catalogue", "别人的", "", "", "r2", now)
    db.session.commit()
    me = as_staff(client, town.staff["A1"])
    page = me.get("/staff/inbox-messages").text
    assert "有一行被退回" in page
    assert "别人的" not in page
    own, foreign = messages()
    assert me.post(f"/staff/inbox-messages/{foreign.id}/open").status_code == 404
    assert me.post(f"/staff/inbox-messages/{own.id}/open").location == "/staff/catalogue"
    assert me.post("/staff/inbox-messages/read").status_code == 303


def code_and_messages(town: Any, now: datetime) -> None:
    actions.text_phone("19955550000", "验证码 424242", "login_code", "c", now)
    for who in (0, 3):  # one at home in A1, one in B1
        actions.tell_residents([Told(town.residents[who].id, "x")], "change", f"改期{who}", "改到周日", "", now)
    db.session.commit()
    deliveries.deliver_due(now)


@pytest.mark.parametrize(
    ("who", "sees", "hides"),
    [
        ("D", ("改期0", "改期3", "424242", "199****0000", "能看到登录验证码"), ("19955550000",)),
        ("A", ("改期0",), ("改期3", "424242", "登录验证码，内容")),
        ("A1", ("改期0",), ("改期3", "424242")),
        ("B1", ("改期3",), ("改期0", "424242")),
        ("A2", ("还没有发给手机的消息",), ("改期0", "改期3", "424242")),
        ("ZFB", ("还没有发给手机的消息",), ("改期0", "改期3", "424242")),
    ],
)
def test_deliveries_follow_the_tree(
    client: Any, as_staff: Any, town: Any, now: datetime, who: str, sees: tuple[str, ...], hides: tuple[str, ...]
) -> None:
    code_and_messages(town, now)
    page = as_staff(client, town.staff[who]).get("/staff/messages").text
    assert [s for s in sees if s not in page] == []
    assert [h for h in hides if h in page] == []


def test_codes_are_hidden_once_a_gateway_is_there(
    app: Any, client: Any, as_staff: Any, town: Any, now: datetime, monkeypatch: Any
) -> None:
    code_and_messages(town, now)
    monkeypatch.setitem(app.config, "SMS_URL", "https://sms.example/")
    page = as_staff(client, town.staff["D"]).get("/staff/messages").text
    assert "424242" not in page
    assert "内容不显示" in page


def test_inspectors_have_no_business_there(client: Any, as_staff: Any, town: Any) -> None:
    assert as_staff(client, town.inspector["D"]).get("/staff/messages").status_code == 403


def fail(now: datetime, delivery: Delivery) -> None:
    delivery.done_at, delivery.outcome, delivery.attempts, delivery.last_error = (
        now,
        "failed",
        6,
        "短信网关：对方答复 500",
    )


def test_failed_texts_are_shown_and_sent_again(client: Any, as_staff: Any, town: Any, now: datetime) -> None:
    code_and_messages(town, now)
    for row in db.session.scalars(select(Delivery)):
        fail(now, row)
    db.session.commit()
    me = as_staff(client, town.staff["A1"])
    page = me.get("/staff/messages?state=failed").text
    assert "对方答复 500" in page
    foreign = next(d.id for d in db.session.scalars(select(Delivery)) if "改期3" in d.body)
    assert me.post("/staff/messages/retry", data={"id": foreign}).status_code == 409
    assert me.post("/staff/messages/retry").status_code == 303
    db.session.rollback()
    db.session.expire_all()
    again = [d for d in db.session.scalars(select(Delivery)) if not d.outcome]
    assert [d.body for d in again] == ["【扫码点单】改期0：改到周日"]
    assert (again[0].attempts, again[0].due_at) == (0, now)
    assert db.session.scalars(select(AuditLog).where(AuditLog.verb == "send_again")).one().actor_name == "A1管理员"
    assert me.post("/staff/messages/retry", data={"id": again[0].id}).status_code == 409


def test_a_late_code_is_not_sent_again(client: Any, as_staff: Any, town: Any, now: datetime) -> None:
    actions.text_phone("19955550000", "验证码 424242", "login_code", "c", now - timedelta(hours=1))
    db.session.commit()
    row = db.session.scalars(select(Delivery)).one()
    fail(now, row)
    db.session.commit()
    answer = as_staff(client, town.staff["D"]).post("/staff/messages/retry", data={"id": row.id})
    assert answer.status_code == 409
    assert "已经过时" in answer.text


def test_waiting_for_me(town: Any, now: datetime, app: Any) -> None:
    from portal.notices import handlers

    actions.tell_staff([town.staff["D"].id], "work", "头一条", "", "", "1", now - timedelta(hours=2))
    actions.tell_staff([town.staff["D"].id], "work", "后一条", "", "", "2", now)
    code_and_messages(town, now)
    for row in db.session.scalars(select(Delivery).where(Delivery.kind == "change")):
        fail(now, row)
    db.session.flush()
    with app.test_request_context():
        rows = {r.section: r for r in registry.waiting_lines(town.actor("D"), now, handlers.waiting)}
        assert (rows["my_messages"].detail, rows["my_messages"].count) == ("后一条", 2)
        assert rows["my_messages"].since == now - timedelta(hours=2)
        assert rows["messages"].count == 2
        assert registry.waiting_lines(town.actor("A2"), now, handlers.waiting) == []
        counts = registry.waiting_counts(town.actor("D"), now)
        assert (counts["my_messages"], counts["messages"]) == (2, 2)
