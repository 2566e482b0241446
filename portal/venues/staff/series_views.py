"""Staff on regular use of a room: every Tuesday from … until …, conflicts decided date by date (SPEC V4)."""

from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from flask import abort, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.venues import room_queries, rules
from portal.venues.actions import series
from portal.venues.actions.activity_holds import Conflict
from portal.venues.actions.series import Choice, Rule
from portal.venues.models import BookingSeries
from portal.venues.rules import day_words
from portal.venues.staff import booking_queries, forms
from portal.venues.staff.plan_views import bp, may_write, room_choices

USUAL_WEEKS = 13
# Fields of the rule, carried through the preview.
FIELDS = ("venue_id", "title", "weekdays", "first_day", "last_day", "start", "end", "people")


@bp.get("/series", endpoint="series")
@access.staff(Permission.VIEW)
def list_series() -> Response:
    """Who uses which room regularly."""
    now, page = clock.now(), pages.page_number()
    which = "past" if request.args.get("show") == "past" else "coming"
    lines, more = booking_queries.series_list(which, page, now)
    return pages.page(
        "venues/staff/series_list.html", lines=lines, more=more, page=page, which=which, may=may_write(), now=now
    )


# New: the rule, the preview, all at once ------------------------------------------------------------------------------


def _form(values: MultiDict[str, str] | None) -> forms.SeriesForm:
    form = forms.SeriesForm(values, meta={"csrf": False})  # the page's own token stands in the form
    form.venue_id.offer(room_choices())
    return form


@bp.get("/series/new", endpoint="new_series")
@access.staff(Permission.VENUES)
def new_series() -> Response:
    """The rule; with a rule in the address, every date with what stands in its way."""
    if "title" not in request.args:
        form = _form(MultiDict())
        form.venue_id.data = whole_number(request.args.get("venue")) or 0
        form.first_day.data = clock.today() + timedelta(days=1)
        form.last_day.data = clock.today() + timedelta(weeks=USUAL_WEEKS)
        form.start.data, form.end.data, form.people.data = 14 * 60, 16 * 60, 1
        return _new_page(form)
    form = _form(request.args)
    if not form.validate():
        return _new_page(form, 422)
    return _preview(form, {})


def _new_page(form: forms.SeriesForm, status: int = 200) -> Response:
    return pages.page("venues/staff/series_new.html", status=status, form=form, dates=None)


def _rule(form: forms.SeriesForm) -> Rule:
    first, last, opens, closes = form.first_day.data, form.last_day.data, form.start.data, form.end.data
    assert first is not None and last is not None and opens is not None and closes is not None
    return Rule(
        form.venue_id.data, form.title.data or "", frozenset(form.weekdays.data or ()), first, last, opens, closes,
        form.people.data or 1,
    )  # fmt: skip


def _preview(form: forms.SeriesForm, chosen: dict[date, str], error: DomainError | None = None) -> Response:
    rule = _rule(form)
    room = room_queries.get(rule.venue_id)
    try:
        dates = series.plan(rule, clock.now())
    except DomainError as refused:
        return _new_page(form, pages.refused(refused, form).status)
    lines = [(d, _options(d, rule), chosen.get(d.day, series.SKIP if d.held_by else series.TAKE)) for d in dates]
    return pages.page(
        "venues/staff/series_new.html", form=form, dates=lines, room=room, error=error,
        clashes=sum(bool(d.held_by) for d in dates), kept=_kept(form),
    )  # fmt: skip


def _kept(form: forms.SeriesForm) -> list[tuple[str, str]]:
    source = request.form if request.method == "POST" else request.args
    return [(name, value) for name in FIELDS for value in source.getlist(name)]


