"""返回 without a script: a list's links to its services carry where they stand, and a service's page leads there."""

import re
from typing import Any
from urllib.parse import quote

from flask import request
from markupsafe import Markup

from portal.core import access

LINK = re.compile(r'href="(/services/\d+)"')
LISTS = ("/services?", "/c/")  # where one may have come from; whoever came otherwise goes to the whole list
WHOLE = "/services"
LONGEST = 300  # characters of an address: what is longer is no list that somebody uses


def here() -> str:
    """This page's address as it was asked for."""
    asked = request.query_string.decode("latin-1")
    return f"{request.path}?{asked}" if asked else request.path


def carried(html: str, path: str) -> Markup:
    """The same with links to services that carry `path`, unless that is the whole list."""
    if path == WHOLE or len(path) > LONGEST:
        return Markup(html)  # noqa: S704 drawn by a template
    # As plain text: Markup would escape what is put in.
    return Markup(LINK.sub(rf'href="\1?back={quote(path, safe="/")}"', str(html)))  # noqa: S704 likewise, and quoted


def asked() -> str:
    """Where 返回 leads from this page: a list of ours, whatever somebody wrote into the address."""
    path = access.safe_next(request.args.get("back"), WHOLE)
    return path if path.startswith(LISTS) and len(path) <= LONGEST else WHOLE


def kept() -> dict[str, Any]:
    """The same for addresses that a step leads on to: {'back': …}, or nothing for the whole list."""
    path = asked()
    return {} if path == WHOLE else {"back": path}
