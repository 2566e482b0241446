"""From the author through the reviewers: offer, issue, approve, return, correct, allot (SPEC C4, C6)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from portal.cases import ladder
from portal.catalogue import rules
from portal.catalogue.actions import bulk_steps, drafting, entry_values, room_holds
from portal.catalogue.actions.bulk_steps import Left, Outcome
from portal.catalogue.models import ACCEPTED, APPROVED, IN_REVIEW, RETURNED, Entry, EntryChange
from portal.catalogue.rules import EntryValues
from portal.catalogue.states import ASKED, ENTRY, decides, holds, next_reviewer, owns, publishes, reviewers, turn
from portal.catalogue.timetext.parts import errors
from portal.centres.models import Centre
from portal.core import audit, outbox, registry, states
from portal.core.access import Actor, Permission, system_actor
from portal.core.db import db
from portal.core.errors import Invalid, NotAllowed

YES = ("accept", "pass_on", "approve")
MENDED: dict[str, Any] = {"returned_by_id": None, "return_reason": "", "return_field": ""}


def _refuse_unready(entry: Entry, now: datetime) -> None:
    """Raises InvalidRow when the row has errors."""
    problems = errors(rules.check(entry_values.values_of(entry), now, to_allot=entry_values.to_allot(entry)))
    if problems:
        raise entry_values.InvalidRow(problems)


def _tell_next(entry: Entry, now: datetime) -> None:
    """Who decides next hears that the row has arrived."""
    payload = {"entry_id": entry.id, "centre_id": entry.waits_at_id}
    outbox.put("catalogue.offered", f"{entry.id}:{entry.version}", payload, now)


def offer(actor: Actor, entry: Entry, now: datetime, *, version: int | None = None) -> None:
    """Send one draft to its first reviewer; at the top of the tree it is approved at once (C4).

    From now on its room is held for it. Raises NotAllowed, InvalidRow (NoRoom: the room is taken), Stale. Locks the
    row, then its room.
    """
    entry_values.lock(entry, version)
    _refuse_unready(entry, now)
    room_holds.follow(entry, _send(actor, entry, now), actor, now)
    entry_values.log(actor, entry, "offer", now)
    if entry.waits_at_id is not None:
        _tell_next(entry, now)


def _way_up(actor: Actor, entry: Entry) -> tuple[str, Centre | None]:
    """The transition that brings a draft or an accepted row to whoever decides next, and who that is."""
    if entry.status == ACCEPTED:
        return "hand_in", next_reviewer(entry, replace(actor, centre_path=""))  # the next above, whoever presses
    target = next(iter(reviewers(entry)), None)
    return "submit" if target is not None else "settle", target


def _send(actor: Actor, entry: Entry, now: datetime) -> str:
    name, target = _way_up(actor, entry)
    values = entry_values.moves(now, **turn(target, now), **MENDED)
    states.fire(ENTRY, entry, name, actor, now, values=values)
    return name


def ways_up(actor: Actor, entries: Iterable[Entry], among: frozenset[int]) -> dict[tuple[str, int | None], list[Entry]]:
    """Many rows by the transition that sends them up and the centre where they then wait."""
    found: dict[tuple[str, int | None], list[Entry]] = {}
    for entry in entries:
        name, target = _way_up(actor, entry)
        at = ladder.desk(target, Permission.REVIEW, among) if target is not None else None
        found.setdefault((name, at.id if at else None), []).append(entry)
    return found


def approve(
    actor: Actor, entry: Entry, now: datetime, *, version: int | None = None, among: frozenset[int] | None = None
) -> str:
    """Say yes: a community accepts a station's row, a reviewer passes it on, the last one approves it (C4).

    A centre above the waiting one may decide in its place; the history says so. Returns the transition's name.
    Raises NotAllowed, NoSuchTransition, Stale. Locks the row.
    """
    entry_values.need(actor, Permission.REVIEW)
    entry_values.lock(entry, version)
    transition = next((t for n in YES if (t := ENTRY.transition(n)).refusal(entry, actor) is None), None)
    if transition is None:
        refusal = ENTRY.transition("approve").refusal(entry, actor)
        raise refusal or NotAllowed()
    target = entry.waits_at if transition.name == "accept" else next_reviewer(entry, actor)
    states.fire(
        ENTRY, entry, transition.name, actor, now, details=_in_place_of(entry, actor),
        values=entry_values.moves(now, **turn(target, now, among), **MENDED),
    )  # fmt: skip
    entry_values.log(actor, entry, transition.name, now)
    return transition.name


def _in_place_of(entry: Entry, actor: Actor) -> dict[str, Any] | None:
    if actor.kind == "system" or entry.waits_at is None or actor.centre_id == entry.waits_at_id:
        return None
    return {"in_place_of": entry.waits_at.label}


def approve_all(actor: Actor, entries: Iterable[Entry], now: datetime) -> int:
    """Say yes to every row whose turn is with this actor; others are left as they are. Returns how many. Flushes."""
    return approve_rows(actor, [entry.id for entry in entries], now).done


def approve_rows(actor: Actor, ids: Iterable[int], now: datetime, step_id: int | None = None) -> Outcome:
    """Many rows at once, by a fixed number of statements for each way they go on. Locks the rows. Flushes only."""
    entry_values.need(actor, Permission.REVIEW)
    tree, among = entry_values.whole_tree(), ladder.staffed(Permission.REVIEW)
    found, ways, left = bulk_steps.locked(ids), {}, []  # type: ignore[var-annotated]
    for entry in found:
        way = _way_on(actor, entry, among)
        if way is None:
            left.append(Left(entry.id, entry.title, "已被别人处理或不轮到您"))
        else:
            ways.setdefault(way, []).append(entry)
    done = [entry for rows in ways.values() for entry in rows]
    step_id = bulk_steps.remember(actor, "approve", done, now, step_id) or step_id
    for (name, at, place), rows in ways.items():
        values = entry_values.moves(now, waits_at_id=at, waits_since=now if at else None, **MENDED)
        details = {"in_place_of": place} if place else None
        states.fire_many(ENTRY, rows, name, actor, now, details=details, values=values)
    tree.clear()
    _note_many(actor, "approve_many", done, "通过", now)
    return Outcome(len(done), left, step_id)


def _way_on(actor: Actor, entry: Entry, among: frozenset[int]) -> tuple[str, int | None, str] | None:
    """This actor's yes: the transition, where the row then waits, in whose place; None when it is not theirs."""
    transition = next((t for n in YES if (t := ENTRY.transition(n)).refusal(entry, actor) is None), None)
    if transition is None:
        return None
    target = entry.waits_at if transition.name == "accept" else next_reviewer(entry, actor)
    at = ladder.desk(target, Permission.REVIEW, among) if target is not None else None
    return transition.name, at.id if at else None, (_in_place_of(entry, actor) or {}).get("in_place_of", "")


