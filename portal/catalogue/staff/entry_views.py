"""One row: drawn up, changed, corrected by its reviewer, and its own page with the whole way it went (C2, C4, C6)."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import abort, flash, request, url_for
from werkzeug.wrappers import Response

from portal.catalogue import cutoffs, rules, windows
from portal.catalogue.actions import drafting, entry_values, reviewing, room_holds
from portal.catalogue.actions.entry_values import InvalidRow
from portal.catalogue.actions.guides import centre_inside
from portal.catalogue.categories import leaf_categories
from portal.catalogue.models import ACCEPTED, APPROVED, CANCELLED, DRAFT, IN_REVIEW, PUBLISHED, RETURNED, Entry
from portal.catalogue.rules import EntryValues
from portal.catalogue.staff import choices, forms, queries, sessions_field
from portal.catalogue.staff.month_views import (
    TONES,
    asked_month,
    back,
    bp,
    entry_or_404,
    line_of,
    not_for_departments,
    number,
    own_centre,
)
from portal.catalogue.states import CHANGE, holds, owns, passed_over, publisher, reviewers, status_text
from portal.catalogue.timetext.parts import errors
from portal.centres import picking, profile
from portal.centres.models import Centre
from portal.core import access, clock, pages, uploads
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import DomainError, Stale
from portal.people.forms import picks

CORRECTABLE = (IN_REVIEW, APPROVED)


@dataclass(frozen=True)
class Conflict:
    """Somebody saved the row meanwhile: what they have now, beside what was typed here."""

    who: str
    at: datetime
    changes: list[list[str]]  # [label, theirs, ours]


def _form(entry: Entry | None = None, home: Centre | None = None) -> forms.EntryForm:
    form = forms.EntryForm()
    form.offer(leaf_categories(), choices.service_types())
    form.offer_rooms(room_holds.for_entry(entry) if entry is not None else room_holds.rooms_of(home) if home else ())
    if entry is not None and not form.is_submitted():
        form.load(entry_values.values_of(entry))
        form.version.data = str(entry.revision)
    return form


def _page(form: forms.EntryForm, month: str, status: int = 200, **context: Any) -> Response:
    """The form with what is understood of its times."""
    typed = form.typed(month)
    entry: Entry | None = context.get("entry")
    about = {"month": month} | ({"entry": entry.id} if entry is not None else {"centre": context["home"].id})
    return pages.page(
        "catalogue/staff/edit.html", status=status, form=form, month=month, typed=typed, about=about, windows=windows,
        outlook=outlook_of(form, typed, entry),
        spans=sessions_field.shown(typed.spans), cover=uploads.known(form.cover.data), accept=uploads.ACCEPT,
        **({"entry": None, "mode": "new", "conflict": None, "next_url": back(context.get("entry"))} | context),
    )  # fmt: skip


def outlook_of(form: forms.RowForm, typed: sessions_field.Typed, entry: Entry | None) -> room_holds.Outlook:
    """How it stands with the chosen room at the times typed so far."""
    return room_holds.outlook(
        access.actor(), list(form.rooms.values()), form.venue_id.data, typed.spans, clock.now(),
        entry_id=entry.id if entry is not None else None, place=form.place.data or "",
        capacity=form.capacity.data if form.mode.data == forms.LIMITED else None,
    )  # fmt: skip


def _take_picture(form: forms.EntryForm) -> None:
    """Store an uploaded cover at once, so that it survives a mistake elsewhere in the form. Errors go beside it."""
    form.cover.data = uploads.known(form.cover.data)
    sent = form.cover_file.data
    if not sent:
        return
    try:
        form.cover.data = uploads.save_picture(sent.read())
        form.remove_cover.data = False
    except uploads.PictureRefused as error:
        form.cover_file.errors = [f"{error.message}{error.advice}"]


def _read(
    form: forms.EntryForm, month: str, base: EntryValues | None, draft: bool, to_allot: bool
) -> EntryValues | None:
    """The values as typed, or None with every error beside its field."""
    typed = form.read(month)
    _take_picture(form)
    if typed is None or form.cover_file.errors:
        return None
    values = form.values(month, typed, base)
    found = errors(rules.check(values, clock.now(), draft=draft, to_allot=to_allot))
    form.put(found)
    return None if found else values


@bp.get("/staff/catalogue/understand")
@access.staff(Permission.PLAN)
def understand() -> Response:
    """What was understood of the times typed so far, and whether the room is free then; asked while somebody types."""
    actor, now = access.actor(), clock.now()
    month, entry_id = asked_month(now), number("entry")
    entry = queries.entry(entry_id) if entry_id else None
    typed = sessions_field.read_sessions(
        request.args.get("sessions", "")[:2000], month, moved=entry is not None and entry.status == PUBLISHED
    )
    context = {"typed": typed, "spans": sessions_field.shown(typed.spans), "month": month}
    return Response(pages.block(
        "catalogue/staff/edit.html", "understood", outlook=_asked_outlook(actor, entry, typed, now), **context
    ))  # fmt: skip


def _asked_outlook(actor: Actor, entry: Entry | None, typed: sessions_field.Typed, now: datetime) -> room_holds.Outlook:
    venue_id = number("venue_id")
    if not venue_id:
        return room_holds.Outlook()
    known = room_holds.for_entry(entry) if entry is not None else room_holds.rooms_of(_new_home(actor))
    return room_holds.outlook(
        actor, known, venue_id, typed.spans, now, entry_id=entry.id if entry is not None else None
    )


def _new_home(actor: Actor) -> Centre:
    if actor.department_id is not None:
        return own_centre(actor)
    return centre_inside(actor, number("centre")) or own_centre(actor)


@bp.route("/staff/catalogue/new", methods=["GET", "POST"])
@access.staff(Permission.PLAN, files=True)
def new() -> Response:
    """A blank row. 'Save' makes a draft; 'save and send' hands it on at once."""
    actor, now = access.actor(), clock.now()
    home, month = _new_home(actor), asked_month(now)
    form = _form(home=home)
    context: dict[str, Any] = {"home": home, "homes": picking.of(choices.drafting_centres(actor))}
    if not form.is_submitted():
        form.organiser.data, form.phone.data = choices.who_invites(actor, home)
        form.audience.data = "全体居民"
        return _page(form, month, **context)
    if request.form.get("do") == "preview":
        return _page(form, month, **context)
    values = _read(form, month, None, request.form.get("do") != "send", to_allot=actor.department_id is not None)
    if values is None:
        return _page(form, month, 422, **context)
    try:
        entry = drafting.draft_entry(actor, values, now, centre=home)
        if request.form.get("do") == "send":
            reviewing.offer(actor, entry, now)
    except InvalidRow as error:
        return _invalid(form, error, month, context)
    flash(f"“{entry.title}”已存{'并送审' if entry.status != DRAFT else '为草稿'}。", "green")
    if request.form.get("do") == "more":
        return pages.see_other(url_for(".new", month=month, centre=home.id))
    return pages.see_other(url_for(".entry", entry_id=entry.id))


def _invalid(form: forms.EntryForm, error: InvalidRow, month: str, context: dict[str, Any]) -> Response:
    db.session.rollback()
    form.put(error.problems)
    return _page(form, month, 422, **context)


def mode_of(entry: Entry, actor: Actor) -> str:
    """'edit' for who holds the row, 'correct' for its reviewer, '' for who may only look."""
    if entry.status in drafting.EDITABLE and actor.can(Permission.PLAN) and holds(entry, actor) is None:
        return "edit"
    may = entry.status in CORRECTABLE and actor.can(Permission.REVIEW)
    return "correct" if may and _may_correct(entry, actor) else ""


def _may_correct(entry: Entry, actor: Actor) -> bool:
    turn = entry.waits_at if entry.status == IN_REVIEW else publisher(entry)
    return actor.department_id is None and turn is not None and turn.path.startswith(actor.centre_path)


@bp.route("/staff/catalogue/<int:entry_id>/edit", methods=["GET", "POST"])
@access.staff(Permission.PLAN, files=True)
def edit(entry_id: int) -> Response:
    """The owner changes, the reviewer corrects; whoever may do neither is told why on the row's page."""
    actor, entry = access.actor(), entry_or_404(entry_id)
    mode = mode_of(entry, actor)
    if entry.status in (PUBLISHED, CANCELLED):
        return pages.see_other(url_for(".change", entry_id=entry.id))
    if not mode:
        flash(f"这一条现在{status_text(entry)}，不能直接修改。", "gold")
        return pages.see_other(url_for(".entry", entry_id=entry.id))
    form = _form(entry)
    context: dict[str, Any] = {"entry": entry, "mode": mode, "home": entry.centre}
    if not form.is_submitted() or request.form.get("do") == "preview":
        return _page(form, entry.month, **context)
    draft = mode == "edit" and request.form.get("do") != "send"
    values = _read(form, entry.month, entry_values.values_of(entry), draft, entry_values.to_allot(entry))
    if values is None:
        return _page(form, entry.month, 422, **context)
    return _save(form, entry, values, context)


