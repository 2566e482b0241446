"""The residents' list as drawn (SPEC C9): home first, then near, then the district; what is over folded below."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from flask import render_template
from markupsafe import Markup

from portal.catalogue import words
from portal.catalogue.public import going_back, month_snapshot, queries
from portal.catalogue.public.month_snapshot import Filters, Published, Row
from portal.catalogue.public.wishes import Part
from portal.centres import profile, rules
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import clock, pages
from portal.people import viewer as viewers
from portal.venues.availability import room_snapshot

DAY_WORDS = (("today", "今天"), ("tomorrow", "明天"), ("week", "本周"), ("weekend", "周末"))
OVER_AT_ONCE = 20  # of what is over, folded under the list
OF_HOME, OF_NEAR, OF_ONE = 3, 6, 2  # at the top: of home, of what is near, of one centre that is near
NEAR_KM = 5.0
MENTIONED = "内容里提到的"

Pair = tuple[Row, tuple[datetime, datetime]]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as drawn: what was asked with its page corrected, the lines of its head, the results."""

    wanted: Filters
    title: str
    line: str
    results: Markup


@dataclass(frozen=True, slots=True)
class Section:
    """Cards under one heading. more: words and address of what else there is."""

    title: str
    note: str
    cards: list[Markup]
    more: tuple[str, str] = ("", "")


def drawn(
    now: datetime, asked: Published, months: tuple[str, ...], wanted: Filters, label: str, parts: Sequence[Part] = ()
) -> Listed:
    """What matches of `asked`. months: all that are published, of which this may be about; label: of the day chosen;
    parts: what was understood of the words typed."""
    everything = month_snapshot.select_rows(asked.rows, wanted, now)
    found = everything.over if wanted.ended else everything.coming
    last_page = max(1, -(-len(found) // month_snapshot.PAGE_SIZE))
    # An old address may name a page that is no more: then the last one is shown.
    wanted = replace(wanted, page=min(wanted.page, last_page))
    round_it = frame(now, asked, months, wanted, label, parts)
    centre, this = round_it["centre"], clock.month_of(clock.today(now))
    of_past = wanted.days is not None or wanted.month != ""  # else, from now on, only this month's are offered
    over = [] if wanted.ended else [pair for pair in everything.over if of_past or pair[0].month == this]
    own = own_centre(wanted)
    results = render_template(
        "catalogue/public/_list.html", total=len(found), pages=last_page, of_past=of_past, over_count=len(over),
        over=[(row, clock.span(*session)) for row, session in over[:OVER_AT_ONCE]],
        sections=_sections(found, wanted, own, centre, now), of_what=_of_what(wanted, label, now),
        later=_not_yet(wanted, months, now), elsewhere=_elsewhere(wanted, now), **round_it,
        **(_instead(asked, wanted, own or centre, now) if not found else {}),
    )  # fmt: skip
    named = centre or own
    line = _line([pair for pair in found if named is None or pair[0].centre_path.startswith(named.path)], wanted, now)
    return Listed(wanted, title_of(named), line, going_back.carried(results, going_back.here()))


def own_centre(wanted: Filters) -> Centre | None:
    """The centre of whoever looks, whose activities come first; None when one centre or the past is looked at."""
    home = viewers.home_centre()
    return centres.get(home.id) if home is not None and not wanted.centre and not wanted.ended else None


def title_of(centre: Centre | None) -> str:
    return (centre.short_name or centre.label) if centre else profile.current().name


def frame(
    now: datetime, asked: Published, months: tuple[str, ...], wanted: Filters, label: str, parts: Sequence[Part]
) -> dict[str, Any]:
    """What _filters.html says of a list: what can be chosen and what is."""
    centre = centres.by_code(wanted.centre) if wanted.centre else None
    return {
        "wanted": wanted, "day_label": label, "groups": profile.current().groups, "day_words": DAY_WORDS,
        "home": viewers.home_centre(), "centre": centre, "months": sorted({*months, clock.month_of(clock.today(now))}),
        "categories": queries.activity_categories(), "examples": _examples(asked.rows, now),
        "understood": _chips(parts),
    }  # fmt: skip


MARKS = {"day": "calendar", "hours": "clock", "group": "users", "centre": "pin", "word": "search"}


def _chips(parts: Sequence[Part]) -> list[tuple[str, str, str]]:
    """What was understood of a wish: its icon, its words, and the address without it. One plain word needs no chip."""
    if len(parts) == 1 and parts[0].kind == "word":
        return []
    return [(MARKS[part.kind], part.label, pages.with_args(q=part.left)) for part in parts]


def category_chips(categories: list[tuple[str, str]], chosen: str) -> list[tuple[str, str, bool]]:
    """Chips for ui.chips: all, then one per category."""
    chips = [("全部", pages.with_args(category=None), not chosen)]
    return chips + [(name, pages.with_args(category=code), code == chosen) for code, name in categories]


# What else ------------------------------------------------------------------------------------------------------------

EXAMPLES = ("太极", "手机", "义诊", "绘本", "书法", "亲子", "瑜伽", "课堂", "电影", "舞蹈", "普法", "长者", "讲座")
ELSEWHERE, POPULAR, NEAREST = 5, 3, 6  # guides and rooms under the activities, of each; what most people go to


def _examples(rows: Sequence[Row], now: datetime) -> list[str]:
    """Two words that find something, for the box."""
    coming = [row.search for row in rows if row.over_at > now]
    hits = (word for word in EXAMPLES if any(word in text for text in coming))
    return list(islice(hits, 2))


def _elsewhere(wanted: Filters, now: datetime) -> list[tuple[str, str, str]]:
    """Guides and rooms that have the words: title, where or what, address."""
    if not wanted.terms:
        return []
    about, things = wanted.subject or wanted.terms, wanted.terms.of_things() or wanted.terms
    guides = [guide for guide in queries.guide_lines() if about.found_in(guide.search)][:ELSEWHERE]
    rooms = room_snapshot.current(now)
    lines = rooms.part(("words",), lambda: [_room_line(room) for room in rooms.rooms.values()])
    links = [(guide.title, f"指南 · {guide.category}", f"/guides/{guide.id}") for guide in guides]
    return links + [link for link, search in lines if things.found_in(search)][:ELSEWHERE]


def _room_line(room: Any) -> tuple[tuple[str, str, str], str]:
    link = (room.name, f"场地 · {room.centre.label}", f"/venues/{room.id}")
    return link, words.searchable([room.name, room.centre.label])


def _call(centre: Centre | None) -> centres.Telephone:
    """Whom to ring when nothing is found."""
    call = centres.telephone(centre) if centre is not None else centres.Telephone("")
    return call if call.number else centres.Telephone(profile.current().hotline, "服务热线")


def _instead(asked: Published, wanted: Filters, centre: Centre | None, now: datetime) -> dict[str, Any]:
    """When nothing is found: the same at another time, what comes nearest, or what most people go to; whom to ring."""
    if not wanted.q or wanted.ended:
        return {"call": _call(centre)}
    heading, near = "换个时间有", month_snapshot.select_rows(asked.rows, wanted.any_time, now).coming[:NEAREST]
    if not near:
        heading, near = "最接近的", month_snapshot.nearest(asked.rows, wanted.any_time, now)
    if not near:
        others = replace(wanted.any_time, terms=words.NOTHING, subject=words.NOTHING, free=True)
        coming = month_snapshot.select_rows(asked.rows, others, now).coming
        heading, near = "很多人在报的", sorted(coming, key=lambda pair: -pair[0].taken)[:POPULAR]
    cards = [month_snapshot.card(*pair, now, with_centre=True) for pair in near]
    return {"call": _call(centre), "instead": Section(heading, "", cards) if cards else None}


def _line(found: Sequence[Pair], wanted: Filters, now: datetime) -> str:
    """'接下来 28 项，本周 6 项', or what is looked at."""
    if wanted.ended:
        return "已经结束的"
    monday = clock.today(now) + timedelta(days=7 - clock.today(now).weekday())
    this_week = sum(1 for _, session in found if clock.local(session[0]).date() < monday)
    span = clock.month_name(wanted.month) if wanted.month else "接下来"
    return f"{span} {len(found)} 项" + (f"，本周 {this_week} 项" if this_week and wanted.days is None else "")


def _of_what(wanted: Filters, day_label: str, now: datetime) -> str:
    """Of which time the list is, in words: '今天', '12月', '这个月'."""
    this = clock.month_of(clock.today(now))
    return day_label or (clock.month_name(wanted.month) if wanted.month not in ("", this) else "这个月")


def _not_yet(wanted: Filters, months: tuple[str, ...], now: datetime) -> str:
    """What is asked for and not published yet: when it will be, in words; '' when everything is."""
    this = clock.month_of(clock.today(now))
    first, last = wanted.asked_months(clock.today(now))
    if last == month_snapshot.EVER:
        return month_snapshot.next_publication(months, now)
    missing = [month for month in (first, last) if month >= this and month not in months]
    return month_snapshot.publication(missing[0], this) if missing and not wanted.ended else ""


# In which order -------------------------------------------------------------------------------------------------------


def _sections(
    found: Sequence[Pair], wanted: Filters, home: Centre | None, chosen: Centre | None, now: datetime
) -> list[Section]:
    """One page of it. home: whose activities come first, when those of everybody are listed."""
    page = wanted.page
    first, end = (page - 1) * month_snapshot.PAGE_SIZE, page * month_snapshot.PAGE_SIZE
    if home is None:
        mixed = chosen is None or not profile.current().level(chosen.level).files_list
        return _by_day(found[first:end], wanted, now, mixed)
    own = [pair for pair in found if pair[0].centre_path.startswith(home.path)]
    far = _kilometres(home)
    near = _near([pair for pair in found if not pair[0].centre_path.startswith(home.path)], far)
    at_top = {row.id for row, _ in own[:OF_HOME] + near}
    rest = [pair for pair in found if pair[0].id not in at_top]
    name, left = home.short_name or home.label, len(own) - OF_HOME
    sections = []
    if page == 1 and own:
        more = (f"{name}还有 {left} 项", pages.with_args(centre=home.code)) if left > 0 else ("", "")
        sections.append(Section("", "", [month_snapshot.card(*pair, now) for pair in own[:OF_HOME]], more))
    if page == 1 and near:
        sections.append(Section("附近", "由近到远", [_far_card(pair, far, now) for pair in near]))
    following = rest[max(0, first - len(at_top)) : end - len(at_top)]
    if following:
        cards = [month_snapshot.card(*pair, now, with_centre=True) for pair in following]
        sections.append(Section("全区", _order(wanted), cards) if at_top else Section("", "", cards))
    return sections


def _order(wanted: Filters) -> str:
    return "名称里有的在前" if wanted.subject else "按时间先后"


def _near(others: Sequence[Pair], far: dict[str, float]) -> list[Pair]:
    """The next things of the nearest centres, the nearest first."""
    of_one: dict[str, list[Pair]] = {}
    for pair in others:
        if far.get(pair[0].centre_path, NEAR_KM) < NEAR_KM:
            of_one.setdefault(pair[0].centre_path, []).append(pair)
    nearest = sorted(of_one, key=lambda path: (far[path], path))
    return [pair for path in nearest for pair in of_one[path][:OF_ONE]][:OF_NEAR]


def _kilometres(home: Centre) -> dict[str, float]:
    """How far each centre is from `home`, by its path; without those of which one does not know where they are."""
    if home.latitude is None or home.longitude is None:
        return {}
    return {
        place.path: rules.distance_km(home.latitude, home.longitude, place.latitude, place.longitude)
        for place in centres.places()
        if place.latitude is not None and place.longitude is not None
    }


def _far_card(pair: Pair, far: dict[str, float], now: datetime) -> Markup:
    return month_snapshot.card(*pair, now, with_centre=True, far=rules.distance_text(far[pair[0].centre_path]))


def _by_day(shown: Sequence[Pair], wanted: Filters, now: datetime, with_centre: bool) -> list[Section]:
    """Cards under the headings of their days, in order; below, those that only mention what is searched for."""
    today = clock.today(now)
    names = {today: "今天 · ", today + timedelta(days=1): "明天 · "}
    sections: list[Section] = []
    for row, session in shown:
        on = clock.local(session[0]).date()
        heading = f"{names.get(on, '')}{on.month}月{on.day}日 {clock.weekday(on)}"
        if wanted.only_mentions(row):
            heading = MENTIONED
        elif wanted.one_day:
            heading = ""  # the filters say which
        if not sections or sections[-1].title != heading:
            sections.append(Section(heading, "", []))
        sections[-1].cards.append(month_snapshot.card(row, session, now, with_centre))
    return sections
