"""Residents sign up, leave and accept from a service's page (SPEC S1, S2, S4). Works without JavaScript."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, request, url_for
from sqlalchemy import select

from portal.catalogue import pictures
from portal.catalogue.actions import changing
from portal.catalogue.models import Entry
from portal.catalogue.public import going_back
from portal.catalogue.public import queries as public_queries
from portal.core import access, clock, pages, registry
from portal.core.access import Viewer
from portal.core.db import db
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.core.words import Refusal
from portal.people.refusals import NameMissing, NoSuchPerson
from portal.signup import actions, calendar, notices, queries
from portal.signup.eligibility import actions as eligibility
from portal.signup.errors import NotForThem, SignUpGone, SignUpRefused
from portal.signup.models import ACTIVE, SignUp

bp = Blueprint("signup", __name__)
TEMPLATE = "signup/answer.html"


@registry.panel
def panel_of(entry: Entry, viewer: Viewer | None, now: datetime) -> tuple[str, dict[str, Any]]:
    """The thumb bar of a service's page; `?for=` keeps whom one meant while signing in on the way."""
    panel = queries.panel(entry, viewer, now, selected=request.args.get("for", ""))
    return "signup/_panel.html", {"panel": panel}


def _resident() -> Any:
    viewer = access.viewer()
    return viewer if viewer is not None and viewer.audience == "resident" else None


def _way_back(entry_id: int) -> str:
    """The service's page with the intention kept; a POST cannot be repeated after the login."""
    chosen = request.form.get("for", "me")
    who: dict[str, Any] = {"for": chosen if chosen.isalnum() else "me"}
    return url_for("catalogue.service", entry_id=entry_id, **who, **going_back.kept())


def _login_first(entry_id: int) -> Response:
    target = url_for("people.login", next=_way_back(entry_id))
    return pages.see_other(target)


def _chosen() -> str:
    """For whom: the one they were offered instead when that was pressed."""
    return (request.form.get("instead") or request.form.get("for", "me")).strip()


def _chosen_relative() -> int | None:
    raw = _chosen()
    if raw in ("", "me"):
        return None
    number = whole_number(raw)
    if number is None:
        raise NoSuchPerson()
    return number


def _number(name: str, default: int = 0) -> int:
    raw = request.form.get(name, "").strip()
    number = whole_number(raw, 999) if raw else default
    if number is None:
        raise SignUpRefused(Refusal("companions", "人数请填数字。", "比如 1、2。", "companions"))
    return number


def _page(
    entry_id: int, *, fresh: int = 0, change: int = 0, error: DomainError | None = None, chosen: str = ""
) -> Response:
    """What became of it; or the sentence of a refusal in place, with the way out and what was chosen."""
    now = clock.now()
    brief = public_queries.brief(entry_id) or abort(404)
    panel = queries.panel(brief, _resident(), now, selected=chosen)
    asked = error if isinstance(error, NotForThem) else None
    if error is not None:
        companions = whole_number(request.form.get("companions"), 99) or 0
        panel = replace(panel, error="" if asked else f"{error.message}{error.advice}", companions=companions)
    panel = replace(panel, fresh=fresh, still=not pages.wants_fragment(), asked=asked is not None)
    # Until it begins the ticket says the same all day.
    turn = clock.today(now) if brief.first_start and now < brief.first_start else pages.minute(now)
    key = ("answer", entry_id, brief.revision, brief.status, brief.centres, brief.centres_at, turn)
    told = pages.kept(key, lambda: _told(entry_id, now))
    status = asked.status if asked else 0
    moved = public_queries.change(entry_id, change) if change and any(o.live for o in panel.mine) else None
    return pages.page(TEMPLATE, "panel", status, panel=panel, told=told, error=None if asked else error, asked=asked,
        moved=changing.sentence(moved) if moved else "",
                      wechat="MicroMessenger" in request.user_agent.string)  # fmt: skip


def _told(entry_id: int, now: datetime) -> dict[str, str]:
    """What the answer says of the entry to everybody: the ticket, words for the family, the category to look on in."""
    entry = public_queries.entry(entry_id) or abort(404)
    coming = next((s for s in entry.sessions if s.ends_at > now), None)
    url = pages.absolute(url_for("catalogue.short", entry_id=entry_id))
    said = notices.when(entry, now)
    return {
        "when": said, "category": entry.category.code, "family": notices.for_family(entry, now, url),
    } | pages.blocks(
        "signup/_facts.html", entry=entry, when=said, coming=coming, bring=notices.to_bring(entry.content),
        picture=pictures.of(entry.title, entry.groups),
    )  # fmt: skip


