"""The one door to what only those may read who have accepted a request: address, telephone, voice (SPEC H5, P8).

Everything else in the feature shows masked columns. Each reading is a row that the resident sees, and an audit line.
Reading writes, so it is a POST wherever somebody presses for it.
"""

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select

from portal.cases import ladder
from portal.cases import queries as cases
from portal.centres import queries as centres
from portal.core import audit, scope
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.help_requests import help_kinds
from portal.help_requests.errors import NotReadable
from portal.help_requests.models import DONE, TAKEN, HelpAddress, HelpReading, HelpRequest
from portal.help_requests.rules import Spot
from portal.help_requests.states import KIND, has_it
from portal.people.models import Relative, Resident

Field = Literal["address", "phone", "voice"]
LABELS: dict[str, str] = {"address": "住址", "phone": "电话", "voice": "语音"}


def accepted_by(request: HelpRequest, actor: Actor) -> bool:
    """Whether the actor's own unit has accepted it; levels above and below have not."""
    if actor.department_id is not None or request.taken_department_id is not None:
        return actor.department_id == request.taken_department_id
    return actor.centre_id is not None and actor.centre_id == request.taken_id


def may_read(request: HelpRequest, actor: Actor, field: Field, now: datetime) -> bool:
    """Whether this unit has accepted it and it is not over for longer than the profile's days.

    Whose staff wrote it down for somebody who rang may see that number while they have to ring back: they typed it.
    """
    if actor.kind != "staff" or not actor.can(Permission.HELP):
        return False
    days = timedelta(days=help_kinds.policy().position_days)
    if request.closed_at is not None and now >= request.closed_at + days:
        return False
    here = actor.department_id is None and actor.centre_id == request.recorded_centre_id
    if field == "phone" and request.call_text and here:
        return True
    open_now = request.status in TAKEN or request.status == DONE or request.closed_at is not None
    return open_now and request.taken_at is not None and accepted_by(request, actor)


def may_read_words(request: HelpRequest, actor: Actor) -> bool:
    """What somebody needs help with: whoever sees the request; of a health-like kind only who has it or accepted it."""
    if not request.health or actor.kind == "system":
        return True
    own = actor.centre_id is not None and actor.centre_id in (request.case.waits_at_id, request.recorded_centre_id)
    if actor.department_id is not None:
        offered = cases.offered(request.case_id)
        asked = offered is not None and offered.to_department_id == actor.department_id
        return asked or has_it(request, actor) is None or accepted_by(request, actor)
    return own or accepted_by(request, actor) or _in_its_place(request, actor)


def _in_its_place(request: HelpRequest, actor: Actor) -> bool:
    """Of the levels above, who answers because nobody works where it waits, or whom it was offered."""
    here = db.session.scalars(ladder.answers_for(actor, KIND.permission)).all()
    if request.case.waits_at_id in here:
        return True
    offered = cases.offered(request.case_id)
    return offered is not None and offered.to_department_id is None and offered.to_id in here


def read(actor: Actor, request: HelpRequest, field: Field, now: datetime) -> str:
    """One field in full; voice: the file's name. Raises NotReadable before the actor's unit has accepted it."""
    if not may_read(request, actor, field, now):
        raise NotReadable()
    unit = centres.get(actor.centre_id)
    note(request, field, now, account_id=actor.id, reader=actor.name, unit=unit.label if unit else "")
    audit.record(
        actor, "unmask", "help_request", request.id, now, summary=f"查看{LABELS[field]}：求助 #{request.id}",
        centre_id=request.centre_id,
    )  # fmt: skip
    return _value(request, field)


def read_for_member(request: HelpRequest, field: Field, name: str, unit: str, now: datetime) -> str:
    """As `read`, for a member of the team who has confirmed an order; the caller has proved that."""
    if request.status not in TAKEN:
        raise NotReadable()
    note(request, field, now, account_id=None, reader=name, unit=unit)
    return _value(request, field)


def note(request: HelpRequest, field: str, now: datetime, *, account_id: int | None, reader: str, unit: str) -> None:
    """One reading, for the resident's own data. Flushes."""
    row = HelpReading(
        request_id=request.id, centre_id=request.centre_id, field=field, account_id=account_id, reader=reader[:40],
        unit=unit[:80], at=now,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()


def _value(request: HelpRequest, field: Field) -> str:
    with scope.system("a private field that was accepted and noted"):
        if field == "address":
            row = db.session.get(HelpAddress, request.address_id) if request.address_id else None
            return row.text if row is not None else ""
        if field == "voice":
            return request.voice_file
        relative = db.session.get(Relative, request.relative_id) if request.relative_id else None
        # Staff typed the resident's number; a relative of somebody not confirmed has none of its own.
        own = relative.phone if relative is not None and not request.caller_name else ""
        return own or db.session.get_one(Resident, request.resident_id).phone or ""


def spots(request_ids: list[int]) -> dict[int, Spot]:
    """What nearness is computed of, for the system alone: it is compared and never shown. One statement."""
    wanted = select(HelpRequest.id, HelpRequest.person_key, HelpAddress).outerjoin(
        HelpAddress, HelpAddress.id == HelpRequest.address_id
    )
    with scope.system("nearness, of which only a word is shown"):
        return {
            number: Spot(key, row.text, row.latitude, row.longitude) if row is not None else Spot(key)
            for number, key, row in db.session.execute(wanted.where(HelpRequest.id.in_(request_ids)))
        }
