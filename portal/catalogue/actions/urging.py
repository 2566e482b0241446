"""催一下: whoever waits for a late list says so to the people who are to hand it in (SPEC C5)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from portal.catalogue import cutoffs
from portal.catalogue.actions.entry_values import need
from portal.catalogue.models import Issue, Urge
from portal.catalogue.month_rules import may_urge
from portal.centres import profile
from portal.centres.models import Centre
from portal.core import audit, clock, outbox
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import DomainError, NotAllowed


class NotLate(DomainError):
    message = "这份清单没有迟交，不用催。"
    advice = "请刷新看看现在的情况。"


class Urged(DomainError):
    advice = "一天催一次就够了；急的请打电话。"


def urges(month: str) -> dict[int, Urge]:
    """By centre, the last time somebody urged it about this month; of the caller's tree."""
    return {row.centre_id: row for row in db.session.scalars(select(Urge).where(Urge.month == month))}


def may_urge_below(actor: Actor, centre: Centre) -> bool:
    """Who reviews, and stands above it."""
    below = centre.path != actor.centre_path and centre.path.startswith(actor.centre_path)
    return actor.can(Permission.REVIEW) and actor.department_id is None and below


def urge(actor: Actor, centre: Centre, month: str, now: datetime) -> None:
    """Tell the people of a late centre, at most once a day. Raises NotAllowed, NotLate, Urged."""
    left = urge_many(actor, [centre], month, now)
    if left:
        raise left[0][1]


Left = list[tuple[Centre, DomainError]]  # who was not urged, and why


def urge_many(actor: Actor, centres: Sequence[Centre], month: str, now: datetime) -> Left:
    """Tell the people of late centres; the others are returned. A handful of statements for however many.

    Raises NotAllowed without the right to review.
    """
    need(actor, Permission.REVIEW)
    ids = [centre.id for centre in centres]
    mine = select(Urge).where(Urge.month == month, Urge.centre_id.in_(ids)).order_by(Urge.centre_id)
    last = {row.centre_id: row for row in db.session.scalars(mine.with_for_update())}
    submitted = (Issue.month == month, Issue.submitted_at.is_not(None))
    handed = set(db.session.scalars(select(Issue.centre_id).where(*submitted, Issue.centre_id.in_(ids))))
    dates, told, left = cutoffs.of(month), list[Centre](), Left()
    for centre in centres:
        why = _why_not(actor, centre, cutoffs.for_centre(centre, dates), centre.id in handed, last.get(centre.id), now)
        if why is None:
            told.append(centre)
        else:
            left.append((centre, why))
    _write(actor, told, month, last, now)
    return left


def _why_not(
    actor: Actor, centre: Centre, cutoff: datetime | None, handed: bool, last: Urge | None, now: datetime
) -> DomainError | None:
    if not may_urge_below(actor, centre):
        return NotAllowed("只能催下级的清单。")
    if not profile.current().level(centre.level).files_list or cutoff is None or now < cutoff or handed:
        return NotLate()
    if last is not None and not may_urge(last.at, now):
        return Urged(f"{clock.stamp(last.at)} {last.urged_by}已经催过{centre.label}了。")
    return None


def _write(actor: Actor, told: Sequence[Centre], month: str, last: dict[int, Urge], now: datetime) -> None:
    if not told:
        return
    for centre in told:
        if (row := last.get(centre.id)) is not None:
            row.at, row.urged_by = now, actor.name[:40]
    by = {"month": month, "at": now, "urged_by": actor.name[:40]}
    outbox.insert_once(Urge, [by | {"centre_id": centre.id} for centre in told if centre.id not in last])
    about = {"month": month, "by": actor.centre_id, "name": actor.name}
    effects = {f"{month}:{c.id}:{clock.today(now)}": about | {"centre_id": c.id} for c in told}
    outbox.put_many("catalogue.urged", effects, now)
    name = clock.month_name(month, with_year=True)
    for centre in told:
        audit.record(
            actor, "urge", "issue", None, now, summary=f"{name}清单：{centre.label}", centre_id=centre.id,
            centre_path=centre.path,
        )  # fmt: skip
