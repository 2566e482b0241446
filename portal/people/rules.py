"""Limits, passwords and what changed, without a database (SPEC P1, P4, P9)."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from ipaddress import ip_address
from itertools import pairwise
from typing import Any

from portal.core import clock
from portal.people import common_passwords

CODE_LIFE = timedelta(minutes=5)
CODE_TRIES = 5
CODE_PAUSE = timedelta(seconds=60)  # doubled with each code of the hour
CODES_PER_PHONE, CODES_PER_PHONE_A_DAY = 5, 10  # an hour; in 24 hours
# Of these ten, some are kept for browsers in which the number has been proved before: no stranger uses them up.
CODES_FOR_STRANGERS_A_DAY, CODES_FOR_KNOWN, KNOWN_DAYS = 7, 3, 400
CODES_AT_NIGHT, NIGHT = 2, (time(22), time(7))
CODES_PER_ADDRESS = 20  # an hour; a whole household or a centre's own network may share one address
CODES_PER_SITE = 100  # an hour, of one IPv6 /48: a site has 65,000 networks to change between
# The same code or one-time password twice within this time is one impatient finger, not two people.
REPEAT = timedelta(seconds=30)
VERIFIED_LIFE = timedelta(minutes=30)

FAILURE_WINDOW = timedelta(minutes=15)
# Within the window: wrong passwords of one account from one network, from everywhere, in a browser that it knows.
FAILURES_HERE, FAILURES_ANYWHERE, FAILURES_OF_BROWSER = 5, 20, 10
ACCOUNTS_PER_ADDRESS = 30  # at which somebody failed from one network; sixty offices may share it

# Numbers of callers that one account may type: more than anybody enters at a full counter, too few to try numbers out.
LOOKUPS_PER_HOUR, LOOKUPS_PER_DAY = 60, 300

# A login code that staff read out: eight digits, and so many tries that nobody can use them up for somebody else.
SPOKEN_LIFE, SPOKEN_DIGITS, SPOKEN_TRIES = timedelta(minutes=10), 8, 50
SPOKEN_PER_HOUR, SPOKEN_PER_DAY, SPOKEN_PER_PERSON = 5, 20, 3  # of an account; for one resident in 24 hours
ACQUAINTED = timedelta(days=90)  # a sign-up or booking of their own that is no older makes somebody known to a centre
PROOF_LIFE = timedelta(minutes=10)  # after signing in, or showing again who sits there
SECOND_STEP = timedelta(minutes=5)  # between the password and the second factor
RECOVERY_CODES = 10
INITIAL_LIFE = timedelta(hours=24)
AUDIT_KEPT = timedelta(days=184)  # at least, as the law has it; nothing in the portal deletes a line (P9)
# How long is kept what nobody needs for long; the night takes it away (operations.work), the privacy notice says so.
CODES_KEPT, CODES_SHOWN_KEPT = (
    timedelta(days=7),
    timedelta(days=1),
)  # that one was sent; its words, where staff see them
FAILURES_KEPT = timedelta(days=1)
LOGINS_KEPT = timedelta(days=30)  # after it ended
TEXTS_KEPT = AUDIT_KEPT  # text messages that were sent
BACKUPS_KEPT = 14  # nights
WALK_INS_KEPT = timedelta(days=90)  # surname and last digits of who came without a sign-up; that somebody came stays
MIN_PASSWORD = 10
SHORTEST_WORD = 2  # of a name or username: a single letter would forbid every password with it
MAX_PASSWORD = 128


@dataclass(frozen=True, slots=True)
class CodesSent:
    """Moments (aware UTC) of codes sent lately, oldest first: to the number in 24 hours, the others in one.

    to_known: those of `to_phone` that browsers asked for in which the number had been proved before.
    """

    to_phone: Sequence[datetime] = ()
    to_address: Sequence[datetime] = ()
    to_site: Sequence[datetime] = ()
    to_known: Sequence[datetime] = ()


def network(address: str) -> str:
    """What one person's device can change at will counts as one: an IPv6 address by its /64, '2001:0db8:0000:0001'."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    plain = getattr(found, "ipv4_mapped", None) or found
    return str(plain) if plain.version == 4 else plain.exploded[:19]


def site(address: str) -> str:
    """The /48 of an IPv6 `network`, '2001:0db8:0000:'; '' of other addresses."""
    return address[:15] if len(address) == 19 and address.count(":") == 3 else ""


def next_code_at(sent: CodesSent, now: datetime, known: bool = False) -> datetime | None:
    """When the next code may be sent, or None for now. known: to a browser in which the number was proved before."""
    hour, day = timedelta(hours=1), timedelta(days=1)
    counted = sent.to_known if known else sent.to_phone
    lately = [at for at in counted if at > now - hour]
    waits = [lately[-1] + CODE_PAUSE * 2 ** (len(lately) - 1)] if lately else []
    night = _night(now)
    if night is not None and sum(at >= night[0] for at in sent.to_phone) >= CODES_AT_NIGHT:
        waits.append(night[1])
    strangers = [] if known else [at for at in sent.to_phone if at not in sent.to_known]
    limits = (
        (counted, CODES_FOR_KNOWN if known else CODES_PER_PHONE, hour), (sent.to_phone, CODES_PER_PHONE_A_DAY, day),
        (strangers, CODES_FOR_STRANGERS_A_DAY, day),
        (sent.to_address, CODES_PER_ADDRESS, hour), (sent.to_site, CODES_PER_SITE, hour),
    )  # fmt: skip
    return _full_until(limits, now, *waits)


