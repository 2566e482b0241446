"""How members are told: in the account they are linked with; who has none is reached through the centre."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from portal.cases import ladder
from portal.centres.models import Centre
from portal.core.access import Permission
from portal.core.db import db
from portal.core.words import Words
from portal.notices.actions import Told, tell_residents, tell_staff
from portal.people.models import Resident
from portal.teams.models import TeamMember


def _residents(members: Iterable[TeamMember]) -> set[int]:
    """Residents who are members, linked or by their number. One statement when some are not linked."""
    every = [m for m in members if m.staff_id is None]
    found = {m.resident_id for m in every if m.resident_id is not None}
    phones = {m.phone for m in every if m.resident_id is None and m.phone}
    if phones:
        found |= set(db.session.scalars(select(Resident.id).where(Resident.phone.in_(phones))))
    return found


def tell(members: Iterable[TeamMember], words: Words, link: str, key: str, now: datetime) -> int:
    """Put it into the inbox of each; by text to those who are residents. Returns how many accounts it reached.

    link: for staff; residents are led to /m. Told once per key, however often it runs.
    """
    every = list(members)
    staff = {m.staff_id for m in every if m.staff_id is not None}
    residents = sorted(_residents(every))
    tell_staff(staff, words.kind, words.title, words.body, link, key, now)
    told = [Told(number, key) for number in residents]
    if told:
        tell_residents(told, words.kind, words.title, words.body, "/m", now)
    return len(staff) + len(residents)


def tell_or_centre(
    members: Iterable[TeamMember], centre: Centre, words: Words, link: str, key: str, now: datetime
) -> None:
    """As `tell`; where it reaches nobody, whoever keeps the centre's teams is told instead."""
    if not tell(members, words, link, key, now):
        at = ladder.people_at(centre, Permission.TEAMS)
        tell_staff(at, words.kind, words.title, words.body, link, key, now)
