"""The 1st at 00:00 Shanghai: what is approved is published; reminders before the cut-offs, late lists after (C5)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select, update

from portal.catalogue import bulk_rules, cutoffs
from portal.catalogue.actions import bulk_steps, entry_values, room_holds
from portal.catalogue.actions.bulk_steps import Outcome
from portal.catalogue.models import APPROVED, DRAFT, DROPPED, IN_REVIEW, Entry, Issue
from portal.catalogue.month_rules import DEPARTMENTS, reminder
from portal.catalogue.states import ENTRY
from portal.centres import profile
from portal.centres import queries as centre_queries
from portal.centres.models import Centre, Department
from portal.centres.queries import review_chain
from portal.core import audit, clock, outbox, registry, scope, states
from portal.core.access import Actor, Permission, system_actor
from portal.core.db import db, make_way, writing
from portal.core.errors import DomainError, NotYourTurn
from portal.people.models import StaffAccount

BATCH = bulk_rules.BATCH


class TooEarly(DomainError):
    field = "month"


def publish_in_batches(
    month: str, now: datetime, actor: Actor | None = None, *, force: bool = False, reason: str = ""
) -> int:
    """`publish_month` until nothing is left, each batch committed by itself so that other writers get their turn.

    Whatever stops it leaves whole batches behind, each published, noted and told; called again it does the rest.
    """
    done = Outcome()
    while True:
        with writing():
            part = _publish(month, now, actor, force, BATCH, reason, done.step_id)
        done.add(part)
        if part.done < BATCH:  # nothing is left, or another publisher is at it
            return done.done
        make_way()


def publish_month(
    month: str, now: datetime, actor: Actor | None = None, *, force: bool = False, limit: int | None = None,
    reason: str = "",
) -> int:  # fmt: skip
    """Publish what is approved in `month` and before. Returns how many rows this call published.

    actor: who does it by hand, somebody at the top of the review chain; None: the scheduler. force: before the
    month has begun (提前发布), with the reason for the audit log. Safe under two schedulers: the rows are locked, so
    each is won by one of them. A fixed number of statements, but for rows that lost their room. Flushes only.
    Raises NotAllowed, TooEarly.
    """
    return _publish(month, now, actor, force, limit, reason).done


def _publish(
    month: str, now: datetime, actor: Actor | None, force: bool, limit: int | None, reason: str,
    step_id: int | None = None,
) -> Outcome:  # fmt: skip
    by_hand = actor is not None
    actor = actor or system_actor("系统自动发布")
    if by_hand:
        _may_publish(actor)
    begins, _end = clock.month_span(month)
    if begins > now and not force:
        name = clock.month_name(month)
        raise TooEarly(f"{name}清单将在 {clock.stamp(begins)} 自动发布。", advice="要现在就发布，请选“提前发布”。")
    wanted = select(Entry).where(Entry.status == APPROVED, Entry.month <= month, *_within(actor))
    # By centre, so that each is told of its list in one message or two.
    wanted = wanted.order_by(Entry.centre_id, Entry.id).limit(limit).with_for_update()
    entries = list(db.session.scalars(wanted.execution_options(populate_existing=True)))
    if not entries:
        return Outcome()
    step_id = bulk_steps.remember(actor, "publish", entries, now, step_id)
    tree = entry_values.whole_tree()
    values = entry_values.moves(now, published_at=now, waits_at_id=None, waits_since=None, check_note="")
    states.fire_many(ENTRY, entries, "publish", actor, now, values=values)
    tree.clear()
    room_holds.published(actor, entries, now)
    _after_publication(actor, entries, reason, now)
    return Outcome(len(entries), step_id=step_id)


def _may_publish(actor: Actor) -> None:
    entry_values.need(actor, Permission.PUBLISH)
    if actor.kind != "system" and not centre_queries.at_top(actor):
        raise NotYourTurn("清单由上级统一发布。", advice="审核通过的服务会在每月1日0:00自动发布。")


def _within(actor: Actor) -> list[ColumnElement[bool]]:
    if actor.kind == "system":
        return []
    return [Entry.centre_id.in_(select(Centre.id).where(*centre_queries.inside(actor.centre_path)))]


def _after_publication(actor: Actor, entries: Sequence[Entry], reason: str, now: datetime) -> None:
    """Mark the issues, note it for the audit, and tell (in one message a batch) once the commit is through."""
    issues = sorted({(entry.month, entry.centre_id) for entry in entries})
    outbox.insert_once(Issue, [{"month": m, "centre_id": c, "submitted_by": ""} for m, c in issues])
    for month in sorted({m for m, _ in issues}):
        centres = [c for m, c in issues if m == month]
        first = update(Issue).where(Issue.month == month, Issue.centre_id.in_(centres), Issue.published_at.is_(None))
        db.session.execute(first.values(published_at=now).execution_options(synchronize_session=False))
    ids = [entry.id for entry in entries]
    months = "、".join(sorted({clock.month_name(e.month, with_year=True) for e in entries}))
    audit.record(
        actor, "publish_month", "issue", None, now, summary=f"{months}清单发布 {len(ids)} 条", after={"entries": ids}
    )
    if reason:
        early = f"{months}提前发布 {len(ids)} 条：{reason}"
        audit.record(actor, "publish_early", "issue", None, now, summary=early)
    payload = {"ids": ids, "month": max(e.month for e in entries)}
    outbox.put("entry.published", f"{ids[0]}-{ids[-1]}:{len(ids)}", payload, now)


@registry.due
def publish_due(now: datetime) -> int:
    """On and after the 1st 00:00 Shanghai publish everything approved of this month, in batches (C5)."""
    month = clock.month_of(now)
    if not _anything_approved(month):
        return 0
    with scope.system("publication on the 1st"):
        return publish_in_batches(month, now)


def _anything_approved(month: str) -> bool:
    with scope.system("publication on the 1st"):
        waiting = select(Entry.id).where(Entry.status == APPROVED, Entry.month <= month).limit(1)
        found = db.session.scalar(waiting) is not None
    db.session.rollback()  # a read left open could not be turned into a write
    return found


@registry.due
def remind_due(now: datetime) -> int:
    """Reminders two days and one day before each cut-off, the late list at the cut-off; each told once (C5)."""
    month = clock.add_months(clock.month_of(now), 1)
    with scope.system("who has not handed in"):
        dates = cutoffs.of(month)
        new = _unknown([*_reminders(month, dates, now), *_late_lists(month, dates, now)])
        new += _unknown(_to_reviewers(month, new))
    db.session.rollback()
    if new:
        with writing():
            for topic, key, payload in new:
                outbox.put(topic, key, payload, now)
    return len(new)


Effect = tuple[str, str, dict[str, Any]]


def _unknown(found: list[Effect]) -> list[Effect]:
    """Those that were not written yet."""
    keys = [f"{topic}:{key}" for topic, key, _ in found]
    known = set(db.session.scalars(select(outbox.Outbox.key).where(outbox.Outbox.key.in_(keys)))) if keys else set()
    return [row for row, key in zip(found, keys, strict=True) if key not in known]


def _reminders(month: str, dates: dict[str, datetime], now: datetime) -> list[Effect]:
    usual = {part.code: part.usual for part in cutoffs.parts(month)}
    levels = {level.code: level for level in profile.current().levels}
    effects: list[Effect] = []
    for code, cutoff in dates.items():
        days = reminder(cutoff, now)
        if not days:
            continue
        # A date that was moved reminds anew, also those who were reminded of the usual one.
        about = {"month": month, "days": days} | ({"cutoff": cutoff.isoformat()} if cutoff != usual[code] else {})
        if code == DEPARTMENTS:
            effects += [_reminder(about, "department", i) for i in db.session.scalars(silent_departments(month))]
            continue
        level = levels[code]
        if level.files_list:
            effects += [_reminder(about, "list", c) for c in db.session.scalars(unsubmitted(month, code))]
        if level.review:
            effects += [_reminder(about, "review", c) for c in _with_waiting_rows(month, code)]
        if not level.files_list and not level.review:
            effects += [_reminder(about, "plan", c) for c in db.session.scalars(silent_stations(month, code))]
    return effects


def _reminder(about: dict[str, Any], what: str, number: int) -> Effect:
    """number: of the centre, or of the department."""
    payload = about | {"what": what, "department_id" if what == "department" else "centre_id": number}
    key = f"{about['month']}:{number}:{what}:{about['days']}"
    return "catalogue.reminder", f"{key}:{about['cutoff']}" if "cutoff" in about else key, payload


def _sent(month: str) -> list[ColumnElement[bool]]:
    """Rows of a month that somebody has handed on."""
    return [Entry.month == month, Entry.status.not_in((DRAFT, DROPPED))]


def silent_stations(month: str, level: str) -> Select[int]:
    """Ids of the centres of a level that files no list (stations) where somebody works and nothing was offered yet."""
    offered = select(Entry.id).where(Entry.author_centre_id == Centre.id, *_sent(month)).exists()
    working = select(StaffAccount.id).where(
        StaffAccount.centre_id == Centre.id, StaffAccount.department_id.is_(None), StaffAccount.disabled_at.is_(None)
    )
    return select(Centre.id).where(Centre.level == level, Centre.active, working.exists(), ~offered).order_by(Centre.id)


def silent_departments(month: str) -> Select[int]:
    """Ids of the departments where somebody works and no plan was handed to the district yet."""
    offered = select(Entry.id).where(Entry.department_id == Department.id, *_sent(month)).exists()
    working = select(StaffAccount.id).where(
        StaffAccount.department_id == Department.id, StaffAccount.disabled_at.is_(None)
    )
    return select(Department.id).where(Department.active, working.exists(), ~offered).order_by(Department.id)


def unsubmitted(
    month: str, level: str, path: str = "", due: datetime | ColumnElement[datetime] | None = None
) -> Select[int]:
    """Ids of the active centres of a level that have not handed in `month`'s list; below `path` when given.

    due: only those that were here by then, for nobody is late for what was over before.
    """
    handed = select(Issue.centre_id).where(Issue.month == month, Issue.submitted_at.is_not(None))
    wanted = select(Centre.id).where(Centre.level == level, Centre.active, Centre.id.not_in(handed))
    if path:
        wanted = wanted.where(*centre_queries.inside(path))
    if due is not None:
        wanted = wanted.where(Centre.created_at <= due)
    return wanted.order_by(Centre.id)


def _with_waiting_rows(month: str, level: str) -> list[int]:
    waiting = select(Entry.waits_at_id).where(Entry.month == month, Entry.status == IN_REVIEW).distinct()
    return list(db.session.scalars(select(Centre.id).where(Centre.level == level, Centre.id.in_(waiting))))


def _late_lists(month: str, dates: dict[str, datetime], now: datetime) -> list[Effect]:
    """At the cut-off of a level that files lists: a message to each late centre."""
    found: list[Effect] = []
    for level in profile.current().levels:
        due = dates.get(level.code)
        if level.files_list and due is not None and now >= due:
            found += [
                _late("catalogue.late", month, i) for i in db.session.scalars(unsubmitted(month, level.code, "", due))
            ]
    return found


def _to_reviewers(month: str, late: list[Effect]) -> list[Effect]:
    """And one to the reviewer of each, as they are told of their centres."""
    centres = [payload["centre_id"] for topic, _, payload in late if topic == "catalogue.late"]
    tree = {centre.id: centre for centre in entry_values.whole_tree()} if centres else {}
    told = {(above[0].id, tree[i].level) for i in centres if (above := review_chain(tree[i]))}
    return [_late("catalogue.late_list", month, reviewer, level) for reviewer, level in sorted(told)]


def _late(topic: str, month: str, centre_id: int, level: str = "") -> Effect:
    return topic, f"{month}:{centre_id}:{level}", {"month": month, "centre_id": centre_id, "level": level}
