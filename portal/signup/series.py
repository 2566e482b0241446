"""Which activities are one that recurs: by their title at their centre. Pure functions, no database."""

import hashlib
import re
import unicodedata

KIND = "activity"

# What tells one date of the same activity from another: '（第三期）', '第12讲', '12月', '2026年'.
_ISSUE = re.compile(r"第[0-9一二三四五六七八九十百]+[期讲场次届季课回]|[0-9]{4}年|[0-9]{1,2}月(?:份|[0-9]{1,2}日)?")


def series_key(centre_id: int, title: str) -> str:
    """The group an activity's average is about: what recurs, that is the same title at the same centre.

    An entry is one row of one month's list, so its own id would never gather enough answers, and the average could
    not help anybody choose: the activity is over. Titles are folded (width, case, spaces, punctuation, number of the
    issue, month), hashed because a key has a fixed length. Another centre's activity of the same title is another one:
    other people hold it.
    """
    folded = _ISSUE.sub("", unicodedata.normalize("NFKC", title).lower())
    kept = "".join(c for c in folded if c.isalnum()) or title
    return f"{KIND}:{centre_id}:{hashlib.sha256(kept.encode()).hexdigest()[:16]}"
