"""An activity's place is a booking: held from handing in to its end, given back when it goes (SPEC C2, V4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.catalogue.actions import (
    changing,
    drafting,
    entry_values,
    handing_in,
    publishing,
    reviewing,
    room_holds,
    urgent,
)
from portal.catalogue.actions.room_holds import NoRoom
from portal.catalogue.models import (
    APPROVED,
    CANCELLED,
    DRAFT,
    DROPPED,
    IN_REVIEW,
    PUBLISHED,
    RETURNED,
    Entry,
    EntryChange,
)
from portal.catalogue.staff import queries
from portal.catalogue.states import ENTRY
from portal.core import outbox
from portal.notices.models import InboxMessage
from portal.venues.actions import approval, booking
from portal.venues.models import BY_ACTIVITY, Booking, Venue
from portal.venues.rules.eligibility import Wish
from tests.catalogue.wording import MONTH, at_subdistrict, draft, published, span, values
from tests.factories import NOW, Make, Town

PUBLICATION = span(1, "0:00", "1:00").start


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="三楼会议室")


def held(session: Any, entry: Entry) -> list[tuple[str, Any]]:
    """(status, span) of what the row holds, in order."""
    session.flush()
    session.expire_all()
    mine = select(Booking).where(Booking.source == BY_ACTIVITY, Booking.source_id == entry.id)
    live = mine.where(Booking.status.in_(("pending", "approved"))).order_by(Booking.starts_at)
    return [(b.status, room_holds.Span(b.starts_at, b.ends_at)) for b in session.scalars(live)]


def spans(*sessions: Any) -> list[Any]:
    return list(room_holds.spans(sessions))


# Every transition -----------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_every_transition_takes_gives_or_leaves_the_room() -> None:
    for transition in ENTRY.transitions:
        before = [source in room_holds.HOLDING for source in transition.sources]
        after = transition.target in room_holds.HOLDING
        if transition.name in room_holds.GIVES:
            assert not after
        elif transition.name.startswith("back_"):
            continue  # taking_back gives the room back or takes it again: test_bulk holds it against the rows
        elif transition.name not in room_holds.TAKES:
            assert all(before) and after, f"{transition.name} would leave a row without its room"
        else:
            assert after


def _district(town: Town, room_id: int) -> Entry:
    return draft(town, "D", venue_id=room_id)


def _returned(town: Town, room_id: int) -> Entry:
    entry = at_subdistrict(town, venue_id=room_id)
    reviewing.return_entry(town.actor("A"), entry, "写清楚", "", NOW)
    return entry


def _station(town: Town, room_id: int, accepted: bool = True) -> Entry:
    entry = drafting.draft_entry(town.actor("A1"), values(town, venue_id=room_id), NOW, centre=town.centres["A1S"])
    reviewing.offer(town.actor("A1S"), entry, NOW)
    if accepted:
        assert reviewing.approve(town.actor("A1"), entry, NOW) == "accept"
    return entry


def _approved(town: Town, room_id: int) -> Entry:
    entry = at_subdistrict(town, venue_id=room_id)
    reviewing.approve(town.actor("A"), entry, NOW)
    reviewing.approve(town.actor("D"), entry, NOW)
    return entry


def _ready(town: Town, room_id: int) -> Entry:
    return draft(town, venue_id=room_id)


def _out(town: Town, room_id: int) -> Entry:
    return published(town, venue_id=room_id)


def _waiting(town: Town, room_id: int) -> Entry:
    return at_subdistrict(town, venue_id=room_id)


def _second(town: Town, room_id: int) -> Entry:
    entry = _waiting(town, room_id)
    assert reviewing.approve(town.actor("A"), entry, NOW) == "pass_on"
    return entry


def _cancel(town: Town, entry: Entry) -> None:
    changing.cancel_entry(town.actor("D"), entry, "台风", NOW)


def _cancel_at_once(town: Town, entry: Entry) -> EntryChange:
    assert entry.first_start is not None
    return changing.cancel_entry(town.actor("A1"), entry, "停电", entry.first_start - timedelta(hours=2))


def _reinstate(town: Town, entry: Entry) -> None:
    change = _cancel_at_once(town, entry)
    urgent.undo_change(town.actor("D"), change, "有电了", entry.first_start - timedelta(hours=1))


Start = Callable[[Town, int], Entry]
LIFE: dict[str, tuple[Start, Callable[[Town, Entry], Any], str, list[str]]] = {
    "submit": (_ready, lambda t, e: reviewing.offer(t.actor("A1"), e, NOW), IN_REVIEW, ["pending"]),
    "settle": (_district, lambda t, e: reviewing.offer(t.actor("D"), e, NOW), APPROVED, ["pending"]),
    "recall": (_waiting, lambda t, e: reviewing.recall(t.actor("A1"), e, NOW), DRAFT, []),
    "accept": (lambda t, r: _station(t, r, False), lambda t, e: reviewing.approve(t.actor("A1"), e, NOW), "accepted",
               ["pending"]),
    "hand_in": (_station, lambda t, e: handing_in.submit_issue(t.actor("A1"), t.centres["A1"], MONTH, NOW), IN_REVIEW,
                ["pending"]),
    "pass_on": (_waiting, lambda t, e: reviewing.approve(t.actor("A"), e, NOW), IN_REVIEW, ["pending"]),
    "approve": (_second, lambda t, e: reviewing.approve(t.actor("D"), e, NOW), APPROVED, ["pending"]),
    "allot": (lambda t, r: draft(t, "ZFB", venue_id=r),
              lambda t, e: reviewing.allot(t.actor("D"), e, [t.centres["A1"]], NOW), APPROVED, ["pending"]),
    "return": (_waiting, lambda t, e: reviewing.return_entry(t.actor("A"), e, "改", "", NOW), RETURNED, ["pending"]),
    "resubmit": (_returned, lambda t, e: reviewing.resubmit(t.actor("A1"), e, NOW), IN_REVIEW, ["pending"]),
    "publish": (_approved, lambda t, e: publishing.publish_month(MONTH, NOW, t.actor("D"), force=True), PUBLISHED,
                ["approved"]),
    "cancel": (_out, _cancel, CANCELLED, []),
    "cancel_at_once": (_out, _cancel_at_once, CANCELLED, []),
    "reinstate": (_out, _reinstate, PUBLISHED, ["approved"]),
    "drop": (_returned, lambda t, e: drafting.drop_entry(t.actor("A1"), e, NOW), DROPPED, []),
    "withdraw": (_approved, lambda t, e: drafting.drop_entry(t.actor("A1"), e, NOW, "讲师来不了"), DROPPED, []),
}  # fmt: skip


@pytest.mark.parametrize("name", [t.name for t in ENTRY.transitions if not t.name.startswith("back_")])
def test_what_is_held_after(session: Any, town: Town, make: Make, name: str) -> None:
    start, step, status, expected = LIFE[name]
    home = "D" if name in ("settle", "allot") else "A1"
    room = make.venue(town.centres[home], name="三楼会议室")
    entry = start(town, room.id)
    step(town, entry)
    assert entry.status == status
    assert held(session, entry) == [(s, spans(span(5))[0]) for s in expected]
    assert (entry.venue_id, entry.place) == (room.id, "三楼会议室")


def test_a_draft_holds_nothing_and_warns(session: Any, town: Town, room: Venue) -> None:
    first, second = draft(town, venue_id=room.id, title="合唱"), draft(town, venue_id=room.id, title="书法")
    assert held(session, first) == []
    assert queries.row(first, town.actor("A1"), NOW).warnings == ("同一三楼会议室 12月5日 9:00 有“书法”",)
    reviewing.offer(town.actor("A1"), second, NOW)
    assert queries.row(first, town.actor("A1"), NOW).warnings == (
        "三楼会议室 12月5日（周六）9:00–11:00 已被占用：“书法”。",
    )  # once, not as a clash of words as well
    assert queries.row(second, town.actor("A1"), NOW).warnings == ()


def test_words_alone_still_clash(session: Any, town: Town, room: Venue) -> None:
    draft(town, title="合唱", place="三楼 会议室")
    entry = at_subdistrict(town, venue_id=room.id, title="书法")
    assert queries.row(entry, town.actor("A1"), NOW).warnings == ("同一三楼 会议室 12月5日 9:00 有“合唱”",)


# Conflicts when handing in --------------------------------------------------------------------------------------------


def test_a_taken_room_keeps_a_row_from_going_out(session: Any, town: Town, make: Make, room: Venue) -> None:
    make.venue(town.centres["A1"], name="书吧")
    make.booking(room, span(5).start, 60, resident=town.residents[0])
    entry = draft(town, venue_id=room.id)
    session.commit()
    with pytest.raises(NoRoom) as refusal:
        reviewing.offer(town.actor("A1"), entry, NOW)
    session.rollback()
    [problem] = refusal.value.problems
    assert problem.field == "venue_id"
    assert problem.message.startswith(
        "三楼会议室 12月5日（周六）9:00–11:00 已被占用：居民预约。那天可以改到 10:00–12:00"
    )
    assert "同一时间空着的有书吧" in problem.message
    assert (entry.status, held(session, entry)) == (DRAFT, [])


def test_many_taken_dates_are_told_in_short(session: Any, town: Town, make: Make, room: Venue) -> None:
    dates = tuple(span(day) for day in range(5, 12))
    for on in dates:
        make.booking(room, on.start, 60)
    with pytest.raises(NoRoom) as refusal:
        reviewing.offer(town.actor("A1"), draft(town, venue_id=room.id, sessions=dates), NOW)
    assert [p.message for p in refusal.value.problems][3:] == ["还有 4 场也冲突。"]
    assert len(refusal.value.conflicts) == 7


def test_rows_without_their_room_stay_and_the_others_go_up(session: Any, town: Town, make: Make, room: Venue) -> None:
    make.booking(room, span(5).start, 60)
    good = draft(town, venue_id=room.id, title="好的", sessions=(span(6), span(7)))
    bad = draft(town, venue_id=room.id, title="撞上的")
    worse = draft(town, title="没有地点", place="")
    twin = draft(town, venue_id=room.id, title="和好的撞上", sessions=(span(6, "10:00", "12:00"),))
    session.commit()
    found = handing_in.hand_in(town.actor("A1"), town.centres["A1"], MONTH, NOW)
    said = {row.title: row.why for row in found.left}
    assert set(said) == {"撞上的", "没有地点", "和好的撞上"}
    assert "三楼会议室 12月5日（周六）9:00–11:00 已被占用" in said["撞上的"]
    assert "“好的”" in said["和好的撞上"]
    assert [e.status for e in (good, bad, worse, twin)] == [IN_REVIEW, DRAFT, DRAFT, DRAFT]
    assert [s for s, _ in held(session, good)] == ["pending", "pending"]
    assert held(session, bad) == held(session, twin) == []


def test_a_station_takes_its_communitys_room_and_nobody_elses(
    session: Any, town: Town, make: Make, room: Venue
) -> None:
    foreign = make.venue(town.centres["B1"], name="别人的")
    assert [r.name for r in room_holds.rooms_of(town.centres["A1S"])] == ["三楼会议室"]
    assert room_holds.rooms_of(town.centres["A"]) == []
    entry = draft(town, venue_id=foreign.id, place="别人的")
    assert (entry.venue_id, entry.place) == (None, "别人的")
    assert room_holds.recognise(town.centres["A1S"].id, " 三楼  会议室") == room.id
    assert room_holds.recognise(town.centres["A1"].id, "甲一社区三楼会议室") == room.id
    assert room_holds.recognise(town.centres["B1"].id, "三楼会议室") is None


# Edits while it is on its way -----------------------------------------------------------------------------------------


def test_edits_on_the_way_move_what_is_held(session: Any, town: Town, make: Make, room: Venue) -> None:
    other = make.venue(town.centres["A1"], name="书吧")
    entry = at_subdistrict(town, venue_id=room.id)
    new = replace(entry_values.values_of(entry), sessions=(span(5), span(12)), title="改了名")
    reviewing.correct(town.actor("A"), entry, new, NOW)
    assert [s for _, s in held(session, entry)] == spans(span(5), span(12))
    assert session.scalars(select(Booking.title).where(Booking.source_id == entry.id)).all() == ["改了名"] * 2
    reviewing.return_entry(town.actor("A"), entry, "换书吧", "", NOW)
    drafting.edit_entry(town.actor("A1"), entry, replace(entry_values.values_of(entry), venue_id=other.id), NOW)
    assert entry.place == "书吧"
    live = select(Booking.venue_id).where(Booking.source_id == entry.id, Booking.status == "pending")
    assert session.scalars(live).all() == [other.id] * 2
    drafting.edit_entry(
        town.actor("A1"), entry, replace(entry_values.values_of(entry), venue_id=None, place="广场"), NOW
    )
    assert (held(session, entry), entry.place) == ([], "广场")


def test_a_correction_that_cannot_have_its_room_is_refused(session: Any, town: Town, make: Make, room: Venue) -> None:
    make.booking(room, span(12).start, 60, title="居委会例会")
    entry = at_subdistrict(town, venue_id=room.id)
    session.commit()
    with pytest.raises(NoRoom, match="“居委会例会”"):
        reviewing.correct(town.actor("A"), entry, replace(entry_values.values_of(entry), sessions=(span(12),)), NOW)
    session.rollback()
    assert [s for _, s in held(session, entry)] == spans(span(5))


def test_staff_of_the_room_do_not_decide_about_an_activity(session: Any, town: Town, room: Venue) -> None:
    entry = at_subdistrict(town, venue_id=room.id)
    hold = session.scalars(select(Booking).where(Booking.source_id == entry.id)).one()
    for act in (
        lambda: approval.approve(town.actor("A1"), hold.id, NOW),
        lambda: approval.refuse(town.actor("A1"), hold.id, "不行", NOW),
        lambda: approval.cancel(town.actor("A1"), hold.id, "不行", NOW),
        lambda: booking.withdraw(town.actor("A1"), hold.id, NOW),
    ):
        with pytest.raises(Exception, match="清单里的活动"):
            act()
    assert [s for s, _ in held(session, entry)] == ["pending"]


# After publication ----------------------------------------------------------------------------------------------------


def test_a_change_moves_the_booking_once_it_is_agreed(session: Any, town: Town, make: Make, room: Venue) -> None:
    entry = published(town, venue_id=room.id)
    later = replace(entry_values.values_of(entry), sessions=(span(5, "9:30", "11:30"),))
    waiting = booking.wait(town.resident_actor(0), _wish(room), NOW)
    assert waiting.status == "waiting"
    change = changing.ask_change(town.actor("A1"), entry, later, "讲师晚到", NOW)
    assert [s for _, s in held(session, entry)] == spans(span(5))
    changing.apply_change(town.actor("D"), change, NOW)
    # Whoever waited for a part of the old time did not push the activity out of its own room.
    assert held(session, entry) == [("approved", spans(span(5, "9:30", "11:30"))[0])]
    assert waiting.status == "waiting"


def _wish(room: Venue, start: str = "9:00", end: str = "10:00") -> Wish:
    on = span(5, start, end)
    return Wish(room.id, on.start, on.end, title="排练")


def test_a_change_without_a_room_is_refused_to_asker_and_decider(
    session: Any, town: Town, make: Make, room: Venue
) -> None:
    entry = published(town, venue_id=room.id)
    make.booking(room, span(12).start, 60, title="先到的")
    moved = replace(entry_values.values_of(entry), sessions=(span(12),))
    with pytest.raises(NoRoom, match="先到的"):
        changing.ask_change(town.actor("A1"), entry, moved, "改期", NOW)
    free = replace(entry_values.values_of(entry), sessions=(span(19),))
    change = changing.ask_change(town.actor("A1"), entry, free, "改期", NOW)
    make.booking(room, span(19).start, 60, title="抢先的")
    with pytest.raises(NoRoom, match="抢先的"):
        changing.apply_change(town.actor("D"), change, NOW)
    session.rollback()
    assert held(session, entry) == [("approved", spans(span(5))[0])]
    assert [s.starts_at for s in entry.sessions] == [span(5).start]


def test_only_the_room_changes(session: Any, town: Town, room: Venue) -> None:
    """A row of before rooms were known is put into its room; people signed up hear nothing strange."""
    entry = published(town, place="三楼会议室")
    change = changing.ask_change(
        town.actor("A1"), entry, replace(entry_values.values_of(entry), venue_id=room.id), "订下场地", NOW
    )
    assert change.status == "asked"
    changing.apply_change(town.actor("D"), change, NOW)
    assert [s for s, _ in held(session, entry)] == ["approved"]
    assert entry.change_note == "场地安排有更新，因订下场地。"


def test_cancelling_frees_the_time_for_who_waits(session: Any, town: Town, room: Venue) -> None:
    entry = published(town, venue_id=room.id)
    waiting = booking.wait(town.resident_actor(0), _wish(room), NOW)
    _cancel(town, entry)
    session.refresh(waiting)
    assert (waiting.status, held(session, entry)) == ("approved", [])


# A month at once ------------------------------------------------------------------------------------------------------


def test_one_missing_room_stops_no_publication(session: Any, town: Town, make: Make, room: Venue) -> None:
    ready = [_approved(town, room.id)]
    two = {"sessions": (span(6), span(13)), "venue_id": room.id, "place": "三楼会议室", "title": "旧表来的"}
    old = make.entry(
        town.centres["A1"], [(s.start, s.end) for s in two.pop("sessions")], status=APPROVED, published_at=None, **two
    )
    make.booking(room, span(6).start, 60, title="居委会例会")
    session.commit()
    assert publishing.publish_due(PUBLICATION) == 2
    assert [s for s, _ in held(session, ready[0])] == ["approved"]
    assert held(session, old) == [("approved", spans(span(13))[0])]
    assert "“居委会例会”" in queries.row(old, town.actor("A1"), NOW).warnings[0]
    session.commit()
    outbox.run_due(PUBLICATION)
    told = select(InboxMessage).where(InboxMessage.title == "场地没有订上：旧表来的")
    found = session.scalars(told).all()
    assert {m.person_id for m in found} == {town.staff["A1"].id, town.staff["A1-OP"].id}
    assert "三楼会议室 12月6日（周日）9:00–11:00 已被占用" in found[0].body


def test_a_room_that_is_free_by_now_is_booked_after_all(session: Any, town: Town, make: Make, room: Venue) -> None:
    entry = make.entry(town.centres["A1"], venue_id=room.id, place="三楼会议室")
    assert queries.row(entry, town.actor("A1"), NOW).warnings == ("三楼会议室 12月13日（周日）8:30–11:00 还没有订上。",)
    reviewing.hold_room(town.actor("A1"), entry, NOW)
    assert [s for s, _ in held(session, entry)] == ["approved"]
    assert queries.row(entry, town.actor("A1"), NOW).warnings == ()


def test_rooms_cost_a_month_a_fixed_number_of_statements(
    session: Any, town: Town, make: Make, count_queries: Any
) -> None:
    hours = [span(5, f"{h}:00", f"{h}:50") for h in range(9, 19)]

    def publish(count: int, room: Venue | None) -> int:
        for on in hours[:count]:
            reviewing.offer(town.actor("D"), draft(town, "D", venue_id=room.id if room else None, sessions=(on,)), NOW)
        session.commit()
        town.centres["D"].path, town.actor("D")  # what is loaded again after a commit counts for nobody
        with count_queries() as seen:
            assert publishing.publish_month(MONTH, NOW, town.actor("D"), force=True) == count
        session.commit()
        return len(seen)

    three, five, eight = (make.venue(town.centres["D"], name=f"{n}号厅") for n in (3, 5, 8))
    publish(1, None)
    plain = {n: publish(n, None) for n in (3, 5, 8)}
    with_rooms = {n: publish(n, room) for n, room in ((3, three), (5, five), (8, eight))}
    extra = {with_rooms[n] - plain[n] for n in plain}
    assert len(extra) == 1 and max(extra) <= 12, (plain, with_rooms)


def test_copies_and_templates_name_the_room_and_hold_nothing(session: Any, town: Town, room: Venue) -> None:
    source = published(town, venue_id=room.id)
    [copy] = drafting.copy_month(town.actor("A1"), town.centres["A1"], MONTH, "2027-01", NOW)
    assert (copy.venue_id, copy.place, held(session, copy)) == (room.id, "三楼会议室", [])
    template = drafting.save_template(town.actor("A1"), source, "", NOW)
    assert drafting.use_template(town.actor("A1"), template, "2027-02", NOW).venue_id == room.id
    room.active = False
    session.flush()
    made = drafting.use_template(town.actor("A1"), template, "2027-03", NOW)
    assert (made.venue_id, made.place) == (None, "三楼会议室")  # a retired room: its words stay


def test_allotting_takes_each_communitys_own_room(session: Any, town: Town, make: Make) -> None:
    first, second = make.venue(town.centres["A1"], name="多功能厅"), make.venue(town.centres["B2"], name="多功能厅")
    make.booking(second, span(5).start, 60, title="排练")
    third = make.venue(town.centres["A2"], name="多功能厅")
    entry = draft(town, "ZFB", place="多功能厅")
    homes = [town.centres[c] for c in ("A1", "A2", "B1", "B2")]
    placed = reviewing.allot(town.actor("D"), entry, homes, NOW)
    assert [e.venue_id for e in placed] == [first.id, third.id, None, None]
    assert [[s for s, _ in held(session, e)] for e in placed] == [["pending"], ["pending"], [], []]
    assert [e.place for e in placed] == ["多功能厅"] * 4
    assert placed[2].check_note == ""
    assert placed[3].check_note.startswith("多功能厅 12月5日（周六）9:00–11:00 已被占用：“排练”。")


def test_a_plan_in_the_districts_hall_keeps_it_once(session: Any, town: Town, make: Make) -> None:
    hall = make.venue(town.centres["D"], name="区报告厅")
    entry = draft(town, "ZFB", venue_id=hall.id)
    placed = reviewing.allot(town.actor("D"), entry, [town.centres["A1"], town.centres["A2"]], NOW)
    assert [(e.venue_id, e.place) for e in placed] == [(hall.id, "区报告厅"), (None, "区报告厅")]
    assert [len(held(session, e)) for e in placed] == [1, 0]
    publishing.publish_month(MONTH, NOW, town.actor("D"), force=True)
    later = replace(entry_values.values_of(placed[0]), sessions=(span(6),))
    changing.ask_change(town.actor("D"), placed[0], later, "改期", NOW + timedelta(minutes=1))
    assert held(session, placed[0]) == [("approved", spans(span(6))[0])]
