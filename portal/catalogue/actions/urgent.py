"""What took effect at once because it began so soon, undone by the publisher (SPEC C8)."""

from dataclasses import replace
from datetime import datetime

from portal.catalogue import rules
from portal.catalogue.actions import changing, entry_values, room_holds
from portal.catalogue.models import CANCELLED, PUBLISHED, Entry, EntryChange
from portal.catalogue.states import CHANGE, ENTRY
from portal.core import outbox, states
from portal.core.access import Actor, system_actor
from portal.core.errors import DomainError


class MovedOn(DomainError):
    message = "这一条在那以后又变动过，不能再撤销。"
    advice = "请打开这一条看看现在的安排，需要的话另外提一个变更。"


class RoomGone(DomainError):
    """Its room is somebody else's meanwhile; the message says whose."""

    advice = "原来的场地现在不空，所以没有撤销。可以先和对方商量让出场地再撤销，或者另外安排。"


def undo_change(actor: Actor, change: EntryChange, reason: str, now: datetime) -> None:
    """The publisher does not agree with what took effect at once: all is as before, and everyone is told again.

    Writes 'entry.changed' or 'entry.reinstated' {"entry_id", "change_id"}. Raises NotAllowed, NoSuchTransition,
    ReasonMissing, AlreadyOver, MovedOn, RoomGone, InvalidRow, Stale. Locks the row, then
    its rooms.
    """
    entry = change.entry
    entry_values.lock(entry)
    decided = {"decided_by": actor.name[:40], "decided_at": now, "decision_reason": reason.strip()}
    states.fire(CHANGE, change, "undo", actor, now, reason, values=decided)
    try:
        if change.kind == changing.CANCEL:
            _reinstate(entry, change, actor, reason, now)
        else:
            _move_back(actor, entry, change, now)
    except room_holds.NoRoom as taken:
        raise RoomGone(taken.said) from taken
    changing.record(actor, change, "undo_change", now)
    topic = "entry.reinstated" if change.kind == changing.CANCEL else "entry.changed"
    outbox.put(topic, f"{change.id}:undone", {"entry_id": entry.id, "change_id": change.id}, now)


def _reinstate(entry: Entry, change: EntryChange, actor: Actor, reason: str, now: datetime) -> None:
    if entry.status != CANCELLED:
        raise MovedOn()
    if entry.last_end is not None and entry.last_end <= now:
        raise changing.AlreadyOver()
    shown = entry_values.moves(now, change_note=changing.sentence(change), changed_at=now)
    states.fire(ENTRY, entry, "reinstate", system_actor(actor.name), now, reason, values=shown)
    room_holds.follow(entry, "reinstate", actor, now)


def _move_back(actor: Actor, entry: Entry, change: EntryChange, now: datetime) -> None:
    before, after = entry_values.from_json(change.before), entry_values.from_json(change.after)
    here = entry_values.values_of(entry)
    names = rules.differing(before, after)
    if entry.status != PUBLISHED or set(names) & set(rules.differing(here, after)):
        raise MovedOn()
    wanted = replace(here, **{name: getattr(before, name) for name in names})
    wanted = room_holds.settled(wanted, entry.centre, entry.author_centre)
    entry_values.require(wanted, now, taken=entry.taken, moved=True)
    changing.apply_edit(actor, change, wanted, now)
