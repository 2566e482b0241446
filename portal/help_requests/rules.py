"""What is checked, what counts as near, and the sentences about who has it until when (SPEC H1-H3). Pure functions."""

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from portal.core import clock, masks

MOST_WORDS = 300
MOST_OPEN = 6  # of one person's, undone at once
FARTHEST = 30  # days ahead that a day may be wished for
TWICE = timedelta(minutes=5)  # the same words again within this time are one impatient finger
ADULT = 14  # 个人信息保护法 31
PARTS = {"": "什么时候都行", "am": "上午", "pm": "下午"}
TITLE = 16


def too_young(birth_year: int | None, today: date) -> bool:
    """Whether somebody may be under 14, by the year alone: in doubt not."""
    return birth_year is not None and today.year - birth_year < ADULT


def title_of(words: str, kind: str) -> str:
    """What one's own request is called: the first clause of the words when it is short, else the kind."""
    clause = re.split(r"[，。！？；,!?;\n]", words.strip(), maxsplit=1)[0].strip()
    return clause if 1 < len(clause) <= TITLE else kind


def wanted_text(day: date | None, part: str) -> str:
    """'12月3日（周四）上午', '哪天都行'."""
    if day is None:
        return "哪天都行"
    return clock.day(day) + (PARTS.get(part, "") if part else "")


def day_chips(today: date) -> list[tuple[str, str]]:
    """The next days as (value, words): today, tomorrow, and the three after by their weekday."""
    words = ["今天", "明天", *(clock.weekday(today + timedelta(days=n)) for n in range(2, 5))]
    return [((today + timedelta(days=n)).isoformat(), word) for n, word in enumerate(words)]


def masked(place: str, centre: str) -> str:
    """What lists may show of an address: the community, and the street without its number."""
    return f"{centre} {masks.mask_address(place)}".strip() if place else centre


def age_text(birth_year: int | None, today: date) -> str:
    """'76 岁', or ''."""
    return f"{today.year - birth_year} 岁" if birth_year else ""


def person_text(name: str, birth_year: int | None, today: date) -> str:
    """'李** 76 岁': how lists name somebody."""
    return " ".join(part for part in (masks.mask_name(name), age_text(birth_year, today)) if part)


@dataclass(frozen=True, slots=True)
class Spot:
    """Of one request, as far as nearness goes. place: the address as typed, compared and never shown."""

    person_key: str
    place: str = ""
    latitude: float | None = None
    longitude: float | None = None


def metres(a: Spot, b: Spot) -> float | None:
    """Distance, or None when one of them has no position. Flat is exact enough below a kilometre."""
    if a.latitude is None or a.longitude is None or b.latitude is None or b.longitude is None:
        return None
    north = (a.latitude - b.latitude) * 111_320
    east = (a.longitude - b.longitude) * 111_320 * math.cos(math.radians(a.latitude))
    return math.hypot(north, east)


def near(a: Spot, b: Spot, most: int) -> str:
    """Why two requests may be one: '同一人', '同一住址', '离 40 米'; '' when they are not near. most: metres."""
    if a.person_key == b.person_key:
        return "同一人"
    if a.place and _plain(a.place) == _plain(b.place):
        return "同一住址"
    far = metres(a, b)
    return f"离 {round(far, -1):.0f} 米" if far is not None and far <= most else ""


def _plain(place: str) -> str:
    return re.sub(r"[\s,，。.·-]", "", place)


def left(due_at: datetime | None, now: datetime) -> str:
    """The clock in words, at the left of a list: '还剩 2 小时', '超时 1 小时', '' without one."""
    if due_at is None:
        return ""
    return f"还剩 {clock.ago(now, due_at)}" if now < due_at else f"超时 {clock.ago(due_at, now)}"


def until_text(due_at: datetime, now: datetime, about: bool = False) -> str:
    """'今天 16:30', '明天 9:40', '12月4日 11:00'; about: of a year whose holidays are not published."""
    day, today = clock.today(due_at), clock.today(now)
    words = {today: "今天", today + timedelta(days=1): "明天", today - timedelta(days=1): "昨天"}.get(day)
    said = f"{words} {clock.hour(due_at)}" if words else clock.stamp(due_at)
    return f"约 {said}" if about else said


@dataclass(frozen=True, slots=True)
class Step:
    """One point of the resident's line. state: done, now, wait. when: it was, or the latest that it will be."""

    name: str
    state: str
    who: str = ""
    when: str = ""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has it, until when, and what is done by then. late: the sentence for a time that was missed, '' in time."""

    who: str
    until: str
    deed: str
    late: str = ""