def _night(now: datetime) -> tuple[datetime, datetime] | None:
    """The night in which `now` is, or None by day."""
    for day in (clock.today(now), clock.today(now) - timedelta(days=1)):
        begin, end = clock.at(day, NIGHT[0]), clock.at(day + timedelta(days=1), NIGHT[1])
        if begin <= now < end:
            return begin, end
    return None


def open_again_at(failures: Sequence[datetime], limit: int, now: datetime) -> datetime | None:
    """When one may try again after `limit` failures, or None for now. failures: oldest first."""
    recent = [at for at in failures if at > now - FAILURE_WINDOW]
    return recent[-limit] + FAILURE_WINDOW if len(recent) >= limit else None


def next_lookup_at(typed: Sequence[datetime], now: datetime) -> datetime | None:
    """When an account may type a caller's number again, or None for now. typed: of the last 24 hours, oldest first."""
    hour, day = timedelta(hours=1), timedelta(days=1)
    return _full_until(((typed, LOOKUPS_PER_HOUR, hour), (typed, LOOKUPS_PER_DAY, day)), now)


def next_spoken_at(by_account: Sequence[datetime], for_person: Sequence[datetime], now: datetime) -> datetime | None:
    """When the next code may be read out, or None for now. Moments of the last 24 hours, oldest first."""
    hour, day = timedelta(hours=1), timedelta(days=1)
    return _full_until(
        ((by_account, SPOKEN_PER_HOUR, hour), (by_account, SPOKEN_PER_DAY, day), (for_person, SPOKEN_PER_PERSON, day)),
        now,
    )


def _full_until(
    limits: Sequence[tuple[Sequence[datetime], int, timedelta]], now: datetime, *waits: datetime
) -> datetime | None:
    """When the last of these limits (moments, how many, in which span) and `waits` is past, or None for now."""
    full = (moments[-most] + span for moments, most, span in limits if len(moments) >= most)
    latest = max((*full, *waits), default=now)
    return latest if latest > now else None


def username(raw: str) -> str:
    """One spelling per account: full-width to half-width, lower case, no outer space."""
    return unicodedata.normalize("NFKC", raw).strip().lower()


GOOD_ONE = "用一句自己才懂的话，或四五个不相干的词，又长又好记。"


def password_problem(password: str, *own: str) -> str | None:
    """Why a new password will not do and how to make a good one, or None (P4). Length counts, not character classes.

    own: what belongs to the account (username, name, phone, centre): no part of it, nor a part of one of them.
    """
    if len(password) < MIN_PASSWORD:
        return f"密码至少 {MIN_PASSWORD} 个字符。{GOOD_ONE}"
    if len(password) > MAX_PASSWORD:
        return f"密码最多 {MAX_PASSWORD} 个字符。"
    plain = unicodedata.normalize("NFKC", password).casefold()
    words = [unicodedata.normalize("NFKC", word).casefold() for word in own if len(word) >= SHORTEST_WORD]
    if any(word in plain or plain in word for word in words):
        return f"密码里不能有自己的用户名、姓名、手机号或中心名称，别人最先试的就是这些。{GOOD_ONE}"
    if common_passwords.is_common(plain) or len(set(plain)) < 4 or _is_run(plain):
        return f"这个密码太常见，在常用密码表里，一猜就中。{GOOD_ONE}"
    return None


def _is_run(text: str) -> bool:
    """'abcdefghij', '98765432100': one step up or down nearly all the way."""
    steps = [ord(b) - ord(a) for a, b in pairwise(text)]
    return any(steps.count(step) >= len(steps) - 1 for step in (1, -1))


def username_problem(user: str) -> str | None:
    """Why a username will not do, or None."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{2,39}", user):
        return "用户名用 3–40 个小写字母、数字、点或横线，以字母或数字开头。"
    return None


NAME, LONGEST_NAME = r"^[^\d<>@#$%^&*=+\\/|]+$", 40


def name_problem(name: str) -> str | None:
    """Why this is no name of a person, or None."""
    if not name:
        return "没有写姓名。"
    if len(name) > LONGEST_NAME:
        return f"姓名最多 {LONGEST_NAME} 个字。"
    return None if re.match(NAME, name) else "姓名里不要有数字和符号。"


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a change. Both texts are for reading; '' means there was nothing."""

    label: str
    old: str
    new: str


Values = Mapping[str, Any]


def changes(before: Values | None, after: Values | None, words: Mapping[str, str]) -> list[Change]:
    """Fields that differ, in the order in which they were written (P9). words: field name -> Chinese label."""
    old, new = before or {}, after or {}
    rows = []
    for key in [*old, *(k for k in new if k not in old)]:
        if old.get(key) == new.get(key) and before is not None and after is not None:
            continue
        rows.append(Change(words.get(key, key), _shown(old.get(key)), _shown(new.get(key))))
    return rows


def _shown(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "、".join(_shown(v) for v in value)
    if isinstance(value, dict):
        return "；".join(f"{k}：{_shown(v)}" for k, v in value.items())
    return str(value)
