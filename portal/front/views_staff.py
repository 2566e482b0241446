"""Waiting for me: one page with everything this staff member has to decide."""

from flask import Blueprint, Response

from portal.core import access, clock, pages, registry
from portal.core.access import Permission
from portal.front import frame

bp = Blueprint("front_staff", __name__)


@bp.get("/staff")
@access.staff(Permission.VIEW)
def inbox() -> Response:
    """What waits, the most pressing first, with how long and until when. One statement, and the left column's."""
    actor, now = access.actor(), clock.now()
    items = [item for item in registry.waiting_lines(actor, now) if item.section != "my_messages"]
    overdue = sum(1 for item in items if item.due is not None and item.due < now)
    total = frame.tasks(frame.counts(actor, now))
    return pages.page("front/inbox.html", items=items, total=total, overdue=overdue, now=now)
