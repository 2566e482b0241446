"""催一下: whoever waits for a late list says so to the people who are to hand it in (SPEC C5)."""

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
    need(actor, Permission.REVIEW)
    if not may_urge_below(actor, centre):
        raise NotAllowed("只能催下级的清单。")
    cutoff = cutoffs.for_centre(centre, cutoffs.of(month))
    handed = select(Issue.id).where(Issue.month == month, Issue.centre_id == centre.id, Issue.submitted_at.is_not(None))
    files = profile.current().level(centre.level).files_list
    if not files or cutoff is None or now < cutoff or db.session.scalar(handed) is not None:
        raise NotLate()
    wanted = select(Urge).where(Urge.month == month, Urge.centre_id == centre.id).with_for_update()
    row = db.session.scalar(wanted)
    if row is not None and not may_urge(row.at, now):
        raise Urged(f"{clock.stamp(row.at)} {row.urged_by}已经催过{centre.label}了。")
    if row is None:
        row = Urge(month=month, centre_id=centre.id)
        db.session.add(row)
    row.at, row.urged_by = now, actor.name[:40]
    db.session.flush()
    payload = {"month": month, "centre_id": centre.id, "by": actor.centre_id, "name": actor.name}
    outbox.put("catalogue.urged", f"{month}:{centre.id}:{clock.today(now)}", payload, now)
    name = clock.month_name(month, with_year=True)
    audit.record(
        actor, "urge", "issue", None, now, summary=f"{name}清单：{centre.label}", centre_id=centre.id,
        centre_path=centre.path,
    )  # fmt: skip
