"""Waiting for me: one page with everything this staff member has to decide; and the first morning of a district."""

from flask import Blueprint, Response, abort, request, url_for

from portal.centres import profile, queries, staff_list
from portal.centres.actions import may_import
from portal.core import access, clock, pages, pdf_spool, registry
from portal.core.access import Actor, Permission
from portal.front import documents, first_morning, frame, manuals, message_samples
from portal.notices import rules as notice_rules

bp = Blueprint("front_staff", __name__)
SHOWN_GAPS = 6  # centres on the start page; the list of centres has all of them


@bp.get("/staff")
@access.staff(Permission.VIEW)
def inbox() -> Response:
    """What waits, the most pressing first, with how long and until when. One statement, and the left column's; at the
    top one more for what centres lack and one for the first morning."""
    actor, now = access.actor(), clock.now()
    items = [item for item in registry.waiting_lines(actor, now) if item.section != "my_messages"]
    overdue = sum(1 for item in items if item.due is not None and item.due < now)
    total = frame.tasks(frame.counts(actor, now))
    rows = staff_list.listed(actor) if _may_be_top(actor) and may_import(actor) else []
    lacking = [row for row in rows if row.gaps]
    return pages.page(
        "front/inbox.html",
        items=items,
        total=total,
        overdue=overdue,
        now=now,
        lacking=lacking[:SHOWN_GAPS],
        lack=len(lacking),
        morning=first_morning.morning(actor, rows, now) if rows else None,
        may_print=actor.can(Permission.PLAN) and actor.department_id is None,
    )


def _may_be_top(actor: Actor) -> bool:
    """Whether it is worth asking: the root, or of the highest level that reviews. All others' start page asks nothing
    more for what only the top sees."""
    home = queries.get(actor.centre_id)
    highest = next((level.code for level in profile.current().review_levels), "")
    return home is not None and (home.parent_id is None or home.level == highest)


def _top() -> Actor:
    actor = access.actor()
    if not may_import(actor):
        abort(403)
    return actor


@bp.route("/staff/first-morning", methods=["GET", "POST"])
@access.staff(Permission.CENTRES)
def morning() -> Response:
    """The steps of setting a district up, at any time; posted: off the start page, or back on it."""
    actor, now = _top(), clock.now()
    if request.method == "POST":
        away = request.form.get("away") == "1"
        first_morning.put_away(actor, away, now)
        said = "收起来了；要看的时候，在首页下面点“第一个上午”。" if away else "放回首页了。"
        return pages.said(said, url_for(".inbox"))
    found = first_morning.morning(actor, staff_list.listed(actor), now)
    return pages.page("front/first_morning.html", morning=found)


@bp.get("/staff/manual.pdf")
@access.staff(Permission.PLAN)
def manual() -> Response:
    """What an officer of a community does in a month and in a day: one A4 sheet to hang beside the desk."""
    actor = access.actor()
    centre = queries.get(actor.centre_id) if actor.department_id is None else None
    if centre is None:
        abort(404)
    told = manuals.manual_of(centre, clock.now())
    return pdf_spool.answer(documents.manual(told), f"{centre.label}经办人一页通.pdf")


@bp.get("/staff/messages/wording")
@access.staff(Permission.MESSAGES)
def wording() -> Response:
    """How every message reads, with made-up names: all kinds, all variants."""
    return pages.page(
        "front/wording.html", groups=message_samples.groups(clock.now()), quiet=notice_rules.quiet_text(),
        per_day=notice_rules.per_day_text(),
    )  # fmt: skip
