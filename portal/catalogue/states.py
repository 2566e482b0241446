"""The way of a row from a station's offer to the published list, and of changes and imports (SPEC C4-C8).

Who decides follows from the tree: `waits_at` is the centre whose turn it is; it or a centre above it decides.
"""

from datetime import datetime
from typing import Any

from portal.cases import ladder
from portal.cases.ladder import at_or_above
from portal.catalogue.models import (
    ACCEPTED,
    APPROVED,
    CANCELLED,
    DRAFT,
    DROPPED,
    IN_REVIEW,
    PUBLISHED,
    RETURNED,
    Entry,
    EntryChange,
    PlanImport,
    PrintedDocument,
)
from portal.centres import profile
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.states import Machine, Transition

NOT_YOURS = "这一条不在您的管理范围内。"
NOT_YOUR_TURN = "这一条现在不由您审核。"


def reviewers(entry: Entry) -> list[Centre]:
    """Who decides on this row, in order. A department's plan is decided by the centre it is attached to."""
    if entry.department_id is not None and entry.centre_id == entry.author_centre_id:
        return [entry.centre]
    return centres.review_chain(entry.centre)


def next_reviewer(entry: Entry, actor: Actor) -> Centre | None:
    """Whose turn it is after this yes: the first reviewer above both the waiting and the deciding centre."""
    depth = entry.waits_at.depth if entry.waits_at is not None else 0
    if actor.centre_path:
        depth = min(depth, len(actor.centre_path.strip("/").split("/")) - 1)
    return next((c for c in reviewers(entry) if c.depth < depth), None)


def turn(target: Centre | None, now: datetime, among: frozenset[int] | None = None) -> dict[str, Any]:
    """Columns that give a row to `target`, or to whoever decides in its place where nobody works (C4).

    among: where somebody works, when many rows are written.
    """
    at = ladder.desk(target, Permission.REVIEW, among) if target is not None else None
    return {"waits_at_id": at.id if at else None, "waits_since": now if at else None}


def passed_over(entry: Entry) -> str:
    """Why a row in review is not with the reviewer whose turn it would be: nobody works there. '' otherwise."""
    if entry.status != IN_REVIEW or entry.waits_at is None:
        return ""
    return ladder.passed_over(reviewers(entry), entry.waits_at, Permission.REVIEW)


def publisher(entry: Entry) -> Centre:
    """Who publishes the row and decides on its changes: the last reviewer, or the centre itself."""
    above = reviewers(entry)
    return above[-1] if above else entry.centre


def merges(centre: Centre | None) -> bool:
    """Whether this centre takes rows from below into a list of its own before passing them on (社区整合)."""
    return centre is not None and profile.current().level(centre.level).files_list


def owns(entry: Entry, actor: Actor) -> str | None:
    """The row's own centre, one above it, or the department that drew it up."""
    if actor.department_id is not None:
        return None if entry.department_id == actor.department_id else NOT_YOURS
    return None if at_or_above(actor, entry.centre) else NOT_YOURS


def holds(entry: Entry, actor: Actor) -> str | None:
    """May change it as it stands: the owner; once a community has accepted it, the community."""
    if entry.status == ACCEPTED:
        return None if at_or_above(actor, entry.waits_at) else "这一条已并入社区清单，请联系社区修改。"
    return owns(entry, actor)


def _submits(entry: Entry, actor: Actor) -> str | None:
    return owns(entry, actor) or (None if reviewers(entry) else "上面没有审核单位，可直接通过。")


def _settles(entry: Entry, actor: Actor) -> str | None:
    return owns(entry, actor) or ("这一条需要上级审核。" if reviewers(entry) else None)


def _recalls(entry: Entry, actor: Actor) -> str | None:
    first = next(iter(reviewers(entry)), None)
    if first is None or not _still_first(entry, first):
        return "上级已经审核过，不能再撤回；需要修改请让上级退回。"
    return owns(entry, actor)


def _still_first(entry: Entry, first: Centre) -> bool:
    """Nobody has decided yet: it is the first reviewer's turn, or whoever does it in their place."""
    return entry.waits_at_id == first.id or entry.waits_at_id == ladder.desk(first, Permission.REVIEW).id


def decides(entry: Entry, actor: Actor) -> str | None:
    """It is this actor's turn: the waiting centre, or one above it (P6)."""
    return None if at_or_above(actor, entry.waits_at) else NOT_YOUR_TURN


