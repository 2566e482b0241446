"""The 1st at 00:00 Shanghai: what is approved is published; reminders before the cut-offs, late lists after (C5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, select, update

from portal.catalogue.actions import entry_values, room_holds
from portal.catalogue.models import APPROVED, IN_REVIEW, Entry, Issue
from portal.catalogue.states import ENTRY
from portal.centres import profile
from portal.centres import queries as centre_queries
from portal.centres.models import Centre
from portal.centres.queries import review_chain
from portal.core import audit, clock, outbox, registry, scope, states
from portal.core.access import Actor, Permission, system_actor
from portal.core.db import db, writing
from portal.core.errors import DomainError, NotYourTurn, Stale

BATCH = 100  # rows in one transaction of the scheduler
REMIND_DAYS = (2, 1)


class TooEarly(DomainError):
    field = "month"


def publish_month(
    month: str, now: datetime, actor: Actor | None = None, *, force: bool = False, limit: int | None = None
) -> int:
    """Publish what is approved in `month` and before. Returns how many rows this call published.

    actor: who does it by hand, somebody at the top of the review chain; None: the scheduler. force: before the
    month has begun (提前发布). Safe under two schedulers: each row is won by one of them. Flushes only.
    Raises NotAllowed, TooEarly.
    """
    by_hand = actor is not None
    actor = actor or system_actor("系统自动发布")
    if by_hand:
        _may_publish(actor)
    begins, _end = clock.month_span(month)
    if begins > now and not force:
        name = clock.month_name(month)
        raise TooEarly(f"{name}清单将在 {clock.stamp(begins)} 自动发布。", advice="要现在就发布，请选“提前发布”。")
    wanted = select(Entry).where(Entry.status == APPROVED, Entry.month <= month, *_within(actor))
    entries = list(db.session.scalars(wanted.order_by(Entry.id).limit(limit)))
    tree = entry_values.whole_tree() if entries else []
    published = [entry for entry in entries if _publish(actor, entry, now)]
    tree.clear()
    room_holds.published(actor, published, now)
    if published:
        _after_publication(actor, published, now)
    return len(published)


def _may_publish(actor: Actor) -> None:
    entry_values.need(actor, Permission.PUBLISH)
    if actor.kind == "system":
        return
    centre = db.session.get(Centre, actor.centre_id) if actor.centre_id else None
    if centre is None or actor.department_id is not None or review_chain(centre):
        raise NotYourTurn("清单由上级统一发布。", advice="审核通过的服务会在每月1日0:00自动发布。")


def _within(actor: Actor) -> list[ColumnElement[bool]]:
    if actor.kind == "system":
        return []
    lower, upper = Centre.path >= actor.centre_path, Centre.path < actor.centre_path + ":"
    return [Entry.centre_id.in_(select(Centre.id).where(lower, upper))]


def _publish(actor: Actor, entry: Entry, now: datetime) -> bool:
    """False when another publisher was faster."""
    values = entry_values.moves(now, published_at=now, waits_at_id=None, waits_since=None, check_note="")
    try:
        states.fire(ENTRY, entry, "publish", actor, now, values=values)
    except (Stale, states.NoSuchTransition):
        db.session.refresh(entry)
        return False
    return True


def _after_publication(actor: Actor, entries: Sequence[Entry], now: datetime) -> None:
    """Mark the issues, note it for the audit, and tell (in one message a batch) once the commit is through."""
    by_issue: dict[tuple[str, int], int] = {}
    for entry in entries:
        key = (entry.month, entry.centre_id)
        by_issue[key] = by_issue.get(key, 0) + 1
    outbox.insert_once(Issue, [{"month": m, "centre_id": c, "submitted_by": ""} for m, c in sorted(by_issue)])
    for month in sorted({m for m, _ in by_issue}):
        centres = [c for m, c in by_issue if m == month]
        first = update(Issue).where(Issue.month == month, Issue.centre_id.in_(centres), Issue.published_at.is_(None))
        db.session.execute(first.values(published_at=now).execution_options(synchronize_session=False))
    ids = [entry.id for entry in entries]
    months = "、".join(sorted({clock.month_name(e.month, with_year=True) for e in entries}))
    audit.record(
        actor, "publish_month", "issue", None, now, summary=f"{months}清单发布 {len(ids)} 条", after={"entries": ids}
    )
    payload = {"ids": ids, "month": max(e.month for e in entries)}
    outbox.put("entry.published", f"{ids[0]}-{ids[-1]}:{len(ids)}", payload, now)


@registry.due
def publish_due(now: datetime) -> int:
    """On and after the 1st 00:00 Shanghai publish everything approved of this month, in batches (C5)."""
    month, done = clock.month_of(now), 0
    while _anything_approved(month):
        with writing(), scope.system("publication on the 1st"):
            count = publish_month(month, now, limit=BATCH)
        done += count
        if count == 0:  # another scheduler is at it
            break
    return done


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
    found = [*_reminders(month, now), *_late_lists(month, now)]
    db.session.rollback()
    known = _known_keys([f"{topic}:{key}" for topic, key, _ in found])
    new = [row for row in found if f"{row[0]}:{row[1]}" not in known]
    if not new:
        return 0
    with writing():
        for topic, key, payload in new:
            outbox.put(topic, key, payload, now)
    return len(new)


Effect = tuple[str, str, dict[str, object]]


def _known_keys(keys: list[str]) -> set[str]:
    known = set(db.session.scalars(select(outbox.Outbox.key).where(outbox.Outbox.key.in_(keys)))) if keys else set()
    db.session.rollback()
    return known


def _reminders(month: str, now: datetime) -> list[Effect]:
    effects: list[Effect] = []
    for level in profile.current().levels:
        cutoff = level.cutoff(month)
        days = cutoff and next((d for d in reversed(REMIND_DAYS) if cutoff - timedelta(days=d) <= now < cutoff), None)
        if not days:
            continue
        if level.files_list:
            effects += [_reminder(month, c, "list", days) for c in db.session.scalars(unsubmitted(month, level.code))]
        if level.review:
            effects += [_reminder(month, c, "review", days) for c in _with_waiting_rows(month, level.code)]
    return effects


def _reminder(month: str, centre_id: int, what: str, days: int) -> Effect:
    payload: dict[str, object] = {"month": month, "centre_id": centre_id, "what": what, "days": days}
    return "catalogue.reminder", f"{month}:{centre_id}:{what}:{days}", payload


def unsubmitted(month: str, level: str, path: str = "") -> Select[int]:
    """Ids of the active centres of a level that have not handed in `month`'s list; below `path` when given."""
    handed = select(Issue.centre_id).where(Issue.month == month, Issue.submitted_at.is_not(None))
    wanted = select(Centre.id).where(Centre.level == level, Centre.active, Centre.id.not_in(handed))
    if path:
        wanted = wanted.where(*centre_queries.inside(path))
    return wanted.order_by(Centre.id)


def _with_waiting_rows(month: str, level: str) -> list[int]:
    waiting = select(Entry.waits_at_id).where(Entry.month == month, Entry.status == IN_REVIEW).distinct()
    with scope.system("reminders"):
        return list(db.session.scalars(select(Centre.id).where(Centre.level == level, Centre.id.in_(waiting))))


def _late_lists(month: str, now: datetime) -> list[Effect]:
    """At the cut-off of a level that files lists: one message to each late centre and one to its reviewer."""
    effects: list[Effect] = []
    for level in profile.current().levels:
        cutoff = level.cutoff(month)
        if not level.files_list or cutoff is None or now < cutoff:
            continue
        late = db.session.scalars(select(Centre).where(Centre.id.in_(unsubmitted(month, level.code)))).all()
        reviewers = {above[0].id for centre in late if (above := review_chain(centre))}
        effects += [_late("catalogue.late", month, c.id) for c in late]
        effects += [_late("catalogue.late_list", month, c, level.code) for c in sorted(reviewers)]
    return effects


def _late(topic: str, month: str, centre_id: int, level: str = "") -> Effect:
    return topic, f"{month}:{centre_id}:{level}", {"month": month, "centre_id": centre_id, "level": level}
