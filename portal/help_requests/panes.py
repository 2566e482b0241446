"""Where orders to members show themselves: on the staff's open request, and on the resident's page.

A pane is fn(request, actor, now) -> (template, context) or None; the template reads its context as `pane`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from portal.core.access import Actor
from portal.help_requests.models import HelpRequest

Part = tuple[str, dict[str, Any]]
Source = Callable[[HelpRequest, Actor, datetime], Part | None]
_staff: dict[str, Source] = {}
_resident: dict[str, Source] = {}


def staff(source: Source) -> Source:
    """Shown below the buttons of the open request (who is free, whom it was given to)."""
    _staff[f"{source.__module__}.{source.__qualname__}"] = source
    return source


def resident(source: Source) -> Source:
    """Shown below 'who has it until when' on the resident's page (when somebody comes, moving the time)."""
    _resident[f"{source.__module__}.{source.__qualname__}"] = source
    return source


def for_staff(row: HelpRequest, actor: Actor, now: datetime) -> list[Part]:
    return [part for source in _staff.values() if (part := source(row, actor, now)) is not None]


def for_resident(row: HelpRequest, actor: Actor, now: datetime) -> list[Part]:
    return [part for source in _resident.values() if (part := source(row, actor, now)) is not None]
