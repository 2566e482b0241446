"""When somebody is reminded and until when an offer stands, before any start. Pure functions, no database."""

from datetime import datetime, time, timedelta
from typing import Literal

from portal.core import clock

Rule = Literal["day", "hours"]

DAY_BEFORE = timedelta(hours=24)
HOURS_BEFORE = timedelta(hours=2)
NIGHT_FROM, NIGHT_UNTIL = 22, 8  # Shanghai hours in which nobody is woken
WAKING = timedelta(hours=1)  # of the morning, before what was offered in the evening may lapse
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


def reminders_text() -> str:
    """'前一天和前 2 小时': when reminders come, for every page that says so."""
    return f"前{clock.said(DAY_BEFORE)}和前{clock.said(HOURS_BEFORE)}"


def reminders_left(start: datetime, now: datetime) -> str:
    """Those reminders that still come before `start`: '前一天和前 2 小时', '前 2 小时', '' for none."""
    return "和".join(f"前{clock.said(lead)}" for lead in (DAY_BEFORE, HOURS_BEFORE) if now <= start - lead)


def late_text() -> str:
    """When what becomes free is offered instead of given (S2, V5)."""
    return f"开始前{clock.said(LATE)}内轮到，要请您确认一下"


def offer_until(start: datetime | None, now: datetime, least: timedelta) -> datetime | None:
    """Until when somebody must accept what became free; None: a day ahead or more it is given without asking.

    Later than that people may have made other plans: half of the remaining time, so that the next one still gets a
    chance, at least `least`, never beyond the start (None: no start is known yet). It lapses at night only when the
    start leaves no hour of the morning.
    """
    if start is None or not timedelta() < start - now < LATE:
        return None
    until = min(start, now + max(least, (start - now) / 2))
    there = clock.local(until)
    night = there.date() + timedelta(days=1 if there.hour >= NIGHT_FROM else 0)
    morning = clock.at(night, time(NIGHT_UNTIL))
    return morning + WAKING if now < morning and until < morning + WAKING < start else until
