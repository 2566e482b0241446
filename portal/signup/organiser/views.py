"""One staff page for one activity, and the message to all (SPEC S5-S7, M1)."""

import re
import secrets

from flask import Blueprint, Response, abort, request, url_for

from portal.catalogue import windows
from portal.catalogue.actions import changing
from portal.catalogue.models import Entry
from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.notices import kinds
from portal.signup import notices, queries_staff
from portal.signup import rules as sign_up_rules
from portal.signup.organiser import actions, queries, rules
from portal.signup.organiser import notices as wording

bp = Blueprint("signup_organiser", __name__, url_prefix="/staff/activities")
ONCE = re.compile(r"[\w-]{8,40}")
OUTCOMES = {"sent": "已发出", "local": "留在消息出口", "failed": "没发出"}  # Delivery.outcome
KIND = re.compile(r"[a-z_]{1,30}(\.[a-z_]{1,30})?")


def _entry(entry_id: int) -> Entry:
    return queries_staff.staff_entry(entry_id) or abort(404)


@bp.get("/<int:entry_id>")
@access.staff(Permission.VIEW)
def activity(entry_id: int) -> Response:
    """Where it stands: places, waiting, messages, who came, what people said; each figure leads to its records."""
    return _page(entry_id)


def _page(entry_id: int, error: DomainError | None = None) -> Response:
    entry, now, actor = _entry(entry_id), clock.now(), access.actor()
    counts = queries.on_list(entry_id)
    may = actor.can(Permission.SIGN_UPS) and entry.status == "published"
    return pages.page(
        "signup/organiser/activity.html", entry=entry, now=now, when=notices.when(entry), counts=counts,
        closes=windows.closes_at(entry), low=sign_up_rules.is_low(entry, now), change=changing.open_change(entry_id),
        dates=queries.dates(entry), messages=queries.messages(entry_id), written=queries.written(entry_id),
        said=queries.said(entry_id), label=kinds.label, may=may, may_read=actor.can(Permission.FEEDBACK),
        audiences=[(a, sum(counts.get(s, 0) for s in a.statuses)) for a in rules.AUDIENCES], rule=rules,
        error=error, typed=request.form, to=request.form.getlist("to") if request.method == "POST" else ["confirmed"],
    )  # fmt: skip


@bp.post("/<int:entry_id>/preview")
@access.staff(Permission.SIGN_UPS)
@pages.act(lambda error, entry_id: _page(entry_id, error))
def preview(entry_id: int) -> Response:
    """The message as people will read it, and whom it goes to, before anything is sent."""
    entry, form, now = _entry(entry_id), request.form, clock.now()
    words, to = form.get("words", ""), form.getlist("to")
    if form.get("edit"):
        return _page(entry_id)
    people = actions.check(entry, words, to, now)
    return pages.page(
        "signup/organiser/preview.html", entry=entry, message=wording.to_all(entry, words), people=people,
        audiences=rules.chosen(to), words=words.strip(), once=secrets.token_urlsafe(12),
    )  # fmt: skip


@bp.post("/<int:entry_id>/message")
@access.staff(Permission.SIGN_UPS)
@pages.act(lambda error, entry_id: _page(entry_id, error))
def send(entry_id: int) -> Response:
    """Send what was previewed."""
    form = request.form
    once = form.get("once", "")
    once = once if ONCE.fullmatch(once) else secrets.token_urlsafe(12)
    people = actions.send(access.actor(), entry_id, form.get("words", ""), form.getlist("to"), once, clock.now())
    there = url_for("signup_organiser.activity", entry_id=entry_id)
    return pages.said(f"正在发给 {people} 人。发完后下面的“消息”里看得到。", f"{there}#messages")


@bp.get("/<int:entry_id>/messages")
@access.staff(Permission.SIGN_UPS)
def messages(entry_id: int) -> Response:
    """The records behind a figure: who got the messages of one kind, who has read them, what became of the texts."""
    entry, page = _entry(entry_id), pages.page_number()
    kind = request.args.get("kind", "")
    kind = kind if KIND.fullmatch(kind) else ""
    lines, more = queries.message_lines(entry_id, kind, page)
    names = {r.resident_id: r.by or r.name for r in queries_staff.for_entry(entry_id)}
    return pages.page(
        "signup/organiser/messages.html", entry=entry, kind=kind, lines=lines, more=more, page=page, names=names,
        label=kinds.label(kind) if kind else "", outcomes=OUTCOMES,
    )  # fmt: skip
