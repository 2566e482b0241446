"""The staff's pages, what waits, and one's own data (SPEC S7, S9, P8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from portal.cases.queries import waits_for as to_call_back
from portal.core import clock, registry
from portal.core.audit import AuditLog
from portal.feedback import actions, calling, queries
from portal.feedback.models import DONE, CallBack, Evaluation
from portal.people.actions import resident_records as people
from tests.factories import NOW, Town
from tests.feedback.conftest import Asked

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Low = Callable[..., CallBack]
HTMX = {"HX-Request": "true"}


def test_a_call_back_from_list_to_end(session: Any, town: Town, low: Low, client: FlaskClient, as_staff: Any) -> None:
    call = low(words="灯坏了一半")
    as_staff(client, town.staff["A1"])
    listed = client.get("/staff/feedback").text
    assert "书法课" in listed and "灯坏了一半" in listed and "等本中心的有 1 件" in listed
    base = f"/staff/feedback/call-backs/{call.id}"
    page = client.get(base).text
    assert "我来回访" in page and "199****0000" in page and "19900000000" not in page
    assert "由您" not in page and "居民甲" in page
    assert client.post(f"{base}/claim").status_code == 303
    assert "我来接手" not in client.get(base).text, "it is already mine"
    assert "没联系上" in client.post(f"{base}/try", data={"reason": "没人接"}, headers=HTMX).text
    shown = client.post(f"{base}/phone", headers=HTMX).text
    assert "199 0000 0000" in shown
    session.rollback()
    assert session.scalar(select(func.count()).where(AuditLog.verb == "unmask")) == 1
    done = client.post(f"{base}/close", data={"outcome": "已解决", "reason": "已换灯"}, headers=HTMX)
    assert done.status_code == 200 and "已换灯" in done.text and "办结并告诉居民" not in done.text
    assert "没有要回访的" in client.get("/staff/feedback").text
    assert "书法课" in client.get("/staff/feedback?show=done").text
    assert "已换灯" in client.get(f"/rate/{call.evaluation.token}").text


@pytest.mark.parametrize(
    ("step", "data", "sentence"),
    [
        ("close", {"reason": "打通了"}, "请选一个回访结果"),
        ("close", {"outcome": "已解决"}, "请写明原因"),
        ("hand-up", {"reason": " "}, "请写明原因"),
        ("try", {"reason": "长" * 301}, "最多 300 个字"),
    ],
)
def test_a_refusal_stands_beside_its_form(
    session: Any, town: Town, low: Low, client: FlaskClient, as_staff: Any, step: str, data: dict[str, str],
    sentence: str,
) -> None:  # fmt: skip
    call = low()
    as_staff(client, town.staff["A1"])
    answer = client.post(f"/staff/feedback/call-backs/{call.id}/{step}", data=data)
    assert answer.status_code == 422 and sentence in answer.text and data.get("reason", "") in answer.text
    session.rollback()
    assert session.get_one(CallBack, call.id).tries == 0


def test_who_comes_second_is_told(town: Town, low: Low, client: FlaskClient, as_staff: Any) -> None:
    call = low()
    as_staff(client, town.staff["A1"])
    base, data = f"/staff/feedback/call-backs/{call.id}", {"outcome": "已解决", "reason": "好了"}
    assert client.post(f"{base}/close", data=data).status_code == 303
    again = client.post(f"{base}/close", data=data)
    assert again.status_code == 409 and "现在的状态不能做这一步" in again.text


def test_the_number_beside_the_name_opens_what_it_counts(
    town: Town, low: Low, client: FlaskClient, as_staff: Any
) -> None:
    """Only a late one of a centre below waits: it is what the page opens on, until something else is chosen."""
    low()
    with clock.frozen(NOW + timedelta(days=8)):
        as_staff(client, town.staff["A"])
        assert "书法课" in client.get("/staff/feedback").text
        assert "没有要回访的" in client.get("/staff/feedback?show=here").text
    with clock.frozen(NOW):
        as_staff(client, town.staff["A"])
        assert "没有要回访的" in client.get("/staff/feedback").text


def test_handed_up_is_watched_from_below(
    session: Any, town: Town, low: Low, client: FlaskClient, as_staff: Any
) -> None:
    call = low()
    as_staff(client, town.staff["A1"])
    base = f"/staff/feedback/call-backs/{call.id}"
    assert client.post(f"{base}/hand-up", data={"reason": "要街道协调"}).status_code == 303
    page = client.get(base).text
    assert "已交给甲街道" in page and "交上级</button>" not in page and "要街道协调" in page
    assert "书法课" in client.get("/staff/feedback?show=handed").text
    assert client.post(f"{base}/claim").status_code == 409
    as_staff(client, town.staff["A"])
    assert "书法课" in client.get("/staff/feedback").text and "我来回访" in client.get(base).text


def test_the_inbox_asks_the_right_people(session: Any, town: Town, low: Low) -> None:
    call = low(words="门锁着")
    due = call.due_at

    def seen(key: str, now: Any) -> list[str]:
        return [item.tone for item in registry.waiting_lines(town.actor(key), now, to_call_back)]

    assert seen("A1", NOW) == ["neutral"] and seen("A1-OP", NOW) == ["neutral"]
    assert seen("A", NOW) == seen("D", NOW) == seen("A2", NOW) == seen("D-LOOK", NOW) == seen("ZFB", NOW) == []
    assert seen("A1", due - 2 * HOUR) == ["gold"] and seen("A1", due + HOUR) == ["red"]
    assert seen("A", due + HOUR) == [] and seen("A", due + DAY) == ["red"], "from below only what nobody pressed on"
    calling.claim(town.actor("A1-OP"), call.id, NOW)
    assert seen("A1-OP", NOW) == ["neutral"] and seen("A1", NOW) == [], "a colleague has it"
    calling.hand_up(town.actor("A1-OP"), call.id, "要街道协调", NOW)
    assert seen("A", NOW) == ["neutral"] and seen("A1", NOW) == []
    [item] = registry.waiting_lines(town.actor("A"), NOW, to_call_back)
    assert item.due == due and "甲一社区" in item.detail and item.url.endswith(str(call.id))


def test_evaluations_are_filtered_and_nameless(
    session: Any, town: Town, asked: Asked, client: FlaskClient, as_staff: Any
) -> None:
    for number, (stars, title) in enumerate(((5, "书法课"), (1, "体检"), (4, "合唱"), (3, "合唱"))):
        asked(number, stars=stars, title=title, group=f"venue:{title}", words=f"第{number}句")
    asked(4, "B1", stars=1, title="别处的课")
    as_staff(client, town.staff["A"])
    page = client.get("/staff/feedback/evaluations").text
    assert all(f"第{n}句" in page for n in range(4)) and "别处的课" not in page
    assert "问了 4 位，4 位评了，平均 3.3 星" in page
    assert not any(person.name in page for person in town.residents)
    one = client.get("/staff/feedback/evaluations?stars=1").text
    assert "体检" in one and "合唱" not in one
    assert "第2句" in client.get("/staff/feedback/evaluations?group=venue:合唱").text
    assert "没有这样的评价" in client.get("/staff/feedback/evaluations?month=2026-10").text
    assert "第1句" in client.get("/staff/feedback/evaluations?month=2026-11&stars=9&kind=x&page=0").text


def test_averages_mark_small_samples_and_open_their_records(
    session: Any, town: Town, asked: Asked, client: FlaskClient, as_staff: Any
) -> None:
    for number in range(5):
        asked(number, stars=4 if number else 1, group="venue:多", title="多人课")
    asked(0, stars=1, group="venue:少", title="少人课")
    asked(1, group="venue:无", title="没人评")
    as_staff(client, town.staff["A1"])
    page = client.get("/staff/feedback/averages").text
    assert page.index("多人课") < page.index("少人课") and "没人评" not in page
    assert page.count(">样本少<") == 1 and "3.4" in page
    assert "group=venue:%E5%A4%9A" in page
    assert (
        client.get("/staff/feedback/evaluations?group=venue:多").text.count('<td class="nowrap"><span class="tag') == 5
    )


def test_both_lists_begin_with_the_last_months_and_reach_all(
    session: Any, town: Town, asked: Asked, client: FlaskClient, as_staff: Any
) -> None:
    asked(0, stars=5, title="新课", group="activity:新", words="刚评的")
    asked(1, stars=2, title="老课", group="activity:老", words="去年评的")
    old = NOW - timedelta(days=200)
    session.execute(update(Evaluation).where(Evaluation.title == "老课").values(asked_at=old, given_at=old))
    session.commit()
    as_staff(client, town.staff["A"])
    for path, new, past in (("evaluations", "刚评的", "去年评的"), ("averages", "新课", "老课")):
        recent = client.get(f"/staff/feedback/{path}").text
        assert new in recent and past not in recent and "近 90 天" in recent
        assert past in client.get(f"/staff/feedback/{path}?month=all").text
        assert past in client.get(f"/staff/feedback/{path}?month={clock.month_of(old)}").text


def test_the_export_holds_ones_own_answers(session: Any, town: Town, low: Low) -> None:
    low(words="门锁着")
    parts = [source(town.residents[0].id) for name, source in registry.personal_sources.items() if "feedback" in name]
    [own] = parts[0]["评价"]
    assert (own["服务"], own["星"], own["留言"], own["回访"]) == ("书法课", 1, "门锁着", "待回访")
    assert queries.personal(town.residents[1].id) == []


def test_erasing_leaves_stars_without_words_or_links(
    session: Any, town: Town, low: Low, asked: Asked, client: FlaskClient
) -> None:
    call, pending, other = low(words="我是居民甲"), asked(), asked(1, stars=5, words="别人")
    token, pending_id = call.evaluation.token, pending.id
    people.erase_resident(town.resident_actor(0), town.residents[0], NOW + HOUR)
    session.commit()
    session.expire_all()
    row = call.evaluation
    assert (row.stars, row.words, call.status, call.outcome) == (1, "", DONE, "居民已注销")
    assert session.get(Evaluation, pending_id) is None and other.words == "别人"
    assert client.get(f"/rate/{token}").status_code == 404
    assert registry.due_jobs and actions.invite([], NOW) == 0


def test_my_page_follows_the_call_back(
    session: Any, town: Town, low: Low, client: FlaskClient, as_resident: Any
) -> None:
    call = low()
    as_resident(client, town.residents[0])
    assert "等我们回访" in client.get("/me").text
    with clock.frozen(call.due_at + HOUR):
        assert "回访晚了" in client.get("/me").text
        assert "已经晚了" in client.get(f"/rate/{call.evaluation.token}").text
    session.rollback()
    calling.close(town.actor("A1"), call.id, "已解决", "好了", NOW)
    session.commit()
    me = client.get("/me").text
    assert "已回访" in me and "没解决可以在" in me
    with clock.frozen(NOW + 8 * DAY):
        assert f"/rate/{call.evaluation.token}" not in client.get("/me").text


def test_pending_of_tells_the_nearest_deadline_first(session: Any, town: Town, asked: Asked) -> None:
    late, early = asked(now=NOW + DAY), asked()
    asked(stars=5)
    found = queries.pending_of(town.residents[0].id, NOW + DAY)
    assert [row.id for row in found] == [early.id, late.id]
    assert queries.asked_of("test", early.subject_id) == [early]
    assert queries.pending_of(town.residents[0].id, NOW + 30 * DAY) == []


def test_lists_send_a_fixed_number_of_statements(
    session: Any, town: Town, low: Low, client: FlaskClient, as_staff: Any, count_queries: Any
) -> None:
    as_staff(client, town.staff["A1"])
    paths = ("/staff/feedback?show=all", "/staff/feedback/evaluations", "/staff/feedback/averages")
    seen: list[list[int]] = []
    for number in (2, 20):
        for index in range(number):
            low(number=index % 5, group=f"venue:{number}-{index}", words="话")
        numbers = []
        for path in paths:
            with count_queries() as statements:
                assert client.get(path).status_code == 200
            numbers.append(len(statements))
        seen.append(numbers)
    assert seen[0] == seen[1]
