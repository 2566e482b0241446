"""A room's facts and rules as staff change them (SPEC V1, P6)."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import func, select

from portal.centres import facts
from portal.core import audit, clock, uploads
from portal.core.attachments import TooMany
from portal.core.errors import DomainError, NotAllowed, Stale
from portal.venues import room_queries
from portal.venues.actions import rooms
from portal.venues.actions.rooms import RoomFacts
from portal.venues.errors import VenueGone
from portal.venues.models import Venue
from tests.factories import NOW

HALL = RoomFacts("多功能厅", capacity=80)
WEEK = {0: [(540, 720), (840, 1080)], 5: [(540, 1440)]}


def logged(session: Any, verb: str) -> list[audit.AuditLog]:
    session.commit()
    return list(session.scalars(select(audit.AuditLog).where(audit.AuditLog.verb == verb)))


def test_a_name_and_a_number_are_enough(town: Any, session: Any) -> None:
    venue = rooms.add_room(town.actor("A1"), town.centres["A1"], HALL, None, NOW)
    stored = session.get_one(Venue, venue.id)
    assert (stored.name, stored.capacity, stored.own_hours, stored.bookable) == ("多功能厅", 80, False, True)
    assert len(stored.door_key) == 16 and stored.position == 1 and stored.revision == 1
    (line,) = logged(session, "add_room")
    assert line.after == {"名称": "多功能厅", "最多人数": 80}


def test_the_defaults_of_the_form_are_those_of_the_table(town: Any, session: Any) -> None:
    venue = Venue(centre_id=town.centres["A1"].id, name="厅", door_key="k", created_at=NOW, updated_at=NOW)
    session.add(venue)
    session.flush()
    assert rooms.facts_of(venue) == RoomFacts("厅")


def test_an_edit_raises_version_and_revision_once(town: Any, make: Any, session: Any) -> None:
    venue = make.venue(town.centres["A1"])
    facts = replace(rooms.facts_of(venue), capacity=50, needs_approval=True)
    changed = rooms.edit_room(town.actor("A1"), venue.id, facts, WEEK, NOW, seen=1)
    assert changed == ["capacity", "needs_approval", "hours"]
    assert (venue.version, venue.revision, venue.own_hours) == (2, 2, True)
    assert rooms.week_of(venue) == WEEK
    (line,) = logged(session, "edit_room")
    assert line.before == {"最多人数": 30, "要不要审批": "否", "开放时间": "按中心开放时间"}
    assert line.after and line.after["开放时间"].startswith("周一 9:00–12:00、14:00–18:00；")
    assert rooms.edit_room(town.actor("A1"), venue.id, facts, WEEK, NOW, seen=2) == []
    assert (venue.version, venue.revision) == (2, 2)


def test_back_to_the_centres_hours(town: Any, make: Any, session: Any) -> None:
    venue = make.venue(town.centres["A1"], week=WEEK)
    assert rooms.edit_room(town.actor("A1"), venue.id, rooms.facts_of(venue), None, NOW) == ["hours"]
    session.commit()
    assert not venue.own_hours and not venue.hours


def test_somebody_elses_change_is_not_overwritten_unseen(town: Any, make: Any) -> None:
    venue = make.venue(town.centres["A1"])
    facts = rooms.facts_of(venue)
    rooms.edit_room(town.actor("A1"), venue.id, replace(facts, capacity=40), None, NOW, seen=1)
    with pytest.raises(Stale):
        rooms.edit_room(town.actor("A"), venue.id, replace(facts, capacity=60), None, NOW, seen=1)
    assert venue.capacity == 40
    assert rooms.differences(venue, replace(facts, capacity=60), None) == [("最多人数", 40, 60)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"capacity": None}, "capacity"),
        ({"shortest": 120, "longest": 60}, "longest"),
        ({"step": 60, "shortest": 30}, "step"),
        ({"responsible": "shared"}, "partner"),
        ({"bookable": False}, "link"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(town: Any, make: Any, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(DomainError) as refused:
        rooms.add_room(town.actor("A1"), town.centres["A1"], replace(HALL, **changes), None, NOW)
    assert refused.value.field == field and refused.value.status == 422


def test_a_room_that_never_opens_is_refused(town: Any) -> None:
    with pytest.raises(DomainError, match="七天"):
        rooms.add_room(town.actor("A1"), town.centres["A1"], HALL, {0: []}, NOW)


def test_two_rooms_of_a_centre_have_two_names(town: Any, make: Any) -> None:
    old = make.venue(town.centres["A1"], name="多功能厅")
    with pytest.raises(rooms.NameTaken):
        rooms.add_room(town.actor("A1"), town.centres["A1"], HALL, None, NOW)
    rooms.add_room(town.actor("A"), town.centres["A2"], HALL, None, NOW)
    rooms.retire_room(town.actor("A1"), old.id, NOW)
    rooms.add_room(town.actor("A1"), town.centres["A1"], HALL, None, NOW)
    with pytest.raises(rooms.NameTaken):
        rooms.restore_room(town.actor("A1"), old.id, NOW)


@pytest.mark.parametrize("who", ["A2", "B", "A1S", "ZFB"])
def test_neighbours_change_nothing(town: Any, make: Any, who: str) -> None:
    venue = make.venue(town.centres["A1"])
    actor = town.actor(who)
    for write in (
        lambda: rooms.add_room(actor, town.centres["A1"], HALL, None, NOW),
        lambda: rooms.edit_room(actor, venue.id, HALL, None, NOW),
        lambda: rooms.retire_room(actor, venue.id, NOW),
        lambda: rooms.restore_room(actor, venue.id, NOW),
        lambda: rooms.add_photo(actor, venue.id, picture("red"), "", NOW),
    ):
        with pytest.raises(NotAllowed):
            write()


def test_an_inspector_only_looks(town: Any) -> None:
    with pytest.raises(NotAllowed):
        rooms.add_room(town.actor("D-LOOK"), town.centres["A1"], HALL, None, NOW)


def test_a_room_with_bookings_to_come_stays(town: Any, make: Any) -> None:
    venue = make.venue(town.centres["A1"])
    make.booking(venue, NOW - timedelta(days=2))
    ended = make.booking(venue, NOW - timedelta(minutes=60))
    running = make.booking(venue, NOW - timedelta(minutes=30), minutes=60, status="cancelled")
    assert ended.ends_at == NOW and running.status == "cancelled"
    actor = town.actor("A1")
    rooms.retire_room(actor, venue.id, NOW)
    rooms.restore_room(actor, venue.id, NOW)
    coming = make.booking(venue, status="pending")
    make.booking(venue, coming.starts_at, status="waiting")
    with pytest.raises(rooms.RoomInUse, match="还有 2 次") as refused:
        rooms.retire_room(actor, venue.id, NOW)
    assert refused.value.bookings[0].id == coming.id and venue.active
    outside = replace(rooms.facts_of(venue), bookable=False, link="https://example.org")
    with pytest.raises(rooms.RoomInUse):
        rooms.edit_room(actor, venue.id, outside, None, NOW)


def test_retiring_twice_is_one_line(town: Any, make: Any, session: Any) -> None:
    venue = make.venue(town.centres["A1"])
    for _ in range(2):
        rooms.retire_room(town.actor("A1"), venue.id, NOW)
    assert not venue.active and venue.version == 2
    assert len(logged(session, "retire_room")) == 1


def test_rules_are_copied_part_by_part(town: Any, make: Any, session: Any) -> None:
    source = make.venue(town.centres["A"], week=WEEK, buffer=15, longest=240, terms_of_use="请轻声")
    same, other = make.venue(town.centres["A1"]), make.venue(town.centres["A2"], terms_of_use="旧的")
    changed = rooms.copy_rules(town.actor("A"), source.id, [same.id, other.id, source.id], ["rules"], NOW)
    assert {v.id for v in changed} == {same.id, other.id}
    assert (same.buffer, same.longest, same.own_hours, other.terms_of_use) == (15, 240, False, "旧的")
    rooms.copy_rules(town.actor("A"), source.id, [other.id], ["hours", "terms"], NOW)
    assert rooms.week_of(other) == WEEK and other.terms_of_use == "请轻声" and other.name != source.name
    assert rooms.copy_rules(town.actor("A"), source.id, [same.id], ["rules"], NOW) == []
    assert len(logged(session, "copy_rules")) == 3


def test_copying_to_a_neighbour_copies_nothing(town: Any, make: Any) -> None:
    source, own = make.venue(town.centres["A1"], buffer=15), make.venue(town.centres["A1"])
    foreign = make.venue(town.centres["B1"])
    with pytest.raises(NotAllowed):
        rooms.copy_rules(town.actor("A1"), source.id, [own.id, foreign.id], ["rules"], NOW)
    with pytest.raises(rooms.NothingChosen):
        rooms.copy_rules(town.actor("A1"), source.id, [], ["rules"], NOW)
    with pytest.raises(rooms.NothingChosen):
        rooms.copy_rules(town.actor("A1"), source.id, [own.id], ["nonsense"], NOW)
    outside = make.venue(town.centres["A1"], bookable=False, link="https://example.org")
    with pytest.raises(rooms.NothingChosen, match="不在这里预约"):
        rooms.copy_rules(town.actor("A1"), source.id, [outside.id], ["rules"], NOW)


def picture(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(stream, "PNG")
    return stream.getvalue()


def test_photos_are_written_anew_ordered_and_removed(town: Any, make: Any, session: Any) -> None:
    venue, actor = make.venue(town.centres["A1"]), town.actor("A1")
    first = rooms.add_photo(actor, venue.id, picture("red"), "门口", NOW)
    second = rooms.add_photo(actor, venue.id, picture("blue"), "", NOW)
    assert uploads.known(first.file) and first.file.endswith(".jpg")
    rooms.edit_photo(actor, venue.id, second.id, "里面", True, NOW)
    session.commit()
    assert [(p.caption, p.position) for p in venue.photos] == [("里面", 1), ("门口", 2)]
    rooms.remove_photo(actor, venue.id, second.id, NOW)
    session.commit()
    assert [p.id for p in venue.photos] == [first.id] and venue.version == 5 and venue.revision == 1
    with pytest.raises(DomainError, match="不在了"):
        rooms.remove_photo(actor, venue.id, second.id, NOW)


def test_no_more_photos_than_fit_and_no_other_files(town: Any, make: Any) -> None:
    venue, actor = make.venue(town.centres["A1"]), town.actor("A1")
    with pytest.raises(uploads.PictureRefused) as refused:
        rooms.add_photo(actor, venue.id, b"<svg onload=alert(1)>", "", NOW)
    assert refused.value.field == "photo"
    for number in range(rooms.PHOTOS.most):
        rooms.add_photo(actor, venue.id, picture(f"#0000{number:02d}"), "", NOW)
    with pytest.raises(TooMany):
        rooms.add_photo(actor, venue.id, picture("green"), "", NOW)


def test_the_picture_is_made_before_the_lock_that_counts_them(
    town: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making it ends the transaction, and locks end with it: two at once would both be the last that fits."""
    venue, actor, order = make.venue(town.centres["A1"]), town.actor("A1"), []

    def noted(module: Any, name: str) -> None:
        work = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, **k: (order.append(name), work(*a, **k))[1])

    for module, name in ((uploads, "let_go"), (rooms, "_lock"), (facts, "_lock")):
        noted(module, name)
    rooms.add_photo(actor, venue.id, picture("red"), "", NOW)
    facts.add_photo(actor, town.centres["A1"], picture("red"), "", NOW)
    assert order == ["let_go", "_lock"] * 2


