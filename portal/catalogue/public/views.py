"""What residents see of the month's list (SPEC C9, C3, C10): list, one service, guides, calendar."""

from datetime import datetime, time
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, send_from_directory, url_for
from markupsafe import Markup

from portal.catalogue import synonyms, windows
from portal.catalogue.public import (
    calendar_view,
    following,
    going_back,
    linked_data,
    month_snapshot,
    queries,
    rolling_list,
    wishes,
)
from portal.centres import profile
from portal.centres import queries as centres
from portal.core import access, clock, ical, pages, registry, uploads
from portal.core.incoming import whole_number
from portal.people import viewer as viewers

bp = Blueprint("catalogue", __name__)


def _filters(now: datetime) -> tuple[month_snapshot.Filters, str, wishes.Wish]:
    """The checked filters, the words for the day chosen ('' for none), and what was understood of the words typed.

    A day that was pressed goes before one that was typed.
    """
    args = request.args
    today = clock.today(now)
    month, word, q = args.get("month", ""), args.get("day", ""), args.get("q", "").strip()[:40]
    days = month_snapshot.day_range(word, today) if word else None
    wish = wishes.read(q, now, synonyms.current().centres, synonyms.current().same) if q else wishes.Wish()
    month = month if clock.is_month(month) and not days else ""
    typed = wish.days is not None and days is None and not month
    centre = centres.by_code(args["centre"]) if args.get("centre") else None
    wanted = month_snapshot.Filters(
        month=month, category=args.get("category", "")[:32],
        centre=centre.code if centre else "", centre_path=centre.path if centre else "",
        days=wish.days if typed else days,
        group=args.get("for", "")[:32], q=q, free=args.get("free") == "1", ended=args.get("ended") == "1",
        page=whole_number(args.get("page"), 999) or 1, weekdays=wish.weekdays if typed else (), hours=wish.hours,
        terms=synonyms.terms(wish.q), subject=synonyms.terms(wish.subject),
    )  # fmt: skip
    label = dict(rolling_list.DAY_WORDS).get(word) or (clock.day(days[0]) if days else "")
    return wanted, label or (wish.when if typed else ""), wish


@bp.get("/services")
@access.public
def services() -> Response:
    """One list from now on: what everybody sees of it is kept while the months' stamps stand (month_snapshot)."""
    now = clock.now()
    wanted, label, wish = _filters(now)
    known = month_snapshot.read_stamps(clock.add_months(clock.month_of(clock.today(now)), -1))
    today, week = clock.today(now), request.args.get("week", "")
    calendar = calendar_view.span(week, wanted, today) if request.args.get("view") == "calendar" else None
    first, last = calendar.months if calendar else wanted.asked_months(today)
    if first < min(known, default=first):  # of long ago
        known |= month_snapshot.read_stamps(first, last)
    if wish.days is not None and calendar is None:  # when there is nothing on that day, other days are offered
        last = month_snapshot.EVER
    asked = month_snapshot.published({month: known[month] for month in sorted(known) if first <= month <= last}, now)
    home, months = viewers.home_centre(), tuple(sorted(known))
    version = synonyms.current().version if wanted.q else 0

    def draw() -> rolling_list.Listed:
        about = (now, asked, months, wanted, label, wish.parts)
        return calendar_view.drawn(*about, calendar) if calendar else rolling_list.drawn(*about)

    key = ("list", asked.stamp, months, request.query_string, pages.minute(now), home, viewers.elder_mode(), version)
    shown = pages.kept(key, draw)
    category = dict(queries.activity_categories()).get(wanted.category) if wanted.category else None
    return pages.page(
        "catalogue/public/services.html",
        "results",
        shown=shown,
        wanted=shown.wanted,
        category=category,
        mine=following.about(_resident_id()) if category else (),
    )


@bp.get("/services/<int:entry_id>")
@access.public
def service(entry_id: int) -> Response:
    """One service with everything one needs to decide, and the confirm bar of the sign-up feature."""
    now = clock.now()
    brief = queries.brief(entry_id) or abort(404)
    # Sign-ups change what `brief` says and nothing of what is kept.
    shown = (brief.revision, brief.status, brief.room_open, brief.centres, brief.centres_at)
    key = ("service", entry_id, *shown, pages.minute(now))
    told, event = pages.kept(key, lambda: _told(entry_id, now))
    panels = registry.panels(brief, access.viewer(), now)
    free, over = windows.free_places(brief.capacity, brief.taken), queries.is_over(brief, now)
    closed = not windows.open_at(brief, now)
    return pages.page(
        "catalogue/public/service.html", entry=brief, told=told, panels=panels, now=now,
        facts=registry.facts(brief), similar=queries.similar(brief, now), over=over, free=free, closed=closed,
        back=going_back.asked(), mine=following.about(_resident_id(), entry_id),
        event=linked_data.with_places(event, free, brief.unit, over or (closed and not brief.walk_in)),
    )  # fmt: skip


def _resident_id() -> int | None:
    user = access.viewer()
    return user.id if user is not None and user.audience == "resident" else None


def _told(entry_id: int, now: datetime) -> tuple[dict[str, Markup], dict[str, Any]]:
    """What a service's page says to everybody whatever happens to its places: its template's blocks, drawn, and the
    event for other platforms."""
    entry = queries.entry(entry_id) or abort(404)
    short_url = pages.absolute(url_for("catalogue.short", entry_id=entry.id))
    made = queries.changes(entry.id)
    event = linked_data.event(entry, queries.moves(entry_id) if entry.changed_at is not None else {})
    blocks = pages.blocks(
        "catalogue/public/_service.html", entry=entry, now=now, windows=windows, over=queries.is_over(entry, now),
        sessions=queries.sessions_view(entry, now), changes=made, short_url=short_url,
        moved=queries.old_and_new(entry, made, now), group_words=profile.group_words(entry.groups),
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
        groups=queries.guide_groups(synonyms.terms(q), category),
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
    # The day, not the moment: two processes say the same, so that an unchanged calendar is answered by 304.
    made = clock.at(clock.today(now), time())

    def draw() -> bytes:
        rows = [row for snap in snaps for row in snap.below(centre.path).rows.values()]
        since = clock.month_span(months[0])[0]
        dated = [*following.dated(rows, since), *following.dropped_in(months, since, centre.path)]
        return ical.book(f"{centre.label} 服务清单", dated, made)

    return ical.answer(pages.kept(key, draw))


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
