"""Finding a room: near me, by time and people; one room's day (SPEC V1, V2). Works without JavaScript."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, abort, render_template, request
from markupsafe import Markup

from portal.centres import queries as centres
from portal.centres import rules as centre_rules
from portal.centres.models import Centre
from portal.core import access, clock, pages
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.feedback import queries as feedback
from portal.people import viewer as viewers
from portal.venues import rules
from portal.venues.actions.rooms import PHOTOS
from portal.venues.availability import room_snapshot, search
from portal.venues.availability.room_snapshot import Snapshot
from portal.venues.availability.search import RoomDay, Wanted
from portal.venues.models import EVERYBODY, OWN, Venue
from portal.venues.public import booking_panel, queries
from portal.venues.rules import day_words

bp = Blueprint("venues", __name__)
DAY_WORDS = (("today", "今天"), ("tomorrow", "明天"), ("weekend", "周末"))
NEAR_SHOWN = 8
WEEK = timedelta(days=7)
MOST_PEOPLE = 9999
HOURS = tuple(centre_rules.clock_text(minutes) for minutes in range(7 * 60, 22 * 60 + 1, 30))  # to choose from
WHO = {EVERYBODY: "谁都可以订", OWN: "本中心的居民可以订"}


# What was asked for ---------------------------------------------------------------------------------------------------


def _days(word: str, today: date) -> tuple[date, ...]:
    """The days a word or a date means; () for none."""
    if word in ("today", "now"):
        return (today,)
    if word == "tomorrow":
        return (today + timedelta(days=1),)
    if word == "weekend":
        saturday = today + timedelta(days=(5 - today.weekday()) % 7) if today.weekday() != 6 else today
        return (saturday,) if saturday.weekday() == 6 else (saturday, saturday + timedelta(days=1))
    found = day_words.date_of(word)
    return (found,) if found else ()


@dataclass(frozen=True, slots=True)
class Form:
    """The search as typed, and what is wrong with it: field and sentence."""

    day: str
    opens: str
    closes: str
    people: str
    field: str = ""
    error: str = ""


def _known_centres(seen: Snapshot) -> dict[int, Centre]:
    """Centres with rooms or places outside."""
    there = (*seen.rooms.values(), *seen.outside.values())
    return seen.part(("centres",), lambda: {v.centre_id: v.centre for v in there})


def _centre(seen: Snapshot) -> Centre | None:
    """The centre asked for, else the visitor's own. No statement for one with rooms."""
    home = viewers.home_centre()
    code = request.args.get("centre", "") or (home.code if home is not None else "")
    if not code:
        return None
    known = (centre for centre in _known_centres(seen).values() if centre.code == code)
    found = next(known, None) or centres.by_code(code)
    return found if found is not None and found.active else None


def home_path(seen: Snapshot) -> str | None:
    """The path of a resident's home centre ('' without one); None for somebody unknown. Mostly no statement."""
    viewer = access.viewer()
    home = viewer.home_centre if viewer is not None and viewer.audience == "resident" else None
    known = _known_centres(seen).get(home.id) if home is not None else None
    return known.path if known is not None else queries.home_path(viewer)


def _wanted(seen: Snapshot, now: datetime) -> tuple[Wanted, Form]:
    args, today = request.args, clock.today(now)
    word = args.get("day", "") or args.get("when", "")
    found = _days(word, today)
    opens, closes = day_words.typed(args.get("from")), day_words.typed(args.get("to"))
    people = whole_number(args.get("people"), MOST_PEOPLE) or 0
    field, error = _wrong(found, opens, closes, today)
    if opens is not None and not found:
        found = (today,)
    form = Form(found[0].isoformat() if found else "", args.get("from", "")[:5], args.get("to", "")[:5],
                str(people or ""), field, error)  # fmt: skip
    if error:
        opens, closes = (opens, None) if field == "to" else (None, None)
        found = tuple(d for d in found if d >= today)
    wanted = Wanted(
        _centre(seen), found, opens, closes if opens is not None else None, people, args.get("function", "")[:20],
        args.get("kind", "")[:20], word == "now", whole_number(args.get("page"), 999) or 1,
        home_path(seen),
    )  # fmt: skip
    return wanted, form


def _wrong(found: tuple[date, ...], opens: int | None, closes: int | None, today: date) -> tuple[str, str]:
    if found and found[-1] < today:
        return "day", "这一天已经过去了，请选今天或以后的日子。"
    if opens is not None and closes is not None and closes <= opens:
        return "to", "结束时间要晚于开始时间，请把“到”改晚一些。"
    if opens is None and closes is not None:
        return "from", "请也选一个开始时间。"
    for name, value in (("from", opens), ("to", closes)):
        if value is None and request.args.get(name):
            return name, "时间请按 14:00 的样子填写。"
    return "", ""


# Pages ----------------------------------------------------------------------------------------------------------------


@bp.get("/venues")
@access.public
def find() -> Response:
    """The centre's rooms with the days ahead; with a wish, rooms free for it, the nearest first (V2)."""
    now = clock.now()
    seen = room_snapshot.current(now)
    wanted, form = _wanted(seen, now)
    centre = wanted.centre
    # What the results say follows from the address, the minute, the centre, one's own home and the size of type.
    code, elder = centre.code if centre is not None else "", viewers.elder_mode()
    key = ("find", request.query_string, pages.minute(now), code, wanted.home_path, elder)
    results = seen.part(key, lambda: _results(seen, wanted, form, now))
    home = viewers.brief_of(centre) if centre is not None else viewers.home_centre()
    return pages.page("venues/public/find.html", "results", results=results, centre=centre, home_centre=home)


