"""One record of every kind in A1, with words that must not leave its subtree; and who stands where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from sqlalchemy import select

from portal.cases.models import Case
from portal.catalogue.actions import entry_values as rows_of_entries
from portal.catalogue.models import BulkStep, Entry, EntryChange, Guide, PlanImport, PrintedDocument, Template
from portal.centres.models import CentreSheet
from portal.core import clock
from portal.core.attachments import Attachment
from portal.core.db import db
from portal.core.sessions import WebSession
from portal.feedback.actions import give
from portal.feedback.models import CallBack, Evaluation
from portal.help_requests.models import HelpAddress, HelpOutside, HelpRequest, VulnerableRegistration
from portal.notices.models import Delivery, InboxMessage
from portal.people.models import Relative
from portal.signup.attendance import codes
from portal.signup.eligibility.models import GroupClaim
from portal.signup.models import SignUp
from portal.signup.no_shows.models import NoShow
from portal.venues.models import BookingSeries
from tests.factories import NOW, Make, Town
from tests.house import world_teams

SECRET = "只有甲一知道"
PHONE = "19900000000"  # of the resident who signed up

# Who stands where, seen from A1, which owns every record.
INSIDE = {"A1": "own", "A": "parent", "D": "grandparent"}
OUTSIDE = {"A1S": "child", "A2": "sibling", "B1": "foreign", "B": "foreign subdistrict", "ZFB": "department"}


# A template's fields as portal.catalogue keeps them.
VALUES = {"month": "2026-12", "title": "常用活动", "category_id": 1}


@dataclass
class World:
    town: Town
    ids: dict[str, Any]  # URL argument -> its value for A1's record
    session_ids: dict[str, str]


def build(town: Town, make: Make) -> World:
    """Every kind of record, owned by A1 or by its first resident."""
    a1, person = town.centres["A1"], town.residents[0]
    draft = make.entry(a1, title=SECRET, status="draft", published_at=None)
    public = make.entry(a1, title="公开的活动", taken=1)
    sign_up, change = _asked(town, public)
    plan = PlanImport(
        centre_id=a1.id,
        month="2026-12",
        filename=f"{SECRET}.xlsx",
        digest="0" * 64,
        rows=[],
        notes=[],
        created_by="A1管理员",
        created_at=NOW,
    )
    message = InboxMessage(
        audience="resident",
        person_id=person.id,
        kind="signup.confirmed",
        title=SECRET,
        body=SECRET,
        key="house",
        created_at=NOW,
    )
    relative = Relative(resident_id=person.id, name=SECRET[:6], relation="母亲", created_at=NOW)
    rows: dict[str, Any] = {
        "sheet": _sheet(town), "claim": _claim(town, public),
        "draft": draft, "sign_up": sign_up, "change": change, "plan": plan, "message": message, "relative": relative,
        "template": Template(centre_id=a1.id, name=SECRET, values=VALUES, created_at=NOW),
        "photo": _photo("centre", a1.id, a1.id),
        **_printed(a1.id),
        "guide": Guide(
            category_id=town.categories["life-food"].id, title="公开指南", centre_id=a1.id, updated_at=NOW
        ),
        "delivery": Delivery(
            channel="sms", recipient=PHONE, body=SECRET, kind="signup.confirmed", key="house", created_at=NOW,
            due_at=NOW, done_at=NOW, outcome="local",
        ),
        "step": _step(town),
        "web_session": WebSession(
            id="f" * 64, audience="staff", person_id=town.staff["A1"].id, created_at=NOW, last_seen_at=NOW,
            expires_at=NOW + timedelta(hours=12),
        ),
    }  # fmt: skip
    room_ids = _room(town, make)
    db.session.add_all(rows.values())
    db.session.flush()
    ids = _ids(town, public, rows) | _feedback(town, public) | room_ids
    ids |= world_teams.ids(town, SECRET)
    db.session.commit()
    return World(town, ids, {})


def _ids(town: Town, public: Entry, rows: dict[str, Any]) -> dict[str, Any]:
    """URL argument -> its value for A1's record."""
    person_id, of = town.residents[0].id, {name: row.id for name, row in rows.items()}
    return {
        "entry_id": of["draft"], "sign_up_id": of["sign_up"], "change_id": of["change"], "import_id": of["plan"],
        "step_id": of["step"], "plan_id": of["plan"], "template_id": of["template"], "account_id": town.staff["A1"].id,
        "sheet_id": of["sheet"], "centre_id": town.centres["A1"].id, "department_id": town.staff["ZFB"].department_id,
        "claim_id": of["claim"], "photo_id": of["photo"], "document_id": of["document"], "pack_id": of["pack"],
        "form": "zip", "guide_id": of["guide"], "message_id": of["message"], "relative_id": of["relative"],
        "resident_id": person_id, "session_id": of["web_session"], "delivery_id": of["delivery"], "code": "A1",
        "month": "2026-12", "key": "0" * 48, "number": 1, "row": 1, "row_number": 1, "kind": "csv", "paper": "a4",
        "name": "0" * 32 + ".webp", "filename": "portal.css", "public_entry_id": public.id,
        "date_id": public.sessions[0].id, "rest": "nothing", "place_key": codes.of_date(public.sessions[0].id),
        "no_show_id": _no_show(public, person_id), **_help(town),
    }  # fmt: skip