def _accepts_here(entry: Entry, actor: Actor) -> bool:
    own_turn = actor.kind == "system" or actor.centre_id == entry.waits_at_id
    return own_turn and merges(entry.waits_at) and next_reviewer(entry, actor) is not None


def _accepts(entry: Entry, actor: Actor) -> str | None:
    return decides(entry, actor) or (None if _accepts_here(entry, actor) else NOT_YOUR_TURN)


def _passes_on(entry: Entry, actor: Actor) -> str | None:
    if decides(entry, actor) or _accepts_here(entry, actor):
        return NOT_YOUR_TURN
    return None if next_reviewer(entry, actor) is not None else "上面没有审核单位，可直接通过。"


def _approves(entry: Entry, actor: Actor) -> str | None:
    return decides(entry, actor) or (None if next_reviewer(entry, actor) is None else "还需要上级审核。")


def _allots(entry: Entry, actor: Actor) -> str | None:
    if entry.department_id is None:
        return "只有部门的计划需要分配。"
    return None if at_or_above(actor, entry.author_centre) else NOT_YOUR_TURN


def publishes(entry: Entry, actor: Actor) -> str | None:
    return None if at_or_above(actor, publisher(entry)) else "由发布单位决定。"


def _returns(entry: Entry, actor: Actor) -> str | None:
    if entry.status == APPROVED:
        return publishes(entry, actor)
    return decides(entry, actor)


def _taken_back(entry: Entry, actor: Actor) -> str | None:
    # Fired by actions.taking_back alone, which asks whose step it was, how long ago, and whether the row has moved on.
    return None if actor.kind == "system" else "只有做了这一批的人可以撤回。"


def _by_the_rule(_object: Any, actor: Actor) -> str | None:
    return None if actor.kind == "system" else "由发布单位决定。"


_P = Permission
# How a row goes back to where it stood before a bulk step.
BACK_TO = {
    DRAFT: "back_to_draft", IN_REVIEW: "back_to_review", ACCEPTED: "back_to_list", RETURNED: "back_to_author",
    APPROVED: "back_to_approved",
}  # fmt: skip
ENTRY = Machine(
    name="entry",
    model=Entry,
    labels={
        DRAFT: "草稿", IN_REVIEW: "待审核", ACCEPTED: "已并入清单", RETURNED: "已退回", APPROVED: "已通过",
        PUBLISHED: "已发布", CANCELLED: "已取消", DROPPED: "已撤下",
    },
    transitions=(
        Transition("submit", "送上级审核", (DRAFT,), IN_REVIEW, _P.PLAN, guard=_submits),
        Transition("settle", "确定列入清单", (DRAFT,), APPROVED, _P.PLAN, guard=_settles),
        Transition("recall", "撤回", (IN_REVIEW,), DRAFT, _P.PLAN, guard=_recalls),
        Transition("accept", "并入清单", (IN_REVIEW,), ACCEPTED, _P.REVIEW, guard=_accepts),
        Transition("hand_in", "随清单上交", (ACCEPTED,), IN_REVIEW, _P.PLAN, guard=holds),
        Transition("pass_on", "通过", (IN_REVIEW,), IN_REVIEW, _P.REVIEW, guard=_passes_on),
        Transition("approve", "通过", (IN_REVIEW,), APPROVED, _P.REVIEW, guard=_approves),
        Transition("allot", "分配到社区", (DRAFT, IN_REVIEW), APPROVED, _P.REVIEW, guard=_allots),
        Transition("return", "退回", (IN_REVIEW, ACCEPTED, APPROVED), RETURNED, _P.REVIEW, True, _returns,
                   "catalogue.returned"),
        Transition("resubmit", "改好送回", (RETURNED,), IN_REVIEW, _P.PLAN, guard=owns),
        Transition("publish", "发布", (APPROVED,), PUBLISHED, _P.PUBLISH, guard=publishes),
        Transition("cancel", "取消活动", (PUBLISHED,), CANCELLED, _P.PUBLISH, True, publishes),
        # Fired by actions.urgent alone, which asks whose row it is, how soon it begins and who takes it back.
        Transition("cancel_at_once", "临时取消", (PUBLISHED,), CANCELLED, None, True, _by_the_rule),
        Transition("reinstate", "恢复", (CANCELLED,), PUBLISHED, None, True, _by_the_rule),
        Transition("drop", "删除", (DRAFT, RETURNED, ACCEPTED), DROPPED, _P.PLAN, guard=holds),
        Transition("withdraw", "撤下", (APPROVED,), DROPPED, _P.PLAN, True, owns),
        Transition("back_to_draft", "整批撤回", (IN_REVIEW, APPROVED, DROPPED), DRAFT, guard=_taken_back),
        Transition("back_to_review", "整批撤回", (IN_REVIEW, ACCEPTED, APPROVED, RETURNED), IN_REVIEW,
                   guard=_taken_back),
        Transition("back_to_list", "整批撤回", (IN_REVIEW, RETURNED, DROPPED), ACCEPTED, guard=_taken_back),
        Transition("back_to_author", "整批撤回", (DROPPED,), RETURNED, guard=_taken_back),
        Transition("back_to_approved", "整批撤回", (PUBLISHED, RETURNED), APPROVED, guard=_taken_back),
    ),
)  # fmt: skip


