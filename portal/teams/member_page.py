"""What the member's page /m shows beside shifts: features above register it here (orders)."""

from collections.abc import Callable, Sequence
from datetime import datetime

from portal.core import registry
from portal.core.access import Actor
from portal.core.registry import Part
from portal.teams.models import TeamMember

PartSource = Callable[[Actor, Sequence[TeamMember], datetime], Part]
parts: dict[str, PartSource] = {}


def part(source: PartSource) -> PartSource:
    """fn(actor, one's places in teams, now) -> (template, context), shown above the shifts."""
    parts[registry.name_of(source)] = source
    return source
