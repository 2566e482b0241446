"""/staff/calendar: 节假日安排 of the deployment, seen by all staff, entered at the top (SPEC Q10)."""

from datetime import datetime

from flask import Blueprint, Response, abort, request, url_for

from portal.cases import calendar_actions, notice_text, queries
from portal.cases.models import WORK
from portal.cases.notice_text import Holiday, Reading
from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError

bp = Blueprint("cases_staff", __name__, url_prefix="/staff/calendar")
MOST_TEXT = 4000


def _years(now: datetime) -> list[int]:
    """Those entered, this one and the next."""
    this = clock.today(now).year
    return sorted({*queries.years(), this, this + 1})


@bp.get("")
@access.staff(Permission.VIEW)
def calendar() -> Response:
    """A year's holidays and make-up days; a year without its notice says so."""
    now = clock.now()
    years = _years(now)
    year = request.args.get("year", "")
    return _page(int(year) if year.isdigit() and int(year) in years else clock.today(now).year)


def _page(year: int, *, reading: Reading | None = None, error: DomainError | None = None) -> Response:
    entered = queries.years()
    stored = tuple(Holiday(row.day, row.name, row.kind == WORK) for row in queries.days_of(year))
    tabs = [
        (f"{y}年" if y in entered else f"{y}年（未公布）", url_for(".calendar", year=y), y == year)
        for y in _years(clock.now())
    ]
    return pages.page(
        "cases/calendar.html", year=year, tabs=tabs, entered=entered,
        days=stored, reading=reading, error=error, may_enter=calendar_actions.may_enter(access.actor()),
        text=request.form.get("text", notice_text.write(stored)),
        notice=request.form.get("notice", entered[year].notice if year in entered else ""),
    )  # fmt: skip


@bp.post("/<int:year>")
@access.staff(Permission.CENTRES)
def enter(year: int) -> Response:
    """First what was understood of the notice, then, with 确认, the days."""
    now = clock.now()
    if year not in _years(now):
        abort(404)
    calendar_actions.must_enter(access.actor())
    reading = notice_text.read(request.form.get("text", "")[:MOST_TEXT], year)
    if request.form.get("do") != "save" and not reading.problems:
        return _page(year, reading=reading)
    try:
        moved = calendar_actions.enter_year(access.actor(), year, reading, request.form.get("notice", "").strip(), now)
    except DomainError as error:
        return _page(year, error=pages.refused(error))
    said = f"{year}年节假日安排已保存。" + (f"{moved} 个期限已按新安排重新计算。" if moved else "")
    return pages.said(said, url_for(".calendar", year=year))
