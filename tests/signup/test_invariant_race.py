"""Whatever people do at once, the figures of an entry stay those of its sign-ups (SPEC S2). Seeds are printed."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.catalogue import bulk_rules
from portal.catalogue.actions import changing, entry_values
from portal.catalogue.models import Entry
from portal.core.access import Actor
from portal.core.db import db
from portal.core.errors import DomainError
from portal.people.models import Relative, Resident
from portal.signup import actions, handlers, reviewing, staff_actions
from portal.signup.models import ACTIVE, HOLDS_PLACE, PENDING, WAITING, SignUp, SignUpReview
from tests.concurrency import rush
from tests.factories import NOW, Make, Town

pytestmark = pytest.mark.own_database

SEED = int(os.environ.get("PORTAL_FUZZ_SEED", "0"))
ROUNDS = 160  # operations at once
assert handlers  # so that effects of the catalogue's changes are carried out


class Crowd:
    """Random operations of residents, staff and deadlines on one entry."""

    def __init__(self, town: Town, entry: Entry, people: list[Resident], relatives: list[int], seed: int) -> None:
        self.random = random.Random(seed)
        self.entry_id, self.people, self.relatives = entry.id, [p.id for p in people], relatives
        self.manager, self.publisher = town.actor("A1"), town.actor("D")

    def resident(self) -> Actor:
        return Actor("resident", self.random.choice(self.people), "居民")

    def some_sign_up(self) -> int:
        """Chosen while the others run: a row that may be moving just now."""
        ids = db.session.scalars(select(SignUp.id).where(SignUp.entry_id == self.entry_id)).all()
        db.session.rollback()
        return self.random.choice(ids) if ids else 0

    def owner(self, sign_up_id: int) -> Actor:
        resident_id = db.session.scalar(select(SignUp.resident_id).where(SignUp.id == sign_up_id))
        db.session.rollback()
        return Actor("resident", resident_id or 0, "居民")

    def operation(self) -> Callable[[], Any]:
        pick, who, party = self.random.random(), self.resident(), self.random.randrange(3)
        if pick < 0.40:
            return lambda: actions.sign_up(who, self.entry_id, None, party, NOW).id
        if pick < 0.48:  # the same relative in two tabs
            owner = Actor("resident", self.people[0], "居民")
            return lambda: actions.sign_up(owner, self.entry_id, self.relatives[0], 0, NOW).id
        target = self.some_sign_up()
        if pick < 0.66:
            owner = self.owner(target)
            return lambda: actions.withdraw(owner, target, NOW).id
        if pick < 0.74:
            owner = self.owner(target)
            return lambda: actions.reduce_places(owner, target, 1, NOW).id
        if pick < 0.84:
            yes = self.random.random() < 0.6
            return lambda: staff_actions.decide(self.manager, target, yes, "" if yes else "名额不够", NOW)
        if pick < 0.90:
            return lambda: staff_actions.withdraw_for(self.manager, target, "来电", NOW).id
        if pick < 0.95:
            return self.review(self.random.choice(("pass", "refuse", "settle", "take back")))
        return self.change()

    def review(self, what: str) -> Callable[[], Any]:
        """Staff decide whoever waits for it; what was decided takes effect, or they take it back."""

        def decide() -> Any:
            pending = select(SignUp.id).where(SignUp.entry_id == self.entry_id, SignUp.status == PENDING)
            ids = db.session.scalars(pending).all()
            return reviewing.review(self.manager, self.entry_id, ids, what == "pass", "名额不够", NOW)[1]

        def follow() -> Any:
            waits = db.session.execute(select(SignUpReview.step_id, SignUpReview.sign_up_id)).all()
            if waits and what == "take back":
                return reviewing.take_back(self.manager, self.entry_id, waits[0].step_id, NOW)
            settled = [reviewing.settle(w.step_id, [w.sign_up_id], NOW + bulk_rules.TAKE_BACK) for w in waits]
            return len(settled)

        return decide if what in ("pass", "refuse") else follow

    def change(self) -> Callable[[], Any]:
        """The publisher changes the number of places; those waiting move up by the effect that follows."""
        places = self.random.choice((3, 6, 9, 12, 40))

        def act() -> Any:
            entry = db.session.get_one(Entry, self.entry_id)
            values = replace(entry_values.values_of(entry), capacity=places)
            asked = changing.ask_change(self.publisher, entry, values, "名额有变", NOW)
            actions.move_up(self.entry_id, NOW)
            return asked.id

        return act


def figures(entry: Entry) -> tuple[int, int]:
    """Places held and people waiting, counted from the rows."""
    held = select(func.coalesce(func.sum(SignUp.places), 0)).where(SignUp.status.in_(HOLDS_PLACE))
    waiting = select(func.count()).where(SignUp.status == WAITING)
    mine = SignUp.entry_id == entry.id
    return db.session.scalar(held.where(mine)) or 0, db.session.scalar(waiting.where(mine)) or 0


@pytest.mark.parametrize("seed", range(SEED, SEED + 3))
@pytest.mark.parametrize("needs_review", [False, True])
def test_the_figures_hold(app: Flask, session: Any, town: Town, make: Make, seed: int, needs_review: bool) -> None:
    entry = make.entry(town.centres["A1"], capacity=6, max_companions=3, needs_review=needs_review)
    people = make.residents(25, town.centres["A1"])
    relative = Relative(resident_id=people[0].id, name="王秀英", relation="母亲", created_at=NOW)
    session.add(relative)
    session.commit()
    crowd = Crowd(town, entry, people, [relative.id], seed)
    entry_id = entry.id
    for _ in range(2):  # the second round finds rows of the first
        answers = rush(app, [crowd.operation() for _ in range(ROUNDS // 2)])
        # Refusals are answers; anything else is a fault of ours.
        wrong = [a for a in answers if isinstance(a, Exception) and not isinstance(a, DomainError)]
        assert not wrong, f"seed {seed}: {wrong[:3]}"
        session.rollback()
        session.expire_all()
        found = session.get_one(Entry, entry_id)
        assert (found.taken, found.waiting) == figures(found), f"seed {seed}"
        assert found.taken <= (found.capacity or 0), f"seed {seed}"
        twice = select(SignUp.person_key).where(SignUp.entry_id == entry_id, SignUp.status.in_(ACTIVE))
        keys = session.scalars(twice).all()
        assert len(keys) == len(set(keys)), f"seed {seed}"
        session.rollback()
    # Free places never stay beside somebody who waits for one of them.
    first = session.scalars(
        select(SignUp).where(SignUp.entry_id == entry_id, SignUp.status == WAITING).order_by(SignUp.queue_no).limit(1)
    ).one_or_none()
    free = session.get_one(Entry, entry_id).free
    assert first is None or (free is not None and first.places > free), f"seed {seed}"


def test_the_cancellation_among_sign_ups_leaves_nobody_behind(app: Flask, session: Any, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"], capacity=5)
    people = [p.id for p in make.residents(40, town.centres["A1"])]
    entry_id, publisher = entry.id, town.actor("D")
    session.rollback()

    def join(resident_id: int) -> Callable[[], Any]:
        return lambda: actions.sign_up(Actor("resident", resident_id, "居民"), entry_id, None, 0, NOW).id

    def cancel() -> Any:
        found = db.session.get_one(Entry, entry_id)
        change = changing.cancel_entry(publisher, found, "台风", NOW)
        actions.cancel_all(entry_id, NOW, "台风")
        return change.id

    jobs = [join(i) for i in people]
    jobs.insert(20, cancel)
    answers = rush(app, jobs)
    assert [a for a in answers if isinstance(a, Exception) and not isinstance(a, DomainError)] == []
    session.rollback()
    found = session.get_one(Entry, entry_id)
    assert (found.status, found.taken, found.waiting) == ("cancelled", 0, 0)
    assert figures(found) == (0, 0)
