"""Staff on teams: the list, one team with its members, who joins and who leaves (SPEC H7)."""

from datetime import date, datetime
from typing import Any

from flask import Blueprint, Response, abort, request, url_for
from sqlalchemy.exc import IntegrityError

from portal.centres import picking
from portal.centres import queries as centres
from portal.core import access, clock, pages, registry
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.teams import forms, members, queries, rules
from portal.teams.members import MemberValues
from portal.teams.models import Team, TeamMember

bp = Blueprint("teams_staff", __name__, url_prefix="/staff/teams")
registry.nav("teams", "服务队", "walk", "teams_staff.teams", Permission.TEAMS, 37)


def team_or_404(team_id: int) -> Team:
    """A team of one's own subtree."""
    return queries.team(team_id) or abort(404)


def _member_or_404(member_id: int) -> TeamMember:
    return queries.member(member_id) or abort(404)


# The list -------------------------------------------------------------------------------------------------------------


def _team_form() -> forms.TeamForm:
    form = forms.TeamForm()
    path = access.signed_in().centre_path
    form.centre.offer(picking.of(centres.choices(path)))
    return form


@bp.route("", methods=["GET", "POST"])
@access.staff(Permission.TEAMS)
def teams() -> Any:
    """The teams of my subtree: members, what is missing in the next seven days; a new one beside them."""
    form, actor, now = _team_form(), access.actor(), clock.now()
    if not form.is_submitted():
        form.centre.data = str(actor.centre_id or "")
    elif form.validate_on_submit():
        try:
            centre = centres.get(whole_number(form.centre.data)) or abort(404)
            made = members.open_team(actor, centre, form.name.data or "", now)
        except (DomainError, IntegrityError) as refusal:
            pages.refused(refusal, form)
        else:
            return pages.said(f"“{made.name}”建好了，现在加队员。", url_for(".team", team_id=made.id))
    page = pages.page_number()
    lines, more = queries.teams(now, page)
    return pages.page(
        "teams/staff_teams.html", status=422 if form.is_submitted() else 200, lines=lines, more=more, page=page,
        form=form, coverage=rules.coverage, ahead=rules.AHEAD.days,
    )  # fmt: skip


# One team -------------------------------------------------------------------------------------------------------------


def _form(team: Team) -> forms.MemberForm:
    form = forms.MemberForm()
    form.offer(queries.policy(), queries.accounts(team.centre_id))
    return form


def _values(form: forms.MemberForm) -> MemberValues:
    assert form.since.data is not None
    return MemberValues(
        form.name.data or "", form.phone.data or "", form.role.data, form.kind.data, tuple(form.skills.data or ()),
        whole_number(form.staff_id.data), form.since.data,
    )  # fmt: skip


@bp.route("/<int:team_id>", methods=["GET", "POST"])
@access.staff(Permission.TEAMS)
def team(team_id: int) -> Any:
    """Who serves; POST: one more."""
    row, now = team_or_404(team_id), clock.now()
    form = _form(row)
    if not form.is_submitted():
        form.since.data = clock.today(now)
    elif form.validate_on_submit():
        try:
            made = members.join(access.actor(), row.id, _values(form), now)
        except (DomainError, IntegrityError) as refusal:
            pages.refused(refusal, form)
        else:
            return pages.said(f"{made.name}入队了。", url_for(".team", team_id=team_id))
    return _team_page(row.id, form, now)


def _team_page(team_id: int, form: forms.MemberForm, now: datetime, shown: tuple[int, str] = (0, "")) -> Response:
    row, today = team_or_404(team_id), clock.today(now)
    everybody = queries.members(team_id)
    return pages.page(
        "teams/staff_team.html", status=422 if form.errors else 200, team=row, form=form, now=now, today=today,
        serving=[m for m in everybody if m.until is None or m.until > today], shown=shown,
        left=[m for m in everybody if m.until is not None and m.until <= today], p=queries.policy(),
        roles=rules.ROLE_LABELS, may_unmask=access.actor().can(Permission.UNMASK),
    )  # fmt: skip


@bp.post("/members/<int:member_id>/phone")
@access.staff(Permission.UNMASK)
def phone(member_id: int) -> Response:
    """Show a member's number in full; it is recorded who looked (P8)."""
    row, now = _member_or_404(member_id), clock.now()
    members.note_look(access.actor(), row, now)
    form = _form(row.team)
    form.process(None)
    form.since.data = clock.today(now)
    return _team_page(row.team_id, form, now, (row.id, row.phone))


@bp.route("/members/<int:member_id>", methods=["GET", "POST"])
@access.staff(Permission.TEAMS)
def member(member_id: int) -> Any:
    """Change what is known of a member; below it: leaving."""
    row, now = _member_or_404(member_id), clock.now()
    form = _form(row.team)
    if not form.is_submitted():
        _fill(form, row)
    elif form.validate_on_submit():
        try:
            members.edit(access.actor(), row.id, _values(form), now)
        except (DomainError, IntegrityError) as refusal:
            pages.refused(refusal, form)
        else:
            return pages.said("已保存。", url_for(".team", team_id=row.team_id))
    return _member_page(member_id, form, now)


def _fill(form: forms.MemberForm, row: TeamMember) -> None:
    form.name.data, form.phone.data, form.role.data, form.kind.data = row.name, row.phone, row.role, row.kind
    form.skills.data, form.since.data = list(row.skills), row.since
    form.staff_id.data = str(row.staff_id or "")


def _member_page(member_id: int, form: forms.MemberForm, now: datetime, error: DomainError | None = None) -> Response:
    row = _member_or_404(member_id)
    return pages.page(
        "teams/staff_member.html", status=422 if form.errors else 0, member=row, form=form, now=now, error=error,
        today=clock.today(now), typed=request.form,
    )  # fmt: skip


def _leaving(error: DomainError, member_id: int) -> Response:
    row, now = _member_or_404(member_id), clock.now()
    form = _form(row.team)
    form.process(None)
    _fill(form, row)
    return _member_page(member_id, form, now, error)


class BadDay(DomainError):
    status = 422
    message = "请写明从哪天起不再参加。"
    field = "until"


@bp.post("/members/<int:member_id>/leave")
@access.staff(Permission.TEAMS)
@pages.act(_leaving)
def leave(member_id: int) -> Response:
    """He leaves on a day: his shifts from then on are open again."""
    row, form = _member_or_404(member_id), forms.LeaveForm()
    until = form.until.data if form.validate() else None
    if not isinstance(until, date):
        raise BadDay()
    freed = members.leave(access.actor(), member_id, until, clock.now())
    more = f"，空出 {freed} 个班，请重新安排" if freed else ""
    return pages.said(f"{row.name}从{clock.day(until)}起离队{more}。", url_for(".team", team_id=row.team_id))


@bp.post("/members/<int:member_id>/return")
@access.staff(Permission.TEAMS)
@pages.act(_leaving)
def come_back(member_id: int) -> Response:
    """Somebody who has left, or was about to, stays."""
    row = _member_or_404(member_id)
    members.come_back(access.actor(), member_id, clock.now())
    return pages.said(f"{row.name}继续在队。", url_for(".team", team_id=row.team_id))
