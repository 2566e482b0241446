"""`flask demo`: true to every rule of the portal, something to show on every page, and only once."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.catalogue import states
from portal.catalogue.actions import publishing
from portal.catalogue.models import (
    Entry,
    EntryChange,
    EntrySession,
    Follow,
    Guide,
    PlanImport,
    SynonymList,
)
from portal.catalogue.public import month_snapshot
from portal.centres.models import Centre, OpeningException, OpeningHours
from portal.core import audit_chain
from portal.core.outbox import Outbox
from portal.core.states import StateHistory
from portal.notices.models import InboxMessage
from portal.people.models import Resident, StaffAccount
from portal.signup.models import ACTIVE, HOLDS_PLACE, WAITING, SignUp
from portal.signup.states import LABELS
from tests.demo.conftest import PASSWORD

MODELS = (Centre, Resident, StaffAccount, Entry, SignUp, EntryChange, PlanImport, InboxMessage, StateHistory, Outbox)


def sizes(session: Any) -> list[int]:
    return [session.scalar(select(func.count()).select_from(m)) for m in MODELS]


def test_places_and_queues_are_what_the_sign_ups_say(loaded: Any) -> None:
    held: Counter[int] = Counter()
    waiting: Counter[int] = Counter()
    for row in loaded.scalars(select(SignUp)):
        held[row.entry_id] += row.places if row.status in HOLDS_PLACE else 0
        waiting[row.entry_id] += row.status == WAITING
    entries = list(loaded.scalars(select(Entry)))
    assert [(e.taken, e.waiting) for e in entries] == [(held[e.id], waiting[e.id]) for e in entries]
    assert not [e.title for e in entries if e.capacity is not None and e.taken > e.capacity]
    assert sum(held.values()) > 1000


def test_there_are_pictures_followers_words_and_an_activity_for_some_only(loaded: Any) -> None:
    covers = list(loaded.scalars(select(Entry.cover).where(Entry.cover != "")))
    assert len(set(covers)) == len(covers) >= 3
    assert loaded.scalar(select(func.count()).select_from(Follow)) > 5 and loaded.get(SynonymList, 1).text
    assert loaded.scalar(select(func.count()).where(Entry.groups_only)) == 1


def test_nobody_is_signed_up_twice(loaded: Any) -> None:
    live = select(SignUp.entry_id, SignUp.person_key).where(SignUp.status.in_(ACTIVE))
    pairs = [tuple(row) for row in loaded.execute(live)]
    assert len(pairs) == len(set(pairs))


def test_first_start_and_last_end_are_those_of_the_sessions(loaded: Any) -> None:
    span = select(EntrySession.entry_id, func.min(EntrySession.starts_at), func.max(EntrySession.ends_at))
    known = {row[0]: (row[1], row[2]) for row in loaded.execute(span.group_by(EntrySession.entry_id))}
    for entry in loaded.scalars(select(Entry)):
        assert known[entry.id] == (entry.first_start, entry.last_end), entry.title


def test_every_status_occurs(loaded: Any) -> None:
    def seen(model: Any) -> set[str]:
        return set(loaded.scalars(select(model.status).distinct()))

    assert seen(Entry) == set(states.ENTRY.labels)
    assert seen(SignUp) == set(LABELS)
    assert seen(EntryChange) == set(states.CHANGE.labels)
    assert seen(PlanImport) == set(states.PLAN_IMPORT.labels)
    assert set(loaded.scalars(select(Centre.level).join(Entry, Entry.waits_at_id == Centre.id))) == {
        "community",
        "subdistrict",
        "district",
    }


def test_histories_audit_and_outbox_are_sound(loaded: Any, now: datetime) -> None:
    assert audit_chain.verify([]).fault is None
    assert loaded.scalar(select(func.count(Outbox.id)).where(Outbox.attempts > 0)) == 0
    assert loaded.scalar(select(func.count(Outbox.id)).where(Outbox.done_at.is_(None), Outbox.due_at <= now)) == 0
    told = select(StateHistory.object_id).where(StateHistory.object_type == "sign_up")
    assert set(loaded.scalars(select(SignUp.id))) == set(loaded.scalars(told))
    lines = select(StateHistory.object_id, StateHistory.to_status).where(StateHistory.object_type == "entry")
    latest = {row.object_id: row.to_status for row in loaded.execute(lines.order_by(StateHistory.id))}
    moved = [e for e in loaded.scalars(select(Entry)) if e.id in latest]
    assert moved and not [e.title for e in moved if latest[e.id] != e.status]


def test_the_tree_has_its_facts(loaded: Any) -> None:
    centres = list(loaded.scalars(select(Centre)))
    assert len(centres) == 43
    assert all(c.address and re.fullmatch(r"0755-842000\d\d", c.phone) for c in centres)
    dots = [c for c in centres if c.latitude is not None]
    assert len(dots) == 42 and all(22.4 < c.latitude < 22.7 and 114.3 < c.longitude < 114.7 for c in dots)
    assert loaded.scalar(select(func.count(OpeningHours.id)).where(OpeningHours.note == "晚间延时")) > 50
    assert loaded.scalar(select(func.count(OpeningException.id))) == 2
    assert loaded.scalar(select(func.count(Guide.id)).where(Guide.summary == "")) == 0


def test_numbers_belong_to_nobody(loaded: Any) -> None:
    phones = list(loaded.scalars(select(Resident.phone)))
    assert len(phones) > 100 and all(re.fullmatch(r"19900000\d{3}", p) for p in phones)
    assert all(p.startswith("1990000") for p in loaded.scalars(select(StaffAccount.phone)))


def test_the_public_list_is_long(demo_app: Flask, loaded: Any, now: datetime) -> None:
    client = demo_app.test_client()
    page = client.get("/services").get_data(as_text=True)
    coming = re.search(r"接下来 (\d+) 项", page)
    snap = month_snapshot.snapshot("2026-11", now)
    assert len(snap.rows) > 300
    still = month_snapshot.select_rows(snap.rows.values(), month_snapshot.Filters(), now).coming
    assert coming and int(coming[1]) == len(still) > 100
    shown = len(re.findall(r'class="act', page))
    assert shown == 20
    full = client.get("/services?month=2026-11&for=child").get_data(as_text=True)
    assert "儿童" in full


def test_publishing_again_changes_nothing(loaded: Any, now: datetime) -> None:
    before = loaded.scalar(select(func.sum(Entry.version)))
    assert publishing.publish_month("2026-11", now) == 0
    assert loaded.scalar(select(func.sum(Entry.version))) == before


def test_a_second_run_says_so_and_changes_nothing(demo_app: Flask, loaded: Any) -> None:
    before = sizes(loaded)
    loaded.rollback()
    result = demo_app.test_cli_runner().invoke(args=["demo"])
    assert result.exit_code == 0 and "已经在了" in result.output
    assert sizes(loaded) == before


@pytest.mark.parametrize(
    ("user", "paths"),
    [
        (
            "dapeng",
            ("/staff", "/staff/catalogue", "/staff/sign-ups", "/staff/centres", "/staff/messages", "/staff/audit"),
        ),
        ("jd-kuichong", ("/staff", "/staff/catalogue?month=2026-12")),
        ("kuichong", ("/staff", "/staff/catalogue?month=2026-12", "/staff/sign-ups")),
        ("dapeng-dc", ("/staff", "/staff/catalogue", "/staff/centres")),
        ("zfb", ("/staff", "/staff/catalogue")),
    ],
)
def test_printed_logins_work(demo_app: Flask, loaded: Any, printed: str, user: str, paths: tuple[str, ...]) -> None:
    assert user in printed and PASSWORD in printed and "199 0000 0001" in printed
    client = demo_app.test_client()
    answer = client.post("/staff/login", data={"username": user, "password": PASSWORD})
    assert answer.status_code == 303 and answer.headers["Location"].endswith("/staff")
    for path in paths:
        assert client.get(path).status_code == 200, path


def test_the_first_resident_signs_in_with_the_code_shown_to_staff(demo_app: Flask, loaded: Any) -> None:
    resident, staff = demo_app.test_client(), demo_app.test_client()
    assert resident.post("/login", data={"phone": "19900000001"}).status_code in (200, 303)
    staff.post("/staff/login", data={"username": "dapeng", "password": PASSWORD})
    found = re.search(r"验证码 (\d{6})", staff.get("/staff/messages").get_data(as_text=True))
    assert found, "the code is not shown on the page of messages"
    answer = resident.post("/login/code", data={"code": found.group(1)})
    assert answer.status_code == 303
    mine = resident.get("/me").get_data(as_text=True)
    assert "已报上" in mine and "候补第" in mine and "待审核" in mine


def test_a_database_in_use_is_refused(app: Flask, town: Any, session: Any) -> None:
    before = sizes(session)
    session.rollback()
    result = app.test_cli_runner().invoke(args=["demo"])
    assert result.exit_code == 1 and "只能放进空的数据库" in result.output
    assert sizes(session) == before
