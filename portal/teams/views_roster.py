"""The roster of a team: a grid of selects, filled from the weekly pattern; its paper (SPEC H7)."""

from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request, url_for

from portal.core import access, clock, pages, pdf_spool
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.core.limits import limiter
from portal.teams import documents, queries, roster, rules
from portal.teams.errors import BadChoice
from portal.teams.models import Team
from portal.teams.states import LABELS
from portal.teams.views_staff import team_or_404

bp = Blueprint("teams_roster", __name__, url_prefix="/staff/teams/<int:team_id>")
FAR = timedelta(days=400)
GONE = "x"  # what a select says of a place that is not needed


def _span(values: Any, today: date) -> tuple[date, int]:
    """From which day, how many: of the address or of the form; this week when they are missing or far away."""
    try:
        first = date.fromisoformat(values.get("from", ""))
    except ValueError:
        first = today
    days = whole_number(values.get("days"), 31) or rules.DAYS[0]
    return (first if abs(first - today) <= FAR else today), days if days in rules.DAYS else rules.DAYS[0]


@bp.get("/roster")
@access.staff(Permission.TEAMS)
def show(team_id: int) -> Response:
    """Who has which shift: ?from= a day, ?days= 7, 14 or 31."""
    return _page(team_id)


def _page(team_id: int, error: DomainError | None = None) -> Response:
    team, now = team_or_404(team_id), clock.now()
    today, p = clock.today(now), queries.policy()
    first, days = _span(request.values, today)
    last = first + timedelta(days=days)
    grid = queries.grid(team_id, first, days)
    hands = [m for m in queries.members(team_id) if m.since < last and (m.until is None or m.until > first)]
    return pages.page(
        "teams/roster.html", team=team, grid=grid, used=_used(grid, p), now=now, today=today, first=first, days=days,
        error=error, typed=request.form if error else {}, spans=rules.DAYS, labels=LABELS, roles=rules.ROLE_LABELS, p=p,
        hands=hands,
        before=first - timedelta(days=days), after=last, pattern=bool(queries.pattern(team_id)),
        monday=roster.week_of(first) if first >= today else roster.week_of(today) + timedelta(days=7),
    )  # fmt: skip


def _used(grid: queries.Grid, p: rules.Policy) -> list[rules.Part]:
    """Parts of the day that have a place at all."""
    return [part for part in p.parts if any((day, part.code) in grid.cells for day in grid.days)]


def _redraw(error: DomainError, team_id: int) -> Response:
    return _page(team_id, error)


def _done(said: str, team_id: int) -> Response:
    first, days = _span(request.form, clock.today(clock.now()))
    return pages.said(said, f"{url_for('.show', team_id=team_id)}?from={first.isoformat()}&days={days}")


@bp.post("/roster")
@access.staff(Permission.TEAMS)
@pages.act(_redraw, _done)
def save(team_id: int) -> str:
    """What the selects say; only what differs is written."""
    team_or_404(team_id)
    actor, now = access.actor(), clock.now()
    wanted: dict[int, int | None] = {}
    gone: list[int] = []
    for name, value in request.form.items():
        number = whole_number(name[1:]) if name.startswith("s") else None
        if number is None:
            continue
        if value == GONE:
            gone.append(number)
        elif value and whole_number(value) is None:
            raise BadChoice()
        else:
            wanted[number] = whole_number(value)
    changed = roster.set_cells(actor, team_id, wanted, now)
    for number in gone:
        roster.drop_place(actor, team_id, number, now)
    return f"已保存，改了 {changed + len(gone)} 处。" if changed or gone else "没有改动。"


@bp.post("/roster/fill")
@access.staff(Permission.TEAMS)
@pages.act(_redraw, _done)
def fill(team_id: int) -> str:
    """The days that are shown, from the weekly pattern, everybody in turn."""
    team_or_404(team_id)
    now = clock.now()
    first, days = _span(request.form, clock.today(now))
    filled, missing = roster.fill(access.actor(), team_id, first, days, now)
    return _said(filled, missing)


