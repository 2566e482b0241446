"""Home, a centre's page (reached by its QR), my services, the ways to help by telephone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, flash, make_response, redirect, request, url_for
from markupsafe import Markup

from portal.catalogue.public import following, going_back, month_snapshot
from portal.catalogue.public import queries as public_queries
from portal.centres import facts, profile
from portal.centres import queries as centres
from portal.core import access, clock, cookies, pages, qr
from portal.core.incoming import whole_number
from portal.front import queries, sharing
from portal.people import queries as people
from portal.people import viewer as viewers
from portal.people.actions import resident_records as people_actions

bp = Blueprint("front", __name__)
A_YEAR = 365  # days


@bp.get("/")
@access.public
def home() -> Response:
    """My centre's day at a glance; the choice of a centre for somebody new."""
    now = clock.now()
    brief = viewers.home_centre()
    if brief is None or request.args.get("choose"):
        after = access.safe_next(request.args.get("next"))
        return pages.page("front/choose.html", choices=people.home_choices(), district=_district(now), after=after)
    return _centre_page(brief.code, now, at_home=True)


def _district(now: datetime) -> dict[str, Any]:
    """What somebody without a centre sees of the whole deployment."""
    count, cards, later = month_snapshot.upcoming(now, 5)
    return {"name": profile.current().name, "count": count, "cards": cards, "later": later}


@bp.get("/c/<code>")
@access.public
def centre(code: str) -> Response:
    """A centre's public page; the visitor's choice is remembered (N3)."""
    answer = _centre_page(code, clock.now(), at_home=False)
    if access.viewer() is None:
        _remember(answer, code)
    return answer


@dataclass(frozen=True, slots=True)
class Told:
    """What a centre says of itself to everybody. parts: drawn blocks of front/_centre.html."""

    brief: viewers.CentreBrief
    path: str
    mixed: bool  # rows of several centres stand under it
    opening: str
    rooms: int
    parts: dict[str, Markup]
    photo: str  # of its preview card


def _centre_page(code: str, now: datetime, at_home: bool) -> Response:
    """What is the same for everybody is kept as long as it is true; only one's own next things are read each time."""
    of_months, of_centres = queries.stamps(now)
    told = pages.kept(("centre", code, of_centres, pages.minute(now)), lambda: _told(code, now))
    published = month_snapshot.published(of_months, now)
    key = ("centre month", told.brief, published.stamp, told.opening, told.rooms, told.photo, pages.minute(now))
    month, parts = pages.kept(key, lambda: _month(told, published, now))
    user = access.viewer()
    resident = user.id if user is not None and user.audience == "resident" else None
    mine = queries.next_of_mine(resident, now) if resident is not None else []
    template = "front/elder.html" if viewers.elder_mode() else "front/centre.html"
    # The frame speaks of the centre whose page this is, not of the visitor's own.
    return pages.page(
        template, told=told, month=month, parts=told.parts | parts, mine=mine, at_home=at_home, home_centre=told.brief,
        follows=following.about(resident),
    )  # fmt: skip


def _told(code: str, now: datetime) -> Told:
    found = centres.by_code(code)
    if found is None or not found.active:
        abort(404)
    page = queries.centre_page(found, now)
    return Told(
        viewers.brief_of(found), found.path, not profile.current().level(found.level).files_list, page.opening.text,
        len(page.rooms), pages.blocks("front/_centre.html", page=page), sharing.picture(page.photos),
    )  # fmt: skip


def _month(
    told: Told, published: month_snapshot.Published, now: datetime
) -> tuple[queries.CentreMonth, dict[str, Markup]]:
    month = queries.centre_month(published, told.path, told.mixed, now)
    later = month_snapshot.next_publication(published.months, now)
    card = sharing.card(told.brief.code, told.brief.name, told.photo, month.count, told.brief.address)
    drawn = pages.blocks("front/_month.html", told=told, month=month, later=later, card=card)
    return month, {name: going_back.carried(block, f"/c/{told.brief.code}") for name, block in drawn.items()}


EMERGENCY = (("120", "急救"), ("110", "报警"), ("119", "火警"))


@bp.post("/my-centre")
@access.public
def my_centre() -> Any:
    """Choose the centre this phone opens with; a resident's home centre is changed in the profile."""
    raw = request.form.get("centre", "")
    number = whole_number(raw)
    found = centres.get(number) if number is not None else centres.by_code(raw[:32])
    if found is None or not found.active:
        flash("请先选一个社区。", "warning")
        return pages.see_other(url_for("front.home"))
    answer = make_response(redirect(access.safe_next(request.form.get("next")), 303))
    _remember(answer, found.code)
    return answer


def _remember(answer: Response, code: str) -> None:
    cookies.keep(answer, viewers.CENTRE_COOKIE, code, A_YEAR)


@bp.post("/elder")
@access.public
def elder() -> Any:
    """Switch between the elder and the ordinary version; remembered (P7)."""
    on = request.form.get("on") == "1"
    answer = make_response(redirect(access.safe_next(request.form.get("next")), 303))
    cookies.keep(answer, viewers.ELDER_COOKIE, "1" if on else "0", A_YEAR)
    user = access.viewer()
    if user is not None and user.audience == "resident":
        person = people.resident(user.id)
        if person is not None:
            people_actions.set_elder(person, on, clock.now())
    return answer


@bp.get("/c/<code>/share")
@access.public
def share(code: str) -> Response:
    """A centre passed on to a group: its card, ready words, its QR code."""
    found = centres.by_code(code)
    if found is None or not found.active:
        abort(404)
    now, photos = clock.now(), facts.PHOTOS.of(found.id)
    rows = month_snapshot.ahead(now).below(found.path).rows
    count = len(month_snapshot.select_rows(rows, month_snapshot.Filters(), now).coming)
    card = sharing.card(found.code, found.name, sharing.picture(photos), count, found.address)
    return pages.page(
        "front/share.html",
        centre=found,
        card=card,
        words=sharing.words(found, rows, card.url, now),
        home_centre=viewers.brief_of(found),
    )


@bp.get("/c/<code>/qr.png")
@access.public
def centre_qr(code: str) -> Response:
    """The centre's QR code as a picture."""
    found = centres.by_code(code) or abort(404)
    image = qr.qr_png(pages.absolute(url_for("front.centre", code=found.code)))
    return Response(image, mimetype="image/png", headers={"Cache-Control": "public, max-age=86400"})


@bp.get("/me")
@access.resident
def me() -> Response:
    """My services: everything of mine and what happens next (S9)."""
    user = access.signed_in()
    now = clock.now()
    person = people.resident(user.id)
    return pages.page(
        "front/me.html", sections=queries.mine(user.id, now), person=person, now=now,
        relatives=people.relatives(user.id), followed=following.of(user.id),
    )  # fmt: skip


@bp.get("/help/phone")
@access.public
def help_() -> Response:
    """Who helps with what, by telephone: the centre, the level above, the public hotlines."""
    return pages.page("front/by_phone.html", **_by_phone())


def _by_phone() -> dict[str, Any]:
    brief = viewers.home_centre()
    centre_ = centres.get(brief.id) if brief else None
    chain = [centre_, *reversed(centres.ancestors(centre_))] if centre_ else []
    return {
        "groups": public_queries.guide_groups(kind="help"), "chain": [c for c in chain if c and c.phone],
        "hotline": profile.current().hotline, "emergency": EMERGENCY,
    }  # fmt: skip
