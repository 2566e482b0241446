"""Accounts of one's own centre and everything below (SPEC P4-P6)."""

from datetime import datetime
from typing import Any, TypeVar

from flask import Response, abort, flash, request, url_for

from portal.centres import picking, profile
from portal.centres import queries as centres
from portal.core import access, clock, incoming, pages, registry
from portal.core.access import GRANTS, PERMISSION_LABELS, ROLE_LABELS, Permission, Role
from portal.core.errors import DomainError
from portal.people import forms, queries, rules
from portal.people.actions import staff_accounts
from portal.people.models import StaffAccount
from portal.people.staff import queries as staff_queries
from portal.people.staff.views import face

PlaceFormType = TypeVar("PlaceFormType", bound=forms.PlaceForm)
TONES = {"active": "green", "initial": "gold", "expired": "red", "disabled": "neutral"}


def year_and(moment: datetime, now: datetime) -> str:
    """'12月12日 20:00', with the year when it is not this one."""
    there = clock.local(moment)
    return clock.stamp(moment) if there.year == clock.local(now).year else f"{there.year}年{clock.stamp(moment)}"


def number(name: str) -> int | None:
    """A whole number from the query, else None."""
    return incoming.whole_number(request.args.get(name))


def role_notes() -> dict[str, str]:
    """What each role may do, in words, from the one role table."""
    return {role.value: "、".join(PERMISSION_LABELS[p] for p in Permission if p in GRANTS[role]) for role in Role}


@face.get("/accounts")
@access.staff(Permission.ACCOUNTS)
def accounts() -> Any:
    actor, now = access.actor(), clock.now()
    wanted = _wanted()
    counts = staff_queries.state_counts(actor, wanted, now)
    total = counts if not wanted.narrowed else staff_queries.state_counts(actor, staff_queries.AccountFilter(), now)
    return pages.page(
        "people/staff/accounts.html", rows=staff_queries.accounts(actor, wanted, now), wanted=wanted, counts=counts,
        count=counts[wanted.state] if wanted.state else sum(counts.values()), total=sum(total.values()),
        per_page=staff_queries.PER_PAGE, states=staff_queries.STATES, tones=TONES,
        state_of=lambda row: staff_queries.state_of(row, now), levels=profile.current().levels,
        centres=picking.of(centres.choices(actor.centre_path)), roles=ROLE_LABELS, own=actor.id,
        departments=[(d.id, d.name) for d in queries.departments(actor)], sorts=staff_queries.SORTS,
        when=lambda at: year_and(at, now), at_top=centres.at_top(actor),
    )  # fmt: skip


def _wanted() -> staff_queries.AccountFilter:
    args = request.args
    state, sort, role = args.get("state", ""), args.get("sort", ""), args.get("role", "")
    return staff_queries.AccountFilter(
        q=args.get("q", "").strip()[:40], level=args.get("level", ""), centre_id=number("centre"),
        role=role if role in list(Role) else "", department_id=number("department"),
        state=state if state in staff_queries.STATES else "", sort=sort if sort in staff_queries.SORTS else "place",
        page=number("page") or 1,
    )  # fmt: skip


def _account(account_id: int) -> StaffAccount:
    return staff_queries.account(access.actor(), account_id) or abort(404)


def _with_places(form: PlaceFormType) -> PlaceFormType:
    """The form with the centres and departments that the viewer gives accounts to."""
    actor = access.actor()
    form.centre.offer(picking.of(centres.choices(actor.centre_path)))
    nobodys = [("", "不属于职能部门")] if actor.department_id is None else []
    departments = [(str(d.id), d.name) for d in queries.departments(actor)]
    form.department.choices = forms.picks([*nobodys, *departments])
    return form


@face.route("/accounts/new", methods=["GET", "POST"])
@access.staff(Permission.ACCOUNTS)
def new_account() -> Any:
    form = _with_places(forms.AccountForm())
    if not form.is_submitted():
        _prefill(form)
    if form.validate_on_submit():
        values = staff_accounts.AccountValues(
            username=form.username.data or "", name=form.name.data or "", phone=form.phone.data or "",
            centre_id=int(form.centre.data), role=Role(form.role.data),
            department_id=int(form.department.data) if form.department.data else None,
        )  # fmt: skip
        try:
            return _secret(staff_accounts.open_account(access.actor(), values, clock.now()), "账户已建好", told=False)
        except DomainError as refusal:
            form.refuse(refusal)
    status = 422 if form.is_submitted() else 200
    return pages.page("people/staff/account_new.html", status=status, form=form, notes=role_notes())


def _prefill(form: forms.AccountForm) -> None:
    """What the address says, as after "再建一个": the same place and role."""
    actor, department = access.actor(), number("department")
    form.department.data = str(department or "")
    if department is not None or number("centre") is not None:
        form.centre.data = str(number("centre") or actor.centre_id)
    form.role.data = request.args.get("role") if request.args.get("role") in list(Role) else None


def _secret(made: staff_accounts.OneTime, title: str, told: bool = True) -> Response:
    """The one page that ever shows a one-time password: the answer itself, stored nowhere, kept by no cache."""
    answer = pages.page(
        "people/staff/account_secret.html", account=made.account, password=made.password, title=title,
        until=made.account.password_expires_at, own=made.account.id == access.signed_in().id, told=told,
        again=None if told else url_for(
            "people_staff.new_account", centre=made.account.centre_id, department=made.account.department_id,
            role=Role(made.account.role).value,
        ),
    )  # fmt: skip
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _account_page(row: StaffAccount, form: forms.RoleForm, status: int = 200) -> Any:
    actor, now = access.actor(), clock.now()
    wanted = staff_queries.AuditFilter(object_type="staff_account", object_id=row.id)
    lines = staff_queries.audit_rows(actor, wanted, 20)[:20] if actor.can(Permission.AUDIT) else []
    return pages.page(
        "people/staff/account.html", status=status, row=row, form=form, own=row.id == actor.id,
        state=staff_queries.state_of(row, now), states=staff_queries.STATES, tones=TONES, roles=ROLE_LABELS,
        notes=role_notes(), lines=lines,
        word=lambda code: registry.audit_words.get(code, code), when=lambda at: year_and(at, now),
        alone=Role(row.role) is Role.MANAGER and staff_queries.managers_left(row) == 0,
    )  # fmt: skip


