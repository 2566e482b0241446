"""Small rules of Chinese typesetting and dates for print templates. Pure functions."""

import re
from collections.abc import Callable
from datetime import date, timedelta

from markupsafe import Markup, escape

_WEEKDAYS = "一二三四五六日"
_NUMBERS = "零一二三四五六七八九十"
#: Marks whose left half is empty: at the start of a line of big type that half looks like a hole.
_OPENERS = "“‘（《〈「『【〔"
_CLOSERS = "，。、；：？！”’）》〉」』】〕…"
_PAIR = re.compile(f"([{_CLOSERS[:-1]}])(?=[{_OPENERS}{_CLOSERS[:-1]}])")


def weekday(day: date) -> str:
    return "周" + _WEEKDAYS[day.weekday()]


def long_date(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def day_range(first: date, last: date) -> str:
    """Return `12月7日—13日`, both days included; the second month is named only if it differs."""
    start = f"{first.month}月{first.day}日"
    if first == last:
        return start
    end = f"{last.day}日" if first.month == last.month else f"{last.month}月{last.day}日"
    return f"{start}—{end}"


def ordinal(number: int) -> str:
    """Return 一 … 十 for 1 … 10, digits above."""
    return _NUMBERS[number] if 0 <= number <= 10 else str(number)


def month_words(month: str) -> tuple[int, int]:
    """Split "YYYY-MM" into year and month.

    Raises: ValueError if it is no month.
    """
    first = date.fromisoformat(f"{month}-01")
    return first.year, first.month


def weeks(month: str) -> list[tuple[date, date]]:
    """Return the weeks of "YYYY-MM", Monday to Sunday, cut at the ends of the month; both days included."""
    year, number = month_words(month)
    start = date(year, number, 1)
    end = date(year + number // 12, number % 12 + 1, 1) - timedelta(days=1)
    found = []
    while start <= end:
        sunday = min(start + timedelta(days=6 - start.weekday()), end)
        found.append((start, sunday))
        start = sunday + timedelta(days=1)
    return found


def tail(text: str, above: int = 16, keep: int = 3) -> Markup:
    """Return `text` with its last `keep` characters bound together, so that no line holds one character alone.

    Only in texts longer than `above` characters: shorter ones stay on one line. A closing mark does not count as
    a character: it never stands at the start of a line anyway. Of two full-width marks in a row the first gives up
    its empty half.
    """
    text = text.strip()
    cut = len(text)
    kept = 0
    while cut > 0 and kept < keep:
        cut -= 1
        kept += text[cut] not in _CLOSERS
    if cut <= keep or len(text) <= above:
        return _squeeze(text)
    return Markup('{}<span class="nb">{}</span>').format(_squeeze(text[:cut]), _squeeze(text[cut:]))


def _squeeze(text: str) -> Markup:
    """Mark the first of two full-width marks in a row: print style sets it half as wide."""
    return Markup(_PAIR.sub(r'<span class="hw">\1</span>', str(escape(text))))  # noqa: S704 (escaped inside)


#: Widths in Noto Sans CJK SC Bold, in em, where they are not those of the kind of character.
_WIDTHS = {"–": 0.55, "—": 0.91, " ": 0.23, ":": 0.33, ".": 0.33, ",": 0.33, "%": 0.97, "@": 1.01, "&": 0.74}


def width(text: str) -> float:
    """About how wide `text` is in bold type, in em: a little too wide rather than too narrow."""
    return sum(_WIDTHS.get(char) or _kind_width(char) for char in text) - 0.5 * len(_PAIR.findall(text))


def _kind_width(char: str) -> float:
    if not char.isascii():
        return 1.0
    if char in "MWmw":
        return 0.97
    return 0.59 if char.isdigit() else 0.72 if char.isupper() else 0.62 if char.islower() else 0.42


def lines(text: str, per_line: int) -> Markup:
    """Return big type broken after the mark that divides it best; texts of one line, or without such a mark, as `tail`.

    per_line: how many characters fit on a line.
    """
    text = text.strip()
    if len(text) > per_line:
        cuts = [at for at in range(1, len(text)) if text[at - 1] in _CLOSERS and text[at] not in _CLOSERS]
        fitting = [at for at in cuts if max(at, len(text) - at) <= per_line]
        if fitting:
            best = min(fitting, key=lambda at: abs(2 * at - len(text)))
            pair = Markup('<span class="nb">{}</span><wbr><span class="nb">{}</span>')
            return pair.format(_squeeze(text[:best]), _squeeze(text[best:]))
    return tail(text, per_line)


def hang(text: str) -> str:
    """Return the CSS class that pulls an opening mark into the margin, or nothing."""
    return "hang" if text[:1] in tuple(_OPENERS) else ""


def phone_groups(phone: str) -> str:
    """Return a phone number in groups that can be read aloud: 0755-8420 0001, 199 0000 0001."""
    digits = phone.strip()
    area, dash, number = digits.partition("-")
    if dash and area.isdigit() and number.isdigit() and len(number) in (7, 8):
        return f"{area}-{number[:-4]} {number[-4:]}"
    if digits.isdigit() and len(digits) == 11 and digits.startswith("1"):
        return f"{digits[:3]} {digits[3:7]} {digits[7:]}"
    return digits


FILTERS: dict[str, Callable[..., object]] = {
    "weekday": weekday,
    "long_date": long_date,
    "ordinal": ordinal,
    "tail": tail,
    "lines": lines,
    "hang": hang,
    "phone": phone_groups,
}
