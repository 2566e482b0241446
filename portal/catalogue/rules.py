"""Pure rules of the monthly list: what a row must hold, weekly rules, clashes, words (SPEC C2-C7)."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from portal.catalogue import windows
from portal.catalogue.timetext.parts import Problem, Span, error, warning
from portal.catalogue.timetext.render import weekdays_text
from portal.core import clock

TITLE_MAX, PLACE_MAX, AUDIENCE_MAX, ORGANISER_MAX, CONTENT_MAX = 60, 80, 80, 60, 2000
UNITS = ("人", "组", "家庭")
CAPACITY_MAX = 5000
SESSIONS_MAX = 80
LONGEST_SESSION = timedelta(hours=24)
LONGEST_DELAY = timedelta(days=183)  # how far behind its month a published row may be put off
LONGEST_ROW = timedelta(days=31) + LONGEST_DELAY + LONGEST_SESSION  # from a first session to the end of the last
COMPANIONS_MAX = 9
URGENT = timedelta(hours=12)  # so short before the start a cancellation or a move does not wait for the publisher
TOLD_LISTED = timedelta(days=7)  # how long such a change stays on the publisher's page of changes


@dataclass(frozen=True)
class EntryValues:
    """What staff fill in for one row. fee in fen; sessions half-open; times aware; names as in the form."""

    month: str
    title: str
    category_id: int
    sessions: tuple[Span, ...] = ()
    service_type_id: int | None = None
    content: str = ""
    organiser: str = ""
    place: str = ""
    venue_id: int | None = None  # a room that can be booked; then `place` is its name
    audience: str = "全体居民"
    groups: tuple[str, ...] = ()
    capacity: int | None = None
    unit: str = "人"
    walk_in: bool = False
    needs_review: bool = False
    max_companions: int = 0
    own_first_until: datetime | None = None
    groups_first_until: datetime | None = None
    groups_only: bool = False
    sign_up_from: datetime | None = None
    sign_up_until: datetime | None = None
    withdraw_until: datetime | None = None
    contact: str = ""
    phone: str = ""
    fee: int = 0
    cover: str = ""
    weekly: dict[str, Any] | None = None

    @property
    def first_start(self) -> datetime | None:
        return min((s.start for s in self.sessions), default=None)

    @property
    def last_end(self) -> datetime | None:
        return max((s.end for s in self.sessions), default=None)


LABELS = {
    "month": "月份",
    "title": "服务名称",
    "category_id": "类别",
    "service_type_id": "服务项目",
    "sessions": "时间",
    "content": "服务内容",
    "organiser": "主办单位",
    "place": "地点",
    "venue_id": "场地",
    "audience": "服务对象",
    "groups": "适合人群",
    "capacity": "名额",
    "unit": "名额单位",
    "walk_in": "直接到场",
    "needs_review": "报名需审核",
    "max_companions": "可带同行人数",
    "own_first_until": "本社区优先至",
    "groups_first_until": "适合人群优先至",
    "groups_only": "只限适合人群",
    "sign_up_from": "报名开始",
    "sign_up_until": "报名截止",
    "withdraw_until": "退出截止",
    "contact": "联系人",
    "phone": "联系电话",
    "fee": "费用",
    "cover": "封面图",
    "weekly": "每周重复",
}
# Set together with another field and never told on its own.
MOVES = frozenset({"sessions", "weekly", "place", "venue_id"})  # what a short-notice change may touch
DERIVED = frozenset({"month", "weekly", "groups", "service_type_id", "cover", "venue_id"})


def check(
    values: EntryValues,
    now: datetime,
    taken: int = 0,
    draft: bool = False,
    moved: bool = False,
    to_allot: bool = False,
) -> list[Problem]:
    """Everything wrong or doubtful with a row, field by field (SPEC C2, Q1).

    taken: places already held by sign-ups. draft: sessions and place may still be missing (a warning then).
    moved: a change after publication, which may put off a session into a later month. to_allot: a department's plan,
    whose place the community may say to which it is allotted.
    """
    return [
        *_check_words(values, draft, to_allot),
        *_check_sessions(values, now, draft, moved),
        *_check_places(values, taken),
        *_check_windows(values),
    ]


def _check_words(values: EntryValues, draft: bool, to_allot: bool) -> list[Problem]:
    found = []
    if not values.title.strip():
        found.append(error("title", "请填写服务名称。"))
    for name, most in (
        ("title", TITLE_MAX), ("place", PLACE_MAX), ("audience", AUDIENCE_MAX), ("organiser", ORGANISER_MAX),
        ("content", CONTENT_MAX), ("contact", 40), ("phone", 30),
    ):  # fmt: skip
        length = len(getattr(values, name))
        if length > most:
            found.append(error(name, f"{LABELS[name]}最多 {most} 个字，现在有 {length} 个字。"))
    if not values.place.strip() and to_allot:
        found.append(warning("place", "没写地点，分到哪个社区就在哪个社区的中心办。"))
    elif not values.place.strip():
        found.append((warning if draft else error)("place", "请填写地点，居民才知道去哪里。"))
    if not values.audience.strip():
        found.append(error("audience", "请填写服务对象，例如“全体居民”。"))
    if not values.phone.strip():
        found.append(warning("phone", "没有联系电话，将显示本中心的电话。"))
    return found


def _check_sessions(values: EntryValues, now: datetime, draft: bool, moved: bool) -> list[Problem]:
    if not clock.is_month(values.month):
        return [error("month", "月份请按 2026-12 的样子填写。")]
    if not values.sessions:
        return [(warning if draft else error)("sessions", "请填写至少一个时间。")]
    if len(values.sessions) > SESSIONS_MAX:
        return [error("sessions", f"一条服务最多 {SESSIONS_MAX} 个时间，请分成几条。")]
    found = [p for span in values.sessions for p in _check_span(span, values.month, moved)]
    ordered = sorted(values.sessions)
    for one, following in pairwise(ordered):
        if following.start < one.end:
            words = f"{clock.span(one.start, one.end)} 与 {clock.stamp(following.start)}"
            found.append(error("sessions", f"{words} 的时间重叠。"))
    if ordered[-1].end <= now:
        found.append((error if moved else warning)("sessions", "这些时间都已经过去。"))
    return found


def _check_span(span: Span, month: str, moved: bool) -> list[Problem]:
    first, following = clock.month_span(month)
    words = clock.stamp(span.start)
    if span.end <= span.start:
        return [error("sessions", f"{words} 的结束时间（{clock.hour(span.end)}）早于开始时间。")]
    if span.end - span.start > LONGEST_SESSION:
        return [error("sessions", f"{words} 这一场超过 {clock.lasting(LONGEST_SESSION)}，请按天分开填写。")]
    if span.start < first or (span.start >= following and not moved):
        return [error("sessions", f"{words} 不在 {clock.month_name(month, with_year=True)}内。")]
    if span.start >= following + LONGEST_DELAY:
        # '11月1日' said of December's list means the one before, which is over, not the one in eleven months.
        far = f"{clock.local(span.start).year}年{words} 太远了，改期最多{clock.said(LONGEST_DELAY)}，请核对月份。"
        return [error("sessions", far)]
    return []


def _check_places(values: EntryValues, taken: int) -> list[Problem]:
    found = []
    if values.capacity is not None and not 0 < values.capacity <= CAPACITY_MAX:
        found.append(error("capacity", f"名额应在 1 到 {CAPACITY_MAX} 之间；不限人数请选“不限”。"))
    elif values.capacity is not None and values.capacity < taken:
        found.append(error("capacity", f"已有 {taken} 位报名成功，名额不能少于 {taken}。"))
    if values.walk_in and taken:
        found.append(error("walk_in", f"已有 {taken} 位报名，不能改为直接到场。"))
    if values.unit not in UNITS:
        found.append(error("unit", f"名额单位只能是{'、'.join(UNITS)}。"))
    if not 0 <= values.max_companions <= COMPANIONS_MAX:
        found.append(error("max_companions", f"可带同行人数应在 0 到 {COMPANIONS_MAX} 之间。"))
    if values.fee < 0:
        found.append(error("fee", "费用不能是负数；免费请填 0。"))
    return found


def _check_windows(values: EntryValues) -> list[Problem]:
    """Sign-up opens, closes and the activity begins, in this order."""
    if values.walk_in:
        return []
    found = []
    opens, closes, end = values.sign_up_from, values.sign_up_until, values.last_end
    if opens and closes and closes <= opens:
        found.append(error("sign_up_until", "报名截止应晚于报名开始。"))
    if closes and end and closes > end:
        found.append(error("sign_up_until", "报名截止不能晚于活动结束。"))
    if opens and end and opens >= end:
        found.append(error("sign_up_from", "报名开始应早于活动结束。"))
    if values.withdraw_until and end and values.withdraw_until > end:
        found.append(error("withdraw_until", "退出截止不能晚于活动结束。"))
    if values.own_first_until and closes and values.own_first_until > closes:
        found.append(error("own_first_until", "本社区优先的时间不能晚于报名截止。"))
    first = values.groups_first_until
    if first and closes and first > closes:
        found.append(error("groups_first_until", "适合人群优先的时间不能晚于报名截止。"))
    if (first or values.groups_only) and not (values.groups or groups_in(values.audience)):
        found.append(error("groups", "要限定或优先适合人群，请先勾选是哪些人群。"))
    return found


def unfold(weekdays: Collection[int], start: time, end: time, month: str) -> tuple[Span, ...]:
    """Every session of a weekly rule in `month` (0 = Monday); an end not after start is on the next day."""
    first, following = clock.month_days(month)
    days = (first + timedelta(days=i) for i in range((following - first).days))
    return tuple(_on(d, start, end) for d in days if d.weekday() in weekdays)


def _on(day: date, start: time, end: time) -> Span:
    last = day if end > start else day + timedelta(days=1)
    return Span(datetime.combine(day, start, clock.SHANGHAI), datetime.combine(last, end, clock.SHANGHAI))


def weekly_dict(weekdays: Collection[int], start: time, end: time) -> dict[str, Any]:
    """The stored form of a weekly rule, with its words: '每周一至周五 16:30–18:00'."""
    days = sorted(set(weekdays))
    label = f"{weekdays_text(days)} {clock.hour(start)}–{clock.hour(end)}"
    return {"weekdays": days, "start": f"{start:%H:%M}", "end": f"{end:%H:%M}", "label": label}


def still_weekly(values: EntryValues) -> dict[str, Any] | None:
    """The weekly rule while every session follows it (dates may be left out); None once one differs."""
    rule = values.weekly
    if not rule or not values.sessions:
        return None
    start, end = time.fromisoformat(rule["start"]), time.fromisoformat(rule["end"])
    allowed = set(unfold(rule["weekdays"], start, end, values.month))
    return rule if set(values.sessions) <= allowed else None


def same_weekday_of_month(day: date, month: str) -> date | None:
    """The 2nd Tuesday of one month → the 2nd Tuesday of `month`; None when it has no fifth one (C7)."""
    nth = (day.day - 1) // 7
    first, following = clock.month_days(month)
    target = first + timedelta(days=(day.weekday() - first.weekday()) % 7 + 7 * nth)
    return target if target < following else None


def move_to_month(values: EntryValues, month: str) -> tuple[EntryValues, list[str]]:
    """The same row in another month, and what to look at. Sign-up windows move with the first session."""
    notes: list[str] = []
    rule = values.weekly
    if rule:
        start, end = time.fromisoformat(rule["start"]), time.fromisoformat(rule["end"])
        sessions = unfold(rule["weekdays"], start, end, month)
    else:
        sessions, notes = _move_sessions(values.sessions, month)
    old, new = values.first_start, min((s.start for s in sessions), default=None)
    shift = new - old if old and new else None

    def moved(moment: datetime | None) -> datetime | None:
        return moment + shift if moment and shift is not None else None

    windows: dict[str, Any] = {n: moved(getattr(values, n)) for n in WINDOWS}
    return replace(values, month=month, sessions=sessions, weekly=rule, **windows), notes


WINDOWS = ("own_first_until", "groups_first_until", "sign_up_from", "sign_up_until", "withdraw_until")


def _move_sessions(sessions: Iterable[Span], month: str) -> tuple[tuple[Span, ...], list[str]]:
    kept, notes = [], []
    for span in sessions:
        start, end = clock.local(span.start), clock.local(span.end)
        target = same_weekday_of_month(start.date(), month)
        if target is None:
            missing = f"{clock.month_name(month)}没有第五个{clock.weekday(start.date())}"
            notes.append(f"{missing}，{clock.stamp(span.start)} 这一场没有复制。")
            continue
        begin = datetime.combine(target, start.time(), clock.SHANGHAI)
        kept.append(Span(begin, begin + (end - start)))
    return tuple(kept), notes


@dataclass(frozen=True)
class Held:
    """A row's hold on a place, for finding clashes. holds: its room is booked for it, so others see that there."""

    id: int
    centre_id: int
    place: str
    title: str
    sessions: tuple[Span, ...]
    venue_id: int | None = None
    holds: bool = False


