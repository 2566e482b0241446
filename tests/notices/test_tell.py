"""Telling people: once, in bulk, not at night, and only to phones that want it (SPEC M1, M3)."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.core import clock, outbox, registry
from portal.core.db import db
from portal.notices import actions, kinds, queries, rules, wording
from portal.notices.actions import Told
from portal.notices.models import Delivery, InboxMessage


def tell(residents: list[Any], now: datetime, key: str = "change:1", **more: Any) -> int:
    rows = [Told(r.id, key) for r in residents]
    more = {"kind": "sign_up", "title": "报名成功", "body": "记得来", "link": "/me"} | more
    return actions.tell_residents(rows, now=now, **more)


def count(model: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_each_resident_gets_an_inbox_message_and_a_text(town: Any, now: datetime) -> None:
    assert tell(town.residents, now) == 5
    assert count(InboxMessage) == count(Delivery) == 5
    text = db.session.scalars(select(Delivery)).first()
    assert text is not None
    assert (text.channel, text.due_at, text.outcome) == ("sms", now, "")
    assert text.body == "【扫码点单】报名成功：记得来"
    assert {d.recipient for d in db.session.scalars(select(Delivery))} == {r.phone for r in town.residents}


def test_telling_twice_changes_nothing(town: Any, now: datetime) -> None:
    tell(town.residents, now)
    assert tell(town.residents, now + timedelta(hours=1)) == 0
    assert count(InboxMessage) == count(Delivery) == 5
    assert tell(town.residents, now, key="change:2") == 5


def test_a_row_may_have_its_own_words(town: Any, now: datetime) -> None:
    rows = [Told(r.id, "queue:1", body=f"前面还有 {i} 位") for i, r in enumerate(town.residents)]
    actions.tell_residents(rows, "place", "候补", "排上了", "", now)
    assert [m.body for m in db.session.scalars(select(InboxMessage).order_by(InboxMessage.person_id))] == [
        f"前面还有 {i} 位" for i in range(5)
    ]


@pytest.mark.slow
def test_five_hundred_recipients_cost_three_statements(town: Any, make: Any, now: datetime, count_queries: Any) -> None:
    people = make.residents(500, town.centres["A1"])
    ids = [Told(p.id, "big") for p in people]
    with count_queries() as seen:
        assert actions.tell_residents(ids, "change", "改到周日", "请留意", "/me", now) == 500
    assert len([s for s in seen if not s.startswith("BEGIN")]) == 3
    assert count(Delivery) == 500


def test_switched_off_kinds_stay_in_the_inbox_only(town: Any, now: datetime) -> None:
    town.residents[0].quiet = {"off": ["sign_up", "change"]}
    db.session.flush()
    tell(town.residents[:2], now)
    assert count(InboxMessage) == 2
    assert [d.recipient for d in db.session.scalars(select(Delivery))] == [town.residents[1].phone]
    # A change cannot be switched off, whatever the column says: people would go there for nothing.
    tell(town.residents[:1], now, key="c", kind="change")
    assert count(Delivery) == 2


def test_no_phone_or_sms_false_means_inbox_only(town: Any, now: datetime) -> None:
    town.residents[0].phone = None
    db.session.flush()
    tell(town.residents[:1], now)
    tell(town.residents[1:2], now, sms=False)
    assert (count(InboxMessage), count(Delivery)) == (2, 0)


@pytest.mark.parametrize(
    ("there", "leaves"),
    [("21:59", None), ("22:00", (26, 8)), ("23:30", (26, 8)), ("00:10", (25, 8)), ("07:59", (25, 8)), ("08:00", None)],
)
def test_quiet_hours(there: str, leaves: tuple[int, int] | None) -> None:
    now = clock.at(datetime(2026, 11, 25).date(), time.fromisoformat(there))
    expected = clock.at(datetime(2026, 11, leaves[0]).date(), time(leaves[1])) if leaves else now
    assert rules.due_at(now, urgent=False) == expected
    assert rules.due_at(now, urgent=True) == now


def test_at_night_only_urgent_texts_leave(town: Any) -> None:
    night = clock.at(datetime(2026, 11, 25).date(), time(23))
    tell(town.residents[:1], night)
    tell(town.residents[:1], night, key="u", urgent=True)
    due = [d.due_at for d in db.session.scalars(select(Delivery).order_by(Delivery.id))]
    assert due == [night + timedelta(hours=9), night]


def test_wechat_only_where_the_deployment_has_it(app: Any, town: Any, now: datetime, monkeypatch: Any) -> None:
    town.residents[0].quiet = {"way": "wechat"}
    db.session.flush()
    tell(town.residents[:1], now)
    monkeypatch.setitem(app.config, "WECHAT_URL", "https://wechat.example/send")
    tell(town.residents[:2], now, key="2")
    assert [d.channel for d in db.session.scalars(select(Delivery).order_by(Delivery.id))] == ["sms", "wechat", "sms"]


def test_staff_are_told_once_per_key(town: Any, now: datetime) -> None:
    ids = [town.staff["A"].id, town.staff["A1"].id, town.staff["A"].id]
    assert actions.tell_staff(ids, "catalogue", "有行被退回", "请看", "/staff", "r:1", now) == 2
    assert actions.tell_staff(ids, "catalogue", "有行被退回", "请看", "/staff", "r:1", now) == 0
    # The same number may be a resident too: keys never meet.
    assert tell(town.residents, now, key="r:1") == 5


def test_a_login_code_leaves_at_night_and_rings_the_bell(session: Any, monkeypatch: Any) -> None:
    rung: list[int] = []
    monkeypatch.setattr(outbox, "_doorbell", [lambda: rung.append(1)])
    night = clock.at(datetime(2026, 11, 25).date(), time(3))
    registry.text_phone("19900000009", "验证码 123456", "login_code", "code:1", night)
    registry.text_phone("19900000009", "验证码 123456", "login_code", "code:1", night)
    assert not rung
    db.session.commit()
    assert rung == [1]
    assert [d.due_at for d in db.session.scalars(select(Delivery))] == [night]


def test_a_rolled_back_transaction_tells_nobody(town: Any, now: datetime, monkeypatch: Any) -> None:
    rung: list[int] = []
    monkeypatch.setattr(outbox, "_doorbell", [lambda: rung.append(1)])
    tell(town.residents, now)
    db.session.rollback()
    db.session.commit()
    assert (rung, count(InboxMessage)) == ([], 0)
    # A rollback must not leave the bell muted for the rest of the process.
    tell(town.residents, now)
    db.session.commit()
    assert rung == [1]


def test_long_keys_stay_unique(town: Any, now: datetime) -> None:
    first, second = "k" * 400 + "1", "k" * 400 + "2"
    assert tell(town.residents[:1], now, key=first) + tell(town.residents[:1], now, key=second) == 2
    assert tell(town.residents[:1], now, key=first) == 0
    assert all(len(m.key) <= 160 for m in db.session.scalars(select(InboxMessage)))


def test_marking_read_touches_only_ones_own(town: Any, now: datetime) -> None:
    tell(town.residents[:2], now)
    mine, other = db.session.scalars(select(InboxMessage).order_by(InboxMessage.id)).all()
    me = town.residents[0].id
    assert actions.mark_read("resident", me, other.id, now) is None
    assert actions.mark_read("staff", me, mine.id, now) is None
    assert actions.mark_read("resident", me, mine.id, now) == "/me"
    db.session.expire_all()
    assert (mine.read_at, other.read_at) == (now, None)
    actions.mark_read("resident", me, mine.id, now + timedelta(hours=1))
    db.session.expire_all()
    assert mine.read_at == now  # the first time counts
    assert actions.mark_all_read("resident", town.residents[1].id, now) == 1
    assert queries.unread("resident", town.residents[1].id) == 0


def test_account_notice_reaches_both_sides(town: Any, now: datetime) -> None:
    holder, superior = town.staff["A1"], town.staff["D"]
    payload = {"account_id": holder.id, "event": "reset", "by_name": superior.name, "by_id": superior.id}
    outbox.put("people.account_notice", "1", payload, now)
    db.session.commit()
    assert outbox.run_due(now) == 1
    found = {m.person_id: m for m in db.session.scalars(select(InboxMessage).where(InboxMessage.audience == "staff"))}
    assert found.keys() == {holder.id, superior.id}
    assert superior.name in found[holder.id].body
    assert holder.name in found[superior.id].title
    # A second reset later is a second message.
    outbox.put("people.account_notice", "2", payload, now)
    db.session.commit()
    outbox.run_due(now + timedelta(minutes=1))
    assert count(InboxMessage) == 4


def test_export_and_erasure(town: Any, now: datetime) -> None:
    tell(town.residents[:2], now)
    registry.text_phone(town.residents[0].phone, "验证码", "login_code", "c", now)
    me = town.residents[0].id
    export = registry.personal_sources["portal.notices.handlers.personal"](me)
    assert [m["标题"] for m in export["消息"]] == ["报名成功"]
    registry.erasers["portal.notices.handlers.erase"](me, now)
    db.session.commit()
    assert [m.person_id for m in db.session.scalars(select(InboxMessage))] == [town.residents[1].id]
    assert [d.recipient for d in db.session.scalars(select(Delivery))] == [town.residents[1].phone]


@pytest.mark.once
def test_kinds_have_labels_and_finer_codes_belong_to_them() -> None:
    assert kinds.of("sign_up.confirmed").code == "sign_up"
    assert kinds.label("whatever") == "通知"
    assert {k.code for k in kinds.TABLE if k.switchable} == {"sign_up", "booking", "reminder", "evaluation", "follow"}
    assert len({k.code for k in kinds.TABLE}) == len(kinds.TABLE)


@pytest.mark.once
def test_every_kind_that_rooms_use_is_in_the_table() -> None:
    """An unknown kind still arrives, but under a dull label and without a choice: here it is noticed."""
    portal = Path(kinds.__file__).parents[1]
    families = {k.code for k in kinds.TABLE}
    used = {
        (file.parent.name, found)
        for file in portal.glob("*/*.py")
        for found in re.findall(r'(?:Words\(|kind=|KIND = )f?"([a-z_]+)(?:\.[^"]*)?"', file.read_text("utf-8"))
        if file.name == "notices.py"
    }
    assert {u for u in used if u[1] not in families} == set()
    assert ("signup", "sign_up") in used


@pytest.mark.once
def test_every_event_of_accounts_has_its_own_words() -> None:
    source = (Path(kinds.__file__).parents[1] / "people" / "actions" / "staff_accounts.py").read_text("utf-8")
    events = set(re.findall(r'_tell\(actor, "(\w+)"', source))
    assert events
    assert {e for e in events if e not in wording._TO_HOLDER} == set()