def _save(form: forms.EntryForm, entry: Entry, values: EntryValues, context: dict[str, Any]) -> Response:
    actor, now, mode = access.actor(), clock.now(), context["mode"]
    sends = request.form.get("do") == "send" and mode == "edit"
    returned = entry.status == RETURNED
    try:
        if mode == "correct":
            reviewing.correct(actor, entry, values, now, reason=form.reason.data or "", version=form.loaded_version)
        else:
            drafting.edit_entry(actor, entry, values, now, version=form.loaded_version)
        if sends and entry.status in (DRAFT, RETURNED):
            (reviewing.resubmit if returned else reviewing.offer)(actor, entry, now)
    except InvalidRow as error:
        return _invalid(form, error, entry.month, context)
    except Stale:
        return _somebody_was_faster(form, entry.id, values)
    said = "已更正，编制单位会收到通知" if mode == "correct" else f"改好了，现在{status_text(entry)}"
    return pages.said(f"“{entry.title}”{said}。", back(entry))


def _somebody_was_faster(form: forms.EntryForm, entry_id: int, values: EntryValues) -> Response:
    """Both versions side by side; saving again takes ours over theirs, knowingly."""
    db.session.rollback()
    entry = entry_or_404(entry_id)
    mode = mode_of(entry, access.actor())
    if not mode:
        flash(f"刚刚有人处理了这一条，现在{status_text(entry)}，您的修改没有保存。", "red")
        return pages.see_other(url_for(".entry", entry_id=entry.id))
    last = queries.history(entry)
    theirs = entry_values.values_of(entry)
    changes = entry_values.told(theirs, replace(values, month=theirs.month))
    conflict = Conflict(last[-1].who if last else "", entry.updated_at, changes)
    form.version.data = str(entry.revision)
    return _page(form, entry.month, 409, entry=entry, mode=mode, home=entry.centre, conflict=conflict)


