"""Rooms in the pages of the list: chosen in every form, recognised in Excel plans, refused with what is possible (C2, V4)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from portal.catalogue.actions import drafting
from portal.catalogue.actions.importing import rows_of
from portal.catalogue.models import DRAFT, PUBLISHED, Entry, EntryChange, PlanImport
from portal.venues.models import Booking, Venue
from tests.catalogue.staff.test_import import GOOD, HTMX, plan
from tests.catalogue.wording import MONTH, draft, published, span, values
from tests.factories import NOW, Make, Town

FORM: dict[str, Any] = {
    "month": MONTH, "title": "合唱排练", "sessions": "12月5日 9:00-11:00", "place": "", "audience": "全体居民",
    "mode": "limited", "capacity": "20", "unit": "人",
}  # fmt: skip


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="三楼会议室", place="三楼 301")


@pytest.fixture
def staff(client: Any, session: Any, town: Town, as_staff: Any, room: Venue) -> Any:
    entered = as_staff(client, town.operator["A1"])
    session.rollback()  # a read of before the last sign-in could not write
    return entered


def add(session: Any, make: Any, *what: Any, **more: Any) -> Any:
    """Something made after a request has written."""
    session.rollback()
    return make(*what, **more)


def fill(town: Town, room: Venue | None, **more: Any) -> dict[str, Any]:
    chosen = {"category_id": town.categories["party"].id, "venue_id": room.id if room else ""}
    return FORM | chosen | more


def last(session: Any) -> Entry:
    session.rollback()
    found: Entry = session.scalars(select(Entry).order_by(Entry.id.desc())).first()
    return found


def test_a_row_is_drawn_up_in_a_room_and_sent(staff: Any, session: Any, town: Town, room: Venue) -> None:
    page = staff.get("/staff/catalogue/new?month=2026-12").text
    assert "其他地点（自己写）" in page and "三楼会议室（30 人）" in page
    answer = staff.post("/staff/catalogue/new", data=fill(town, room, do="send"))
    assert answer.status_code == 303
    entry = last(session)
    assert (entry.venue_id, entry.place, entry.status) == (room.id, "三楼会议室", "in_review")
    shown = staff.get(f"/staff/catalogue/{entry.id}").text
    assert "已留着" in shown and f"/venues/{room.id}" in shown


def test_other_places_are_written_and_a_room_meant_is_pointed_out(
    staff: Any, session: Any, town: Town, room: Venue
) -> None:
    staff.post("/staff/catalogue/new", data=fill(town, None, place="三楼会议室", do="save"))
    entry = last(session)
    assert (entry.venue_id, entry.place) == (None, "三楼会议室")
    assert "“三楼会议室”是可以预订的场地" in staff.get(f"/staff/catalogue/{entry.id}/edit").text


def test_a_foreign_room_cannot_be_chosen(staff: Any, session: Any, town: Town, make: Make) -> None:
    foreign = add(session, make.venue, town.centres["B1"], name="别处")
    answer = staff.post("/staff/catalogue/new", data=fill(town, foreign, do="save"))
    assert answer.status_code == 422
    assert "这个场地不能用于这份清单" in answer.text


def test_sending_into_a_taken_room_says_what_is_possible(
    staff: Any, session: Any, town: Town, make: Make, room: Venue
) -> None:
    add(session, make.venue, town.centres["A1"], name="书吧")
    taken = add(session, make.booking, room, span(5).start, 60, title="居委会例会")
    answer = staff.post("/staff/catalogue/new", data=fill(town, room, do="send"))
    assert answer.status_code == 422
    assert "三楼会议室 12月5日（周六）9:00–11:00 已被占用：“居委会例会”。那天可以改到 10:00–12:00" in answer.text
    assert "同一时间空着的有书吧" in answer.text
    assert f'href="/staff/venues/bookings/{taken.id}"' in answer.text
    session.rollback()
    assert session.scalars(select(Entry)).all() == []
    assert staff.post("/staff/catalogue/new", data=fill(town, room, do="save")).status_code == 303  # a draft may wait
    entry = last(session)
    answer = staff.post(f"/staff/catalogue/{entry.id}/send", data={"version": entry.revision}, follow_redirects=True)
    assert "还不能送审：三楼会议室" in answer.text
    assert last(session).status == DRAFT
    answer = staff.post("/staff/catalogue/bulk", data={"do": "hand_in", "all": "1", "month": MONTH})
    assert answer.status_code == 422
    assert f"/staff/catalogue/{entry.id}" in answer.text and "“居委会例会”" in answer.text


def test_the_room_is_asked_while_somebody_types(staff: Any, town: Town, make: Make, room: Venue, session: Any) -> None:
    add(session, make.booking, room, span(5).start, 60, title="居委会例会")
    asked = {"month": MONTH, "centre": town.centres["A1"].id, "venue_id": room.id}
    free = staff.get("/staff/catalogue/understand", query_string=asked | {"sessions": "12月6日 9:00-11:00"}).text
    assert "三楼会议室这些时间可以用" in free
    taken = staff.get("/staff/catalogue/understand", query_string=asked | {"sessions": "12月5日 9:00-11:00"}).text
    assert "居委会例会" in taken and "doubt" in taken
    foreign = add(session, make.venue, town.centres["B1"], name="别处")
    add(session, make.booking, foreign, span(5).start, 60, title="别人的会")
    asked |= {"venue_id": foreign.id, "centre": town.centres["B1"].id}
    answer = staff.get("/staff/catalogue/understand", query_string=asked | {"sessions": "12月5日 9:00-11:00"}).text
    assert "别人的会" not in answer


def test_whoever_may_not_open_a_booking_gets_no_link(
    client: Any, session: Any, town: Town, make: Make, as_staff: Any, room: Venue
) -> None:
    """A station in its community's room: what holds it is said, but its page belongs to the community."""
    taken = add(session, make.booking, room, span(5).start, 60, title="居委会例会")
    entry = drafting.draft_entry(town.actor("A1"), values(town, venue_id=room.id), NOW, centre=town.centres["A1S"])
    session.commit()
    page = as_staff(client, town.staff["A1S"]).get(f"/staff/catalogue/{entry.id}/edit").text
    assert "“居委会例会”" in page and f"/staff/venues/bookings/{taken.id}" not in page
    assert 'optgroup label="甲一社区"' in page


