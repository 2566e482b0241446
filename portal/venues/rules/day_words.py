"""A day of one room in words (SPEC V2): free, taken, closed; the starts to choose from. Pure, no database.

Nothing here says who booked: what is taken comes in as spans, and only a public activity brings its title.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from portal.core import clock
from portal.venues import rules
from portal.venues.rules import Span, Terms

HOUR = timedelta(hours=1)
PARTS = (("上午", 0, 12), ("下午", 12, 18), ("晚上", 18, 48))  # the hours at which each begins and ends
FREE, FEW, FULL, SHUT, OVER, EARLY = "free", "few", "full", "shut", "over", "early"
WORDS = {FREE: "有空", FEW: "不多", FULL: "订满", SHUT: "不开", OVER: "已过", EARLY: "还早"}
TONES = {FREE: "green", FEW: "gold"}
CLOCK = re.compile(r"(\d{1,2}):(\d\d)")
LAST_MINUTE = 48 * 60  # of a typed hour: '25:30' is half past one of the next day


@dataclass(frozen=True, slots=True)
class Day:
    """One local day of one room. closed: a sentence why it does not open. free: on the room's grid, from now on."""

    day: date
    state: str
    free: tuple[Span, ...] = ()
    closed: str = ""

    @property
    def word(self) -> str:
        return WORDS[self.state]

    @property
    def tone(self) -> str:
        return TONES.get(self.state, "")

    @property
    def hours(self) -> str:
        """'9:00–12:00、14:00–17:30': what is still free; '' when nothing is."""
        return "、".join(f"{clock.hour(s.start)}–{end_text(s.end, self.day)}" for s in self.free)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a day as its timeline tells it. state: free, taken, shut, over, gap (kept free between bookings)."""

    start: datetime
    end: datetime
    state: str
    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Public:
    """A public activity that holds the room: its title may be shown, with the way to its page."""

    span: Span
    title: str
    url: str


def hour_text(minutes: int) -> str:
    """'9:30' of minutes after midnight; '次日 1:30' beyond 24 hours."""
    return f"{'次日 ' if minutes > 1440 else ''}{minutes // 60 - (24 if minutes > 1440 else 0)}:{minutes % 60:02d}"


def minutes_after(day: date, moment: datetime) -> int:
    """What the wall clock shows at `moment`, counted from midnight of `day`: 1440 and more on the day after."""
    there = clock.local(moment)
    return (there.date() - day).days * 1440 + there.hour * 60 + there.minute


def end_text(end: datetime, day: date) -> str:
    """An end as people say it: '24:00' at midnight, '次日 1:30' after it."""
    return hour_text(minutes_after(day, end))


def typed(text: str | None) -> int | None:
    """'14:00' as minutes after midnight (up to 48 hours); None for anything else."""
    found = CLOCK.fullmatch((text or "").strip().replace("：", ":"))
    if not found or int(found[2]) > 59:
        return None
    minutes = int(found[1]) * 60 + int(found[2])
    return minutes if minutes <= LAST_MINUTE else None


def date_of(text: str | None) -> date | None:
    """'2026-11-26' as typed in an address; None for everything else."""
    try:
        found = date.fromisoformat((text or "").strip()[:10])
    except ValueError:
        return None
    return found if 2000 < found.year < 2200 else None


def day_of(terms: Terms, day: date, taken: Iterable[Span], now: datetime) -> Day:
    """What is free of a room on `day`, and the one word for it."""
    closed = rules.closed_why(terms, day)
    if closed is not None:
        return Day(day, SHUT, closed=closed)
    if day > rules.last_day(terms, now):
        return Day(day, EARLY)
    free = tuple(rules.free_spans(terms, day, taken, now))
    opened = rules.open_spans(terms, day)
    if not free:
        over = opened[-1].end < rules.earliest_start(terms, now) + timedelta(minutes=terms.shortest)
        return Day(day, OVER if over else FULL)
    little = sum(s.minutes for s in free) * 3 < sum(s.minutes for s in opened)
    return Day(day, FEW if little else FREE, free)


def week_of(terms: Terms, first: date, count: int, taken: Sequence[Span], now: datetime) -> tuple[Day, ...]:
    """`count` days from `first`; taken: all held spans of the room in that time."""
    return tuple(day_of(terms, first + timedelta(days=n), taken, now) for n in range(count))


def free_now(terms: Terms, taken: Iterable[Span], now: datetime) -> datetime | None:
    """Until when the room stands open and unused from now on, for at least the shortest booking; None otherwise."""
    today = clock.today(now)
    piece = next((s for s in rules.open_spans(terms, today) if s.start <= now < s.end), None)
    if piece is None:
        return None
    nearest = [t for t in taken if t.end > now]
    until = min([piece.end, *(t.start - timedelta(minutes=terms.buffer) for t in nearest)])
    return until if until - now >= timedelta(minutes=terms.shortest) else None


WHOLE = 5  # minutes: nobody remembers 13:01


def now_span(terms: Terms, taken: Iterable[Span], now: datetime) -> Span | None:
    """What somebody at the door may take: from this minute until the next booking, at most the longest time (V5)."""
    until = free_now(terms, taken, now)
    start = rules.whole_minute(now)
    if until is None:
        return None
    end = min(until, start + timedelta(minutes=rules.longest_of(terms)))
    end -= timedelta(minutes=end.minute % WHOLE)
    return Span(start, end) if end - start >= timedelta(minutes=terms.shortest) else None


def pieces(terms: Terms, day: date, taken: Sequence[Span], public: Sequence[Public], now: datetime) -> list[Piece]:
    """The whole opening time of `day` in order, each stretch with its words; closures of that day too.

    Neighbouring bookings are told as one, so that nothing can be guessed from how long each is.
    """
    found = [Piece(s.start, s.end, FREE, "有空") for s in rules.free_spans(terms, day, taken, now)]
    for span in rules.open_spans(terms, day):
        found += _held(span, taken, public)
    for closure in rules.closures_on(terms, day):
        text = f"不开放：{closure.reason.rstrip('。')}" if closure.reason else "不开放"
        found.append(Piece(closure.span.start, closure.span.end, SHUT, text))
    found.sort(key=lambda p: (p.start, p.end))
    return _merged(_with_rest(terms, day, found, now))


def _held(span: Span, taken: Sequence[Span], public: Sequence[Public]) -> list[Piece]:
    named = {(p.span.start, p.span.end): p for p in public}
    found = []
    for one in taken:
        start, end = max(one.start, span.start), min(one.end, span.end)
        if start < end:
            known = named.get((one.start, one.end))
            text, url = (f"活动：{known.title}", known.url) if known else ("已订出", "")
            found.append(Piece(start, end, FULL, text, url))
    return found


def _with_rest(terms: Terms, day: date, known: Sequence[Piece], now: datetime) -> list[Piece]:
    """The stretches nobody has and nobody can book any more: over, or too short between two bookings."""
    earliest = rules.earliest_start(terms, now)
    found = list(known)
    for span in rules.open_spans(terms, day):
        at_ = span.start
        inside = [p for p in known if p.start < span.end and p.end > span.start]
        for edge, following in [*((p.start, p.end) for p in inside), (span.end, span.end)]:
            if at_ < edge:
                over = at_ < earliest
                found.append(Piece(at_, edge, OVER if over else "gap", "现在订不了了" if over else "留空，整理场地"))
            at_ = max(at_, following)
    return sorted(found, key=lambda p: (p.start, p.end))


def _merged(found: Sequence[Piece]) -> list[Piece]:
    rows: list[Piece] = []
    for piece in found:
        last = rows[-1] if rows else None
        if last and not last.url and (last.state, last.text) == (piece.state, piece.text) and piece.start <= last.end:
            rows[-1] = Piece(last.start, max(last.end, piece.end), last.state, last.text)
        else:
            rows.append(piece)
    return rows


def start_groups(terms: Terms, day: date, taken: Iterable[Span], now: datetime) -> list[tuple[str, list[datetime]]]:
    """Every start of the day from which at least the shortest booking can be had, by part of the day."""
    starts = rules.starts(terms, day, taken, now, terms.shortest)
    groups = [(name, [s for s in starts if a * 60 <= minutes_after(day, s) < b * 60]) for name, a, b in PARTS]
    return [(name, chosen) for name, chosen in groups if chosen]


def usual_end(ends: Sequence[datetime], start: datetime) -> datetime | None:
    """The end that is chosen beforehand: an hour, or what comes nearest to it."""
    return min(ends, key=lambda end: (abs(end - start - HOUR), end), default=None)


def part_words(day: Day) -> list[str]:
    """What is free in the morning, afternoon and evening: '9:00–12:00', '' where nothing is."""
    words = []
    for _name, first, last in PARTS:
        cut = []
        for span in day.free:
            a, b = minutes_after(day.day, span.start), minutes_after(day.day, span.end)
            a, b = max(a, first * 60), min(b, last * 60)
            if a < b:
                cut.append(f"{hour_text(a)}–{hour_text(b)}")
        words.append("、".join(cut))
    return words
