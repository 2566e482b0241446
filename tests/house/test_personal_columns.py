"""Every column of text is somebody's or nobody's, and it says so here (SPEC P8, PIPL 47).

What is declared a person's is planted, looked for in the export, and gone from every table after erasing. A new column
fails the first test until somebody has thought about it: a person's must be exported and erased by its feature
(`registry.personal`, `registry.erase`); words in append-only lines belong into remarks (`Machine.personal`,
`audit.record(words=…)`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import JSON, Column, String, Table, delete, select, update

from portal.cases.models import Case, Handover
from portal.catalogue.models import BulkStep
from portal.core import attachments, outbox, remarks, scope, sessions
from portal.core.db import Base, db
from portal.core.remarks import Remark
from portal.feedback.models import CallBack, Evaluation
from portal.help_requests.models import HelpAddress, HelpOrder, HelpRequest, VulnerableRegistration
from portal.notices.models import Delivery, InboxMessage, WechatBinding
from portal.people.actions import resident_records
from portal.people.models import LoginCode, Relative, Resident
from portal.signup.attendance.models import Attendance
from portal.signup.eligibility.models import GroupClaim
from portal.signup.models import CONFIRMED, SignUp, SignUpReview
from portal.signup.no_shows.models import NoShow
from portal.teams.models import Team, TeamMember
from tests import marks
from tests.factories import NOW, Make, Town

PERSONS = {
    "attendance": "surname tail",
    "attachment": "caption",  # of those that a resident gave
    "booking": "contact_name contact_phone caller_name title needs reason",
    "call_back": "outcome_words",
    "case_file": "detail",
    "delivery": "recipient tail body parts last_error",
    "evaluation": "words token caller_name",
    "group_claim": "reason",
    "handover": "reason tried decline_reason",
    "help_address": "text",
    "help_order": "why decline_reason done_words",
    "help_request": "words caller_name masked_address call_text question refusal done_words",
    "vulnerable_registration": "caller_name proof",
    "inbox_message": "title body",
    "no_show": "appeal answer",
    "login_code": "phone code_hash address browser",
    "relative": "name relation phone",
    "remark": "words salt",
    "resident": "phone name address groups quiet",
    "sign_up": "note refusal_reason caller_name",
    "sign_up_review": "reason",
    "team_member": "name phone",
    "venue_note": "body",  # of those about a booking
    "web_session": "address agent",
    "wechat_binding": "open_id",
}
# The district's own words, words of lists, names and numbers of staff, keys and codes.
NOBODYS = {
    "attachment": "subject_kind kind created_by file",  # file: a hash; the file itself goes with its row
    "attendance": "person_key via marked_by",
    "attendance_mark": "key via by",
    "audit_head": "hash key_id seal",
    "audit_log": "actor_kind actor_name centre_path address verb object_type summary before after previous hash key_id",
    "booking": "source function status created_by",
    "booking_series": "title weekdays created_by",
    "bulk_row": "before",  # what a row of the list said
    "bulk_step": "kind month",
    "calendar_day": "kind name",
    "calendar_feed": "code",  # a random number
    "calendar_year": "notice entered_by",
    "call_back": "status outcome",
    "case_clock": "name unit",
    "case_file": "kind owner_name title url status outcome",  # title: of the service that it is about
    "category": "code name kind",
    "centre": "code name short_name level kind path address phone functions responsible intro note",
    "centre_sheet": "filename rows head unused created_by",
    "cutoff": "month level set_by",
    "delivery": "channel kind key outcome serial receipt",
    "department": "code name phone",
    "entry": "month title content organiser place audience groups unit contact phone cover weekly status return_reason "
    "return_field check_note change_note import_row",
    "entry_change": "kind before after reason status asked_by decided_by decision_reason",
    "entry_template": "name values",
    "evaluation": "subject_kind group_key title when_text person_key tags given_via",  # title: of a service or room
    "group_claim": "person_key group_code status decided_by",
    "guide": "title summary phone link steps materials time_limit fee address",
    "handover": "kind status decided_by",
    "help_order": "status token offered_by",  # token: of the paper order
    "help_outside": "name phone note",
    "help_reading": "field reader unit",  # who of the staff looked
    "help_request": "person_key kind voice_file wanted_part status consent_version advice_kind advice_value",
    "help_visit": "status token set_by",
    "vulnerable_registration": "person_key registered_by ended_by",
    "inbox_message": "audience kind link key",
    "issue": "month submitted_by",
    "known_device": "token_hash",
    "login_failure": "key address",
    "opening_exception": "reason",
    "opening_hours": "note",
    "no_show": "person_key status",
    "organiser_message": "words audience once sent_by",  # words to many about an activity
    "outbox": "topic key payload last_error",
    "plan_import": "question month filename digest rows notes status created_by",
    "printed_document": "month paper digest data status file error",
    "remark": "object_type",
    "resident": "consent_version",
    "roster_check": "checked_by",
    "service_type": "name source",
    "setting": "key value",
    "sign_up": "person_key status created_by",
    "recovery_code": "code_hash",
    "spoken_code": "code_hash",
    "synonym_list": "text",
    "staff_account": "username name phone role password_hash totp_secret",
    "shift": "part role status",
    "shift_pattern": "part role",
    "state_history": "object_type name from_status to_status actor_kind actor_name reason about details",
    "team": "name",
    "team_member": "role kind skills code",  # code: a random number
    "urge": "month urged_by",
    "venue": "name kind place address functions equipment intro terms_of_use contact phone link responsible partner "
    "who_may staff_notes door_key import_key",
    "venue_closure": "reason created_by",
    "venue_note": "created_by solved_by",
    "wechat_token": "app_id token",
    "web_session": "id audience ended_why let_in_by",  # let_in_by: a centre
}
# Not in the export: secrets and technical copies of what is in it.
NOT_TOLD = {
    "delivery.recipient", "delivery.tail", "delivery.body", "delivery.parts", "delivery.last_error", "login_code.phone", "evaluation.token",
    "login_code.code_hash", "login_code.address", "login_code.browser", "remark.salt", "resident.quiet", "case_file.detail",
    "sign_up_review.reason",  # of a decision that has not been taken yet
    "handover.reason", "handover.tried", "handover.decline_reason",  # their remarks are
}  # fmt: skip


def texts() -> Iterator[tuple[Table, Column[Any]]]:
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, String | JSON):
                yield table, column


def declared(which: dict[str, str]) -> set[str]:
    return {f"{table}.{column}" for table, columns in which.items() for column in columns.split()}


def test_every_column_of_text_is_declared() -> None:
    there = {f"{table.name}.{column.name}" for table, column in texts()}
    assert not declared(PERSONS) & declared(NOBODYS)
    assert there == declared(PERSONS) | declared(NOBODYS)
    assert declared(PERSONS) >= NOT_TOLD


@pytest.fixture
def planted(session: Any, town: Town, make: Make) -> dict[str, str]:
    """A row of the first resident's in every table that may hold something of a person; mark by column."""
    me, room = town.residents[0], make.venue(town.centres["A1"])
    relative = Relative(resident_id=me.id, name="x", relation="x", created_at=NOW)
    sign_up = SignUp(entry_id=make.entry(town.centres["A1"], taken=1).id, centre_id=town.centres["A1"].id, resident_id=me.id,
                     person_key="r1", status=CONFIRMED, created_at=NOW)  # fmt: skip
    here = make.entry(town.centres["A1"])
    here_id = here.sessions[0].id
    session.add(Attendance(centre_id=here.centre_id, session_id=here_id, entry_id=here.id, resident_id=me.id, person_key="r1",
                           came=True, via="tail", marked_at=NOW))  # fmt: skip
    session.add(NoShow(centre_id=here.centre_id, session_id=here_id, entry_id=here.id, resident_id=me.id, person_key="r1",
                       counted_at=NOW))  # fmt: skip
    booking = make.booking(room, NOW - timedelta(days=2), resident=me)
    make.booking(room, NOW - timedelta(days=3), contact_phone=me.phone)
    make.note(room, booking_id=booking.id)
    code = LoginCode(phone=me.phone, code_hash="x", sent_at=NOW, expires_at=NOW)
    step = BulkStep(
        kind="sign_refuse", month="2026-12", account_id=town.staff["A1"].id, centre_id=room.centre_id, at=NOW
    )
    session.add_all([relative, sign_up, code, step, WechatBinding(resident_id=me.id, open_id="x", bound_at=NOW)])
    session.flush()
    session.add(SignUpReview(sign_up_id=sign_up.id, step_id=step.id, reason="x"))
    claim = GroupClaim(centre_id=room.centre_id, resident_id=me.id, person_key=f"r{me.id}", group_code="elder",
                       entry_id=sign_up.entry_id, status="refused", asked_at=NOW, reason="x")  # fmt: skip
    session.add(claim)
    session.flush()
    call = called_back(session, town)
    asked_for_help(session, town)
    for kind, number in (("sign_up", sign_up.id), ("group_claim", claim.id), ("booking", booking.id), ("call_back", call.id),
                         ("case_file", call.case_id), ("handover", session.scalar(select(Handover.id)))):  # fmt: skip
        remarks.write(kind, number, "x")
    letters(session, town, booking.id, call.id)
    sessions.open_session("resident", me.id, NOW, "x", "x")
    album = attachments.Album("test", 3)
    album.add(town.resident_actor(0), 1, town.centres["A1"].id, "x.jpg", "x", NOW)
    session.commit()
    return mark_all(session, me.phone or "")