def clashes(rows: Iterable[Held]) -> dict[int, list[str]]:
    """Per row: who else is at its place and time: '同一三楼会议室 12月11日 19:00 有“主题党课”'."""
    by_place: dict[tuple[int, str], list[tuple[Span, Held]]] = {}
    for row in rows:
        place = re.sub(r"\s+", "", row.place)
        if place:
            by_place.setdefault((row.centre_id, place), []).extend((s, row) for s in row.sessions)
    found: dict[int, list[str]] = {}
    for spans in by_place.values():
        spans.sort(key=lambda pair: (pair[0], pair[1].id))
        _clashes_at(spans, found)
    return found


def _clashes_at(spans: list[tuple[Span, Held]], found: dict[int, list[str]]) -> None:
    seen: set[tuple[int, int]] = set()
    for index, (span, row) in enumerate(spans):
        for other_span, other in spans[index + 1 :]:
            if other_span.start >= span.end:
                break
            if other.id == row.id or (row.id, other.id) in seen or _booked(row, other):
                continue
            seen |= {(row.id, other.id), (other.id, row.id)}
            found.setdefault(row.id, []).append(_clash(other, other_span))
            found.setdefault(other.id, []).append(_clash(row, span))


def _booked(one: Held, other: Held) -> bool:
    """Both mean the same room and one of them holds it: the booking says so to the other."""
    return one.venue_id is not None and one.venue_id == other.venue_id and (one.holds or other.holds)


