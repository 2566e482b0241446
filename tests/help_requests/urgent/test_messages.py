"""Duty telephones are told once for each step under two schedulers; no message says anything private; the person may
read, take away and have erased what is theirs (SPEC H4, M1, P8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.core import outbox, registry
from portal.core.audit import AuditLog
from portal.core.db import db
from portal.feedback.models import Evaluation
from portal.help_requests import voice
from portal.help_requests.urgent import actions, filing, phones, rules
from portal.help_requests.urgent import registry as urgent
from portal.help_requests.urgent.models import CLOSED, Alarm, Listener, UrgentCall, Watch
from portal.notices.models import Delivery, InboxMessage
from portal.operations import work
from portal.people.actions import resident_records
from tests import marks
from tests.factories import NOW
from tests.help_requests.recordings import recording

MINUTE = timedelta(minutes=1)
SAID = "阿婆在三楼厨房摔倒了"


def texts(session: Any, kind: str) -> list[tuple[str, str]]:
    session.commit()
    rows = session.execute(
        select(Delivery.recipient, Delivery.channel).where(Delivery.kind == kind).order_by(Delivery.id)
    )
    return [tuple(row) for row in rows]


def run(now: Any) -> None:
    """What two schedulers do at the same moment."""
    db.session.commit()
    outbox.run_due(now)
    outbox.run_due(now)


def on_duty(town: Any, **numbers: str) -> None:
    for code, number in numbers.items():
        phones.add(town.actor(code), number, "值班", "", "", NOW)


def listen(town: Any) -> None:
    for code in ("A1", "A", "A2", "D"):
        actions.here(town.actor(code), f"s-{code}", True, True, NOW)


def test_each_telephone_once_for_each_step(app, session, town, press, monkeypatch):
    monkeypatch.setitem(app.config, "VOICE_URL", "http://127.0.0.1:1/")
    listen(town)
    on_duty(town, A1="13900000001", A="13900000002", D="13900000003")
    press(0)
    run(NOW)
    both = [("13900000001", "sms"), ("13900000001", "voice"), ("13900000002", "sms"), ("13900000002", "voice")]
    assert sorted(texts(session, "duty")) == both
    run(NOW + 4 * MINUTE)
    assert len(texts(session, "duty")) == 6
    for minute in range(5, 60):  # the telephones of the top again, six times, then no more
        run(NOW + minute * MINUTE)
    assert texts(session, "duty").count(("13900000003", "voice")) == 1 + 6
    body = session.scalars(select(Delivery.body).where(Delivery.kind == "duty")).first()
    assert "甲一社区有人紧急求助" in body and "/staff/urgent" in body and "居民" not in body.replace("居民求助", "")


def test_nobody_is_rung_once_it_is_taken_and_again_when_nobody_sets_out(session, town, press):
    listen(town)
    on_duty(town, A1="13900000001", D="13900000003")
    alarm = press(0)
    actions.take(town.actor("A1"), alarm.id, NOW + MINUTE)
    run(NOW + 4 * MINUTE)
    assert texts(session, "duty") == []
    run(NOW + 6 * MINUTE)  # not moved: the steps written at taking have come
    assert texts(session, "duty") == [("13900000001", "sms")]
    actions.take(town.actor("A"), alarm.id, NOW + 7 * MINUTE)
    actions.move(town.actor("A"), alarm.id, 1, NOW + 7 * MINUTE)
    run(NOW + 30 * MINUTE)
    assert texts(session, "duty") == [("13900000001", "sms")]


@pytest.mark.once
@pytest.mark.parametrize(
    ("opens", "closes", "hour", "rings"),
    [(0, 0, 3, True), (1080, 510, 22, True), (1080, 510, 8, True), (1080, 510, 9, False), (540, 1080, 12, True)],
)
def test_on_duty(opens, closes, hour, rings):
    assert rules.on_duty(opens, closes, NOW + timedelta(hours=hour - 10)) is rings


def test_the_resident_hears_and_rates_and_nothing_private_leaves(session, town, press):
    alarm = press(0)
    filing.say(alarm.calls[0].key, SAID, NOW)
    unknown = press(phone="13900000009", at="B1")
    for number, code in ((alarm.id, "A1"), (unknown.id, "B1")):
        actions.take(town.actor(code), number, NOW)
        actions.move(town.actor(code), number, 1, NOW)
    run(NOW)
    assert texts(session, "urgent.progress").count(("13900000009", "sms")) == 2
    told = session.scalars(select(InboxMessage).where(InboxMessage.kind == "urgent.progress")).all()
    assert [m.title for m in told] == ["您的求助有新进展"] * 2 and told[0].link == f"/help/urgent/{alarm.calls[0].key}"
    actions.close(town.actor("A1"), alarm.id, "已送医", NOW)
    run(NOW)
    assert session.scalars(select(Evaluation.title)).all() == ["求助服务"]
    session.commit()
    left = [Delivery.body, InboxMessage.title, InboxMessage.body, AuditLog.summary]
    written = "\n".join(str(value) for column in left for value in session.scalars(select(column)))
    assert not any(secret in written for secret in (SAID, "测试花园", "居民甲", "急救", "送医"))


def test_what_is_mine_is_given_to_me_and_erased(app, session, town, press):
    with app.app_context():
        kept = voice.save(recording("ogg", "libopus"))
    alarm = press(0)
    call, person = alarm.calls[0], town.residents[0]
    filing.say(call.key, SAID, NOW, kept.name, kept.seconds)
    filing.locate(call.key, 22.61234, 114.41234, 20, NOW)
    actions.take(town.actor("A1"), alarm.id, NOW)
    actions.note(town.actor("A1"), alarm.id, "阿婆姓居民甲", NOW)
    session.commit()
    mine = registry.personal_sources["portal.help_requests.urgent.registry.personal"](person.id)["紧急求助"][0]
    assert mine["说的话"] == [SAID] and mine["录音"] == ["2 秒"] and "22.61234" in mine["位置"][0]
    resident_records.erase_resident(town.resident_actor(0), session.merge(person), NOW)
    session.commit()
    assert session.get_one(Alarm, alarm.id, populate_existing=True).status == CLOSED and not voice.known(kept.name)
    assert not marks.left([SAID, "22.61234", "阿婆姓居民甲"], marks.tables())


def test_kept_no_longer_than_said(app, session, town, press):
    with app.app_context():
        kept = voice.save(recording("ogg", "libopus"))
    alarm = press(0)
    call = alarm.calls[0]
    filing.say(call.key, "", NOW, kept.name, kept.seconds)
    filing.locate(call.key, 22.6, 114.4, 20, NOW)
    actions.take(town.actor("A1"), alarm.id, NOW)
    actions.close(town.actor("A1"), alarm.id, "已到场处理", NOW)
    actions.here(town.actor("A1"), "s", True, True, NOW)
    session.commit()
    assert urgent.clean_up(NOW + timedelta(days=7)) == 0
    urgent.clean_up(NOW + timedelta(days=31))
    row = session.get_one(UrgentCall, call.id, populate_existing=True)
    assert row.latitude is None and row.voice == kept.name and session.scalars(select(Listener)).all() == []
    urgent.clean_up(NOW + timedelta(days=91))
    assert session.get_one(UrgentCall, call.id, populate_existing=True).voice == "" and not voice.known(kept.name)
    assert session.scalars(select(Watch)).all() == []


def test_a_missing_report_is_told(session, town, press):
    alarm = press(0)
    actions.take(town.actor("A1"), alarm.id, NOW)
    actions.move(town.actor("A1"), alarm.id, 1, NOW)
    actions.close(town.actor("A1"), alarm.id, "已到场处理", NOW)
    session.commit()
    for hours in (25, 49):
        work.tick(NOW + timedelta(hours=hours))
    told = session.scalars(select(InboxMessage.title).where(InboxMessage.kind == "work.urgent")).all()
    assert told == ["甲一社区的紧急求助没有写报告", "甲一社区的紧急求助超过一天没有报告"]
