"""Whom a resident may sign up, with what they told of each."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, func, select
from sqlalchemy.orm import joinedload

from portal.cases import ladder
from portal.catalogue.models import Entry
from portal.centres import profile
from portal.centres.models import Centre
from portal.centres.queries import inside
from portal.core import clock, reads, remarks, scope
from portal.core.access import Actor, Permission
from portal.core.db import db, packed
from portal.core.words import Refusal
from portal.people.models import Relative, Resident
from portal.signup.eligibility import rules
from portal.signup.eligibility.models import ASKED, GroupClaim
from portal.signup.eligibility.rules import ME, Person
from portal.signup.eligibility.states import LABELS, MACHINE

DESK = 40  # claims of a page

_HOUSEHOLD = (
    select(
        Resident.name, Resident.birth_year, Resident.groups, Relative.id.label("relative_id"),
        Relative.name.label("relative"), Relative.relation, Relative.birth_year.label("relative_year"),
    )
    .outerjoin(Relative, and_(Relative.resident_id == Resident.id, Relative.removed_at.is_(None)))
    .where(Resident.id == bindparam("resident_id"))
    .order_by(Relative.id)
)  # fmt: skip


def household(resident_id: int) -> list[Person]:
    """The resident first, then those they act for, oldest entry first. One statement."""
    rows = reads.own_rows(_HOUSEHOLD, resident_id=resident_id)
    if not rows:
        return []
    first = rows[0]
    people = [Person(ME, first.name, "我", first.birth_year, frozenset(first.groups or ()))]
    people += [Person(str(r.relative_id), r.relative, r.relation, r.relative_year) for r in rows if r.relative_id]
    return people


def aim_of(entry: Entry | Any) -> rules.Aim:
    """For whom an entry (or its brief) is."""
    return rules.aim(entry.audience, tuple(entry.groups or ()))


def year_of(entry: Entry | Any, now: datetime) -> int:
    """The year in which one would go there: ages are those of the day."""
    return clock.local(max(entry.first_start or now, now)).year


def fits(entry: Entry | Any, person: Person, household_: list[Person], now: datetime) -> bool | None:
    """Whether the entry is meant for this person; None: not known."""
    return rules.fits(aim_of(entry), person, year_of(entry, now), profile.current().group_ages, household_)


def best(entry: Entry | Any, people: list[Person], household_: list[Person], now: datetime) -> Person | None:
    """Whom of `people` it fits best, the resident before others; None for nobody."""
    value = rules.preselect(aim_of(entry), people, year_of(entry, now), profile.current().group_ages, household_)
    return next((one for one in people if one.value == value), None)


# What a rule demands --------------------------------------------------------------------------------------------------

_CLAIMS = (
    select(GroupClaim.id, GroupClaim.person_key, GroupClaim.group_code, GroupClaim.status, GroupClaim.reason)
    .where(GroupClaim.resident_id == bindparam("resident_id"))
    .order_by(GroupClaim.id)
)


def key_of(resident_id: int, value: str) -> str:
    """'r12' the resident, 'v34' a relative."""
    return f"r{resident_id}" if value == ME else f"v{value}"


def claims(resident_id: int) -> list[GroupClaim]:
    """What a resident has asked to be confirmed, of themselves and of those they act for."""
    own = select(GroupClaim).where(GroupClaim.resident_id == resident_id).order_by(GroupClaim.id)
    return list(db.session.scalars(own))


def demand_of(entry: Any, now: datetime) -> rules.Demand | None:
    """What an entry (or its brief) demands at this moment."""
    columns: rules.Demanding = entry
    return rules.demand(columns, profile.group_words(entry.groups or ()), now)


def refusals(entry: Entry | Any, resident_id: int, household_: list[Person], now: datetime) -> dict[str, Refusal]:
    """By value, why each of a household may not join at this moment. One statement where something is demanded, else
    none."""
    wanted = demand_of(entry, now)
    if wanted is None:
        return {}
    known, current, year = reads.own_rows(_CLAIMS, resident_id=resident_id), profile.current(), year_of(entry, now)
    found = {}
    for person in household_:
        own = [row for row in known if row.person_key == key_of(resident_id, person.value)]
        stands = rules.standing(
            wanted, person, year, current.group_ages, current.confirmed_groups, {r.group_code: r.status for r in own}
        )
        why = next((r.reason for r in own if r.status == rules.CLAIM_REFUSED and r.group_code in wanted.groups), "")
        refusal = rules.refusal(wanted, stands, person.name, why)
        if refusal is not None:
            found[person.value] = refusal
    return found


def personal(resident_id: int) -> list[dict[str, Any]]:
    """The resident's own claims as plain data for the export (P8)."""
    with scope.system("export of own data"):
        rows = claims(resident_id)
        said = remarks.about(MACHINE.name, [row.id for row in rows])
        return [
            {
                "人群": profile.group_words([row.group_code]), "谁": row.relative.name if row.relative else "本人",
                "状态": LABELS[row.status], "申请时间": clock.stamp(row.asked_at), "未确认原因": row.reason,
                "办理说明": said.get(row.id, []),
            }
            for row in rows
        ]  # fmt: skip


def desk(path: str, page: int) -> tuple[list[GroupClaim], bool]:
    """What the staff of the subtree at `path` are asked, the longest waiting first, then what was decided, the last
    first; and whether there is more."""
    homes = GroupClaim.centre_id.in_(select(Centre.id).where(*inside(path)))
    waits = case((GroupClaim.status == ASKED, 0), else_=1)
    ordered = select(GroupClaim).where(homes).options(
        joinedload(GroupClaim.resident).joinedload(Resident.home_centre), joinedload(GroupClaim.relative),
        joinedload(GroupClaim.entry),
    )  # fmt: skip
    ordered = ordered.order_by(
        waits, case((GroupClaim.status == ASKED, GroupClaim.asked_at)), GroupClaim.decided_at.desc()
    )
    rows = list(db.session.scalars(ordered.order_by(GroupClaim.id).limit(DESK + 1).offset((page - 1) * DESK)))
    return rows[:DESK], len(rows) > DESK


def to_confirm(actor: Actor) -> tuple[Any, Any]:
    """What waits for the actor: how many, and a packed row each, the longest waiting first (for registry.waiting)."""
    own = GroupClaim.centre_id.in_(ladder.answers_for(actor, Permission.SIGN_UPS))
    waits = GroupClaim.status == ASKED

    def rows() -> Select[Any]:
        row = packed(name=Resident.name, group=GroupClaim.group_code, since=GroupClaim.asked_at)
        joined = select(row).select_from(GroupClaim).join(Resident, Resident.id == GroupClaim.resident_id)
        return joined.where(own, waits).order_by(GroupClaim.asked_at)

    return select(func.count(GroupClaim.id)).where(own, waits).scalar_subquery(), rows
