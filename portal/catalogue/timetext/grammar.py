"""Puts the tokens of a time cell together: which days belong to which clock times (SPEC C7)."""

import re
from dataclasses import dataclass, field

from portal.catalogue.timetext.asides import Told, separate
from portal.catalogue.timetext.tokens import Clock, Token, tokens

Ymd = tuple[int | None, int | None, int]


@dataclass
class Mark:
    """A date or a range of dates (both ends included) as written; `weekdays` is what the text claims."""

    start: Ymd
    text: str
    end: Ymd | None = None
    weekdays: tuple[int, ...] = ()
    end_weekdays: tuple[int, ...] = ()


@dataclass
class Times:
    """A session's clock times as written. `end_mark` is set when the end carries its own date."""

    start: Clock
    text: str
    end: Clock | None = None
    minutes: int | None = None
    next_day: bool = False
    whole: str = ""
    end_mark: Mark | None = None


@dataclass
class Group:
    """Days with the clock times that hold on each of them."""

    marks: list[Mark] = field(default_factory=list)
    weekdays: tuple[int, ...] = ()
    every: bool = False
    generic: bool = False
    workday: bool = False
    loose: bool = False  # the text does not say which days
    holiday: bool = False
    unclear: bool = False
    nth: tuple[int, ...] = ()
    alternate: str = ""
    start_from: Mark | None = None
    until: Mark | None = None
    without: list[Mark] = field(default_factory=list)
    without_days: tuple[int, ...] = ()
    times: list[Times] = field(default_factory=list)
    times_first: bool = False
    called_off: bool = False  # 取消, and not of which days
    counted: bool = False  # cut to the number of sessions that the text says
    mixed: bool = False  # words that are not understood stand between its dates

    @property
    def has_days(self) -> bool:
        return bool(self.marks or self.weekdays or self.start_from or self.until)

    @property
    def weekly(self) -> bool:
        return bool(self.weekdays) and not self.marks


@dataclass
class Reading:
    """All groups of a cell and what else was seen in it. unused: words that say nothing about the time here."""

    groups: list[Group]
    months: list[tuple[int | None, int | None]]
    bad_clocks: list[str]
    vague: str
    unused: list[str] = field(default_factory=list)
    told: Told = field(default_factory=lambda: Told(""))


# Words around times that are neither understood nor missed.
_PLAIN_WORDS = re.compile(
    r"^(?:服务|活动|上课|授课|开课|课程|开展|举行|举办|开放|具体|时间|时段|日|在|于|为|的|是|从|自|约|大约|左右|整|当|场|时"
    r"|分|正式|每|期间|以|均|都|各|进行|第|一|二|三|四|五|六|七|八|九|十|期|节|次|堂|讲|课|\d|[:.()·—?!*\"'“”@=~_%#^$`\\]|及|和|与)+$"
)

_WHOLE = Clock(0, 0, "", False)
_CONDITION = re.compile("雨|台风|天气|如遇|若遇")
_CALLED_OFF = ("取消", "停办", "停止", "暂停", "不办", "停课")