def _options(planned: Conflict, rule: Rule) -> list[tuple[str, str]]:
    """(value, words) of what can be done on one date."""
    if not planned.held_by:
        return [(series.TAKE, "照排"), (series.SKIP, "这一天不要")]
    found = [(series.SKIP, "这一天跳过"), (series.WAIT, "排候补，空出来就给")]
    for span in planned.shifts:
        start, end = (day_words.minutes_after(planned.day, moment) for moment in (span.start, span.end))
        value = f"move:{rule.venue_id}:{start}:{end}"
        found.append((value, f"改到 {clock.hour(span.start)}–{clock.hour(span.end)}"))
    for room_id, name in planned.other_rooms:
        found.append((f"move:{room_id}:{rule.opens}:{rule.closes}", f"改到{name}，同一时间"))
    return found


def _choice(raw: str, day: date) -> Choice | None:
    """What one select box sent; None for anything that was not offered."""
    if raw in (series.TAKE, series.SKIP, series.WAIT):
        return Choice(raw)
    parts = raw.split(":")
    if len(parts) != 4 or parts[0] != series.MOVE:
        return None
    venue_id, opens, closes = whole_number(parts[1]), whole_number(parts[2], 1440), whole_number(parts[3], 1440)
    if venue_id is None or opens is None or closes is None:
        return None
    return Choice(series.MOVE, venue_id, rules.moment(day, opens), rules.moment(day, closes))


def _chosen() -> dict[date, str]:
    """What the select boxes on-2026-12-01 … sent."""
    found = {}
    for name, raw in request.form.items():
        with suppress(ValueError):
            if name.startswith("on-"):
                found[date.fromisoformat(name[3:])] = raw
    return found


@bp.post("/series", endpoint="make_series")
@access.staff(Permission.VENUES)
def make_series() -> Response:
    """Every date as chosen, all or nothing; what was taken meanwhile is shown for another choice."""
    form = _form(request.form)
    if not form.validate():
        return _new_page(form, 422)
    chosen = _chosen()
    choices = {day: choice for day, raw in chosen.items() if (choice := _choice(raw, day)) is not None}
    try:
        result = series.book_series(access.actor(), _rule(form), choices, clock.now())
    except DomainError as error:
        return _preview(form, chosen, error=pages.refused(error))
    said = [f"已订 {len(result.booked)} 次"]
    said += [f"候补 {len(result.waiting)} 次"] if result.waiting else []
    said += [f"跳过 {len(result.skipped)} 次"] if result.skipped else []
    return pages.said("，".join(said) + "。", url_for(".one_series", series_id=result.series.id))


# One series -----------------------------------------------------------------------------------------------------------


def _series(series_id: int) -> BookingSeries:
    return booking_queries.series(series_id) or abort(404)


@bp.get("/series/<int:series_id>", endpoint="one_series")
@access.staff(Permission.VIEW)
def one_series(series_id: int) -> Response:
    """Its dates, those moved elsewhere too, and the way to end the rest."""
    return _page(_series(series_id))


def _page(row: BookingSeries, error: DomainError | None = None) -> Response:
    now, page = clock.now(), pages.page_number()
    dates, more = booking_queries.series_dates(row.id, page)
    ahead = booking_queries.dates_ahead(row.id, now)
    context: dict[str, Any] = {
        "row": row, "dates": dates, "page": page, "more": more, "ahead": ahead, "now": now,
        "words": booking_queries.series_words(row), "may": may_write() and bool(ahead), "error": error,
        "typed": request.form,
    }  # fmt: skip
    return pages.page("venues/staff/series.html", **context)


@bp.post("/series/<int:series_id>/end", endpoint="end_series")
@access.staff(Permission.VENUES)
@pages.act(
    lambda error, series_id: _page(_series(series_id), error),
    lambda said, series_id: pages.said(said, url_for(".one_series", series_id=series_id)),
)
def end_series(series_id: int) -> str:
    """Cancel what is still to come, with a reason."""
    reason = request.form.get("reason", "").strip()[:300]
    count = series.end_series(access.actor(), _series(series_id).id, reason, clock.now())
    return f"以后的 {count} 次都取消了，时间已让出来。"
