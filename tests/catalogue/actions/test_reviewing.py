"""A row's way through station, community, subdistrict and district (SPEC C4, C6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from portal.catalogue.actions import drafting, entry_values, handing_in, reviewing
from portal.catalogue.models import ACCEPTED, APPROVED, DRAFT, DROPPED, IN_REVIEW, RETURNED, Entry, Issue
from portal.catalogue.staff import queries
from portal.catalogue.states import status_text
from portal.core import outbox, scope
from portal.core.audit import AuditLog
from portal.core.errors import NotAllowed, Stale
from portal.core.states import NoSuchTransition, ReasonMissing
from portal.notices.models import InboxMessage
from tests.catalogue.wording import MONTH, approved, at_subdistrict, draft, published, span, values
from tests.factories import NOW, Town


def _run_outbox(session: Any) -> None:
    session.commit()
    assert outbox.run_due(NOW) > 0
    assert outbox.oldest_waiting(NOW)[0] == 0


def test_a_station_row_goes_through_every_level(session: Any, town: Town) -> None:
    """Offered to the community, accepted, handed in, 初审, 复审, published."""
    entry = draft(town, "A1S", title="长者智能手机班")
    reviewing.offer(town.actor("A1S"), entry, NOW)
    assert (entry.status, entry.waits_at_id) == (IN_REVIEW, town.centres["A1"].id)
    assert status_text(entry) == "待甲一社区整合"
    assert reviewing.approve(town.actor("A1"), entry, NOW) == "accept"
    assert entry.status == ACCEPTED
    draft(town, "A1", title="冬至包汤圆")
    assert handing_in.submit_issue(town.actor("A1"), town.centres["A1"], MONTH, NOW) == 2
    assert (entry.status, entry.waits_at_id) == (IN_REVIEW, town.centres["A"].id)
    assert reviewing.approve(town.actor("A"), entry, NOW) == "pass_on"
    assert (entry.status, entry.waits_at_id) == (IN_REVIEW, town.centres["D"].id)
    assert reviewing.approve(town.actor("D"), entry, NOW) == "approve"
    assert (entry.status, entry.waits_at_id) == (APPROVED, None)
    names = [step.what for step in queries.history(entry)]
    assert names == ["新建", "送上级审核", "并入清单", "随清单上交", "通过", "通过"]
    assert entry.centre_id == town.centres["A1S"].id  # the row stays the station's


def test_handing_in_marks_the_issue_once(session: Any, town: Town) -> None:
    draft(town)
    handing_in.submit_issue(town.actor("A1"), town.centres["A1"], MONTH, NOW)
    issue = session.scalars(select(Issue).where(Issue.centre_id == town.centres["A1"].id)).one()
    assert (issue.submitted_at, issue.submitted_by) == (NOW, "A1管理员")
    with pytest.raises(handing_in.NothingToSubmit):
        handing_in.submit_issue(town.actor("A1"), town.centres["A1"], MONTH, NOW)


def test_good_rows_go_up_and_the_others_are_named(session: Any, town: Town) -> None:
    good = draft(town)
    bad = draft(town, title="时间没定", sessions=())
    session.commit()
    found = handing_in.hand_in(town.actor("A1"), town.centres["A1"], MONTH, NOW)
    assert (found.done, [(row.entry_id, row.title) for row in found.left]) == (1, [(bad.id, "时间没定")])
    assert found.left[0].why
    assert (good.status, bad.status) == (IN_REVIEW, DRAFT)
    assert session.scalar(select(Issue.submitted_at)) == NOW


def test_a_return_comes_straight_back_to_who_returned_it(session: Any, town: Town) -> None:
    entry = at_subdistrict(town)
    reviewing.approve(town.actor("A"), entry, NOW)
    reviewing.return_entry(town.actor("D"), entry, "请写明集合点", "place", NOW)
    assert (entry.status, entry.return_reason, entry.return_field) == (RETURNED, "请写明集合点", "place")
    mended = replace(entry_values.values_of(entry), place="二楼书吧（大门口集合）")
    drafting.edit_entry(town.actor("A1"), entry, mended, NOW)
    reviewing.resubmit(town.actor("A1"), entry, NOW)
    assert (entry.status, entry.waits_at_id) == (IN_REVIEW, town.centres["D"].id)  # not through the subdistrict again
    assert (entry.return_reason, entry.returned_by_id) == ("", None)
    step = queries.history(entry)[-3]
    assert (step.what, step.reason, step.about, step.centre) == ("退回", "请写明集合点", "地点", "测试区")


def test_the_author_hears_of_a_return_once(session: Any, town: Town) -> None:
    entry = at_subdistrict(town)
    reviewing.return_entry(town.actor("A"), entry, "对象不清", "audience", NOW)
    _run_outbox(session)
    wanted = select(InboxMessage).where(InboxMessage.title.startswith("退回"))
    found = session.scalars(wanted.order_by(InboxMessage.person_id)).all()
    assert {m.person_id for m in found} == {town.staff["A1"].id, town.staff["A1-OP"].id}
    assert "对象不清" in found[0].body
    assert found[0].link == f"/staff/catalogue/{entry.id}"


def test_a_return_needs_a_reason(session: Any, town: Town) -> None:
    entry = at_subdistrict(town)
    with pytest.raises(ReasonMissing):
        reviewing.return_entry(town.actor("A"), entry, "  ", "", NOW)
    assert entry.status == IN_REVIEW


def test_an_approved_row_can_still_be_returned_before_publication(session: Any, town: Town) -> None:
    entry = approved(town)
    with pytest.raises(NotAllowed):
        reviewing.return_entry(town.actor("A"), entry, "再想想", "", NOW)
    reviewing.return_entry(town.actor("D"), entry, "与全区活动冲突", "sessions", NOW)
    reviewing.resubmit(town.actor("A1"), entry, NOW)
    assert entry.waits_at_id == town.centres["D"].id


def test_a_superior_decides_in_place_and_the_history_says_so(session: Any, town: Town) -> None:
    entry = at_subdistrict(town)
    assert reviewing.approve(town.actor("D"), entry, NOW) == "approve"
    assert queries.history(entry)[-1].in_place_of == "甲街道"


@pytest.mark.parametrize("who", ["B", "A1", "A2", "A1S", "D-LOOK", "ZFB"])
def test_nobody_else_decides(session: Any, town: Town, who: str) -> None:
    entry = at_subdistrict(town)
    with pytest.raises((NotAllowed, NoSuchTransition)):
        reviewing.approve(town.actor(who), entry, NOW)
    with pytest.raises((NotAllowed, NoSuchTransition)):
        reviewing.return_entry(town.actor(who), entry, "不行", "", NOW)
    assert entry.status == IN_REVIEW


def test_what_somebody_saw_must_still_be_there(session: Any, town: Town) -> None:
    """The second of two reviewers with the same page open is told, and nothing is decided twice."""
    entry = at_subdistrict(town)
    seen = entry.version
    reviewing.approve(town.actor("A"), entry, NOW, version=seen)
    for again in (
        lambda: reviewing.approve(town.actor("A"), entry, NOW, version=seen),
        lambda: reviewing.return_entry(town.actor("A"), entry, "不清楚", "", NOW, version=seen),
    ):
        with pytest.raises(Stale):
            again()
    assert entry.waits_at_id == town.centres["D"].id


def test_recall_only_before_anybody_decided(session: Any, town: Town) -> None:
    entry = at_subdistrict(town)
    reviewing.recall(town.actor("A1"), entry, NOW)
    assert (entry.status, entry.waits_at_id) == (DRAFT, None)
    reviewing.offer(town.actor("A1"), entry, NOW)
    reviewing.approve(town.actor("A"), entry, NOW)
    with pytest.raises(NotAllowed, match="上级已经审核过"):
        reviewing.recall(town.actor("A1"), entry, NOW)


def test_a_correction_is_shown_to_the_author(session: Any, town: Town) -> None:
    entry = at_subdistrict(town)
    better = replace(entry_values.values_of(entry), title="亲子绘本阅读会（3-6岁）", capacity=20)
    reviewing.correct(town.actor("A"), entry, better, NOW, reason="写明年龄")
    step = queries.history(entry)[-1]
    assert step.changes == [["服务名称", "亲子绘本阅读会", "亲子绘本阅读会（3-6岁）"], ["名额", "15 人", "20 人"]]
    assert (step.what, step.reason, entry.status) == ("审核时更正", "写明年龄", IN_REVIEW)
    _run_outbox(session)
    assert session.scalar(select(InboxMessage.id).where(InboxMessage.title.startswith("已更正"))) is not None
    with pytest.raises(NotAllowed):
        reviewing.correct(town.actor("A1"), entry, better, NOW)


def test_a_correction_is_checked_like_everything(session: Any, town: Town) -> None:
    entry = at_subdistrict(town)
    with pytest.raises(entry_values.InvalidRow) as caught:
        reviewing.correct(town.actor("A"), entry, replace(entry_values.values_of(entry), place=""), NOW)
    assert caught.value.field == "place"
    assert entry.place == "二楼书吧"


def test_approve_all_takes_only_what_waits_for_the_actor(session: Any, town: Town) -> None:
    mine = [at_subdistrict(town, title=f"活动{n}") for n in range(3)]
    other = draft(town, title="还没交")
    assert reviewing.approve_all(town.actor("A"), [*mine, other], NOW) == 3
    assert {e.waits_at_id for e in mine} == {town.centres["D"].id}
    assert reviewing.approve_all(town.actor("A"), mine, NOW) == 0
    assert other.status == DRAFT


def test_the_district_approves_its_own_at_once(session: Any, town: Town) -> None:
    entry = draft(town, "D", title="市图书馆流动车")
    reviewing.offer(town.actor("D"), entry, NOW)
    assert entry.status == APPROVED


def test_a_department_hands_its_plan_to_the_district_which_allots_it(session: Any, town: Town) -> None:
    entry = draft(town, "ZFB", title="普法讲座")
    assert (entry.centre_id, entry.department_id) == (town.centres["D"].id, town.department.id)
    reviewing.offer(town.actor("ZFB"), entry, NOW)
    assert entry.waits_at_id == town.centres["D"].id
    placed = reviewing.allot(town.actor("D"), entry, [town.centres["A1"], town.centres["B2"]], NOW)
    assert [(e.centre.code, e.status, e.department_id) for e in placed] == [
        ("A1", APPROVED, town.department.id),
        ("B2", APPROVED, town.department.id),
    ]
    assert placed[0].id == entry.id
    _run_outbox(session)
    told = session.scalars(select(InboxMessage.person_id).where(InboxMessage.title.startswith("新分配"))).all()
    assert {town.staff["A1"].id, town.staff["B2"].id} <= set(told)
    with scope.use(scope.StaffScope(town.centres["D"].path, town.department.id)):
        assert len(session.scalars(select(Entry)).all()) == 2  # the department still sees both


@pytest.mark.parametrize("who", ["A", "ZFB", "A1"])
def test_only_the_district_allots(session: Any, town: Town, who: str) -> None:
    entry = draft(town, "ZFB")
    reviewing.offer(town.actor("ZFB"), entry, NOW)
    with pytest.raises(NotAllowed):
        reviewing.allot(town.actor(who), entry, [town.centres["A1"]], NOW)


def test_a_department_writes_only_in_its_own_place(session: Any, town: Town) -> None:
    with pytest.raises(NotAllowed):
        drafting.draft_entry(town.actor("ZFB"), values(town), NOW, centre=town.centres["A1"])


@pytest.mark.parametrize("code", ["D", "A", "A1"])
def test_a_department_hands_in_no_centres_list(session: Any, town: Town, code: str) -> None:
    """Its account belongs to the district's centre, but the district's tree is not its own."""
    draft(town, code)
    with pytest.raises(handing_in.NothingToSubmit if code == "D" else NotAllowed):  # its own plans only
        handing_in.submit_issue(town.actor("ZFB"), town.centres[code], MONTH, NOW)
    with pytest.raises(drafting.NothingToCopy if code == "D" else NotAllowed):
        drafting.copy_month(town.actor("ZFB"), town.centres[code], "2026-11", MONTH, NOW)


def test_dropping(session: Any, town: Town) -> None:
    entry = draft(town)
    drafting.drop_entry(town.actor("A1"), entry, NOW)
    assert entry.status == DROPPED
    ready = approved(town, title="讲师来不了")
    with pytest.raises(ReasonMissing):
        drafting.drop_entry(town.actor("A1"), ready, NOW)
    drafting.drop_entry(town.actor("A1"), ready, NOW, "讲师时间变动")
    assert ready.status == DROPPED
    shown = published(town, title="已公开", sessions=(span(20),))
    with pytest.raises(NoSuchTransition):
        drafting.drop_entry(town.actor("A1"), shown, NOW, "不办了")


def test_an_accepted_row_belongs_to_the_community(session: Any, town: Town) -> None:
    entry = draft(town, "A1S")
    reviewing.offer(town.actor("A1S"), entry, NOW)
    reviewing.approve(town.actor("A1"), entry, NOW)
    with pytest.raises(NotAllowed, match="并入社区清单"):
        drafting.edit_entry(town.actor("A1S"), entry, values(town, title="改一下"), NOW)
    drafting.edit_entry(town.actor("A1"), entry, values(town, title="社区改的"), NOW)
    assert entry.title == "社区改的"
    reviewing.return_entry(town.actor("A1"), entry, "请补上名额", "capacity", NOW)
    assert (entry.status, entry.returned_by_id) == (RETURNED, town.centres["A1"].id)


def test_every_step_is_in_the_audit_log(session: Any, town: Town) -> None:
    entry = at_subdistrict(town)
    reviewing.approve(town.actor("A"), entry, NOW)
    session.commit()
    verbs = session.scalars(select(AuditLog.verb).where(AuditLog.object_id == entry.id).order_by(AuditLog.id)).all()
    assert verbs == ["draft_entry", "offer", "pass_on"]
    line = session.scalars(select(AuditLog).order_by(AuditLog.id.desc())).first()
    assert (line.centre_path, line.actor_name) == (town.centres["A1"].path, "A管理员")