def _sheet(town: Town) -> CentreSheet:
    """A table of centres that waits at the top of the tree."""
    home = town.centres["D"]
    return CentreSheet(centre_id=home.id, filename="x.csv", rows=[], head={}, unused=[], created_by="", created_at=NOW)


def _step(town: Town) -> BulkStep:
    """Of community A1's manager, on many rows."""
    a1 = town.centres["A1"].id
    return BulkStep(kind="hand_in", month="2026-12", account_id=town.staff["A1"].id, centre_id=a1, count=1, at=NOW)


def _printed(centre_id: int) -> dict[str, PrintedDocument]:
    """A list on its way to paper, and a pack of many papers."""
    wanted = {"document": ("a4", {}), "pack": ("pack", {"kinds": ["a4"], "centres": [centre_id], "since": None})}
    return {
        name: PrintedDocument(
            centre_id=centre_id, month="2026-12", paper=paper, digest=paper.ljust(64, "0"), data=data, asked_at=NOW
        )
        for name, (paper, data) in wanted.items()
    }  # fmt: skip


def _photo(kind: str, subject_id: int, centre_id: int) -> Attachment:
    return Attachment(
        subject_kind=kind, subject_id=subject_id, centre_id=centre_id, file="x.jpg", caption="公开的照片",
        created_at=NOW,
    )  # fmt: skip


def _claim(town: Town, public: Entry) -> GroupClaim:
    """What A1 is asked to confirm of the first resident."""
    return GroupClaim(
        centre_id=town.centres["A1"].id, resident_id=town.residents[0].id, person_key="house", group_code="elder",
        entry_id=public.id, status="asked", asked_at=NOW, reason=SECRET,
    )  # fmt: skip


def _asked(town: Town, public: Entry) -> tuple[SignUp, EntryChange]:
    """The first resident's place in the public activity, and the change of it that waits for the level above."""
    a1, person = town.centres["A1"], town.residents[0]
    told = rows_of_entries.to_json(rows_of_entries.values_of(public))
    sign_up = SignUp(
        entry_id=public.id,
        resident_id=person.id,
        person_key=f"r{person.id}",
        status="confirmed",
        centre_id=a1.id,
        created_at=NOW,
        note=SECRET,
    )
    change = EntryChange(
        entry_id=public.id,
        centre_id=a1.id,
        kind="edit",
        before=told,
        after=told,
        reason=SECRET,
        status="asked",
        waits_at_id=town.centres["A"].id,
        asked_by="A1管理员",
        asked_at=NOW,
    )
    return sign_up, change


def _help(town: Town) -> dict[str, Any]:
    """A request of the first resident's that waits at A, a registration, and a number outside that A1 keeps."""
    a1, a, person = town.centres["A1"].id, town.centres["A"].id, town.residents[0].id
    case = Case(
        kind="help", centre_id=a1, waits_at_id=a, title="代办", detail=SECRET[:6], opened_at=NOW, turn_since=NOW
    )
    address = HelpAddress(centre_id=a1, text=SECRET)
    outside = HelpOutside(centre_id=a1, name="公开的单位", phone="0755-00000001", created_at=NOW)
    registered = VulnerableRegistration(
        centre_id=a1, resident_id=person, person_key=f"r{person}", since=NOW.date(), proof=SECRET,
        registered_by="A1管理员", registered_at=NOW,
    )  # fmt: skip
    db.session.add_all([case, address, outside, registered])
    db.session.flush()
    row = HelpRequest(
        centre_id=a1, case_id=case.id, resident_id=person, person_key=f"r{person}", kind="agency", words=SECRET,
        address_id=address.id, filed_at=NOW,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    return {
        "request_id": row.id, "registration_id": registered.id, "outside_id": outside.id, "field": "address",
    }  # fmt: skip


def _no_show(entry: Entry, person: int) -> int:
    """Counted against the first resident, who says why it should not be."""
    row = NoShow(
        centre_id=entry.centre_id, session_id=entry.sessions[0].id, entry_id=entry.id, resident_id=person,
        person_key=f"r{person}", status="appealed", counted_at=NOW, appeal=SECRET, appealed_at=NOW,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    return row.id


def _room(town: Town, make: Make) -> dict[str, Any]:
    """A room of A1 that everybody may see, and what only A1 knows of it: who booked it, what for, what is broken."""
    a1, person = town.centres["A1"], town.residents[0]
    venue = make.venue(a1, name="公开的场地", needs_approval=True, staff_notes=SECRET, door_key="door-of-a1")
    picture = _photo("venue", venue.id, a1.id)
    db.session.add(picture)
    start = clock.at(NOW.date() + timedelta(days=3), time(14))
    booking = make.booking(venue, start, resident=person, status="pending", title=SECRET, needs=SECRET)
    make.booking(venue, start + timedelta(hours=2), contact_name=SECRET[:6], contact_phone=PHONE, title=SECRET)
    closure = make.closure(venue, start + timedelta(days=2), start + timedelta(days=3))
    note = make.note(venue, SECRET, booking_id=booking.id)
    series = BookingSeries(
        centre_id=a1.id,
        venue_id=venue.id,
        title="公开的系列",
        weekdays=[1],
        first_day=NOW.date(),
        last_day=NOW.date() + timedelta(days=30),
        opens=540,
        closes=600,
        created_by="A1管理员",
        created_at=NOW,
    )
    db.session.add(series)
    db.session.flush()
    return {
        "venue_id": venue.id, "picture_id": picture.id, "booking_id": booking.id, "series_id": series.id,
        "closure_id": closure.id, "note_id": note.id, "door_key": venue.door_key,
    }  # fmt: skip


def _feedback(town: Town, entry: Any) -> dict[str, Any]:
    """What the first resident said of A1's activity, and the call-back that it opened."""
    a1, person = town.centres["A1"], town.residents[0]
    row = Evaluation(
        centre_id=a1.id, subject_kind="activity", subject_id=entry.id, group_key="activity:1:house", title="公开的活动",
        resident_id=person.id, person_key=f"r{person.id}", token="house" * 5, asked_at=NOW,
        answer_until=NOW + timedelta(days=14),
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    give(row.id, 1, NOW, words=SECRET)
    call = db.session.scalars(select(CallBack).where(CallBack.evaluation_id == row.id)).one()
    return {"call_back_id": call.id, "token": row.token, "year": NOW.year + 1}


ForRule = Callable[[str], bool]


def month() -> str:
    return clock.month_of(NOW)
