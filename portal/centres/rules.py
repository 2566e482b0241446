"""Opening hours and distances, without a database."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hours:
    """Half-open [opens, closes) in minutes after midnight."""

    opens: int
    closes: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a page says of today's hours."""

    text: str  # '今天 9:00–21:00 开放（晚间延时）'
    open_now: bool
    next_text: str = ""  # '明天 9:00 开门' when closed now
    until: str = ""  # '18:00' while open


def clock_text(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def hours_text(hours: list[Hours]) -> str:
    """'9:00–12:00、14:00–21:00（晚间延时）'."""
    notes = "、".join(dict.fromkeys(h.note for h in hours if h.note))
    spans = "、".join(f"{clock_text(h.opens)}–{clock_text(h.closes)}" for h in hours)
    return spans + (f"（{notes}）" if notes else "")


def opening(today: list[Hours], minute: int, tomorrow: list[Hours], closed_why: str = "") -> Opening:
    """State at `minute` of today. Lists are sorted and empty when closed all day."""
    if not today:
        text = "今天不开放" + (f"（{closed_why}）" if closed_why else "")
        return Opening(text, False, _tomorrow(tomorrow))
    text = f"今天 {hours_text(today)} 开放"
    present = next((h for h in today if h.opens <= minute < h.closes), None)
    if present is not None:
        return Opening(text, True, until=clock_text(present.closes))
    later = next((h for h in today if h.opens > minute), None)
    return Opening(text, False, f"{clock_text(later.opens)} 开门" if later else _tomorrow(tomorrow))


def _tomorrow(hours: list[Hours]) -> str:
    return f"明天 {clock_text(hours[0].opens)} 开门" if hours else "开放时间请电话咨询"


def week_text(by_weekday: dict[int, list[Hours]]) -> list[tuple[str, str]]:
    """[('周一至周五', '9:00–21:00'), …]: all days with the same hours stand in one line, as people say them.

    Nothing when no hours are known at all: a centre that never opens is one whose hours nobody has typed yet.
    """
    if not any(by_weekday.values()):
        return []
    same: dict[str, list[int]] = {}
    for day in range(7):
        same.setdefault(hours_text(by_weekday.get(day, [])) or "不开放", []).append(day)
    return [(days_text(days), text) for text, days in same.items()]


def days_text(days: list[int]) -> str:
    """'每天', '周一至周五', '周三、周四、周六'; 0 is Monday, in order."""
    names = "一二三四五六日"
    if len(days) == 7:
        return "每天"
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"周{names[days[0]]}至周{names[days[-1]]}"
    return "、".join(f"周{names[day]}" for day in days)


def distance_km(lat1: float, lng1: float, lat2: float, lng2: float) -> float:
    """Great-circle distance in kilometres (haversine)."""
    p1, p2 = math.radians(lat1), math.radians(lat2)
    a = math.sin((p2 - p1) / 2) ** 2
    a += math.cos(p1) * math.cos(p2) * math.sin(math.radians(lng2 - lng1) / 2) ** 2
    return 12742 * math.asin(min(1.0, math.sqrt(a)))


def distance_text(km: float) -> str:
    """'608 米', '2.1 公里'."""
    return f"{km * 1000:.0f} 米" if km < 1 else f"{km:.1f} 公里"


PHONE = re.compile(r"[\d\-+ ()转]{5,30}")


def phone_problem(phone: str) -> str:
    """Why a number that residents are to dial will not do, or ''."""
    return "" if not phone or PHONE.fullmatch(phone) else "电话只写数字和横线，例如 0755-84200001。"


FUNCTIONS_MAX, FUNCTION_LENGTH = 20, 12
AREA = (1, 1_000_000)  # square metres
LATITUDE, LONGITUDE = (3, 54), (73, 136)  # of China


def area_problem(square_metres: int) -> str:
    """Why it cannot be so large, or ''."""
    least, most = AREA
    return "" if least <= square_metres <= most else f"面积应在 {least} 到 {most} 平方米之间。"


def latitude_problem(degrees: float) -> str:
    """Why it is no place in China, or ''; not a number neither."""
    least, most = LATITUDE
    return "" if least <= degrees <= most else f"纬度在 {least} 到 {most} 之间，例如 22.5963。"


def longitude_problem(degrees: float) -> str:
    """Why it is no place in China, or ''; not a number neither."""
    least, most = LONGITUDE
    return "" if least <= degrees <= most else f"经度在 {least} 到 {most} 之间，例如 114.5126。"


def function_names(text: str) -> tuple[str, ...]:
    """'便民服务厅、书吧' -> ('便民服务厅', '书吧'), each once."""
    return tuple(dict.fromkeys(filter(None, re.split(r"[、，,；;\s]+", text))))


def functions_problem(names: Sequence[str]) -> str:
    """Why these will not do, or ''."""
    long = next((name for name in names if len(name) > FUNCTION_LENGTH), None)
    if long:
        return f"“{long}”太长，每项最多 {FUNCTION_LENGTH} 个字，用顿号隔开。"
    return f"最多写 {FUNCTIONS_MAX} 项。" if len(names) > FUNCTIONS_MAX else ""


def mark(name: str) -> str:
    """The one character that stands for a centre in its round mark."""
    return name[:1] or "扫"


def short_name(name: str) -> str:
    """'葵涌社区党群服务中心' -> '葵涌社区'; a name that is nothing but the ending stays whole."""
    for ending in ("党群服务中心", "党群服务站", "党群服务点"):
        short = name.removesuffix(ending)
        if short != name and short:
            return short
    return name
