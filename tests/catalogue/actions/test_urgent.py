"""Less than twelve hours before the start nobody waits for a yes; the publisher may undo it (SPEC C8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.catalogue import rules
from portal.catalogue.actions import changing, entry_values, urgent
from portal.catalogue.models import CANCELLED, PUBLISHED, Entry, EntryChange
from portal.core import clock, outbox
from portal.core.errors import NotAllowed
from portal.notices.models import Delivery, InboxMessage
from portal.signup import actions
from portal.signup.models import SignUp
from portal.venues.models import Venue
from tests.catalogue.wording import published, span
from tests.factories import NOW, Make, Town


def soon(entry: Entry) -> Any:
    return entry.first_start - rules.URGENT + timedelta(minutes=1)


@pytest.fixture
def entry(session: Any, town: Town) -> Entry:
    row = published(town, capacity=2)
    session.commit()
    for number in range(3):  # two places and one who waits
        actions.sign_up(town.resident_actor(number), row.id, None, 0, NOW)
    session.commit()
    outbox.run_due(NOW)
    return row


def cancel(session: Any, town: Town, entry: Entry, now: Any) -> EntryChange:
    change = changing.cancel_entry(town.actor("A1"), entry, "停电", now)
    session.commit()
    return change


def titles(session: Any, person: Any, audience: str = "resident") -> list[str]:
    mine = select(InboxMessage.title).where(InboxMessage.audience == audience, InboxMessage.person_id == person.id)
    return list(session.scalars(mine.order_by(InboxMessage.id)))


def where(session: Any, entry: Entry) -> list[str]:
    session.expire_all()
    return list(session.scalars(select(SignUp.status).where(SignUp.entry_id == entry.id).order_by(SignUp.id)))


def test_a_late_cancellation_is_told_at_once_even_at_night(session: Any, town: Town, entry: Entry) -> None:
    now = soon(entry) + timedelta(hours=2)  # eleven at night, for nine in the morning
    change = cancel(session, town, entry, now)
    assert (entry.status, change.status) == (CANCELLED, "urgent")
    outbox.run_due(now)
    assert titles(session, town.residents[0])[-1] == "活动取消：《亲子绘本阅读会》"
    late = select(func.count()).where(Delivery.kind == "change.cancelled", Delivery.due_at > now)
    assert session.scalar(late) == 0
    assert "临时变动已生效：亲子绘本阅读会" in titles(session, town.staff["D"], "staff")


def test_twelve_hours_before_the_publisher_is_asked(session: Any, town: Town, entry: Entry) -> None:
    change = cancel(session, town, entry, entry.first_start - rules.URGENT)
    assert (entry.status, change.status) == (PUBLISHED, "asked")


def test_only_time_and_place_go_without_a_yes(session: Any, town: Town, entry: Entry) -> None:
    values = entry_values.values_of(entry)
    asked = changing.ask_change(town.actor("A1"), entry, replace(values, place="沙滩", capacity=40), "换", soon(entry))
    assert asked.status == "asked"
    changing.take_back_change(town.actor("A1"), asked, soon(entry))
    moved = changing.ask_change(town.actor("A1"), entry, replace(values, place="沙滩"), "停电", soon(entry))
    assert (moved.status, entry.place) == ("urgent", "沙滩")


def test_an_undone_cancellation_brings_everybody_back(session: Any, town: Town, entry: Entry) -> None:
    now = soon(entry)
    change = cancel(session, town, entry, now)
    outbox.run_due(now)
    assert where(session, entry) == ["cancelled"] * 3
    assert (entry.taken, entry.waiting) == (0, 0)
    urgent.undo_change(town.actor("D"), change, "已经来电", now)
    session.commit()
    outbox.run_due(now)
    outbox.run_due(now)
    assert where(session, entry) == ["confirmed", "confirmed", "waiting"]
    assert (entry.status, entry.taken, entry.waiting) == (PUBLISHED, 2, 1)
    assert entry.change_note == "活动照常举行，因已经来电。"
    assert titles(session, town.residents[0])[-1] == "活动照常举行：《亲子绘本阅读会》"
    assert "临时变动被撤销：亲子绘本阅读会" in titles(session, town.staff["A1"], "staff")
    again = cancel(session, town, entry, now)  # a second one is told like the first
    outbox.run_due(now)
    assert again.status == "urgent"
    assert titles(session, town.residents[0])[-1] == "活动取消：《亲子绘本阅读会》"


def test_undone_before_anybody_was_told(session: Any, town: Town, entry: Entry) -> None:
    now = soon(entry)
    change = cancel(session, town, entry, now)
    urgent.undo_change(town.actor("D"), change, "已经来电", now)
    session.commit()
    before = titles(session, town.residents[0])
    outbox.run_due(now)
    assert titles(session, town.residents[0]) == before
    assert where(session, entry) == ["confirmed", "confirmed", "waiting"]


def test_an_undone_move_tells_the_old_place_again(session: Any, town: Town, entry: Entry) -> None:
    now = soon(entry)
    moved = replace(entry_values.values_of(entry), sessions=(span(9, "9:00", "11:00"),), place="沙滩")
    old = (entry.place, entry.first_start)
    change = changing.ask_change(town.actor("A1"), entry, moved, "停电", now)
    session.commit()
    outbox.run_due(now)
    urgent.undo_change(town.actor("D"), change, "已经来电", now)
    session.commit()
    outbox.run_due(now)
    assert (entry.place, entry.first_start) == old
    told = titles(session, town.residents[0])
    assert told.count("活动有变动：《亲子绘本阅读会》") == 2


def test_a_move_to_another_month_is_undone(session: Any, town: Town) -> None:
    """New Year's Eve moved to New Year's Day: the row stays December's, there and back."""
    entry = published(town, sessions=(span(31, "20:00", "21:00"),))
    session.commit()
    now = soon(entry)
    old = entry.first_start
    moved = replace(entry_values.values_of(entry), sessions=(span(1, "9:00", "10:00", "2027-01"),))
    change = changing.ask_change(town.actor("A1"), entry, moved, "大风", now)
    assert change.status == "urgent"
    assert (entry.first_start, entry.month) == (span(1, "9:00", "10:00", "2027-01").start, "2026-12")
    urgent.undo_change(town.actor("D"), change, "风小了", now)
    session.commit()
    assert (entry.first_start, entry.last_end, entry.month) == (old, old + timedelta(hours=1), "2026-12")


