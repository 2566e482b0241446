"""Check-in, three ways, each person once (SPEC S6)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.catalogue.models import Entry, EntrySession
from portal.core import clock
from portal.core.db import writing
from portal.feedback.models import Evaluation
from portal.people.models import Relative
from portal.signup import actions as sign_ups
from portal.signup import evaluating
from portal.signup.attendance import actions, codes, queries
from portal.signup.attendance.actions import Mark
from portal.signup.attendance.models import Attendance, AttendanceMark
from portal.signup.models import SignUp
from tests.factories import NOW, Make, Town

SignIn = Callable[[FlaskClient, Any], FlaskClient]


@pytest.fixture(autouse=True)
def _now() -> Any:
    with clock.frozen(NOW):
        yield


def tick(key: str, person: str, came: bool = True, age: int = 0, how: str = "list") -> str:
    return f"{key}|{person}|{int(came)}|{age}|{how}"


def came(session: Any) -> dict[str, bool]:
    session.rollback()
    return dict(session.execute(select(Attendance.person_key, Attendance.came)).all())


def desk(client: FlaskClient, as_staff: SignIn, town: Town, date: EntrySession, who: str = "A1") -> str:
    as_staff(client, town.staff[who])
    return f"/staff/check-in/{date.id}"


# The list of staff ----------------------------------------------------------------------------------------------------


def test_a_tick_counts_once_and_the_later_correction_wins(
    session: Any, town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    at, person = desk(client, as_staff, town, date), signed[0].person_key
    first = {"tick": [tick("first-tick", person, age=600)]}
    assert client.post(f"{at}/ticks", data=first).json["applied"] == ["first-tick"]
    assert came(session) == {person: True}
    corrected = client.post(f"{at}/ticks", data={"tick": [tick("second-tick", person, False, age=60)]})
    assert corrected.json["rows"][0]["came"] is False
    # The first one is sent again, and one that was made before the correction only arrives now.
    late = {"tick": [*first["tick"], tick("slow-phone", person, True, age=300)]}
    assert sorted(client.post(f"{at}/ticks", data=late).json["applied"]) == ["first-tick", "slow-phone"]
    assert came(session) == {person: False}
    assert len(session.scalars(select(AttendanceMark)).all()) == 3


def test_whoever_has_left_and_odd_ticks_are_refused_one_by_one(
    session: Any, town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    at = desk(client, as_staff, town, date)
    gone = signed[2].person_key
    session.rollback()
    sign_ups.withdraw(town.actor("A1"), signed[2].id, NOW)
    session.commit()
    sent = [
        tick("good-tick", signed[0].person_key),
        tick("gone-tick", gone),
        "x",
        "a|b|c|d|e",
        tick("odd-tick1", "r1 OR 1"),
    ]
    answer = client.post(f"{at}/ticks", data={"tick": sent}).json
    assert answer["applied"] == ["good-tick"]
    assert list(answer["refused"]) == ["gone-tick"]
    assert came(session) == {signed[0].person_key: True}


def test_a_form_of_many_only_writes_what_was_changed_on_it(
    session: Any, town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    at = desk(client, as_staff, town, date)
    one, two, three = (r.person_key for r in signed)
    page = client.get(at).text
    once = re.search(r'name="once" value="([^"]+)"', page)[1]  # type: ignore[index]
    client.post(f"{at}/ticks", data={"tick": [tick("a-colleague", three)]})
    sent = {"once": once, "was": "", "came": [one, two]}
    assert "改了 2 份" in client.post(f"{at}/save", data=sent, follow_redirects=True).text
    assert came(session) == {one: True, two: True, three: True}
    # Sent twice (back button): nothing changes. A tick taken out: a correction.
    client.post(f"{at}/save", data=sent)
    client.post(f"{at}/save", data={"once": "another-once", "was": f"{one} {two}", "came": [one]})
    assert came(session) == {one: True, two: False, three: True}


def test_not_before_the_time_not_long_after_and_not_by_others(
    session: Any,
    town: Town,
    entry: Entry,
    date: EntrySession,
    signed: list[SignUp],
    client: FlaskClient,
    as_staff: SignIn,
) -> None:
    at, sent = f"/staff/check-in/{date.id}", {"tick": [tick("too-early", signed[0].person_key)]}
    with clock.frozen(NOW - timedelta(days=1)):
        desk(client, as_staff, town, date)
        refused = client.post(f"{at}/ticks", data=sent).json
        assert "起才能登记到场" in refused["refused"]["too-early"]
        assert "起才能登记到场" in client.get(at).text
    with clock.frozen(NOW + timedelta(days=40)):
        desk(client, as_staff, town, date)
        assert "名单不能再改" in client.get(at).text
        assert client.post(f"{at}/save", data={"came": [signed[0].person_key]}).status_code == 409
    assert came(session) == {}
    for who, status in (("A2", 404), ("B1", 404), ("D-LOOK", 403)):
        as_staff(client, town.staff[who])
        assert client.post(f"{at}/ticks", data=sent).status_code == status


# Codes ----------------------------------------------------------------------------------------------------------------


def test_the_residents_code_leads_to_that_person_by_camera_and_by_digits(
    session: Any, town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_staff: SignIn,
    as_resident: SignIn,
) -> None:  # fmt: skip
    page = as_resident(client, town.residents[0]).get(f"/services/{date.entry_id}/my-code").text
    digits = codes.of_sign_up(signed[0].id)
    assert codes.said(digits) in page and "居民甲" in page
    assert "居民乙" not in page
    desk(client, as_staff, town, date)
    seen = client.get(f"/staff/check-in/code/{digits}", follow_redirects=True).text
    assert 'class="panel found"' in seen and "居民甲" in seen
    typed = client.post("/staff/check-in/find", data={"typed": codes.said(digits)})
    assert typed.headers["Location"].endswith(f"{date.id}?found={signed[0].person_key}")
    wrong = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    for bad in (wrong, "", "12", "长" * 300):
        assert "没有找到这个报名码" in client.post("/staff/check-in/find", data={"typed": bad}).text
    assert "没有找到这个报名码" in client.get(f"/staff/check-in/code/{wrong}", follow_redirects=True).text
    as_staff(client, town.staff["B1"])
    assert "没有找到这个报名码" in client.get(f"/staff/check-in/code/{digits}", follow_redirects=True).text


def test_nobody_gets_a_code_for_somebody_elses_place(
    town: Town, entry: Entry, signed: list[SignUp], client: FlaskClient, as_resident: SignIn
) -> None:
    assert as_resident(client, town.residents[4]).get(f"/services/{entry.id}/my-code").status_code == 404


# At the place ---------------------------------------------------------------------------------------------------------


def door(date: EntrySession) -> str:
    return f"/attend/{date.id}/{codes.of_date(date.id)}"


def test_one_tap_after_scanning_the_code_at_the_place(
    session: Any, town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_resident: SignIn
) -> None:
    assert "登录签到" in client.get(door(date)).text
    page = as_resident(client, town.residents[0]).get(door(date)).text
    assert f'name="who" value="{signed[0].id}"' in page
    for _ in range(2):
        done = client.post(door(date), data={"who": [signed[0].id, signed[1].id]}, follow_redirects=True)
        assert "签到好了" in done.text
    assert came(session) == {signed[0].person_key: True}, "a neighbour's sign-up is not theirs to check in"


def test_the_code_works_around_its_time_only_and_only_for_its_date(
    session: Any, town: Town, make: Make, date: EntrySession, signed: list[SignUp], client: FlaskClient,
    as_resident: SignIn,
) -> None:  # fmt: skip
    as_resident(client, town.residents[0])
    for moment, words in ((NOW - timedelta(hours=2), "起才能签到"), (date.ends_at + timedelta(minutes=30), "已经结束")):
        with clock.frozen(moment):
            assert words in client.get(door(date)).text
            assert client.post(door(date), data={"who": signed[0].id}).status_code == 409
    session.rollback()
    other = make.entry(town.centres["A1"]).sessions[0]
    wrong = f"/attend/{other.id}/{codes.of_date(date.id)}"
    assert client.get(wrong).status_code == client.post(wrong).status_code == 404
    assert came(session) == {}


def test_without_a_sign_up_a_free_place_is_taken_and_no_more(
    session: Any,
    town: Town,
    entry: Entry,
    date: EntrySession,
    signed: list[SignUp],
    client: FlaskClient,
    as_resident: SignIn,
) -> None:
    entry.capacity = 4
    session.commit()
    assert "有名额就能参加" in as_resident(client, town.residents[3]).get(door(date)).text
    assert "签到好了" in client.post(door(date), data={"for": "me"}, follow_redirects=True).text
    client.post(door(date), data={"for": "me"})
    session.rollback()
    assert entry.taken == 4
    row = session.scalars(select(SignUp).where(SignUp.resident_id == town.residents[3].id)).one()
    assert (row.status, row.note) == ("confirmed", "现场报名")
    as_resident(client, town.residents[4])
    assert "名额已经满了" in client.post(door(date), data={"for": "me"}).text
    assert came(session) == {row.person_key: True}


def test_whoever_stands_in_line_comes_before_a_walk_in_until_it_begins(
    session: Any,
    town: Town,
    entry: Entry,
    date: EntrySession,
    signed: list[SignUp],
    client: FlaskClient,
    as_resident: SignIn,
) -> None:
    entry.waiting = 1  # a party of three that the two places left are too few for
    session.commit()
    as_resident(client, town.residents[3])
    assert client.post(door(date), data={"for": "me"}).status_code == 409
    with clock.frozen(date.starts_at):
        assert client.post(door(date), data={"for": "me"}).status_code == 303


def test_nothing_to_sign_up_for_is_one_tap_for_the_whole_family(
    session: Any, town: Town, entry: Entry, date: EntrySession, client: FlaskClient, as_resident: SignIn
) -> None:
    mother = Relative(resident_id=town.residents[0].id, name="王秀英", relation="母亲", created_at=NOW)
    session.add(mother)
    entry.walk_in, entry.capacity = True, None
    session.commit()
    as_resident(client, town.residents[0])
    assert "不用报名" in client.get(door(date)).text
    client.post(door(date), data={"for": "me"})
    client.post(door(date), data={"for": mother.id})
    assert came(session) == {f"r{town.residents[0].id}": True, f"v{mother.id}": True}
    assert session.scalars(select(SignUp)).all() == []
    assert {r.resident_id for r in session.scalars(select(Attendance))} == {town.residents[0].id}
    assert client.post(door(date), data={"for": "999999"}).status_code in (404, 409, 422)


def test_what_staff_corrected_is_not_undone_by_scanning_again(
    session: Any, town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_resident: SignIn
) -> None:
    person = signed[0].person_key
    as_resident(client, town.residents[0]).post(door(date), data={"who": signed[0].id})
    later = NOW + timedelta(minutes=5)
    with writing():
        actions.mark(town.actor("A1"), date.id, [Mark("correction", person, False, later, "list")], [], later)
    with clock.frozen(later + timedelta(minutes=1)):
        client.post(door(date), data={"who": signed[0].id})
        assert "工作人员记的是没有到" in client.get(door(date)).text
    assert came(session) == {person: False}


# Walk-ins by surname and last digits ----------------------------------------------------------------------------------


def test_a_walk_in_by_tail_is_the_person_on_the_roster_or_one_more_but_never_double(
    session: Any, town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_staff: SignIn,
    as_resident: SignIn,
) -> None:  # fmt: skip
    at = desk(client, as_staff, town, date)
    session.rollback()
    town.residents[0].phone, town.residents[3].phone = "19900001234", "19900005678"
    session.commit()
    client.post(f"{at}/walk-in", data={"surname": "居", "tail": "1234", "once": "first-once"})
    assert came(session) == {signed[0].person_key: True}
    for once in ("once-once", "twice-once"):
        client.post(f"{at}/walk-in", data={"surname": " 居 ", "tail": "尾号 5678", "once": once})
    client.post(f"{at}/ticks", data={"tick": [tick("from-a-phone", "+居5678")]})
    assert len(came(session)) == 2
    page = client.get(at).text
    assert "居（现场登记）" in page and "5678" in page
    # She then scans the code herself: it is still her.
    as_resident(client, town.residents[3]).post(door(date), data={"for": "me"})
    assert came(session) == {signed[0].person_key: True, f"r{town.residents[3].id}": True}


@pytest.mark.parametrize(
    ("number", "free", "home", "shown"),
    [("19900005678", 2, "A1", "居民"), ("199-0000-5678", 0, "A1", "居民"), ("19900005678", 2, "B1", "<b>居</b>"),
     ("13800139137", 2, "", "居")],
)  # fmt: skip
def test_a_walk_in_with_a_whole_number_takes_a_place_and_is_asked_how_it_was(
    session: Any, town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_staff: SignIn,
    number: str, free: int, home: str, shown: str,
) -> None:  # fmt: skip
    """One place and one person, also when the last digits were noted before; full, they are let in without one. A
    number is no key to the name of somebody from elsewhere."""
    at, entry = desk(client, as_staff, town, date), date.entry
    session.rollback()
    before = entry.taken
    entry.capacity = before + free
    if home:
        town.residents[3].phone, town.residents[3].home_centre_id = "19900005678", town.centres[home].id
    session.commit()
    client.post(f"{at}/walk-in", data={"surname": "居", "tail": number[-4:], "once": "only-the-tail"})
    for once in ("first-once", "twice-once"):
        assert client.post(f"{at}/walk-in", data={"surname": "居", "tail": number, "once": once}).status_code == 303
    client.post(f"{at}/ticks", data={"tick": [tick("from-a-phone", "+居" + number.replace("-", ""))]})
    session.rollback()
    there = [key for key, is_there in came(session).items() if is_there]
    assert len(there) == 1 and there[0][0] == "r"
    session.refresh(entry)
    assert entry.taken == before + (1 if free else 0)
    page = client.get(at).text
    assert shown in page and (home != "B1" or town.residents[3].name not in page)
    session.rollback()
    asked = entry.last_end + timedelta(hours=2)
    with clock.frozen(asked), writing():
        evaluating.ask(entry.id, asked)
    found = session.scalar(select(Evaluation.id).where(Evaluation.resident_id == int(there[0][1:])))
    assert found is not None


@pytest.mark.parametrize(
    ("surname", "tail"), [("", "1234"), ("王", "12"), ("1", "1234"), ("王小明明", "1234"), ("王", "")]
)
def test_a_walk_in_needs_a_surname_and_four_digits(
    session: Any, town: Town, date: EntrySession, client: FlaskClient, as_staff: SignIn, surname: str, tail: str
) -> None:
    at = desk(client, as_staff, town, date)
    answer = client.post(f"{at}/walk-in", data={"surname": surname, "tail": tail})
    assert answer.status_code == 422 and "手机号最后 4 位" in answer.text
    assert came(session) == {}


def test_two_of_one_name_and_tail_are_chosen_on_the_roster(
    session: Any, town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    town.residents[0].phone, town.residents[1].phone = "19900001234", "19900011234"
    session.commit()
    at = desk(client, as_staff, town, date)
    assert "不止一位" in client.post(f"{at}/walk-in", data={"surname": "居", "tail": "1234"}).text


# Gone through ---------------------------------------------------------------------------------------------------------


def test_going_through_the_roster_says_who_did_not_come(
    session: Any,
    town: Town,
    entry: Entry,
    date: EntrySession,
    signed: list[SignUp],
    client: FlaskClient,
    as_staff: SignIn,
) -> None:
    at = desk(client, as_staff, town, date)
    client.post(f"{at}/ticks", data={"tick": [tick("came-tick", signed[0].person_key)]})
    assert client.post(f"{at}/close").status_code == 409, "it has not begun"
    session.rollback()
    assert queries.came_to(entry).absent == frozenset()
    with clock.frozen(date.ends_at):
        desk(client, as_staff, town, date)
        assert "2 份未到" in client.post(f"{at}/close", follow_redirects=True).text
        assert "待核对" not in client.get("/staff/check-in").text
    session.rollback()
    session.expire_all()
    assert queries.came_to(entry).absent == {signed[1].person_key, signed[2].person_key}
    with clock.frozen(date.ends_at):
        client.post(f"{at}/ticks", data={"tick": [tick("after-all", signed[1].person_key)]})
    session.rollback()
    assert queries.came_to(entry).absent == {signed[2].person_key}


def test_todays_dates_and_the_page_for_no_network(
    app: Flask, town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    desk(client, as_staff, town, date)
    page = client.get("/staff/check-in").text
    assert "智能手机课堂" in page and "0 / 3" in page
    with clock.frozen(NOW + timedelta(days=1)):
        desk(client, as_staff, town, date)
        assert "还没核对名单的" in client.get("/staff/check-in").text
    assert client.get("/staff/check-in/worker.js").mimetype == "text/javascript"
    as_staff(client, town.staff["B1"])
    assert "智能手机课堂" not in client.get("/staff/check-in").text


def test_the_staffs_page_tells_no_telephone(
    town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    page = client.get(desk(client, as_staff, town, date)).text
    assert town.residents[0].phone not in page
    assert f'data-tail="{town.residents[0].phone[-4:]}"' in page
