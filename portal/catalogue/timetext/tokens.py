"""Cuts the text of a time cell into dates, weekdays, clock times and connecting words (SPEC C7)."""

import re
from dataclasses import dataclass

from portal.catalogue.timetext.tidy import NUMERAL, chinese_number, digits, numerals_before, plain

PART = "凌晨|清晨|早晨|早上|早间|上午|中午|午间|正午|下午|午后|傍晚|晚上|晚间|夜间|夜晚|当晚|当天"
_DAY = "[一二三四五六日天]"
_DIGIT_DAY = r"[1-7](?!\d)(?!-?\d*[点时日号月:./])"
_JOIN = r"\s*(?:-|、|,|和|及|与|/|\+|&|\.)\s*"


@dataclass(frozen=True)
class Clock:
    """A clock time as written: `part` is the part of the day before it, `spoken` is 3点 rather than 3:00."""

    hour: int
    minute: int
    part: str
    spoken: bool


@dataclass(frozen=True)
class Token:
    """One piece of a time cell. Which of the values is set depends on `kind`."""

    kind: str
    text: str
    date: tuple[int | None, int | None, int] = (None, None, 0)
    days: tuple[int, ...] = ()
    every: bool = False
    clock: Clock | None = None
    numbers: tuple[int, ...] = ()


_PATTERNS: dict[str, str] = {
    "date8": r"(?<!\d)(?P<e_y>20\d\d)(?P<e_m>[01]\d)(?P<e_d>[0-3]\d)(?!\d)",
    "dateymd": r"(?P<f_y>\d{4})\s*[-/.年]\s*(?P<f_m>\d{1,2})\s*[-/.月]\s*(?P<f_d>\d{1,3})\s*[日号]?(?![\d:])",
    "ym": r"(?P<y_y>\d{4})\s*年(?:\s*(?P<y_m>\d{1,2})\s*月份?(?!\s*\d))?",
    "datemd": r"(?P<m_m>\d{1,3})\s*月份?\s*(?P<m_d>\d{1,3})(?!\d|:|\s*[点时])\s*[日号]?",
    "month": r"(?P<o_m>\d{1,2})\s*月份?|(?:本|当)月份?(?=[^一-龥]*每|\d)",
    "monthly": r"(?:每个?月|每月份)的?(?!\s*第|\s*最后|\s*首)",
    "nth": r"(?:每个?月|本月|当月)?的?\s*(?P<n_n>第\s*[1-5一二三四五]"
    r"(?:[、,和及]?\s*第?\s*[1-5一二三四五](?=[^一-龥]|[、,和及第个周]))*"
    rf"|最后[一1]?|首)\s*个?(?:周的?(?=周))?\s*周(?P<n_w>{_DAY}|[1-7](?!\d))(?P<n_w2>(?:[、和及]周?{_DAY})?)",
    "alternate": r"每?隔[一1]?个?周的?(?=\s*\(?\s*周)|隔(?=周)|每两周(?:一次)?的?|[单双]周的?(?=周)",
    "weekdays": rf"(?P<w_e>每逢?|逢|每个|各)?\s*周(?P<w_d>(?:{_DAY}|{_DIGIT_DAY})"
    rf"(?:(?:(?:{_JOIN}|\s+(?=周))(?:每?周)?|每?周)(?:{_DAY}(?![点时号月])|{_DIGIT_DAY})|{_DAY}(?![点时号月]))*)",
    "weekend": r"(?P<k_e>每逢?|逢|每个)?(?:周末|双休日?)",
    "workday": r"(?:每个?)?(?:工作日|平日)",
    "daily": r"每[天日]|天天|逐日|每(?=[晚早上下中])",
    "allmonth": r"全月|整月|整个月|长期|常年|全年",
    "parenday": rf"\(\s*(?P<p_w>{_DAY})\s*\)",
    "holiday": r"(?:法定|国家|公众|公共)*(?:节假日|假日|节日|假期)(?:除外|休息|不开放?|暂停|顺延|另行通知|停)?",
    "nextday": r"次日|第二天|翌日|隔天",
    "allday": r"全天(?:候)?|24小时|整天",
    "hours": r"(?P<h_n>\d{1,2}(?:\.\d)?|[半一两二三四五六])\s*个?(?P<h_half>半)?(?:小时|钟头)(?P<h_half2>半)?",
    "minutes": r"(?P<i_n>\d{1,3})\s*分钟",
    "clock": rf"(?:(?P<c_p>{PART}|早|晚)\s*[:的]?\s*)?(?<!\d)(?:"
    r"(?P<c_h>\d{1,2})\s*:\s*(?P<c_m>\d{2}|0)(?!\d)(?:\s*:\s*\d{2}(?!\d))?分?"
    r"|(?P<c_h2>\d{1,2});(?P<c_m2>[0-5]\d)(?![\d:点时;]|\s*月)"
    r"|(?P<c_h3>\d{1,2})\s*[点时](?!间|长)(?:(?P<c_half>半)|(?P<c_q>[13一三])刻"
    r"|(?P<c_m3>[0-5]?\d)\s*分(?!钟)|(?P<c_m4>[0-5]\d)(?![\d日号月:点])|整|钟)?"
    rf"|(?P<c_h4>\d{{1,2}})(?=\s*-\s*(?:{PART})?\s*\d{{1,2}}(?:点|时(?!间|长)))"
    r")(?:\s*(?P<c_ap>[aApP])\.?[mM]\b\.?)?",
    "ampm": r"(?<![\d:])(?P<a_h>\d{1,2})\s*(?P<a_p>[aApP])\.?[mM]\b\.?",
    "badclock": r"\d{1,3}\s*:\s*\d{1,3}",
    "day": r"(?P<d_d>\d{1,3})(?=(?:\s*[、,&和及与-]\s*\d{1,2}(?!\d))*\s*(?:日|号(?![楼会厅馆室院门线教])))"
    r"\s*[日号]?",
    "dotted": r"(?<!\d)(?P<t_a>\d{1,2})\.(?P<t_b>\d{1,2})(?![\d.])日?",
    "slash": r"(?<!\d)(?P<s_a>\d{1,2})/(?P<s_b>\d{1,2})(?![\d/])日?"
    r"|(?<![\d:-])(?P<s_c>0?[1-9]|1[0-2])-(?P<s_d>[0-3]?\d)(?=\s+\d{1,2}[:点]|\s*\(?周)",
    "part": rf"{PART}|(?<=[每当])[早晚]|[早晚](?=\s*(?:$|[),;、]))",
    "from": r"起(?:始)?|开始",
    "until": r"[之以]?前(?=\s*(?:[每,、;)周]|$))|为?止|截止(?:到)?|结束",
    "except": r"除外|除了?|不含|不包括|暂停|停课|停办|停止|停|休息|休馆|闭馆|不开放?|不办|不上课|取消",
    "outside": r"[之以]?外",
    "vague": r"待定|另行通知|待通知|另定|另通知|视情况|看情况|预约|随时|不定期|择日|月初|月中|月底|[上中下]旬",
    "dash": r"-",
    "open": r"\(",
    "close": r"\)",
    "break": r"[;\n]",
    "sep": r"[、,/&+和及与|]",
    "num": r"(?<!\d)\d{1,2}(?!\d)",
    "blank": r"\s+",
    "text": r"\d+|.",
}
# 十二月五、十二日: all numerals of the list, not only the last.
_LISTED = re.compile(rf"(?<=月)[{NUMERAL}]+(?:\s*[、,和及-]\s*[{NUMERAL}]+)+(?=[日号])")
_SCANNER = re.compile("|".join(f"(?P<k_{kind}>{pattern})" for kind, pattern in _PATTERNS.items()), re.DOTALL)


