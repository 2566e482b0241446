"""Samples for the wordings of teams and orders (message_samples)."""

from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

from portal.cases.models import Case
from portal.centres.models import Centre
from portal.core import clock
from portal.help_requests.models import HelpOrder, HelpRequest, HelpVisit
from portal.help_requests.orders import notices as orders
from portal.teams import notices as teams
from portal.teams.models import Shift, Team, TeamMember

MODULES: tuple[ModuleType, ...] = (teams, orders)


def samples(centre: Centre, now: datetime) -> dict[ModuleType, dict[str, Any]]:
    """As `message_samples.samples`."""
    team = Team(id=1, name="葵涌社区综合服务队", centre=centre)
    first, second = (TeamMember(id=n, name=name, team=team) for n, name in ((1, "陈志明"), (2, "王晓燕")))
    day = clock.today(now) + timedelta(days=2)
    gaps = [Shift(id=n, day=day + timedelta(days=n // 2), part=("am", "pm")[n % 2], team=team) for n in range(8)]
    start = now + timedelta(days=1)
    visit = HelpVisit(id=1, at_from=start, at_to=start + timedelta(hours=2))
    request = HelpRequest(id=7, case=Case(waits_at=centre))
    order = HelpOrder(
        id=1, request_id=7, request=request, member=first, visit=visit, answer_by=now + timedelta(hours=2),
        decline_reason="那天要上班", there_at=now - timedelta(hours=1),
    )  # fmt: skip
    return {
        teams: {
            "team": team.name, "found": gaps, "shift": gaps[0], "member": first, "by": second, "before": first,
            "count": 3, "first": clock.day(day),
        },
        orders: {"order": order},
    }  # fmt: skip
