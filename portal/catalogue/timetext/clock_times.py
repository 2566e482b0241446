"""Turns written clock times into minutes of the day (SPEC C7)."""

from dataclasses import dataclass
from datetime import timedelta

from portal.catalogue.timetext.days import error, warning
from portal.catalogue.timetext.grammar import Times
from portal.catalogue.timetext.parts import Problem
from portal.catalogue.timetext.tokens import Clock
from portal.centres.rules import clock_text
from portal.core.clock import lasting

DAY = 24 * 60
DEFAULT_LENGTH = 60
LATE, EARLY = 18 * 60, 5 * 60  # 23:00-0:30 ends on the next day
MORNING = ("清晨", "早晨", "早上", "早间", "上午", "早")
EVENING = ("傍晚", "晚上", "晚间", "夜间", "夜晚", "当晚", "晚")
NOON = ("中午", "午间", "正午")
AFTERNOON = ("下午", "午后")
_USUAL = {"上午": (9 * 60, 12 * 60), "下午": (14 * 60, 17 * 60), "晚上": (19 * 60, 21 * 60)}


@dataclass(frozen=True)
class Minutes:
    """A half-open interval in minutes from 0:00 of the first day; above 1440 is the next day."""

    start: int
    end: int


def _bad(clock: Clock) -> bool:
    return clock.hour > 24 or clock.minute > 59 or (clock.hour == 24 and clock.minute > 0)


def in_minutes(clock: Clock, part: str) -> int:
    """Minutes from 0:00, read in that part of the day: 下午3点 → 900, 晚上12点 → 1440, 凌晨12点 → 0."""
    hour = clock.hour
    later = (part in AFTERNOON and hour < 12) or (part in NOON and hour <= 3) or (part in EVENING and 4 <= hour < 12)
    if later:
        hour += 12
    elif part in EVENING and hour in (0, 12):
        hour = 24
    elif part == "凌晨" and hour == 12:
        hour = 0
    return hour * 60 + clock.minute


def resolve_times(times: Times) -> tuple[Minutes | None, list[Problem]]:
    """Start and end in minutes, with what is doubtful; None when the times cannot be used."""
    if times.whole:
        return _whole(times)
    for clock in (times.start, times.end):
        if clock is not None and _bad(clock):
            return None, [error(f"没有“{times.text}”这样的时间，请写成 9:00-11:00 这样")]
    problems: list[Problem] = []
    start = in_minutes(times.start, times.start.part)
    late = times.end is not None and times.end.part in (*AFTERNOON, *EVENING)
    if (times.start.spoken or late) and not times.start.part and 1 <= times.start.hour <= 6:
        return _spoken_afternoon(times)
    if times.end is None:
        return _open_end(times, start)
    if not times.start.part and start < 6 * 60 and start > 0:
        said = f"{clock_text(start)}是凌晨；如果是下午请写 {clock_text(start + 720)}，请核对"
        problems.append(warning(said))
    end, doubts = _end_after(times, start)
    problems += doubts
    if end <= start:
        message = f"结束时间 {clock_text(end)} 不晚于开始时间 {clock_text(start)}，请核对"
        return None, [*problems, error(message)]
    return Minutes(start, end), problems


def _end_after(times: Times, start: int) -> tuple[int, list[Problem]]:
    """The end; it shares the start's part of the day unless it names its own: 下午3点-4点半."""
    assert times.end is not None
    part = times.end.part or times.start.part
    end = in_minutes(times.end, part)
    if times.next_day:
        return in_minutes(times.end, times.end.part) % DAY + DAY, []
    if times.end_mark is not None:
        return in_minutes(times.end, times.end.part), []
    if end <= start and start >= LATE and end <= EARLY and times.start.part not in MORNING:
        return end + DAY, [warning(f"结束时间按次日 {clock_text(end)} 算，请核对")]
    if end <= start and times.start.part in (*MORNING, *NOON) and not times.end.part and end < 12 * 60:
        later = end + 720
        return later, [warning(f"结束时间按下午 {clock_text(later)} 算，请核对")]
    return end, []


def _open_end(times: Times, start: int) -> tuple[Minutes, list[Problem]]:
    if times.minutes:
        return Minutes(start, start + min(times.minutes, DAY)), []
    usual = lasting(timedelta(minutes=DEFAULT_LENGTH))
    return Minutes(start, start + DEFAULT_LENGTH), [warning(f"没有结束时间，按 {usual}算，请核对")]


def _spoken_afternoon(times: Times) -> tuple[Minutes | None, list[Problem]]:
    """3点-4点半 without 上午/下午: nobody holds an activity at three in the night."""
    start = Clock(times.start.hour, times.start.minute, "下午", True)
    said = f"{clock_text(times.start.hour * 60 + times.start.minute)}没写上午下午"
    span, problems = resolve_times(Times(start, times.text, times.end, times.minutes, times.next_day))
    said += f"，按 {clock_text(in_minutes(start, '下午'))} 算，请核对"
    return span, [warning(said), *problems]


def _whole(times: Times) -> tuple[Minutes, list[Problem]]:
    if times.whole == "全天":
        said = f"“{times.text}”按 0:00–24:00 算；最好改成开放的钟点，如 9:00-18:00"
        return Minutes(0, DAY), [warning(said)]
    kind = "上午"
    if times.whole in (*AFTERNOON, *NOON):
        kind = "下午"
    elif times.whole in EVENING:
        kind = "晚上"
    start, end = _USUAL[kind]
    said = f"只写了“{times.whole}”、没写几点，按 {clock_text(start)}–{clock_text(end)} 算，请核对"
    return Minutes(start, end), [warning(said)]
