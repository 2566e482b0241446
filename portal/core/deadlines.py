"""When somebody is reminded and until when an offer stands, before any start. Pure functions, no database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

Rule = Literal["day", "hours"]

DAY_BEFORE = timedelta(hours=24)
HOURS_BEFORE = timedelta(hours=2)
LATE = timedelta(hours=24)  # what becomes free later than this before the start is offered, not given


def reminder_from(start: datetime, rule: str) -> datetime:
    """From when on the reminder is due. Who signed up or booked later has just seen the hour and needs none."""
    return start - (DAY_BEFORE if rule == "day" else HOURS_BEFORE)


def reminder_due(start: datetime, now: datetime, known_since: datetime | None = None) -> Rule | None:
    """Which reminder is due now: from a day and from two hours before the start, never after it.

    known_since: since when the person knows the hour; None: since long ago.
    """
    rule: Rule = "hours" if now >= reminder_from(start, "hours") else "day"
    begin = reminder_from(start, rule)
    late = known_since is not None and known_since > begin
    return rule if begin <= now < start and not late else None


def offer_until(start: datetime | None, now: datetime, least: timedelta) -> datetime | None:
    """Until when somebody must accept what became free; None: a day ahead or more it is given without asking.

    Later than that people may have made other plans: half of the remaining time, so that the next one still gets a
    chance, at least `least`, never beyond the start (None: no start is known yet).
    """
    if start is None or not timedelta() < start - now < LATE:
        return None
    return min(start, now + max(least, (start - now) / 2))
