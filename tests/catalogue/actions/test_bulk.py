"""Steps on many rows: what they cost, what they leave, and how they are taken back (SPEC Q9)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select, update

from portal.catalogue import bulk_rules
from portal.catalogue.actions import (
    bulk_steps,
    drafting,
    handing_in,
    publishing,
    reviewing,
    taking_back,
    tidying,
)
from portal.catalogue.models import APPROVED, DRAFT, DROPPED, IN_REVIEW, PUBLISHED, RETURNED, BulkRow, BulkStep, Entry
from portal.core import db as core_db
from portal.core import outbox, scope, states
from portal.core.access import Actor
from portal.core.audit import AuditLog
from portal.core.db import db, writing
from portal.core.errors import NotAllowed
from portal.notices.models import InboxMessage
from portal.venues.models import Booking
from tests.catalogue.wording import MONTH, draft, span
from tests.conftest import KIND
from tests.factories import NOW, Make, Town
from tests.pauses import Pauses

LATER = NOW + timedelta(minutes=9)


@contextmanager
def counted() -> Iterator[list[str]]:
    """Statements sent to the database inside."""
    sent: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def drafts(town: Town, count: int, venue_id: int | None = None) -> list[int]:
    """So many good drafts of community A1, some in a room if one is given."""
    ids = []
    for n in range(count):
        room = {"venue_id": venue_id} if venue_id and n % 3 == 0 and n // 3 < 26 * 4 else {}
        day, hour = 1 + n // 3 % 26, 8 + 3 * (n // 78)
        ids.append(draft(town, title=f"活动{n}", sessions=(span(day, f"{hour}:00", f"{hour + 1}:00"),), **room).id)
    db.session.commit()
    return ids


def rows(session: Any, ids: list[int]) -> list[Entry]:
    session.expire_all()
    return list(session.scalars(select(Entry).where(Entry.id.in_(ids)).order_by(Entry.id)))


def facts(session: Any, ids: list[int]) -> list[tuple[Any, ...]]:
    """All that a bulk step may change."""
    return [tuple(getattr(e, name) for name in bulk_steps.KEPT) for e in rows(session, ids)]


def up(town: Town) -> Any:
    return handing_in.hand_in(town.actor("A1"), town.centres["A1"], MONTH, NOW)


def passed(actor: Actor, ids: list[int]) -> Any:
    return bulk_steps.in_batches(ids, lambda some, step: reviewing.approve_rows(actor, some, NOW, step))


# Cost -----------------------------------------------------------------------------------------------------------------


def test_each_step_costs_half_a_statement_a_row(session: Any, town: Town, make: Make) -> None:
    """Also with rooms to be held; and the audit has one line a batch, with the count and the rows."""
    room = make.venue(town.centres["A1"], name="三楼会议室")
    ids = drafts(town, 150, room.id)
    lines = session.scalar(select(func.count(AuditLog.id)))
    for step in (
        lambda: up(town), lambda: passed(town.actor("A"), ids), lambda: passed(town.actor("D"), ids),
    ):  # fmt: skip
        with counted() as sent:
            found = step()
        assert (found.done, found.left) == (150, [])
        assert len(sent) <= 75, len(sent)
    assert {e.status for e in rows(session, ids)} == {APPROVED}
    with counted() as sent:
        assert publishing.publish_in_batches(MONTH, NOW, town.actor("D"), force=True, reason="提前") == 150
    assert len(sent) <= 75, len(sent)
    held = select(func.count(Booking.id)).where(Booking.source_id.in_(ids), Booking.status == "approved")
    with scope.system("test"):
        assert session.scalar(held) == 50
    assert session.scalar(select(func.count(AuditLog.id))) - lines <= 2 * 3 + 2 * 3


def test_twice_the_rows_of_a_batch_cost_no_statement_more(session: Any, town: Town, make: Make) -> None:
    """Handed in with rooms, approved twice, published, and put back."""
    room = make.venue(town.centres["A1"], name="三楼会议室")

    def cost(count: int) -> list[int]:
        ids, spent = drafts(town, count, room.id), []
        for step in (
            lambda: up(town), lambda: passed(town.actor("A"), ids), lambda: passed(town.actor("D"), ids),
            lambda: publishing.publish_in_batches(MONTH, NOW, town.actor("D"), force=True, reason="提前"),
        ):  # fmt: skip
            with counted() as sent:
                step()
            spent.append(len(sent))
        assert {e.status for e in rows(session, ids)} == {PUBLISHED}
        drop(session, ids)
        return spent

    cost(3)  # the first of its kind also keeps things for the next
    assert cost(12) == cost(24)


def drop(session: Any, ids: list[int]) -> None:
    """Out of the way of the next rows in the same rooms."""
    with scope.system("test"):
        session.execute(update(Booking).values(status="withdrawn"))
        session.execute(update(Entry).where(Entry.id.in_(ids)).values(status=DROPPED))
    session.commit()


@pytest.mark.own_database
@pytest.mark.skipif(KIND != "sqlite", reason="PostgreSQL has many writers")
def test_between_batches_other_processes_find_the_lock_free(session: Any, town: Town, monkeypatch: Any) -> None:
    clock = Pauses()
    monkeypatch.setattr(core_db, "time", clock)
    ids = drafts(town, bulk_rules.BATCH * 2)
    assert up(town).done == len(ids)
    assert clock.pauses == 2
    passed(town.actor("A"), ids)
    step = session.scalars(select(BulkStep.id).where(BulkStep.kind == "approve")).one()
    clock.pauses = 0
    assert taking_back.take_back(town.actor("A"), step, NOW).done == len(ids)
    assert clock.pauses == len(ids) / bulk_rules.UNDO_BATCH
    passed(town.actor("A"), ids)
    passed(town.actor("D"), ids)
    clock.pauses = 0
    assert publishing.publish_in_batches(MONTH, NOW, town.actor("D"), force=True) == len(ids)
    assert clock.pauses == 2


@pytest.mark.own_database
def test_other_writers_come_between_two_batches(app: Flask, session: Any, town: Town) -> None:
    """No batch waits for the next: somebody else's write is committed while a step is under way."""
    ids = drafts(town, bulk_rules.BATCH + 1)
    actor, centre_id, between, done = town.actor("A1"), town.centres["A1"].id, threading.Event(), threading.Event()

    def other() -> None:
        with app.app_context(), scope.system("test"):
            assert between.wait(20)
            with writing():
                db.session.get_one(Entry, other_id).content = "写进来了"
            done.set()

    other_id = draft(town, "B1").id
    session.commit()
    thread = threading.Thread(target=other)
    thread.start()

    def step(some: list[int], step_id: int | None) -> Any:
        if step_id is not None and not done.is_set():  # the second batch: the lock was free in between
            db.session.rollback()
            between.set()
            assert done.wait(20)
        return reviewing.Outcome(len(some), step_id=7)

    assert bulk_steps.in_batches(ids, step).done == len(ids)
    thread.join()
    assert centre_id
    assert actor


# Taken back -----------------------------------------------------------------------------------------------------------


def _handed(town: Town, ids: list[int]) -> tuple[str, Any]:
    return "A1", lambda: up(town)


def _passed(town: Town, ids: list[int]) -> tuple[str, Any]:
    up(town)
    return "A", lambda: passed(town.actor("A"), ids)


def _approved(town: Town, ids: list[int]) -> tuple[str, Any]:
    up(town)
    passed(town.actor("A"), ids)
    return "D", lambda: passed(town.actor("D"), ids)


def _returned(town: Town, ids: list[int]) -> tuple[str, Any]:
    up(town)
    act = lambda some, step: reviewing.return_rows(town.actor("A"), some, "写明集合点", "place", NOW, step)  # noqa: E731
    return "A", lambda: bulk_steps.in_batches(ids, act)


def _dropped(town: Town, ids: list[int]) -> tuple[str, Any]:
    return "A1", lambda: bulk_steps.in_batches(ids, lambda s, n: tidying.drop_rows(town.actor("A1"), s, NOW, n))


def _category(town: Town, ids: list[int]) -> tuple[str, Any]:
    number = town.categories["charity"].id
    act = lambda s, n: tidying.set_category(town.actor("A1"), s, number, NOW, n)  # noqa: E731
    return "A1", lambda: bulk_steps.in_batches(ids, act)


def _place(town: Town, ids: list[int]) -> tuple[str, Any]:
    return "A1", lambda: bulk_steps.in_batches(ids, lambda s, n: tidying.set_place(town.actor("A1"), s, "广场", NOW, n))


def _published(town: Town, ids: list[int]) -> tuple[str, Any]:
    _, approve = _approved(town, ids)
    approve()

    def act() -> Any:
        publishing.publish_in_batches(MONTH, NOW, town.actor("D"), force=True, reason="提前")
        [step] = bulk_steps.open_steps(town.actor("D"), NOW)[:1]
        return reviewing.Outcome(step.count, step_id=step.id)

    return "D", act


STEPS = {
    "hand_in": (_handed, IN_REVIEW), "approve": (_passed, IN_REVIEW), "last": (_approved, APPROVED),
    "return": (_returned, RETURNED), "drop": (_dropped, DROPPED), "category": (_category, DRAFT),
    "place": (_place, DRAFT), "publish": (_published, PUBLISHED),
}  # fmt: skip


@pytest.mark.parametrize("kind", STEPS)
def test_every_step_is_taken_back_whole(session: Any, town: Town, make: Make, kind: str) -> None:
    """Rows, rooms and all stand as before, by whoever did it and nobody else; once."""
    room = make.venue(town.centres["A1"], name="三楼会议室")
    ids = drafts(town, 7, room.id)
    prepare, status = STEPS[kind]
    who, act = prepare(town, ids)
    before = facts(session, ids)
    found = act()
    assert found.done == 7
    assert {e.status for e in rows(session, ids)} == {status}
    assert facts(session, ids) != before
    [step] = [s for s in bulk_steps.open_steps(town.actor(who), LATER) if s.id == found.step_id]
    assert step.count == 7
    with pytest.raises(NotAllowed):
        taking_back.take_back(town.actor("A1-OP"), found.step_id, LATER)
    back = taking_back.take_back(town.actor(who), found.step_id, LATER)
    assert (back.done, back.left) == (7, [])
    assert facts(session, ids) == before
    with scope.system("test"):
        live = session.scalars(select(Booking.source_id).where(Booking.status.in_(("pending", "approved")))).all()
    wanted = [e.id for e in rows(session, ids) if e.venue_id and e.status in (IN_REVIEW, APPROVED)]
    assert sorted(live) == wanted
    with pytest.raises(taking_back.NotTakenBack, match="已经撤回"):
        taking_back.take_back(town.actor(who), found.step_id, LATER)
    last = states.history(reviewing.ENTRY, [ids[0]])[-1]
    assert last.actor_name == town.staff[who].name


def test_ten_minutes_and_no_longer(session: Any, town: Town) -> None:
    drafts(town, 2)
    found = up(town)
    late = NOW + bulk_rules.TAKE_BACK
    assert bulk_steps.open_steps(town.actor("A1"), late) == []
    with pytest.raises(taking_back.NotTakenBack, match="超过 10 分钟"):
        taking_back.take_back(town.actor("A1"), found.step_id, late)


def test_what_has_moved_on_stays_and_is_named(session: Any, town: Town) -> None:
    ids = drafts(town, 3)
    found = up(town)
    reviewing.return_entry(town.actor("A"), session.get_one(Entry, ids[1]), "不清楚", "", NOW)
    session.commit()
    back = taking_back.take_back(town.actor("A1"), found.step_id, LATER)
    assert (back.done, [(row.title, row.why) for row in back.left]) == (2, [("活动1", "后来又有人处理过")])
    assert [e.status for e in rows(session, ids)] == [DRAFT, RETURNED, DRAFT]


def test_nothing_is_taken_back_when_all_has_moved_on(session: Any, town: Town) -> None:
    ids = drafts(town, 2)
    found = up(town)
    passed(town.actor("A"), ids)
    with pytest.raises(taking_back.NotTakenBack, match="“活动0”后来又有人处理过"):
        taking_back.take_back(town.actor("A1"), found.step_id, LATER)
    assert {e.waits_at_id for e in rows(session, ids)} == {town.centres["D"].id}


