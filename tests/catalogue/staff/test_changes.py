"""Changes after publication, from the form to everyone's page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from portal.catalogue import rules
from portal.catalogue.actions import changing
from portal.catalogue.models import CANCELLED, PUBLISHED, Entry, EntryChange


def typed(town: Any, entry: Entry, **changes: Any) -> dict[str, Any]:
    return {
        "title": entry.title,
        "category_id": entry.category_id,
        "sessions": "12月13日（周日）8:30–11:00",
        "place": entry.place,
        "audience": entry.audience,
        "mode": "limited",
        "capacity": "30",
        "unit": "人",
        "content": entry.content,
        "organiser": entry.organiser,
        "contact": entry.contact,
        "phone": entry.phone,
        "version": entry.version,
        "reason": "场地临时占用",
        "do": "ask",
    } | changes


def fresh(session: Any, model: Any, key: int) -> Any:
    session.rollback()
    return session.get(model, key)


def test_first_a_look_then_asked_then_agreed(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    entry = make.entry(town.centres["A1"], title="读书会", taken=12, waiting=2)
    url, key = f"/staff/catalogue/{entry.id}/change", entry.id
    as_staff(client, town.operator["A1"])
    page = client.get(url).text
    assert "已有 <b>12</b> 位报名、2 位候补" in page
    assert "要等发布单位同意才生效" in page
    look = client.post(url, data=typed(town, entry, place="二楼会议室", do="preview"))
    assert look.status_code == 200
    assert "会这样通知14 位报名的人" in look.text
    assert "地点由 一楼大厅 改为 二楼会议室，因场地临时占用。" in look.text
    session.rollback()
    assert session.scalars(select(EntryChange)).all() == []
    session.rollback()
    asked = client.post(url, data=typed(town, entry, place="二楼会议室"))
    assert asked.status_code == 303
    assert fresh(session, Entry, key).place == "一楼大厅"
    change = session.scalars(select(EntryChange)).one()
    assert "已有一个变更在等确认" in client.get(url).text
    as_staff(client, town.staff["D"])
    queue = client.get("/staff/catalogue/changes").text
    assert "<del>一楼大厅</del> <ins>二楼会议室</ins>" in queue
    assert "同意，并通知 14 位" in queue
    client.post(f"/staff/catalogue/changes/{change.id}/apply")
    row = fresh(session, Entry, key)
    assert (row.place, row.change_note) == ("二楼会议室", "地点由 一楼大厅 改为 二楼会议室，因场地临时占用。")
    assert row.change_note in client.get(f"/services/{key}").text


def test_mistakes_keep_what_was_typed(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    entry = make.entry(town.centres["A1"], taken=12)
    url = f"/staff/catalogue/{entry.id}/change"
    as_staff(client, town.staff["A1"])
    for change, message in (
        ({"reason": ""}, "请写明原因"),
        ({"place": "二楼会议室", "sessions": "12月13日 11:00-8:30"}, "结束时间"),
        ({"capacity": "5"}, "名额不能少于 12"),
        ({}, "没有需要变更的地方"),
        ({"place": "二楼", "version": entry.version + 3}, "刚刚有变动"),
    ):
        refused = client.post(
            url, data=typed(town, entry, content="打了很久的字" if change else entry.content, **change)
        )
        assert refused.status_code in (409, 422), change
        assert message in refused.text, change
        assert "打了很久的字" in refused.text or not change
    session.rollback()
    assert session.scalars(select(EntryChange)).all() == []


def test_a_session_may_be_put_off_into_the_next_month(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    entry = make.entry(town.centres["A1"])
    as_staff(client, town.staff["D"])
    client.post(f"/staff/catalogue/{entry.id}/change", data=typed(town, entry, sessions="1月3日 9:00-11:00"))
    assert fresh(session, Entry, entry.id).first_start.year == 2027


def test_cancelling_needs_a_reason(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    entry = make.entry(town.centres["A1"], taken=3)
    as_staff(client, town.staff["D"])
    url = f"/staff/catalogue/{entry.id}/cancel"
    refused = client.post(url, data={"reason": "", "version": entry.version})
    assert refused.status_code == 422
    assert "请写明取消的原因" in refused.text
    assert fresh(session, Entry, entry.id).status == PUBLISHED
    done = client.post(url, data={"reason": "台风", "version": entry.version})
    assert "已报名的 3 位会收到通知" in client.get(done.location).text
    row = fresh(session, Entry, entry.id)
    assert (row.status, row.change_note) == (CANCELLED, "活动取消，因台风。")


def test_refused_with_a_reason_or_taken_back(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    first, second = make.entry(town.centres["A1"]), make.entry(town.centres["A1"])
    changes = [changing.cancel_entry(town.actor("A1"), e, "人太少", make.now).id for e in (first, second)]
    session.commit()
    as_staff(client, town.staff["D"])
    url = f"/staff/catalogue/changes/{changes[0]}/refuse"
    silent = client.post(url, data={"reason": ""})
    assert silent.status_code == 422
    assert "请写明不同意的理由" in silent.text
    client.post(url, data={"reason": "请改成小班"})
    change = fresh(session, EntryChange, changes[0])
    assert (change.status, change.decision_reason) == ("refused", "请改成小班")
    as_staff(client, town.staff["A1"])
    assert "请改成小班" in client.get(f"/staff/catalogue/changes/{changes[0]}").text
    client.post(f"/staff/catalogue/changes/{changes[1]}/take-back")
    assert fresh(session, EntryChange, changes[1]).status == "taken_back"


def test_neither_inspector_nor_neighbour_decides(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    entry = make.entry(town.centres["A1"])
    change = changing.cancel_entry(town.actor("A1"), entry, "人太少", make.now).id
    session.commit()
    as_staff(client, town.inspector["D"])
    assert client.get(f"/staff/catalogue/changes/{change}").status_code == 200
    for end in ("apply", "refuse", "take-back"):
        assert client.post(f"/staff/catalogue/changes/{change}/{end}", data={"reason": "x"}).status_code == 403
    as_staff(client, town.staff["B1"])
    assert client.get(f"/staff/catalogue/changes/{change}").status_code == 404
    assert client.post(f"/staff/catalogue/changes/{change}/apply").status_code == 404
    as_staff(client, town.staff["A1"])
    client.post(f"/staff/catalogue/changes/{change}/apply")
    assert fresh(session, EntryChange, change).status == "asked"  # who asks does not decide


def test_the_publisher_finds_and_undoes_what_was_told_at_once(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    begins = make.now + timedelta(hours=6)
    soon = make.entry(town.centres["A1"], [(begins, begins + timedelta(hours=1))], title="晚上的课")
    past = make.entry(town.centres["A1"], [(begins, begins + timedelta(hours=1))], title="从前的课")
    change, old = (changing.cancel_entry(town.actor("A1"), entry, "停电", make.now) for entry in (soon, past))
    old.asked_at = make.now - rules.TOLD_LISTED
    session.commit()
    as_staff(client, town.staff["A"])
    assert "晚上的课" not in client.get("/staff/catalogue/changes").text  # the street does not decide
    as_staff(client, town.staff["D"])
    page = client.get("/staff/catalogue/changes").text
    assert "另有 <b>1</b> 个临时变动已经生效" in page and "晚上的课" in page and "从前的课" not in page
    assert "没有等您确认的变更" not in page
    undo = f"/staff/catalogue/changes/{change.id}/undo"
    assert f'action="{undo}"' in page
    assert client.post(undo, data={"reason": "来电了"}).status_code == 303
    assert fresh(session, Entry, soon.id).status == PUBLISHED
    page = client.get("/staff/catalogue/changes").text
    assert "晚上的课" not in page and "没有等您确认的变更" in page
