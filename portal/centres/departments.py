"""Departments (职能部门) of the top of the review chain: made, renamed, closed and opened again (SPEC P10)."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from portal.centres import queries
from portal.centres.models import Department
from portal.core import audit
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import Invalid, NotAllowed, constraint


class NameTaken(Invalid):
    message = "已经有这个名称的部门了。"
    advice = "已停用的可以恢复使用，不必重建。"
    field = "name"


constraint("ix_department_centre_name", NameTaken())  # PostgreSQL
constraint("department.centre_id, department.name", NameTaken())  # SQLite


def may_keep(actor: Actor) -> bool:
    """Departments are the business of the managers at the top of the review chain: the district here."""
    return actor.can(Permission.ACCOUNTS) and queries.at_top(actor)


def all_of(centre_id: int) -> list[Department]:
    """Every department of a centre, those in use first."""
    wanted = select(Department).where(Department.centre_id == centre_id)
    return list(db.session.scalars(wanted.order_by(Department.active.desc(), Department.name)))


def find(actor: Actor, department_id: int) -> Department | None:
    """A department that the actor keeps; anybody else's does not exist."""
    found = db.session.get(Department, department_id) if may_keep(actor) else None
    return found if found is not None and found.centre_id == actor.centre_id else None


def open_department(actor: Actor, name: str, phone: str, now: datetime) -> Department:
    """A new department of the actor's own centre. Raises NameTaken, NotAllowed."""
    _must_keep(actor)
    assert actor.centre_id is not None  # at the top of a chain, so of a centre
    _must_be_free(actor.centre_id, name)
    number = (db.session.scalar(select(func.max(Department.id))) or 0) + 1
    made = Department(code=f"BM{number:02d}", name=name, phone=phone, centre_id=actor.centre_id, active=True)
    db.session.add(made)
    db.session.flush()
    _log(actor, "open_department", made, now, None, {"name": name, "phone": phone})
    return made


def edit(actor: Actor, department: Department, name: str, phone: str, now: datetime) -> None:
    """Rename it, or change its telephone; its rows and accounts stay. Raises NameTaken, NotAllowed."""
    _must_keep(actor)
    before, after = {"name": department.name, "phone": department.phone}, {"name": name, "phone": phone}
    if before == after:
        return
    if name != department.name:
        _must_be_free(department.centre_id, name)
    department.name, department.phone = name, phone
    db.session.flush()
    _log(actor, "edit_department", department, now, before, after)


def set_active(actor: Actor, department: Department, active: bool, now: datetime) -> None:
    """Closed: nobody gets an account of it any more, its plans stay where they are. Twice changes nothing.

    Whether people still work there is asked by the caller, who knows accounts. Raises NotAllowed.
    """
    _must_keep(actor)
    if department.active == active:
        return
    department.active = active
    _log(actor, "reopen_department" if active else "close_department", department, now, None, None)


def _must_keep(actor: Actor) -> None:
    if not may_keep(actor):
        raise NotAllowed("职能部门由最上级的管理员维护。")


def _must_be_free(centre_id: int, name: str) -> None:
    if db.session.scalar(select(Department.id).where(Department.centre_id == centre_id, Department.name == name)):
        raise NameTaken()


def _log(
    actor: Actor, verb: str, row: Department, now: datetime, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    audit.record(
        actor, verb, "department", row.id, now, summary=row.name, before=before, after=after,
        centre_id=row.centre_id, centre_path=row.centre.path,
    )  # fmt: skip
