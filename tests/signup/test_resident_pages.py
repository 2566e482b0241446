"""The thumb bar and its answers, with and without HTMX (SPEC S1, S2, S4; Q1, Q2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from icalendar import Calendar
from sqlalchemy import select

from portal.catalogue.models import Entry
from portal.core import clock
from portal.people.models import Relative
from portal.signup import actions, queries
from portal.signup.models import SignUp
from tests.factories import NOW, Make, Town
from tests.signup import counts

HTMX = {"HX-Request": "true"}
SignIn = Callable[[FlaskClient, Any], FlaskClient]


@pytest.fixture
def entry(town: Town, make: Make) -> Entry:
    return make.entry(town.centres["A1"], capacity=2, title="净滩行动", max_companions=2)


def mine(session: Any, person: Any) -> list[SignUp]:
    session.rollback()
    return list(session.scalars(select(SignUp).where(SignUp.resident_id == person.id).order_by(SignUp.id)))


def take(session: Any, town: Town, entry: Entry, people: int, companions: int = 0) -> list[SignUp]:
    rows = [actions.sign_up(town.resident_actor(n), entry.id, None, companions, NOW) for n in range(people)]
    session.commit()
    return rows


def test_one_confirm(session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn) -> None:
    as_resident(client, town.residents[0])
    page = client.get(f"/services/{entry.id}").text
    assert "确认报名" in page
    assert f'action="/services/{entry.id}/sign-up"' in page
    answer = client.post(f"/services/{entry.id}/sign-up", data={"for": "me"})
    assert answer.status_code == 303
    row = mine(session, town.residents[0])[0]
    assert answer.location == f"/services/{entry.id}/sign-up?new={row.id}"
    after = client.get(answer.location).text
    assert '<h1 tabindex="-1" autofocus>报上了</h1>' in after
    assert '12月13日（周日）<span class="whole">8:30–11:00</span>' in after
    again = client.post(f"/services/{entry.id}/sign-up", data={"for": "me"})
    assert again.location == answer.location
    assert counts(session, entry) == (1, 0)


def test_one_page_for_everybody_tells_all_of_it(
    session: Any, town: Town, make: Make, client: FlaskClient, as_resident: SignIn
) -> None:
    """With JavaScript as without: who, when, where, what to bring, until when, calendar, family, my services (S1)."""
    entry = make.entry(
        town.centres["A1"], title="净滩行动", max_companions=2, content="一起捡垃圾。请自带水杯和防滑鞋；手套我们发。",
        withdraw_until=NOW + timedelta(days=10),
    )  # fmt: skip
    as_resident(client, town.residents[0])
    form = {"for": "me", "companions": "1"}
    scripted = client.post(f"/services/{entry.id}/sign-up", data=form, headers=HTMX)
    row = mine(session, town.residents[0])[0]
    address = f"/services/{entry.id}/sign-up?new={row.id}"
    assert (scripted.status_code, scripted.headers["HX-Redirect"], row.places) == (200, address, 2)
    assert client.post(f"/services/{entry.id}/sign-up", data=form).location == address
    page = client.get(address).text
    for words in (
        "报上了", "共 2 位", "<b>13</b> 12月 周日", "净滩行动", "一楼大厅", "请自带水杯和防滑鞋", "陈社工",
        "12月5日 10:00 前可自行退出", "开始前一天和前 2 小时会提醒", f"/services/{entry.id}/sign-up.ics", 'href="/me"',
        "我报上了《净滩行动》", "有事打电话：陈社工 0755-8420 0001",
    ):  # fmt: skip
        assert words in page, words
    assert "浏览器打开" not in page
    wechat = client.get(address, headers={"User-Agent": "Mozilla/5.0 MicroMessenger/8.0"}).text
    assert "在浏览器打开" in wechat


def test_calendar_of_a_sign_up(session: Any, town: Town, make: Make, client: FlaskClient) -> None:
    """The sessions to come, each under its name in the centre's calendar; open to the browser WeChat hands on to."""
    a1, day = town.centres["A1"], timedelta(days=1)
    entry = make.entry(a1, [(NOW - day, NOW - day + timedelta(hours=1)), (NOW + day, NOW + day + timedelta(hours=1))])
    answer = client.get(f"/services/{entry.id}/sign-up.ics")
    assert answer.mimetype == "text/calendar" and "activity-" in answer.headers["Content-Disposition"]
    events = list(Calendar.from_ical(answer.data).walk("VEVENT"))
    assert [e.decoded("dtstart") for e in events] == [NOW + day]
    assert str(events[0]["uid"]) == f"entry-{entry.id}-{entry.sessions[1].id}@saoma-diandan"
    assert b"BEGIN:VALARM" in answer.data and b"TZID" not in answer.data
    entry.status = "cancelled"
    session.commit()
    assert b"STATUS:CANCELLED" in client.get(f"/services/{entry.id}/sign-up.ics").data
    assert client.get("/services/99999/sign-up.ics").status_code == 404