def _results(seen: Snapshot, wanted: Wanted, form: Form, now: datetime) -> Markup:
    """Everything of the page but its frame, the same for everybody who asks this. One statement at most."""
    today, centre = clock.today(now), wanted.centre
    asked, first = wanted.asked or bool(form.error), _first_day(today)
    context: dict[str, Any]
    if asked:
        context = {"found": search.free_for(wanted, now, seen), "told": _told(wanted, form)}
    else:
        near = [p for p in search.places(seen, centre).values() if not p.own]
        context = {
            "cards": search.centre_week(centre, first, now, wanted.home_path, seen) if centre else [],
            "near": near[:NEAR_SHOWN], "more_near": len(near) > NEAR_SHOWN, "kinds": search.kinds_offered(seen),
        }  # fmt: skip
    context |= {
        "elder": viewers.elder_mode(), "centre": centre, "wanted": wanted, "form": form, "asked": asked,
        "outside": search.outside(seen, wanted.kind), "day_words": DAY_WORDS,
        "functions": search.functions_offered(seen), "first": first,
        "today": today, "now": now, "hours": HOURS, "before": first - WEEK, "after": first + WEEK,
    }  # fmt: skip
    return Markup(render_template("venues/public/_results.html", **context))  # noqa: S704 drawn by a template


def _told(wanted: Wanted, form: Form) -> str:
    """The wish in words: '11月28日（周六） 14:00–16:00 20 人'."""
    hours = f"{form.opens}–{form.closes}" if wanted.closes is not None else f"{form.opens} 起"
    said = (
        "现在" if wanted.now else "、".join(clock.day(d) for d in wanted.days),
        hours if wanted.opens is not None else "", f"{wanted.people} 人" if wanted.people else "",
        wanted.function, queries.kind_word(wanted.kind),
    )  # fmt: skip
    return " ".join(filter(None, said))


def _first_day(today: date) -> date:
    """The first day of the strips: today, or the Monday of a later week (`week`)."""
    asked = day_words.date_of(request.args.get("week"))
    if asked is None:
        return today
    return max(today, asked - timedelta(days=asked.weekday()))


@bp.get("/venues/<int:venue_id>")
@access.public
def room(venue_id: int) -> Response:
    """One room: facts, a week, the day in words, starts to choose from; `start` opens the panel to book."""
    now = clock.now()
    seen = room_snapshot.current(now)
    return room_page(seen, venue_of(seen, venue_id) or abort(404), now, booking_panel.from_request(request.args))


def venue_of(seen: Snapshot, venue_id: int) -> Venue | None:
    """A room or a place outside in use, to be read only; None otherwise. Mostly no statement."""
    return seen.rooms.get(venue_id) or seen.outside.get(venue_id) or queries.venue(venue_id)


def room_page(
    seen: Snapshot, venue: Venue, now: datetime, typed: booking_panel.Typed, error: DomainError | None = None
) -> Response:
    """The page of a room; what is outside is told how to book there. error: of a refused try."""
    home = viewers.brief_of(venue.centre)
    if not venue.bookable:
        return pages.page(
            "venues/public/outside.html", venue=venue, kind=queries.kind_word(venue.kind), photos=PHOTOS.of(venue.id),
            home_centre=home, error=error,
        )  # fmt: skip
    first = strip_from(_first_day(clock.today(now)), typed.day)
    asked = (venue.id, pages.minute(now), typed.day, first)
    shown = seen.part(asked, lambda: search.room_day(venue, typed.day, first, now, seen=seen))
    panel = booking_panel.panel(venue, shown, access.viewer(), home_path(seen), typed, now, error)
    average = feedback.average([f"venue:{venue.id}"]).get(f"venue:{venue.id}")
    more = {"as_week": "week" in request.args, "average": average, "elder": viewers.elder_mode()}
    chosen = (panel.start, bool(panel.ends), panel.typed.people, panel.refusal)
    main = seen.part((*asked, *more.values(), *chosen), lambda: _room(venue, shown, panel, now, **more))
    return pages.page(
        "venues/public/room.html", "panel", error=error, venue=venue, main=main, panel=panel, home_centre=home
    )


def _room(venue: Venue, shown: RoomDay, panel: booking_panel.Panel, now: datetime, **more: Any) -> Markup:
    """All of a room's page but its frame and the panel: the same for everybody who may book it and looks at this."""
    context = {
        "venue": venue, "photos": PHOTOS.of(venue.id), "shown": shown, "panel": panel, "now": now,
        "today": clock.today(now), "kind": queries.kind_word(venue.kind), "who": WHO.get(venue.who_may, ""),
        "hours": rules.week_text(shown.terms.weekly),
        "last": rules.last_day(shown.terms, now), "rules": rules, "part_words": day_words.part_words,
        "end_text": day_words.end_text, "before": shown.week[0].day - WEEK, "after": shown.week[0].day + WEEK,
    }  # fmt: skip
    return Markup(render_template("venues/public/_room.html", **context, **more))  # noqa: S704 drawn by a template


def strip_from(first: date, day: date | None) -> date:
    """The strip always holds the day that is shown; steps of whole weeks, so that days keep their places."""
    if day is None or day < first:
        return first
    return first + timedelta(days=(day - first).days // search.STRIP * search.STRIP)
