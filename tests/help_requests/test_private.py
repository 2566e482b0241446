"""Nobody reads an address or a number before accepting: page, JSON, table, paper, message, log, audit (SPEC H5, P8)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core.audit import AuditLog
from portal.core.outbox import Outbox
from portal.core.states import StateHistory
from portal.help_requests import deadlines, private_fields, reviewing
from portal.help_requests.errors import NotReadable
from portal.help_requests.models import HelpAddress, HelpReading, HelpRequest
from portal.notices.models import Delivery, InboxMessage
from portal.people.actions import resident_records
from tests.factories import NOW, Town
from tests.help_requests.conftest import PLACE, WORDS, Filed, deliver, fresh, walk
from tests.marks import left, tables

DAY = timedelta(days=1)
PAGES = (
    "/staff", "/staff/help", "/staff/help?show=away", "/staff/help?show=done", "/staff/help?open={id}",
    "/staff/help?open={id}&show=away", "/staff/help/registrations", "/staff/help/record", "/staff/audit", "/staff/messages",
    "/staff/messages/mine", "/staff/feedback", "/api/v1/services",
)  # fmt: skip


def seen_by(client: FlaskClient, number: int) -> bytes:
    """Everything that one staff member can open without pressing anything, as HTML and as HTMX's part."""
    found = []
    for path in PAGES:
        for headers in ({}, {"HX-Request": "true"}):
            found.append(client.get(path.format(id=number), headers=headers).get_data())
    return b"\n".join(found)


@pytest.mark.parametrize("status", ["received", "dispatched"])
def test_before_acceptance_it_is_nowhere(
    client: FlaskClient,
    app: Flask,
    town: Town,
    session: Any,
    filed: Filed,
    as_staff: Any,
    capsys: Any,
    status: str,
    now: Any,
) -> None:
    row = filed(status)
    deliver()
    canaries = [PLACE, town.residents[0].phone or ""]
    for key in ("A", "A1", "D", "B", "A1-OP"):
        as_staff(client, town.staff[key])
        assert left(canaries, seen_by(client, row.id)) == []
        answer = client.post(f"/staff/help/{row.id}/read/address")
        assert answer.status_code in (403, 404) and PLACE not in answer.text
    session.rollback()
    told = [
        *session.scalars(select(InboxMessage.title + InboxMessage.body).where(InboxMessage.audience == "staff")),
        *session.scalars(select(Delivery.body)), *(str(o.payload) for o in session.scalars(select(Outbox))),
        *(f"{a.summary}{a.before}{a.after}" for a in session.scalars(select(AuditLog))),
        *(f"{h.reason}{h.details}" for h in session.scalars(select(StateHistory))),
    ]  # fmt: skip
    assert left(canaries, "\n".join(told).encode()) == []
    assert left([WORDS], "\n".join(session.scalars(select(InboxMessage.body))).encode()) == []
    out = capsys.readouterr()
    assert left([*canaries, WORDS], (out.out + out.err).encode()) == []
    assert not session.scalars(select(HelpReading)).all()


def test_who_accepted_reads_and_the_person_sees_it(town: Town, session: Any, filed: Filed) -> None:
    row = filed("accepted")
    for key in ("A", "D", "B1", "A1S", "ZFB", "D-LOOK"):
        with pytest.raises(NotReadable):
            private_fields.read(town.actor(key), row, "address", NOW)
    assert private_fields.read(town.actor("A1"), row, "address", NOW) == PLACE
    assert private_fields.read(town.actor("A1-OP"), row, "phone", NOW) == town.residents[0].phone
    session.commit()
    lines = json.dumps(resident_records.export_own(town.residents[0].id, NOW), ensure_ascii=False)
    assert "甲一社区 A1管理员 看了住址" in lines and "A1经办 看了电话" in lines and PLACE in lines
    assert "A1管理员" not in json.dumps(resident_records.export_own(town.residents[1].id, NOW), ensure_ascii=False)
    reviewing.hand_back(town.actor("A1"), row.id, "人手不够", NOW)
    session.commit()
    with pytest.raises(NotReadable):
        private_fields.read(town.actor("A1"), fresh(row.id), "address", NOW)


def test_health_is_told_to_fewer(client: FlaskClient, town: Town, filed: Filed, as_staff: Any, now: Any) -> None:
    """Of a health-like kind the level above reads neither words nor title; who has it reads them."""
    row = filed("dispatched", kind="care")
    for key, sees in (("A", True), ("A1", True), ("D", False)):
        as_staff(client, town.staff[key])
        page = client.get(f"/staff/help?open={row.id}&show=away").text
        assert ("降压药" in page) is sees, key


def test_after_30_days_it_is_rounded(town: Town, session: Any, filed: Filed) -> None:
    row = filed("confirmed", latitude=22.61, longitude=114.41)
    voiced = filed("withdrawn", kind="errand", voice_file="0" * 32 + ".m4a", voice_seconds=3)
    with pytest.raises(NotReadable):
        private_fields.read(town.actor("A1"), row, "address", NOW + 30 * DAY)
    session.commit()
    assert deadlines.forget_old(NOW + 29 * DAY) == 0
    assert deadlines.forget_old(NOW + 31 * DAY) == 2
    session.commit()
    kept = session.get(HelpAddress, fresh(row.id).address_id)
    assert kept.text == "" and (kept.latitude, kept.longitude) == (
        town.centres["A1"].latitude,
        town.centres["A1"].longitude,
    )
    assert fresh(voiced.id).voice_file and deadlines.forget_old(NOW + 91 * DAY) == 1
    session.commit()
    assert fresh(voiced.id).voice_file == "" and deadlines.forget_old(NOW + 92 * DAY) == 0


def test_who_leaves_takes_it_along(town: Town, session: Any, filed: Filed) -> None:
    """Words, address and answers go; nobody comes any more; that something was done stays."""
    row = filed("asking")
    done = filed("done", kind="errand", words="买两斤白菜送上楼")
    deliver()
    session.rollback()
    resident_records.erase_resident(
        town.resident_actor(0), session.get_one(type(town.residents[0]), town.residents[0].id), NOW
    )
    session.commit()
    assert left([PLACE, WORDS, "哪天方便", "白菜", "已送到"], tables()) == []
    assert fresh(row.id).status == fresh(done.id).status == "withdrawn"
    assert fresh(row.id).case.status == "done"


def test_a_relatives_place_is_not_the_filers(town: Town, session: Any) -> None:
    """For somebody else the filer's own address is never taken."""
    from portal.help_requests import actions

    person = session.get_one(type(town.residents[0]), town.residents[0].id)
    mother = resident_records.add_relative(person, resident_records.RelativeValues("王秀兰", "母亲", 1950), NOW)
    session.commit()
    ask = actions.Asked("agency", WORDS)
    row = actions.ask_for_help(town.resident_actor(0), ask, mother.id, NOW)
    session.commit()
    assert session.get(HelpAddress, row.address_id).text == ""
    first = actions.ask_for_help(town.resident_actor(0), actions.Asked("errand", WORDS, place=PLACE), mother.id, NOW)
    again = actions.ask_for_help(town.resident_actor(0), actions.Asked("errand", "又一件"), mother.id, NOW)
    session.commit()
    assert {session.get(HelpAddress, r.address_id).text for r in (first, again)} == {PLACE}
    assert (
        session.scalars(select(HelpRequest.masked_address).where(HelpRequest.id == first.id)).one()
        == "甲一社区 金丝雀花园***"
    )
    walk(town, row, "accepted")
    session.commit()
    assert fresh(row.id).status == "accepted"
