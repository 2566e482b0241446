"""Everyone hears what concerns them, once, in words with a next step (SPEC S3, S5, C8, M1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from portal.catalogue.actions import changing
from portal.catalogue.models import Entry
from portal.core import clock, outbox, registry
from portal.core.access import Actor
from portal.core.db import db, writing
from portal.notices.models import InboxMessage
from portal.people.models import Relative
from portal.signup import actions, reminders, staff_actions
from portal.signup.models import SignUp
from portal.signup.registry import to_decide
from tests.factories import Make, Town


@pytest.fixture
def entry(town: Town, make: Make) -> Entry:
    return make.entry(town.centres["A1"], capacity=2, title="净滩行动")


def inbox(session: Any, person: Any, audience: str = "resident") -> list[InboxMessage]:
    session.expire_all()
    mine = select(InboxMessage).where(InboxMessage.audience == audience, InboxMessage.person_id == person.id)
    return list(session.scalars(mine.order_by(InboxMessage.id)))


def fill(session: Any, town: Town, entry: Entry, now: datetime, people: int) -> list[SignUp]:
    rows = [actions.sign_up(town.resident_actor(n), entry.id, None, 0, now) for n in range(people)]
    session.commit()
    return rows


def test_confirmed_waiting_and_moved_up(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(session, town, entry, now, 4)
    outbox.run_due(now)
    with writing():
        actions.withdraw(town.resident_actor(0), rows[0].id, now)
    outbox.run_due(now)
    outbox.run_due(now)  # a second worker tells nothing twice
    assert [m.kind for m in inbox(session, town.residents[0])] == ["sign_up.confirmed"]
    third = inbox(session, town.residents[2])
    assert [m.kind for m in third] == ["sign_up.waiting", "place.moved_up"]
    assert "候补第 1 位" in third[0].body
    assert third[1].link == f"/services/{entry.id}"
    assert "12月13日（周日）8:30–11:00，一楼大厅" in third[1].body


def test_both_names_for_a_relative(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    row = Relative(resident_id=town.residents[0].id, name="王奶奶", relation="母亲", created_at=now)
    session.add(row)
    session.commit()
    actions.sign_up(town.resident_actor(0), entry.id, row.id, 0, now)
    session.commit()
    outbox.run_due(now)
    assert inbox(session, town.residents[0])[0].body.startswith("王奶奶已报上")


def test_offer_names_its_deadline_and_is_dropped_when_gone(
    session: Any, town: Town, entry: Entry, now: datetime
) -> None:
    rows = fill(session, town, entry, now, 4)
    late = entry.first_start - timedelta(hours=10)
    with writing():
        actions.withdraw(town.resident_actor(0), rows[0].id, late)
    outbox.run_due(late)
    offered = inbox(session, town.residents[2])[-1]
    assert offered.kind == "place.offered"
    assert clock.stamp(rows[2].accept_by) in offered.body
    with writing():
        actions.decline_offer(town.resident_actor(2), rows[2].id, late)
    with writing():
        actions.decline_offer(town.resident_actor(3), rows[3].id, late)  # before the worker came round
    outbox.run_due(late)
    assert "place.offered" not in [m.kind for m in inbox(session, town.residents[3])]


def test_refusal_carries_its_reason(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], needs_review=True)
    rows = fill(session, town, entry, now, 1)
    with writing():
        staff_actions.decide(town.actor("A1-OP"), rows[0].id, False, "不在服务对象范围内", now)
    outbox.run_due(now)
    kinds = {m.kind: m.body for m in inbox(session, town.residents[0])}
    assert "不在服务对象范围内" in kinds["sign_up.refused"]
    assert "sign_up.received" in kinds


@pytest.mark.parametrize(("places", "reviewed"), [(5, False), (5, True), (1, False)])
def test_who_has_left_before_the_worker_came_is_told_nothing(
    session: Any, town: Town, make: Make, now: datetime, places: int, reviewed: bool
) -> None:
    """The worker was away for two hours: "signed up", "received" and "waiting" would all be untrue."""
    entry = make.entry(town.centres["A1"], capacity=places, needs_review=reviewed)
    rows = fill(session, town, entry, now, 2)
    for number in (1, 0):
        with writing():
            actions.withdraw(town.resident_actor(number), rows[number].id, now + timedelta(minutes=5))
    outbox.run_due(now + timedelta(hours=2))
    assert [inbox(session, town.residents[number]) for number in (0, 1)] == [[], []]


def test_moved_up_and_left_before_the_worker_came(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], capacity=1)
    rows = fill(session, town, entry, now, 3)
    outbox.run_due(now)
    for number in (0, 1):
        with writing():
            actions.withdraw(town.resident_actor(number), rows[number].id, now)
    outbox.run_due(now)
    assert [m.kind for m in inbox(session, town.residents[1])] == ["sign_up.waiting"]
    assert [m.kind for m in inbox(session, town.residents[2])] == ["sign_up.waiting", "place.moved_up"]


def test_change_is_told_to_everyone_and_more_places_move_up(
    session: Any, town: Town, entry: Entry, now: datetime
) -> None:
    rows = fill(session, town, entry, now, 4)
    outbox.run_due(now)
    from dataclasses import replace

    from portal.catalogue.actions import entry_values as catalogue_rows

    with writing():
        values = replace(catalogue_rows.values_of(entry), place="二楼书吧", capacity=3)
        changing.ask_change(town.actor("D"), entry, values, "一楼装修", now)
    outbox.run_due(now)
    for person in town.residents[:4]:
        told = [m for m in inbox(session, person) if m.kind == "change.changed"]
        assert len(told) == 1
        assert all(word in told[0].body for word in ("一楼大厅", "二楼书吧", "一楼装修", "点一下就能退出"))
        assert told[0].link.startswith(f"/services/{entry.id}/sign-up?change=")
    assert [r.status for r in rows] == ["confirmed"] * 3 + ["waiting"]


def test_a_message_of_a_running_series_names_its_next_date(session: Any, town: Town, make: Make, now: datetime) -> None:
    week, hour = timedelta(days=7), timedelta(hours=2)
    sessions = [(now - week, now - week + hour), (now + week, now + week + hour)]
    entry = make.entry(
        town.centres["A1"], sessions, sign_up_until=now + week, weekly={"label": "每周三 10:00–12:00"}
    )  # fmt: skip
    fill(session, town, entry, now, 1)
    outbox.run_due(now)
    body = inbox(session, town.residents[0])[0].body
    assert f"下一次 {clock.span(*sessions[1])}" in body and "第一次" not in body
    # It had begun: no reminder of its first date is promised, and an hour is left to think again.
    assert f"{clock.stamp(now + timedelta(hours=1))} 前可自行退出" in body and "提醒" not in body


def test_an_offer_whose_time_is_over_is_told_to_nobody(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(session, town, entry, now, 3)
    outbox.run_due(now)
    late = clock.at(datetime(2026, 12, 12).date(), datetime(2026, 1, 1, 12).time())
    with writing():
        actions.withdraw(town.resident_actor(0), rows[0].id, late)
    session.expire_all()
    assert rows[2].status == "offered" and rows[2].accept_by is not None
    outbox.run_due(rows[2].accept_by)
    assert [m.kind for m in inbox(session, town.residents[2])] == ["sign_up.waiting"]


def test_cancelling_ends_and_tells_everybody_once(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(session, town, entry, now, 4)
    outbox.run_due(now)
    with writing():
        changing.cancel_entry(town.actor("D"), entry, "台风来临", now)
    outbox.run_due(now)
    session.expire_all()
    assert {r.status for r in rows} == {"cancelled"}
    assert (entry.taken, entry.waiting) == (0, 0)
    for person in town.residents[:4]:
        told = [m for m in inbox(session, person) if m.kind == "change.cancelled"]
        assert len(told) == 1
        assert "台风来临" in told[0].body


def test_reminders_a_day_and_two_hours_before(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(session, town, entry, now, 3)
    start = entry.first_start
    outbox.run_due(now)
    for moment, new in (
        (start - timedelta(hours=25), 0), (start - timedelta(hours=24), 1), (start - timedelta(hours=23), 0),
        (start - timedelta(hours=2), 1), (start - timedelta(minutes=5), 0), (start, 0),
    ):  # fmt: skip
        assert reminders.remind(moment) == new
        outbox.run_due(moment)
    kinds = [m.kind for m in inbox(session, town.residents[0])]
    assert kinds == ["sign_up.confirmed", "reminder.day", "reminder.hours"]
    assert [m.kind for m in inbox(session, town.residents[2])] == ["sign_up.waiting"]
    assert rows[2].status == "waiting"


def test_whoever_signs_up_late_is_not_reminded_of_the_day_before(
    session: Any, town: Town, entry: Entry, now: datetime
) -> None:
    late = entry.first_start - timedelta(hours=5)
    fill(session, town, entry, late, 1)
    reminders.remind(late)
    outbox.run_due(late)
    assert [m.kind for m in inbox(session, town.residents[0])] == ["sign_up.confirmed"]


def test_a_moved_session_is_reminded_again_and_a_cancelled_one_never(
    session: Any, town: Town, entry: Entry, now: datetime
) -> None:
    fill(session, town, entry, now, 1)
    moment = entry.first_start - timedelta(hours=20)
    reminders.remind(moment)
    outbox.run_due(moment)
    for row in entry.sessions:
        row.starts_at += timedelta(days=1)
        row.ends_at += timedelta(days=1)
    session.commit()
    assert reminders.remind(moment + timedelta(days=1)) == 1
    session.execute(update(Entry).values(status="cancelled"))
    session.commit()
    outbox.run_due(moment + timedelta(days=1))
    assert [m.kind for m in inbox(session, town.residents[0])].count("reminder.day") == 1


def test_five_thousand_reminders_in_few_statements(
    session: Any, town: Town, make: Make, now: datetime, count_queries: Callable[[], Any]
) -> None:
    entry = make.entry(town.centres["A1"], capacity=None)
    people = make.residents(600, town.centres["A1"])
    db.session.execute(
        SignUp.__table__.insert(),
        [
            {
                "entry_id": entry.id,
                "centre_id": entry.centre_id,
                "resident_id": p.id,
                "person_key": f"r{p.id}",
                "places": 1,
                "status": "confirmed",
                "note": "",
                "refusal_reason": "",
                "created_by": "",
                "created_at": now,
            }
            for p in people
        ],
    )
    entry.taken = 600
    session.commit()
    moment = entry.first_start - timedelta(hours=10)
    reminders.remind(moment)
    with count_queries() as seen:
        outbox.run_due(moment)
    assert session.scalar(select(func.count()).select_from(InboxMessage)) == 600
    assert len(seen) < 25, len(seen)  # the same for 10 and for 1,000


def test_reminders_of_many_sessions_cost_what_one_costs(
    session: Any, town: Town, make: Make, now: datetime, count_queries: Callable[[], Any]
) -> None:
    def cost(sessions: int) -> int:
        entries = [make.entry(town.centres["A1"], capacity=9) for _ in range(sessions)]
        for entry in entries:
            actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
        session.commit()
        outbox.run_due(now)
        reminders.remind(moment := entries[0].first_start - timedelta(hours=10))
        with count_queries() as seen:
            outbox.run_due(moment)
        return len(seen)

    assert cost(1) == cost(reminders.TOGETHER)
    told = [m for m in inbox(session, town.residents[0]) if m.kind.startswith("reminder")]
    assert len(told) == 1 + reminders.TOGETHER


def test_one_broken_effect_does_not_hold_up_those_told_with_it(session: Any, now: datetime) -> None:
    done: list[int] = []

    def carry_out(payloads: list[dict[str, Any]], now: datetime) -> None:
        if any(p["n"] == 2 for p in payloads):
            raise ValueError
        done.extend(p["n"] for p in payloads)

    outbox.handler_of_many("test.many", 3)(carry_out)
    for number in range(1, 6):
        outbox.put("test.many", str(number), {"n": number}, now)
    session.commit()
    assert outbox.run_due(now) == 4
    assert sorted(done) == [1, 3, 4, 5]


def test_low_enrolment_reaches_the_organiser_once(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], title="冷门讲座")
    busy = make.entry(town.centres["A1"], capacity=2)
    fill(session, town, busy, now, 2)
    assert reminders.warn_of_low_enrolment(now) == 0
    soon = entry.first_start - timedelta(hours=48)
    assert reminders.warn_of_low_enrolment(soon) == 1
    assert reminders.warn_of_low_enrolment(soon + timedelta(hours=1)) == 0
    outbox.run_due(soon)
    told = inbox(session, town.staff["A1-OP"], "staff")
    assert [m.kind for m in told] == ["work.low"]
    assert told[0].link == f"/staff/sign-ups/{entry.id}"
    assert not inbox(session, town.staff["A2"], "staff")
    waiting = registry.waiting_lines(town.actor("A1"), soon, to_decide)
    assert [w.title for w in waiting] == ["报名人数不足：冷门讲座"]


def test_all_deadlines_are_registered() -> None:
    names = {name.rsplit(".", 1)[-1] for name in registry.due_jobs if name.startswith("portal.signup")}
    assert names == {"lapse_offers", "remind", "warn_of_low_enrolment", "ask_after"}


def test_my_services_say_what_happens_next(session: Any, town: Town, entry: Entry, make: Make, now: datetime) -> None:
    actions.sign_up(Actor("resident", town.residents[4].id, "x"), entry.id, None, 0, now)
    fill(session, town, entry, now, 2)
    source = registry.mine_sources["portal.signup.registry.my_services"]
    first, second = source(town.residents[4].id, now, False)[0], source(town.residents[1].id, now, False)[0]
    assert (first.section, first.status_text) == ("upcoming", "已报上")
    assert "前可自行退出" in first.next_text
    assert (second.section, second.status_text) == ("waiting", "候补第 1 位")
    over = source(town.residents[4].id, entry.last_end, False)[0]
    assert over.section == "past"


def test_my_services_name_the_next_date_of_a_series(session: Any, town: Town, make: Make, now: datetime) -> None:
    start = now + timedelta(days=1)
    dates = [(start + timedelta(days=7 * n), start + timedelta(days=7 * n, hours=1)) for n in range(3)]
    entry = make.entry(town.centres["A1"], sessions=dates)
    fill(session, town, entry, now, 1)
    source = registry.mine_sources["portal.signup.registry.my_services"]
    mine = source(town.residents[0].id, dates[1][0] - timedelta(days=1), True)[0]
    assert mine.when == f"下一次 {clock.span(*dates[1])}，还有 2 场"
    assert mine.starts_at == dates[1][0]
    assert mine.section == "upcoming"
