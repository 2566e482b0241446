"""What staff do with bookings (SPEC V3, V4): enter, approve, refuse, hand up, prefer, cancel, move; and who may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.cases.errors import NobodyAbove
from portal.core.access import Actor
from portal.core.audit import AuditLog
from portal.core.errors import DomainError, NotAllowed
from portal.core.states import NoSuchTransition, ReasonMissing
from portal.people.models import Relative, Resident
from portal.people.refusals import CallerNameMissing
from portal.venues.actions import approval, booking
from portal.venues.errors import (
    BookingGone,
    BookingRefused,
    InTheWay,
    NotBookable,
    SlotTaken,
    VenueGone,
)
from portal.venues.models import (
    APPROVED,
    BY_ACTIVITY,
    CANCELLED,
    OFFERED,
    PENDING,
    REFUSED,
    WAITING,
    WITHDRAWN,
    Booking,
    Venue,
)
from tests.factories import Make, Town
from tests.venues.helping import at, deliver, inbox, kinds, overlapping, staff, statuses, wait_all, wish


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], needs_approval=True)


@pytest.fixture
def asked(town: Town, room: Venue, now: datetime) -> Booking:
    return booking.book(town.resident_actor(0), wish(room), now)


# For a caller, a walk-in, the house itself ----------------------------------------------------------------------------


def test_a_caller_who_is_known(session: Any, town: Town, room: Venue, now: datetime) -> None:
    with staff(town, "A1") as clerk:
        row = approval.book_for(clerk, wish(room), town.residents[0].phone or "", "", now)
    assert (row.status, row.source, row.resident_id) == (APPROVED, "resident", town.residents[0].id)
    assert (row.created_by, row.contact_name, row.contact_phone) == ("A1管理员", "", "")
    deliver(session, now)
    (message,) = inbox(session, town.residents[0])
    assert message.kind == "booking.approved" and "由A1管理员代为登记" in message.body


def test_a_caller_who_is_new_and_calls_for_a_mother(session: Any, town: Town, room: Venue, now: datetime) -> None:
    with staff(town, "A1") as clerk:
        with pytest.raises(CallerNameMissing) as missing:
            approval.book_for(clerk, wish(room), "19900007777", " ", now)
        assert missing.value.field == "name"
        row = approval.book_for(clerk, wish(room), "19900007777", "陈小明", now, relative_name="陈母")
        again = approval.book_for(clerk, wish(room, 28), "19900007777", "陈小明", now, relative_name="陈母")
        own = approval.book_for(clerk, wish(room, 29), "19900007777", " 陈小 明", now, relative_name="陈小明")
    assert row.relative is not None and (row.relative.name, row.relative_id) == ("陈母", again.relative_id)
    assert own.relative_id is None
    assert session.scalar(select(func.count()).select_from(Relative)) == 1
    opened = session.scalars(select(Resident).where(Resident.phone == "19900007777")).one()
    assert (opened.name, opened.consent_version) == ("陈小明", "")


def test_the_house_books_for_itself(session: Any, town: Town, room: Venue, now: datetime) -> None:
    with staff(town, "A1-OP") as clerk:
        row = approval.book_for(clerk, wish(room, title="支部会议"), "", "王主任", now)
    assert (row.status, row.source, row.resident_id, row.contact_name) == (APPROVED, "staff", None, "王主任")
    deliver(session, now)
    assert inbox(session, town.staff["A1"], "staff") == []


def test_the_form_sent_twice_is_one_booking(session: Any, town: Town, room: Venue, now: datetime) -> None:
    with staff(town, "A1") as clerk:
        for phone in ("", town.residents[0].phone or ""):
            day = 28 if phone else 27
            first = approval.book_for(clerk, wish(room, day), phone, "王", now)
            assert approval.book_for(clerk, wish(room, day), phone, "王", now).id == first.id
    with staff(town, "A1-OP") as other, pytest.raises(SlotTaken):
        approval.book_for(other, wish(room), "", "李", now)
    assert session.scalar(select(func.count()).select_from(Booking)) == 2


def test_who_walked_in_is_here(town: Town, room: Venue, now: datetime) -> None:
    with staff(town, "A1") as clerk:
        here = approval.book_for(clerk, wish(room, 25, 9, 90), town.residents[0].phone or "", "", now)
        later = approval.book_for(clerk, wish(room, 25, 11), town.residents[0].phone or "", "", now)
    assert (here.checked_in_at, later.checked_in_at) == (now, None)


@pytest.mark.parametrize(("values", "code", "way"), [
    ({"minutes": -60}, "reversed", "起止时间"), ({"minutes": 1500}, "too_long", "按天分开"),
    ({"day": 25, "hour": 8}, "past", "以后的时间"), ({"people": 0}, "bad_people", "大概人数"),
    ({"day": 28}, "closed", "先取消停用"),
])  # fmt: skip
def test_what_binds_staff_too(
    town: Town, room: Venue, make: Make, now: datetime, values: dict[str, Any], code: str, way: str
) -> None:
    make.closure(room, at(28, 15), at(28, 18), "漏水")
    with staff(town, "A1") as clerk, pytest.raises(BookingRefused) as refused:
        approval.book_for(clerk, wish(room, **values), "", "", now)
    assert refused.value.code == code and way in refused.value.advice


def test_hours_notice_and_limits_do_not_bind_staff(town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], hours_per_week=1, longest=60, capacity=2, who_may="staff")
    with staff(town, "A1") as clerk:
        phone = town.residents[0].phone or ""
        assert approval.book_for(clerk, wish(room, 25, 10, people=9), phone, "", now).status == APPROVED
        assert approval.book_for(clerk, wish(room, 25, 22, 600), phone, "", now).status == APPROVED  # over midnight


@pytest.mark.parametrize(("values", "error"), [({"active": False}, VenueGone), ({"bookable": False}, NotBookable)])
def test_rooms_that_are_not_given_out(
    town: Town, make: Make, now: datetime, values: dict[str, Any], error: type[DomainError]
) -> None:
    room = make.venue(town.centres["A1"], **values)
    with staff(town, "A1") as clerk, pytest.raises(error):
        approval.book_for(clerk, wish(room), "", "", now)


# Approve, refuse ------------------------------------------------------------------------------------------------------


def test_yes(session: Any, town: Town, room: Venue, asked: Booking, now: datetime) -> None:
    behind = booking.wait(town.resident_actor(1), wish(room, hour=15), now)
    apart = booking.wait(town.resident_actor(2), wish(room, hour=16), now)
    assert (behind.status, apart.status) == (WAITING, PENDING)
    deliver(session, now)
    with staff(town, "A1") as clerk:
        row = approval.approve(clerk, asked.id, now)
        assert (row.status, row.decided_at, row.decide_by, row.waits_at_id) == (APPROVED, now, None, None)
        with pytest.raises(NoSuchTransition) as twice:
            approval.approve(clerk, asked.id, now)
        assert twice.value.status == 409
    deliver(session, now)
    assert kinds(session, town.residents[0]) == ["booking.received", "booking.approved"]
    assert kinds(session, town.residents[1]) == ["booking.waiting", "booking.waiting"]
    assert "批给了别人" in inbox(session, town.residents[1])[1].title
    assert kinds(session, town.residents[2]) == ["booking.received"]
    line = session.scalars(select(AuditLog).where(AuditLog.verb == "booking.approve")).one()
    assert (line.before, line.after["status"]) == ({"status": PENDING}, APPROVED)


def test_no_needs_a_reason_and_gives_the_time_on(session: Any, town: Town, room: Venue, now: datetime) -> None:
    rows = wait_all(town, room, now, 2)
    with staff(town, "A1") as clerk:
        for empty in ("", "  "):
            with pytest.raises(ReasonMissing) as missing:
                approval.refuse(clerk, rows[0].id, empty, now)
            assert missing.value.field == "reason"
        approval.refuse(clerk, rows[0].id, " 不在使用范围内 ", now)
        with pytest.raises(NoSuchTransition):
            approval.refuse(clerk, rows[0].id, "不在使用范围内", now)
    assert statuses(session, rows) == [REFUSED, PENDING] and rows[0].reason == "不在使用范围内"
    deliver(session, now)
    assert "原因：不在使用范围内。可以看看别的时间和场地。有事请打电话" in inbox(session, town.residents[0])[-1].body
    assert kinds(session, town.residents[0]).count("booking.refused") == 1


def test_who_waits_may_be_told_no(session: Any, town: Town, room: Venue, now: datetime) -> None:
    rows = wait_all(town, room, now, 2)
    with staff(town, "A1") as clerk:
        approval.refuse(clerk, rows[1].id, "重复", now)
    assert statuses(session, rows) == [PENDING, REFUSED]


# Hand up --------------------------------------------------------------------------------------------------------------


def test_handed_up_by_hand_to_the_top(session: Any, town: Town, asked: Booking, now: datetime) -> None:
    later = now + timedelta(hours=5)
    with staff(town, "A1") as clerk:
        row = approval.hand_up(clerk, asked.id, "要用扩音", later)
        assert (row.status, row.waits_at_id, row.decide_by) == (
            PENDING,
            town.centres["A"].id,
            later + timedelta(hours=24),
        )
        assert row.created_at == now  # what it has waited stays
        for act in (approval.approve, lambda a, i, t: approval.refuse(a, i, "不", t)):
            with pytest.raises(NotAllowed) as turn:
                act(clerk, asked.id, later)
            assert "不由您审批" in turn.value.message
    deliver(session, later)
    with staff(town, "A") as clerk:
        assert approval.hand_up(clerk, asked.id, "", later).waits_at_id == town.centres["D"].id
    with staff(town, "D") as clerk:
        with pytest.raises(NobodyAbove) as top:
            approval.hand_up(clerk, asked.id, "", later)
        assert "批准或不批准" in top.value.advice
        assert approval.approve(clerk, asked.id, later).status == APPROVED
    deliver(session, later)
    # What is no longer true when the worker comes to it is not told.
    assert kinds(session, town.residents[0]) == ["booking.received"] * 2 + ["booking.approved"]
    (up,) = inbox(session, town.staff["A"], "staff")
    assert "甲一社区请你们审批" in up.title and "原因：要用扩音。" in up.body and "没有按时" not in up.title


def test_a_level_without_anybody_is_passed_over(session: Any, town: Town, asked: Booking, now: datetime) -> None:
    town.staff["A"].disabled_at = now
    session.flush()
    with staff(town, "A1") as clerk:
        assert approval.hand_up(clerk, asked.id, "", now).waits_at_id == town.centres["D"].id


def test_the_level_above_may_decide_at_any_time(town: Town, asked: Booking, now: datetime) -> None:
    with staff(town, "D") as clerk:
        assert approval.approve(clerk, asked.id, now).status == APPROVED


# Prefer ---------------------------------------------------------------------------------------------------------------


def test_prefer_takes_the_time_for_another(session: Any, town: Town, room: Venue, now: datetime) -> None:
    rows = wait_all(town, room, now, 4)
    aside = booking.wait(town.resident_actor(4), wish(room, hour=15), now)
    deliver(session, now)
    with staff(town, "A1") as clerk:
        with pytest.raises(ReasonMissing):
            approval.prefer(clerk, rows[2].id, "", now)
        approval.prefer(clerk, rows[2].id, "老年大学优先", now)
        with pytest.raises(NoSuchTransition):
            approval.prefer(clerk, rows[2].id, "老年大学优先", now)
    assert statuses(session, [*rows, aside]) == [REFUSED, WAITING, APPROVED, WAITING, WAITING]
    assert overlapping(session) == []
    deliver(session, now)
    assert "原因：老年大学优先" in inbox(session, town.residents[0])[-1].body
    assert kinds(session, town.residents[2])[-1] == "place.moved_up"
    assert kinds(session, town.residents[1]) == ["booking.waiting"]


def test_what_is_left_of_a_preferred_time_goes_on(session: Any, town: Town, room: Venue, now: datetime) -> None:
    held = booking.book(town.resident_actor(0), wish(room, hour=14, minutes=180), now)
    late = booking.wait(town.resident_actor(1), wish(room, hour=16, minutes=60), now)
    short = booking.wait(town.resident_actor(2), wish(room, hour=14, minutes=60), now)
    with staff(town, "A1") as clerk:
        approval.prefer(clerk, short.id, "人多", now)
    assert statuses(session, [held, late, short]) == [REFUSED, PENDING, APPROVED]


@pytest.mark.parametrize("what", ["approved", "offered", "activity", "closed"])
def test_prefer_moves_nothing_that_is_settled(
    session: Any, town: Town, room: Venue, make: Make, now: datetime, what: str
) -> None:
    if what == "closed":
        make.closure(room, at(27, 14), at(27, 15))
    elif what == "activity":
        make.booking(room, at(27, 14), source=BY_ACTIVITY, source_id=7, status=PENDING, title="主题党课")
    else:
        make.booking(room, at(27, 14), resident=town.residents[0], status=what)
    row = make.booking(room, at(27, 14), resident=town.residents[1], status=WAITING)
    with staff(town, "A1") as clerk, pytest.raises(InTheWay) as refused:
        approval.prefer(clerk, row.id, "优先", now)
    assert refused.value.status == 409 and "先" in refused.value.advice
    assert row.status == WAITING


# Cancel, move ---------------------------------------------------------------------------------------------------------


def test_cancel_tells_why_and_gives_on(session: Any, town: Town, room: Venue, now: datetime) -> None:
    rows = wait_all(town, room, now, 2)
    with staff(town, "A1") as clerk:
        with pytest.raises(ReasonMissing):
            approval.cancel(clerk, rows[0].id, "", now)
        approval.cancel(clerk, rows[0].id, "停电检修", now)
        with pytest.raises(NoSuchTransition):
            approval.cancel(clerk, rows[0].id, "停电检修", now)
    assert statuses(session, rows) == [CANCELLED, PENDING]
    deliver(session, now)
    assert "原因：停电检修" in inbox(session, town.residents[0])[-1].body
    assert kinds(session, town.residents[0]).count("change.cancelled") == 1


def test_moved_people_are_told_and_may_say_no(session: Any, town: Town, make: Make, now: datetime) -> None:
    room, other = make.venue(town.centres["A1"], name="旧厅"), make.venue(town.centres["A1"], name="新厅")
    row = booking.book(town.resident_actor(0), wish(room), now)
    late = at(27, 13)  # past the deadline for withdrawing
    deliver(session, now)
    with staff(town, "A1") as clerk:
        with pytest.raises(ReasonMissing):
            approval.move(clerk, row.id, other.id, at(27, 14), at(27, 16), " ", late)
        for _ in range(2):
            approval.move(clerk, row.id, other.id, at(27, 15), at(27, 17), "漏水", late)
    assert (row.status, row.venue_id, row.starts_at, row.reason) == (APPROVED, other.id, at(27, 15), "漏水")
    deliver(session, late)
    assert kinds(session, town.residents[0]) == ["booking.approved", "change.changed"]
    body = inbox(session, town.residents[0])[1].body
    assert "原来11月27日（周五）14:00–16:00 旧厅，改到11月27日（周五）15:00–17:00，甲一社区 新厅" in body
    assert "原因：漏水。不方便可以退订" in body
    assert booking.withdraw(town.resident_actor(0), row.id, at(27, 14, 59)).status == WITHDRAWN


def test_moved_between_centres_of_the_own_tree_only(
    session: Any, town: Town, room: Venue, asked: Booking, make: Make, now: datetime
) -> None:
    sister, foreign = make.venue(town.centres["A2"], needs_approval=True), make.venue(town.centres["B1"])
    with staff(town, "A1") as clerk, pytest.raises(VenueGone):
        approval.move(clerk, asked.id, sister.id, at(27, 14), at(27, 16), "满了", now)
    with staff(town, "A") as clerk:
        with pytest.raises(VenueGone):
            approval.move(clerk, asked.id, foreign.id, at(27, 14), at(27, 16), "满了", now)
        approval.move(clerk, asked.id, sister.id, at(27, 14), at(27, 16), "满了", now)
    assert (asked.venue_id, asked.centre_id, asked.waits_at_id) == (sister.id, sister.centre_id, sister.centre_id)
    with staff(town, "A1") as clerk, pytest.raises(BookingGone):
        approval.approve(clerk, asked.id, now)
    with staff(town, "A2") as clerk:
        assert approval.approve(clerk, asked.id, now).status == APPROVED


def test_moving_a_request_keeps_its_clock(town: Town, room: Venue, asked: Booking, now: datetime) -> None:
    with staff(town, "A1") as clerk:
        approval.hand_up(clerk, asked.id, "", now)
    with staff(town, "A") as clerk:
        approval.move(clerk, asked.id, room.id, at(27, 18), at(27, 20), "清洁", now + timedelta(hours=20))
    assert (asked.waits_at_id, asked.decide_by) == (town.centres["A"].id, now + timedelta(hours=24))


def test_moving_who_waits_gives_them_the_other_time(session: Any, town: Town, make: Make, now: datetime) -> None:
    room, other = make.venue(town.centres["A1"]), make.venue(town.centres["A1"])
    rows = wait_all(town, room, now, 2)
    deliver(session, now)
    with staff(town, "A1") as clerk:
        approval.move(clerk, rows[1].id, other.id, at(27, 14), at(27, 16), "那边空着", now)
    assert (rows[1].status, rows[1].venue_id) == (APPROVED, other.id)
    deliver(session, now)
    assert sorted(kinds(session, town.residents[1])) == ["booking.waiting", "change.changed", "place.moved_up"]


def test_an_offer_moved_nearer_ends_with_its_start(town: Town, room: Venue, make: Make, now: datetime) -> None:
    row = make.booking(room, at(27, 14), resident=town.residents[0], status=OFFERED, accept_by=at(26, 12))
    with staff(town, "A1") as clerk:
        approval.move(clerk, row.id, room.id, at(25, 14), at(25, 15), "提前", now)
    assert row.accept_by == at(25, 14)


def test_moving_into_what_is_taken_or_closed(
    town: Town, room: Venue, asked: Booking, make: Make, now: datetime
) -> None:
    make.booking(room, at(28, 14))
    make.closure(room, at(29, 9), at(29, 21))
    with staff(town, "A1") as clerk:
        for day, error in ((28, SlotTaken), (29, BookingRefused), (24, BookingRefused)):
            with pytest.raises(error):
                approval.move(clerk, asked.id, room.id, at(day, 14), at(day, 16), "换", now)
    assert asked.starts_at == at(27, 14)


def test_moved_in_the_middle_of_it_they_are_here(town: Town, make: Make, now: datetime) -> None:
    room, other = (make.venue(town.centres["A1"], release=15) for _ in range(2))
    row = make.booking(room, at(25, 9, 30), resident=town.residents[0])
    with staff(town, "A1") as clerk:
        approval.move(clerk, row.id, other.id, at(25, 9, 30), at(25, 10, 30), "投影坏了", now)
    assert row.checked_in_at == now


# Who may not ----------------------------------------------------------------------------------------------------------

ACTS: dict[str, Callable[[Actor, Booking, datetime], Any]] = {
    "approve": lambda a, b, now: approval.approve(a, b.id, now),
    "refuse": lambda a, b, now: approval.refuse(a, b.id, "不", now),
    "hand_up": lambda a, b, now: approval.hand_up(a, b.id, "", now),
    "prefer": lambda a, b, now: approval.prefer(a, b.id, "不", now),
    "cancel": lambda a, b, now: approval.cancel(a, b.id, "不", now),
    "move": lambda a, b, now: approval.move(a, b.id, b.venue_id, at(28, 9), at(28, 10), "不", now),
    "book_for": lambda a, b, now: approval.book_for(a, wish(b.venue, 28), "", "", now),
}


@pytest.mark.parametrize("key", ["A2", "A1S", "B", "ZFB", "D-LOOK", "resident"])
def test_strangers_and_lookers_on_change_nothing(
    session: Any, town: Town, asked: Booking, now: datetime, key: str
) -> None:
    assert asked.venue.centre  # loaded while it may be seen
    for act in ACTS.values():
        if key == "resident":
            with pytest.raises(NotAllowed):
                act(town.resident_actor(0), asked, now)
        else:
            with staff(town, key) as clerk, pytest.raises((NotAllowed, BookingGone, VenueGone)):
                act(clerk, asked, now)
    assert asked.status == PENDING and session.scalar(select(func.count()).select_from(Booking)) == 1


def test_an_activitys_room_is_changed_in_the_list(town: Town, room: Venue, make: Make, now: datetime) -> None:
    row = make.booking(room, at(27, 9), source=BY_ACTIVITY, source_id=7, status=PENDING, waits_at_id=None)
    for act in ("approve", "refuse", "hand_up", "cancel", "move"):
        with staff(town, "A1") as clerk, pytest.raises(NotAllowed) as refused:
            ACTS[act](clerk, row, now)
        assert "服务清单" in refused.value.advice and row.status == PENDING
