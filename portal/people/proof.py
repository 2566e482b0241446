"""Who sits there now? Asked again before what would hurt most in a stranger's hands (SPEC P3, P8).

One mechanism for both: residents show a fresh code from their phone, staff their password (and second factor). It holds
for rules.PROOF_LIFE in that browser; signing in counts too, but not with a code that staff read out.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import request, url_for

from portal.core import access, clock, pages
from portal.people import rules

View = TypeVar("View", bound=Callable[..., Any])
PAGES = {"resident": "people.proof", "staff": "people_staff.proof"}


def is_fresh() -> bool:
    """Whether this browser's owner has proved lately to be there."""
    proved = access.signed_in().proved_at
    return proved is not None and clock.now() < proved + rules.PROOF_LIFE


def asked_first(back: str = "") -> Callable[[View], View]:
    """Below `@access…`: who has not proved lately is asked first, and comes back to this page.

    back: the endpoint to come back to instead, where this one only takes a form or gives a file.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(**args: Any) -> Any:
            if is_fresh():
                return view(**args)
            here = url_for(back or str(request.endpoint), **args)
            return pages.see_other(url_for(PAGES[access.signed_in().audience], next=here))

        answer.proves = True  # type: ignore[attr-defined]  # for tests/house
        return answer  # type: ignore[return-value]

    return decorate