def test_a_change_of_the_room_is_asked_and_agreed(
    client: Any, session: Any, town: Town, make: Make, as_staff: Any, room: Venue
) -> None:
    entry = published(town, place="广场")
    session.commit()
    as_staff(client, town.operator["A1"])
    data = fill(town, room, title=entry.title, version=entry.revision, reason="订下场地", do="preview")
    data |= {"capacity": "15", "phone": "0755-84200001"}
    url = f"/staff/catalogue/{entry.id}/change"
    assert "地点由 广场 改为 三楼会议室，因订下场地。" in client.post(url, data=data).text
    assert client.post(url, data=data | {"do": "ask"}).status_code == 303
    session.rollback()
    change = session.scalars(select(EntryChange)).one()
    add(session, make.booking, room, span(5).start, 60, title="抢先的")
    as_staff(client, town.staff["D"])
    answer = client.post(f"/staff/catalogue/changes/{change.id}/apply", follow_redirects=True)
    assert "“抢先的”" in answer.text
    session.rollback()
    assert session.get_one(Entry, entry.id).place == "广场"
    as_staff(client, town.operator["A1"])
    data = {k: v for k, v in data.items() if k != "do"}
    client.post(f"/staff/catalogue/changes/{change.id}/take-back")
    answer = client.post(url, data=data | {"do": "ask"})
    assert answer.status_code == 422 and "“抢先的”" in answer.text