def _clash(other: Held, span: Span) -> str:
    return f"同一{other.place} {clock.stamp(span.start)} 有“{other.title}”"


_GROUP_WORDS: tuple[tuple[str, str], ...] = (
    ("elder", r"老人|长者|老年|老党员|(?:[5-9]\d|100)\s*岁以上|独居|高龄"),
    ("child", r"儿童|孩子|小学|中学|学生|青少年|少年|幼儿|婴|未成年|宝宝|\d\s*[-至到~—–]\s*1?\d\s*岁"),
    ("family", r"亲子|家长|家庭|父母|宝妈"),
    ("party", r"党员|党组织|党支部|入党"),
    ("worker", r"新就业|骑手|快递|外卖|网约车|货车司机|劳动者|务工|职工|工友"),
    ("vulnerable", r"残疾|困难|低保|特困|孤寡|弱势|失能|特殊群体|重病"),
)


def groups_in(audience: str) -> tuple[str, ...]:
    """Codes of the groups an audience text names; none for everybody.

    What stands in brackets is a condition, not an audience: '全体居民（未成年人须家长陪同）'.
    """
    text = re.sub(r"[（(][^）)]*[）)]", "", audience)
    if re.search(r"全体|不限|所有|居民群众|广大", text):
        return ()
    return tuple(code for code, words in _GROUP_WORDS if re.search(words, text))