def test_full_shows_the_number_in_the_queue(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn
) -> None:
    take(session, town, entry, 3)
    as_resident(client, town.residents[3])
    assert "加入候补" in client.get(f"/services/{entry.id}").text
    client.post(f"/services/{entry.id}/sign-up", data={"for": "me"}, headers=HTMX)
    full = client.get(f"/services/{entry.id}/sign-up").text
    assert "候补第 2 位" in full and "前面还有 1 人" in full
    assert "存到手机日历" not in full and "报上了" not in full  # nothing is sure yet


def test_signing_in_on_the_way_keeps_the_intention(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn
) -> None:
    page = client.get(f"/services/{entry.id}").text
    assert f'/login?next=/services/{entry.id}"' in page
    answer = client.post(f"/services/{entry.id}/sign-up", data={"for": "7"})
    assert (answer.status_code, answer.location) == (303, f"/login?next=/services/{entry.id}?for%3D7")
    lost = client.post(f"/services/{entry.id}/sign-up", data={"for": "7"}, headers=HTMX)
    assert lost.headers["HX-Redirect"] == answer.location
    assert not session.scalars(select(SignUp)).all()


def test_chosen_relative_is_still_chosen_after_the_login(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn
) -> None:
    person = Relative(resident_id=town.residents[0].id, name="王奶奶", relation="母亲", created_at=NOW)
    session.add(person)
    session.commit()
    as_resident(client, town.residents[0])
    page = client.get(f"/services/{entry.id}?for={person.id}").text
    assert f'<option value="{person.id}" selected>母亲（王奶奶）</option>' in page
    client.post(f"/services/{entry.id}/sign-up", data={"for": str(person.id)})
    assert mine(session, town.residents[0])[0].relative_id == person.id
    # The person is no longer offered, oneself still is.
    after = client.get(f"/services/{entry.id}").text
    assert "王奶奶" in after
    assert "母亲（王奶奶）" not in after
    assert "再报一位" in after


def test_profile_without_a_name_is_completed_first(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn
) -> None:
    town.residents[0].name = ""
    session.commit()
    as_resident(client, town.residents[0])
    answer = client.post(f"/services/{entry.id}/sign-up", data={"for": "me"})
    assert answer.status_code == 303
    assert answer.location.startswith("/me/profile?next=")
    assert not mine(session, town.residents[0])


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"for": "me", "companions": "3"}, 409, "最多带 2 人"),
        ({"for": "me", "companions": "abc"}, 409, "请填数字"),
        ({"for": "me", "companions": "-1"}, 409, "请填数字"),
        ({"for": "99999"}, 422, "没有找到这位家人"),
        ({"for": "x' or 1"}, 422, "没有找到这位家人"),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_odd_input_is_answered_in_place(
    session: Any,
    town: Town,
    entry: Entry,
    client: FlaskClient,
    as_resident: SignIn,
    form: dict[str, str],
    status: int,
    said: str,
    headers: dict[str, str],
) -> None:
    as_resident(client, town.residents[0])
    answer = client.post(f"/services/{entry.id}/sign-up", data=form, headers=headers)
    assert answer.status_code == status
    assert said in answer.text
    assert 'role="alert"' in answer.text
    assert "确认报名" in answer.text  # the form is still there
    assert not mine(session, town.residents[0])


def test_closed_says_what_to_do_instead(
    session: Any, town: Town, make: Make, client: FlaskClient, as_resident: SignIn
) -> None:
    entry = make.entry(town.centres["A1"], sign_up_until=NOW - timedelta(days=1))
    draft = make.entry(town.centres["A1"], status="draft")
    as_resident(client, town.residents[0])
    for answer in (
        client.get(f"/services/{entry.id}"),
        client.post(f"/services/{entry.id}/sign-up", data={"for": "me"}),
    ):
        assert "报名已在 11月24日 10:00 截止。" in answer.text
        assert 'href="tel:0755' in answer.text
    assert client.post("/services/99999/sign-up", data={"for": "me"}).status_code == 404
    assert client.post(f"/services/{draft.id}/sign-up", data={"for": "me"}).status_code == 404


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_withdraw(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn, headers: dict[str, str]
) -> None:
    rows = take(session, town, entry, 3)
    as_resident(client, town.residents[0])
    answer = client.post(f"/services/{entry.id}/withdraw", data={"sign_up": rows[0].id}, headers=headers)
    target = answer.headers["HX-Redirect"] if headers else answer.location
    assert (answer.status_code, target) == (200 if headers else 303, f"/services/{entry.id}")
    assert "已退出，名额让给下一位" in client.get(target).text
    session.rollback()
    assert [r.status for r in rows] == ["withdrawn", "confirmed", "confirmed"]


