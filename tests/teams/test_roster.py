"""A roster from a pattern, gaps told once, swaps that one wins, members who leave (SPEC H7)."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal.core import registry, scope, states
from portal.core.access import system_actor
from portal.core.db import db, writing
from portal.core.errors import DomainError, NotAllowed
from portal.core.states import NoSuchTransition
from portal.notices.models import InboxMessage
from portal.teams import deadlines, members, queries, roster, rules
from portal.teams.errors import CannotServe, NoSuchShift, TakenBy, TwiceAtOnce
from portal.teams.models import FILLED, OFFERED, OPEN, Shift, Team, TeamMember
from portal.teams.rules import Hand, Place
from portal.teams.states import MACHINE
from tests.concurrency import Gap, by_itself, in_the_gap, rush
from tests.factories import NOW, Town
from tests.teams.conftest import TODAY, by_name, deliver, shift

WEEK = {(w, part, ""): 2 for w in range(7) for part in ("am", "pm")} | {(w, "evening", "leader"): 1 for w in range(5)}
WEEK |= {(w, "night", ""): 1 for w in range(7)}
DAY = timedelta(days=1)


def letters(session: Any) -> list[tuple[int, str]]:
    session.rollback()
    rows = session.execute(
        select(InboxMessage.person_id, InboxMessage.title)
        .where(InboxMessage.kind.like("team.%"))
        .order_by(InboxMessage.id)
    )
    return [tuple(row) for row in rows]


def test_a_month_of_twelve_people_in_two_posts(
    session: Any, town: Town, team: Team, client: Any, as_staff: Any, count_queries: Any
) -> None:
    """31 days planned from the weekly pattern: every place filled, shared out evenly, nobody twice at a moment."""
    as_staff(client, town.staff["A1-OP"])
    form = {f"{'l' if role else 'n'}-{w}-{part}": str(need) for (w, part, role), need in WEEK.items()}
    where, base = {"from": TODAY.isoformat(), "days": "31"}, f"/staff/teams/{team.id}"
    assert client.post(f"{base}/pattern", data=form).status_code == 303
    with count_queries() as seen:
        assert client.post(f"{base}/roster/fill", data=where).status_code == 303
    assert len(seen) < 80  # two for each member, none for each shift
    session.rollback()
    rows = list(session.scalars(select(Shift).where(Shift.team_id == team.id)))
    open_rows = [r for r in rows if r.status == OPEN]
    assert len(rows) > 31 * 5 - 10 and not open_rows
    assert max(Counter((r.member_id, r.day, r.part) for r in rows).values()) == 1
    leaders = {m.id for m in team.members if m.role == "leader"}
    assert {r.member_id for r in rows if r.role == "leader"} <= leaders
    load = Counter(r.member_id for r in rows)
    assert len(load) == 12 and max(load.values()) - min(load.values()) <= 4
    assert client.post(f"{base}/roster/fill", data=where).status_code == 303  # again: nothing changes
    session.rollback()
    assert {(r.id, r.member_id) for r in rows} == {(r.id, r.member_id) for r in session.scalars(select(Shift))}
    page = client.get(f"{base}/roster?from={TODAY.isoformat()}&days=31")
    assert "100%" in page.text and page.text.count('<select name="s') == len(rows)


def test_sharing_out() -> None:
    """No night before a morning; whoever has left or is no leader takes nothing; what nobody fits stays open."""
    day = date(2026, 12, 1)
    two = [Hand(1, "member", day, None), Hand(2, "leader", day, day + DAY)]
    places = [Place(1, day, "night", ""), Place(2, day + DAY, "am", ""), Place(3, day, "am", "captain")]
    places.append(Place(4, day, "evening", "leader"))
    assert rules.share_out(places, two, []) == {1: 1, 4: 2}
    assert rules.coverage(199, 200) == 99 and rules.coverage(0, 0) == 100


def test_gaps_are_told_once_under_two_schedulers(session: Any, town: Town, team: Team) -> None:
    with writing():
        inside, far = shift(team, 3), shift(team, 9)
        soon = shift(team, 0, "evening")
    for now in (NOW, NOW, NOW + timedelta(minutes=20)):
        deadlines.gaps(now)
        deadlines.gaps(now)
        deliver()
    captain, contact = town.staff["A1"].id, town.staff["A1-OP"].id
    assert letters(session) == [
        (contact, "甲一服务队：未来 7 天有 2 个班缺人"), (captain, "甲一服务队：24 小时内有 1 个班没人"),
    ]  # fmt: skip
    assert (inside.told, soon.told, far.told) == (1, 2, 0)
    # Filled and open again is a new gap; a day before it the captain hears of it.
    with writing():
        roster.set_cells(town.actor("A1"), team.id, {inside.id: by_name(team, "队员0").id}, NOW)
        roster.set_cells(town.actor("A1"), team.id, {inside.id: None}, NOW)
    assert deadlines.gaps(NOW) == 1
    assert deadlines.gaps(inside_start(inside) - timedelta(hours=23)) == 2  # this one's captain; the far one
    deliver()
    assert [who for who, _ in letters(session)] == [contact, captain, contact, contact, captain]


def inside_start(row: Shift) -> Any:
    return queries.policy().part(row.part).span(row.day)[0]


def test_without_contact_person_the_centre_is_told(session: Any, town: Town, team: Team) -> None:
    with writing():
        db.session.execute(db.update(TeamMember).values(staff_id=None, resident_id=None, phone=""))
        shift(team, 3)
    deadlines.gaps(NOW)
    deliver()
    assert {who for who, _ in letters(session)} == {town.staff["A1"].id, town.staff["A1-OP"].id}


@pytest.fixture
def offered(session: Any, town: Town, team: Team) -> Shift:
    with writing():
        row = shift(team, 3, who=by_name(team, "居民甲"))
        roster.offer(town.resident_actor(0), row.id, NOW)
    return row


def test_a_swap_by_two_taps(session: Any, town: Town, team: Team, offered: Shift) -> None:
    deliver()
    assert ("居民甲想换班，您能接吗？" in {title for _, title in letters(session)}) and offered.status == OFFERED
    with writing():
        roster.swap(town.resident_actor(1), offered.id, NOW)
    deliver()
    session.refresh(offered)
    assert offered.status == FILLED and offered.member_id == by_name(team, "居民乙").id
    told = {who for who, title in letters(session) if title.startswith("换好班了")}
    assert told == {town.staff["A1"].id, town.residents[0].id}
    with pytest.raises(TakenBy, match="已经是您的"), writing():
        roster.swap(town.resident_actor(1), offered.id, NOW)


@pytest.mark.own_database
def test_of_two_who_take_it_one_has_it(app: Flask, session: Any, town: Town, team: Team, offered: Shift) -> None:
    """The other hears who; also when both have looked before either writes."""
    number, second, captain = offered.id, town.resident_actor(1), town.actor("A1")
    session.rollback()
    answers = rush(app, [lambda who=who: roster.swap(who, number, NOW).member_id for who in (second, captain) * 3])
    lost = [a for a in answers if isinstance(a, TakenBy)]
    assert len(lost) == 5 and {str(a) for a in lost} <= {
        "这个班刚刚由居民乙接走了。", "这个班刚刚由队长接走了。", "这个班已经是您的了。",
    }  # fmt: skip


def test_who_may_not_take_it(session: Any, town: Town, team: Team, offered: Shift) -> None:
    with writing():
        shift(team, 3, who=by_name(team, "居民乙"), slot=2)
    cases = (
        (town.resident_actor(1), TwiceAtOnce),
        (town.resident_actor(2), NoSuchShift),
        (town.actor("B1"), NoSuchShift),
    )
    for actor, error in cases:
        with pytest.raises(error), writing():
            roster.swap(actor, offered.id, NOW)
    with writing():
        by_name(team, "居民乙").until = TODAY + DAY
        db.session.execute(db.delete(Shift).where(Shift.slot == 2))
    with pytest.raises(CannotServe), writing():
        roster.swap(town.resident_actor(1), offered.id, NOW)


def test_leaving_frees_what_is_to_come(session: Any, town: Town, team: Team) -> None:
    who = by_name(team, "队员0")
    with writing():
        past, near, late = shift(team, -1, who=who), shift(team, 1, who=who), shift(team, 8, "pm", who=who)
        assert members.leave(town.actor("A1"), who.id, TODAY + DAY, NOW) == 2
    deliver()
    assert (past.status, near.status, late.status, late.member_id) == (FILLED, OPEN, OPEN, None)
    assert letters(session) == [(town.staff["A1-OP"].id, "甲一服务队：有队员离队，空出 2 个班")]
    with pytest.raises(CannotServe), writing():
        roster.set_cells(town.actor("A1"), team.id, {late.id: who.id}, NOW)
    # A disabled account leaves too.
    op = by_name(team, "联络")
    with writing():
        duty = shift(team, 2, who=op)
        town.staff["A1-OP"].disabled_at = NOW
        registry.staffing_changed(NOW)
    session.refresh(duty)
    assert duty.status == OPEN and op.until == TODAY


def test_nobody_twice_at_one_moment(session: Any, town: Town, team: Team) -> None:
    a, b = by_name(team, "队员0"), by_name(team, "队员1")
    with writing():
        one, two = shift(team, 2, who=a), shift(team, 2, who=b, slot=2)
    with pytest.raises(TwiceAtOnce), writing():
        roster.set_cells(town.actor("A1"), team.id, {two.id: a.id}, NOW)
    with writing():  # changing places is no clash
        assert roster.set_cells(town.actor("A1"), team.id, {one.id: b.id, two.id: a.id}, NOW) == 2
    with pytest.raises(IntegrityError), writing():  # the database has the last word
        db.session.execute(db.update(Shift).where(Shift.id == one.id).values(member_id=a.id))


def test_last_week_again(session: Any, town: Town, team: Team) -> None:
    a, gone = by_name(team, "队员0"), by_name(team, "队员1")
    monday = roster.week_of(TODAY) + 7 * DAY
    before = (monday - TODAY).days - 7
    with writing():
        gone.until = monday
        for n, who in ((4, a), (5, gone), (6, None)):
            shift(team, before + n, who=who)
        assert roster.copy_week(town.actor("A1"), team.id, monday, NOW) == (1, 2)
        assert roster.copy_week(town.actor("A1"), team.id, monday, NOW) == (0, 2)
    rows = queries.shifts(team.id, monday, 7)
    assert [(r.day - monday, r.member_id) for r in rows] == [(4 * DAY, a.id), (5 * DAY, None), (6 * DAY, None)]


def test_every_status_and_step(session: Any, town: Town, team: Team) -> None:
    """The table walked: what may start from what, and by whom."""
    who = by_name(team, "居民甲")
    actors = {
        "offer": town.resident_actor(0), "take_back": town.resident_actor(0), "swap": town.resident_actor(1),
        "free": system_actor(),
    }  # fmt: skip
    for transition in MACHINE.transitions:
        for status in MACHINE.labels:
            with writing():
                row = shift(team, 4, who=who if status != OPEN else None, status=status)
                names = {t.name for t in states.available(MACHINE, row, actors.get(transition.name, town.actor("A1")))}
                assert (transition.name in names) == (status in transition.sources)
                assert transition.name not in {t.name for t in states.available(MACHINE, row, town.actor("B1"))}
                if status not in transition.sources:
                    with pytest.raises(NoSuchTransition):
                        states.fire(MACHINE, row, transition.name, actors.get(transition.name, town.actor("A1")), NOW)
                db.session.delete(row)


def test_others_keep_their_hands_off(session: Any, town: Town, team: Team) -> None:
    row = shift(team, 3)
    session.commit()
    for key in ("A2", "B1", "ZFB", "D-LOOK", "A1S"):
        with pytest.raises(DomainError) as refused, writing():
            roster.set_cells(town.actor(key), team.id, {row.id: None}, NOW)
        assert isinstance(refused.value, NotAllowed)
    with pytest.raises(NoSuchShift), writing():
        roster.set_cells(town.actor("A1"), team.id, {row.id + 999: None}, NOW)
    with scope.system("test"):
        assert Gap and by_itself and in_the_gap
