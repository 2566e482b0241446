"""Who has which shift: from the weekly pattern, from last week, by hand, by swapping (SPEC H7). Flush only.

Every write of a team's roster holds the lock of the team's row: nobody stands in it twice, nothing is counted twice.
"""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import joinedload

from portal.core import audit, outbox, scope, states
from portal.core.access import Actor
from portal.core.db import db, hit
from portal.core.errors import DomainError, Stale
from portal.core.states import NoSuchTransition
from portal.teams import members, queries, rules
from portal.teams.errors import BadChoice, CannotServe, NoSuchShift, ShiftBegun, TakenBy, TwiceAtOnce
from portal.teams.models import OPEN, Shift, ShiftPattern, Team, TeamMember
from portal.teams.rules import Hand, Place
from portal.teams.states import MACHINE

MOST_DAYS, MOST_NEED = 31, 5
Needs = Mapping[tuple[int, str, str], int]  # (weekday, part, role) -> how many


def set_pattern(actor: Actor, team_id: int, needs: Needs, now: datetime) -> None:
    """How many a week needs, in place of what was said before; rosters made already stay.

    Raises NotAllowed, BadChoice. Lock: the team's row.
    """
    team = members.lock(team_id)
    members.check(actor, team.centre)
    p = queries.policy()
    parts, roles = {part.code for part in p.parts}, {"", *rules.ROLE_LABELS}
    for (weekday, part, role), need in needs.items():
        if weekday not in range(7) or part not in parts or role not in roles or not 0 <= need <= MOST_NEED:
            raise BadChoice()
    hit(delete(ShiftPattern).where(ShiftPattern.team_id == team.id), synchronize_session=False)
    db.session.add_all(
        ShiftPattern(team_id=team.id, centre_id=team.centre_id, weekday=w, part=part, role=role, need=need)
        for (w, part, role), need in needs.items()
        if need
    )
    db.session.flush()
    audit.record(actor, "edit", "team", team.id, now, summary=f"{team.name} 每周排班", centre_id=team.centre_id,
                 centre_path=team.centre.path)  # fmt: skip


def fill(actor: Actor, team_id: int, first: date, days: int, now: datetime) -> tuple[int, int]:
    """The shifts of [first, first + days) from the weekly pattern, and everybody in turn into what is open.

    What is filled stays as it is; doing it twice changes nothing. What begins in the past is left alone. Returns
    (filled now, still open). Raises NotAllowed. Lock: the team's row. A fixed number of statements, and two for each
    member.
    """
    team = members.lock(team_id)
    members.check(actor, team.centre)
    days = min(max(days, 1), MOST_DAYS)
    _make(actor, team, first, days, now)
    rows = queries.shifts(team.id, first - timedelta(days=1), days + 2)
    coming = [s for s in rows if first <= s.day < first + timedelta(days=days) and _begins(s) > now]
    places = [Place(s.id, s.day, s.part, s.role) for s in coming if s.status == OPEN]
    held = [(s.member_id, s.day, s.part) for s in rows if s.member_id is not None]
    shared = rules.share_out(places, _hands(team.id), held)
    _give(actor, {s.id: s for s in coming}, shared, now)
    return len(shared), len(places) - len(shared)


def _begins(shift: Shift) -> datetime:
    return queries.policy().part(shift.part).span(shift.day)[0]


def _hands(team_id: int) -> list[Hand]:
    wanted = select(TeamMember.id, TeamMember.role, TeamMember.since, TeamMember.until)
    rows = db.session.execute(wanted.where(TeamMember.team_id == team_id).order_by(TeamMember.id))
    return [Hand(*row) for row in rows]


def _make(actor: Actor, team: Team, first: date, days: int, now: datetime) -> None:
    """The places of the pattern that are not there yet, by one INSERT."""
    needs = queries.pattern(team.id)
    span = [first + timedelta(days=n) for n in range(days)]
    p = queries.policy()
    rows = [
        (day, n.part, n.role, slot)
        for day in span for n in needs if n.weekday == day.weekday() and p.part(n.part).span(day)[0] > now
        for slot in range(1, n.need + 1)
    ]  # fmt: skip
    _insert(actor, team, rows, now)