ALIKE = 0.6  # of a service's pairs of characters; '亲子绘本阅读会' holds two of the three of 亲子阅读


def closest_service(title: str, services: Mapping[int, str]) -> int | None:
    """The id of the service whose name a title holds best, sign marks aside; None when none is near enough."""
    plain = re.sub(r"\W", "", title)
    best: tuple[float, int, int] | None = None
    for number, name in services.items():
        word = re.sub(r"\W", "", name)
        pairs = [word[i : i + 2] for i in range(len(word) - 1)] or [word]
        share = 1.0 if word in plain else sum(pair in plain for pair in pairs) / len(pairs)
        rank = (share, len(word), -number)
        if share >= ALIKE and (best is None or rank > best):
            best = rank
    return -best[2] if best else None


def capacity_text(capacity: int | None, unit: str, walk_in: bool = False) -> str:
    """'30 人', '不限' or '直接到场': the places as lists and paper say them."""
    if capacity is None:
        return "直接到场" if walk_in else "不限"
    return f"{capacity} {unit}"


def when_text(sessions: Sequence[Span], weekly: Mapping[str, Any] | None = None) -> str:
    """One line for lists: the weekly rule's words, the single session, or the first one with the count."""
    if weekly and weekly.get("label"):
        return str(weekly["label"])
    if not sessions:
        return "时间待定"
    first = sessions[0]
    words = clock.span(first.start, first.end)
    if len(sessions) == 1:
        return words
    if len(sessions) == 2 and clock.local(first.start).date() == clock.local(sessions[1].start).date():
        return f"{words}、{clock.hour(sessions[1].start)}–{clock.hour(sessions[1].end)}"
    return f"{words} 起，共 {len(sessions)} 场"


