"""Who is above: the one answer for everything that waits for somebody (SPEC C4, V3, H2, D1).

A level of the tree may have no account. What is handed up goes to the nearest ancestor where somebody works, what
belongs to an empty level is done by that one, and pages say so (`instead`).
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, false, select

from portal.centres.models import Centre
from portal.core.access import GRANTS, Actor, Permission, Role
from portal.core.db import db
from portal.people.models import StaffAccount


def _roles(permission: Permission) -> tuple[Role, ...]:
    return tuple(role for role, granted in GRANTS.items() if permission in granted)


def _holds(permission: Permission) -> tuple[ColumnElement[bool], ...]:
    return StaffAccount.disabled_at.is_(None), StaffAccount.role.in_(_roles(permission))


def _works(centre: Any, roles: tuple[Role, ...]) -> ColumnElement[bool]:
    """An active account of the centre itself has one of `roles`; departments' people decide for their department."""
    account = select(StaffAccount.id).where(
        StaffAccount.centre_id == centre.id, StaffAccount.department_id.is_(None),
        StaffAccount.disabled_at.is_(None), StaffAccount.role.in_(roles),
    )  # fmt: skip
    return and_(centre.active, exists(account))


def staffed(permission: Permission) -> frozenset[int]:
    """The centres where somebody holds `permission`; for writes of many rows. One statement."""
    return frozenset(db.session.scalars(select(Centre.id).where(_works(Centre, _roles(permission)))))


def working_departments(permission: Permission) -> frozenset[int]:
    """The departments where an active account holds `permission`. One statement."""
    wanted = select(StaffAccount.department_id).where(*_holds(permission), StaffAccount.department_id.is_not(None))
    return frozenset(number for number in db.session.scalars(wanted) if number is not None)


def above(centre: Centre, permission: Permission, among: frozenset[int] | None = None) -> Centre | None:
    """The nearest ancestor where an active account holds `permission`; None at the top.

    among: what `staffed` said, when many are asked for.
    """
    if among is not None:
        near = next((i for i in reversed(centre.ancestor_ids) if i in among), None)
        return db.session.get(Centre, near) if near else None
    if not centre.ancestor_ids:
        return None
    wanted = select(Centre).where(Centre.id.in_(centre.ancestor_ids), _works(Centre, _roles(permission)))
    return db.session.scalars(wanted.order_by(Centre.depth.desc()).limit(1)).first()


def desk(centre: Centre, permission: Permission, among: frozenset[int] | None = None) -> Centre:
    """Who does what belongs to `centre`: it itself, else the nearest above where somebody works.

    Where nobody works up to the top it stays with the centre, in sight of whoever comes first. Nobody empties the top
    through the portal: people cannot disable, demote or move themselves.
    """
    here = among if among is not None else staffed(permission)
    return centre if centre.id in here else above(centre, permission, here) or centre


def people_at(centre: Centre, permission: Permission) -> list[int]:
    """Accounts to tell of what waits at `centre`: its own, or those of whoever does it in its place."""
    at = desk(centre, permission)
    wanted = select(StaffAccount.id).where(
        StaffAccount.centre_id == at.id, StaffAccount.department_id.is_(None), *_holds(permission)
    )
    return list(db.session.scalars(wanted.order_by(StaffAccount.id)))


def people_of_department(department_id: int, permission: Permission) -> list[int]:
    """The accounts of a department that hold `permission`."""
    wanted = select(StaffAccount.id).where(StaffAccount.department_id == department_id, *_holds(permission))
    return list(db.session.scalars(wanted.order_by(StaffAccount.id)))


def at_or_above(actor: Actor, centre: Centre | None) -> bool:
    """Whether what waits at `centre` may be done by this actor: of the centre, of one above it, or the system (P6).

    A department's people never: they have what is their department's.
    """
    if actor.kind == "system":
        return True
    if actor.department_id is not None or centre is None or not actor.centre_path:
        return False
    return centre.path.startswith(actor.centre_path)


def answers_for(actor: Actor, permission: Permission) -> Select[int]:
    """Ids of the centres whose inbox is this actor's: the own one, and those below where nobody works up to here.

    A subquery for `column.in_(…)`, so that an inbox stays one statement: whatever the accounts were when a row was
    written, it shows where somebody works now. A department's people answer for no centre.
    """
    if actor.centre_id is None or actor.department_id is not None:
        return select(Centre.id).where(false())
    return _answers(actor.centre_id, _roles(permission))


@lru_cache(maxsize=1024)
def _answers(centre_id: int, roles: tuple[Role, ...]) -> Select[int]:
    """The same SQL for the same inbox: a statement that needs it for several counts holds and asks it once, also for
    several permissions of the same roles."""
    # Downwards from the own one, no further than to where somebody works: as many steps as there are empty centres.
    own = select(Centre.id).where(Centre.id == centre_id).cte(recursive=True)
    answers = own.union_all(select(Centre.id).where(Centre.parent_id == own.c.id, ~_works(Centre, roles)))
    return select(answers.c.id)


def instead(nominal: Centre, actual: Centre) -> str:
    """Why something is not where it belongs: '葵涌街道暂无值班账户，已由大鹏新区处理'."""
    return f"{nominal.label}暂无值班账户，已由{actual.label}处理"


def step_over(centre: Centre, permission: Permission) -> tuple[Centre, str]:
    """Who does what belongs to `centre`, and the sentence that says so ('' when it is the centre itself)."""
    actual = desk(centre, permission)
    return actual, "" if actual.id == centre.id else instead(centre, actual)


def passed_over(way: Iterable[Centre], actual: Centre, permission: Permission) -> str:
    """Why it is not with one of `way`, who came before `actual`: the nearest of them where nobody works now, or ''."""
    before = [c for c in way if c.depth > actual.depth]
    here = staffed(permission) if before else frozenset()
    return next((instead(c, actual) for c in before if c.id not in here), "")
