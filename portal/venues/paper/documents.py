"""Paper of rooms: the week on the door, a centre's rooms in one table, the poster at the door (SPEC V7, V5, Q7).

Everything comes in as plain frozen data. Times are minutes after local midnight, half-open. Names never stand here: a
slot says what anybody may read. Both sheets are drawn for A3 in units of 1 rem = 20 pt; A4 is the same picture at 1/√2.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import floor

from portal.centres.rules import clock_text
from portal.core import pdf, typeset

PAPERS = ("a4", "a3")
ACTIVITY, BOOKED, ASKED, OWN = "activity", "booked", "asked", "own"
WORDS = {BOOKED: "已预约", ASKED: "预约中", OWN: "中心使用"}

# The A3 sheet of templates/print/venue_week.html in millimetres; venue_week.css holds the sizes of its type:
# 60–72 pt the title, 18 pt at least everything that is read, 14 pt the date of issue and the page number.
_SHEET_HEIGHT, _COLUMN_EM, _SHUT_EM = 297.0, 7.4, 7.0
_BAND, _TITLE_LINE, _HEAD, _FOOT = 57.0, 23.0, 14.0, 46.0
_LINE, _CLOSE = 6.9, 6.4  # 18 pt and its leading; without, where one more line fits then
_LEAST = 7.3  # a lower block could not hold one line
_FOOT_LINES, _FOOT_EM = 3, 31.0
_SHORTEST_DAY = 6 * 60
_REM = 20 / pdf.MM


@dataclass(frozen=True)
class Slot:
    """A time that is taken. text: the activity's public title, or one of WORDS; kind says which."""

    start: int
    end: int
    text: str
    kind: str = BOOKED
    count: int = 1


@dataclass(frozen=True)
class Shut:
    """A time in which the room is closed although the house is open; reason as told to everybody."""

    start: int
    end: int
    reason: str = ""


@dataclass(frozen=True)
class Day:
    """One day of a room. hours: opening hours before closures; closed: why it does not open at all."""

    day: date
    hours: tuple[tuple[int, int], ...] = ()
    slots: tuple[Slot, ...] = ()
    shut: tuple[Shut, ...] = ()
    closed: str = ""


@dataclass(frozen=True)
class RoomWeek:
    """A room's week from Monday. hours: lines as '每天 9:00–21:00'; rules: what users must know, one a line."""

    name: str
    centre_name: str
    days: tuple[Day, ...]
    issued_on: date
    url: str = ""
    place: str = ""
    capacity: int | None = None
    area_m2: int | None = None
    functions: tuple[str, ...] = ()
    hours: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    phone: str = ""
    phone_of: str = ""
    bookable: bool = True

    @property
    def span(self) -> str:
        return typeset.day_range(self.days[0].day, self.days[-1].day)

    @property
    def facts(self) -> tuple[str, ...]:
        people = f"可容 {self.capacity} 人" if self.capacity else ""
        area = f"{self.area_m2} 平方米" if self.area_m2 else ""
        return tuple(filter(None, (self.place, people, area, "、".join(self.functions[:4]))))

    @property
    def opens(self) -> bool:
        return any(day.hours and not day.closed for day in self.days)

    @property
    def empty(self) -> bool:
        return self.opens and not any(day.slots for day in self.days)

    @property
    def invitation(self) -> str:
        """What the foot says above the phone number."""
        if not self.opens:
            return "这一周不开放，别的日子可以打电话问"
        return "空白处都可以订，不会用手机就打电话" if self.bookable else "想用请打电话"


@dataclass(frozen=True)
class CentreWeek:
    """A centre's rooms, a week: one line a room, one column a day."""

    name: str
    rooms: tuple[RoomWeek, ...]
    monday: date
    issued_on: date
    url: str
    phone: str = ""
    phone_of: str = ""
    address: str = ""
    hours: tuple[str, ...] = ()

    @property
    def span(self) -> str:
        return typeset.day_range(self.monday, self.monday + timedelta(days=6))

    @property
    def days(self) -> list[date]:
        return [self.monday + timedelta(days=n) for n in range(7)]


@dataclass(frozen=True)
class DoorPoster:
    """The sheet at the door. door_url holds the secret key of the door; book_url is public.

    early: '30 分钟' before the start one may check in. release: '15 分钟' after it a room nobody came to is given on.
    """

    name: str
    centre_name: str
    door_url: str
    book_url: str
    issued_on: date
    place: str = ""
    phone: str = ""
    phone_of: str = ""
    release: str = ""
    early: str = ""
    facts: tuple[str, ...] = ()


