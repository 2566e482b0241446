"""After publication: asking for a change with a reason, and deciding about it (SPEC C8)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import abort, flash, request, url_for
from werkzeug.wrappers import Response

from portal.catalogue import rules
from portal.catalogue.actions import changing, entry_values, room_holds, urgent
from portal.catalogue.actions.entry_values import InvalidRow
from portal.catalogue.categories import leaf_categories
from portal.catalogue.models import PUBLISHED, Entry, EntryChange
from portal.catalogue.rules import EntryValues
from portal.catalogue.staff import forms, queries, sessions_field
from portal.catalogue.staff.entry_views import outlook_of
from portal.catalogue.staff.month_views import bp, entry_or_404, number
from portal.catalogue.states import APPLIED, CHANGE, URGENT, publishes
from portal.centres import queries as centres
from portal.core import access, clock, pages, states
from portal.core.access import Permission
from portal.core.errors import DomainError, Stale


@dataclass(frozen=True)
class Preview:
    """What the change would say to everyone signed up."""

    sentence: str
    changes: list[list[str]]
    moves: bool  # nothing but the time and the place


@dataclass(frozen=True)
class Asked:
    """An asked change as the queue shows it."""

    change: EntryChange
    changes: list[list[str]]
    sentence: str
    status_text: str
    names: frozenset[str]  # transitions this viewer may fire


def _shown(change: EntryChange) -> Asked:
    names = frozenset(t.name for t in states.available(CHANGE, change, access.actor()))
    return Asked(change, changing.told(change), changing.sentence(change), CHANGE.labels[change.status], names)


def _change_page(entry: Entry, form: forms.ChangeForm, status: int = 200, **extra: Any) -> Response:
    typed = form.typed(entry.month, moved=True)
    open_one = changing.open_change(entry.id)
    context = {
        "cancel": forms.ReasonForm(formdata=None), "preview": None, "at_once": _at_once(entry),
        "soon": rules.starts_soon(entry_values.values_of(entry).sessions, clock.now()),
        "hours": rules.URGENT // timedelta(hours=1),
        "typed": typed, "month": entry.month,
        "about": {"month": entry.month, "entry": entry.id}, "outlook": outlook_of(form, typed, entry),
        "spans": sessions_field.shown(typed.spans), "open_one": _shown(open_one) if open_one else None,
    }  # fmt: skip
    return pages.page("catalogue/staff/change.html", status=status, entry=entry, form=form, **(context | extra))


def _at_once(entry: Entry) -> bool:
    return access.actor().can(Permission.PUBLISH) and publishes(entry, access.actor()) is None


@bp.route("/staff/catalogue/<int:entry_id>/change", methods=["GET", "POST"])
@access.staff(Permission.PLAN)
def change(entry_id: int) -> Response:
    """Time, place and the rest of a published row. First a look at the message, then it is sent off."""
    entry = entry_or_404(entry_id)
    if entry.status != PUBLISHED:
        flash("只有已发布的服务才需要申请变更。", "gold")
        return pages.see_other(url_for(".entry", entry_id=entry.id))
    form = forms.ChangeForm()
    if not form.is_submitted():
        return _change_page(entry, _as_it_stands(entry))
    _offer(entry, form)
    values = _read(entry, form)
    if values is None:
        return _change_page(entry, form, 422)
    if request.form.get("do") == "preview":
        return _preview(entry, form, values)
    return _ask(entry, form, values)


def _offer(entry: Entry, form: forms.ChangeForm) -> None:
    form.offer(leaf_categories())
    form.offer_rooms(room_holds.for_entry(entry))


def _as_it_stands(entry: Entry) -> forms.ChangeForm:
    """The form as the database says, whatever was posted."""
    form = forms.ChangeForm(formdata=None)
    _offer(entry, form)
    form.load(entry_values.values_of(entry))
    form.version.data = str(entry.revision)
    return form


def _read(entry: Entry, form: forms.ChangeForm) -> EntryValues | None:
    typed = form.read(entry.month, moved=True)
    if typed is None:
        return None
    values = form.values(entry.month, typed, entry_values.values_of(entry))
    form.put(rules.check(values, clock.now(), taken=entry.taken, moved=True))
    return None if form.errors else values


def _preview(entry: Entry, form: forms.ChangeForm, values: EntryValues) -> Response:
    before = entry_values.values_of(entry)
    told = entry_values.told(before, values)
    if not told:
        form.form_errors.append("内容和现在的一样，没有需要变更的地方。")
        return _change_page(entry, form, 422)
    sentence = rules.change_sentence(before, values, form.reason.data or "")
    return _change_page(entry, form, preview=Preview(sentence, told, rules.only_moves(before, values)))


def _ask(entry: Entry, form: forms.ChangeForm, values: EntryValues) -> Response:
    entry_id = entry.id
    try:
        asked = changing.ask_change(
            access.actor(), entry, values, form.reason.data or "", clock.now(), version=form.loaded_version
        )
    except Stale as error:
        pages.refused(error)
        entry = entry_or_404(entry_id)
        form.version.data = str(entry.revision)
        form.form_errors.append("这一条刚刚有变动（例如有人报名），请核对后再提交一次。")
        return _change_page(entry, form, 409)
    except InvalidRow as error:
        pages.refused(error)
        form.put(error.problems)
        return _change_page(entry_or_404(entry_id), form, 422)
    except DomainError as error:
        pages.refused(error, form)
        return _change_page(entry_or_404(entry_id), form, error.status)
    return _asked(entry, asked)


def _asked(entry: Entry, asked: EntryChange) -> Response:
    said, people = "变更申请送出了，发布单位同意后生效，并通知每位已报名的人。", entry.taken + entry.waiting
    if asked.status in (APPLIED, URGENT):
        told = f"已报名的 {people} 位会收到通知。" if people else "目前没有人报名，不用通知。"
        said = f"变更生效了，页面已更新。{told}"
    if asked.status == URGENT:
        said += "马上就要开始，不用等发布单位同意；已经告诉发布单位。"
    return pages.said(said, url_for(".entry", entry_id=entry.id))


@bp.post("/staff/catalogue/<int:entry_id>/cancel")
@access.staff(Permission.PLAN)
def cancel(entry_id: int) -> Response:
    """The activity does not take place; needs a reason like any change."""
    entry, form = entry_or_404(entry_id), forms.why_form("请写明取消的原因，报名的人都会看到。")
    if form.validate_on_submit():
        try:
            asked = changing.cancel_entry(
                access.actor(), entry, form.reason.data or "", clock.now(), version=number("version")
            )
        except DomainError as error:
            pages.refused(error)
            form.reason.errors = [f"{error.message}{error.advice}"]
        else:
            return _asked(entry, asked)
    found = entry_or_404(entry_id)
    return _change_page(found, _as_it_stands(found), 422, cancel=form)


@bp.get("/staff/catalogue/changes")
@access.staff(Permission.VIEW)
def changes() -> Response:
    """What waits for this centre's decision, before and after side by side; then what took effect without it."""
    actor, now = access.actor(), clock.now()
    here = centres.get(actor.centre_id or 0)  # held, so that the session finds it for every row's guard
    count = queries.open_change_count(actor)
    last = max(1, -(-count // queries.CHANGES))
    page = min(pages.page_number(), last)
    found = [_shown(c) for c in queries.open_changes(actor, page)] if count else []
    return pages.page(
        "catalogue/staff/changes.html", found=found, form=None, refusing=0, now=now, one=False, here=here,
        count=count, page=page, pages=last, at_once=[_shown(c) for c in queries.told_at_once(actor, now)],
    )  # fmt: skip


def _change_or_404(change_id: int) -> EntryChange:
    return queries.change(change_id) or abort(404)


@bp.get("/staff/catalogue/changes/<int:change_id>")
@access.staff(Permission.VIEW)
def one_change(change_id: int) -> Response:
    return _one_page(change_id)


def _one_page(change_id: int, form: forms.ReasonForm | None = None) -> Response:
    """One change alone; form: the reason why not, as typed, when something is wrong with it."""
    found, now, status, refusing = [_shown(_change_or_404(change_id))], clock.now(), 200, 0
    if form is not None:
        status, refusing = 422, change_id
    return pages.page(
        "catalogue/staff/changes.html",
        status=status,
        found=found,
        form=form,
        refusing=refusing,
        now=now,
        one=True,
        at_once=[],
    )


@bp.post("/staff/catalogue/changes/<int:change_id>/apply")
@access.staff(Permission.PUBLISH)
def apply_change(change_id: int) -> Response:
    found = _change_or_404(change_id)
    entry, people = found.entry, found.entry.taken + found.entry.waiting
    try:
        changing.apply_change(access.actor(), found, clock.now())
    except DomainError as error:
        return pages.sorry(error, url_for(".one_change", change_id=change_id))
    return pages.said(f"“{entry.title}”的变更生效了，{people} 位报名的人会收到通知。", url_for(".changes"))


@bp.post("/staff/catalogue/changes/<int:change_id>/refuse")
@access.staff(Permission.PUBLISH)
def refuse_change(change_id: int) -> Response:
    found, form = _change_or_404(change_id), forms.why_form("请写明不同意的理由，申请的人会看到。")
    if form.validate_on_submit():
        try:
            changing.refuse_change(access.actor(), found, form.reason.data or "", clock.now())
        except DomainError as error:
            pages.refused(error)
            form.reason.errors = [f"{error.message}{error.advice}"]
        else:
            return pages.said("没有同意这个变更，申请的人会看到理由。", url_for(".changes"))
    return _one_page(change_id, form)


@bp.post("/staff/catalogue/changes/<int:change_id>/take-back")
@access.staff(Permission.PLAN)
def take_back_change(change_id: int) -> Response:
    found = _change_or_404(change_id)
    entry_id = found.entry_id
    changing.take_back_change(access.actor(), found, clock.now())
    return pages.said("申请撤回了，活动照原来的办。", url_for(".entry", entry_id=entry_id))


@bp.post("/staff/catalogue/changes/<int:change_id>/undo")
@access.staff(Permission.PUBLISH)
def undo_change(change_id: int) -> Response:
    """What took effect without being asked, because it began so soon, is taken back by the publisher."""
    found, form = _change_or_404(change_id), forms.why_form("请写明撤销的理由，报名的人和提出变动的单位都会看到。")
    if form.validate_on_submit():
        try:
            urgent.undo_change(access.actor(), found, form.reason.data or "", clock.now())
        except DomainError as error:
            pages.refused(error)
            form.reason.errors = [f"{error.message}{error.advice}"]
        else:
            return pages.said("撤销了，报名的人和提出的单位都会收到通知。", url_for(".one_change", change_id=change_id))
    return _one_page(change_id, form)
