"""Notes on rooms, from colleague to colleague (SPEC V6)."""

from flask import abort, request, url_for
from werkzeug.wrappers import Response

from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.venues.actions import duty_notes
from portal.venues.staff import booking_queries, forms, plan_queries
from portal.venues.staff.plan_views import bp, came_from, chosen_house, may_write, room_choices


@bp.get("/notes", endpoint="notes")
@access.staff(Permission.VIEW)
def list_notes() -> Response:
    """Open notes of every room below, or those that are solved."""
    form = forms.NoteForm(formdata=None)
    return _page(form)


def _page(form: forms.NoteForm, status: int = 200) -> Response:
    may, page = may_write(), pages.page_number()
    solved = request.args.get("show") == "solved"
    houses = plan_queries.houses(access.signed_in().centre_path)
    house = chosen_house(houses) if request.args.get("centre") else None
    rows, more = booking_queries.notes(solved, house.id if house else None, page)
    form.venue_id.offer(room_choices())
    if not form.is_submitted():
        form.venue_id.data = whole_number(request.args.get("venue")) or 0
    return pages.page(
        "venues/staff/notes.html", status=status, rows=rows, more=more, page=page, solved=solved, houses=houses,
        house=house, may=may, form=form, now=clock.now(),
    )  # fmt: skip


@bp.post("/notes", endpoint="add_note")
@access.staff(Permission.VENUES)
def add_note() -> Response:
    """A broken projector, tables to put back."""
    form = forms.NoteForm()
    form.venue_id.offer(room_choices())
    if not form.validate():
        return _page(form, 422)
    try:
        duty_notes.add(access.actor(), form.venue_id.data, form.body.data or "", clock.now())
    except DomainError as error:
        return _page(form, pages.refused(error, form).status)
    return pages.said("备注已记下，值班的同事会看到。", came_from(url_for(".notes")))


@bp.post("/notes/<int:note_id>/solve", endpoint="solve_note")
@access.staff(Permission.VENUES)
def solve_note(note_id: int) -> Response:
    """Done; the note leaves the plan."""
    if booking_queries.note(note_id) is None:
        abort(404)
    duty_notes.solve(access.actor(), note_id, clock.now())
    return pages.said("已标为处理好。", came_from(url_for(".notes")))
