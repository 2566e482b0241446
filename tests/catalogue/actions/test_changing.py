"""After publication: a reason, the publisher's yes, a note on the page, everyone signed up told (SPEC C8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.catalogue import rules, waiting
from portal.catalogue.actions import changing, entry_values
from portal.catalogue.models import CANCELLED, PUBLISHED, Entry
from portal.catalogue.staff import queries
from portal.core import outbox, registry
from portal.core.errors import NotAllowed, Stale
from portal.core.states import NoSuchTransition, ReasonMissing
from portal.notices.models import InboxMessage
from tests.catalogue.wording import approved, published, span
from tests.factories import NOW, Town


def _later(entry: Entry, **changes: Any) -> rules.EntryValues:
    return replace(entry_values.values_of(entry), **changes)


def _effects(session: Any, topic: str) -> list[dict[str, Any]]:
    return list(session.scalars(select(outbox.Outbox.payload).where(outbox.Outbox.topic == topic)))


def test_asked_by_the_community_decided_by_the_district(session: Any, town: Town) -> None:
    entry = published(town)
    values = _later(entry, sessions=(span(5, "8:30", "11:00"),), place="沙滩南门")
    change = changing.ask_change(town.actor("A1"), entry, values, "讲师时间变动", NOW)
    assert (change.status, change.waits_at_id) == ("asked", town.centres["D"].id)
    assert (entry.place, entry.change_note) == ("二楼书吧", "")  # nothing moves before the yes
    assert [w.title for w in registry.waiting_lines(town.actor("D"), NOW, waiting.waits_for)] == [
        "12月清单未交",
        "亲子绘本阅读会",
    ]
    version = entry.version
    changing.apply_change(town.actor("D"), change, NOW)
    assert (entry.status, entry.place, entry.version) == (PUBLISHED, "沙滩南门", version + 1)
    assert [s.starts_at for s in entry.sessions] == [span(5, "8:30").start]
    assert entry.first_start == span(5, "8:30").start
    assert entry.change_note == ("时间由 12月5日 9:00 改为 8:30；地点由 二楼书吧 改为 沙滩南门，因讲师时间变动。")
    assert entry.changed_at == NOW
    assert _effects(session, "entry.changed") == [{"entry_id": entry.id, "change_id": change.id}]
    assert queries.history(entry)[-1].what == "变更生效"


@pytest.mark.once
@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"sessions": (span(5, "8:00", "10:00"),)}, {"sessions": (span(5, "8:30", "10:30"),)},
         "时间由 12月5日 8:00–10:00 改为 8:30–10:30，因下雨。"),
        ({"sessions": (span(5),)}, {"sessions": (span(6),)},
         "时间由 12月5日（周六）9:00–11:00 改为 12月6日（周日）9:00–11:00，因下雨。"),
        ({"capacity": 30}, {"capacity": None}, "名额由 30 人 改为 不限，因下雨。"),
        ({"content": "一"}, {"content": "二"}, "服务内容有更新，因下雨。"),
        ({"sessions": tuple(span(d) for d in (1, 8, 15, 22))}, {"sessions": tuple(span(d) for d in (1, 8, 15))},
         "时间由 12月22日（周二）9:00–11:00 改为 不再举行（其余 3 场不变），因下雨。"),
    ],
)  # fmt: skip
def test_the_sentence(before: dict[str, Any], after: dict[str, Any], words: str) -> None:
    base = rules.EntryValues(month="2026-12", title="净滩", category_id=1, place="沙滩")
    assert rules.change_sentence(replace(base, **before), replace(base, **after), "下雨。") == words
    assert rules.because("因下雨") == "因下雨"
    assert rules.because("由于台风。") == "由于台风"


def test_the_publisher_changes_at_once(session: Any, town: Town) -> None:
    entry = published(town)
    change = changing.ask_change(town.actor("D"), entry, _later(entry, capacity=40), "报名踊跃", NOW)
    assert (change.status, entry.capacity, change.decided_by) == ("applied", 40, "D管理员")
    assert _effects(session, "catalogue.change_asked") == []


def test_refused_and_told(session: Any, town: Town) -> None:
    entry = published(town)
    change = changing.ask_change(town.actor("A1"), entry, _later(entry, place="别处"), "换个地方", NOW)
    with pytest.raises(ReasonMissing):
        changing.refuse_change(town.actor("D"), change, "", NOW)
    changing.refuse_change(town.actor("D"), change, "别处没有无障碍通道", NOW)
    assert (change.status, entry.place) == ("refused", "二楼书吧")
    session.commit()
    outbox.run_due(NOW)
    body = session.scalars(select(InboxMessage.body).where(InboxMessage.title.startswith("变更未同意"))).first()
    assert "别处没有无障碍通道" in body
    again = changing.ask_change(town.actor("A1"), entry, _later(entry, place="一楼"), "换到一楼", NOW)
    changing.take_back_change(town.actor("A1"), again, NOW)
    assert again.status == "taken_back"


@pytest.mark.parametrize("who", ["A2", "B", "A1S", "D-LOOK", "ZFB"])
def test_strangers_ask_nothing(session: Any, town: Town, who: str) -> None:
    entry = published(town)
    with pytest.raises(NotAllowed):
        changing.ask_change(town.actor(who), entry, _later(entry, place="别处"), "想换", NOW)
    with pytest.raises(NotAllowed):
        changing.cancel_entry(town.actor(who), entry, "想取消", NOW)


@pytest.mark.parametrize("who", ["A1", "A", "ZFB", "D-LOOK"])
def test_only_the_publisher_decides(session: Any, town: Town, who: str) -> None:
    entry = published(town)
    change = changing.ask_change(town.actor("A1"), entry, _later(entry, place="别处"), "想换", NOW)
    with pytest.raises(NotAllowed):
        changing.apply_change(town.actor(who), change, NOW)
    assert entry.place == "二楼书吧"


def test_what_is_refused_beside_its_field(session: Any, town: Town) -> None:
    entry = published(town)
    entry.taken = 12
    session.flush()
    asker = town.actor("A1")
    with pytest.raises(entry_values.InvalidRow) as caught:
        changing.ask_change(asker, entry, _later(entry, capacity=11), "换小教室", NOW)
    assert (caught.value.field, caught.value.message) == ("capacity", "已有 12 位报名成功，名额不能少于 12。")
    with pytest.raises(ReasonMissing):
        changing.ask_change(asker, entry, _later(entry, capacity=20), " ", NOW)
    with pytest.raises(changing.NothingChanged):
        changing.ask_change(asker, entry, entry_values.values_of(entry), "没改", NOW)
    with pytest.raises(entry_values.InvalidRow) as caught:
        changing.ask_change(asker, entry, _later(entry, sessions=(span(1, month="2026-12"),)), "提前", span(2).start)
    assert caught.value.field == "sessions"  # that would be in the past
    changing.ask_change(asker, entry, _later(entry, capacity=20), "换大教室", NOW)
    with pytest.raises(changing.ChangeOpen):
        changing.cancel_entry(asker, entry, "不办了", NOW)


def test_a_session_may_be_put_off_into_the_next_month(session: Any, town: Town) -> None:
    entry = published(town)
    change = changing.ask_change(
        town.actor("D"), entry, _later(entry, sessions=(span(3, month="2027-01"),)), "台风", NOW
    )
    assert (change.status, entry.month) == ("applied", "2026-12")


def test_not_published_or_over(session: Any, town: Town) -> None:
    ready = approved(town)
    with pytest.raises(changing.NotPublished):
        changing.ask_change(town.actor("A1"), ready, _later(ready, place="别处"), "想换", NOW)
    over = published(town, title="过去的")
    with pytest.raises(changing.AlreadyOver):
        changing.cancel_entry(town.actor("A1"), over, "不办了", over.last_end)


def test_cancelling(session: Any, town: Town) -> None:
    entry = published(town)
    change = changing.cancel_entry(town.actor("A1-OP"), entry, "报名人数不足", NOW)
    assert (change.status, entry.status) == ("asked", PUBLISHED)
    changing.apply_change(town.actor("D"), change, NOW)
    assert (entry.status, entry.change_note) == (CANCELLED, "活动取消，因报名人数不足。")
    assert _effects(session, "entry.cancelled") == [{"entry_id": entry.id, "change_id": change.id}]
    with pytest.raises((changing.NotPublished, NoSuchTransition)):
        changing.apply_change(town.actor("D"), change, NOW)


def test_a_change_does_not_undo_what_happened_meanwhile(session: Any, town: Town) -> None:
    """Only the fields asked for are written; places given meanwhile are a floor again."""
    entry = published(town)
    change = changing.ask_change(town.actor("A1"), entry, _later(entry, capacity=12), "换小教室", NOW)
    entry.title, entry.taken = "新题目", 14
    session.flush()
    with pytest.raises(entry_values.InvalidRow, match="已有 14 位"):
        changing.apply_change(town.actor("D"), change, NOW)
    assert change.status == "asked"
    entry.taken = 3
    session.flush()
    changing.apply_change(town.actor("D"), change, NOW)
    assert (entry.title, entry.capacity, entry.taken) == ("新题目", 12, 3)


def test_a_stale_page(session: Any, town: Town) -> None:
    entry = published(town)
    with pytest.raises(Stale):
        changing.ask_change(town.actor("D"), entry, _later(entry, place="别处"), "换", NOW, version=entry.version - 1)


def test_a_weekly_row_loses_a_date_and_keeps_its_rule(session: Any, town: Town) -> None:
    entry = published(town, sessions=tuple(span(d) for d in (1, 8, 15, 22, 29)), weekly=WEEKLY)
    values = entry_values.values_of(entry)
    changing.ask_change(town.actor("D"), entry, replace(values, sessions=values.sessions[:-1]), "元旦前停课", NOW)
    assert entry.weekly["label"] == "每周二 9:00–11:00"
    assert entry.last_end == span(22).end
    assert "12月29日（周二）9:00–11:00 改为 不再举行（其余 4 场不变）" in entry.change_note
    assert entry_values.values_of(entry).last_end - entry.last_end == timedelta()


WEEKLY = {"weekdays": [1], "start": "09:00", "end": "11:00", "label": "每周二 9:00–11:00"}
