"""What no-shows show on pages that gather from all features (SPEC S8, P8)."""

from datetime import datetime
from typing import Any

from portal.catalogue.models import Entry
from portal.core import clock, registry
from portal.core.access import Actor, Permission
from portal.core.db import moment
from portal.core.registry import Mine, Waiting, Waits
from portal.signup.no_shows import actions, queries
from portal.signup.no_shows.models import COUNTED
from portal.signup.no_shows.states import LABELS, TONES


@registry.fact
def rule_of(entry: Entry) -> tuple[str, dict[str, Any]]:
    """The rule, on the page of what one signs up for, while it is on."""
    rule = queries.policy()
    return "signup/no_shows/_fact.html", {"panel": rule.text if rule.on and not entry.walk_in else ""}


@registry.mine
def mine(resident_id: int, _now: datetime, coming: bool) -> list[Mine]:
    """What was counted, among what is over, while the rule is on."""
    if coming or not queries.policy().on:
        return []
    return [
        Mine(
            "past", f"报名没到：{row.entry.title}", clock.stamp(row.date.starts_at), row.entry.place,
            LABELS[row.status], TONES[row.status], "记错了可以申诉" if row.status == COUNTED else "", actions.PAGE,
            row.date.starts_at, row.relative.name if row.relative else "",
        )
        for row in queries.own(resident_id)
    ]  # fmt: skip


@registry.waiting
def appeals(actor: Actor, now: datetime) -> list[Waits]:
    """Appeals of the actor's own centre."""
    if not actor.can(Permission.SIGN_UPS) or actor.department_id is not None:
        return []
    return [Waits("check_in", *queries.waiting(actor), lambda found: _line(found, now))]


def _line(found: dict[str, Any], now: datetime) -> Waiting:
    since = moment(found["since"]) or now
    return Waiting("check_in", f"报名没到的申诉：{found['title']}", "居民写了原因，等您答复", since, "/staff/no-shows")


@registry.personal
def personal(resident_id: int) -> dict[str, Any]:
    """This part of the export of own data."""
    return {"报名没到": queries.personal(resident_id)}


@registry.erase
def erase(resident_id: int, _now: datetime) -> None:
    """Words about the person go."""
    actions.erase(resident_id)
