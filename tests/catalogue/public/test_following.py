"""Following, liking, one message for what was published, and one's own calendar (SPEC C9, M3, issue 11)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from icalendar import Calendar
from sqlalchemy import func, select

from portal.catalogue import follow_handlers
from portal.catalogue.actions import changing, entry_values, following, publishing
from portal.catalogue.models import CalendarFeed, Follow, Like
from portal.catalogue.public import month_snapshot
from portal.catalogue.timetext.parts import Span
from portal.core import clock, outbox, scope
from portal.core.db import db
from portal.notices.models import Delivery, InboxMessage
from portal.people.actions import resident_records
from portal.signup.models import SignUp
from tests.factories import NOW, Make, Town

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _cold() -> None:
    month_snapshot.forget()


@pytest.fixture
def me(app: Any, town: Town, as_resident: Any) -> FlaskClient:
    found: FlaskClient = as_resident(app.test_client(), town.residents[0])
    db.session.rollback()  # a read begun before the sign-in could not write
    return found


def count(column: Any, *where: Any) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count(column)).where(*where)) or 0


def follow(client: FlaskClient, what: str, code: str, on: int = 1) -> Any:
    return client.post("/me/follows", data={"what": what, "code": code, "on": on})


# Following and liking -------------------------------------------------------------------------------------------------


def test_follow_and_no_longer(me: FlaskClient, town: Town, make: Make) -> None:
    make.entry(town.centres["A1"], title="本社区的")
    make.entry(town.centres["B1"], title="别处的")
    for _ in range(2):  # a second press is the same
        assert follow(me, "centre", "A1").status_code == 303
    assert count(Follow.id) == 1
    page = me.get("/me/follows").get_data(as_text=True)
    assert "接下来的 1 项" in page and "本社区的" in page and "别处的" not in page
    assert town.centres["A1"].short_name in me.get("/me").get_data(as_text=True)
    follow(me, "category", "party")
    assert "接下来的 2 项" in me.get("/me/follows").get_data(as_text=True)
    follow(me, "category", "party", 0), follow(me, "centre", "A1", 0)
    assert count(Follow.id) == 0 and "还没有关注" in me.get("/me/follows").get_data(as_text=True)


def test_pages_say_what_is_followed(me: FlaskClient, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"])
    name = town.centres["A1"].short_name
    assert f"关注{name}" in me.get(f"/services/{entry.id}").get_data(as_text=True)
    follow(me, "centre", "A1"), follow(me, "category", "party")
    page = me.get(f"/services/{entry.id}").get_data(as_text=True)
    assert f"已关注{name}" in page
    assert "已关注" in me.get("/services?category=party").get_data(as_text=True)
    assert f"已关注{name}" in me.get("/c/A1").get_data(as_text=True)


def test_what_does_not_exist_is_not_followed(me: FlaskClient) -> None:
    assert follow(me, "centre", "nowhere").status_code == 404 and follow(me, "category", "x").status_code == 404
    assert me.post("/services/999999/like", data={"on": "1"}).status_code == 404


def test_nobody_follows_without_end(me: FlaskClient, town: Town, monkeypatch: Any) -> None:
    monkeypatch.setattr(following, "MOST", 2)
    for code in ("A1", "A2", "B1"):
        follow(me, "centre", code)
    assert count(Follow.id) == 2


def test_a_like_counts_once_and_is_taken_back(
    me: FlaskClient, app: Any, client: FlaskClient, town: Town, make: Make, as_resident: Any
) -> None:
    entry = make.entry(town.centres["A1"])
    other = as_resident(app.test_client(), town.residents[1])
    for one in (me, me, other):
        assert one.post(f"/services/{entry.id}/like", data={"on": "1"}).status_code == 303
    assert "赞 2" in client.get(f"/services/{entry.id}").get_data(as_text=True)
    assert "赞过了 2" in me.get(f"/services/{entry.id}").get_data(as_text=True)
    me.post(f"/services/{entry.id}/like", data={"on": "0"})
    assert "赞 1" in me.get(f"/services/{entry.id}").get_data(as_text=True) and count(Like.entry_id) == 1


def test_who_is_not_signed_in_is_led_to_sign_in(client: FlaskClient, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"])
    page = client.get(f"/services/{entry.id}").get_data(as_text=True)
    assert "关注" in page and ">赞<" in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    assert "/login" in client.post(f"/services/{entry.id}/like", data={"on": "1"}).headers["Location"]


def test_a_draft_is_not_liked(me: FlaskClient, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"], status="draft", published_at=None)
    assert me.post(f"/services/{entry.id}/like", data={"on": "1"}).status_code == 404 and count(Like.entry_id) == 0


# One message ----------------------------------------------------------------------------------------------------------

PUBLISHED = clock.at(datetime(2026, 12, 1).date(), datetime(2026, 1, 1, 0, 0).time())


@pytest.fixture
def publication(town: Town, make: Make, session: Any) -> None:
    """December is approved: one in A1, one in A2, one in B1, one that is over at the end of the hour."""
    start = PUBLISHED + 4 * DAY
    for code, title in (("A1", "甲一的"), ("A2", "甲二的"), ("B1", "乙一的")):
        make.entry(town.centres[code], [(start, start + DAY / 12)], title=title, status="approved", published_at=None)
    early = PUBLISHED + timedelta(minutes=5)
    make.entry(
        town.centres["A1"],
        [(early, early + timedelta(minutes=5))],
        title="一下就过去的",
        status="approved",
        published_at=None,
    )
    for person, what in ((0, {"centre_id": town.centres["A"].id}), (1, {"centre_id": town.centres["B1"].id})):
        session.add(Follow(resident_id=town.residents[person].id, created_at=NOW, **what))
    session.commit()


def publish_and_wait(at: datetime = PUBLISHED) -> None:
    publishing.publish_in_batches("2026-12", at)
    for minutes in (0, 30, 60, 69, 70, 90):
        outbox.run_due(at + timedelta(minutes=minutes))


def told(session: Any, person: Any) -> list[Any]:
    session.rollback()
    wanted = select(InboxMessage).where(InboxMessage.person_id == person.id, InboxMessage.kind == "follow")
    return list(session.scalars(wanted.where(InboxMessage.audience == "resident")))


def test_one_message_each_about_what_fits(town: Town, session: Any, publication: Any) -> None:
    """A subdistrict that is followed stands for all below it; what is over by then is not told of."""
    with scope.system("test"):
        publish_and_wait()
    first, second = (told(session, town.residents[n]) for n in (0, 1))
    assert len(first) == len(second) == 1 and not told(session, town.residents[2])
    assert (
        first[0].title == "您关注的有 2 项新活动" and "甲一的（12月5日" in first[0].body and "甲二的" in first[0].body
    )
    assert "乙一的" in second[0].body and "甲一的" not in second[0].body and first[0].link == "/me/follows"


def test_both_a_centre_and_its_category_are_one_message(town: Town, session: Any, publication: Any) -> None:
    person = town.residents[0]
    session.add(Follow(resident_id=person.id, category_id=town.categories["party"].id, created_at=NOW))
    session.commit()
    with scope.system("test"):
        publish_and_wait()
    assert [m.title for m in told(session, person)] == ["您关注的有 3 项新活动"]


def test_no_phone_rings_at_night_and_choices_count(town: Town, session: Any, publication: Any) -> None:
    quiet = town.residents[1]
    session.merge(quiet).quiet = {"off": ["follow"]}
    session.commit()
    with scope.system("test"):
        publish_and_wait()
    session.rollback()
    texts = list(session.scalars(select(Delivery).where(Delivery.kind == "follow")))
    assert len(texts) == 1 and clock.local(texts[0].due_at).hour == 8
    assert len(told(session, quiet)) == 1  # still in the inbox


def test_many_are_told_in_turns_once_each(
    town: Town, make: Make, session: Any, publication: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(follow_handlers, "AT_ONCE", 10)
    people = make.residents(35, town.centres["A1"])
    session.add_all(Follow(resident_id=p.id, centre_id=town.centres["A1"].id, created_at=NOW) for p in people)
    session.commit()
    with scope.system("test"):
        publish_and_wait()
        publish_and_wait()  # a second run finds nothing to do
    session.rollback()
    messages = select(func.count(InboxMessage.id)).where(InboxMessage.kind == "follow")
    assert session.scalar(messages) == 35 + 2


def test_what_is_published_later_is_told_of_later(town: Town, make: Make, session: Any, publication: Any) -> None:
    with scope.system("test"):
        publish_and_wait()
        start = PUBLISHED + 6 * DAY
        make.entry(
            town.centres["A1"], [(start, start + DAY / 24)], title="补发的", status="approved", published_at=None
        )
        publish_and_wait(PUBLISHED + timedelta(hours=10))
    assert ["补发的" in m.body for m in told(session, town.residents[0])] == [False, True]


def test_nobody_follows_nobody_is_told(town: Town, make: Make, session: Any) -> None:
    make.entry(town.centres["A1"], status="approved", published_at=None)
    with scope.system("test"):
        publish_and_wait()
    assert session.scalar(select(func.count(InboxMessage.id)).where(InboxMessage.kind == "follow")) == 0


# One's own calendar ---------------------------------------------------------------------------------------------------


def address(client: FlaskClient) -> str:
    page = unescape(client.get("/me/follows").get_data(as_text=True))
    return re.search(r"/calendar/mine/[0-9a-f]+\.ics", page)[0]  # type: ignore[index]


def read(client: FlaskClient, path: str) -> dict[str, Any]:
    """Events by their names, as a calendar program keeps them: read with a library and, line by line, by hand."""
    with clock.frozen(NOW):
        answer = client.get(path)
    assert answer.status_code == 200 and answer.mimetype == "text/calendar"
    events = Calendar.from_ical(answer.data).walk("VEVENT")
    by_hand = lines_of(answer.data)
    assert [str(e["UID"]) for e in events] == [e["UID"] for e in by_hand]
    for event, plain in zip(events, by_hand, strict=True):
        assert event.decoded("DTSTART") == datetime.strptime(plain["DTSTART"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        assert int(plain["SEQUENCE"]) == event["SEQUENCE"] and plain["DTEND"] > plain["DTSTART"] and plain["DTSTAMP"]
    found = {str(event["UID"]): event for event in events}
    assert len(found) == len(events), "one event, one name"
    return found


def lines_of(data: bytes) -> list[dict[str, str]]:
    """A strict reader of RFC 5545's lines: CRLF, folded at 75 octets, one value each, whole and well nested."""
    assert data.endswith(b"\r\n") and b"\n" not in data.replace(b"\r\n", b"")
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    text = data.decode().replace("\r\n ", "")
    events: list[dict[str, str]] = []
    open_: list[str] = []
    for line in text.split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        assert re.fullmatch(r"[A-Z-]+(;[A-Z-]+=[A-Za-z0-9-]+)*", name), line
        if name == "BEGIN":
            open_.append(value)
            events += [{}] if value == "VEVENT" else []
        elif name == "END":
            assert open_.pop() == value
        elif open_[-1] == "VEVENT":
            assert name.split(";")[0] not in events[-1], "each once"
            events[-1][name.split(";")[0]] = value
    assert not open_ and all({"UID", "DTSTAMP", "DTSTART", "DTEND", "SEQUENCE", "SUMMARY"} <= e.keys() for e in events)
    return events


