"""/staff/venues/use: how much rooms are used, the records behind every figure, idle rooms (SPEC V7, A1)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, abort, request

from portal.centres import picking
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import access, clock, pages, scope
from portal.core.access import Permission
from portal.core.incoming import whole_number
from portal.venues import occupancy, room_queries, rules
from portal.venues.availability import room_snapshot
from portal.venues.models import BY_ACTIVITY, BY_RESIDENT, BY_STAFF, Booking, Venue
from portal.venues.rules.opening_hours import MINUTE
from portal.venues.states import LABELS, TONES
from portal.venues.usage import export as usage_export
from portal.venues.usage import figures as usage
from portal.venues.usage import idle
from portal.venues.usage.figures import PARTS, CentreUse, Span, Wanted

bp = Blueprint("venues_usage", __name__, url_prefix="/staff/venues")

SOURCES = {BY_RESIDENT: "居民", BY_STAFF: "工作人员登记", BY_ACTIVITY: "服务清单的活动"}
KINDS = {"": "全部"} | usage.KINDS
KIND_TONES = {usage.USED: "green", usage.MISSED: "red", usage.UNRECORDED: "gold", usage.COMING: "blue"}
EXTRA_KINDS = {"booked": "已订（不含没来的）", "unmet": "想要但没排上"}
MOST_IDLE = 9  # idle rooms told at length; the others in a table
REST_IDLE = 60  # of those in the table
PAGE_SIZE = 40  # centres in the table
MOST_ROOMS = 40  # shown one by one below several centres; above that, centre by centre


@dataclass(frozen=True)
class Choice:
    """What the page is about: a month and a part of one's own subtree."""

    month: str
    path: str
    centre: Centre | None  # as chosen; None: everything of one's own

    def url(self, page: str = "", **more: Any) -> str:
        """An address below /staff/venues/use about the same month and centre."""
        args = {"month": self.month, "centre": self.centre.code if self.centre else None} | more
        return _url(page, **args)


def _url(page: str = "", **args: Any) -> str:
    """Empty arguments fall out."""
    kept = {k: v for k, v in args.items() if v not in (None, "")}
    return f"/staff/venues/use{page}" + (f"?{urlencode(kept)}" if kept else "")


def _choice(now: datetime) -> Choice:
    """From the address; 404 for a centre that is not one's own or below."""
    month = request.args.get("month", "")
    own = access.signed_in().centre_path
    code = request.args.get("centre", "")
    centre = centres.by_code(code) if code else None
    if code and (centre is None or not centres.is_inside(centre, own)):
        abort(404)
    chosen = month if clock.is_month(month) else clock.month_of(clock.today(now))
    return Choice(chosen, centre.path if centre else own, centre)


def _own_centre() -> Centre:
    found = centres.get(access.signed_in().centre_id or 0)
    return found or abort(404)


def hours(minutes: int) -> str:
    """'12.5': hours without a trailing nought."""
    return f"{minutes / 60:.1f}".removesuffix(".0")


WORDS: dict[str, Any] = {
    "hours": hours, "few_bookings": idle.few_bookings, "little_open": idle.little_open, "use_url": _url, "kinds": KINDS,
    "kind_tones": KIND_TONES, "parts": PARTS, "status_labels": LABELS, "status_tones": TONES, "sources": SOURCES,
}  # fmt: skip


# Figures --------------------------------------------------------------------------------------------------------------


def _figures(choice: Choice, now: datetime) -> tuple[list[CentreUse], list[idle.Idle]]:
    """A month's use and the idle rooms, kept while nothing is written about any room: for whoever looks on, or exports.

    What one may see of it is the scope's, so the scope is part of what they are kept by.
    """
    seen, here, span = room_snapshot.current(now), (scope.current(), choice.path), usage.month_span(choice.month)
    groups = seen.part(("use", choice.month, *here), lambda: usage.use_of(choice.path, span, now))
    return groups, seen.part(("idle", *here), lambda: idle.idle_rooms(choice.path, now))