@face.get("/accounts/<int:account_id>")
@access.staff(Permission.ACCOUNTS)
def account(account_id: int) -> Any:
    row = _account(account_id)
    form = forms.RoleForm()
    form.role.data = Role(row.role).value
    return _account_page(row, form)


def _ask(row: StaffAccount, what: str, button: str, follows: str, kind: str = "primary") -> Response:
    """The page that asks first; its button posts to the very address."""
    return pages.page(
        "people/staff/account_ask.html", row=row, what=what, button=button, follows=follows, kind=kind,
        roles=ROLE_LABELS, logins=len(queries.live_sessions("staff", row.id, clock.now())), action=request.path,
    )  # fmt: skip


@face.route("/accounts/<int:account_id>/reset", methods=["GET", "POST"])
@access.staff(Permission.ACCOUNTS)
def reset_account(account_id: int) -> Any:
    if request.method != "POST":
        life = clock.lasting(rules.INITIAL_LIFE)
        follows = f"旧密码马上作废，您会看到一个 {life}内有效的一次性密码，请告诉本人。本人也会收到通知。"
        return _ask(_account(account_id), "重置密码", "重置，显示一次性密码", follows)
    return _secret(staff_accounts.reset(access.actor(), _account(account_id), clock.now()), "密码已重置")


@face.route("/accounts/<int:account_id>/second-factor", methods=["GET", "POST"])
@access.staff(Permission.ACCOUNTS)
def reset_second_factor(account_id: int) -> Any:
    """The telephone and the recovery codes are gone."""
    row = _account(account_id)
    if request.method != "POST":
        return _ask(
            row, "重置两步验证", "重置", "请先确认是本人：当面，或打登记的电话。登录后要重新设置。本人会收到通知。"
        )
    staff_accounts.reset_second_factor(access.actor(), row, clock.now())
    return pages.said(
        f"{row.name}的两步验证已重置，所有登录都已退出；本人登录后重新设置。",
        url_for("people_staff.account", account_id=row.id),
    )


@face.route("/accounts/<int:account_id>/hand-over", methods=["GET", "POST"])
@access.staff(Permission.ACCOUNTS)
def hand_over(account_id: int) -> Any:
    row, form = _account(account_id), forms.HolderForm()
    if form.validate_on_submit():
        made = staff_accounts.hand_over(access.actor(), row, form.name.data or "", form.phone.data or "", clock.now())
        return _secret(made, "账户已交接")
    status = 422 if form.is_submitted() else 200
    return pages.page(
        "people/staff/hand_over.html", status=status, form=form, row=row, own=row.id == access.signed_in().id,
    )  # fmt: skip


@face.route("/accounts/<int:account_id>/disable", methods=["GET", "POST"])
@access.staff(Permission.ACCOUNTS)
def disable_account(account_id: int) -> Any:
    row = _account(account_id)
    if request.method != "POST":
        follows = "以后不能再登录；做过的事都保留，等着办的事转给同事或上级。随时可以恢复。本人会收到通知。"
        return _ask(row, "停用账户", "停用", follows, "danger")
    staff_accounts.disable(access.actor(), row, clock.now())
    return pages.said(
        f"{row.name}（{row.username}）已停用，所有登录都已结束。", url_for("people_staff.account", account_id=row.id)
    )


@face.post("/accounts/<int:account_id>/enable")
@access.staff(Permission.ACCOUNTS)
def enable_account(account_id: int) -> Any:
    row = _account(account_id)
    staff_accounts.enable(access.actor(), row, clock.now())
    return pages.said(
        f"{row.name}（{row.username}）已恢复，可用原来的密码登录。", url_for("people_staff.account", account_id=row.id)
    )


@face.route("/accounts/<int:account_id>/transfer", methods=["GET", "POST"])
@access.staff(Permission.ACCOUNTS)
def transfer(account_id: int) -> Any:
    """The same person works elsewhere; what waited for them alone goes on at once."""
    row, form = _account(account_id), _with_places(forms.PlaceForm())
    if not form.is_submitted():
        form.centre.data, form.department.data = str(row.centre_id), str(row.department_id or "")
    elif form.validate_on_submit():
        department = int(form.department.data) if form.department.data else None
        values = staff_accounts.AccountValues("", "", "", int(form.centre.data), Role(row.role), department)
        try:
            staff_accounts.transfer(access.actor(), row, values, clock.now())
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            flash(f"{row.name}（{row.username}）已调到{row.centre.label}。", "green")
            return pages.see_other(url_for("people_staff.accounts"))
    status = 422 if form.is_submitted() else 200
    return pages.page("people/staff/transfer.html", status=status, form=form, row=row)


@face.post("/accounts/<int:account_id>/role")
@access.staff(Permission.ACCOUNTS)
def change_role(account_id: int) -> Any:
    row, form = _account(account_id), forms.RoleForm()
    if not form.validate_on_submit():
        return _account_page(row, form, 422)
    staff_accounts.change_role(access.actor(), row, Role(form.role.data), clock.now())
    flash(f"{row.name}现在是{ROLE_LABELS[Role(row.role)]}。", "green")
    return pages.see_other(url_for("people_staff.account", account_id=row.id))