def weekday_number(char: str) -> int:
    """`一` or `1` → 0 … `日`, `天` or `7` → 6."""
    return 6 if char in "日天7" else ("一二三四五六".find(char) if not char.isdigit() else int(char) - 1)


def simplify(text: str) -> str:
    """The text in one way of writing, ready to be cut: 星期三 → 周三, ～ and 至 → -, 十二月三日 → 12月3日."""
    text = plain(text)
    text = re.sub(r"星期|礼拜", "周", text)
    text = re.sub(rf"(?<=周)({_DAY})(?=[一二三四五六七八九十两]+[点时])", r"\1 ", text)
    text = re.sub(r"(?<![冬夏])至(?!少|多)|(?<![签报])到(?![场达位齐])", "-", text)
    text = re.sub(r"(?<=[第个])\s+|\s+(?=[月日号点时])", "", text)
    text = _LISTED.sub(lambda match: re.sub(rf"[{NUMERAL}]+", digits, match.group(0)), text)
    text = numerals_before(text, "月日号点时分")
    text = re.sub(r"点钟", "点", text)
    text = re.sub(r"(第[1-5一二三四五])个(?=\s*[、,和及]\s*第)", r"\1", text)
    return re.sub(r"(?<=[\d:点半分日号)])\s*-+\s*|\s*-+\s*(?=\d)", "-", text)


def tokens(text: str) -> list[Token]:
    """The tokens of a simplified time cell, blanks left out. Never raises, whatever the text."""
    found = []
    for match in _SCANNER.finditer(text):
        token = _token(match)
        if token.kind != "blank":
            found.append(token)
    return found


def _kind_of(match: re.Match[str]) -> str:
    return next(kind for kind in _PATTERNS if match.group(f"k_{kind}") is not None)


