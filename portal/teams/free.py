"""Who is free: every member with yes or no and why (SPEC H7). Never an empty list without a reason.

Teams know no orders: what keeps somebody busy is registered by the features above (`busy`).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import select

from portal.centres.models import Centre
from portal.centres.queries import inside
from portal.core import clock, registry
from portal.core.db import db
from portal.teams import queries, rules
from portal.teams.models import Shift, Team, TeamMember
from portal.teams.rules import Busy, Hand

BusySource = Callable[[Sequence[int], datetime, datetime], list[Busy]]
busy_sources: dict[str, BusySource] = {}
Span = tuple[datetime, datetime]


def busy(source: BusySource) -> BusySource:
    """fn(member ids, since, until) -> what keeps them busy in [since, until). One statement each."""
    busy_sources[registry.name_of(source)] = source
    return source


@dataclass(frozen=True, slots=True)
class Candidate:
    """member: id, name, role, kind, skills. on, busy: of that day, for the strip."""

    id: int
    name: str
    role: str
    kind: str
    skills: tuple[str, ...]
    team: str
    can: bool
    code: str
    reason: str
    on: tuple[Span, ...]
    busy: tuple[Busy, ...]


def candidates(
    start: datetime, end: datetime, *, team_id: int | None = None, path: str = "", skill: str = ""
) -> list[Candidate]:
    """Every member of a team, or of all teams at `path` and below, for [start, end): those who can first, then the
    others, each with the reason. A member who left over a month ago is none any more.

    Two statements and one for each source of what keeps members busy, however many they are. Scope: the caller's.
    """
    wanted = select(TeamMember, Team.name).join(Team, Team.id == TeamMember.team_id)
    if team_id is not None:
        wanted = wanted.where(Team.id == team_id)
    else:
        wanted = wanted.join(Centre, Centre.id == Team.centre_id).where(*inside(path))
    day, p = clock.today(start), queries.policy()
    rows = [
        (m, name) for m, name in db.session.execute(wanted.order_by(TeamMember.id))
        if m.until is None or m.until > day - timedelta(days=31)
    ]  # fmt: skip
    ids = [m.id for m, _ in rows]
    on, rostered = _on_shift({m.team_id for m, _ in rows}, start, end)
    kept = _kept(ids, start, end)
    found = []
    for m, name in rows:
        hand = Hand(m.id, m.role, m.since, m.until)
        said = rules.verdict(hand, m.skills, (start, end), skill, on[m.id], m.team_id in rostered, kept[m.id], p)
        found.append(Candidate(
            m.id, m.name, m.role, m.kind, tuple(m.skills), name, said.can, said.code, said.reason, tuple(on[m.id]),
            tuple(kept[m.id]),
        ))  # fmt: skip
    return sorted(found, key=lambda c: (not c.can, c.code, len(c.busy), c.id))


def _on_shift(team_ids: set[int], start: datetime, end: datetime) -> tuple[dict[int, list[Span]], set[int]]:
    """Spans of shifts by member; which teams have a roster of the day at all."""
    p, day = queries.policy(), clock.today(start)
    days: list[date] = [day - timedelta(days=1), day, clock.today(end)]
    wanted = select(Shift.team_id, Shift.member_id, Shift.day, Shift.part)
    rows = db.session.execute(wanted.where(Shift.team_id.in_(team_ids), Shift.day.in_(days)))
    on, rostered = defaultdict[int, list[Span]](list), set[int]()
    for row in rows:
        first, last = p.part(row.part).span(row.day)
        if row.day == day:
            rostered.add(row.team_id)
        if row.member_id is not None and (row.day == day or last > start):
            on[row.member_id].append((first, last))
    return on, rostered


def _kept(ids: Sequence[int], start: datetime, end: datetime) -> dict[int, list[Busy]]:
    """What keeps them on that day."""
    first = clock.at(clock.today(start), datetime.min.time())
    last = max(end, first + timedelta(days=1)) + queries.policy().rest
    kept = defaultdict[int, list[Busy]](list)
    for source in busy_sources.values():
        for one in source(ids, first - queries.policy().rest, last) if ids else ():
            kept[one.member_id].append(one)
    return kept


def slots(member: TeamMember, first: date, days: int, length: timedelta, but: Span | None = None) -> list[Span]:
    """When this member could come for `length` in [first, first + days): each full hour of the day, 8 to 20.

    but: a span that is his already and would be given up (the visit that is moved). As many statements as `candidates`.
    """
    p, last = queries.policy(), first + timedelta(days=days)
    until = clock.at(last, datetime.min.time())
    on, rostered = _of_days([member.id], {member.team_id}, first, last)
    kept = [
        b for source in busy_sources.values() for b in source([member.id], clock.at(first, datetime.min.time()), until)
    ]
    hand = Hand(member.id, member.role, member.since, member.until)
    found = []
    for day in (first + timedelta(days=n) for n in range(days)):
        for hour in HOURS:
            start = clock.at(day, time(hour))
            span = start, start + length
            if span[1] > clock.at(day, time(HOURS.stop)):
                break
            others = [b for b in kept if (b.start, b.end) != but]
            if rules.verdict(hand, member.skills, span, "", on, (member.team_id, day) in rostered, others, p).can:
                found.append(span)
    return found


HOURS = range(8, 20)


def _of_days(
    ids: Sequence[int], team_ids: set[int], first: date, last: date
) -> tuple[list[Span], set[tuple[int, date]]]:
    wanted = select(Shift.team_id, Shift.member_id, Shift.day, Shift.part).where(
        Shift.team_id.in_(team_ids), Shift.day >= first - timedelta(days=1), Shift.day < last
    )
    rows = db.session.execute(wanted).all()
    p = queries.policy()
    on = [p.part(row.part).span(row.day) for row in rows if row.member_id in ids]
    return on, {(row.team_id, row.day) for row in rows}