def shown(name: str, values: EntryValues) -> str:
    """One field in words, for histories and change notes."""
    value = getattr(values, name)
    if name == "sessions":
        return "；".join(clock.span(s.start, s.end) for s in value) or "（空）"
    if name == "capacity":
        return capacity_text(value, values.unit)
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime):
        return clock.stamp(value)
    if name == "fee":
        return f"{value / 100:g} 元" if value else "免费"
    return str(value) if value not in (None, "", ()) else "（空）"


def differing(before: EntryValues, after: EntryValues) -> list[str]:
    """Names of all fields that differ, derived ones too."""
    names = (f.name for f in fields(before) if f.name != "month")
    return [n for n in names if _bare(getattr(before, n)) != _bare(getattr(after, n))]


def differences(before: EntryValues, after: EntryValues) -> list[tuple[str, str, str]]:
    """(field, before, after) in words for every field that differs and is told to people."""
    names = [n for n in differing(before, after) if n not in DERIVED]
    return [(n, shown(n, before), shown(n, after)) for n in names]


def _bare(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def change_sentence(before: EntryValues, after: EntryValues, reason: str) -> str:
    """'时间由 8:00 改为 8:30，因讲师时间变动。' — shown on the page, told to everyone signed up (C8)."""
    parts = [_change_part(n, old, new, before, after) for n, old, new in differences(before, after)]
    parts = parts or ["场地安排有更新"]  # the same place, now booked
    return "；".join(parts) + f"，{because(reason)}。"


def starts_soon(sessions: Iterable[Span], now: datetime) -> bool:
    """The next session that is not over begins within URGENT, or is on: whoever signed up must hear of it at once."""
    return any(s.end > now and s.start - now < URGENT for s in sessions)


def only_moves(before: EntryValues, after: EntryValues) -> bool:
    """Nothing but the time and the place differ."""
    return set(differing(before, after)) <= MOVES


def only_extends(before: EntryValues, after: EntryValues) -> bool:
    """Nothing but that people may sign up longer: it takes nothing from anybody."""
    closes, later = windows.closes_at(before), after.sign_up_until
    return differing(before, after) == ["sign_up_until"] and bool(closes and later and later > closes)


def because(reason: str) -> str:
    """'因讲师时间变动', whatever way the reason was typed."""
    why = reason.strip().rstrip("。.！!")
    return why if why.startswith(("因", "由于")) else f"因{why}"


def _change_part(name: str, old: str, new: str, before: EntryValues, after: EntryValues) -> str:
    if name == "content":
        return "服务内容有更新"
    if name == "sessions":
        old, new = _shorter_times(before.sessions, after.sessions) or (old, new)
    return f"{LABELS[name]}由 {old} 改为 {new}"


def _shorter_times(before: Sequence[Span], after: Sequence[Span]) -> tuple[str, str] | None:
    """Only the hours when the day stays; only the sessions that differ when there are many."""
    gone, come = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    if len(gone) != 1 or len(come) != 1:
        if len(before) > 3 or len(after) > 3:
            return (_listed(gone) or "原时间"), (_listed(come) or f"不再举行（其余 {len(after)} 场不变）")
        return None
    (old,), (new,) = gone, come
    if clock.local(old.start).date() != clock.local(new.start).date():
        return clock.span(old.start, old.end), clock.span(new.start, new.end)
    if old.end == new.end:
        return clock.stamp(old.start), clock.hour(new.start)
    return f"{clock.stamp(old.start)}–{clock.hour(old.end)}", f"{clock.hour(new.start)}–{clock.hour(new.end)}"


def _listed(spans: Sequence[Span]) -> str:
    return "、".join(clock.span(s.start, s.end) for s in spans[:6]) + ("等" if len(spans) > 6 else "")