def _insert(actor: Actor, team: Team, rows: list[tuple[date, str, str, int]], now: datetime) -> None:
    common = {"team_id": team.id, "centre_id": team.centre_id, "status": OPEN, "told": 0, "member_id": None}
    values = [common | {"day": d, "part": part, "role": role, "slot": slot} for d, part, role, slot in rows]
    last = db.session.scalar(select(func.coalesce(func.max(Shift.id), 0))) or 0
    if values and outbox.insert_once(Shift, values):
        wanted = select(Shift.id).where(Shift.team_id == team.id, Shift.id > last).order_by(Shift.id)
        states.note_new(MACHINE, db.session.scalars(wanted), OPEN, "create", actor, now)


def _give(actor: Actor, rows: Mapping[int, Shift], shared: Mapping[int, int], now: datetime) -> None:
    by_member: dict[int, list[Shift]] = defaultdict(list)
    for place, member in shared.items():
        by_member[member].append(rows[place])
    for member, given in by_member.items():
        states.fire_many(
            MACHINE, given, "fill", actor, now, values={"member_id": member, "told": 0}, details={"member": member}
        )


def copy_week(actor: Actor, team_id: int, monday: date, now: datetime) -> tuple[int, int]:
    """The week from `monday` as the one before it: its shifts, and whoever had them where they can. What is filled
    stays. Returns (filled, still open). Raises NotAllowed. Lock: the team's row.
    """
    team = members.lock(team_id)
    members.check(actor, team.centre)
    before, week = queries.shifts(team.id, monday - timedelta(days=7), 7), timedelta(days=7)
    new = [(s.day + week, s.part, s.role, s.slot) for s in before]
    _insert(actor, team, [r for r in new if queries.policy().part(r[1]).span(r[0])[0] > now], now)
    had = {(s.day + week, s.part, s.role, s.slot): s.member_id for s in before if s.member_id is not None}
    there = queries.shifts(team.id, monday, 7)
    taken = {(s.member_id, s.day, s.part) for s in there if s.member_id is not None}
    hands = {h.id: h for h in _hands(team.id)}
    shared: dict[int, int] = {}
    free = [s for s in there if s.status == OPEN and _begins(s) > now]
    for s in free:
        who = had.get((s.day, s.part, s.role, s.slot))
        if who is None or (who, s.day, s.part) in taken:
            continue
        if hands[who].serves(s.day) and rules.fits(s.role, hands[who].role):
            shared[s.id] = who
            taken.add((who, s.day, s.part))
    _give(actor, {s.id: s for s in free}, shared, now)
    return len(shared), len(free) - len(shared)


def set_cells(actor: Actor, team_id: int, wanted: Mapping[int, int | None], now: datetime) -> int:
    """What the selects of a roster say: shift id -> member id or None. Only what differs is written; returns how many.

    Raises NoSuchShift, NotAllowed, CannotServe, TwiceAtOnce, ShiftBegun. Lock: the team's row.
    """
    team = members.lock(team_id)
    members.check(actor, team.centre)
    found = {s.id: s for s in db.session.scalars(
        select(Shift).where(Shift.team_id == team.id, Shift.id.in_(list(wanted))).options(joinedload(Shift.member))
    )}  # fmt: skip
    if len(found) != len(wanted):
        raise NoSuchShift()
    changed = [(found[number], member) for number, member in wanted.items() if found[number].member_id != member]
    hands = {h.id: h for h in _hands(team.id)}
    # First whoever goes, then whoever comes: two who change places never stand in one place.
    for shift, _ in changed:
        if _begins(shift) <= now:
            raise ShiftBegun()
        if shift.member_id is not None:
            _fire(shift, "clear", actor, None, now)
    for shift, member in changed:
        if member is not None:
            who = hands.get(member)
            if who is None or not who.serves(shift.day) or not rules.fits(shift.role, who.role):
                raise CannotServe()
            _once(shift, member)
            _fire(shift, "fill", actor, member, now)
    return len(changed)


def _once(shift: Shift, member: int) -> None:
    """Under the team's lock. Raises TwiceAtOnce."""
    clash = select(Shift.id).where(Shift.member_id == member, Shift.day == shift.day, Shift.part == shift.part)
    if db.session.scalar(clash.where(Shift.id != shift.id).limit(1)) is not None:
        raise TwiceAtOnce()


def _fire(shift: Shift, name: str, actor: Actor, member: int | None, now: datetime) -> None:
    details = {"member": member} if member is not None else {"member": shift.member_id}
    states.fire(MACHINE, shift, name, actor, now, values={"member_id": member, "told": 0}, details=details)