def test_withdraw_without_naming_it(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn
) -> None:
    take(session, town, entry, 1)
    as_resident(client, town.residents[0])
    assert client.post(f"/services/{entry.id}/withdraw").status_code == 303
    assert mine(session, town.residents[0])[0].status == "withdrawn"
    assert client.post(f"/services/{entry.id}/withdraw").status_code == 404


def test_keeping_part_of_a_party(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn
) -> None:
    entry.capacity = 3
    session.commit()
    rows = take(session, town, entry, 1, 2)
    as_resident(client, town.residents[0])
    page = client.get(f"/services/{entry.id}").text
    assert "1 位不来，只留 2 位" in page and "2 位不来，只留 1 位" in page and "都不来了，全部退出" in page
    for left in (2, 1):  # one of three companions first, then another
        client.post(f"/services/{entry.id}/withdraw", data={"sign_up": rows[0].id, "keep": str(left)})
        assert mine(session, town.residents[0])[0].places == left and counts(session, entry) == (left, 0)
    for keep in ("2", "x"):
        answer = client.post(f"/services/{entry.id}/withdraw", data={"sign_up": rows[0].id, "keep": keep})
        assert answer.status_code == 409
    assert counts(session, entry) == (1, 0)


def test_another_persons_sign_up_cannot_be_touched(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn
) -> None:
    rows = take(session, town, entry, 1)
    as_resident(client, town.residents[1])
    for path in ("withdraw", "accept"):
        answer = client.post(f"/services/{entry.id}/{path}", data={"sign_up": rows[0].id, "answer": "yes"})
        assert answer.status_code == 404
    assert "居民甲" not in client.get(f"/services/{entry.id}/sign-up").text
    assert counts(session, entry) == (1, 0)


def test_late_withdrawal_is_refused_with_the_phone(
    session: Any, town: Town, make: Make, client: FlaskClient, as_resident: SignIn
) -> None:
    entry = make.entry(town.centres["A1"], withdraw_until=NOW + timedelta(hours=1))
    rows = take(session, town, entry, 1)
    as_resident(client, town.residents[0])
    with clock.frozen(NOW + timedelta(hours=2)):
        page = client.get(f"/services/{entry.id}").text
        answer = client.post(f"/services/{entry.id}/withdraw", data={"sign_up": rows[0].id})
    assert "以后不能自己退出了" in page
    assert answer.status_code == 409
    assert 'href="tel:0755' in answer.text
    assert counts(session, entry) == (1, 0)


@pytest.mark.parametrize(("said", "status"), [("yes", "confirmed"), ("no", "withdrawn")])
def test_answering_an_offer(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn, said: str, status: str
) -> None:
    rows = take(session, town, entry, 3)
    late = entry.first_start - timedelta(hours=10)
    with clock.frozen(late):
        actions.withdraw(town.resident_actor(0), rows[0].id, late)
        session.commit()
        as_resident(client, town.residents[2])
        assert "我要参加" in client.get(f"/services/{entry.id}").text
        answer = client.post(f"/services/{entry.id}/accept", data={"sign_up": rows[2].id, "answer": said})
        assert answer.status_code == 303
    assert mine(session, town.residents[2])[0].status == status


def test_statements_of_the_panel(
    session: Any, town: Town, entry: Entry, client: FlaskClient, count_queries: Callable[[], Any]
) -> None:
    take(session, town, entry, 3)
    viewer = type("V", (), {"audience": "resident", "id": town.residents[0].id, "name": "甲", "home_centre": None})()
    phone = entry.phone, entry.first_start  # loaded before
    with count_queries() as seen:
        panel = queries.panel(entry, viewer, NOW)
    assert phone
    assert panel.mine[0].label == "已报上"
    assert len(seen) <= 3, seen  # one's own, the household, whether there is a rule for who does not come
    with count_queries() as seen:
        assert queries.panel(entry, None, NOW).signed_in is False
    assert seen == []
