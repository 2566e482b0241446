"""200 people are checked in while the network is cut twice: 200 are there, each once (SPEC S6).

A phone does not know whether what it sent arrived when no answer comes; so it sends all of it again, under the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, func, select, text

from portal.catalogue.models import Entry, EntrySession
from portal.core import clock
from portal.core.db import db, is_sqlite
from portal.signup import actions as sign_ups
from portal.signup import waiting_list
from portal.signup.attendance import actions
from portal.signup.attendance.actions import Mark
from portal.signup.attendance.models import Attendance, AttendanceMark
from portal.signup.models import SignUp
from tests.concurrency import Gap, by_itself, in_the_gap, rush
from tests.factories import NOW, Make, Town

pytestmark = pytest.mark.own_database
CROWD, PART = 200, 50


@dataclass
class Phone:
    """As check_in.js: what has not been said to have arrived is kept and sent again. cut: answers that get lost."""

    app: Flask
    town: Town
    date: int
    cut: set[int]
    queue: list[Mark] = field(default_factory=list)
    sent: int = 0

    def send(self) -> None:
        """Until nothing waits any more."""
        actor = self.town.actor("A1")
        while self.queue:
            part = self.queue[:PART]
            answer = by_itself(self.app, lambda part=part: actions.mark(actor, self.date, part, [], NOW))
            assert not isinstance(answer, Exception), answer
            self.sent += 1
            if self.sent not in self.cut:  # else it was applied, and the phone never hears so
                self.queue = [m for m in self.queue if m.key not in answer.applied]


@pytest.fixture
def crowd(session: Any, town: Town, make: Make, entry: Entry) -> list[SignUp]:
    entry.capacity = None
    people = make.residents(CROWD, town.centres["A1"])
    for person in people:
        row = sign_ups.find_person(entry, person.id, None)
        sign_ups.enter(entry, row, 1, town.resident_actor(0), NOW)
    session.commit()
    return list(session.scalars(select(SignUp).order_by(SignUp.id)))


def test_200_are_checked_in_once_each_with_the_network_cut_twice(
    app: Flask, session: Any, town: Town, date: EntrySession, crowd: list[SignUp]
) -> None:
    marks = [Mark(f"tick-{row.id:06}", row.person_key, True, NOW, "list") for row in crowd]
    wanted, date_id = {row.person_key for row in crowd}, date.id
    session.rollback()
    phone = Phone(app, town, date_id, cut={2, 4}, queue=marks)
    phone.send()
    assert phone.sent == CROWD // PART + 2
    session.rollback()
    rows = session.scalars(select(Attendance)).all()
    assert len(rows) == CROWD
    assert {r.person_key for r in rows if r.came} == wanted
    assert session.scalar(select(func.count()).select_from(AttendanceMark)) == CROWD


def test_two_phones_with_the_same_200_at_once(
    app: Flask, session: Any, town: Town, date: EntrySession, crowd: list[SignUp]
) -> None:
    date_id, keys = date.id, [row.person_key for row in crowd]
    actor = town.actor("A1")
    session.rollback()
    jobs = []
    for phone in "ab":
        marks = [Mark(f"{phone}-{key}", key, True, NOW, "list") for key in (keys if phone == "a" else keys[::-1])]
        jobs += [lambda m=marks[i : i + PART]: len(actions.mark(actor, date_id, m, [], NOW).applied)
                 for i in range(0, CROWD, PART)]  # fmt: skip
    assert rush(app, jobs) == [PART] * len(jobs)
    session.rollback()
    assert session.scalar(select(func.count()).select_from(Attendance)) == CROWD


# Two staff, one person ------------------------------------------------------------------------------------------------


def both_note(
    app: Flask, session: Any, town: Town, date: EntrySession, monkeypatch: pytest.MonkeyPatch
) -> tuple[bool, int]:
    """Two note the same walk-in, the second while the first has looked and not yet written: how many rows there are."""
    actor, date_id = town.actor("A1"), date.id
    session.rollback()

    def note(key: str) -> Any:
        one = Mark(key, "", True, NOW, "tail")
        return lambda: actions.mark(actor, date_id, [], [(one, "王", "8017")], NOW).applied

    gap = Gap(waiting_list.lock)
    monkeypatch.setattr(waiting_list, "lock", gap)
    both_looked, answers = in_the_gap(app, gap, note("first-phone"), note("second-phone"))
    assert [a for a in answers if isinstance(a, Exception)] == []
    session.rollback()
    return both_looked, session.scalar(select(func.count()).select_from(Attendance))


def test_two_who_note_one_walk_in_make_one_row(
    app: Flask, session: Any, town: Town, date: EntrySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert both_note(app, session, town, date, monkeypatch) == (False, 1)


def test_without_lock_and_constraint_it_is_two(
    app: Flask, session: Any, town: Town, date: EntrySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: this shows that the tests above can fail. SQLite has one writer, so the lock cannot be taken away."""
    if is_sqlite():
        pytest.skip("SQLite's BEGIN IMMEDIATE is the lock")
    session.rollback()
    without(db.engine, "DROP INDEX uq_attendance_person")
    monkeypatch.setattr(waiting_list, "for_update", lambda statement: statement)
    assert both_note(app, session, town, date, monkeypatch) == (True, 2)


def test_with_the_constraint_alone_it_is_one(
    app: Flask, session: Any, town: Town, date: EntrySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_sqlite():
        pytest.skip("SQLite's BEGIN IMMEDIATE is the lock")
    monkeypatch.setattr(waiting_list, "for_update", lambda statement: statement)
    assert both_note(app, session, town, date, monkeypatch) == (True, 1)


def without(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_many_ticks_cost_as_many_statements_as_two(
    session: Any, town: Town, date: EntrySession, crowd: list[SignUp], client: FlaskClient, as_staff: Any,
    count_queries: Any,
) -> None:  # fmt: skip
    keys, at = [row.person_key for row in crowd], f"/staff/check-in/{date.id}/ticks"
    session.rollback()
    as_staff(client, town.staff["A1"])
    seen = []
    with clock.frozen(NOW):
        for some in (keys[:2], keys[2:102]):
            with count_queries() as counted:
                sent = {"tick": [f"tick-{key:>8}|{key}|1|0|list".replace(" ", "-") for key in some]}
                assert len(client.post(at, data=sent).json["applied"]) == len(some)
            seen.append(len(counted))
    assert seen[0] == seen[1] <= 30, seen
