"""What residents see of the month's list (SPEC C9, C3, C10): list, one service, guides, calendar."""

from datetime import datetime, time
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, send_from_directory, url_for
from icalendar import Calendar, Event
from markupsafe import Markup

from portal.catalogue import windows
from portal.catalogue.public import linked_data, month_snapshot, queries, rolling_list
from portal.centres import queries as centres
from portal.core import access, clock, pages, registry, uploads
from portal.core.incoming import whole_number
from portal.people import viewer as viewers

bp = Blueprint("catalogue", __name__)


def _filters(now: datetime) -> tuple[month_snapshot.Filters, str]:
    """The checked filters, and the words for the day chosen ('' for none)."""
    args = request.args
    today = clock.today(now)
    month = args.get("month", "")
    word = args.get("day", "")
    days = month_snapshot.day_range(word, today) if word else None
    centre = centres.by_code(args["centre"]) if args.get("centre") else None
    wanted = month_snapshot.Filters(
        month=month if clock.is_month(month) and not days else "", category=args.get("category", "")[:32],
        centre=centre.code if centre else "", centre_path=centre.path if centre else "", days=days,
        group=args.get("for", "")[:32], q=args.get("q", "").strip()[:40], free=args.get("free") == "1",
        ended=args.get("ended") == "1", page=whole_number(args.get("page"), 999) or 1,
    )  # fmt: skip
    label = dict(rolling_list.DAY_WORDS).get(word) or (clock.day(days[0]) if days else "")
    return wanted, label


@bp.get("/services")
@access.public
def services() -> Response:
    """One list from now on: what everybody sees of it is kept while the months' stamps stand (month_snapshot)."""
    now = clock.now()
    wanted, label = _filters(now)
    known = month_snapshot.read_stamps(clock.add_months(clock.month_of(clock.today(now)), -1))
    first, last = wanted.asked_months(clock.today(now))
    if first < min(known, default=first):  # of long ago
        known |= month_snapshot.read_stamps(first, last)
    asked = month_snapshot.published({month: known[month] for month in sorted(known) if first <= month <= last}, now)
    home, months = viewers.home_centre(), tuple(sorted(known))
    key = ("list", asked.stamp, months, request.query_string, pages.minute(now), home, viewers.elder_mode())
    shown = pages.kept(key, lambda: rolling_list.drawn(now, asked, months, wanted, label))
    return pages.page("catalogue/public/services.html", "results", shown=shown, wanted=shown.wanted)


@bp.get("/services/<int:entry_id>")
@access.public
def service(entry_id: int) -> Response:
    """One service with everything one needs to decide, and the confirm bar of the sign-up feature."""
    now = clock.now()
    brief = queries.brief(entry_id) or abort(404)
    # Sign-ups change what `brief` says and nothing of what is kept.
    key = ("service", entry_id, brief.revision, brief.status, brief.room_open, centres.stamp(), pages.minute(now))
    told, event = pages.kept(key, lambda: _told(entry_id, now))
    panels, closing = registry.panels(brief, access.viewer(), now), windows.closes_at(brief)
    free, over = windows.free_places(brief.capacity, brief.taken), queries.is_over(brief, now)
    closed = closing is not None and closing <= now
    return pages.page(
        "catalogue/public/service.html", entry=brief, told=told, panels=panels, now=now,
        facts=registry.facts(brief), similar=queries.similar(brief, now), over=over, free=free, closed=closed,
        event=linked_data.with_places(event, free, brief.unit, over or (closed and not brief.walk_in)),
    )  # fmt: skip


def _told(entry_id: int, now: datetime) -> tuple[dict[str, Markup], dict[str, Any]]:
    """What a service's page says to everybody whatever happens to its places: its template's blocks, drawn, and the
    event for other platforms."""
    entry = queries.entry(entry_id) or abort(404)
    short_url = pages.absolute(url_for("catalogue.short", entry_id=entry.id))
    event = linked_data.event(entry, queries.moves(entry_id) if entry.changed_at is not None else {})
    blocks = pages.blocks(
        "catalogue/public/_service.html", entry=entry, now=now, windows=windows, over=queries.is_over(entry, now),
        sessions=queries.sessions_view(entry, now), changes=queries.changes(entry.id), short_url=short_url,
        share_text=queries.share_text(entry, short_url), share_picture=queries.share_picture(entry),
    )  # fmt: skip
    return blocks, event


