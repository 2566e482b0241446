"""Writes about who belongs to a group: a resident asks, their community answers (SPEC P2, S3). Flush only."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from portal.catalogue.models import Entry
from portal.centres import profile
from portal.core import remarks, scope, states
from portal.core.access import Actor
from portal.core.db import db
from portal.core.errors import DomainError
from portal.people.models import Resident
from portal.people.refusals import NoSuchPerson
from portal.signup.eligibility import queries, rules
from portal.signup.eligibility.models import ASKED, GroupClaim
from portal.signup.eligibility.rules import ME
from portal.signup.eligibility.states import MACHINE

MOST = 20  # claims of one resident that wait: a hand that presses on and on fills nobody's list


class NothingToAsk(DomainError):
    message = "现在没有要请社区确认的。"
    advice = "刷新这一页看看最新的情况。"


class NoHome(DomainError):
    message = "还不知道请哪个社区确认。"
    advice = "请先到“我的资料”选好您所在的社区。"


class ClaimGone(DomainError):
    status = 404
    message = "没有找到这一条。"
    advice = "请刷新看看最新的情况。"


def ask(actor: Actor, entry: Entry, value: str, now: datetime) -> list[GroupClaim]:
    """The acting resident asks their community to confirm what `entry` demands of somebody (value: 'me' or a
    relative's number). Asking twice is asking once. Raises NoSuchPerson, NothingToAsk, NoHome.
    """
    household = queries.household(actor.id or 0)
    person = next((one for one in household if one.value == value), None)
    if person is None:
        raise NoSuchPerson()
    home = db.session.scalar(select(Resident.home_centre_id).where(Resident.id == actor.id))
    if home is None:
        raise NoHome()
    wanted = queries.demand_of(entry, now)
    own = queries.claims(actor.id or 0)
    known = {row.group_code: row for row in own if row.person_key == queries.key_of(actor.id or 0, value)}
    statuses = {code: row.status for code, row in known.items()}
    codes = rules.to_ask(wanted, person, profile.current().confirmed_groups, statuses) if wanted else ()
    if not codes or sum(row.status == ASKED for row in own) >= MOST:
        raise NothingToAsk()
    return [_ask(actor, entry, value, code, known.get(code), home, now) for code in codes]


def _ask(
    actor: Actor, entry: Entry, value: str, code: str, before: GroupClaim | None, home: int, now: datetime
) -> GroupClaim:
    if before is not None:
        again = {"asked_at": now, "centre_id": home, "entry_id": entry.id, "decided_at": None, "reason": ""}
        states.fire(MACHINE, before, "ask_again", actor, now, values=again)
        return before
    claim = GroupClaim(
        centre_id=home, resident_id=actor.id, relative_id=None if value == ME else int(value), group_code=code,
        person_key=queries.key_of(actor.id or 0, value), entry_id=entry.id, status=ASKED, asked_at=now,
    )  # fmt: skip
    db.session.add(claim)
    db.session.flush()
    states.note(MACHINE, claim, "ask", actor, now)
    return claim


def decide(actor: Actor, claim_id: int, yes: bool, reason: str, now: datetime) -> GroupClaim:
    """The community's word, told to the resident. Reads in the caller's scope, so a neighbour's does not exist.

    Raises ClaimGone, NotAllowed, NoSuchTransition, ReasonMissing, Stale.
    """
    claim = db.session.scalar(select(GroupClaim).where(GroupClaim.id == claim_id))
    if claim is None:
        raise ClaimGone()
    values = {"decided_at": now, "decided_by": actor.name[:40], "reason": "" if yes else reason.strip()}
    states.fire(MACHINE, claim, "confirm" if yes else "refuse", actor, now, "" if yes else reason, values=values)
    return claim


def erase(resident_id: int) -> None:
    """The person leaves the portal: nothing of it is kept (P8)."""
    with scope.system("a person erases their data"):
        ids: Sequence[int] = db.session.scalars(
            select(GroupClaim.id).where(GroupClaim.resident_id == resident_id)
        ).all()
        remarks.blank(MACHINE.name, ids)
        db.session.execute(delete(GroupClaim).where(GroupClaim.resident_id == resident_id))
