"""Lunar dates beside solar ones are an explanation, not a date (SPEC C7)."""

import re

_NUMBER = "[一二三四五六七八九]"
_MONTH = rf"闰?(?:正|冬|腊|十[一二]?|{_NUMBER})月"
_DAY = rf"(?:初(?:十|{_NUMBER})|(?:二十|三十|[十廿卅]){_NUMBER}?|{_NUMBER})"
_YEAR = (
    r"(?:[甲乙丙丁戊己庚辛壬癸][子丑寅卯辰巳午未申酉戌亥]年?|[鼠牛虎兔龙蛇马羊猴鸡狗猪]年"
    r"|[\d〇零一二三四五六七八九]{4}年)"
)
_DIGITS = r"(?:闰?\d{1,2}\s*[月./-]\s*(?:初\d{1,2}|\d{1,2})(?![\d:点时]))"
_ONE = rf"(?:{_MONTH}\s*{_DAY}|{_DIGITS}|(?:正|冬|腊|\d{{1,2}})月{_DAY}|{_DAY})\s*[日号]?"
_NAMED = re.compile(
    rf"(?:(?:农历|阴历|旧历|夏历)\s*(?:是|为|:)?|(?<=\()\s*[农阴旧]\s*:?)\s*(?:{_YEAR}\s*)*{_ONE}"
    rf"(?:\s*(?:-|至|到|、|和)\s*(?:农历)?{_ONE})?"
)
# Nobody writes a solar date in these ways: 冬月十四, 八月初五, 12月廿三.
_SURE = re.compile(
    rf"(?:闰?(?:正|冬|腊)月\s*{_DAY}|(?:{_MONTH}|\d{{1,2}}月)\s*(?:初{_NUMBER}|初十|廿{_NUMBER}?))\s*[日号]?"
)
# 十一月十四 without 日 may be either; beside a solar date it is lunar. 十二月五、六日 is solar.
_LIKELY = re.compile(
    rf"{_MONTH}\s*{_DAY}(?![一二三四五六七八九十廿日号])(?!\s*(?:[、,和及与-]|至|到)\s*[一二三四五六七八九十廿]+\s*[日号])"
)
_IN_BRACKETS = re.compile(rf"\(\s*{_MONTH}\s*{_DAY}\s*[日号]?\s*\)")
_SOLAR = re.compile(
    r"\d\s*月|(?<![\d:])\d{1,2}\s*[/.]\s*\d{1,2}(?![\d:])|\d{4}-\d|[\d一二三四五六七八九十]\s*[日号]|(?:周|星期|礼拜)[一二三四五六日天\d末]|每[天日]"
)
_EMPTY = re.compile(r"\(\s*[,、;:]*\s*\)")


def without_lunar(text: str) -> tuple[str, tuple[str, ...], bool]:
    """A plain text without its lunar dates; those dates as written; whether they are the only ones it has."""
    found: list[str] = []
    for pattern in (_NAMED, _SURE):
        found += [match.group(0).strip() for match in pattern.finditer(text)]
        text = pattern.sub("", text)
    if re.search(r"\d\s*[月日号]", text):
        found += [match.group(0).strip("() ") for match in _IN_BRACKETS.finditer(text)]
        text = _IN_BRACKETS.sub("", text)
    if _SOLAR.search(_LIKELY.sub("", text)):
        found += [match.group(0) for match in _LIKELY.finditer(text)]
        text = _LIKELY.sub("", text)
    return _EMPTY.sub(" ", text), tuple(found), bool(found) and not _SOLAR.search(text)