def called_back(session: Any, town: Town) -> CallBack:
    """A closed call-back of a low answer, which was handed up once."""
    home = town.centres["A1"].id
    row = Evaluation(centre_id=home, subject_kind="test", subject_id=1, group_key="g", title="书法课", when_text="昨天",
                     resident_id=town.residents[0].id, person_key="r1", token="x", asked_at=NOW, answer_until=NOW,
                     stars=1, tags=[], words="x", given_at=NOW, given_via="link")  # fmt: skip
    case = Case(kind="call_back", centre_id=home, waits_at_id=home, title="书法课（1 星）", detail="x", status="done",
                opened_at=NOW, turn_since=NOW)  # fmt: skip
    session.add_all([row, case])
    session.flush()
    call = CallBack(centre_id=home, evaluation_id=row.id, case_id=case.id, status="done", closed_at=NOW)
    passed = Handover(case_id=case.id, kind="up", from_id=home, to_id=town.centres["A"].id, reason="x", offered_at=NOW)
    session.add_all([call, passed])
    session.flush()
    return call


def asked_for_help(session: Any, town: Town) -> None:
    """A request that a member of the team went for, and the person's registration."""
    a1, me = town.centres["A1"].id, town.residents[0].id
    case = Case(kind="help", centre_id=a1, waits_at_id=a1, title="代办", detail="x", opened_at=NOW, turn_since=NOW)
    team = Team(centre_id=a1, name="综合服务队", created_at=NOW)
    address = HelpAddress(centre_id=a1, text="x")
    session.add_all([case, team, address])
    session.flush()
    member = TeamMember(centre_id=a1, team_id=team.id, name="队员", kind="social", since=NOW.date(), created_at=NOW,
                        resident_id=me, phone=town.residents[0].phone)  # fmt: skip
    row = HelpRequest(centre_id=a1, case_id=case.id, resident_id=me, person_key=f"r{me}", kind="agency", words="x",
                      address_id=address.id, status="accepted", filed_at=NOW)  # fmt: skip
    kept = VulnerableRegistration(centre_id=a1, resident_id=me, person_key=f"r{me}", since=NOW.date(), proof="x",
                                  registered_by="A1管理员", registered_at=NOW)  # fmt: skip
    session.add_all([member, row, kept])
    session.flush()
    session.add(HelpOrder(centre_id=a1, request_id=row.id, member_id=member.id, token="x", offered_at=NOW))