def test_the_list_says_what_is_going_on(town: Any, make: Any, session: Any) -> None:
    a1, path = town.centres["A1"], town.centres["A"].path
    hall, shut = make.venue(a1, name="多功能厅", place="二楼"), make.venue(town.centres["A2"], name="书吧")
    make.venue(town.centres["B1"])
    outside = make.venue(a1, bookable=False, kind="city", capacity=None, link="https://example.org")
    make.booking(hall, status="pending")
    make.booking(hall, NOW - timedelta(days=1))
    make.note(hall)
    make.note(hall, solved_at=NOW)
    make.closure(shut, NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    make.closure(hall, NOW + timedelta(hours=1), NOW + timedelta(hours=2))
    find = room_queries.RoomFilter
    page = room_queries.rooms(path, find(), NOW)
    assert [(r.venue.id, r.coming, r.pending, r.notes, bool(r.closed_until)) for r in page.rows] == [
        (hall.id, 1, 1, 1, False),
        (outside.id, 0, 0, 0, False),
        (shut.id, 0, 0, 0, True),
    ]

    def ids(**values: Any) -> list[int]:
        return [r.venue.id for r in room_queries.rooms(path, find(**values), NOW).rows]

    assert ids(state="closed") == [shut.id] and ids(state="outside") == [outside.id] == ids(kind="city")
    assert ids(centre_id=town.centres["A2"].id) == [shut.id] and ids(q="二楼") == [hall.id] and ids(q="%") == []
    assert ids(centre_id=town.centres["B1"].id) == [] and ids(state="retired") == []
    assert room_queries.totals(path) == (3, 2)


def test_forty_a_page(town: Any, make: Any, session: Any) -> None:
    for _ in range(41):
        make.venue(town.centres["A1"])
    path = town.centres["A1"].path
    first = room_queries.rooms(path, room_queries.RoomFilter(), NOW)
    last = room_queries.rooms(path, room_queries.RoomFilter(page=99), NOW)
    assert (len(first.rows), first.pages, first.total) == (40, 2, 41)
    assert (len(last.rows), last.page) == (1, 2)


def test_a_room_that_is_not_there(town: Any, session: Any) -> None:
    with pytest.raises(VenueGone):
        rooms.retire_room(town.actor("A1"), 4711, NOW)
    assert session.scalar(select(func.count(Venue.id))) == 0 and clock.today(NOW)
