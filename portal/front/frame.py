"""The staff's left column: the whole product with counts of what waits."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import current_app, g, request, url_for

from portal.core import access, clock, registry, scope
from portal.core.access import Actor, Viewer, granted


@dataclass(frozen=True, slots=True)
class NavLink:
    label: str
    url: str
    icon: str
    count: int
    active: bool


def counts(actor: Actor, now: datetime) -> dict[str, int]:
    """How much waits for this staff member in each section; asked once a request."""
    if "waiting_counts" not in g:
        g.waiting_counts = registry.waiting_counts(actor, now.replace(second=0, microsecond=0))
    found: dict[str, int] = g.waiting_counts
    return found


def tasks(found: dict[str, int]) -> int:
    """How many tasks these are. Unread messages have a line of their own: they tell, they do not ask."""
    return sum(count for section, count in found.items() if section != "my_messages")


def context() -> dict[str, Any]:
    """`nav` for pages of the staff face; nothing for residents."""
    user = access.viewer()
    if user is None or user.audience != "staff" or not request.path.startswith("/staff") or user.must_first:
        return {}
    if scope.current() is None:
        return {}  # an address that leads nowhere: nothing was entered, and its error page shows no column
    found, here = counts(user.as_actor(), clock.now()), request.endpoint == "front_staff.inbox"
    links = [NavLink("待我处理", url_for("front_staff.inbox"), "inbox", tasks(found), here)]
    links += _links(user, found)
    best = max((link for link in links[1:] if link.active), key=lambda link: len(link.url), default=None)
    return {"nav": [replace(link, active=link is best) if link is not links[0] else link for link in links]}


def _links(user: Viewer, counts: dict[str, int]) -> list[NavLink]:
    items = sorted(registry.nav_items.values(), key=lambda item: item.position)
    return [
        NavLink(item.label, url_for(item.endpoint), item.icon, counts.get(item.section, 0), _inside(item))
        for item in items
        if item.permission in granted(user.role) and item.endpoint in current_app.view_functions
    ]


def _inside(item: registry.NavItem) -> bool:
    """Whether this request's page lies at or below a page of the section."""
    urls = [url_for(name).rstrip("/") for name in (item.endpoint, *item.also)]
    return any(request.path == url or request.path.startswith(url + "/") for url in urls)