def _number(match: re.Match[str], name: str) -> int | None:
    value = match.group(name)
    return int(value) if value is not None else None


def _token(match: re.Match[str]) -> Token:
    kind, text = _kind_of(match), match.group(0)
    if kind in ("date8", "dateymd", "datemd", "day"):
        return _date_token(kind, text, match)
    if kind == "clock":
        return Token("clock", text, clock=_clock(match))
    if kind == "ampm":
        pm = (match.group("a_p") or "").lower() == "p"
        return Token("clock", text, clock=Clock(int(match.group("a_h")), 0, "下午" if pm else "上午", True))
    if kind in ("weekdays", "weekend", "workday", "parenday", "daily"):
        return _weekday_token(kind, text, match)
    if kind == "nth":
        return _nth_token(text, match)
    return _plain_token(kind, text, match)


def _plain_token(kind: str, text: str, match: re.Match[str]) -> Token:
    if kind in ("ym", "month"):
        month = _number(match, "y_m" if kind == "ym" else "o_m")
        return Token("month", text, date=(_number(match, "y_y"), month, 0))
    if kind in ("hours", "minutes"):
        return Token("minutes", text, numbers=(_minutes(kind, match),))
    if kind in ("dotted", "slash"):
        names = ("t_a", "t_b", "s_a", "s_b", "s_c", "s_d")
        return Token(kind, text, numbers=tuple(int(match.group(n)) for n in names if match.group(n)))
    if kind == "num":
        return Token("num", text, numbers=(int(text),))
    return Token(kind, text)


def _date_token(kind: str, text: str, match: re.Match[str]) -> Token:
    if kind == "day":
        return Token("date", text, date=(None, None, int(match.group("d_d"))))
    prefix = {"date8": "e", "dateymd": "f", "datemd": "m"}[kind]
    year = None if kind == "datemd" else int(match.group(f"{prefix}_y"))
    return Token("date", text, date=(year, int(match.group(f"{prefix}_m")), int(match.group(f"{prefix}_d"))))


def _clock(match: re.Match[str]) -> Clock:
    hour = next(int(match.group(name)) for name in ("c_h", "c_h2", "c_h3", "c_h4") if match.group(name))
    minute = next((int(match.group(n)) for n in ("c_m", "c_m2", "c_m3", "c_m4") if match.group(n)), 0)
    if match.group("c_half"):
        minute = 30
    elif match.group("c_q"):
        minute = 15 if match.group("c_q") in "1一" else 45
    part = match.group("c_p") or ""
    if match.group("c_ap"):
        part = "下午" if match.group("c_ap") in "pP" else "上午"
    spoken = match.group("c_h") is None and match.group("c_h2") is None
    return Clock(hour, minute, part, spoken)


def _weekday_token(kind: str, text: str, match: re.Match[str]) -> Token:
    if kind == "weekend":
        return Token("weekdays", text, days=(5, 6), every=bool(match.group("k_e")), numbers=(1,))
    if kind == "workday":
        return Token("weekdays", text, days=(0, 1, 2, 3, 4), every=True, numbers=(2,))
    if kind == "daily":
        return Token("weekdays", text, days=tuple(range(7)), every=True)
    if kind == "parenday":
        return Token("weekdays", text, days=(weekday_number(match.group("p_w")),))
    return Token("weekdays", text, days=_weekday_list(match.group("w_d")), every=bool(match.group("w_e")))


def _weekday_list(text: str) -> tuple[int, ...]:
    days: list[int] = []
    until = False
    for char in re.sub(r"[每周\s]", "", text):
        if char == "-":
            until = True
        elif char in "一二三四五六日天1234567":
            day = weekday_number(char)
            if until and days:
                days += [(days[-1] + step) % 7 for step in range(1, (day - days[-1]) % 7 + 1)]
            else:
                days.append(day)
            until = False
    return tuple(sorted(set(days)))


def _nth_token(text: str, match: re.Match[str]) -> Token:
    words = match.group("n_n")
    if words.startswith("最后"):
        which: list[int] = [-1]
    elif words == "首":
        which = [1]
    else:
        which = [chinese_number(c) or int(c) for c in re.sub(r"[^1-5一二三四五]", "", words)]
    named = match.group("n_w") + re.sub("[^一二三四五六日天]", "", match.group("n_w2"))
    days = {weekday_number(char) for char in named}
    return Token("nth", text, days=tuple(sorted(days)), numbers=tuple(sorted(set(which))))


def _minutes(kind: str, match: re.Match[str]) -> int:
    if kind == "minutes":
        return int(match.group("i_n"))
    word = match.group("h_n")
    if word == "半":
        return 30
    hours = chinese_number(word)
    half = 30 if match.group("h_half") or match.group("h_half2") else 0
    return int((hours if hours is not None else float(word)) * 60) + half
