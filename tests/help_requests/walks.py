"""Random walks of the machine of help requests with random staffing; what must hold after each step (issue 12: I0-I7).

    python -m tests.help_requests.walks [--walks 10000] [--seed 1]        (make help-walks)

Everybody presses anything at any time, accounts come and go, hours pass, deadlines run. The test suite does a few.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from portal.cases import deadlines as case_deadlines
from portal.cases import ladder
from portal.cases.models import Case, CaseClock
from portal.core import outbox, registry, scope, states
from portal.core.access import Actor
from portal.core.db import db
from portal.core.errors import DomainError
from portal.help_requests import actions, deadlines, private_fields, queries, reviewing
from portal.help_requests.actions import Asked
from portal.help_requests.models import OVER, TAKEN, HelpRequest
from portal.help_requests.states import KIND, MACHINE
from portal.people.models import StaffAccount
from tests.factories import Town

OWN = {"answer", "confirm", "not_solved", "appeal", "withdraw"}
MOST_WAITED = timedelta(hours=72)
STAFF = ("D", "A", "B", "A1", "A2", "B1", "A1-OP", "ZFB", "D-LOOK")
Deed = Callable[["Walk", Actor], Any]


class Walk:
    """One request and what a model of it expects: due times by clock, minutes granted."""

    def __init__(self, town: Town, dice: random.Random, now: datetime) -> None:
        self.town, self.dice, self.now = town, dice, now
        person = town.resident_actor(0)
        kind = dice.choice(("agency", "care", "ease", "bee"))
        self.id = actions.ask_for_help(person, Asked(kind, f"件{dice.random()}"), None, now).id
        self.expected: dict[int, datetime] = {}
        self.waited = timedelta()
        self.asked_at: datetime | None = None
        db.session.commit()

    @property
    def row(self) -> HelpRequest:
        db.session.expire_all()
        found = queries.request(self.id)
        assert found is not None
        return found

    def step(self) -> str:
        """One random thing; a refusal is as good as a deed."""
        name, who = self._choice()
        sees = (
            scope.SystemScope("walk") if who.kind != "staff" else scope.StaffScope(who.centre_path, who.department_id)
        )
        before = self.row.status
        try:
            with scope.use(sees):
                DEEDS[name](self, who)
            db.session.commit()
        except DomainError:
            db.session.rollback()
            assert self.row.status == before, "a refusal changed something"
            return f"({name})"
        self._model(name, before)
        return name

    def _choice(self) -> tuple[str, Actor]:
        """Half of the time something that is possible by somebody who may, so that walks get far."""
        row = self.row
        usual = [t.name for t in MACHINE.transitions if row.status in t.sources and t.name in DEEDS]
        near = [key for key in STAFF if self.town.staff[key].centre_id == row.case.waits_at_id]
        offer = queries.offered(row)
        near += [key for key in STAFF if offer is not None and self.town.staff[key].centre_id == offer.to_id]
        name = self.dice.choice(usual if usual and self.dice.random() < 0.7 else list(DEEDS))
        if self.dice.random() < (0.9 if name in OWN else 0.1):
            return name, self.town.resident_actor(self.dice.choice((0, 0, 0, 0, 1)))
        return name, self.town.actor(self.dice.choice(near if near and self.dice.random() < 0.7 else STAFF))

    def _model(self, name: str, before: str) -> None:
        """What a due time is moved by: the answer, by exactly what was waited, 72 hours in all at most."""
        status = self.row.status
        if name == "answer" and before == "asking" and self.asked_at is not None:
            moved = min(_whole(self.now - self.asked_at), MOST_WAITED - self.waited)
            self.waited += moved
            for clock in self._clocks():
                if (
                    clock.id in self.expected
                    and clock.stopped_at is None
                    and self.expected[clock.id] > self.now - moved
                ):
                    self.expected[clock.id] += moved
        if before != "asking" and status == "asking":
            self.asked_at = self.now
        elif status != "asking":
            self.asked_at = None

    def _clocks(self) -> list[CaseClock]:
        return list(db.session.scalars(select(CaseClock).where(CaseClock.case_id == self.row.case_id)))

    def pass_time(self) -> None:
        """Minutes or days; then everything that is due runs, twice, as two schedulers would."""
        self.now += timedelta(minutes=self.dice.choice((1, 30, 90, 600, 1500, 4000)))
        with scope.system("walk"):
            for _ in range(2):
                for job in (case_deadlines.overdue, case_deadlines.warn, case_deadlines.lapse, deadlines.settle):
                    job(self.now)
                outbox.run_due(self.now)
        db.session.commit()
        if self.row.status != "asking":
            self.asked_at = None

    def staffing(self) -> None:
        """Somebody leaves or comes back; the top is never empty."""
        key = self.dice.choice(("A", "A1", "A1-OP", "B", "ZFB"))
        account = db.session.get_one(StaffAccount, self.town.staff[key].id)
        account.disabled_at = None if account.disabled_at else self.now
        db.session.flush()
        with scope.system("walk"):
            registry.staffing_changed(self.now)
        db.session.commit()

    def check(self) -> None:
        """The invariants."""
        row = self.row
        case = row.case
        assert (case.status == "done") == (row.status in (*OVER, "done")), (case.status, row.status)
        if case.status != "done":
            self._somebody_has_it(case)
        for clock in self._clocks():
            self.expected.setdefault(clock.id, clock.due_at)
            assert clock.due_at == self.expected[clock.id], (
                f"{clock.name} moved by {clock.due_at - self.expected[clock.id]}"
            )
        for key in STAFF:
            actor = self.town.actor(key)
            if private_fields.may_read(row, actor, "address", self.now):
                assert (
                    row.taken_at is not None and (*TAKEN, "done").__contains__(row.status)
                ) or row.closed_at is not None
                assert private_fields.accepted_by(row, actor)
        way = [(h.name, h.from_status, h.to_status) for h in states.history(MACHINE, [row.id])]
        for name, source, target in way:
            known = {t.name: t for t in MACHINE.transitions}.get(name)
            assert known is None or (source in known.sources and target == known.target), (name, source, target)
        assert way[-1][2] == row.status and not (row.by_default and row.status != "confirmed")

    def _somebody_has_it(self, case: Case) -> None:
        if case.department_id is not None:
            assert ladder.people_of_department(case.department_id, KIND.permission)
            return
        at = ladder.desk(case.waits_at, KIND.permission)
        assert ladder.people_at(at, KIND.permission), f"nobody has it at {case.waits_at.label}"

    def end(self) -> None:
        """Out of the way of the next walk, and everybody is back."""
        for account in db.session.scalars(select(StaffAccount).where(StaffAccount.disabled_at.is_not(None))):
            account.disabled_at = None
        row = self.row
        if row.status not in (*OVER, "done"):
            actions.withdraw(self.town.resident_actor(0), row.id, self.now)
        db.session.commit()


def _whole(span: timedelta) -> timedelta:
    return timedelta(minutes=int(span.total_seconds() // 60))


def _to(walk: Walk) -> str:
    return walk.dice.choice((f"c{walk.town.centres['B'].id}", f"d{walk.town.department.id}", "c0"))


DEEDS: dict[str, Deed] = {
    "ask": lambda w, a: reviewing.ask(a, w.id, "哪天？", w.now),
    "answer": lambda w, a: actions.answer(a, w.id, "明天", w.now),
    "refuse": lambda w, a: reviewing.refuse(a, w.id, "不在范围", ("phone", "12345"), w.now),
    "refer": lambda w, a: reviewing.refer(a, w.id, _to(w), "请接办", w.now),
    "dispatch": lambda w, a: reviewing.dispatch(a, w.id, w.town.centres[w.dice.choice(("A1", "A2", "B1"))].id, w.now),
    "take": lambda w, a: reviewing.take(a, w.id, w.now),
    "accept": lambda w, a: reviewing.accept(a, w.id, w.now),
    "decline": lambda w, a: reviewing.decline(a, w.id, "人手不够", w.now),
    "hand_back": lambda w, a: reviewing.hand_back(a, w.id, "办不了", w.now),
    "go": lambda w, a: reviewing.move(a, w.id, "go", w.now),
    "arrive": lambda w, a: reviewing.move(a, w.id, "arrive", w.now),
    "finish": lambda w, a: reviewing.finish(a, w.id, "办好了", w.now),
    "confirm": lambda w, a: actions.confirm(a, w.id, w.dice.choice((None, 1, 5)), w.now),
    "not_solved": lambda w, a: actions.not_solved(a, w.id, "", w.now),
    "appeal": lambda w, a: actions.appeal(a, w.id, "不同意", w.now),
    "withdraw": lambda w, a: actions.withdraw(a, w.id, w.now) if w.dice.random() < 0.1 else None,
}  # fmt: skip


def walk(town: Town, seed: int, now: datetime, steps: int = 30) -> list[str]:
    """One walk; returns what was done. Raises AssertionError with the way so far."""
    dice = random.Random(seed)
    walked = Walk(town, dice, now)
    way: list[str] = []
    try:
        walked.check()
        for _ in range(steps):
            luck = dice.random()
            if luck < 0.15:
                walked.pass_time()
                way.append("…")
            elif luck < 0.2:
                walked.staffing()
                way.append("人")
            else:
                way.append(walked.step())
            if not way[-1].startswith("("):  # a refusal changed nothing
                walked.check()
    except AssertionError as wrong:
        raise AssertionError(f"seed {seed}: {' '.join(way)}: {wrong}") from wrong
    finally:
        db.session.rollback()
        walked.end()
    return way


def main() -> None:
    """As the module says; on a database of its own in memory of the disk."""
    import argparse
    import tempfile
    import time
    from pathlib import Path

    from flask_migrate import upgrade

    from portal import create_app
    from tests import factories

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walks", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        url = f"sqlite:///{Path(folder) / 'walks.db'}"
        app = create_app(
            {"SQLALCHEMY_DATABASE_URI": url, "DATA_DIR": Path(folder), "SECRET_KEY": "walks", "TESTING": True}
        )
        with app.app_context(), scope.system("walks"):
            upgrade()
            factories.build_town()
            town, began, seen = factories.load_town(), time.monotonic(), Counter[str]()
            for number in range(asked.walks):
                seen.update(walk(town, asked.seed + number, factories.NOW))
                if number % 100 == 99:
                    print(f"{number + 1} walks, {time.monotonic() - began:.0f} s", flush=True)
    print("0 orphans, no clock moved but by an answer;", ", ".join(f"{k} {n}" for k, n in seen.most_common()))


if __name__ == "__main__":
    main()