@pytest.fixture
def mine(me: FlaskClient, client: FlaskClient, town: Town, make: Make, session: Any) -> tuple[str, Any]:
    """The address of my calendar; I follow A1 and have a place in an activity of B1 and in one of A1."""
    start = NOW + 3 * DAY
    followed = make.entry(
        town.centres["A1"], [(start, start + DAY / 12), (start + 7 * DAY, start + 7.1 * DAY)], title="关注的", taken=1
    )
    booked = make.entry(town.centres["B1"], [(start, start + DAY / 24)], title="报上的", taken=1)
    make.entry(town.centres["B1"], [(start, start + DAY / 24)], title="与我无关的")
    for entry in (followed, booked):
        session.add(SignUp(
            entry_id=entry.id, centre_id=entry.centre_id, resident_id=town.residents[0].id, person_key="r1",
            status="confirmed", created_at=NOW,
        ))  # fmt: skip
    session.commit()
    follow(me, "centre", "A1")
    me.post("/me/calendar")
    return address(me), followed


def test_what_i_follow_and_have_each_once(client: FlaskClient, mine: Any) -> None:
    events = read(client, mine[0])
    assert sorted(str(e["SUMMARY"]) for e in events.values()) == ["关注的", "关注的", "报上的"]
    assert all(e.decoded("DTSTART").tzinfo is not None and "STATUS" not in e for e in events.values())