def _note_many(actor: Actor, verb: str, rows: Sequence[Entry], word: str, now: datetime, why: str = "") -> None:
    """One audit line for what was done to many rows."""
    if rows:
        ids = [row.id for row in rows]
        audit.record(
            actor, verb, "entry", None, now, summary=f"{word} {len(ids)} 条{why and '：'}{why}", after={"entries": ids}
        )


def return_rows(
    actor: Actor, ids: Iterable[int], reason: str, field: str, now: datetime, step_id: int | None = None
) -> Outcome:
    """Send many rows back for one reason; each author is told once. Others are left. Locks the rows. Flushes only.

    Raises NotAllowed, ReasonMissing.
    """
    entry_values.need(actor, Permission.REVIEW)
    if not reason.strip():
        raise states.ReasonMissing()
    tree = entry_values.whole_tree()
    found = bulk_steps.locked(ids)
    back = ENTRY.transition("return")
    done = [e for e in found if back.refusal(e, actor) is None]
    left = [Left(e.id, e.title, "已被别人处理或不轮到您") for e in found if e not in done]
    step_id = bulk_steps.remember(actor, "return", done, now, step_id) or step_id
    ways: dict[tuple[int | None, str], list[Entry]] = {}
    for entry in done:
        place = (_in_place_of(entry, actor) or {}).get("in_place_of", "")
        ways.setdefault((_returning_centre(entry, actor), place), []).append(entry)
    for (back_to, place), rows in ways.items():
        values = entry_values.moves(
            now, waits_at_id=None, waits_since=now, returned_by_id=back_to, return_reason=reason.strip(),
            return_field=field if field in rules.LABELS else "",
        )  # fmt: skip
        details = {"in_place_of": place} if place else None
        states.fire_many(ENTRY, rows, "return", actor, now, reason, about=field, details=details, values=values)
    tree.clear()
    _note_many(actor, "return_many", done, "退回", now, reason.strip())
    if done:
        payload = {"ids": [e.id for e in done], "centre_id": actor.centre_id}
        outbox.put("catalogue.returned_many", f"{done[0].id}:{len(done)}:{int(now.timestamp())}", payload, now)
    return Outcome(len(done), left, step_id)


