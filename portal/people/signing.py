"""The browser's side of a session: entering and leaving."""

from datetime import datetime

from flask import Response, g, request, session
from flask_login import login_user, logout_user

from portal.core import access, clock, pages, sessions
from portal.people import viewer


def enter(audience: sessions.Audience, person_id: int, now: datetime, let_in_by: str = "") -> None:
    """Sign this browser in with a new session row; whatever it was signed in as before ends.

    let_in_by: the centre whose staff read a code out (`sessions.open_session`).

    The cookie is emptied first, so that a token planted before the login is worth nothing after it.
    """
    leave(now, "signed in again")
    agent = request.user_agent.string
    token = sessions.open_session(audience, person_id, now, request.remote_addr or "", agent, let_in_by)
    # Residents stay signed in on their own phone; at a shared desk closing the browser is enough.
    session.permanent = audience == "resident"
    # Read back by the next request only: this one's row is not committed yet.
    session_id = sessions.fingerprint(token)
    login_user(viewer.Viewer(id=person_id, audience=audience, name="", session_id=session_id, token=token))
    g.pop("home_centre", None)


def leave(now: datetime, why: str = "logout") -> None:
    """End this browser's session row and empty its cookie."""
    user = access.viewer()
    if user is not None:
        sessions.end_session(user.session_id, now, why)
        logout_user()
    session.clear()
    g.pop("home_centre", None)


def goodbye(said: str, url: str) -> Response:
    """Leave, and have the browser forget the pages it has kept: the next person at a desk presses "back"."""
    leave(clock.now())
    return forgetting(pages.said(said, url))


def forgetting(answer: Response) -> Response:
    """Pages, and the rosters and ticks a device keeps for the door. Browsers obey it over https only. Over the wire
    it costs a new copy of style and script at the next visit.
    """
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer
