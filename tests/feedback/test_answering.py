"""One tap, words if one likes, a change within days; a low answer opens one call-back (SPEC S7, V6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from portal.cases.models import Case
from portal.core import clock, states
from portal.core.db import db, writing
from portal.feedback import actions, queries
from portal.feedback.errors import BadStars, CannotAnswer, NoSuchEvaluation
from portal.feedback.models import CallBack, Evaluation
from portal.feedback.states import MACHINE
from portal.notices.models import InboxMessage
from tests.factories import NOW, Town
from tests.feedback.conftest import Asked, deliver

DAY = timedelta(days=1)


def again(session: Any, row: Evaluation) -> Evaluation:
    """The row as it stands in the database now."""
    session.rollback()
    session.expire_all()
    return session.get_one(Evaluation, row.id)  # type: ignore[no-any-return]


def calls(session: Any) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(CallBack)) or 0


def test_one_tap_without_a_session_and_without_script(session: Any, client: FlaskClient, asked: Asked) -> None:
    row = asked()
    page = client.get(f"/rate/{row.token}")
    assert page.status_code == 200 and page.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert "书法课" in page.text and page.text.count('name="stars"') == 5
    assert row.resident.name not in page.text and (row.resident.phone or "-") not in page.text
    answer = client.post(f"/rate/{row.token}", data={"stars": "5"})
    assert answer.status_code == 303 and answer.headers["Location"].startswith(f"/rate/{row.token}")
    after = again(session, row)
    assert (after.stars, after.given_via, after.given_at) == (5, "link", NOW)
    told = client.get(f"/rate/{row.token}").text
    assert "谢谢您的评价" in told and "改一改" in told and "打电话给您" not in told


def test_words_and_tags_follow(session: Any, client: FlaskClient, asked: Asked) -> None:
    row = asked(stars=4)
    data = {"tags": ["讲得明白", "办得快"], "words": " 老师很好 "}
    assert client.post(f"/rate/{row.token}/more", data=data).status_code == 303
    after = again(session, row)
    assert (after.stars, after.tags, after.words) == (4, ["办得快", "讲得明白"], "老师很好")
    assert client.post(f"/rate/{row.token}", data={"stars": "2"}).status_code == 303
    after = again(session, row)
    assert (after.stars, after.tags, after.words) == (2, [], "老师很好"), "praise does not stay under two stars"


def test_the_owner_answers_as_himself_and_finds_it_again(
    session: Any, town: Town, client: FlaskClient, as_resident: Any, asked: Asked
) -> None:
    row, waiting = asked(), asked(title="体检")
    as_resident(client, town.residents[0])
    me = client.get("/me").text
    assert "请您评一评" in me and f"/rate/{row.token}" in me
    client.post(f"/rate/{row.token}", data={"stars": "5"})
    assert again(session, row).given_via == "portal"
    own = client.get("/me/evaluations").text
    assert "5 星" in own and f"/rate/{waiting.token}" in own
    assert f"/rate/{row.token}" not in client.get("/me").text, "answered well: nothing waits any more"


def test_a_low_answer_says_who_calls_and_until_when(
    session: Any, town: Town, client: FlaskClient, as_resident: Any, asked: Asked
) -> None:
    row = asked()
    answer = client.post(f"/rate/{row.token}", data={"stars": "2"}, headers={"HX-Request": "true"})
    assert answer.status_code == 200 and "<html" not in answer.text
    session.rollback()
    until = clock.stamp(session.scalars(select(Case.due_at)).one())
    assert f"甲一社区会在 {until} 前打电话给您" in answer.text and "0755-8420 0003" in answer.text
    session.rollback()
    assert f"甲一社区会在 {until} 前" in as_resident(client, town.residents[0]).get("/me").text
    assert deliver() == 1
    letters = list(session.scalars(select(InboxMessage.person_id).where(InboxMessage.audience == "staff")))
    assert sorted(letters) == sorted([town.staff["A1"].id, town.staff["A1-OP"].id])


def test_changing_goes_on_for_days_and_the_call_back_stays(session: Any, asked: Asked) -> None:
    row = asked(stars=1)
    actions.give(row.id, 5, NOW + DAY)
    actions.give(row.id, 1, NOW + 2 * DAY)
    session.commit()
    call = session.scalars(select(CallBack)).one()
    assert call.opened_at == NOW
    assert [h.name for h in states.history(MACHINE, [call.id])] == ["open", "restar", "restar"]
    after = again(session, row)
    assert (after.given_at, after.changed_at) == (NOW, NOW + 2 * DAY)
    with pytest.raises(CannotAnswer):
        actions.give(row.id, 5, NOW + 9 * DAY)


def test_a_good_answer_that_turns_bad_opens_it(session: Any, asked: Asked) -> None:
    row = asked(stars=5)
    assert calls(session) == 0
    actions.give(row.id, 2, NOW + DAY)
    session.commit()
    assert calls(session) == 1


def test_three_stars_call_nobody(session: Any, asked: Asked) -> None:
    asked(stars=3)
    assert calls(session) == 0


BAD = [
    ("", {"stars": "0"}, "请点 1 到 5 颗星"),
    ("", {"stars": "6"}, "请点 1 到 5 颗星"),
    ("", {"stars": "五"}, "请点 1 到 5 颗星"),
    ("", {}, "请点 1 到 5 颗星"),
    ("/more", {"words": "长" * 301}, "最多 300 个字，现在有 301 个字"),
    ("/more", {"tags": "免费"}, "不在名单上"),
    ("/more", {"tags": "等得太久"}, "不在名单上"),
]


@pytest.mark.parametrize(("path", "data", "sentence"), BAD)
@pytest.mark.parametrize("script", [True, False])
def test_bad_input_has_its_sentence_and_keeps_what_was_typed(
    session: Any, client: FlaskClient, asked: Asked, path: str, data: dict[str, str], sentence: str, script: bool
) -> None:
    row = asked(stars=5 if path else None)
    headers = {"HX-Request": "true"} if script else {}
    answer = client.post(f"/rate/{row.token}{path}", data=data, headers=headers)
    assert answer.status_code == 422 and sentence in answer.text
    assert data.get("words", "") in answer.text
    after = again(session, row)
    assert (after.stars, after.words, after.tags) == (5 if path else None, "", [])


def test_words_before_stars_ask_for_the_stars(client: FlaskClient, asked: Asked) -> None:
    answer = client.post(f"/rate/{asked().token}/more", data={"words": "好"})
    assert answer.status_code == 422 and "请点 1 到 5 颗星" in answer.text


@pytest.mark.parametrize("path", ["", "/more", "/again"])
def test_a_guessed_link_is_not_there(client: FlaskClient, asked: Asked, path: str) -> None:
    token = asked().token
    for guess in (token[:-1], token + "A", token.swapcase(), "x" * 500, "字"):
        assert client.post(f"/rate/{guess}{path}", data={"stars": "5"}).status_code == 404
        assert client.get(f"/rate/{guess}").status_code == 404


def test_too_late_is_a_sentence_and_a_door(session: Any, client: FlaskClient, asked: Asked) -> None:
    row = asked()
    with clock.frozen(NOW + 15 * DAY):
        page = client.get(f"/rate/{row.token}")
        assert page.status_code == 200 and "结束了" in page.text and "打电话" in page.text
        assert 'name="stars"' not in page.text
        answer = client.post(f"/rate/{row.token}", data={"stars": "1"})
    assert answer.status_code == 409 and "结束了" in answer.text
    assert again(session, row).stars is None and calls(session) == 0


def test_an_old_answer_cannot_be_changed_and_says_so(session: Any, client: FlaskClient, asked: Asked) -> None:
    row = asked(stars=4)
    with clock.frozen(NOW + 9 * DAY):
        page = client.get(f"/rate/{row.token}").text
        assert "现在不能再改" in page and 'name="stars"' not in page
        assert client.post(f"/rate/{row.token}/more", data={"words": "再说一句"}).status_code == 409
    assert again(session, row).words == ""


def test_what_the_action_refuses(session: Any, asked: Asked) -> None:
    row = asked()
    for stars in (0, 6, -1):
        with pytest.raises(BadStars):
            actions.give(row.id, stars, NOW)
    with pytest.raises(NoSuchEvaluation):
        actions.give(row.id + 1, 5, NOW)


@pytest.mark.own_database
def test_many_presses_at_once_open_one_call_back(app: Flask, session: Any, asked: Asked) -> None:
    row = asked()
    evaluation_id = row.id
    session.rollback()

    def press(number: int) -> str:
        with app.app_context():
            try:
                with writing():
                    actions.give(evaluation_id, 1 + number % 2, NOW)
            finally:
                db.session.remove()
            return "done"

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(press, range(24))) == ["done"] * 24
    assert calls(session) == 1
    assert again(session, row).stars in (1, 2)
    assert deliver() == 1, "and its staff are told once"


def test_averages_need_a_minimum_and_one_statement(session: Any, town: Town, asked: Asked, count_queries: Any) -> None:
    for number in range(4):
        asked(number, stars=5, group="venue:7")
    asked(0, stars=4, group="venue:8")
    asked(1, group="venue:8")
    with count_queries() as seen:
        found = queries.average(["venue:7", "venue:8", "venue:9"])
    assert len([s for s in seen if s.startswith("SELECT")]) == 1
    assert found.keys() == {"venue:7", "venue:8"}
    assert not found["venue:7"].shown and found["venue:8"].count == 1
    asked(4, stars=2, group="venue:7")
    seven = queries.average(["venue:7"])["venue:7"]
    assert (seven.count, seven.stars, seven.shown, seven.text) == (5, 4.4, True, "4.4（5 人）")
    assert queries.average([]) == {}


def test_an_activitys_page_shows_the_average_of_its_series(
    session: Any, town: Town, make: Any, client: FlaskClient, asked: Asked
) -> None:
    from portal.signup.series import series_key

    entry = make.entry(town.centres["A1"], title="书法课（第九期）")
    group = series_key(entry.centre_id, "书法课")
    for number in range(4):
        asked(number, stars=5, group=group)
    assert "人评过" not in client.get(f"/services/{entry.id}").text
    asked(4, stars=4, group=group)
    page = client.get(f"/services/{entry.id}").text
    assert "4.8 分" in page and "5 人评过" in page