def return_entry(
    actor: Actor, entry: Entry, reason: str, field: str, now: datetime, *, version: int | None = None
) -> None:
    """Send a row back to its author with a reason beside a field ('' for the whole row; C4, C6).

    Also an approved one, by the publisher, before it is published. Once mended it comes straight back to the centre
    that returned it. Raises NotAllowed, ReasonMissing, Stale. Locks the row.
    """
    entry_values.lock(entry, version)
    back_to = _returning_centre(entry, actor)
    states.fire(
        ENTRY, entry, "return", actor, now, reason, about=field, details=_in_place_of(entry, actor),
        values=entry_values.moves(
            now, waits_at_id=None, waits_since=now, returned_by_id=back_to,
            return_reason=reason.strip(), return_field=field if field in rules.LABELS else "",
        ),
    )  # fmt: skip
    entry_values.log(actor, entry, "return_entry", now, summary=f"{entry.title}：{reason.strip()}")


def _returning_centre(entry: Entry, actor: Actor) -> int | None:
    above = [c.id for c in reviewers(entry)]
    if actor.centre_id in above:
        return actor.centre_id
    if entry.waits_at_id is not None:
        return entry.waits_at_id
    return above[-1] if above else actor.centre_id


def correct(
    actor: Actor, entry: Entry, values: EntryValues, now: datetime, *, reason: str = "", version: int | None = None
) -> entry_values.Changes:
    """The reviewer mends a row in place; before and after stay visible to the author (C4).

    Returns [label, before, after]. Raises NotAllowed, InvalidRow (NoRoom), Stale. Locks the row, then its rooms.
    """
    entry_values.need(actor, Permission.REVIEW)
    entry_values.lock(entry, version)
    entry_values.refuse(_may_correct(entry, actor))
    changes = drafting.rewrite(actor, entry, values, now, "correct", reason)
    if changes:
        payload = {"entry_id": entry.id, "actor": actor.name}
        outbox.put("catalogue.corrected", f"{entry.id}:{entry.version}", payload, now)
    return changes


def _may_correct(entry: Entry, actor: Actor) -> str | None:
    if entry.status == IN_REVIEW:
        return decides(entry, actor)
    if entry.status == ACCEPTED:
        return holds(entry, actor)
    if entry.status == APPROVED:
        return publishes(entry, actor)
    return "这一条现在不能更正。"


def resubmit(actor: Actor, entry: Entry, now: datetime, *, version: int | None = None) -> None:
    """A mended row goes straight back to whom returned it. Raises NotAllowed, InvalidRow (NoRoom), Stale."""
    entry_values.lock(entry, version)
    if entry.status == RETURNED:
        _refuse_unready(entry, now)
    back_to = db.session.get(Centre, entry.returned_by_id) if entry.returned_by_id else None
    values = entry_values.moves(now, **turn(back_to, now), **MENDED)
    states.fire(ENTRY, entry, "resubmit", actor, now, values=values)
    room_holds.follow(entry, "resubmit", actor, now)
    entry_values.log(actor, entry, "resubmit", now)
    _tell_next(entry, now)


def recall(actor: Actor, entry: Entry, now: datetime, *, version: int | None = None) -> None:
    """The owner takes a row back while its first reviewer has not decided; its room is free again.

    Raises NotAllowed, Stale.
    """
    entry_values.lock(entry, version)
    states.fire(ENTRY, entry, "recall", actor, now, values=entry_values.moves(now, waits_at_id=None, waits_since=None))
    room_holds.follow(entry, "recall", actor, now)
    entry_values.log(actor, entry, "recall", now)


