"""What the worker of every staff page asks and says: what rings, that somebody is here, that it was shown (SPEC H4)."""

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request, url_for

from portal.core import access, clock, pages
from portal.core.access import Permission, granted
from portal.core.incoming import whole_number
from portal.help_requests.urgent import actions, queries, rules

bp = Blueprint("urgent_desk", __name__, url_prefix="/staff/alarms")
TEMPLATE = "help_requests/urgent/desk.html"


@bp.get("")
@access.staff(Permission.URGENT)
def poll() -> Response:
    """What rings or is under way at my centre: nothing is 204, nothing new is {same}, else the piece of page that shows
    it, with nothing private. While nothing is open in the deployment `poll.py` answers in front of the app."""
    if "v" not in request.args:
        return pages.see_other(url_for("urgent_staff.alarms"))
    actor, now = access.actor(), clock.now()
    found = queries.desk(actor.centre_id, now) if actor.centre_id and actor.department_id is None else []
    if not found:
        return make_response("", 204)
    stamp = queries.stamp(found, now)
    rings = [d for d in found if d.sounds]
    if stamp == request.args["v"]:
        answer = jsonify(v=stamp, same=True)
    else:
        html = pages.block(TEMPLATE, "desk", **_shown(found, now))
        ids = [{"id": d.id, "ring": d.ring} for d in rings]
        answer = jsonify(v=stamp, rings=ids, title=f"【紧急求助】{rings[0].centre}" if rings else "", html=html)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _shown(found: list[queries.Desk], now: Any) -> dict[str, Any]:
    rings = [d for d in found if d.sounds]
    first = rings[0] if rings else None
    return {
        "first": first, "more": len(rings) - 1, "bars": [d for d in found if not d.sounds], "now": now, "rules": rules,
        "seconds": int((now - first.rung_at).total_seconds()) if first else 0,
        "screens": queries.shown_on(first.id) if first else [],
        "following": queries.next_words(first.id, now) if first else "",
    }  # fmt: skip


@bp.post("/here")
@access.staff(Permission.URGENT)
def here() -> Response:
    """This page is open: who listens, with sound or without; once a minute. tried: 试响, heard or not."""
    actor, now, form = access.actor(), clock.now(), request.form
    session_id = access.signed_in().session_id
    if actor.department_id is None:
        actions.here(actor, session_id, form.get("sound") == "1", form.get("visible") == "1", now)
        if form.get("tried"):
            actions.tried(session_id, form["tried"] == "1", now)
    return make_response("", 204)


@bp.post("/shown")
@access.staff(Permission.URGENT)
def shown() -> Response:
    """These alarms are on this screen now: id:ring of each, and whether they sound."""
    actor, now = access.actor(), clock.now()
    for raw in request.form.getlist("alarm")[:10]:
        number, _, ring = raw.partition(":")
        which, turn = whole_number(number), whole_number(ring, 1000)
        if which is not None and turn is not None:
            session_id = access.signed_in().session_id
            actions.shown(actor, session_id, which, turn, request.form.get("sound") == "1", now)
    return make_response("", 204)


@bp.app_context_processor
def desk() -> dict[str, Any]:
    """Whether this page is one of those that ring: of staff who answer, never of a department."""
    user = access.viewer()
    listens = (
        user is not None and user.audience == "staff" and not user.must_first and user.department_id is None
        and Permission.URGENT in granted(user.role) and request.path.startswith("/staff")
    )  # fmt: skip
    return {"alarm_desk": listens}