# Where things stand on the A3 sheet -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """Something drawn into a day's column. top, height in rem; clock may be empty when there is no room for it."""

    top: str
    height: str
    kind: str
    text: str
    clock: str = ""


@dataclass(frozen=True)
class Column:
    day: date
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Picture:
    """The grid: its hour lines (label, top in rem) and the seven columns. height in rem."""

    height: str
    top: str
    lines: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]


def width(text: str) -> float:
    """How wide `text` is about, in Chinese characters."""
    return sum(0.25 if char == " " else 0.58 if char.isascii() or char == "–" else 1.0 for char in text)


def cut(text: str, room: float) -> str:
    """`text` if it is at most `room` characters wide, else its beginning and an ellipsis."""
    if width(text) <= room:
        return text
    kept = text
    while kept and width(kept) + 1 > room:
        kept = kept[:-1]
    return kept.rstrip("，、：；（《“·— ") + "…"


def title_lines(name: str) -> int:
    """How many lines the room's name takes in the band."""
    return 1 if width(name) <= 15 else 2


def picture(week: RoomWeek) -> Picture:
    """Lay the week out: from the first hour anything opens or is taken to the last."""
    first, last = _window(week.days)
    top = _BAND + _TITLE_LINE * (title_lines(week.name) - 1)
    height = _SHEET_HEIGHT - top - _HEAD - _FOOT
    scale = height / (last - first)  # millimetres a minute
    every = 60 if scale * 60 >= 8 else 120
    lines = tuple((clock_text(m), _rem((m - first) * scale)) for m in range(first, last + 1, every))
    columns = tuple(Column(d.day, tuple(_blocks(d, first, last, scale))) for d in week.days)
    return Picture(_rem(height), _rem(top), lines, columns)


def _rem(millimetres: float) -> str:
    return f"{millimetres / _REM:.3f}rem"


def _window(days: Sequence[Day]) -> tuple[int, int]:
    """First and last whole hour of the sheet."""
    times = [t for d in days for t in (*d.hours, *((s.start, s.end) for s in d.slots))]
    if not times:
        return 9 * 60, 18 * 60
    first, last = min(t[0] for t in times) // 60 * 60, -(-max(t[1] for t in times) // 60) * 60
    missing = max(0, _SHORTEST_DAY - (last - first))
    return (first, last + missing) if last + missing <= 1440 else (1440 - _SHORTEST_DAY, 1440)


def _blocks(day: Day, first: int, last: int, scale: float) -> Iterable[Block]:
    def placed(start: int, end: int, kind: str, text: str, clock: str = "", gap: float = 0.0) -> Block:
        high = max((end - start) * scale, _LEAST if gap else 0.0)
        shape = f"{kind} low" if _lines(high)[1] else kind
        return Block(_rem((start - first) * scale), _rem(high - gap), shape, text, clock)

    if day.closed:
        yield placed(first, last, "shut whole", day.closed)
        return
    for start, end in _outside(day.hours, first, last):
        yield placed(start, end, "shut", "不开放" if (end - start) * scale >= _LEAST else "")
    for shut in day.shut:
        begin, until = max(shut.start, first), min(shut.end, last)
        lines = floor((until - begin) * scale / _LINE)
        yield placed(begin, until, "shut", cut(shut.reason or "不开放", lines * _SHUT_EM) if lines else "")
    for slot in merged(day.slots, _LEAST / scale):
        clock, text = _words(slot, max((slot.end - slot.start) * scale, _LEAST))
        yield placed(slot.start, slot.end, slot.kind, text, clock, 0.5)


def _outside(hours: Iterable[tuple[int, int]], first: int, last: int) -> Iterable[tuple[int, int]]:
    passed = first
    for opens, closes in sorted(hours):
        if opens > passed:
            yield passed, opens
        passed = max(passed, closes)
    if passed < last:
        yield passed, last


def _lines(high: float) -> tuple[int, bool]:
    """How many lines of type a block so many millimetres high holds, and whether they must stand close for it."""
    normal, close = (floor((high - 0.5) / pitch) for pitch in (_LINE, _CLOSE))
    return (close, True) if close > normal else (max(1, normal), high < _LINE + 2)