def test_nobody_loses_a_place_to_a_publication_taken_back(session: Any, town: Town) -> None:
    ids = drafts(town, 3)
    _, act = _published(town, ids)
    found = act()
    session.get_one(Entry, ids[0]).taken = 1
    session.commit()
    back = taking_back.take_back(town.actor("D"), found.step_id, LATER)
    assert (back.done, [row.why for row in back.left]) == (2, ["已经有居民报名"])
    assert [e.status for e in rows(session, ids)] == [PUBLISHED, APPROVED, APPROVED]


def test_a_month_that_runs_stays_published() -> None:
    assert "已经开始" in bulk_rules.too_late("publish", NOW, "2026-11", NOW)
    assert bulk_rules.too_late("publish", NOW, "2026-12", NOW) == ""


# What is told ---------------------------------------------------------------------------------------------------------


def _told(session: Any, town: Town, who: str) -> list[str]:
    session.commit()
    outbox.run_due(NOW + timedelta(minutes=1))
    mine = InboxMessage.audience == "staff", InboxMessage.person_id == town.staff[who].id
    return list(session.scalars(select(InboxMessage.title).where(*mine).order_by(InboxMessage.id)))


def test_many_returns_are_one_message_to_each_author(session: Any, town: Town) -> None:
    ids = drafts(town, 3)
    _, act = _returned(town, ids)
    act()
    assert _told(session, town, "A1") == ["退回 3 条服务"]


def test_batches_are_told_as_one(session: Any, town: Town) -> None:
    drafts(town, bulk_rules.BATCH + 2)
    up(town)
    assert _told(session, town, "A") == ["甲一社区交了12月清单"]
    body = session.scalar(select(InboxMessage.body).where(InboxMessage.person_id == town.staff["A"].id))
    assert f"{bulk_rules.BATCH + 2} 条" in body


def test_who_was_told_hears_that_it_was_taken_back(session: Any, town: Town) -> None:
    drafts(town, 2)
    found = up(town)
    assert len(_told(session, town, "A")) == 1
    taking_back.take_back(town.actor("A1"), found.step_id, LATER)
    assert _told(session, town, "A")[1:] == ["上交的 2 条服务撤回了"]


# Own rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["A2", "B1", "D-LOOK", "ZFB"])
def test_nobody_else_touches_them(session: Any, town: Town, who: str) -> None:
    ids = drafts(town, 2)
    before = facts(session, ids)
    acts: list[Callable[[], Any]] = [
        lambda: tidying.drop_rows(town.actor(who), ids, NOW),
        lambda: tidying.set_place(town.actor(who), ids, "广场", NOW),
        lambda: reviewing.approve_rows(town.actor(who), ids, NOW),
        lambda: reviewing.return_rows(town.actor(who), ids, "不行", "", NOW),
    ]
    for act in acts:
        with suppress(NotAllowed):
            assert act().done == 0
    session.commit()
    assert facts(session, ids) == before


def test_a_place_that_names_a_room_takes_it_along(session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], name="三楼会议室")
    ids = drafts(town, 2)
    assert tidying.set_place(town.actor("A1"), ids, " 三楼 会议室 ", NOW).done == 2
    assert {e.venue_id for e in rows(session, ids)} == {room.id}


def test_what_is_remembered_is_forgotten_the_next_day(session: Any, town: Town) -> None:
    drafts(town, 2)
    up(town)
    later = draft(town, "B1")
    session.commit()
    handing_in.hand_in(town.actor("B1"), town.centres["B1"], MONTH, NOW + timedelta(days=2), [later.id])
    with scope.system("test"):
        assert session.scalars(select(BulkStep.at)).all() == [NOW + timedelta(days=2)]
    assert session.scalars(select(BulkRow.entry_id)).all() == [later.id]


def test_dropping_names_what_is_not_yours_to_drop(session: Any, town: Town) -> None:
    ids = drafts(town, 2)
    sent = draft(town, title="已送审")
    reviewing.offer(town.actor("A1"), sent, NOW)
    found = tidying.drop_rows(town.actor("A1"), [*ids, sent.id], NOW)
    assert (found.done, [row.title for row in found.left]) == (2, ["已送审"])
    assert drafting.EDITABLE