def _said(filled: int, missing: int) -> str:
    if missing:
        return f"排上了 {filled} 个班，还有 {missing} 个班没有合适的人。"
    return f"排上了 {filled} 个班，没有缺口。" if filled else "没有要排的班。"


@bp.post("/roster/copy")
@access.staff(Permission.TEAMS)
@pages.act(_redraw, _done)
def copy(team_id: int) -> str:
    """The week that is shown, as the one before it."""
    team_or_404(team_id)
    now = clock.now()
    first, _ = _span(request.form, clock.today(now))
    filled, missing = roster.copy_week(access.actor(), team_id, roster.week_of(first), now)
    return _said(filled, missing)


@bp.post("/roster/add")
@access.staff(Permission.TEAMS)
@pages.act(_redraw, _done)
def add(team_id: int) -> str:
    """One more place on one day."""
    team_or_404(team_id)
    try:
        day = date.fromisoformat(request.form.get("day", ""))
    except ValueError:
        raise BadChoice() from None
    roster.add_place(access.actor(), team_id, day, request.form.get("part", ""), clock.now())
    return f"{clock.day(day)}多了一个班，请选人。"


# What a week needs ----------------------------------------------------------------------------------------------------


@bp.get("/pattern")
@access.staff(Permission.TEAMS)
def pattern(team_id: int) -> Response:
    """How many are needed on each day of a week, and in each part of it."""
    return _pattern_page(team_id)


def _pattern_page(team_id: int, error: DomainError | None = None) -> Response:
    team = team_or_404(team_id)
    needs = {(n.weekday, n.part, n.role): n.need for n in queries.pattern(team_id)}
    return pages.page(
        "teams/pattern.html", team=team, needs=needs, p=queries.policy(), error=error, most=roster.MOST_NEED,
        weekday=rules.weekday_label, typed=request.form if error else {},
    )  # fmt: skip


def _pattern_again(error: DomainError, team_id: int) -> Response:
    return _pattern_page(team_id, error)


@bp.post("/pattern")
@access.staff(Permission.TEAMS)
@pages.act(_pattern_again)
def save_pattern(team_id: int) -> Response:
    """The whole week at once: n-<weekday>-<part> how many of whoever, l-… how many leaders."""
    team_or_404(team_id)
    needs: dict[tuple[int, str, str], int] = {}
    for weekday in range(7):
        for part in queries.policy().parts:
            for mark, role in (("n", ""), ("l", "leader")):
                raw = request.form.get(f"{mark}-{weekday}-{part.code}", "0")
                need = whole_number(raw, roster.MOST_NEED)
                if need is None:
                    raise BadChoice()
                if need:
                    needs[weekday, part.code, role] = need
    roster.set_pattern(access.actor(), team_id, needs, clock.now())
    said = "每周要几个人已保存，点“按每周需要排上”就排好了。"
    return pages.said(said, url_for(".show", team_id=team_id))


# Paper ----------------------------------------------------------------------------------------------------------------


@bp.get("/roster.pdf")
@access.staff(Permission.TEAMS)
@limiter.limit("60 per minute")
def paper(team_id: int) -> Response:
    """The roster for the door: names and no numbers but the centre's. ?from=, ?days= as the page."""
    team, now = team_or_404(team_id), clock.now()
    first, days = _span(request.args, clock.today(now))
    document = _document(team, first, days, now)
    return pdf_spool.answer(documents.door_roster(document), f"{team.name}值班表.pdf", private=True)


def _document(team: Team, first: date, days: int, now: datetime) -> documents.DoorRoster:
    p, grid = queries.policy(), queries.grid(team.id, first, days)
    used = _used(grid, p)
    rows = tuple(
        documents.Day(day, tuple(
            tuple(s.member.name if s.member else "" for s in grid.cells.get((day, part.code), ())) for part in used
        ))
        for day in grid.days
    )  # fmt: skip
    heads = tuple((part.label, part.hours) for part in used)
    return documents.DoorRoster(
        team.name, team.centre.name, team.centre.phone, heads, rows, grid.coverage, clock.today(now)
    )
