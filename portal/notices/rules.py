"""When and by which way a message may reach somebody. Pure functions (SPEC M3)."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from portal.core import clock
from portal.core.deadlines import NIGHT_FROM as QUIET_FROM
from portal.core.deadlines import NIGHT_UNTIL as QUIET_UNTIL

KEY_LENGTH = 160
SMS, WECHAT, VOICE = "sms", "wechat", "voice"
CODE, URGENT, LAST = 0, 1, 2  # ranks on the way out: login codes, what is urgent, everything else
PER_DAY = 5  # so many texts a day that are neither urgent nor must be sent; more stay in the inbox
MOBILE = 11  # digits of a mobile number
TAIL = 4  # last digits of a number: what people say when they are asked for it, and what lists show


def due_at(now: datetime, urgent: bool) -> datetime:
    """The moment a message may leave: now, or, unless it is urgent, the end of the night in Shanghai. Aware UTC."""
    there = clock.local(now)
    if urgent or QUIET_UNTIL <= there.hour < QUIET_FROM:
        return now
    day = there.date() + timedelta(days=1 if there.hour >= QUIET_FROM else 0)
    return clock.at(day, time(QUIET_UNTIL))


def rank(secret: bool, urgent: bool) -> int:
    """Who goes out first. secret: a login code, for which somebody stands waiting."""
    return CODE if secret else URGENT if urgent else LAST


def switched_off(quiet: Mapping[str, Any] | None) -> frozenset[str]:
    """Kinds whose text messages the resident does not want (the column `resident.quiet`)."""
    off = (quiet or {}).get("off", ())
    return frozenset(str(kind) for kind in off) if isinstance(off, (list, tuple)) else frozenset()


def way(quiet: Mapping[str, Any] | None, wechat: bool) -> str:
    """The channel the resident chose; WeChat only where the deployment has it."""
    return WECHAT if wechat and (quiet or {}).get("way") == WECHAT else SMS


def digits(raw: str) -> str:
    """The digits of a telephone number or its end as typed: full-width ones, spaces, dashes and +86 do not matter."""
    found = "".join(str(int(c)) for c in raw if c.isdecimal())[:20]
    return found.removeprefix("86") if len(found) == len("86") + MOBILE else found


def quiet_text() -> str:
    """'晚上 10 点到早上 8 点': when no phone rings (M3)."""
    return f"晚上 {QUIET_FROM - 12} 点到早上 {QUIET_UNTIL} 点"


def pieces(body: str) -> int:
    """How many text messages a provider counts for a text: one up to 70 characters, then one for each 67."""
    return 1 if len(body) <= 70 else -(-len(body) // 67)


def per_day_text() -> str:
    """'5 条': the most texts of a day (M3)."""
    return f"{PER_DAY} 条"


def wants_calls(quiet: Mapping[str, Any] | None) -> bool:
    """Whether the resident wants to be rung when something urgent changes."""
    return bool((quiet or {}).get("calls"))
