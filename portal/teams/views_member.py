"""我的队务 /m: the member's own page on the phone: orders of today, shifts, swapping by two taps (SPEC H7).

For residents and for staff who are members: whoever is signed in with the account that is linked, or with the number.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, redirect, request, url_for

from portal.core import access, clock, ical, pages
from portal.core.access import Actor
from portal.core.errors import DomainError
from portal.core.limits import limiter
from portal.teams import calendars, member_page, members, notices, queries, roster, rules
from portal.teams.states import LABELS, TONES

bp = Blueprint("teams_member", __name__, url_prefix="/m")
View = TypeVar("View", bound=Callable[..., Any])


def signed_in() -> Actor | Response:
    """Whoever it is, resident or staff; else the way to the login page and back, or to what staff must do first."""
    viewer = access.viewer()
    if viewer is None:
        return access.sign_in_first("resident")
    if viewer.audience == "staff" and viewer.must_first:
        return redirect(url_for(viewer.must_first[0]), 303)  # type: ignore[return-value]
    return viewer.as_actor(request.remote_addr or "")


@bp.get("")
@access.public
def mine() -> Response:
    """Today's orders and shifts."""
    return page()


def page(error: DomainError | None = None) -> Response:
    actor, now = signed_in(), clock.now()
    if not isinstance(actor, Actor):
        return actor
    places, today, p = queries.own_members(actor, now), clock.today(now), queries.policy()
    ids, teams = [m.id for m in places], [m.team_id for m in places]
    shifts = [s for s in queries.own_shifts(ids, today) if p.part(s.part).span(s.day)[1] > now] if ids else []
    parts = [source(actor, places, now) for source in member_page.parts.values()] if ids else []
    return pages.page(
        "teams/mine.html", places=places, shifts=shifts, parts=parts, now=now, p=p, when=notices.when, error=error,
        offered=queries.offered_shifts(teams, ids, today) if ids else [], labels=LABELS, tones=TONES,
        roles=rules.ROLE_LABELS, begun=lambda s: p.part(s.part).span(s.day)[0] <= now, staff=actor.kind == "staff",
        calendars=[(m.team.name, pages.absolute(calendars.address(m))) for m in places if m.code],
    )  # fmt: skip


def redraw(error: DomainError, **_args: Any) -> Response:
    """The page with the refusal above it."""
    return page(error)


def act(step: Callable[..., str]) -> Callable[..., Any]:
    """A button of /m: signed in, done in his own name, then back to the page with a sentence."""

    def view(**args: Any) -> Any:
        actor = signed_in()
        if not isinstance(actor, Actor):
            return actor
        return pages.said(step(actor, **args), url_for("teams_member.mine"))

    return access.public(pages.act(redraw)(view))


def _offer(actor: Actor, shift_id: int) -> str:
    roster.offer(actor, shift_id, clock.now())
    return "同队的人收到了。有人接之前，这个班还是您的。"


def _take_back(actor: Actor, shift_id: int) -> str:
    roster.take_back(actor, shift_id, clock.now())
    return "不换了，这个班还是您的。"


def _swap(actor: Actor, shift_id: int) -> str:
    shift = roster.swap(actor, shift_id, clock.now())
    return f"您接下了{notices.when(shift)}的班，谢谢。"


for _name, _step in {"offer": _offer, "take-back": _take_back, "take": _swap}.items():
    bp.post(f"/shifts/<int:shift_id>/{_name}", endpoint=_name.replace("-", "_"))(act(_step))


def _calendar(actor: Actor) -> str:
    members.calendar(actor, clock.now())
    return "日历地址做好了，请不要发给别人。"


bp.post("/calendar", endpoint="calendar")(act(_calendar))


@bp.get("/calendar/<key>.ics")
@access.public
@limiter.limit("60 per minute")
def shifts_calendar(key: str) -> Response:
    """A member's shifts for whoever knows the address."""
    now = clock.now()
    found = calendars.whose(key, now) or abort(404)
    return ical.answer(calendars.book(found, now), private=True)
