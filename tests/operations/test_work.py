"""The sweep, the tick, the daily tasks: repeatable, side by side, after a crash (SPEC M1; DESIGN habit 8)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from portal.centres.models import Centre, Setting
from portal.core import audit, clock, outbox, registry
from portal.core.access import system_actor
from portal.core.db import db, is_sqlite
from portal.core.sessions import WebSession, open_session
from portal.notices import actions
from portal.notices.actions import Told
from portal.notices.models import Delivery, InboxMessage
from portal.operations import work
from portal.people.models import LoginCode, LoginFailure


@pytest.fixture
def topic() -> Iterator[str]:
    yield "tests.topic"
    outbox._handlers.pop("tests.topic", None)


def inbox_size() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(InboxMessage)) or 0


def tell_all(payload: dict[str, Any], now: datetime) -> None:
    rows = [Told(i, payload["key"]) for i in payload["ids"]]
    actions.tell_residents(rows, "change", "改期", "改到周日", "", now)


def test_sweep_carries_out_and_sends(town: Any, topic: str, now: datetime, app: Any) -> None:
    outbox.handler(topic)(tell_all)
    outbox.put(topic, "1", {"ids": [r.id for r in town.residents], "key": "1"}, now)
    db.session.commit()
    swept = work.sweep(now)
    assert (swept.effects, swept.texts) == (1, {"local": 5})
    assert work.sweep(now) == work.Swept(0, {})
    assert inbox_size() == 5


def test_a_crash_between_handler_and_commit_repeats_the_whole(
    town: Any, topic: str, now: datetime, monkeypatch: Any
) -> None:
    ids = [r.id for r in town.residents]
    told: list[int] = []

    def tell(payload: dict[str, Any], moment: datetime) -> None:
        tell_all(payload, moment)
        told.append(1)

    outbox.handler(topic)(tell)
    outbox.put(topic, "1", {"ids": ids, "key": "1"}, now)
    db.session.commit()
    real, calls = db.session().commit, []

    def dying() -> None:
        calls.append(1)
        raise KeyboardInterrupt  # as the process would end: nothing after this line runs

    (outbox_id,) = outbox.due_ids(now)
    db.session.rollback()
    monkeypatch.setattr(db.session(), "commit", dying)
    with pytest.raises(KeyboardInterrupt):
        outbox.run_one(outbox_id, now)
    monkeypatch.setattr(db.session(), "commit", real)
    assert calls == told == [1]  # it died after the handler, at the one commit there is
    assert inbox_size() == 0  # not half
    db.session.rollback()
    assert outbox.run_one(outbox_id, now) is True
    assert inbox_size() == 5
    db.session.rollback()
    assert outbox.run_one(outbox_id, now) is False
    assert inbox_size() == 5


@pytest.mark.own_database
def test_two_sweepers_in_parallel_tell_once(app: Any, town: Any, topic: str, now: datetime) -> None:
    outbox.handler(topic)(tell_all)
    ids = [r.id for r in town.residents]
    for number in range(40):
        outbox.put(topic, str(number), {"ids": ids, "key": str(number)}, now)
    db.session.commit()
    done: list[int] = []

    def sweep() -> None:
        with app.app_context():
            done.append(work.sweep(now).effects)

    threads = [threading.Thread(target=sweep) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 40
    assert inbox_size() == 200


def test_a_handler_that_fails_is_tried_later_and_holds_up_nobody(town: Any, topic: str, now: datetime) -> None:
    def sometimes(payload: dict[str, Any], moment: datetime) -> None:
        tell_all(payload, moment)
        if payload["key"] == "bad" and moment == now:
            raise RuntimeError("not now")

    outbox.handler(topic)(sometimes)
    for key in ("bad", "good"):
        outbox.put(topic, key, {"ids": [town.residents[0].id], "key": key}, now)
    db.session.commit()
    assert work.sweep(now).effects == 1
    assert inbox_size() == 1
    assert work.sweep(now + timedelta(minutes=1)).effects == 1
    assert inbox_size() == 2


def test_tick_runs_every_due_job_and_then_sweeps(town: Any, topic: str, now: datetime, monkeypatch: Any) -> None:
    def broken(moment: datetime) -> int:
        db.session.execute(text("SELECT 1"))
        raise RuntimeError("no")

    resident = town.residents[0].id
    monkeypatch.setattr(registry, "due_jobs", {"a": broken, "b": lambda moment: remind_for(resident, topic, moment)})
    outbox.handler(topic)(tell_all)
    db.session.rollback()
    jobs, swept = work.tick(now)
    assert (jobs, swept.effects) == ({"a": -1, "b": 1}, 1)
    assert inbox_size() == 1
    db.session.rollback()
    assert work.tick(now)[1].effects == 0


def remind_for(resident: int, topic: str, moment: datetime) -> int:
    outbox.put(topic, "r", {"ids": [resident], "key": "r"}, moment)
    return 1


def test_commands(app: Any, town: Any, topic: str, now: datetime, monkeypatch: Any) -> None:
    seen: list[datetime] = []

    def job(moment: datetime) -> int:
        seen.append(clock.now())
        return 7

    monkeypatch.setattr(registry, "due_jobs", {"portal.tests.job": job})
    run = app.test_cli_runner().invoke
    answer = run(args=["tick", "--now", "2026-12-01T00:00"])
    assert answer.exit_code == 0, answer.output
    assert "tests.job：7" in answer.output
    assert seen == [clock.at(datetime(2026, 12, 1).date(), time())]
    assert run(args=["tick", "--now", "2026-11-30T16:00:00+00:00"]).exit_code == 0
    assert seen[1] == seen[0]
    wrong = run(args=["tick", "--now", "tomorrow"])
    assert (wrong.exit_code, "北京时间" in wrong.output) == (2, True)
    actions.text_phone("19900000000", "t", "change", "k", now)
    db.session.commit()
    assert "留在消息出口页 1 条" in run(args=["send-notices"]).output
    monkeypatch.setattr(registry, "due_jobs", {"portal.tests.job": lambda moment: 1 // 0})
    failed = run(args=["tick"])
    assert (failed.exit_code, "失败" in failed.output) == (1, True)


# --- Daily -----------------------------------------------------------------------------------------------------------

DAILY = work.Daily("probe", time(3, 30), lambda now: "well")


@pytest.mark.once
@pytest.mark.parametrize(("there", "day"), [("03:29", 24), ("03:30", 25), ("23:59", 25)])
def test_the_slot_of_a_moment(there: str, day: int) -> None:
    now = clock.at(datetime(2026, 11, 25).date(), time.fromisoformat(there))
    assert DAILY.slot(now) == clock.at(datetime(2026, 11, day).date(), time(3, 30))


@pytest.mark.own_database
def test_a_daily_task_runs_once_a_day_whoever_asks(app: Any, session: Any, now: datetime) -> None:
    ran: list[int] = []
    daily = work.Daily("probe", time(3, 30), lambda moment: ran.append(1) or "well")  # type: ignore[func-returns-value]
    results: list[bool] = []

    def ask() -> None:
        with app.app_context():
            results.append(work.run_daily(daily, now))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, False, True]
    assert work.run_daily(daily, now + timedelta(hours=5)) is False
    assert work.run_daily(daily, now + timedelta(days=1)) is True
    assert len(ran) == 2


def test_a_daily_task_that_died_is_taken_up_and_one_that_failed_is_said(session: Any, now: datetime) -> None:
    slot = DAILY.slot(now)
    value = {"slot": slot.isoformat(), "began": now.isoformat(), "done": False}
    db.session.add(Setting(key="daily:probe", value=value))
    db.session.commit()
    assert work.run_daily(DAILY, now + timedelta(minutes=59)) is False
    assert work.run_daily(DAILY, now + timedelta(minutes=61)) is True
    bad = work.Daily("probe", time(3, 30), lambda moment: str(1 // 0))
    assert work.run_daily(bad, now + timedelta(days=1)) is True
    db.session.rollback()
    assert db.session.get_one(Setting, "daily:probe", populate_existing=True).value["ok"] is False


TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_log'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = 'audit_log'::regclass AND NOT tgisinternal",
}


def test_a_broken_audit_chain_is_told_to_the_top(town: Any, now: datetime) -> None:
    for number in range(3):
        audit.record(system_actor(), "probe", "thing", number, now, centre_path="/1/", summary=f"第{number}次")
    db.session.commit()
    assert work.check_audit(now).startswith("操作记录完整，校验到第 ")
    for name in db.session.scalars(text(TRIGGERS[db.engine.dialect.name])).all():
        db.session.execute(text(f"DROP TRIGGER {name}" + ("" if is_sqlite() else " ON audit_log")))
    db.session.execute(text("UPDATE audit_log SET summary='别的' WHERE object_id=1"))
    db.session.commit()
    with pytest.raises(RuntimeError):
        work.check_audit(now)
    told = db.session.scalars(select(InboxMessage).where(InboxMessage.audience == "staff")).all()
    assert [m.person_id for m in told] == [town.staff["D"].id]
    db.session.rollback()
    with pytest.raises(RuntimeError):
        work.check_audit(now + timedelta(days=1))
    assert inbox_size() == 1


def test_cleaning_up_keeps_what_is_needed(town: Any, now: datetime) -> None:
    for code, failure, ended in ((8, 25, 31), (6, 23, 29)):
        sent, moment = now - timedelta(days=code), now - timedelta(days=ended)
        db.session.add(LoginCode(phone="1", code_hash="x", sent_at=sent, expires_at=sent + timedelta(minutes=5)))
        db.session.add(LoginFailure(key="account:x", at=now - timedelta(hours=failure)))
        open_session("resident", town.residents[0].id, now)
        db.session.flush()
        last = db.session.scalars(select(WebSession).where(WebSession.ended_at.is_(None))).first()
        assert last is not None
        last.ended_at = moment
    open_session("resident", town.residents[0].id, now)
    actions.text_phone("19900000000", "验证码", "login_code", "a", now - timedelta(days=2))
    actions.text_phone("19900000000", "改期", "change", "b", now - timedelta(days=2))
    db.session.commit()
    assert work.clean_up(now) == "清理 4 行"
    counts = [
        db.session.scalar(select(func.count()).select_from(model))
        for model in (LoginCode, LoginFailure, WebSession, Delivery)
    ]
    assert counts == [1, 1, 2, 1]


def test_an_idle_tick_costs_the_same_for_a_city(town: Any, now: datetime, count_queries: Any) -> None:
    """418 centres whose lists are late: told once, and from then on a tick asks a few questions, not one a centre."""
    above = town.centres["A"]
    late = [
        {
            "code": f"L{i}", "name": f"第{i}社区", "short_name": "", "level": "community", "kind": "community",
            "parent_id": above.id, "path": f"{above.path}{9000 + i}/", "depth": above.depth + 1, "functions": [],
            "id": 9000 + i, "created_at": now - timedelta(days=90), "updated_at": now,
        }
        for i in range(418)
    ]  # fmt: skip
    db.session.execute(insert(Centre), late)
    db.session.commit()
    first, _ = work.tick(now)
    assert first["portal.catalogue.actions.publishing.remind_due"] >= 418
    work.tick(now)
    with count_queries() as seen:
        again, swept = work.tick(now + timedelta(minutes=1))
    assert set(again.values()) == {0} and swept.effects == 0
    # One a kind of work, however many centres, and one for the dates of the month.
    assert len([s for s in seen if not s.startswith(("BEGIN", "PRAGMA"))]) <= 26
