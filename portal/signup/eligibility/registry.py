"""What is registered of groups for the features above: what waits for staff, own data (SPEC S3, P8)."""

from datetime import datetime
from typing import Any

from portal.centres import profile
from portal.core import registry
from portal.core.access import Actor, Permission
from portal.core.db import moment
from portal.core.registry import Waiting, Waits
from portal.signup.eligibility import actions, queries


@registry.waiting
def to_confirm(actor: Actor, now: datetime) -> list[Waits]:
    """Residents who ask their community to confirm a group."""
    if not actor.can(Permission.SIGN_UPS) or actor.department_id is not None:
        return []
    return [Waits("sign_ups", *queries.to_confirm(actor), lambda found: _line(found, now))]


def _line(found: dict[str, Any], now: datetime) -> Waiting:
    title = f"请确认人群：{found['name']}"
    detail = f"{profile.group_words([found['group']])} · 有活动只给这类居民"
    return Waiting("sign_ups", title, detail, moment(found["since"]) or now, "/staff/sign-ups/groups", None, "blue")


@registry.personal
def personal(resident_id: int) -> dict[str, Any]:
    """This part of the export of own data."""
    return {"人群确认": queries.personal(resident_id)}


@registry.erase
def erase(resident_id: int, _now: datetime) -> None:
    """Nothing of it is kept."""
    actions.erase(resident_id)