def _refused(error: DomainError, entry_id: int) -> Response:
    if isinstance(error, NameMissing):
        return pages.see_other(url_for("people.profile", next=_way_back(entry_id)))
    return _page(entry_id, error=error, chosen=_chosen())


def _done(said: str, entry_id: int) -> Response:
    url = url_for("catalogue.service", entry_id=entry_id, **going_back.kept())
    return pages.said(said, url)


@bp.post("/services/<int:entry_id>/sign-up")
@access.public
@pages.act(_refused, _done)
def sign_up(entry_id: int) -> Response:
    """One tap, one confirm. Who is not signed in goes through login or registration and comes back here."""
    if _resident() is None:
        return _login_first(entry_id)
    sure = request.form.get("sure", "") == _chosen()  # what it is for was said of this person already
    row = actions.sign_up(access.actor(), entry_id, _chosen_relative(), _number("companions"), clock.now(), sure=sure)
    url = url_for("signup.answer", entry_id=entry_id, new=row.id, **going_back.kept())
    return pages.see_other(url)


@bp.get("/services/<int:entry_id>/sign-up")
@access.resident
def answer(entry_id: int) -> Response:
    """What became of it: place or number in the queue, what happens next, until when. `?change=`: from the message
    on a change of the activity, old and new, and leaving is one tap (C8)."""
    fresh, change = (whole_number(request.args.get(word)) or 0 for word in ("new", "change"))
    return _page(entry_id, fresh=fresh, change=change)


@bp.get("/services/<int:entry_id>/sign-up.ics")
@access.public
def own_calendar(entry_id: int) -> Response:
    """The activity's dates for the phone's calendar. Public, for nothing private is in it and the browser to which
    WeChat hands it on knows nobody."""
    entry = public_queries.entry(entry_id) or abort(404)
    body = Response(calendar.book(entry, clock.now()), mimetype="text/calendar")
    body.headers["Content-Disposition"] = f'attachment; filename="activity-{entry.id}.ics"'
    return body


def _own_row(entry_id: int) -> SignUp:
    """The sign-up meant by the form, or the only live one of this entry."""
    raw = request.form.get("sign_up", "").strip()
    statement = select(SignUp).where(SignUp.entry_id == entry_id, SignUp.resident_id == access.signed_in().id)
    if raw:
        statement = statement.where(SignUp.id == (whole_number(raw) or 0))
    else:
        statement = statement.where(SignUp.status.in_(ACTIVE)).order_by(SignUp.relative_id.is_not(None), SignUp.id)
    row = db.session.scalars(statement.limit(1)).one_or_none()
    if row is None:
        raise SignUpGone()
    return row


@bp.post("/services/<int:entry_id>/withdraw")
@access.resident
@pages.act(_refused, _done)
def withdraw(entry_id: int) -> str:
    """Leave altogether, or keep some places of a party (`keep`)."""
    row, keep, now = _own_row(entry_id), _number("keep"), clock.now()
    if keep:
        actions.reduce_places(access.actor(), row.id, keep, now)
        return f"已改为 {keep} 位，让出来的名额给下一位。"
    waited = row.status == "waiting"
    actions.withdraw(access.actor(), row.id, now)
    return "已退出候补。" if waited else "已退出，名额让给下一位。谢谢您提前告知。"


@bp.post("/services/<int:entry_id>/ask-community")
@access.resident
@pages.act(_refused, _done)
def ask_community(entry_id: int) -> str:
    """The activity is for some groups: my community confirms once that I, or whom I act for, belong to one (S3)."""
    entry, now = public_queries.entry(entry_id) or abort(404), clock.now()
    eligibility.ask(access.actor(), entry, _chosen(), now)
    return "已请您的社区确认，确认后马上通知您。"


@bp.post("/services/<int:entry_id>/confirm-name")
@access.resident
@pages.act(_refused, _done)
def confirm_name(entry_id: int) -> str:
    """It is me whom staff entered by my number."""
    actions.confirm_name(access.actor(), _own_row(entry_id).id)
    return "好的，名单上写您登记的姓名。"


@bp.post("/services/<int:entry_id>/accept")
@access.resident
@pages.act(_refused, _done)
def accept(entry_id: int) -> str:
    """Say yes or no to a place that became free late."""
    row, now = _own_row(entry_id), clock.now()
    if request.form.get("answer") == "no":
        actions.decline_offer(access.actor(), row.id, now)
        return "好的，名额给下一位。"
    actions.accept_offer(access.actor(), row.id, now)
    return "报名成功，到时候见。"