@bp.get("/staff/catalogue/<int:entry_id>")
@access.staff(Permission.VIEW)
def entry(entry_id: int) -> Response:
    """The row as residents will see it, where it is now, what may be done, and everything that happened to it."""
    actor, now = access.actor(), clock.now()
    found = entry_or_404(entry_id)
    row = queries.row(found, actor, now)
    return pages.page(
        "catalogue/staff/entry.html", entry=found, row=row, line=line_of(row, actor), tones=TONES, now=now,
        labels=rules.LABELS, outlook=_room_outlook(found, actor, now),
        room_warning=next((w for w in row.warnings if found.venue_id and w.startswith(f"{found.place} ")), None),
        may_hold=actor.can(Permission.PLAN) and owns(found, actor) is None,
        steps=steps(found), passed_over=passed_over(found),
        history=list(reversed(queries.history(found))), mode=mode_of(found, actor),
        spans=[clock.span(s.starts_at, s.ends_at) for s in found.sessions], along={"next": ""},
        room_words=room_words, change_labels=CHANGE.labels,
        changes=queries.changes_of(found) if found.status in (PUBLISHED, CANCELLED) else [],
        may_plan=actor.can(Permission.PLAN) and actor.department_id is None, cover=uploads.known(found.cover),
        groups=[profile.current().groups.get(g, g) for g in found.groups or ()], windows=windows,
    )  # fmt: skip


def _room_outlook(found: Entry, actor: Actor, now: datetime) -> room_holds.Outlook | None:
    """How it stands with the row's room; None when it has none or needs it no more."""
    if found.venue_id is None or found.status in queries.GONE:
        return None
    sessions = entry_values.values_of(found).sessions
    known = room_holds.for_entry(found)
    return room_holds.outlook(actor, known, found.venue_id, sessions, now, entry_id=found.id, capacity=found.capacity)


def room_words(found: Entry, outlook: room_holds.Outlook, warning: str | None) -> tuple[str, str, str]:
    """How it stands with the room: a tag, its tone, and what is to be said beside it."""
    if outlook.in_the_way or warning:
        return "有冲突" if outlook.in_the_way else "没有订上", "red", ""
    if found.status == DRAFT:
        return "", "", "草稿还不占用，送审时订下。"
    return ("已订上", "green", "") if found.status == PUBLISHED else ("已留着", "green", "发布后就定了。")


def steps(found: Entry) -> list[tuple[str, str, str]]:
    """For ui.steps: the author, each reviewer with its cut-off, publication."""
    out = found.status in (PUBLISHED, CANCELLED)
    passed = out or found.status == APPROVED
    mending = found.status in (DRAFT, RETURNED)
    note = "退回修改中" if found.status == RETURNED else "草稿" if found.status == DRAFT else ""
    answer = [(f"{found.author}编制", "now" if mending else "done", note)]
    dates = cutoffs.of(found.month)
    depth = found.waits_at.depth if found.waits_at is not None else -1
    for centre in reviewers(found):
        level = profile.current().level(centre.level)
        cutoff = dates.get(level.code)
        here = not mending and not passed and found.waits_at_id == centre.id
        state = "done" if passed or (not mending and depth >= 0 and centre.depth > depth) else "now" if here else "wait"
        due = f"{clock.stamp(cutoff)} 前" if cutoff and state != "done" else ""
        merged = "已并入社区清单，等一起上交" if here and found.status == ACCEPTED else due
        answer.append((f"{centre.label}{level.review}", state, merged))
    begins = clock.month_span(found.month)[0]
    when = clock.stamp(found.published_at) if found.published_at else f"{clock.stamp(begins)} 自动发布"
    last = "已取消" if found.status == CANCELLED else "发布"
    answer.append((last, "done" if out else "now" if passed else "wait", when))
    return answer


