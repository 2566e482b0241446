"""Residents sign up, leave and accept from a service's page (SPEC S1, S2, S4). Works without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, flash, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from portal.catalogue.models import PUBLIC, Entry
from portal.core import access, clock, pages, registry
from portal.core.access import Viewer
from portal.core.db import db
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.signup import actions, notices, queries, rules
from portal.signup.errors import NameMissing, NoSuchPerson, SignUpGone, SignUpRefused
from portal.signup.models import ACTIVE, SignUp

bp = Blueprint("signup", __name__)
TEMPLATE = "signup/answer.html"


@registry.panel
def panel_of(entry: Entry, viewer: Viewer | None, now: datetime) -> tuple[str, dict[str, Any]]:
    """The thumb bar of a service's page; `?for=` keeps whom one meant while signing in on the way."""
    panel = queries.panel(entry, viewer, now, selected=request.args.get("for", "me"))
    return "signup/_panel.html", {"panel": panel}


def _entry(entry_id: int) -> Entry:
    statement = select(Entry).where(Entry.id == entry_id, Entry.status.in_(PUBLIC))
    options = (joinedload(Entry.centre), selectinload(Entry.sessions))
    entry = db.session.scalars(statement.options(*options)).one_or_none()
    if entry is None:
        abort(404)
    return entry


def _resident() -> Any:
    viewer = access.viewer()
    return viewer if viewer is not None and viewer.audience == "resident" else None


def _way_back(entry_id: int) -> str:
    """The service's page with the intention kept; a POST cannot be repeated after the login."""
    chosen = request.form.get("for", "me")
    return f"{url_for('catalogue.service', entry_id=entry_id)}?for={chosen if chosen.isalnum() else 'me'}"


def _login_first(entry_id: int) -> Response:
    target = url_for("people.login", next=_way_back(entry_id))
    return pages.see_other(target)


def _chosen_relative() -> int | None:
    raw = request.form.get("for", "me").strip()
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
        raise SignUpRefused(rules.Refusal("companions", "人数请填数字。", "比如 1、2。"))
    return number


@bp.post("/services/<int:entry_id>/sign-up")
@access.public
def sign_up(entry_id: int) -> Response:
    """One tap, one confirm. Who is not signed in goes through login or registration and comes back here."""
    now = clock.now()
    if _resident() is None:
        return _login_first(entry_id)
    try:
        row = actions.sign_up(access.actor(), entry_id, _chosen_relative(), _number("companions"), now)
    except NameMissing:
        db.session.rollback()
        return pages.see_other(url_for("people.profile", next=_way_back(entry_id)))
    except DomainError as error:
        return _refused(entry_id, error, now)
    if not pages.wants_fragment():
        return pages.see_other(url_for("signup.answer", entry_id=entry_id, new=row.id))
    return _page(entry_id, now, fresh=row.id)


@bp.get("/services/<int:entry_id>/sign-up")
@access.resident
def answer(entry_id: int) -> Response:
    """What became of it: place or number in the queue, what happens next, until when."""
    return _page(entry_id, clock.now(), fresh=whole_number(request.args.get("new")) or 0)


def _page(
    entry_id: int, now: datetime, *, fresh: int = 0, error: DomainError | None = None, status: int = 200
) -> Response:
    entry = _entry(entry_id)
    panel = queries.panel(entry, _resident(), now, selected=request.form.get("for", "me"))
    if error is not None:
        companions = whole_number(request.form.get("companions"), 99) or 0
        panel = replace(panel, error=f"{error.message}{error.advice}", companions=companions)
    panel = replace(panel, fresh=fresh, still=error is None and not pages.wants_fragment())
    return pages.page(
        TEMPLATE, "panel", status, panel=panel, entry=entry, when=notices.when(entry), now=now, error=error,
    )  # fmt: skip


def _refused(entry_id: int, error: DomainError, now: datetime) -> Response:
    """The sentence in place, with the way out, and what was chosen kept."""
    db.session.rollback()
    if error.status == 404:
        raise error
    return _page(entry_id, now, error=error, status=error.status)


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


def _act(entry_id: int, action: Callable[[SignUp, datetime], str]) -> Response:
    """Do one thing to an own sign-up and show the panel anew, with a sentence of what was done."""
    now = clock.now()
    try:
        said = action(_own_row(entry_id), now)
    except DomainError as error:
        return _refused(entry_id, error, now)
    if not pages.wants_fragment():
        flash(said, "ok")
        return pages.see_other(url_for("catalogue.service", entry_id=entry_id))
    entry = _entry(entry_id)
    panel = replace(queries.panel(entry, _resident(), now), said=said)
    return pages.page(TEMPLATE, "panel", panel=panel, entry=entry, when=notices.when(entry), now=now, error=None)


@bp.post("/services/<int:entry_id>/withdraw")
@access.resident
def withdraw(entry_id: int) -> Response:
    """Leave altogether, or keep some places of a party (`keep`)."""

    def act(row: SignUp, now: datetime) -> str:
        keep = _number("keep")
        if keep:
            actions.reduce_places(access.actor(), row.id, keep, now)
            return f"已改为 {keep} 位，让出来的名额给下一位。"
        waited = row.status == "waiting"
        actions.withdraw(access.actor(), row.id, now)
        return "已退出候补。" if waited else "已退出，名额让给下一位。谢谢您提前告知。"

    return _act(entry_id, act)


@bp.post("/services/<int:entry_id>/accept")
@access.resident
def accept(entry_id: int) -> Response:
    """Say yes or no to a place that became free late."""

    def act(row: SignUp, now: datetime) -> str:
        if request.form.get("answer") == "no":
            actions.decline_offer(access.actor(), row.id, now)
            return "好的，名额给下一位。"
        actions.accept_offer(access.actor(), row.id, now)
        return "报名成功，到时候见。"

    return _act(entry_id, act)