class _Reader:
    """Walks over the tokens once; each `_on_…` handles one kind of token."""

    def __init__(self, month: int) -> None:
        self.plan_month = month
        self.group = Group()
        self.out = Reading([self.group], [], [], "")
        self.dash = False
        self.last = ""
        self.previous = ""
        self.closing = False
        self.depth = 0
        self.removing = False
        self.clause_marks = 0
        self.clause_days: tuple[int, ...] = ()
        self.part: tuple[str, int] | None = None
        self.next_day = False
        self.cross: Mark | None = None
        self.context: tuple[int | None, int | None] = (None, None)
        self.used = True
        self.words_between = False

    def read(self, found: list[Token]) -> Reading:
        skipped = ""
        for index, token in enumerate(found):
            following = found[index + 1] if index + 1 < len(found) else None
            if token.kind not in ("text", "num"):
                self._skip(skipped)
                skipped = ""
            handler = getattr(self, f"_on_{token.kind}", None)
            if handler is not None:
                self.used = True
                handler(token, following)
            if token.kind == "text" or (token.kind == "num" and not self.used):
                skipped += token.text
            if token.kind in ("date", "clock", "weekdays", "from", "text", "part"):
                self.last = token.kind
            if token.kind not in ("dash", "nextday", "open", "close", "part"):
                self.dash = False
            self.previous = token.kind
        self._skip(skipped)
        self._close_part()
        for group in self.out.groups:
            if group.times and group.without_days and not group.has_days:
                # 9:00-17:00(周一闭馆): open on all other days.
                group.weekdays, group.every, group.generic, group.loose = tuple(range(7)), True, True, True
        self.out.groups = [g for g in self.out.groups if g.has_days or g.times]
        self._bounds_behind()
        return self.out

    def _bounds_behind(self) -> None:
        """每周三19:00-20:30,12月9日-23日: a bare range behind a whole rule bounds it."""
        kept: list[Group] = []
        for group in self.out.groups:
            before = kept[-1] if kept else None
            bare = not group.times and not group.weekdays and group.marks
            if before is not None and before.weekly and before.times and bare and all(m.end for m in group.marks):
                before.marks += group.marks
            else:
                kept.append(group)
        self.out.groups = kept

    def _skip(self, words: str) -> None:
        if words and not _PLAIN_WORDS.match(words):
            self.out.unused.append(words)
            self.words_between = not self.depth

    def _new_group(self) -> None:
        self._close_part()
        self.group = Group()
        self.out.groups.append(self.group)
        self.clause_marks, self.clause_days = 0, ()

    def _close_part(self) -> None:
        """上午 with no clock time behind it stands for the usual hours of that part of the day."""
        if self.part is not None and (self.part[1] == 0 or not self.group.times):
            part = self.part[0]
            if part in ("当天", "当晚") and self.group.times:
                return
            self.group.times.append(Times(_WHOLE, part, whole=part))
        self.part = None

    # --- days ---------------------------------------------------------------

    def _on_date(self, token: Token, following: Token | None) -> None:
        year, month, day = token.date
        if month is None:
            year, month = self.context
        self.context = (year, month)
        mark = Mark((year, month, day), token.text)
        if self.removing:
            self.group.without.append(mark)
        elif self.closing:
            self.closing, self.group.until = False, mark
        elif self.dash and self._close_range(mark):
            return
        else:
            aside = self.depth and (self.group.weekly or len(self.group.marks) > self.clause_marks)
            if self.group.times and self.group.has_days and not aside:
                self._new_group()
            elif self.group.times and not self.group.has_days:
                self.group.times_first = True
            self.group.mixed = self.group.mixed or bool(self.group.marks and self.words_between)
            self.words_between = False
            self.group.marks.append(mark)

    def _close_range(self, mark: Mark) -> bool:
        group = self.group
        if self.last in ("date", "weekdays") and group.marks and group.marks[-1].end is None:
            first = group.marks[-1]
            group.marks[-1] = Mark(first.start, f"{first.text}-{mark.text}", mark.start, first.weekdays)
            return True
        if self.last == "from" and group.start_from is not None:
            group.until = mark
            return True
        if self.last == "clock" and group.marks and group.times and group.times[-1].end is None:
            self.cross = mark
            return True
        if group.weekly and (self.depth or not group.times):
            group.until = mark
            return True
        return False

    def _on_dotted(self, token: Token, following: Token | None) -> None:
        """12.5 is a date, 9.30 a time: a day must come first, and the plan's own month speaks for a date."""
        first, second = token.numbers
        is_date = (not self.group.marks and not self.group.weekdays) or (self.dash and self.last == "date")
        if first == self.plan_month and 1 <= second <= 31 and self.last != "clock":
            is_date = True
        if is_date and 1 <= first <= 12:
            self._on_date(Token("date", token.text, date=(None, first, second)), following)
            self.last = "date"
        elif len(token.text.rsplit(".", 1)[-1]) == 2:
            self._on_clock(Token("clock", token.text, clock=Clock(first, second, "", False)), following)
            self.last = "clock"

    def _on_slash(self, token: Token, following: Token | None) -> None:
        first, second = token.numbers
        self._on_date(Token("date", token.text, date=(None, first, second)), following)
        self.last = "date"

    def _on_num(self, token: Token, following: Token | None) -> None:
        """A bare number continues a list of dates: 12/5、12、19."""
        self.used = self.last == "date" and self.previous in ("sep", "dash")
        if self.used:
            self._on_date(Token("date", token.text, date=(None, None, token.numbers[0])), following)

    def _on_sep(self, token: Token, following: Token | None) -> None:
        if token.text == "," and not self.depth and self.group.times:
            self.clause_marks, self.clause_days = len(self.group.marks), ()

    def _on_weekdays(self, token: Token, following: Token | None) -> None:
        group = self.group
        self.clause_days = token.days
        if self.removing:
            group.without_days += token.days
            return
        if group.marks and not token.every and (not group.times or self.depth):
            self._claim(group.marks[-1], token.days)
            return
        if group.times and group.has_days:
            if self.depth:
                return
            carried = group.weekly and group.every
            self._new_group()
            group = self.group
            group.every = carried
        group.weekdays = tuple(sorted({*group.weekdays, *token.days}))
        group.every = group.every or token.every
        group.generic = group.generic or bool(token.numbers) or len(token.days) == 7
        group.workday = group.workday or token.numbers == (2,)

    @staticmethod
    def _claim(mark: Mark, days: tuple[int, ...]) -> None:
        """What the text says about the weekday of a date, or of the last day of a range."""
        if mark.end is None:
            mark.weekdays = tuple(sorted({*mark.weekdays, *days}))
        else:
            mark.end_weekdays = tuple(sorted({*mark.end_weekdays, *days}))

    def _on_nth(self, token: Token, following: Token | None) -> None:
        if self.depth and self.group.has_days:
            return
        if self.group.times and self.group.has_days:
            self._new_group()
        group = self.group
        if group.nth and group.weekdays == token.days:
            group.nth = tuple(sorted({*group.nth, *token.numbers}))
            return
        group.mixed = group.mixed or group.has_days
        group.weekdays, group.nth, group.every = token.days, token.numbers, True

    def _on_allmonth(self, token: Token, following: Token | None) -> None:
        if not self.group.has_days:
            self.group.weekdays, self.group.every, self.group.generic = tuple(range(7)), True, True
            self.group.loose = token.text in ("长期", "常年", "全年")
        else:
            self.out.unused.append(token.text)
            self.group.mixed = self.group.mixed or self.dash

    def _on_alternate(self, token: Token, following: Token | None) -> None:
        if self.group.times and self.group.has_days:
            self._new_group()
        self.group.alternate = token.text[0] if token.text[0] in "单双" else "隔"
        self.group.every = True

    def _on_month(self, token: Token, following: Token | None) -> None:
        year, month, _ = token.date
        if month is not None:
            self.context = (year, month)
        elif year is not None:
            self.context = (year, self.context[1])
        if year is not None or month is not None:
            self.out.months.append((year, month))

    def _on_holiday(self, token: Token, following: Token | None) -> None:
        self.group.holiday = True

    # --- limits and exceptions ------------------------------------------------

    def _on_from(self, token: Token, following: Token | None) -> None:
        marks = self.group.marks
        if marks and marks[-1].end is None and self.last in ("date", "weekdays"):
            self.group.start_from = marks.pop()
            self._limit_before()

    def _limit_before(self) -> None:
        """每周三19:00-20:30,12月9日起: a bound behind a whole rule belongs to that rule."""
        group, before = self.group, self.out.groups[-2] if len(self.out.groups) > 1 else None
        alone = not (group.marks or group.weekdays or group.times or group.without)
        if before is not None and alone and before.weekly and before.times:
            before.start_from = group.start_from or before.start_from
            before.until = group.until or before.until
            self.out.groups.pop()
            self.group = before

    def _on_until(self, token: Token, following: Token | None) -> None:
        marks = self.group.marks
        if marks and marks[-1].end is None and self.last in ("date", "weekdays"):
            self.group.until = marks.pop()
            self._limit_before()
        elif token.text.startswith("截止"):
            self.closing = following is not None and following.kind == "date"

    def _on_except(self, token: Token, following: Token | None) -> None:
        if token.text in ("除", "除了", "不含", "不包括"):
            self.removing = following is not None
            return
        group = self.group
        if self.removing:
            self.removing = False
        elif not group.times and len(self.out.groups) > 1:
            previous = self.out.groups[-2]
            previous.without += group.marks
            previous.without_days += group.weekdays
            self.out.groups.pop()
            self.group = previous
        else:
            condition = bool(self.out.unused and _CONDITION.search(self.out.unused[-1]))
            nothing = not (group.marks[self.clause_marks :] or self.clause_days or condition)
            group.unclear = group.unclear or nothing
            group.called_off = group.called_off or (nothing and token.text in _CALLED_OFF)
            group.without += group.marks[self.clause_marks :]
            del group.marks[self.clause_marks :]
            group.without_days += self.clause_days
            for mark in group.marks:
                if mark.end_weekdays == self.clause_days:
                    mark.end_weekdays = ()  # 12月1日-31日(周一休息)
            if set(group.weekdays) <= set(self.clause_days) and not group.marks:
                group.weekdays, group.every = (), False  # 周一闭馆,9:00-17:00: Monday was no day of the service

    def _on_outside(self, token: Token, following: Token | None) -> None:
        """除12月25日外: the list of exceptions is over."""
        if self.removing and not (self.group.without or self.group.without_days):
            self.group.unclear = True
        self.removing = False

    def _on_open(self, token: Token, following: Token | None) -> None:
        self.depth += 1
        self.clause_marks, self.clause_days = len(self.group.marks), ()

    def _on_close(self, token: Token, following: Token | None) -> None:
        self.depth = max(0, self.depth - 1)
        self.removing = False
        self.clause_marks, self.clause_days = len(self.group.marks), ()

    def _on_break(self, token: Token, following: Token | None) -> None:
        self.removing = False
        self.clause_marks, self.clause_days = len(self.group.marks), ()

    # --- clock times ----------------------------------------------------------

    def _on_clock(self, token: Token, following: Token | None) -> None:
        clock = token.clock
        assert clock is not None
        group = self.group
        self.removing = False
        ending = (self.dash and self.last == "clock") or self.cross is not None
        if ending and group.times and group.times[-1].end is None and not group.times[-1].whole:
            times = group.times[-1]
            times.end, times.text = clock, f"{times.text}-{token.text}"
            times.next_day, times.end_mark = self.next_day, self.cross
            self.cross, self.next_day = None, False
            return
        if group.times_first and group.has_days:
            self._new_group()
            group = self.group
        if self.part is not None and not clock.part:
            clock = Clock(clock.hour, clock.minute, self.part[0], clock.spoken)
        self.part = None
        group.times.append(Times(clock, token.text))

    def _on_dash(self, token: Token, following: Token | None) -> None:
        self.dash = True

    def _on_nextday(self, token: Token, following: Token | None) -> None:
        self.next_day = self.dash

    def _on_part(self, token: Token, following: Token | None) -> None:
        if self.dash and self.last == "clock":
            return
        self._close_part()
        self.part = (token.text, self.depth)

    def _on_allday(self, token: Token, following: Token | None) -> None:
        self.group.times.append(Times(_WHOLE, token.text, whole="全天"))

    def _on_minutes(self, token: Token, following: Token | None) -> None:
        if self.group.times and self.group.times[-1].end is None:
            self.group.times[-1].minutes = token.numbers[0]

    def _on_badclock(self, token: Token, following: Token | None) -> None:
        self.out.bad_clocks.append(token.text)

    def _on_vague(self, token: Token, following: Token | None) -> None:
        self.out.vague = self.out.vague or token.text
        self.out.unused.append(token.text)


def read_groups(text: str, month: int) -> Reading:
    """Days and times of a cell as written, nothing resolved yet; `month` 1–12 is the plan's month."""
    told = separate(text)
    reading = _Reader(month).read(tokens(told.text))
    reading.told = told
    return reading