def _words(slot: Slot, high: float) -> tuple[str, str]:
    """The clock and the words of a block so many millimetres high: both, or the words after the beginning only."""
    lines, _ = _lines(high)
    text = f"{slot.text} {slot.count} 场" if slot.count > 1 else slot.text
    both = f"{clock_text(slot.start)}–{clock_text(slot.end)}"
    # A line ends before the character that no longer fits: a little of each line but the last is lost.
    room = (lines - 1) * _COLUMN_EM - (0.6 if lines > 2 else 0.0)
    start = f"{clock_text(slot.start)} "
    whole = lines * _COLUMN_EM - (0.6 if lines > 1 else 0.0)
    if lines > 1 and (width(text) <= room or whole <= room):
        return both, text
    if width(start + text) > whole and slot.start % 60 == 0 and width(text) <= whole:
        return "", text  # the hour stands on the line above the words
    if width(start + text) > whole and slot.kind != ACTIVITY:
        text = slot.text
    if lines > 3 and width(start + text) > whole:
        return both, cut(text, room)
    return "", start + cut(text, whole - width(start))


def merged(slots: Iterable[Slot], least: float) -> list[Slot]:
    """Slots in order; those too short to be written (`least` minutes) go together with the one before."""
    return _joined(slots, lambda before, slot: slot.start < before.start + least - 1e-6)


def touching(slots: Iterable[Slot]) -> list[Slot]:
    """Slots in order; bookings (not activities) that follow each other without a break become one line."""
    return _joined(slots, lambda before, slot: before.end >= slot.start and before.kind == slot.kind != ACTIVITY)


def _joined(slots: Iterable[Slot], joins: Callable[[Slot, Slot], bool]) -> list[Slot]:
    found: list[Slot] = []
    for slot in sorted(slots, key=lambda s: (s.start, s.end)):
        if found and joins(found[-1], slot):
            found[-1] = _together(found[-1], slot)
        else:
            found.append(slot)
    return found


def _together(one: Slot, other: Slot) -> Slot:
    end, count = max(one.end, other.end), one.count + other.count
    if one.kind == other.kind and one.kind != ACTIVITY:
        return Slot(one.start, end, one.text, one.kind, count)
    kind = ACTIVITY if ACTIVITY in (one.kind, other.kind) else BOOKED
    return Slot(one.start, end, "、".join(dict.fromkeys((one.text, other.text))), kind)


# The documents --------------------------------------------------------------------------------------------------------


def room_week(week: RoomWeek, paper: str = "a4") -> pdf.PrintJob:
    """The week of one room on one sheet, landscape (V7)."""
    hours = packed(week.hours, _FOOT_EM)[: _FOOT_LINES - 1]
    rules = [cut(line, _FOOT_EM) for line in week.rules[: _FOOT_LINES - len(hours)]]
    page = pdf.html(
        "venue_week.html", week=week, picture=picture(week), paper=paper, rules=rules, hours=hours,
        facts=fitting(week.facts, 28), two=title_lines(week.name) == 2, title=cut(week.name, 30),
        title_width=width(week.name),
    )  # fmt: skip
    return pdf.single(page, ("base.css", "venue_week.css"))


def centre_week(week: CentreWeek, paper: str = "a4") -> pdf.PrintJob:
    """The week of a centre's rooms as a table, landscape (V7). Raises: ValueError without rooms."""
    if not week.rooms:
        raise ValueError("a centre's sheet needs rooms")
    page = pdf.html("venue_centre.html", week=week, paper=paper, lines=touching, clock=clock_text)
    return pdf.single(page, ("base.css", "venue_centre.css"))


def door_poster(poster: DoorPoster) -> pdf.PrintJob:
    """The A4 sheet for the door: check in here, and how to book (V5)."""
    return pdf.single(
        pdf.html("venue_door.html", poster=poster, name_width=width(poster.name)),
        ("base.css", "qr_poster.css", "venue_door.css"),
    )


def fitting(facts: Iterable[str], room: float) -> str:
    """As many facts as stand in one line of `room` characters, in order; the first is cut when it is too long."""
    line = ""
    for fact in facts:
        longer = f"{line}　{fact}" if line else cut(fact, room)
        line = longer if width(longer) <= room else line
    return line


def packed(parts: Sequence[str], room: float) -> list[str]:
    """The parts joined by '；' into lines of at most `room` characters; a longer part is cut."""
    lines: list[str] = []
    for part in (cut(p, room) for p in parts):
        joined = f"{lines[-1]}；{part}" if lines else ""
        if lines and width(joined) <= room:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines
