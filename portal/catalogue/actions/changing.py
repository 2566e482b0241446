"""After publication: a change or a cancellation is asked with a reason and decided by the publisher (SPEC C8)."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from portal.cases import ladder
from portal.catalogue import rules
from portal.catalogue.actions import entry_values, room_holds
from portal.catalogue.models import PUBLISHED, Entry, EntryChange
from portal.catalogue.rules import EntryValues
from portal.catalogue.states import ASKED, CHANGE, ENTRY, UNDONE, owns, publisher, publishes
from portal.core import outbox, states
from portal.core.access import Actor, Permission, system_actor
from portal.core.db import db
from portal.core.errors import DomainError, Invalid

EDIT, CANCEL = "edit", "cancel"


class NothingChanged(Invalid):
    message = "内容和现在的一样，没有需要变更的地方。"


class ChangeOpen(DomainError):
    message = "这一条已有一个变更在等发布单位确认。"
    advice = "请等确认后再提出，或先撤回前一个申请。"


class NotPublished(DomainError):
    message = "这一条没有在公开清单中，不能申请变更。"


class AlreadyOver(DomainError):
    message = "活动已经结束，不能再变更。"


def ask_change(
    actor: Actor, entry: Entry, values: EntryValues, reason: str, now: datetime, *, version: int | None = None
) -> EntryChange:
    """Ask for a change of a published row; applied at once when the asker is the publisher (C8).

    Raises NotAllowed, NotPublished, AlreadyOver, ChangeOpen, NothingChanged, InvalidRow (NoRoom), ReasonMissing,
    Stale. Locks the row.
    """
    _open_to_change(actor, entry, reason, now, version)
    before = entry_values.values_of(entry)
    after = replace(values, month=entry.month, groups=values.groups or rules.groups_in(values.audience))
    after = room_holds.settled(after, entry.centre, entry.author_centre)
    changes = entry_values.told(before, after)
    if not changes:
        raise NothingChanged()
    entry_values.require(after, now, taken=entry.taken, moved=True)
    room_holds.refuse_taken(entry, after, now)
    return _ask(actor, entry, EDIT, entry_values.to_json(before), entry_values.to_json(after), reason, now)


def cancel_entry(actor: Actor, entry: Entry, reason: str, now: datetime, *, version: int | None = None) -> EntryChange:
    """Ask to cancel a published activity; done at once when the asker is the publisher (C8).

    Raises NotAllowed, NotPublished, AlreadyOver, ChangeOpen, ReasonMissing, Stale. Locks the row.
    """
    _open_to_change(actor, entry, reason, now, version)
    return _ask(actor, entry, CANCEL, entry_values.to_json(entry_values.values_of(entry)), {}, reason, now)


def _open_to_change(actor: Actor, entry: Entry, reason: str, now: datetime, version: int | None) -> None:
    entry_values.need(actor, Permission.PLAN)
    entry_values.refuse(owns(entry, actor))
    entry_values.lock(entry, version)
    if entry.status != PUBLISHED:
        raise NotPublished()
    if entry.last_end is not None and entry.last_end <= now:
        raise AlreadyOver()
    if not reason.strip():
        raise states.ReasonMissing()
    if open_change(entry.id) is not None:
        raise ChangeOpen()


def open_change(entry_id: int) -> EntryChange | None:
    """The change of this row that still waits for the publisher, if any."""
    wanted = select(EntryChange).where(EntryChange.entry_id == entry_id, EntryChange.status == ASKED)
    return db.session.scalars(wanted).first()


def _ask(
    actor: Actor, entry: Entry, kind: str, before: dict[str, Any], after: dict[str, Any], reason: str, now: datetime
) -> EntryChange:
    decider = ladder.desk(publisher(entry), Permission.PUBLISH)
    change = EntryChange(
        centre_id=entry.centre_id, entry_id=entry.id, kind=kind, before=before, after=after,
        reason=reason.strip(), waits_at_id=decider.id, asked_by=actor.name[:40], asked_at=now,
    )  # fmt: skip
    change.entry = entry
    db.session.add(change)
    db.session.flush()
    changes = told(change)
    states.note(CHANGE, change, "ask", actor, now, reason, details={"changes": changes})
    entry_values.note(actor, entry, f"ask_{kind}", now, reason=reason, changes=changes)
    if actor.can(Permission.PUBLISH) and publishes(entry, actor) is None:
        apply_change(actor, change, now)
    elif is_urgent(change, now):
        apply_change(actor, change, now, at_once=True)
        outbox.put("catalogue.change_urgent", str(change.id), {"change_id": change.id}, now)
    else:
        outbox.put("catalogue.change_asked", str(change.id), {"change_id": change.id}, now)
    return change


def is_urgent(change: EntryChange, now: datetime) -> bool:
    """A cancellation or a move of what begins within hours: those who would come in vain cannot wait for a yes. And
    longer sign-up, which would be allowed when it is closed."""
    before = entry_values.from_json(change.before)
    if change.kind == EDIT and rules.only_extends(before, entry_values.from_json(change.after)):
        return True
    if not rules.starts_soon(before.sessions, now):
        return False
    return change.kind == CANCEL or rules.only_moves(before, entry_values.from_json(change.after))


def told(change: EntryChange) -> entry_values.Changes:
    """What a change would do, in words: [label, before, after]."""
    if change.kind == CANCEL:
        return [["状态", "已发布", "取消活动"]]
    return entry_values.told(entry_values.from_json(change.before), entry_values.from_json(change.after))


def sentence(change: EntryChange) -> str:
    """'时间由 … 改为 …，因…。' or '活动取消，因…。': for the page and for everyone signed up."""
    undone = change.status == UNDONE
    if change.kind == CANCEL:
        return (
            f"活动照常举行，{rules.because(change.decision_reason)}。"
            if undone
            else f"活动取消，{rules.because(change.reason)}。"
        )
    before, after = entry_values.from_json(change.before), entry_values.from_json(change.after)
    if undone:
        return f"之前通知的变动撤销：{rules.change_sentence(after, before, change.decision_reason)}"
    return rules.change_sentence(before, after, change.reason)


def apply_change(actor: Actor, change: EntryChange, now: datetime, *, at_once: bool = False) -> None:
    """The publisher agrees: the row changes, its page says so, everyone signed up is told (C8).

    at_once: nobody is asked, because it begins so soon (`is_urgent`); the publisher hears of it and may undo it.

    Only the fields asked for are written, so that nothing else that happened meanwhile is lost. Writes
    'entry.changed' or 'entry.cancelled' {"entry_id", "change_id"}. Raises NotAllowed, NotPublished, InvalidRow (NoRoom:
    its room is taken meanwhile), Stale. Locks the row, then its rooms.
    """
    entry = change.entry
    entry_values.lock(entry)
    if entry.status != PUBLISHED:
        raise NotPublished("这一条已经不在公开清单中。")
    after = _wanted(entry, change)
    if after is not None:
        entry_values.require(after, now, taken=entry.taken, moved=True)
    decided = {"decided_by": actor.name[:40], "decided_at": now}
    rule = system_actor(actor.name)
    states.fire(CHANGE, change, "at_once" if at_once else "apply", rule if at_once else actor, now, values=decided)
    if after is None:
        shown = entry_values.moves(now, change_note=sentence(change), changed_at=now)
        verb, who = ("cancel_at_once", rule) if at_once else ("cancel", actor)
        states.fire(ENTRY, entry, verb, who, now, change.reason, values=shown)
        room_holds.follow(entry, verb, actor, now)
    else:
        apply_edit(actor, change, after, now)
    record(actor, change, "change_at_once" if at_once else "apply_change", now)
    topic = "entry.cancelled" if change.kind == CANCEL else "entry.changed"
    outbox.put(topic, str(change.id), {"entry_id": entry.id, "change_id": change.id}, now)
    if actor.centre_id != entry.centre_id:
        outbox.put("catalogue.change_applied", str(change.id), {"change_id": change.id}, now)


def _wanted(entry: Entry, change: EntryChange) -> EntryValues | None:
    """The row as it is now with the fields that were asked for; None for a cancellation."""
    if change.kind == CANCEL:
        return None
    before, after = entry_values.from_json(change.before), entry_values.from_json(change.after)
    wanted = replace(entry_values.values_of(entry), **{n: getattr(after, n) for n in rules.differing(before, after)})
    return room_holds.settled(wanted, entry.centre, entry.author_centre)


def apply_edit(actor: Actor, change: EntryChange, after: EntryValues, now: datetime) -> None:
    """Write the values of a change, say so on the page, and let the room follow. Needs the row's lock."""
    entry, room = change.entry, change.entry.venue_id
    entry_values.put_values(entry, after)
    entry.change_note, entry.changed_at = sentence(change), now
    entry_values.touched(entry, now)
    states.note(ENTRY, entry, "change", actor, now, change.reason, details={"changes": told(change)})
    db.session.flush()
    room_holds.edited(entry, room, actor, now)


def refuse_change(actor: Actor, change: EntryChange, reason: str, now: datetime) -> None:
    """The publisher does not agree and says why. Raises NotAllowed, NoSuchTransition, ReasonMissing, Stale."""
    decided = {"decided_by": actor.name[:40], "decided_at": now, "decision_reason": reason.strip()}
    states.fire(CHANGE, change, "refuse", actor, now, reason, values=decided)
    record(actor, change, "refuse_change", now)


def take_back_change(actor: Actor, change: EntryChange, now: datetime) -> None:
    """The asker's centre takes the request back before it is decided."""
    states.fire(CHANGE, change, "take_back", actor, now, values={"decided_at": now})
    record(actor, change, "take_back_change", now)


def record(actor: Actor, change: EntryChange, verb: str, now: datetime) -> None:
    """The audit row of a step of a change."""
    summary = f"{change.entry.title}：{change.reason}"
    entry_values.log(actor, change.entry, verb, now, changes=told(change), summary=summary)
