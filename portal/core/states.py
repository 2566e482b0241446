"""A state machine is written once (DESIGN habit 7).

`fire` is the only code that assigns `.status`: it checks the transition, does UPDATE … WHERE status = old (so two
people deciding at once cannot both win), and writes the history. `available` feeds the buttons, so page and server
agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text, insert, select, update
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from portal.core import outbox, remarks
from portal.core.access import Actor, Permission
from portal.core.db import Base, UTCDateTime, db, hit
from portal.core.errors import DomainError, Invalid, NotAllowed, NotYourTurn, Stale
from portal.core.remarks import Remark

Guard = Callable[[Any, Actor], str | None]  # a sentence that says why not, or None


class StateHistory(Base):
    """Who moved what from where to where, when and why. Append only, so nothing of a resident may stand in it.

    actor_name: '' for a resident, whose name is looked up when shown (people.queries.doers). Why: `written`, or where
    the object is somebody's a remark, which can be blanked; `reason` reads either.
    """

    __tablename__ = "state_history"
    __table_args__ = (Index("ix_state_history_object", "object_type", "object_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    object_type: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[int]
    name: Mapped[str] = mapped_column(String(40))
    from_status: Mapped[str] = mapped_column(String(24))
    to_status: Mapped[str] = mapped_column(String(24))
    actor_kind: Mapped[str] = mapped_column(String(10))
    actor_id: Mapped[int | None]
    actor_name: Mapped[str] = mapped_column(String(80))
    centre_id: Mapped[int | None]
    written: Mapped[str] = mapped_column("reason", Text, default="")
    remark_id: Mapped[int | None]
    about: Mapped[str] = mapped_column(String(40), default="")  # the field a reason belongs to
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    at: Mapped[datetime] = mapped_column(UTCDateTime)

    remark: Mapped[Remark | None] = relationship(
        primaryjoin=lambda: foreign(StateHistory.remark_id) == Remark.id, lazy="joined", viewonly=True
    )

    @property
    def reason(self) -> str:
        """Why, as it was written; '' when nothing was, or when the person it is about has left."""
        return self.remark.words if self.remark is not None else self.written


class NoSuchTransition(DomainError):
    message = "现在的状态不能做这一步。"
    advice = "请刷新看看最新状态。"


class ReasonMissing(Invalid):
    message = "请写明原因。"
    field = "reason"


@dataclass(frozen=True, slots=True)
class Transition:
    name: str
    label: str  # on the button
    sources: tuple[str, ...]
    target: str
    permission: Permission | None = None  # None: the owner or the system decides, by guard
    needs_reason: bool = False
    guard: Guard | None = None
    event: str | None = None  # outbox topic written with it

    def refusal(self, obj: Any, actor: Actor) -> DomainError | None:
        if obj.status not in self.sources:
            return NoSuchTransition()
        if self.permission is not None and not actor.can(self.permission):
            return NotAllowed()
        why = self.guard(obj, actor) if self.guard else None
        return NotYourTurn(why) if why else None


machines: dict[str, Machine] = {}  # every one that was made, by its name: docs/flows.md is written from them


@dataclass(frozen=True)
class Machine:
    """All transitions of one model. `name`: the object type in histories; `labels`: the Chinese word of each status.

    personal: its objects are somebody's, so that reasons are remarks, which the feature blanks when the person leaves.
    """

    name: str
    model: type[Any]
    labels: dict[str, str]
    transitions: tuple[Transition, ...]
    personal: bool = False
    _by_name: dict[str, Transition] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {t.name: t for t in self.transitions})
        machines[self.name] = self
        for transition in self.transitions:
            unknown = ({*transition.sources, transition.target}) - self.labels.keys()
            if unknown:
                raise ValueError(f"{self.name}.{transition.name}: statuses without a label: {unknown}")

    def transition(self, name: str) -> Transition:
        return self._by_name[name]


def available(machine: Machine, obj: Any, actor: Actor) -> list[Transition]:
    """Transitions this actor could fire now; what the page shows as buttons."""
    return [t for t in machine.transitions if t.refusal(obj, actor) is None]


def fire(
    machine: Machine, obj: Any, name: str, actor: Actor, now: datetime, reason: str = "", *,
    about: str = "", details: dict[str, Any] | None = None, values: dict[str, Any] | None = None,
) -> StateHistory:  # fmt: skip
    """Move `obj` along transition `name` and write its history (flushes, never commits).

    values: further columns set by the same UPDATE. Raises NoSuchTransition, NotAllowed, ReasonMissing, or Stale when
    somebody else moved the row between our read and our write.
    """
    transition = machine.transition(name)
    refusal = transition.refusal(obj, actor)
    if refusal is not None:
        raise refusal
    if transition.needs_reason and not reason.strip():
        raise ReasonMissing()
    db.session.flush()
    old, model = obj.status, machine.model
    statement = update(model).where(model.id == obj.id, model.status == old)
    statement = statement.values(status=transition.target, **(values or {}))
    if hit(statement, synchronize_session=False) != 1:
        raise Stale()
    db.session.refresh(obj)
    row = _line(machine, obj.id, name, (old, transition.target), actor, now, reason, about, details)
    db.session.flush()
    if transition.event:
        outbox.put(transition.event, f"{machine.name}:{obj.id}:{row.id}", {"id": obj.id, "history_id": row.id}, now)
    return row


def _line(
    machine: Machine, object_id: int, name: str, way: tuple[str, str], actor: Actor, now: datetime, reason: str,
    about: str, details: dict[str, Any] | None,
) -> StateHistory:  # fmt: skip
    remark = remarks.write(machine.name, object_id, reason) if machine.personal else None
    row = StateHistory(
        **_facts(machine, name, actor, now, "" if machine.personal else reason, about, details), object_id=object_id,
        from_status=way[0], to_status=way[1], remark_id=remark.id if remark else None,
    )  # fmt: skip
    db.session.add(row)
    return row


def _facts(
    machine: Machine, name: str, actor: Actor, now: datetime, written: str, about: str, details: dict[str, Any] | None
) -> dict[str, Any]:
    """What lines of many objects have in common."""
    actor_name = "" if actor.kind == "resident" else actor.name
    return {
        "object_type": machine.name, "name": name, "actor_kind": actor.kind, "actor_id": actor.id,
        "actor_name": actor_name, "centre_id": actor.centre_id, "written": written.strip(), "about": about,
        "details": details, "at": now,
    }  # fmt: skip


def note(
    machine: Machine, obj: Any, name: str, actor: Actor, now: datetime, reason: str = "", *,
    about: str = "", details: dict[str, Any] | None = None,
) -> StateHistory:  # fmt: skip
    """Write a history row that changes no status (a correction, a hand-over)."""
    return _line(machine, obj.id, name, (obj.status, obj.status), actor, now, reason, about, details)


def note_new(machine: Machine, object_ids: Iterable[int], status: str, name: str, actor: Actor, now: datetime) -> None:
    """The first history rows of objects just made in `status`, by one INSERT."""
    rows = [
        {"object_type": machine.name, "object_id": number, "name": name, "from_status": status, "to_status": status,
         "actor_kind": actor.kind, "actor_id": actor.id, "actor_name": actor.name, "centre_id": actor.centre_id,
         "reason": "", "about": "", "details": None, "at": now}
        for number in object_ids
    ]  # fmt: skip
    if rows:
        db.session.execute(insert(StateHistory), rows)


def note_many(
    machine: Machine, lines: Iterable[tuple[int, str, dict[str, Any] | None]], name: str, actor: Actor, now: datetime
) -> None:
    """History rows of many objects that change no status, by one INSERT. lines: (id, its status, details)."""
    rows = [
        _facts(machine, name, actor, now, "", "", details)
        | {"object_id": number, "from_status": status, "to_status": status, "remark_id": None}
        for number, status, details in lines
    ]
    if rows:
        db.session.execute(insert(StateHistory), rows)


def history(machine: Machine, object_ids: Iterable[int]) -> list[StateHistory]:
    """Histories of the given objects, oldest first. The caller has already proved that it may see the objects."""
    statement = select(StateHistory).where(
        StateHistory.object_type == machine.name, StateHistory.object_id.in_(list(object_ids))
    )
    return list(db.session.scalars(statement.order_by(StateHistory.id)))


def fire_many(
    machine: Machine, objects: list[Any], name: str, actor: Actor, now: datetime, reason: str = "", *,
    about: str = "", details: dict[str, Any] | None = None, values: dict[str, Any] | None = None,
) -> int:  # fmt: skip
    """Move many rows that the caller holds under a lock, by one UPDATE and one INSERT; no outbox rows.

    values: further columns set by the same UPDATE.

    All or nothing: raises like `fire`. For a transition with an event use `fire`, or tell everybody at once yourself.
    """
    transition = machine.transition(name)
    refusal = next((r for o in objects if (r := transition.refusal(o, actor)) is not None), None)
    if refusal is not None:
        raise refusal
    if transition.needs_reason and not reason.strip():
        raise ReasonMissing()
    db.session.flush()
    old, model = {o.id: o.status for o in objects}, machine.model
    for start in range(0, len(objects), 500):
        ids = [o.id for o in objects[start : start + 500]]
        statement = update(model).where(model.id.in_(ids), model.status.in_(transition.sources))
        statement = statement.values(status=transition.target, **(values or {}))
        if hit(statement, synchronize_session=False) != len(ids):
            raise Stale()
    for obj in objects:
        db.session.expire(obj, ["status", *(values or ())])
    told = remarks.write_many(machine.name, old.keys(), reason) if machine.personal else {}
    common = _facts(machine, name, actor, now, "" if machine.personal else reason, about, details)
    rows = [
        common | {"object_id": key, "from_status": status, "to_status": transition.target, "remark_id": told.get(key)}
        for key, status in old.items()
    ]
    if rows:
        db.session.execute(insert(StateHistory), rows)
    return len(rows)
