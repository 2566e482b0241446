"""Clocks of bookings (SPEC V3, V5, V6): handed up level by level, reminded, asked how it was; once, however late."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.core import clock
from portal.core.errors import DomainError
from portal.core.outbox import Outbox
from portal.core.states import StateHistory
from portal.feedback.models import Evaluation
from portal.operations import work
from portal.people.models import Relative
from portal.venues import deadlines, evaluating, locks
from portal.venues.actions import approval, booking
from portal.venues.models import APPROVED, BY_ACTIVITY, CANCELLED, LAPSED, OFFERED, PENDING, RELEASED, WAITING, Booking
from tests.factories import Make, Town, load_town
from tests.venues.helping import at, deliver, inbox, kinds, staff, statuses, wish


@pytest.fixture
def asked(session: Any, town: Town, make: Make, now: datetime) -> Booking:
    """For 8 December 14:00; the community decides within a day."""
    room = make.venue(town.centres["A1"], name="三楼会议室", needs_approval=True)
    row = booking.book(town.resident_actor(0), wish(room, 8, month=12), now)
    session.commit()
    return row


def test_up_the_tree_by_the_clock(session: Any, town: Town, asked: Booking, now: datetime) -> None:
    day = timedelta(hours=24)
    assert deadlines.hand_up_undecided(now + day - timedelta(seconds=1)) == 0
    for step, centre in ((1, "A"), (2, "D")):
        assert deadlines.hand_up_undecided(now + step * day) == 1
        assert deadlines.hand_up_undecided(now + step * day) == 0  # a second scheduler
        deliver(session, now + step * day)
        session.refresh(asked)
        assert (asked.waits_at_id, asked.decide_by) == (town.centres[centre].id, now + (step + 1) * day)
        assert (asked.status, asked.created_at) == (PENDING, now)  # the first clock is never reset
        (told,) = inbox(session, town.staff[centre], "staff")
        assert told.kind == "work.booking" and "没有按时审批" in told.title and "11月25日 10:00 提出" in told.body
        assert told.link == f"/staff/venues/bookings/{asked.id}"
    assert "现在由测试区审批，最晚 11月28日 10:00 答复" in inbox(session, town.residents[0])[-1].body
    # Nobody is above: the district is reminded once, and its time is still held.
    for _ in range(2):
        deadlines.hand_up_undecided(now + 3 * day)
    deliver(session, now + 3 * day)
    session.refresh(asked)
    assert (asked.status, asked.decide_by, asked.waits_at_id) == (PENDING, None, town.centres["D"].id)
    assert len(inbox(session, town.staff["D"], "staff")) == 2
    assert len(session.scalars(select(StateHistory).where(StateHistory.name == "hand_up")).all()) == 2
    with staff(town, "D") as clerk:
        assert approval.approve(clerk, asked.id, now + 4 * day).status == APPROVED


def test_an_operator_of_a_department_or_a_looker_on_is_nobody(
    session: Any, town: Town, asked: Booking, now: datetime
) -> None:
    """At the district only the inspector and a department's account are left: handing up would be a dead end."""
    town.staff["D"].disabled_at = now
    asked.waits_at_id = town.centres["A"].id
    session.commit()
    deadlines.hand_up_undecided(now + timedelta(hours=24))
    session.refresh(asked)
    assert (asked.waits_at_id, asked.decide_by) == (town.centres["A"].id, None)


def test_close_to_the_start_the_steps_are_short(session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], needs_approval=True, notice=0)
    row = booking.book(town.resident_actor(0), wish(room, 25, 11), at(25, 10))
    session.commit()
    assert row.decide_by == at(25, 10, 30)
    for minute, centre in ((30, "A"), (45, "D")):
        assert deadlines.hand_up_undecided(at(25, 10, minute)) == 1
        session.refresh(row)
        assert (row.waits_at_id, row.decide_by) == (town.centres[centre].id, at(25, 10, minute) + timedelta(minutes=15))
    assert deadlines.lapse(at(25, 11)) == 1
    session.refresh(row)
    assert row.status == LAPSED and row.decide_by is None


def test_decided_between_the_look_and_the_clock(session: Any, town: Town, asked: Booking, now: datetime) -> None:
    with staff(town, "A1") as clerk:
        approval.approve(clerk, asked.id, now)
    session.commit()
    for act in (deadlines._hand_up, deadlines._lapse):
        with deadlines.writing(), deadlines.scope.system("test"):
            assert act(asked.id, now + timedelta(hours=30)) == 0
    session.refresh(asked)
    assert asked.status == APPROVED


def test_one_bad_row_holds_up_nobody(
    session: Any, town: Town, asked: Booking, make: Make, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = booking.book(town.resident_actor(1), wish(asked.venue, 9, month=12), now)
    session.commit()
    bad, find = asked.id, locks.find

    def broken(booking_id: int, *more: int) -> Any:
        if booking_id == bad:
            raise DomainError("broken")
        return find(booking_id, *more)

    monkeypatch.setattr(locks, "find", broken)
    assert deadlines.hand_up_undecided(now + timedelta(hours=24)) == 1
    monkeypatch.undo()
    assert [b.waits_at_id for b in (asked, other)] == [town.centres["A1"].id, town.centres["A"].id]


@pytest.mark.parametrize("status", [PENDING, WAITING, OFFERED])
def test_a_scheduler_that_stood_still_for_ten_days(session: Any, town: Town, make: Make, status: str) -> None:
    values = {"accept_by": at(26, 9)} if status == OFFERED else {}
    row = make.booking(make.venue(town.centres["A1"]), resident=town.residents[0], status=status, **values)
    assert deadlines.lapse(at(6, 9, month=12)) == 1
    assert statuses(session, [row]) == [LAPSED]


# Reminders ------------------------------------------------------------------------------------------------------------


def reminded(session: Any, town: Town, now: datetime) -> list[str]:
    for _ in range(2):
        deadlines.remind(now)
    deliver(session, now)
    return [m.title for m in inbox(session, town.residents[0]) if m.kind.startswith("reminder")]


def test_a_day_and_two_hours_before(session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], name="棋牌室", release=15)
    row = booking.book(town.resident_actor(0), wish(room), at(25, 10))
    session.commit()
    assert reminded(session, town, at(26, 13, 59)) == []
    assert reminded(session, town, at(26, 14)) == ["明天见：棋牌室"]
    assert reminded(session, town, at(27, 12)) == ["明天见：棋牌室", "快开始了：棋牌室"]
    first, second = (m for m in inbox(session, town.residents[0]) if m.kind.startswith("reminder"))
    assert "来不了请退订，11月27日 12:00 前可自行退订" in first.body and "退订" not in second.body
    assert "开始 15 分钟还没有人来，就让给别人" in second.body and first.link == f"/venues/bookings/{row.id}"


