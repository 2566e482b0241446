"""Every state × transition × person: who may do what, and what is refused (DESIGN habit 7, SPEC C4, C8)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from portal.catalogue.actions import drafting, reviewing
from portal.catalogue.models import Entry, EntryChange, PlanImport
from portal.catalogue.states import CHANGE, ENTRY, MACHINES, PLAN_IMPORT
from portal.core import scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db, writing
from portal.core.errors import DomainError, NotAllowed, Stale
from portal.core.states import NoSuchTransition
from tests.catalogue.wording import at_subdistrict, draft, values
from tests.factories import NOW, Town

PEOPLE = ("D", "A", "B", "A1", "A1-OP", "A2", "A1S", "D-LOOK", "ZFB", "system")
OWN = {"A1", "A1-OP", "A", "D", "system"}  # may write rows of community A1
DISTRICT = {"D", "system"}
REVIEWS = {"A", "D", "system"}  # while a row of A1 waits at subdistrict A

# State of a row of community A1 (waiting at subdistrict A while in review) → transition → who may.
ALLOWED: dict[str, dict[str, set[str]]] = {
    "draft": {"submit": OWN, "drop": OWN},
    "in_review": {"recall": OWN, "pass_on": {"A", "system"}, "approve": {"D"}, "return": REVIEWS},
    "returned": {"resubmit": OWN, "drop": OWN},
    "approved": {"return": DISTRICT, "publish": DISTRICT, "withdraw": OWN},
    "published": {"cancel": DISTRICT, "cancel_at_once": {"system"}},
    "cancelled": {"reinstate": {"system"}},
    "dropped": {},
}
# A station's row that waits at community A1.
STATION = {"A1S", "A1", "A1-OP", "A", "D", "system"}
ALLOWED_STATION: dict[str, dict[str, set[str]]] = {
    "draft": {"submit": STATION, "drop": STATION},
    "in_review": {
        "recall": STATION, "accept": {"A1", "A1-OP", "system"}, "pass_on": {"A"}, "approve": {"D"},
        "return": {"A1", "A1-OP", "A", "D", "system"},
    },
    "accepted": {"hand_in": OWN, "drop": OWN, "return": OWN},
    "returned": {"resubmit": STATION, "drop": STATION},
    "approved": {"return": DISTRICT, "publish": DISTRICT, "withdraw": STATION},
    "published": {"cancel": DISTRICT, "cancel_at_once": {"system"}},
}  # fmt: skip
# A department's plan that waits at the district.
ALLOWED_DEPARTMENT: dict[str, dict[str, set[str]]] = {
    "draft": {"submit": {"ZFB", "D", "system"}, "drop": {"ZFB", "D", "system"}, "allot": DISTRICT},
    "in_review": {"recall": {"ZFB", "D", "system"}, "approve": DISTRICT, "return": DISTRICT, "allot": DISTRICT},
    "returned": {"resubmit": {"ZFB", "D", "system"}, "drop": {"ZFB", "D", "system"}},
    "approved": {"return": DISTRICT, "publish": DISTRICT, "withdraw": {"ZFB", "D", "system"}, "allot": set()},
}


def _actor(town: Town, who: str) -> Actor:
    return system_actor() if who == "system" else town.actor(who)


def _entry(make: Any, town: Town, centre: str, waits_at: str, status: str, **more: Any) -> Entry:
    waits = town.centres[waits_at].id if status in {"in_review", "accepted"} else None
    back = town.centres[waits_at].id if status == "returned" else None
    return make.entry(town.centres[centre], status=status, waits_at_id=waits, returned_by_id=back, **more)


# How rows go back after a bulk step: by that action alone, in the system's name.
BACK = {
    "in_review": ("back_to_draft", "back_to_review", "back_to_list"), "accepted": ("back_to_review",),
    "returned": ("back_to_review", "back_to_list", "back_to_approved"),
    "approved": ("back_to_draft", "back_to_review"), "published": ("back_to_approved",),
    "dropped": ("back_to_draft", "back_to_list", "back_to_author"),
}  # fmt: skip


def _walk(entry: Entry, town: Town, allowed: dict[str, set[str]]) -> list[str]:
    """Transition by person: what the machine answers must be what the table says."""
    wrong = []
    allowed = allowed | {name: {"system"} for name in BACK.get(entry.status, ())}
    for transition in ENTRY.transitions:
        for who in PEOPLE:
            refusal = transition.refusal(entry, _actor(town, who))
            if (refusal is None) != (who in allowed.get(transition.name, set())):
                wrong.append(f"{entry.status}.{transition.name} by {who}: {refusal!r}")
    return wrong


@pytest.mark.parametrize("status", sorted(ALLOWED))
def test_a_community_row(session: Any, town: Town, make: Any, status: str) -> None:
    entry = _entry(make, town, "A1", "A", status)
    assert _walk(entry, town, ALLOWED[status]) == []


@pytest.mark.parametrize("status", sorted(ALLOWED_STATION))
def test_a_station_row(session: Any, town: Town, make: Any, status: str) -> None:
    entry = _entry(make, town, "A1S", "A1", status)
    assert _walk(entry, town, ALLOWED_STATION[status]) == []


@pytest.mark.parametrize("status", sorted(ALLOWED_DEPARTMENT))
def test_a_department_row(session: Any, town: Town, make: Any, status: str) -> None:
    entry = _entry(make, town, "D", "D", status, department_id=town.department.id)
    assert _walk(entry, town, ALLOWED_DEPARTMENT[status]) == []


@pytest.mark.parametrize("who", PEOPLE)
def test_the_districts_own_row_needs_nobody(session: Any, town: Town, make: Any, who: str) -> None:
    entry = _entry(make, town, "D", "D", "draft")
    assert (ENTRY.transition("settle").refusal(entry, _actor(town, who)) is None) == (who in DISTRICT)
    assert isinstance(ENTRY.transition("submit").refusal(entry, _actor(town, who)), NotAllowed)


@pytest.mark.parametrize("status", sorted(ENTRY.labels))
def test_buttons_are_what_the_server_takes(session: Any, town: Town, make: Any, status: str) -> None:
    entry = _entry(make, town, "A1", "A", status)
    for who in PEOPLE:
        shown = {t.name for t in states.available(ENTRY, entry, _actor(town, who))}
        taken = {t.name for t in ENTRY.transitions if t.refusal(entry, _actor(town, who)) is None}
        assert shown == taken


@pytest.mark.parametrize("status", sorted(CHANGE.labels))
def test_changes_are_decided_by_the_publisher(session: Any, town: Town, make: Any, status: str) -> None:
    entry = make.entry(town.centres["A1"])
    change = EntryChange(
        centre_id=entry.centre_id,
        entry_id=entry.id,
        kind="edit",
        before={},
        after={},
        reason="雨",
        status=status,
        waits_at_id=town.centres["D"].id,
        asked_by="A1管理员",
        asked_at=NOW,
    )
    session.add(change)
    session.flush()
    may = {"apply": DISTRICT, "refuse": DISTRICT, "take_back": OWN, "at_once": {"system"}, "undo": DISTRICT}
    for name, people in may.items():
        for who in PEOPLE:
            refusal = CHANGE.transition(name).refusal(change, _actor(town, who))
            assert (refusal is None) == (status == ("urgent" if name == "undo" else "asked") and who in people), (
                f"{status}.{name} by {who}"
            )


@pytest.mark.parametrize("status", sorted(PLAN_IMPORT.labels))
def test_imports_are_finished_by_their_centre(session: Any, town: Town, status: str) -> None:
    upload = PlanImport(
        centre_id=town.centres["A1"].id,
        month="2026-12",
        filename="计划.xlsx",
        digest="",
        rows=[],
        notes=[],
        status=status,
        created_by="A1",
        created_at=NOW,
    )
    session.add(upload)
    session.flush()
    for name in ("take", "lay_aside"):
        for who in PEOPLE:
            refusal = PLAN_IMPORT.transition(name).refusal(upload, _actor(town, who))
            assert (refusal is None) == (status == "preview" and who in OWN), f"{status}.{name} by {who}"


@pytest.mark.once
def test_every_status_has_its_word() -> None:
    for machine in MACHINES:
        for transition in machine.transitions:
            assert transition.label
            assert {*transition.sources, transition.target} <= machine.labels.keys()


def _both(app: Flask, first: Callable[[], object], second: Callable[[], object]) -> list[object]:
    """Two people at once, each in a transaction of their own; what each of them got."""
    barrier, outcomes = threading.Barrier(2), list[object]()

    def run(act: Callable[[], object]) -> None:
        with app.app_context(), scope.system("race"):
            try:
                barrier.wait(120)
                with writing():
                    outcome = act()
            except DomainError as error:
                outcome = error
            finally:
                db.session.remove()
            outcomes.append(outcome)

    threads = [threading.Thread(target=run, args=(act,)) for act in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return outcomes


@pytest.mark.own_database
@pytest.mark.parametrize("other", ["approve", "return"])
def test_two_reviewers_at_once(app: Flask, session: Any, town: Town, other: str) -> None:
    """Both have the row before them; one wins, the other is told that it has been dealt with."""
    entry = at_subdistrict(town)
    session.commit()
    number, version, reviewer = entry.id, entry.version, town.actor("A")
    session.remove()

    def approve() -> object:
        return reviewing.approve(reviewer, db.session.get_one(Entry, number), NOW, version=version)

    def send_back() -> object:
        row = db.session.get_one(Entry, number)
        return reviewing.return_entry(reviewer, row, "集合点不清", "place", NOW, version=version) or "returned"

    outcomes = _both(app, approve, approve if other == "approve" else send_back)
    assert sum(isinstance(o, Stale) for o in outcomes) == 1, outcomes
    assert sum(isinstance(o, str) for o in outcomes) == 1, outcomes
    decided = [h.name for h in states.history(ENTRY, [number]) if h.name in {"pass_on", "return"}]
    assert len(decided) == 1


def test_no_road_back_from_the_end(session: Any, town: Town) -> None:
    entry = draft(town)
    drafting.drop_entry(town.actor("A1"), entry, NOW)
    for step in (reviewing.offer, reviewing.recall, reviewing.resubmit, reviewing.approve):
        with pytest.raises((NoSuchTransition, NotAllowed)):
            step(town.actor("D"), entry, NOW)
    with pytest.raises(DomainError):
        drafting.edit_entry(town.actor("D"), entry, values(town), NOW)