def test_a_change_moves_the_event_and_makes_no_second_one(
    client: FlaskClient, mine: Any, town: Town, session: Any
) -> None:
    path, entry = mine
    before = read(client, path)
    values = entry_values.values_of(entry)
    moved = Span(entry.sessions[0].starts_at + DAY, entry.sessions[0].ends_at + DAY)
    rest = Span(entry.sessions[1].starts_at, entry.sessions[1].ends_at)
    changing.ask_change(town.actor("D"), entry, replace(values, sessions=(moved, rest)), "场地调整", NOW)
    session.commit()
    kept = before | read(client, path)  # a calendar that is read again
    assert kept.keys() == before.keys()
    newer = [uid for uid in kept if kept[uid]["SEQUENCE"] > before[uid]["SEQUENCE"]]
    assert len(newer) == 2 and moved.start in [kept[uid].decoded("DTSTART") for uid in newer]
    # The same dates have the same names in the activity's own file and in the centre's calendar.
    assert {uid for uid in kept if "关注的" in str(kept[uid]["SUMMARY"])} == read(
        client, f"/services/{entry.id}.ics"
    ).keys()
    assert read(client, "/calendar/A1.ics?month=2026-11").keys() <= kept.keys()


def test_what_is_cancelled_or_given_up_says_so(client: FlaskClient, mine: Any, town: Town, session: Any) -> None:
    path, entry = mine
    before = read(client, path)
    changing.cancel_entry(town.actor("D"), entry, "台风", NOW)
    session.execute(SignUp.__table__.update().where(SignUp.entry_id != entry.id).values(status="withdrawn"))
    session.commit()
    after = read(client, path)
    assert after.keys() == before.keys() and {str(e["STATUS"]) for e in after.values()} == {"CANCELLED"}