def add_place(actor: Actor, team_id: int, day: date, part: str, now: datetime) -> None:
    """One more is needed on one day. Raises NotAllowed, BadChoice, ShiftBegun. Lock: the team's row."""
    team = members.lock(team_id)
    members.check(actor, team.centre)
    p = queries.policy()
    if part not in {known.code for known in p.parts}:
        raise BadChoice()
    if p.part(part).span(day)[0] <= now:
        raise ShiftBegun()
    here = [Shift.team_id == team.id, Shift.day == day, Shift.part == part, Shift.role == ""]
    last = db.session.scalar(select(func.max(Shift.slot)).where(*here)) or 0
    if last >= 9:
        raise BadChoice("这个时段最多排 9 个人。")
    _insert(actor, team, [(day, part, "", last + 1)], now)


def drop_place(actor: Actor, team_id: int, shift_id: int, now: datetime) -> None:
    """An open place is not needed after all. Raises NotAllowed, Stale when somebody has it. Lock: the team's row."""
    team = members.lock(team_id)
    members.check(actor, team.centre)
    if hit(delete(Shift).where(Shift.id == shift_id, Shift.team_id == team.id, Shift.status == OPEN)) != 1:
        raise Stale("这个班已经有人了，或已经去掉了。")
    audit.record(actor, "delete", "shift", shift_id, now, summary=team.name, centre_id=team.centre_id,
                 centre_path=team.centre.path)  # fmt: skip


# Swapping: two taps ---------------------------------------------------------------------------------------------------


def _shift(shift_id: int) -> Shift:
    wanted = select(Shift).where(Shift.id == shift_id).options(joinedload(Shift.team).joinedload(Team.centre))
    found = db.session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise NoSuchShift()
    return found


def _own_team(actor: Actor, shift: Shift, now: datetime) -> TeamMember:
    mine = next((m for m in members.link(actor, now) if m.team_id == shift.team_id), None)
    if mine is None:
        raise NoSuchShift()  # of a team that is not his: not even that it is there
    if _begins(shift) <= now:
        raise ShiftBegun()
    return mine


def offer(actor: Actor, shift_id: int, now: datetime) -> Shift:
    """想换班: colleagues are asked; until one takes it, it stays his. Raises NoSuchShift, ShiftBegun, NotYourTurn."""
    with scope.system("a member's own shift"):
        shift = _shift(shift_id)
        _own_team(actor, shift, now)
        states.fire(MACHINE, shift, "offer", actor, now)
    return shift


def take_back(actor: Actor, shift_id: int, now: datetime) -> Shift:
    """The shift is kept after all. Raises NoSuchShift, NoSuchTransition, NotYourTurn."""
    with scope.system("a member's own shift"):
        shift = _shift(shift_id)
        _own_team(actor, shift, now)
        states.fire(MACHINE, shift, "take_back", actor, now)
    return shift


def swap(actor: Actor, shift_id: int, now: datetime) -> Shift:
    """我来接: the shift is this member's from now on. Of two at once one gets it, the other hears who has.

    Raises NoSuchShift, ShiftBegun, CannotServe, TwiceAtOnce, TakenBy. The status decides (UPDATE … WHERE status).
    """
    with scope.system("a shift that a colleague offers"):
        shift = _shift(shift_id)
        mine = _own_team(actor, shift, now)
        if not mine.serves(shift.day) or not rules.fits(shift.role, mine.role):
            raise CannotServe()
        before = shift.member_id
        if before != mine.id:
            _once(shift, mine.id)
        with suppress(NoSuchTransition, Stale):
            states.fire(
                MACHINE, shift, "swap", actor, now, values={"member_id": mine.id, "told": 0},
                details={"member": mine.id, "before": before},
            )  # fmt: skip
            return shift
        raise _lost(shift_id, mine)


def _lost(shift_id: int, mine: TeamMember) -> DomainError:
    shift = _shift(shift_id)
    who = shift.member.name if shift.member is not None else ""
    if shift.member_id == mine.id:
        return TakenBy("这个班已经是您的了。")
    return TakenBy(f"这个班刚刚由{who}接走了。" if who else "", advice="不用您来了，谢谢。")


def week_of(day: date) -> date:
    """The Monday of its week."""
    return day - timedelta(days=day.weekday())