@pytest.fixture
def in_a_room(session: Any, town: Town, make: Make) -> tuple[Entry, Venue]:
    room = make.venue(town.centres["A1"], name="三楼会议室")
    row = published(town, venue_id=room.id, place="三楼会议室")
    session.commit()
    return row, room


@pytest.mark.parametrize("kind", ["cancel", "move"])
def test_its_room_is_taken_meanwhile(
    session: Any, town: Town, make: Make, client: Any, as_staff: Any, in_a_room: tuple[Entry, Venue], kind: str
) -> None:
    """Nothing is half undone; who has the room, what else is free and what to do instead are said."""
    (entry, room), now = in_a_room, soon(in_a_room[0])
    if kind == "cancel":
        change = cancel(session, town, entry, now)
    else:
        outside = replace(entry_values.values_of(entry), venue_id=None, place="中心小广场")
        change = changing.ask_change(town.actor("A1"), entry, outside, "停电", now)
        session.commit()
    status, place = entry.status, entry.place
    assert change.status == "urgent"
    other = make.booking(room, entry.first_start, title="邻居合唱团")
    with clock.frozen(now):
        district = as_staff(client, town.staff["D"])
        answer = district.post(f"/staff/catalogue/changes/{change.id}/undo", data={"reason": "来电了"})
    assert answer.status_code == 422
    assert "三楼会议室" in answer.text.split('class="err"')[1].split("</p>")[0]
    assert "先和对方商量让出场地" in answer.text
    assert "来电了</textarea>" in answer.text
    session.rollback()
    session.expire_all()
    assert (change.status, entry.status, entry.place) == ("urgent", status, place)
    other.status = "cancelled"
    session.commit()
    urgent.undo_change(town.actor("D"), change, "来电了", now)
    session.commit()
    assert (entry.status, entry.venue_id, entry.place) == (PUBLISHED, room.id, "三楼会议室")


def test_what_moved_on_is_not_undone(session: Any, town: Town, entry: Entry) -> None:
    now = soon(entry)
    values = entry_values.values_of(entry)
    first = changing.ask_change(town.actor("A1"), entry, replace(values, place="沙滩"), "停电", now)
    changing.ask_change(town.actor("A1"), entry, replace(values, place="码头"), "涨潮", now)
    with pytest.raises(urgent.MovedOn):
        urgent.undo_change(town.actor("D"), first, "不必", now)


@pytest.mark.parametrize("who", ["A1", "A", "ZFB", "D-LOOK"])
def test_only_the_publisher_undoes(session: Any, town: Town, entry: Entry, who: str) -> None:
    change = cancel(session, town, entry, soon(entry))
    with pytest.raises(NotAllowed):
        urgent.undo_change(town.actor(who), change, "不", soon(entry))


def test_the_page_undoes_with_a_reason(session: Any, town: Town, entry: Entry, client: Any, as_staff: Any) -> None:
    with clock.frozen(soon(entry)):
        asker = as_staff(client, town.staff["A1"])
        page = asker.get(f"/staff/catalogue/{entry.id}/change").text
        assert "12 小时内就要开始" in page
        done = asker.post(f"/staff/catalogue/{entry.id}/cancel", data={"reason": "停电"}, follow_redirects=True)
        assert "已经告诉发布单位" in done.text
        session.rollback()  # sees what the request wrote
        change = session.scalars(select(EntryChange).where(EntryChange.entry_id == entry.id)).one()
        url = f"/staff/catalogue/changes/{change.id}"
        district = as_staff(client, town.staff["D"])
        assert "撤销变动" in district.get(url).text
        empty = district.post(f"{url}/undo", data={"reason": ""})
        assert empty.status_code == 422
        assert "请写明撤销的理由，报名的人和提出变动的单位都会看到。" in empty.text
        assert "怎么改" not in empty.text
        assert "撤销了" in district.post(f"{url}/undo", data={"reason": "已来电"}, follow_redirects=True).text