def letters(session: Any, town: Town, booking_id: int, call_id: int) -> None:
    """To the resident, with its text to the phone; and to staff about the resident's booking and call-back."""
    staff, me = town.staff["A1"].id, town.residents[0].id
    own = InboxMessage(audience="resident", person_id=me, kind="k", title="x", body="x", key="1", created_at=NOW)
    session.add(own)
    links = (f"/staff/venues/bookings/{booking_id}", f"/staff/feedback/call-backs/{call_id}")
    for link in links:
        session.add(InboxMessage(audience="staff", person_id=staff, kind="k", title="x", body="x", link=link, key=link,
                                 created_at=NOW))  # fmt: skip
    session.flush()
    for message, key in ((own.id, "a"), (None, "b")):
        session.add(Delivery(channel="sms", recipient=town.residents[0].phone, body="x", kind="k", message_id=message,
                             key=key, created_at=NOW, due_at=NOW, done_at=NOW))  # fmt: skip


def mark_all(session: Any, phone: str) -> dict[str, str]:
    """A mark of its own in every column that is declared a person's, but where the number itself is the mark."""
    found = {}
    for number, name in enumerate(sorted(declared(PERSONS) - {"remark.salt"})):
        table, column = name.split(".")
        target = Base.metadata.tables[table].c[column]
        room = getattr(target.type, "length", None) or 6
        mark = f"mark{number:02}" if room >= 6 else f"§{number:02}§"
        found[name] = phone if column in ("phone", "recipient", "contact_phone") else mark
        if found[name] == phone:
            continue
        which = update(target.table)
        if table == "resident":
            which = which.where(target.table.c.phone == phone)
        if table == "remark":  # only blanking is allowed: written anew instead
            continue
        value: Any = (
            [found[name]]
            if column == "groups"
            else {"off": [found[name]]}
            if column in ("quiet", "parts")
            else found[name]
        )
        session.execute(which.values({column: value}))
    for kind, number in session.execute(select(Remark.object_type, Remark.object_id)).all():
        remarks.write(kind, number, found["remark.words"] + kind)
    session.execute(delete(outbox.Outbox))
    session.commit()
    return found


