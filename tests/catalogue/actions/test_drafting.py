"""Drawing up rows: what is stored, what is refused and beside which field (SPEC C2, C7, Q1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest

from portal.catalogue import rules
from portal.catalogue.actions import drafting, entry_values, reviewing
from portal.catalogue.models import DRAFT, IN_REVIEW, Entry, ServiceType
from portal.catalogue.staff import month_board, queries
from portal.catalogue.timetext.parts import Span, errors
from portal.core import clock, scope
from portal.core.access import Actor
from portal.core.errors import NotAllowed, Stale
from tests.catalogue.wording import MONTH, at_subdistrict, draft, month_rows, span, values
from tests.factories import NOW, Town

VALUES = rules.EntryValues(month=MONTH, title="净滩", category_id=1, sessions=(span(13),), place="沙滩", phone="1")


def _turn(actor: Actor) -> tuple[Any, ...]:
    """Rows whose decision waits at the actor's centre, as the inbox counts them."""
    return Entry.status == IN_REVIEW, month_board.my_turn(actor)


def _fields(found: list[Any]) -> list[tuple[str, str]]:
    return [(p.field, p.severity) for p in found]


@pytest.mark.once
@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"title": "  "}, "title", "请填写服务名称"),
        ({"title": "长" * 61}, "title", "最多 60 个字，现在有 61 个字"),
        ({"place": ""}, "place", "地点"),
        ({"audience": ""}, "audience", "服务对象"),
        ({"sessions": ()}, "sessions", "至少一个时间"),
        ({"sessions": (span(5, "11:00", "9:00"),)}, "sessions", "早于开始时间"),
        ({"sessions": (span(5, "9:00", "9:00"),)}, "sessions", "早于开始时间"),
        ({"sessions": (span(5, month="2027-01"),)}, "sessions", "不在 2026年12月内"),
        ({"sessions": (span(30, month="2026-11"),)}, "sessions", "不在 2026年12月内"),
        ({"sessions": (span(5), span(5, "10:00", "12:00"))}, "sessions", "时间重叠"),
        ({"sessions": (Span(span(5).start, span(7).end),)}, "sessions", "超过 24 小时"),
        ({"capacity": 0}, "capacity", "1 到 5000"),
        ({"capacity": -3}, "capacity", "1 到 5000"),
        ({"capacity": 5001}, "capacity", "1 到 5000"),
        ({"unit": "桌"}, "unit", "名额单位"),
        ({"max_companions": 10}, "max_companions", "0 到 9"),
        ({"fee": -1}, "fee", "负数"),
        ({"sign_up_from": span(10).start, "sign_up_until": span(9).start}, "sign_up_until", "晚于报名开始"),
        ({"sign_up_until": span(14).start}, "sign_up_until", "晚于活动结束"),
        ({"sign_up_from": span(14).start}, "sign_up_from", "早于活动结束"),
        ({"withdraw_until": span(14).start}, "withdraw_until", "晚于活动结束"),
        ({"own_first_until": span(9).start, "sign_up_until": span(8).start}, "own_first_until", "晚于报名截止"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(changes: dict[str, Any], field: str, words: str) -> None:
    found = errors(rules.check(replace(VALUES, **changes), NOW))
    assert found, "nothing was found"
    assert {p.field for p in found} == {field}
    assert words in found[0].message


@pytest.mark.once
def test_a_good_row_has_no_problem_and_a_draft_may_be_unfinished() -> None:
    assert rules.check(VALUES, NOW) == []
    unfinished = replace(VALUES, sessions=(), place="", phone="")
    assert _fields(rules.check(unfinished, NOW, draft=True)) == [
        ("place", "warning"),
        ("phone", "warning"),
        ("sessions", "warning"),
    ]


@pytest.mark.once
def test_places_already_given_are_a_floor() -> None:
    found = errors(rules.check(replace(VALUES, capacity=20), NOW, taken=23))
    assert [(p.field, p.message) for p in found] == [("capacity", "已有 23 位报名成功，名额不能少于 23。")]
    assert rules.check(replace(VALUES, capacity=23), NOW, taken=23) == []


@pytest.mark.once
def test_a_weekly_rule_unfolds_over_the_month() -> None:
    """12月 2026 has five Tuesdays; an end at midnight is the next day."""
    tuesdays = rules.unfold([1], time(9, 30), time(11), MONTH)
    assert [clock.local(s.start).day for s in tuesdays] == [1, 8, 15, 22, 29]
    assert len(rules.unfold([0, 1, 2, 3, 4], time(16, 30), time(18), MONTH)) == 23
    night = rules.unfold([5], time(22), time(0), MONTH)
    assert all(s.end - s.start == timedelta(hours=2) for s in night)
    assert rules.weekly_dict([4, 0, 1, 2, 3], time(16, 30), time(18))["label"] == "每周一至周五 16:30–18:00"
    assert rules.weekly_dict([1, 3], time(9), time(10))["label"] == "每周二、四 9:00–10:00"


@pytest.mark.once
@pytest.mark.parametrize(
    ("audience", "codes"),
    [
        ("全体居民", ()), ("全体居民（未成年人须家长陪同）", ()), ("辖区独居老人", ("elder",)), ("60岁以上长者", ("elder",)),
        ("3-6岁儿童及家长", ("child", "family")), ("小学生", ("child",)), ("辖区党员", ("party",)),
        ("外卖骑手和快递员", ("worker",)), ("残疾人、低保家庭", ("family", "vulnerable")), ("", ()),
    ],
)  # fmt: skip
def test_words_for_whom_become_groups(audience: str, codes: tuple[str, ...]) -> None:
    assert rules.groups_in(audience) == codes


@pytest.mark.once
def test_one_room_twice_is_said_beside_both_rows() -> None:
    rows_ = [
        rules.Held(1, 7, "三楼会议室", "普法教育", (span(11, "19:30", "21:00"),)),
        rules.Held(2, 7, "三楼 会议室", "主题党课", (span(11, "19:00", "20:00"),)),
        rules.Held(3, 7, "三楼会议室", "另一天", (span(12, "19:00", "20:00"),)),
        rules.Held(4, 8, "三楼会议室", "另一个社区", (span(11, "19:00", "20:00"),)),
        rules.Held(5, 7, "三楼会议室", "紧接着", (span(11, "21:00", "22:00"),)),
    ]
    found = rules.clashes(rows_)
    assert found == {
        1: ["同一三楼 会议室 12月11日 19:00 有“主题党课”"],
        2: ["同一三楼会议室 12月11日 19:30 有“普法教育”"],
    }


@pytest.mark.once
def test_a_long_session_clashes_with_each_later_one() -> None:
    rows_ = [
        rules.Held(1, 7, "大厅", "全天开放", (span(11, "8:00", "18:00"),)),
        rules.Held(2, 7, "大厅", "上午", (span(11, "9:00", "10:00"),)),
        rules.Held(3, 7, "大厅", "下午", (span(11, "14:00", "15:00"),)),
    ]
    assert set(rules.clashes(rows_)[1]) == {"同一大厅 12月11日 9:00 有“上午”", "同一大厅 12月11日 14:00 有“下午”"}


@pytest.mark.once
@pytest.mark.parametrize(
    ("title", "service"),
    [
        ("普法教育：民法典与邻里纠纷", "普法教育"), ("亲子绘本阅读会", "亲子阅读"), ("“扫黑除恶”宣传", "扫黑除恶宣传"),
        ("“暖冬行动”高龄老人探访慰问", "入户探访慰问"), ("垃圾分类进小区", "垃圾分类宣传"), ("冬至包汤圆", None),
        ("文化讲座", None),
    ],
)  # fmt: skip
def test_the_service_a_title_means(title: str, service: str | None) -> None:
    names = ("普法教育", "亲子阅读", "扫黑除恶宣传", "入户探访慰问", "老人关爱", "垃圾分类宣传", "文化传承", "教育")
    known = dict(enumerate(names, 1))
    found = rules.closest_service(title, known)
    assert (known[found] if found else None) == service


def test_drafting(session: Any, town: Town) -> None:
    service = ServiceType(category_id=town.categories["public"].id, name="普法教育")
    session.add(service)
    session.flush()
    entry = draft(town, title=" 普法教育：民法典 ", category_id=town.categories["public"].id, audience="60岁以上长者")
    assert (entry.status, entry.title, entry.organiser) == (DRAFT, "普法教育：民法典", "甲一社区党群服务中心")
    assert (entry.groups, entry.service_type_id) == (["elder"], service.id)
    assert (entry.first_start, entry.last_end) == (span(5).start, span(5).end)
    assert [s.starts_at for s in entry.sessions] == [span(5).start]


def test_a_draft_with_an_error_is_not_stored(session: Any, town: Town) -> None:
    with pytest.raises(entry_values.InvalidRow) as caught:
        draft(town, title="", capacity=0)
    assert [p.field for p in caught.value.problems] == ["title", "capacity"]
    assert month_rows(town.actor("D"), MONTH, NOW) == []
    with pytest.raises(entry_values.InvalidRow) as caught:
        draft(town, category_id=99999)
    assert caught.value.field == "category_id"


@pytest.mark.parametrize("who", ["D-LOOK"])
def test_an_inspector_writes_nothing(session: Any, town: Town, who: str) -> None:
    with pytest.raises(NotAllowed):
        draft(town, who)


def test_nobody_drafts_for_a_neighbour(session: Any, town: Town) -> None:
    with pytest.raises(NotAllowed):
        drafting.draft_entry(town.actor("A1"), values(town), NOW, centre=town.centres["A2"])
    below = drafting.draft_entry(town.actor("A"), values(town), NOW, centre=town.centres["A2"])
    assert below.centre_id == town.centres["A2"].id


def test_editing_keeps_what_stays_and_says_what_changed(session: Any, town: Town) -> None:
    entry = draft(town, sessions=(span(5), span(12)))
    kept, version = entry.sessions[0].id, entry.version
    changed = drafting.edit_entry(
        town.actor("A1-OP"), entry, values(town, sessions=(span(5), span(19)), capacity=None), NOW, version=version
    )
    assert [label for label, _, _ in changed] == ["时间", "名额"]
    assert entry.sessions[0].id == kept
    assert [s.starts_at for s in entry.sessions] == [span(5).start, span(19).start]
    assert entry.version == version + 1
    with pytest.raises(Stale):
        drafting.edit_entry(town.actor("A1"), entry, values(town), NOW, version=version)


def test_a_row_in_review_is_not_edited(session: Any, town: Town) -> None:
    entry = at_subdistrict(town)
    with pytest.raises(drafting.NotEditable, match="已经送审"):
        drafting.edit_entry(town.actor("A1"), entry, values(town, title="偷偷改"), NOW)
    assert entry.title == "亲子绘本阅读会"


def every_week(row: rules.EntryValues, weekdays: list[int], start: time, end: time) -> rules.EntryValues:
    sessions = rules.unfold(weekdays, start, end, row.month)
    return replace(row, sessions=sessions, weekly=rules.weekly_dict(weekdays, start, end))


def test_weekly_rows_and_their_label(session: Any, town: Town) -> None:
    weekly = every_week(values(town), [1], time(9, 30), time(11))
    entry = drafting.draft_entry(town.actor("A1"), weekly, NOW)
    assert len(entry.sessions) == 5
    assert rules.when_text(entry_values.values_of(entry).sessions, entry.weekly) == "每周二 9:30–11:00"
    moved = replace(entry_values.values_of(entry), sessions=(*entry_values.values_of(entry).sessions[1:], span(3)))
    drafting.edit_entry(town.actor("A1"), entry, moved, NOW)
    assert entry.weekly is None  # one session no longer follows the rule


def test_templates(session: Any, town: Town) -> None:
    weekly = every_week(values(town, title="四点半课堂"), [0, 4], time(16, 30), time(18))
    entry = drafting.draft_entry(town.actor("A1"), weekly, NOW)
    template = drafting.save_template(town.actor("A1"), entry, "四点半课堂（模板）", NOW)
    assert "sessions" not in template.values
    again = drafting.use_template(town.actor("A1"), template, "2027-01", NOW)
    assert (again.month, again.title, len(again.sessions)) == ("2027-01", "四点半课堂", 9)
    assert again.check_note
    drafting.confirm_checked(town.actor("A1"), again, NOW)
    assert again.check_note == ""
    assert [t.name for t in queries.templates(town.centres["A1"].id)] == ["四点半课堂（模板）"]
    with pytest.raises(NotAllowed):
        drafting.forget_template(town.actor("A2"), template, NOW)
    drafting.forget_template(town.actor("A1"), template, NOW)
    assert queries.templates(town.centres["A1"].id) == []


def test_a_foreign_row_is_not_there(session: Any, town: Town) -> None:
    number = draft(town).id
    seen_by = {"A1": True, "A": True, "D": True, "A2": False, "A1S": False, "B": False}
    paths = {who: town.actor(who).centre_path for who in seen_by}
    session.commit()
    for who, seen in seen_by.items():
        session.expunge_all()
        with scope.use(scope.StaffScope(paths[who])):
            assert (queries.entry(number) is not None) == seen, who


def test_rows_of_a_month_for_the_page(session: Any, town: Town) -> None:
    """What the page needs, in a fixed number of queries."""
    first = draft(town, title="普法", place="三楼会议室", sessions=(span(11, "19:30", "21:00"),))
    draft(town, title="党课", place="三楼会议室", sessions=(span(11, "19:00", "20:30"),))
    draft(town, "A1S", title="站里的", sessions=(span(3),))
    shown = month_rows(town.actor("A1"), MONTH, NOW)
    assert [row.entry.title for row in shown] == ["站里的", "党课", "普法"]
    row = shown[2]
    assert row.warnings == ("同一三楼会议室 12月11日 19:00 有“党课”",)
    assert (row.when, row.capacity_text, row.status_text) == ("12月11日（周五）19:30–21:00", "15 人", "草稿")
    assert [t.name for t in row.buttons] == ["submit", "drop"]
    assert row.editable
    reviewing.offer(town.actor("A1"), first, NOW - timedelta(days=2))
    waiting = queries.board_rows(town.actor("A"), _turn(town.actor("A")), NOW)
    assert [(r.entry.title, r.waited, r.status_text) for r in waiting] == [("普法", "2 天", "待甲街道初审")]
    assert queries.board_rows(town.actor("D"), _turn(town.actor("D")), NOW) == []


def test_month_rows_cost_four_queries(session: Any, town: Town, count_queries: Any) -> None:
    for number in range(12):
        draft(town, title=f"活动{number}", sessions=(span(number + 1),))
    actor = town.actor("D")
    session.commit()
    with count_queries() as few:
        month_rows(actor, MONTH, NOW)
    for number in range(12):
        draft(town, "B1", title=f"再来{number}", sessions=(span(number + 1),))
    session.commit()
    session.expunge_all()
    with count_queries() as many:
        assert len(month_rows(actor, MONTH, NOW)) == 24
    assert [sum(q.startswith("SELECT") for q in seen) for seen in (few, many)] == [4, 4]
