"""Staff close a room or a whole centre for a while, with what is booked inside in sight (SPEC V4)."""

from typing import Any

from flask import abort, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response
from wtforms.fields.choices import SelectChoice

from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.venues import room_queries
from portal.venues.actions import closures
from portal.venues.errors import ClosureRefused
from portal.venues.models import BY_ACTIVITY, Booking
from portal.venues.staff import booking_queries, forms, plan_queries
from portal.venues.staff.plan_queries import House
from portal.venues.staff.plan_views import bp, chosen_house, may_write, room_choices

FIELDS = ("where", "first_day", "start", "last_day", "end", "reason")


@bp.get("/closures", endpoint="closures")
@access.staff(Permission.VIEW)
def list_closures() -> Response:
    """What is closed now and soon, what was, what was lifted."""
    now, page = clock.now(), pages.page_number()
    which = request.args.get("show", "")
    which = which if which in dict(booking_queries.CLOSURE_TABS) else "coming"
    houses = plan_queries.houses(access.signed_in().centre_path)
    house = chosen_house(houses) if request.args.get("centre") else None
    rows, more = booking_queries.closures(which, house.id if house else None, page, now)
    return pages.page(
        "venues/staff/closures.html", rows=rows, more=more, page=page, which=which, tabs=booking_queries.CLOSURE_TABS,
        houses=houses, house=house, may=may_write(), now=now,
    )  # fmt: skip


# New ------------------------------------------------------------------------------------------------------------------


def _form(values: MultiDict[str, str]) -> forms.ClosureForm:
    form = forms.ClosureForm(values, meta={"csrf": False})  # the page's own token stands in the form
    houses: list[House] = plan_queries.houses(access.signed_in().centre_path)
    choices = [SelectChoice("", "请选择")]
    rooms = room_choices()
    for house in houses:
        choices.append(SelectChoice(f"c{house.id}", f"{house.name}：全部场地", optgroup=house.name))
        own = [(key, name) for key, name, centre in rooms if centre == house.name]
        choices += [SelectChoice(f"v{key}", name, optgroup=house.name) for key, name in own]
    form.where.choices = choices
    form.where.render_kw = {"data-find": True}
    form.where.invalid_choice_message = "请从列表里选场地或整个中心。"
    return form


@bp.get("/closures/new", endpoint="new_closure")
@access.staff(Permission.VENUES)
def new_closure() -> Response:
    """The form; filled in, what is booked inside and the choice what becomes of it."""
    if "first_day" not in request.args:
        form = _form(MultiDict())
        venue = whole_number(request.args.get("venue"))
        form.where.data = f"v{venue}" if venue else ""
        form.first_day.data = form.last_day.data = forms.typed_day(request.args.get("day"), clock.today())
        return _page(form)
    form = _form(request.args)
    if not form.validate():
        return _page(form, 422)
    return _preview(form)


def _page(form: forms.ClosureForm, status: int = 200, **more: Any) -> Response:
    context = {"inside": None, "kept": [], "changed": False, **more}
    return pages.page("venues/staff/closure_new.html", status=status, form=form, **context)


def _target(form: forms.ClosureForm) -> tuple[int, int | None]:
    """(centre, room or None for the whole centre) of the chosen place. 404 for what is not one's own."""
    number = whole_number(str(form.where.data)[1:]) or 0
    if str(form.where.data).startswith("c"):
        return number, None
    room = room_queries.get(number) or abort(404)
    return room.centre_id, room.id


def _inside(form: forms.ClosureForm) -> list[Booking]:
    return booking_queries.with_names(closures.affected(*_target(form), form.span))


def _preview(form: forms.ClosureForm, status: int = 200, changed: bool = False) -> Response:
    try:
        closures.check(form.span, form.reason.data or "", clock.now())  # told before anybody decides about bookings
    except ClosureRefused as error:
        return _page(form, pages.refused(error, form).status)
    inside = _inside(form)
    source = request.form if request.method == "POST" else request.args
    return _page(
        form, status, inside=inside, fixed=[b for b in inside if b.source == BY_ACTIVITY], changed=changed,
        kept=[(name, source.get(name, "")) for name in FIELDS], seen=_seen(inside), span=form.span,
        where={c.value: c.label for c in form.where.choices}[form.where.data],
    )  # fmt: skip


def _seen(rows: list[Booking]) -> str:
    """What the preview showed, so that nobody is cancelled unseen."""
    return ",".join(f"{b.id}.{b.revision}" for b in rows)


@bp.post("/closures", endpoint="close")
@access.staff(Permission.VENUES)
def close() -> Response:
    """Close around what is booked, or cancel it with notice. 409 when somebody booked after the preview."""
    form = _form(request.form)
    if not form.validate():
        return _page(form, 422)
    cancel = form.booked.data == forms.CANCEL
    inside = _inside(form)
    if cancel and _seen(inside) != (form.seen.data or ""):
        return _preview(form, 409, changed=True)
    span, reason = form.span, form.reason.data or ""
    try:
        done = closures.close(access.actor(), *_target(form), span, reason, cancel, clock.now())
    except DomainError as error:
        return _page(form, pages.refused(error, form).status)
    said = f"已停用：{booking_queries.closure_words(span.start, span.end)}。"
    if done.cancelled:
        said += f"取消了 {len(done.cancelled)} 份预约，都会通知到。"
    if done.kept:
        said += f"保留了 {len(done.kept)} 份已订的。"
    return pages.said(said, url_for(".closures"))


@bp.post("/closures/<int:closure_id>/lift", endpoint="lift")
@access.staff(Permission.VENUES)
def lift(closure_id: int) -> Response:
    """Open again earlier than planned."""
    if booking_queries.closure(closure_id) is None:
        abort(404)
    row = closures.lift(access.actor(), closure_id, clock.now())
    return pages.said(f"已恢复使用：{row.venue.name if row.venue else '全部场地'}。", url_for(".closures"))
