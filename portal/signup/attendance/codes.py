"""Codes that are read at the door: a resident's for one sign-up, an activity's for one of its dates (SPEC S6).

Both carry a mark that only this application can make (core.sealed), so nothing is stored and none can be guessed from
another. A resident's is made of digits alone: it can be read out, and typed where no camera works.
"""

import hmac
import re

from portal.core import sealed

_CHECK = 6  # digits
_DOOR = 16  # characters


def _check(sign_up_id: int) -> str:
    return f"{int(sealed.mark(str(sign_up_id), 'attendance.sign_up'), 16) % 10**_CHECK:0{_CHECK}d}"


def of_sign_up(sign_up_id: int) -> str:
    """The digits of a sign-up's code."""
    return f"{sign_up_id}{_check(sign_up_id)}"


def read(typed: str) -> int | None:
    """The sign-up that a code belongs to, or None. Spaces in it, or an address before it, are no harm."""
    found = re.search(r"(\d{7,16})\s*$", re.sub(r"(?<=\d)[\s-]+(?=\d)", "", typed.strip()))
    if found is None:
        return None
    number, check = int(found[1][:-_CHECK]), found[1][-_CHECK:]
    return number if hmac.compare_digest(_check(number), check) else None


def said(code: str) -> str:
    """'1 234 567': grouped from the end for reading out."""
    return re.sub(r"(?<=\d)(?=(?:\d{3})+$)", " ", code)


def of_date(session_id: int) -> str:
    """What stands in the code at the place of one date."""
    return sealed.mark(str(session_id), "attendance.door")[:_DOOR]


def is_of_date(session_id: int, key: str) -> bool:
    """Whether `key` is what stands in that date's code."""
    return hmac.compare_digest(of_date(session_id).encode(), key.encode())


def of_walk_in(surname: str, tail: str) -> str:
    """The key of somebody who is only known by surname and last digits."""
    return f"w{sealed.mark(surname + tail, 'attendance.walk_in')[:24]}"