def test_what_is_a_persons_is_exported_and_erased(session: Any, town: Town, planted: dict[str, str]) -> None:
    me = town.residents[0]
    assert marks.left(planted.values(), marks.tables()) == list(planted.values())
    told = json.dumps(resident_records.export_own(me.id, NOW), ensure_ascii=False).encode()
    session.rollback()
    missing = {name for name, mark in planted.items() if name not in NOT_TOLD and mark.encode() not in told}
    assert not missing
    for kind in ("sign_up", "booking", "call_back", "case_file", "handover"):
        assert planted["remark.words"] + kind in told.decode()
    with scope.system("tests"):
        resident_records.erase_resident(town.resident_actor(0), session.get_one(Resident, me.id), NOW)
        session.commit()
    kept = {name for name, mark in planted.items() if marks.left([mark], marks.tables())}
    assert not kept


def test_others_keep_theirs(session: Any, town: Town, make: Make) -> None:
    """The same erasing takes nothing from a neighbour, whose booking lies in the same room."""
    room = make.venue(town.centres["A1"])
    booking = make.booking(room, NOW - timedelta(days=2), resident=town.residents[1], title="邻居的合唱")
    make.note(room, "邻居的话筒", booking_id=booking.id)
    remarks.write("booking", booking.id, "邻居的原因")
    session.commit()
    resident_records.erase_resident(town.resident_actor(0), town.residents[0], NOW)
    session.commit()
    words = ["邻居的合唱", "邻居的话筒", "邻居的原因", "居民乙"]
    assert marks.left(words, marks.tables()) == words
    assert db.session.get_one(Resident, town.residents[1].id).erased_at is None