def test_an_excel_place_that_names_a_room_takes_it(
    staff: Any, session: Any, town: Town, make: Make, room: Venue
) -> None:
    add(session, make.venue, town.centres["A1"], name="书吧", place="二楼")
    add(session, make.booking, room, span(22, "14:00", "15:00").start, 60, title="居委会例会")
    in_room = (*GOOD[:6], "三楼 会议室", *GOOD[7:])
    by_floor = (2, "党群服务", "读书会", "读书", "12月23日 14:30-17:00", "全体居民", "二楼书吧", *GOOD[7:])
    data = {"month": MONTH, "centre": town.centres["A1"].id, "file": (plan(in_room, by_floor), "12月.xlsx")}
    url = staff.post("/staff/catalogue/import", data=data).location
    page = staff.get(url).text
    assert "将占用：三楼会议室" in page and "将占用：书吧" in page
    assert page.count("已被占用：“居委会例会”") == 1
    session.rollback()
    upload = session.scalars(select(PlanImport)).one()
    number = rows_of(upload)[0].number
    mend = f"{url}/rows/{number}"
    assert f'<option selected value="{room.id}">' in staff.get(mend, headers=HTMX).text
    sent = fill(town, None, title="包汤圆", place="一楼大厅", sessions="12月22日 14:30-17:00", capacity="60")
    assert staff.post(mend, data=sent, headers=HTMX).status_code == 200
    assert "将占用：三楼会议室" not in staff.get(url).text
    session.rollback()
    staff.post(f"{url}/take", data={"row": [row.number for row in rows_of(upload)]})
    session.rollback()
    taken = session.scalars(select(Entry).order_by(Entry.id)).all()
    assert [(e.place, e.venue_id is not None) for e in taken] == [("一楼大厅", False), ("书吧", True)]
    assert session.scalars(select(Booking).where(Booking.source == "activity")).all() == []


def test_the_place_of_a_public_row_leads_to_its_room(client: Any, session: Any, town: Town, room: Venue) -> None:
    entry = published(town, venue_id=room.id)
    session.commit()
    link = f'<a href="/venues/{room.id}">三楼会议室</a>'
    assert link in client.get(f"/services/{entry.id}").text
    room = session.get_one(Venue, room.id)
    room.active = False
    session.commit()
    page = client.get(f"/services/{entry.id}").text
    assert link not in page and "三楼会议室" in page


def test_a_room_that_was_missed_is_booked_from_the_rows_page(
    staff: Any, session: Any, town: Town, make: Make, room: Venue
) -> None:
    entry = add(session, make.entry, town.centres["A1"], venue_id=room.id, place="三楼会议室", status=PUBLISHED)
    taken = add(session, make.booking, room, entry.first_start, 60, title="居委会例会")
    url, taken_id = f"/staff/catalogue/{entry.id}", taken.id
    assert "有冲突" in staff.get(url).text
    assert "“居委会例会”" in staff.post(f"{url}/room", follow_redirects=True).text
    session.rollback()
    session.delete(session.get_one(Booking, taken_id))
    session.commit()
    assert "现在订上" in staff.get(url).text
    assert "三楼会议室订上了。" in staff.post(f"{url}/room", follow_redirects=True).text
    page = staff.get(url).text
    assert "已订上" in page and "现在订上" not in page


def test_a_draft_in_a_retired_room_offers_other_places(staff: Any, session: Any, town: Town, room: Venue) -> None:
    entry = draft(town, venue_id=room.id)
    session.get_one(Venue, room.id).active = False
    session.commit()
    page = staff.get(f"/staff/catalogue/{entry.id}/edit").text
    assert 'value="三楼会议室"' in page  # its words stay in the box for other places


def test_rooms_cost_the_board_one_statement(
    staff: Any, session: Any, town: Town, make: Make, room: Venue, count_queries: Any
) -> None:
    def board(rooms: int) -> int:
        session.rollback()
        for number in range(rooms):
            draft(town, venue_id=room.id, title=f"活动{number}", sessions=(span(5 + number),))
        session.commit()
        with count_queries() as seen:
            assert staff.get("/staff/catalogue?month=2026-12").status_code == 200
        return len(seen)

    session.rollback()
    draft(town)
    session.commit()
    without, few, many = board(0), board(2), board(8)
    assert (few, many) == (without + 1, without + 1)
