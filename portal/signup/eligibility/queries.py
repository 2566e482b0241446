"""Whom a resident may sign up, with what they told of each."""

from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, select

from portal.catalogue.models import Entry
from portal.centres import profile
from portal.core import clock, reads
from portal.people.models import Relative, Resident
from portal.signup.eligibility import rules
from portal.signup.eligibility.rules import ME, Person

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
