"""A centre's list goes up: the good rows at once, the others stay and are named with their reasons (SPEC C4, Q9)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from portal.cases import ladder
from portal.catalogue import bulk_rules, rules
from portal.catalogue.actions import bulk_steps, drafting, entry_values, reviewing, room_holds
from portal.catalogue.actions.bulk_steps import Left, Outcome
from portal.catalogue.models import ACCEPTED, DRAFT, Entry, Issue
from portal.catalogue.states import ENTRY
from portal.catalogue.timetext.parts import Problem, errors
from portal.centres.models import Centre
from portal.core import audit, clock, outbox, states
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import DomainError

TOGETHER = timedelta(seconds=20)  # batches of one step are told in one message


class NothingToSubmit(DomainError):
    message = "没有可以上交的服务。"
    advice = "请先新建、复制上月或导入计划表。"


def hand_in(actor: Actor, centre: Centre, month: str, now: datetime, chosen: Sequence[int] | None = None) -> Outcome:
    """Hand in a list, a department its plan, or the chosen rows of it, in batches that are each committed.

    centre: the actor's own. Rows with problems (a room that is taken among them) stay with the author and are named.
    Raises NotAllowed, NothingToSubmit. Locks the rows, then their rooms.
    """
    ids = _ready(actor, centre, month, chosen)
    centre_id = centre.id
    if not ids:
        raise NothingToSubmit(f"{clock.month_name(month)}清单里没有可以上交的服务。")

    def step(some: list[int], step_id: int | None) -> Outcome:
        here = db.session.get_one(Centre, centre_id)
        return send_rows(actor, here, month, some, now, step_id, len(ids) > bulk_rules.BATCH)

    return bulk_steps.in_batches(ids, step)


def submit_issue(actor: Actor, centre: Centre, month: str, now: datetime) -> int:
    """As `hand_in`, in the caller's transaction. Returns how many rows went up. Flushes only."""
    ids = _ready(actor, centre, month, None)
    done = send_rows(actor, centre, month, ids, now).done if ids else 0
    if not done:
        raise NothingToSubmit(f"{clock.month_name(month)}清单里没有可以上交的服务。")
    return done


def _ready(actor: Actor, centre: Centre, month: str, chosen: Sequence[int] | None) -> list[int]:
    entry_values.need(actor, Permission.PLAN)
    drafting.home(actor, centre)
    wanted = select(Entry.id).where(*ready(actor, centre, month)).order_by(Entry.first_start, Entry.id)
    if chosen is not None:
        wanted = wanted.where(Entry.id.in_(chosen))
    return list(db.session.scalars(wanted))


def ready(actor: Actor, centre: Centre, month: str) -> tuple[Any, ...]:
    """What handing in would send: the drafts of a centre and the rows it has accepted from below; a department's."""
    own = (Entry.status == DRAFT) & (Entry.centre_id == centre.id) & (Entry.department_id == actor.department_id)
    merged = (Entry.status == ACCEPTED) & (Entry.waits_at_id == centre.id)
    return Entry.month == month, own if actor.department_id is not None else own | merged


def problems(entry: Entry, now: datetime) -> list[Problem]:
    """Why a row cannot go up as it stands."""
    return errors(rules.check(entry_values.values_of(entry), now, to_allot=entry_values.to_allot(entry)))


def send_rows(
    actor: Actor, centre: Centre, month: str, ids: Iterable[int], now: datetime,
    step_id: int | None = None, more: bool = False,
) -> Outcome:  # fmt: skip
    """One batch in the caller's transaction: what is ready of these rows goes to whoever decides next. Flushes.

    more: others of the same step follow at once, so that whoever decides is told of all of them together.
    """
    tree = entry_values.whole_tree()
    found = bulk_steps.locked(ids, *ready(actor, centre, month), sessions=True)
    wrong = {e.id: told for e in found if (told := problems(e, now))}
    wrong |= room_holds.take(actor, [e for e in found if e.id not in wrong], now)
    left = [Left(e.id, e.title, "".join(p.message for p in wrong[e.id])) for e in found if e.id in wrong]
    good = [e for e in found if e.id not in wrong]
    step_id = bulk_steps.remember(actor, "hand_in", good, now, step_id) or step_id
    first = (good[0].id, good[0].version) if good else (0, 0)
    among = ladder.staffed(Permission.REVIEW)
    for (name, at), rows in reviewing.ways_up(actor, good, among).items():
        values = entry_values.moves(now, waits_at_id=at, waits_since=now if at else None, **reviewing.MENDED)
        states.fire_many(ENTRY, rows, name, actor, now, values=values)
    tree.clear()
    if good:
        _note(actor, centre, month, [e.id for e in good], now)
        key = f"step:{step_id}" if step_id else f"{month}:{centre.id}:{first[0]}:{first[1]}"
        payload = {"centre_id": centre.id, "month": month, "count": len(good), "step_id": step_id}
        payload |= {"department_id": actor.department_id} if actor.department_id is not None else {}
        outbox.put("catalogue.submitted", key, payload, now, now + TOGETHER if more else None)
    return Outcome(len(good), left, step_id)


def _note(actor: Actor, centre: Centre, month: str, ids: Sequence[int], now: datetime) -> None:
    if actor.department_id is not None:  # its rows are no list of the centre
        summary = f"{clock.month_name(month, with_year=True)}计划，{len(ids)} 条"
        audit.record(actor, "offer_many", "entry", None, now, summary=summary, after={"entries": list(ids)})
        return
    issue = issue_of(centre, month)
    if issue.submitted_at is None:
        issue.submitted_at, issue.submitted_by = now, actor.name[:40]
    db.session.flush()
    audit.record(
        actor, "submit_issue", "issue", issue.id, now, after={"entries": list(ids)},
        summary=f"{centre.label}{clock.month_name(month, with_year=True)}清单，{len(ids)} 条",
        centre_id=centre.id, centre_path=centre.path,
    )  # fmt: skip


def issue_of(centre: Centre, month: str) -> Issue:
    """The issue of a centre and month, made when missing."""
    outbox.insert_once(Issue, [{"month": month, "centre_id": centre.id, "submitted_by": ""}])
    return db.session.scalars(select(Issue).where(Issue.month == month, Issue.centre_id == centre.id)).one()
