"""Nobody reads another subtree's rows by accident (SPEC P6, Q4; DESIGN habit 5).

Centres store a materialised path such as '/1/4/9/'. A model that inherits `CentreScoped` can only be read inside a
scope; the session adds the scope's criteria to every ORM statement, so a foreign row is simply not there (404).
Not covered, and therefore allowed in queries.py only (a house test says so): text() and select(Model.__table__).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, ForeignKey, column, event, false, select, table
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, declared_attr, mapped_column, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption

from portal.core.db import Base

# Of a statement that is kept and asked again: for which scope it was guarded last, and how. It goes with the statement.
_guarded: WeakKeyDictionary[Any, tuple["Scope | None", Any]] = WeakKeyDictionary()
LEAVES = frozenset({"column", "bindparam"})
CENTRE = table("centre", column("id"), column("path"))


class ScopeMissing(RuntimeError):
    """A scoped table was read without saying on whose behalf."""


@dataclass(frozen=True, slots=True)
class StaffScope:
    """The subtree of one centre; a department's people see only what their department owns."""

    path: str
    department_id: int | None = None


@dataclass(frozen=True, slots=True)
class ResidentScope:
    """What is published, and one's own. `resident_id` is None for somebody who is not signed in."""

    resident_id: int | None = None


@dataclass(frozen=True, slots=True)
class SystemScope:
    """Everything, for jobs and commands; the reason is for whoever reads the code."""

    reason: str


Scope = StaffScope | ResidentScope | SystemScope

_current: ContextVar[Scope | None] = ContextVar("scope", default=None)


def enter(scope: Scope | None) -> Token[Scope | None]:
    return _current.set(scope)


def leave(token: Token[Scope | None]) -> None:
    """Back to the scope that held before `enter` gave this token."""
    _current.reset(token)


def current() -> Scope | None:
    return _current.get()


@contextmanager
def use(scope: Scope) -> Iterator[None]:
    """`with scope.use(…)`: reads inside see what that scope sees, afterwards what they saw before."""
    token = _current.set(scope)
    try:
        yield
    finally:
        _current.reset(token)


def system(reason: str) -> Any:
    """`with scope.system("publish on the 1st"):` — reads everything."""
    return use(SystemScope(reason))


class CentreScoped:
    """Mixin: rows belong to a centre and are seen by its subtree's staff; residents see what the model says."""

    @declared_attr
    def centre_id(cls) -> Mapped[int]:
        return mapped_column(ForeignKey("centre.id"), index=True)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _scoped_models.cache_clear()
        _criteria.cache_clear()

    @classmethod
    def staff_criteria(cls, scope: StaffScope) -> ColumnElement[bool]:
        if scope.department_id is not None:
            owner = getattr(cls, "department_id", None)
            return false() if owner is None else owner == scope.department_id
        # A range rather than LIKE: PostgreSQL uses a plain index for it whatever the collation.
        inside = select(CENTRE.c.id).where(CENTRE.c.path >= scope.path, CENTRE.c.path < scope.path + ":")
        return cls.centre_id.in_(inside)

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        """What a resident may read; nothing unless the model says otherwise."""
        return false()


@cache
def _scoped_models() -> dict[str, type[CentreScoped]]:
    return {m.local_table.name: m.class_ for m in Base.registry.mappers if issubclass(m.class_, CentreScoped)}  # type: ignore[attr-defined]


@lru_cache(maxsize=4096)
def _criteria(name: str, scope: StaffScope | ResidentScope) -> ExecutableOption:
    """What of a table a scope may read. It depends on nothing else, so the same option serves every statement."""
    model = _scoped_models()[name]
    rule = model.staff_criteria(scope) if isinstance(scope, StaffScope) else model.resident_criteria(scope.resident_id)
    return with_loader_criteria(model, rule, include_aliases=True)


def _tables(statement: Any) -> set[str]:
    """The names of all tables in a statement, however deep; what has nothing below it is not asked."""
    found, below = set[str](), [statement]
    while below:
        element = below.pop()
        kind = element.__visit_name__
        if kind == "table":
            found.add(str(element.name))
        elif kind not in LEAVES:
            below.extend(element.get_children())
    return found


@event.listens_for(Session, "do_orm_execute")
def _guard(state: ORMExecuteState) -> None:
    if state.is_column_load or state.is_relationship_load or state.is_insert:
        return
    scope, asked = _current.get(), state.statement
    if isinstance(scope, SystemScope):
        return
    last = _guarded.get(asked)
    if last is None or last[0] != scope:
        _guarded[asked] = last = scope, _narrowed(asked, scope)
    if last[1] is not None:
        state.statement = last[1]


def _narrowed(statement: Any, scope: StaffScope | ResidentScope | None) -> Any:
    """The statement with the criteria of its scoped tables; None when there are none in it."""
    touched = _tables(statement) & _scoped_models().keys()
    if not touched:
        return None
    if scope is None:
        raise ScopeMissing(f"no scope for {', '.join(sorted(touched))}")
    return statement.options(*(_criteria(name, scope) for name in sorted(touched)))
