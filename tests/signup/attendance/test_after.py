"""After it: who came is asked how it was, who did not is not; the paper says so too; nothing personal stays (S6, S7, P8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import select

from portal.catalogue.models import Entry, EntrySession
from portal.core import clock, outbox, scope
from portal.core.db import writing
from portal.feedback.models import Evaluation
from portal.operations import work
from portal.people.rules import WALK_INS_KEPT
from portal.signup import evaluating
from portal.signup.attendance import actions, codes
from portal.signup.attendance.actions import Mark
from portal.signup.attendance.models import Attendance
from portal.signup.models import SignUp
from tests.core.printed import fetched
from tests.factories import NOW, Make, Town

SignIn = Callable[[FlaskClient, Any], FlaskClient]


def note(town: Town, date: EntrySession, person: str, came: bool = True) -> None:
    with writing():
        actions.mark(town.actor("A1"), date.id, [Mark(f"key-{person}-{came}", person, came, NOW, "list")], [], NOW)


def gone_through(town: Town, date: EntrySession) -> None:
    with writing():
        actions.close(town.actor("A1"), date.id, date.ends_at)


def asked(session: Any, entry: Entry) -> set[str]:
    """Person keys of those who are asked after it is over, by the deadline job and the outbox."""
    later = entry.last_end + timedelta(hours=2)
    session.rollback()
    evaluating.ask_after(later)
    with scope.system("test"):
        outbox.run_due(later)
    session.rollback()
    return set(session.scalars(select(Evaluation.person_key).where(Evaluation.subject_id == entry.id)))


def test_who_came_is_asked_and_who_did_not_is_not(
    session: Any, town: Town, entry: Entry, date: EntrySession, signed: list[SignUp]
) -> None:
    keys = [r.person_key for r in signed]
    note(town, date, keys[0])
    gone_through(town, date)
    assert asked(session, entry) == {keys[0]}


@pytest.mark.parametrize("first_comes", [True, False])
def test_where_nobody_went_through_the_roster_only_whoever_is_noted_absent_is_not_asked(
    session: Any, town: Town, entry: Entry, date: EntrySession, signed: list[SignUp], first_comes: bool
) -> None:
    keys = [r.person_key for r in signed]
    note(town, date, keys[0], first_comes)
    assert asked(session, entry) == set(keys if first_comes else keys[1:])


def test_of_a_series_one_date_is_enough(session: Any, town: Town, make: Make) -> None:
    days = [NOW + timedelta(days=n) for n in range(2)]
    entry = make.entry(town.centres["A1"], [(d, d + timedelta(hours=1)) for d in days])
    rows = []
    for number in range(2):
        person = town.residents[number]
        rows.append(SignUp(entry_id=entry.id, resident_id=person.id, person_key=f"r{person.id}", status="confirmed",
                           centre_id=entry.centre_id, created_at=NOW))  # fmt: skip
    entry.taken = 2
    session.add_all(rows)
    session.commit()
    note(town, entry.sessions[0], rows[0].person_key)
    for date in entry.sessions:
        gone_through(town, date)
    assert asked(session, entry) == {rows[0].person_key}


def test_whoever_came_without_signing_up_is_asked_too(
    session: Any, town: Town, entry: Entry, date: EntrySession
) -> None:
    entry.walk_in = True
    session.commit()
    with writing():
        actions.walk_in(town.resident_actor(3), date.id, codes.of_date(date.id), None, NOW)
    assert asked(session, entry) == {f"r{town.residents[3].id}"}


def test_the_attendance_list_says_who_came(
    session: Any, town: Town, date: EntrySession, signed: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    note(town, date, signed[0].person_key)
    with writing():
        one = Mark("walk-in-key", "", True, NOW, "tail")
        actions.mark(town.actor("A1"), date.id, [], [(one, "王", "8017")], NOW)
    gone_through(town, date)
    as_staff(client, town.staff["A1"])
    paper = fetched(client, f"/staff/sign-ups/{date.entry_id}/roster.pdf?kind=attendance")
    words = "".join(page.extract_text() for page in PdfReader(BytesIO(paper.data)).pages)
    assert "到 2 份" in words and words.count("未到") == 2
    assert "王（现场登记）" in words and "8017" in words


def test_the_sheet_for_the_place_is_one_page(
    town: Town, date: EntrySession, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    paper = PdfReader(BytesIO(fetched(client, f"/staff/check-in/{date.id}/place.pdf").data))
    words = paper.pages[0].extract_text().replace("\n", "")
    assert len(paper.pages) == 1
    assert "我到了" in words and "开始前1小时到结束后半小时都可以扫" in words.replace(" ", "")


def test_surnames_of_walk_ins_go_after_their_time(session: Any, town: Town, date: EntrySession) -> None:
    with writing():
        one = Mark("walk-in-key", "", True, NOW, "tail")
        actions.mark(town.actor("A1"), date.id, [], [(one, "王", "8017")], NOW)
    for moment, left in ((NOW + WALK_INS_KEPT - timedelta(days=1), "王"), (NOW + WALK_INS_KEPT * 2, "")):
        with clock.frozen(moment):
            work.clean_up(moment)
        session.rollback()
        row = session.scalars(select(Attendance)).one()
        assert (row.surname, row.came) == (left, True)
