"""What the resident is told on a page: who has it until when, the line of steps, what can be done (SPEC H2, S9).

The sentences are made of the case's clocks, so page, my services and the staff's list say the same time.
"""

from datetime import datetime

from portal.cases.calendar import WorkClock
from portal.cases.models import Handover
from portal.centres import queries as centres
from portal.core import clock
from portal.core.states import StateHistory
from portal.help_requests import help_kinds, queries
from portal.help_requests.models import (
    ACCEPTED,
    ASKING,
    ASSIGNED,
    CONFIRMED,
    DISPATCHED,
    DONE,
    GOING,
    OVER,
    RECEIVED,
    REFUSED,
    TAKEN,
    THERE,
    TO_REVIEW,
    WITHDRAWN,
    HelpRequest,
)
from portal.help_requests.rules import Holder, Step, until_text

_DEEDS = {
    RECEIVED: "答复您", DISPATCHED: "决定接不接单", ACCEPTED: "办好", ASSIGNED: "办好", GOING: "办好", THERE: "办好",
}  # fmt: skip


def unit(row: HelpRequest) -> str:
    """Who has it, as the resident reads it: the unit, and the surname of whoever took it."""
    surname = f" {row.case.owner_name[:1]}姓工作人员" if row.case.owner_name and row.status in TAKEN else ""
    return f"{row.case.waits_at.label}{surname}"


def holder(row: HelpRequest, now: datetime, offer: Handover | None, work: WorkClock | None = None) -> Holder | None:
    """Who has it and until when; None when it is over. offer: the hand-over of it that waits for an answer.

    work: so that a deadline of a year whose holidays are not published says 约.
    """
    if row.status in OVER:
        return None
    if row.status == ASKING:
        return Holder("等您回答", "", f"答完{row.case.waits_at.label}接着办")
    if row.status == DONE:
        end = (row.done_at or now) + help_kinds.policy().silence
        return Holder("等您点一下", until_text(end, now), "说办好了没有；没有说，就当作办完，不算满意")
    if row.status == DISPATCHED and offer is not None:
        by = until_text(offer.answer_by, now) if offer.answer_by else ""
        return Holder(offer.receiver.label, by, _DEEDS[DISPATCHED], _late(row, now))
    due = row.case.due_at
    about = bool(due and work and row.status in TAKEN and work.is_assumed(due))
    return Holder(unit(row), until_text(due, now, about) if due else "", _DEEDS[row.status], _late(row, now))


def _late(row: HelpRequest, now: datetime) -> str:
    """Overdue is said to the resident too (H3)."""
    due = row.case.due_at
    if due is None or now < due:
        return ""
    return f"应在{until_text(due, now)} 前{_DEEDS[row.status]}，已经晚了 {clock.ago(due, now)}，上级也收到了提醒"


def steps(row: HelpRequest, history: list[StateHistory], now: datetime, offer: Handover | None) -> list[Step]:
    """The vertical line: what was with its time and who did it, what is now, what comes with its latest time."""
    done = _done(history)
    kind = help_kinds.of(row.kind)
    going = "上门去办" if kind is not None and kind.home_visit else "去办"
    names = (("file", "您提出"), ("review", "审核"), ("accept", "接单"), ("do", going), ("finish", "办好，请您点一下"))
    if row.status in (REFUSED, WITHDRAWN):
        end = Step("不能提供" if row.status == REFUSED else "您说不用了", "done", "", _at(row.closed_at, now))
        return [Step(name, "done", *done[key]) for key, name in names if key in done and key != "finish"] + [end]
    here = _where(row)
    line = []
    for number, (key, name) in enumerate(names):
        if number < here or row.status == CONFIRMED:
            line.append(Step(name, "done", *done.get(key, ("", ""))))
        elif number == here:
            line.append(Step(name, "now", _who_now(row, offer), _latest(row, key, now, offer)))
        else:
            again = "没办好可以退回重办" if key == "finish" else ""
            line.append(Step(name, "wait", again, _latest(row, key, now, offer)))
    return line


def _where(row: HelpRequest) -> int:
    """Which of the points is now."""
    if row.status in TO_REVIEW:
        return 1
    return 2 if row.status == DISPATCHED else 3 if row.status in TAKEN else 4


def _who_now(row: HelpRequest, offer: Handover | None) -> str:
    if row.status == ASKING:
        return "在等您回答"
    if row.status == DONE:
        return "没有解决可以退回重办"
    if offer is not None and row.status in TO_REVIEW:
        return f"已请{offer.receiver.label}接办，等对方答复；{row.case.waits_at.label}仍然负责"
    if offer is not None:
        return offer.receiver.label
    if row.outside is not None and row.status in TO_REVIEW:
        return f"已请{row.outside.name}（{row.outside.phone}）办，{row.case.waits_at.label}仍然负责"
    return unit(row)


def _at(moment: datetime | None, now: datetime) -> str:
    return until_text(moment, now) if moment else ""


def _done(history: list[StateHistory]) -> dict[str, tuple[str, str]]:
    """By point: who did it last, and when."""
    points = {
        "file": "file", "refuse": "review", "dispatch": "review", "take": "accept", "accept": "accept",
        "go": "do", "arrive": "do", "finish": "do",
    }  # fmt: skip
    places = {h.centre_id for h in history if h.centre_id}
    names = {c.id: c.label for c in (centres.get(number) for number in sorted(places)) if c is not None}
    found: dict[str, tuple[str, str]] = {}
    for h in history:
        key = points.get(h.name)
        if key is None:
            continue
        who = "已收到" if h.name == "file" else names.get(h.centre_id or 0, "")
        found[key] = (who, clock.stamp(h.at))
        if h.name == "take":
            found["review"] = found[key]
    return found


def _latest(row: HelpRequest, key: str, now: datetime, offer: Handover | None) -> str:
    """'明天 18:00 前': the latest time of a point that is to come, from its clock; '' when none runs yet."""
    name = {"review": "review", "do": "again" if row.reopened else "whole"}.get(key)
    found = queries.clock_of(row, name) if name else None
    if key == "accept":
        moment = offer.answer_by if offer is not None else None
    elif key == "finish" and row.status == DONE:
        moment = (row.done_at or now) + help_kinds.policy().silence
    else:
        moment = found.due_at if found is not None and found.stopped_at is None else None
    return f"{until_text(moment, now)} 前" if moment else ""


def phone_of(row: HelpRequest) -> str:
    """The number to ring about it: of the unit that has it, else of the nearest above with one."""
    found = centres.telephones([row.case.waits_at]).get(row.case.waits_at_id)
    return found.number if found else ""
