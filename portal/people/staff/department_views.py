"""职能部门: the district's departments and how many work there (SPEC P10)."""

from typing import Any

from flask import abort, url_for
from sqlalchemy.exc import IntegrityError

from portal.centres import departments as kept
from portal.centres.models import Department
from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.people import forms
from portal.people.staff import queries as staff_queries
from portal.people.staff.views import face


def _department(department_id: int) -> Department:
    return kept.find(access.actor(), department_id) or abort(404)


@face.route("/departments", methods=["GET", "POST"])
@access.staff(Permission.ACCOUNTS)
def departments() -> Any:
    """All departments, and the form of a new one beside them."""
    actor, form = access.actor(), forms.DepartmentForm()
    if not kept.may_keep(actor):
        abort(403)
    if form.validate_on_submit():
        try:
            made = kept.open_department(actor, form.name.data or "", form.phone.data or "", clock.now())
        except (DomainError, IntegrityError) as refusal:
            pages.refused(refusal, form)
        else:
            return pages.said(f"“{made.name}”建好了，现在可以给它建账户。", url_for("people_staff.departments"))
    return pages.page(
        "people/staff/departments.html", status=422 if form.is_submitted() else 200, form=form,
        rows=kept.all_of(actor.centre_id or 0), people=staff_queries.people_of_departments(actor),
    )  # fmt: skip


@face.route("/departments/<int:department_id>", methods=["GET", "POST"])
@access.staff(Permission.ACCOUNTS)
def department(department_id: int) -> Any:
    """Rename it; close it or open it again."""
    row, form = _department(department_id), forms.DepartmentForm()
    if not form.is_submitted():
        form.name.data, form.phone.data = row.name, row.phone
    elif form.validate_on_submit():
        try:
            kept.edit(access.actor(), row, form.name.data or "", form.phone.data or "", clock.now())
        except (DomainError, IntegrityError) as refusal:
            pages.refused(refusal, form)
        else:
            return pages.said("已保存。", url_for("people_staff.departments"))
    return pages.page(
        "people/staff/department.html", status=422 if form.is_submitted() else 200, form=form,
        row=_department(department_id),
        people=staff_queries.people_of_departments(access.actor()).get(department_id, 0),
    )  # fmt: skip


@face.post("/departments/<int:department_id>/active")
@access.staff(Permission.ACCOUNTS)
def department_active(department_id: int) -> Any:
    """Close it where nobody works any more, or open it again."""
    row, actor = _department(department_id), access.actor()
    here = url_for("people_staff.department", department_id=row.id)
    people = staff_queries.people_of_departments(actor).get(row.id, 0)
    if row.active and people:
        return pages.sorry(DomainError(f"还有 {people} 个账户在用。", advice="请先把他们调走或停用。"), here)
    kept.set_active(actor, row, not row.active, clock.now())
    done = "恢复使用了，可以给它建账户。" if row.active else "停用了，它的计划和记录都保留。"
    return pages.said(f"“{row.name}”{done}", url_for("people_staff.departments"))
