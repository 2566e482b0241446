"""Tidies what people type: full-width forms, dashes of all kinds, Chinese numerals."""

import re
import unicodedata

from portal.core.text import tidy

_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
NUMERAL = "〇零一二两三四五六七八九十百千廿卅"

# Some type the character 一 for a dash between two times.
_ONE_AS_DASH = re.compile(r"(?<=\d)\s*一\s*(?=\d{1,2}[:点时日号/月])")


def chinese_number(text: str) -> int | None:
    """`三十` → 30, `一百二十` → 120, `两` → 2, `廿五` → 25, `二〇` → 20; None when it is not a number."""
    text = text.replace("廿", "二十").replace("卅", "三十")
    if not text or any(char not in _DIGITS and char not in _UNITS for char in text):
        return None
    if all(char in _DIGITS for char in text):
        return int("".join(str(_DIGITS[char]) for char in text))
    total, current = 0, 0
    for char in text:
        if char in _DIGITS:
            current = _DIGITS[char]
        else:
            total += (current or 1) * _UNITS[char]
            current = 0
    return total + current


def plain(text: str) -> str:
    """Half-width form with one kind of dash (`-`) and one kind of blank; for matching, not for showing."""
    text = unicodedata.normalize("NFKC", tidy(text))
    text = text.replace("︰", ":").replace("∶", ":").replace("ː", ":").replace("。", ";")
    text = _ONE_AS_DASH.sub("-", text)
    text = re.sub("[‐‑‒–—―−─━﹣〜∼⁓~→➔]+|-+>?", "-", text)
    text = re.sub("[﹙〔【\\[「『<《{]", "(", text)
    text = re.sub("[﹚〕】\\]」』>》}]", ")", text)
    return re.sub(r"[ \t]+", " ", text)


def digits(match: re.Match[str]) -> str:
    """For `re.sub`: a Chinese numeral as digits; what is none stays."""
    value = chinese_number(match.group(0))
    return match.group(0) if value is None else str(value)


def numerals_before(text: str, followers: str) -> str:
    """Chinese numerals directly before one of `followers` become digits: `十二月三日` → `12月3日`.

    A numeral behind 周 or another numeral is left alone: `周六日` is Saturday and Sunday, not the 6th.
    """
    return re.sub(rf"(?<![周第{NUMERAL}])[{NUMERAL}]+(?=[{followers}])", digits, text)
