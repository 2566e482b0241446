"""One line in the log whenever something is refused that attackers try: for whoever guards the portal (SPEC Q4).

A line says what, which page, whose session and from where: numbers, no names, nothing that was typed.
"""

from typing import Any

import structlog
from flask import has_request_context, request
from flask_login import current_user

log = structlog.get_logger()


def refused(why: str, **more: Any) -> None:
    """why: a word such as 'forbidden', 'csrf'; more: plain facts that name nobody. Commands and jobs attack nobody."""
    if not has_request_context():
        return
    log.warning(
        "security", why=why, endpoint=request.endpoint or "", method=request.method,
        address=request.remote_addr or "", **more,
    )  # fmt: skip


def refused_to_viewer(why: str) -> None:
    """The same, with whose session it is and which record was asked for."""
    user = current_user._get_current_object()
    known = user.is_authenticated
    records = {name: value for name, value in (request.view_args or {}).items() if isinstance(value, int)}
    refused(why, audience=user.audience if known else "", person=user.id if known else None, records=records)


def no_such_record() -> None:
    """Somebody signed in asked for a number that is not there, or not theirs: the page does not tell which."""
    if request.view_args and current_user.is_authenticated:
        refused_to_viewer("no such record")