def _decides_change(change: EntryChange, actor: Actor) -> str | None:
    centre = db.session.get(Centre, change.waits_at_id) if change.waits_at_id else None
    return None if at_or_above(actor, centre) else "由发布单位决定。"


def _takes_back(change: EntryChange, actor: Actor) -> str | None:
    return owns(change.entry, actor)


ASKED, APPLIED, REFUSED, TAKEN_BACK = "asked", "applied", "refused", "taken_back"
URGENT, UNDONE = "urgent", "undone"
CHANGE = Machine(
    name="entry_change",
    model=EntryChange,
    labels={
        ASKED: "待确认",
        APPLIED: "已生效",
        REFUSED: "未同意",
        TAKEN_BACK: "已撤回",
        URGENT: "临时变动，已生效",
        UNDONE: "已撤销",
    },
    transitions=(
        Transition("apply", "同意变更", (ASKED,), APPLIED, _P.PUBLISH, guard=_decides_change),
        Transition(
            "refuse", "不同意", (ASKED,), REFUSED, _P.PUBLISH, True, _decides_change, "catalogue.change_refused"
        ),
        Transition("at_once", "马上生效", (ASKED,), URGENT, guard=_by_the_rule),
        Transition("undo", "撤销变动", (URGENT,), UNDONE, _P.PUBLISH, True, _decides_change, "catalogue.change_undone"),
        Transition("take_back", "撤回申请", (ASKED,), TAKEN_BACK, _P.PLAN, guard=_takes_back),
    ),
)


def _imports(plan: PlanImport, actor: Actor) -> str | None:
    if plan.department_id is not None or actor.department_id is not None:
        return None if plan.department_id == actor.department_id else NOT_YOURS
    centre = db.session.get(Centre, plan.centre_id)
    return None if at_or_above(actor, centre) else NOT_YOURS


PREVIEW, TAKEN, LAID_ASIDE = "preview", "taken", "laid_aside"
PLAN_IMPORT = Machine(
    name="plan_import",
    model=PlanImport,
    labels={PREVIEW: "待确认", TAKEN: "已导入", LAID_ASIDE: "已放弃"},
    transitions=(
        Transition("take", "导入", (PREVIEW,), TAKEN, _P.PLAN, guard=_imports),
        Transition("lay_aside", "放弃这份表格", (PREVIEW,), LAID_ASIDE, _P.PLAN, guard=_imports),
    ),
)

# A document on its way to paper; only the system moves it.
PRINT = Machine(
    name="printed_document",
    model=PrintedDocument,
    labels={"asked": "等候排版", "making": "正在排版", "ready": "已印好", "failed": "没有印成"},
    transitions=(
        Transition("start", "开始排版", ("asked",), "making"),
        Transition("finish", "印好", ("making",), "ready"),
        Transition("fail", "没有印成", ("making",), "failed"),
        Transition("again", "再试一次", ("making", "failed"), "asked"),
    ),
)

MACHINES = (ENTRY, CHANGE, PLAN_IMPORT, PRINT)


def status_text(entry: Entry) -> str:
    """The status in words, naming whose decision it waits for: '待葵涌街道初审'."""
    if entry.status == IN_REVIEW and entry.waits_at is not None:
        review = profile.current().level(entry.waits_at.level).review or "审核"
        if entry.department_id is not None and entry.centre_id == entry.author_centre_id:
            review = "分配"  # a department's plan that stands in no community's list yet
        return f"待{entry.waits_at.label}{review}"
    return ENTRY.labels[entry.status]