@bp.get("/use")
@access.staff(Permission.VIEW, slow=True)
def overview() -> Response:
    """A month's use of the rooms of one's subtree, by centre; idle rooms with what could be done."""
    now = clock.now()
    choice = _choice(now)
    groups, idle_rooms = _figures(choice, now)
    rooms = sum(len(g.rooms) for g in groups)
    last = max(1, -(-len(groups) // PAGE_SIZE))
    page = min(pages.page_number(), last)
    return pages.page(
        "venues/staff/use.html", choice=choice, title=(choice.centre or _own_centre()).label, rest_idle=REST_IDLE,
        groups=groups[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], count=len(groups), page=page, pages=last,
        rooms=rooms, figures=usage.total(groups), by_room=len(groups) < 2 or rooms <= MOST_ROOMS,
        idle=_striking_first(idle_rooms), most_idle=MOST_IDLE, recent=idle.recent(now),
        running=_running(choice.month, now),
        houses=_houses(groups, choice), before=clock.add_months(choice.month, -1),
        after=clock.add_months(choice.month, 1), idle_share=round(100 * idle.threshold("idle_share")),
        may_edit=access.actor().can(Permission.VENUES), **WORDS,
    )  # fmt: skip


def _striking_first(found: list[idle.Idle]) -> list[idle.Idle]:
    """Where people looked for room in vain, then what is used least."""
    return sorted(found, key=lambda i: (not i.unmet, i.percent, i.venue.id))


def _running(month: str, now: datetime) -> bool:
    """The month is not over: figures go on growing."""
    return month >= clock.month_of(clock.today(now))


def _houses(groups: list[CentreUse], choice: Choice) -> picking.Groups:
    """Centres with rooms, to choose from where there are several. When one is chosen already, the way back is 'all'."""
    found = [g.centre for g in groups]
    if choice.centre is not None and choice.centre.code not in {centre.code for centre in found}:
        found.insert(0, choice.centre)
    if len(found) < 2 and choice.centre is None:
        return []
    return picking.below(access.signed_in().centre_path, [(c.path, c.code, c.label) for c in found])


@bp.get("/use.xlsx")
@access.staff(Permission.VIEW, slow=True)
def export() -> Response:
    """The same figures as a workbook."""
    now = clock.now()
    choice = _choice(now)
    title = f"{(choice.centre or _own_centre()).label} {clock.month_name(choice.month, True)}场地使用情况"
    groups, idle_rooms = _figures(choice, now)
    data = usage_export.to_xlsx(groups, idle_rooms, title)
    answer = Response(data, mimetype=usage_export.MIMETYPE)
    answer.headers["Content-Disposition"] = (
        f"attachment; filename=rooms-{choice.month}.xlsx; filename*=UTF-8''{quote(title, safe='')}.xlsx"
    )
    return answer


# Records --------------------------------------------------------------------------------------------------------------


@bp.get("/use/<int:venue_id>")
@access.staff(Permission.VIEW)
def room(venue_id: int) -> Response:
    """One room's month: its figures, when it was open, and the bookings behind each figure."""
    now = clock.now()
    venue = room_queries.get(venue_id) or abort(404)
    choice = _choice(now)
    span = usage.month_span(choice.month)
    figures = usage.total(usage.use_of(venue.centre.path, span, now, venue.id))
    return pages.page(
        "venues/staff/use_room.html", choice=choice, venue=venue, figures=figures,
        days=_days(venue, span) if venue.active else [], before=clock.add_months(choice.month, -1),
        after=clock.add_months(choice.month, 1), **_records(Wanted(span, venue_id=venue.id), now), **WORDS,
    )  # fmt: skip


@bp.get("/use/records")
@access.staff(Permission.VIEW)
def records() -> Response:
    """The bookings behind a figure of several rooms. ?own=1: of the centre itself, not of those below it; ?recent=1: of
    the last four weeks instead of a month."""
    now = clock.now()
    choice = _choice(now)
    lately = request.args.get("recent") == "1"
    unmet = request.args.get("kind") == "unmet"
    span = (idle.asked_for(now) if unmet else idle.recent(now)) if lately else usage.month_span(choice.month)
    own = request.args.get("own") == "1" and choice.centre is not None
    wanted = Wanted(span, path=choice.path, centre_id=choice.centre.id if own and choice.centre else None)
    return pages.page(
        "venues/staff/use_records.html", choice=choice, title=(choice.centre or _own_centre()).label, span=span,
        lately=lately, own=own, **_records(wanted, now), **WORDS,
    )  # fmt: skip


def _records(wanted: Wanted, now: datetime) -> dict[str, Any]:
    """The list of a page of records, filtered by ?kind=, ?part= and ?function=."""
    args: Mapping[str, str] = request.args
    kind = args.get("kind", "")
    part = args.get("part", "")
    wanted = replace(
        wanted, kind=kind if kind in KINDS | EXTRA_KINDS else "", part=part if part in {p[0] for p in PARTS} else "",
        function=args.get("function", "")[:20],
    )  # fmt: skip
    page = whole_number(args.get("page"), 9999) or 1
    found, number = usage.records(wanted, page, now)
    last = max(1, -(-number // usage.PER_PAGE))
    if page > last:
        page = last
        found, number = usage.records(wanted, page, now)
    return {
        "wanted": wanted, "rows": [_line(*row) for row in found], "number": number, "page_number": page, "pages": last,
        "kind_word": (KINDS | EXTRA_KINDS).get(wanted.kind, ""),
        "part_word": next((word for key, word, *_ in PARTS if key == wanted.part), ""),
        "may_open": access.actor().can(Permission.VENUES),
    }  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A booking as a record: what and when, not who."""

    booking: Booking
    kind: str
    state: str
    tone: str

    @property
    def hours(self) -> str:
        return hours((self.booking.ends_at - self.booking.starts_at) // MINUTE)


def _line(booking: Booking, kind: str) -> Line:
    if booking.status in usage.GIVEN:
        return Line(booking, kind, usage.KINDS[kind], KIND_TONES[kind])
    return Line(booking, "", LABELS[booking.status], TONES[booking.status])


@dataclass(frozen=True)
class OpenDay:
    day: date
    minutes: int
    pieces: list[Any]
    why: str


def _days(venue: Venue, span: Span) -> list[OpenDay]:
    """When the room was open, day by day: the records behind its open hours."""
    terms = occupancy.terms_of([venue], span.first, span.until)[venue.id]
    found = []
    for day in span.days:
        pieces = rules.open_spans(terms, day)
        why = "、".join(dict.fromkeys(c.reason for c in rules.closures_on(terms, day) if c.reason))
        why = why or terms.exception_reasons.get(day, "")
        found.append(OpenDay(day, sum(p.minutes for p in pieces), pieces, why))
    return found