@bp.get("/s/<int:entry_id>")
@access.public
def short(entry_id: int) -> Any:
    """The short address inside QR codes."""
    return redirect(url_for("catalogue.service", entry_id=entry_id), 302)


@bp.get("/services/<int:entry_id>/qr.png")
@access.public
def service_qr(entry_id: int) -> Response:
    """The service's QR code as a picture, to save and to forward."""
    from portal.core import qr

    if queries.entry(entry_id) is None:
        abort(404)
    image = qr.qr_png(pages.absolute(url_for("catalogue.short", entry_id=entry_id)))
    return Response(image, mimetype="image/png", headers={"Cache-Control": "public, max-age=86400"})


@bp.get("/guides")
@access.public
def guides() -> Response:
    """Life guide and policy advice by category; words are searched inside titles."""
    q = request.args.get("q", "").strip()[:40]
    category = request.args.get("category", "")[:32]
    return pages.page(
        "catalogue/public/guides.html", fragment="results", q=q, category=category,
        groups=queries.guide_groups(q, category),
        category_chips=rolling_list.category_chips([(c.code, c.name) for c in queries.guide_tops()], category),
    )  # fmt: skip


@bp.get("/guides/<int:guide_id>")
@access.public
def guide(guide_id: int) -> Response:
    found = queries.guide(guide_id) or abort(404)
    return pages.page("catalogue/public/guide.html", guide=found, steps=(found.steps or "").splitlines())


@bp.get("/calendar/<code>.ics")
@access.public
def calendar(code: str) -> Response:
    """A centre's published activities for a calendar program: this month and the next, or the `month` asked for."""
    centre = centres.by_code(code) or abort(404)
    now = clock.now()
    this, asked = clock.month_of(clock.today(now)), request.args.get("month", "")
    months = [asked] if clock.is_month(asked) else [this, clock.add_months(this, 1)]
    snaps = [month_snapshot.snapshot(month, now) for month in months]
    key = ("ics", code, tuple((s.month, s.stamp) for s in snaps), centres.stamp(), clock.today(now))
    body = pages.kept(key, lambda: _book(centre.label, [s.below(centre.path) for s in snaps], now))
    return Response(body, mimetype="text/calendar")


def _book(label: str, snaps: list[month_snapshot.Snapshot], now: datetime) -> bytes:
    book = Calendar()
    book.add("prodid", "-//saoma-diandan//services//ZH")
    book.add("version", "2.0")
    book.add("x-wr-calname", f"{label} 服务清单")
    # The day, not the moment: two processes say the same, so that an unchanged calendar is answered by 304.
    made = clock.at(clock.today(now), time())
    for row in [row for snap in snaps for row in snap.rows.values()]:
        for number, session in zip(row.session_ids, row.sessions, strict=True):
            book.add_component(_event(row, number, session, made))
    body: bytes = book.to_ical()
    return body


def _event(row: month_snapshot.Row, number: int, session: tuple[datetime, datetime], made: datetime) -> Event:
    event = Event()
    # The session's own number, not its place among them: a date that stays is the same event.
    event.add("uid", f"entry-{row.id}-{number}@saoma-diandan")
    event.add("dtstamp", made)
    event.add("sequence", row.version)
    # In UTC: a zone by its name alone is refused or guessed by strict programs.
    event.add("dtstart", session[0])
    event.add("dtend", session[1])
    event.add("summary", row.title)
    event.add("location", row.place)
    event.add("url", pages.absolute(url_for("catalogue.short", entry_id=row.id)))
    if row.status == "cancelled":
        event.add("status", "CANCELLED")
    return event


@bp.get("/pictures/<name>")
@access.public
def picture(name: str) -> Response:
    """A cover picture, for everybody; names are hashes, so nobody can list them."""
    if not uploads.known(name):
        abort(404)
    answer = send_from_directory(uploads.folder(), name, mimetype="image/jpeg", max_age=31_536_000)
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    answer.headers["Content-Disposition"] = "inline"
    return answer
