"""Residents check in (SPEC S6): their code to be scanned, and one tap after scanning the code at the place."""

from flask import Blueprint, Response, abort, request, url_for

from portal.catalogue.models import EntrySession
from portal.core import access, clock, pages, qr
from portal.core.access import Viewer
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.people import queries as people
from portal.people.refusals import NameMissing, NoSuchPerson
from portal.signup.attendance import actions, codes, queries, rules

bp = Blueprint("check_in", __name__)


def _resident() -> Viewer | None:
    viewer = access.viewer()
    return viewer if viewer is not None and viewer.audience == "resident" else None


@bp.get("/services/<int:entry_id>/my-code")
@access.resident
def my_code(entry_id: int) -> Response:
    """我的报名码: a code for each of one's own places in an activity, to be shown at the door."""
    mine = queries.own(entry_id, access.signed_in().id)
    if not mine:
        abort(404)
    shown = []
    for row in mine:
        code = codes.of_sign_up(row.id)
        url = pages.absolute(url_for("check_in_staff.code", code=code))
        name = row.relative.name if row.relative else access.signed_in().name
        shown.append((name, row.places, qr.qr_svg(url, f"{name}的报名码"), codes.said(code)))
    return pages.page("signup/attendance/my_code.html", entry=mine[0].entry, shown=shown, now=clock.now())


# At the place ---------------------------------------------------------------------------------------------------------


@bp.get("/attend/<int:date_id>/<place_key>")
@access.public
def place(date_id: int, place_key: str) -> Response:
    """What the code at the place opens: one tap, for everybody of the family who has a place."""
    return _place(date_id, place_key)


def _at_the_place(date_id: int, place_key: str) -> EntrySession:
    found = queries.date_of(date_id) if codes.is_of_date(date_id, place_key) else None
    if found is None:
        raise actions.DateGone("这个二维码不是现在这个活动的。", advice="请扫现场放着的二维码，或找工作人员。")
    return found


def _place(date_id: int, place_key: str, error: DomainError | None = None) -> Response:
    date, now, viewer = _at_the_place(date_id, place_key), clock.now(), _resident()
    here = queries.here(date, viewer.id) if viewer else queries.Here((), (), False)
    family = _family(viewer) if viewer else []
    taken = {p.value for p in (*here.expected, *here.there)}
    return pages.page(
        "signup/attendance/place.html", date=date, entry=date.entry, now=now, here=here, error=error,
        signed_in=viewer is not None, refusal=rules.own_refusal(date, now), tail=rules.TAIL,
        family=[one for one in family if one[0] not in taken],
    )  # fmt: skip


def _family(viewer: Viewer) -> list[tuple[str, str]]:
    return [("me", f"我（{viewer.name}）"), *((str(r.id), r.name) for r in people.relatives(viewer.id))]


def _not_in(error: DomainError, date_id: int, place_key: str) -> Response:
    if isinstance(error, NameMissing):
        return pages.see_other(url_for("people.profile", next=request.path))
    return _place(date_id, place_key, error)


@bp.post("/attend/<int:date_id>/<place_key>")
@access.resident
@pages.act(_not_in)
def arrive(date_id: int, place_key: str) -> Response:
    """我到了: one's own sign-ups (`who`), or somebody of the family without one (`for`)."""
    _at_the_place(date_id, place_key)
    actor, now = access.actor(), clock.now()
    chosen = [number for raw in request.form.getlist("who")[:50] if (number := whole_number(raw))]
    if chosen:
        actions.check_in(actor, date_id, place_key, chosen, now)
    else:
        actions.walk_in(actor, date_id, place_key, _relative(), now)
    return pages.see_other(url_for("check_in.place", date_id=date_id, place_key=place_key))


def _relative() -> int | None:
    raw = request.form.get("for", "me")
    if raw in ("", "me"):
        return None
    number = whole_number(raw)
    if number is None:
        raise NoSuchPerson()
    return number