def test_moved_ones_are_reminded_anew_in_true_words(session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], name="棋牌室")
    row = booking.book(town.resident_actor(0), wish(room), at(25, 10))
    session.commit()
    reminded(session, town, at(26, 14))
    with staff(town, "A1") as clerk:
        approval.move(clerk, row.id, room.id, at(28, 20), at(28, 21), "换", at(26, 15))
    session.commit()
    assert reminded(session, town, at(28, 9)) == ["明天见：棋牌室", "今天见：棋牌室"]  # the scheduler was late


def test_who_is_not_reminded(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"])
    for hour, values in enumerate(
        ({"status": PENDING}, {"status": WAITING}, {"status": CANCELLED}, {"source": BY_ACTIVITY, "source_id": 2}, {})
    ):
        person = None if hour > 2 else town.residents[0]
        make.booking(room, at(27, 9 + hour), resident=person, **values)
    assert deadlines.remind(at(26, 15)) == 0
    fresh = booking.book(town.resident_actor(0), wish(room, 26, 18), at(26, 15))  # has just seen the hour
    session.commit()
    assert deadlines.remind(at(26, 15)) == 0 and fresh.status == APPROVED


def test_a_reminder_that_comes_too_late_is_dropped(session: Any, town: Town, make: Make) -> None:
    row = make.booking(make.venue(town.centres["A1"]), at(27, 14), resident=town.residents[0])
    deadlines.remind(at(26, 14))
    booking.withdraw(town.resident_actor(0), row.id, at(26, 14))
    deliver(session, at(26, 15))
    assert kinds(session, town.residents[0]) == []


# How was it -----------------------------------------------------------------------------------------------------------


def asked_how(session: Any, now: datetime) -> list[int]:
    evaluating.ask_how_it_was(now)
    return sorted(session.scalars(select(Evaluation.subject_id).where(Evaluation.subject_kind == "booking")))


def test_asked_once_after_use(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], name="棋牌室")
    mother = Relative(resident_id=town.residents[0].id, name="王秀英", relation="母亲", created_at=now)
    session.add(mother)
    session.commit()
    row = make.booking(room, at(25, 14), resident=town.residents[0], relative_id=mother.id)
    assert asked_how(session, at(25, 15, 29)) == []
    for _ in range(2):
        assert asked_how(session, at(25, 15, 30)) == [row.id]
    deliver(session, at(25, 15, 30))
    assert asked_how(session, at(26, 15)) == [row.id]
    assert kinds(session, town.residents[0]) == ["evaluation"]
    one = session.scalars(select(Evaluation)).one()
    assert (one.group_key, one.title, one.relative_id) == (f"venue:{room.id}", "棋牌室", mother.id)
    described = evaluating.describe([row.id])[row.id]
    assert (described.title, described.place) == ("棋牌室", "甲一社区")
    assert described.when_text == clock.span(row.starts_at, row.ends_at)


def test_who_is_not_asked(session: Any, town: Town, make: Make, now: datetime) -> None:
    """No-shows, what did not take place, activities (their own room asks), the house, the erased; nothing too old."""
    watched, plain = make.venue(town.centres["A1"], release=15), make.venue(town.centres["A1"])
    me, erased = town.residents[0], make.resident(town.centres["A1"], erased_at=now)
    came = make.booking(watched, at(25, 9), resident=me, checked_in_at=at(25, 9))
    make.booking(watched, at(25, 12), resident=me)
    for hour, status in enumerate((PENDING, CANCELLED, RELEASED, LAPSED, WAITING), 9):
        make.booking(plain, at(25, hour), resident=me, status=status)
    make.booking(plain, at(25, 15), source=BY_ACTIVITY, source_id=9)
    make.booking(plain, at(25, 16))
    make.booking(plain, at(25, 17), resident=erased)
    make.booking(plain, at(17, 9), resident=me)
    assert asked_how(session, at(25, 20)) == [came.id]


def test_all_of_it_by_one_tick_twice(session: Any, town: Town, asked: Booking, make: Make, now: datetime) -> None:
    make.booking(make.venue(town.centres["A1"]), at(25, 14), resident=town.residents[1])
    session.rollback()
    for _ in range(2):
        jobs, swept = work.tick(now + timedelta(hours=24))
        assert -1 not in jobs.values() and swept is not None
    town = load_town()  # a tick ends with its session
    assert session.scalar(select(func.count()).select_from(Outbox).where(Outbox.done_at.is_(None))) == 0
    assert kinds(session, town.residents[0]) == ["booking.received", "booking.received"]
    assert kinds(session, town.residents[1]) == ["evaluation"]