@bp.post("/staff/catalogue/<int:entry_id>/room")
@access.staff(Permission.PLAN)
def hold_room(entry_id: int) -> Response:
    """The row's room was taken when it went out and is free by now: book it after all."""
    found = entry_or_404(entry_id)
    try:
        reviewing.hold_room(access.actor(), found, clock.now())
    except DomainError as error:
        return pages.sorry(error, url_for(".entry", entry_id=entry_id))
    return pages.said(f"{found.place}订上了。", url_for(".entry", entry_id=entry_id))


@bp.post("/staff/catalogue/<int:entry_id>/template")
@access.staff(Permission.PLAN)
def keep_template(entry_id: int) -> Response:
    """Keep the row as a template of the viewer's own centre."""
    found = entry_or_404(entry_id)
    elsewhere = not_for_departments(access.actor(), found.month)
    if elsewhere is not None:
        return elsewhere
    try:
        kept = drafting.save_template(access.actor(), found, request.form.get("name", ""), clock.now())
    except DomainError as error:
        error.message = f"没有存成模板：{error.message}"
        return pages.sorry(error, url_for(".entry", entry_id=entry_id))
    return pages.said(f"存成模板“{kept.name}”了，下个月在“用模板”里一点就有。", url_for(".entry", entry_id=entry_id))


@bp.get("/staff/catalogue/templates")
@access.staff(Permission.PLAN)
def templates() -> Response:
    """The centre's templates: one click makes a draft of the month."""
    month = asked_month(clock.now())
    elsewhere = not_for_departments(access.actor(), month)
    if elsewhere is not None:
        return elsewhere
    found = queries.templates(own_centre(access.actor()).id)
    names = {c.id: c.name for c in leaf_categories()}
    return pages.page("catalogue/staff/templates.html", templates=found, month=month, category_names=names)


@bp.post("/staff/catalogue/templates/<int:template_id>/use")
@access.staff(Permission.PLAN)
def use_template(template_id: int) -> Response:
    kept, now = queries.template(template_id) or abort(404), clock.now()
    made = drafting.use_template(access.actor(), kept, asked_month(now), now)
    return pages.said("草稿建好了，请核对时间。", url_for(".edit", entry_id=made.id))


@bp.post("/staff/catalogue/templates/<int:template_id>/delete")
@access.staff(Permission.PLAN)
def forget_template(template_id: int) -> Response:
    kept = queries.template(template_id) or abort(404)
    name = kept.name
    drafting.forget_template(access.actor(), kept, clock.now())
    return pages.said(f"模板“{name}”删掉了，已建的服务不受影响。", url_for(".templates"))


@bp.route("/staff/catalogue/copy", methods=["GET", "POST"])
@access.staff(Permission.PLAN)
def copy() -> Response:
    """Last month's rows as drafts: the second Tuesday stays a second Tuesday (C7)."""
    actor, now = access.actor(), clock.now()
    month = asked_month(now)
    form = forms.CopyForm()
    known = sorted({*queries.months(now), clock.add_months(month, -1)} - {month}, reverse=True)
    form.from_month.choices = picks((m, clock.month_name(m, True)) for m in known)
    form.centre.offer(picking.of(choices.drafting_centres(actor)))
    if not form.is_submitted():
        form.from_month.data, form.centre.data = clock.add_months(month, -1), actor.centre_id
    elif form.validate_on_submit():
        centre = centre_inside(actor, form.centre.data)
        assert centre is not None  # the select offers only centres inside
        try:
            made = drafting.copy_month(actor, centre, form.from_month.data, month, now)
        except DomainError as error:
            pages.refused(error, form)
        else:
            left = 0 if actor.department_id else drafting.of_departments(centre, form.from_month.data)
            return _copied(len(made), left, month)
    return pages.page("catalogue/staff/copy.html", status=422 if form.is_submitted() else 200, form=form, month=month)


def _copied(count: int, left: int, month: str) -> Response:
    others = f"部门分配来的 {left} 条没有复制，由部门自己再报。" if left else ""
    if count:
        flash(f"复制了 {count} 条，都是草稿；每条旁边写着要核对什么。{others}", "green")
    else:
        flash(f"这些服务清单里已经有了，没有重复添加。{others}", "gold")
    return pages.see_other(url_for(".month", month=month, state=DRAFT))