@registry.on_staffing
def resettle(now: datetime) -> None:
    """Rows and changes that wait where nobody decides any more go to the nearest that does (SPEC C4); since when they
    wait stays. Locks the rows.
    """
    here = ladder.staffed(Permission.REVIEW)
    rows = select(Entry).where(Entry.status == IN_REVIEW, Entry.waits_at_id.not_in(here)).with_for_update(of=Entry)
    moved: Counter[tuple[int, int, str]] = Counter()
    for entry in list(db.session.scalars(rows.order_by(Entry.id))):
        nominal = entry.waits_at or entry.centre
        to = ladder.desk(nominal, Permission.REVIEW, here)
        if to.id != nominal.id:
            entry.waits_at_id = to.id
            entry_values.touched(entry, now)
            states.note(ENTRY, entry, "lift", system_actor(), now, ladder.instead(nominal, to))
            moved[nominal.id, to.id, entry.month] += 1
    publishers = ladder.staffed(Permission.PUBLISH)
    asked = select(EntryChange).where(EntryChange.status == ASKED, EntryChange.waits_at_id.not_in(publishers))
    for change in list(db.session.scalars(asked.order_by(EntryChange.id))):
        nominal = db.session.get_one(Centre, change.waits_at_id)
        change.waits_at_id = ladder.desk(nominal, Permission.PUBLISH, publishers).id
    db.session.flush()
    for (old, new, month), count in moved.items():
        payload = {"from": old, "to": new, "month": month, "count": count}
        outbox.put("catalogue.lifted", f"{old}:{new}:{month}:{int(now.timestamp())}", payload, now)


def hold_room(actor: Actor, entry: Entry, now: datetime) -> None:
    """Book the room that a row should have but could not get before. Raises NotAllowed, NoRoom. Locks row and room."""
    entry_values.need(actor, Permission.PLAN)
    entry_values.refuse(owns(entry, actor))
    entry_values.lock(entry)
    room_holds.edited(entry, entry.venue_id, actor, now)
    entry_values.log(actor, entry, "hold_room", now)


class NoCommunity(Invalid):
    message = "请选择要分配到的社区。"
    field = "centres"


def allot(actor: Actor, entry: Entry, centres: Iterable[Centre], now: datetime) -> list[Entry]:
    """Place a department's plan in the lists of communities: approved at once, they are told (C4).

    The row itself goes to the first one and keeps its room; the others get their own copies, each in its community's
    room of that name when there is one and it is free. Without a place it is the community's centre.
    Raises NotAllowed, NoCommunity, NoRoom, Stale.
    """
    entry_values.need(actor, Permission.REVIEW)
    chosen = list(dict.fromkeys(centres))
    if not chosen:
        raise NoCommunity()
    for centre in chosen:
        entry_values.need_inside(actor, centre)
    entry_values.lock(entry)
    _refuse_unready(entry, now)
    refusal = ENTRY.transition("allot").refusal(entry, actor)
    if refusal is not None:
        raise refusal
    copies = [_twin(actor, entry, centre, now) for centre in chosen[1:]]
    placed = [entry, *copies]
    for row, centre in zip(placed, chosen, strict=True):
        _place(actor, row, centre, now)
    room_holds.allotted(actor, placed, now)
    return placed


def _twin(actor: Actor, entry: Entry, centre: Centre, now: datetime) -> Entry:
    values = replace(entry_values.values_of(entry), venue_id=None)  # one room cannot be in several lists at once
    twin = drafting.new_entry(actor, centre, values, now)
    twin.department_id, twin.author_centre_id = entry.department_id, entry.author_centre_id
    twin.copied_from_id = entry.id
    return twin


def _place(actor: Actor, entry: Entry, centre: Centre, now: datetime) -> None:
    place = entry.place.strip() or centre.name
    values = entry_values.moves(
        now, centre_id=centre.id, place=place, check_note="", waits_at_id=None, waits_since=None, **MENDED
    )
    states.fire(ENTRY, entry, "allot", actor, now, details={"centre": centre.label}, values=values)
    entry_values.log(actor, entry, "allot", now, summary=f"{entry.title} → {centre.label}")
    payload = {"entry_id": entry.id, "centre_id": centre.id}
    outbox.put("catalogue.allotted", f"{entry.id}:{entry.version}", payload, now)