def test_an_address_is_ones_own_and_ends(client: FlaskClient, me: FlaskClient, mine: Any) -> None:
    path = mine[0]
    wrong = path.replace(".ics", "")[:-1] + ("0.ics" if path[-5] != "0" else "1.ics")
    for odd in (
        wrong,
        "/calendar/mine/x.ics",
        "/calendar/mine/" + "0" * 48 + ".ics",
        "/calendar/mine/" + "é" * 48 + ".ics",
    ):
        assert client.get(odd).status_code == 404
    me.post("/me/calendar")
    other = address(me)
    assert other != path and client.get(path).status_code == 404 and read(client, other)
    me.post("/me/calendar", data={"do": "end"})
    assert client.get(other).status_code == 404 and "做一个我的日历地址" in me.get("/me/follows").get_data(as_text=True)


def test_nobody_on_the_way_keeps_it_and_the_database_gives_none_away(client: FlaskClient, mine: Any) -> None:
    answer = client.get(mine[0])
    assert "no-store" in answer.headers["Cache-Control"]
    assert db.session.scalar(select(CalendarFeed.code)) != mine[0].split("/")[-1].removesuffix(".ics")


def test_leaving_takes_all_of_it_away(client: FlaskClient, mine: Any, town: Town, make: Make, session: Any) -> None:
    person = town.residents[0]
    session.add(Like(resident_id=person.id, entry_id=mine[1].id, created_at=NOW))
    session.commit()
    with scope.system("test"):
        resident_records.erase_resident(town.resident_actor(0), session.merge(person), NOW)
        session.commit()
    assert count(Follow.id) == count(Like.entry_id) == count(CalendarFeed.code) == 0
    assert client.get(mine[0]).status_code == 404


def test_pages_lead_to_dates_with_the_hint_for_wechat(client: FlaskClient, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"])
    for page, link in ((f"/services/{entry.id}", f"/services/{entry.id}.ics"), ("/c/A1", "/calendar/A1.ics")):
        text = client.get(page).get_data(as_text=True)
        assert f'href="{link}"' in text and "用浏览器打开" in text, page
