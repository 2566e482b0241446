"""What this feature registers for the features above: my services, own data, errands, what is evaluated (S7, P8)."""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from portal.cases import actions as cases
from portal.cases import queries as case_queries
from portal.cases.models import Handover
from portal.core import clock, outbox, registry, remarks, scope, states
from portal.core.access import system_actor
from portal.core.db import db
from portal.core.registry import Mine
from portal.feedback import subjects
from portal.feedback.subjects import Described, Subject
from portal.help_requests import actions, help_kinds, queries, rules, told
from portal.help_requests.handlers import resident_link, staff_link
from portal.help_requests.models import (
    CONFIRMED,
    DONE,
    OVER,
    UNDONE,
    HelpOrder,
    HelpReading,
    HelpRequest,
    HelpVisit,
    VulnerableRegistration,
)
from portal.help_requests.private_fields import LABELS as FIELDS
from portal.help_requests.states import MACHINE, ORDER, RESIDENT_LABELS, TONES
from portal.notices.actions import forget_staff

REGISTRATION = VulnerableRegistration.__tablename__


@registry.mine
def my_requests(resident_id: int, now: datetime, coming: bool) -> list[Mine]:
    """Every request of mine with who has it and until when; what waits for me stands among what waits."""
    if coming and not queries.has_undone(resident_id):
        return []
    rows = queries.mine(resident_id, now, coming)
    offers = queries.offers(rows)
    return [_mine(row, offers.get(row.case_id), now) for row in rows]


def _mine(row: HelpRequest, offer: Handover | None, now: datetime) -> Mine:
    held = told.holder(row, now, offer)
    section = "past" if row.status in OVER else "waiting"
    following = (
        "" if held is None else held.late or f"{held.who}：{f'{held.until} 前' if held.until else ''}{held.deed}"
    )
    return Mine(
        section=section, title=f"求助：{help_kinds.name(row.kind)}", when=f"{clock.stamp(row.filed_at)} 提出", place="",
        status_text=RESIDENT_LABELS[row.status], tone="red" if held and held.late else TONES[row.status],
        next_text=following, url=resident_link(row.id), starts_at=row.case.due_at or row.filed_at,
        person=row.relative.name if row.relative else "",
    )  # fmt: skip


_ADDRESS = re.compile(r"/help(/\d{1,9})?")


@registry.errand
def about_to(path: str) -> registry.Errand | None:
    """Asking for help, or looking after one's request: what the login page says comes next."""
    found = _ADDRESS.fullmatch(path)
    if found is None:
        return None
    return registry.Errand("看您的求助" if found[1] else "发出求助，刚才写的都还在")


def describe(ids: Sequence[int]) -> dict[int, Described]:
    """Requests as the evaluation's pages show them: never what help it was. One statement."""
    rows = db.session.scalars(select(HelpRequest).where(HelpRequest.id.in_(ids)))
    return {
        row.id: Described(
            "求助", f"{clock.stamp(row.done_at)} 办好" if row.done_at else "", "", row.taken_id or row.centre_id,
            resident_link(row.id), staff_link(row.id),
        )
        for row in rows
    }  # fmt: skip


subjects.register(Subject(actions.SUBJECT, "求助", describe))


@registry.personal
def personal(resident_id: int) -> dict[str, Any]:
    """This feature's part of the export of own data: the requests, who read what in full, the registration (P8)."""
    rows = queries.all_of(resident_id)
    ids = [row.id for row in rows]
    said = remarks.about(MACHINE.name, ids)
    orders = _orders(ids)
    ordered = remarks.about(ORDER.name, orders)
    cased = case_queries.written_about([row.case_id for row in rows])
    read = _readings(ids)
    written = {row.id: [*said.get(row.id, []), *cased.get(row.case_id, [])] for row in rows}
    for number, request_id in orders.items():
        written[request_id] += [*ordered.get(number, []), *_order_words(number)]
    more = {
        row.id: {"办理说明": list(dict.fromkeys(written[row.id])), "谁查看过": read.get(row.id, [])} for row in rows
    }
    return {
        "求助": [_row(row) | more[row.id] for row in rows],
        "备案": _registered(resident_id),
    }  # fmt: skip


def _row(row: HelpRequest) -> dict[str, Any]:
    own = row.address.text if row.address is not None else ""
    return {
        "种类": help_kinds.name(row.kind), "要帮什么": row.words, "为谁": row.relative.name if row.relative else "本人",
        "工作人员登记的姓名": row.caller_name, "哪天要": rules.wanted_text(row.wanted_day, row.wanted_part),
        "住址": own, "名单上显示的住址": row.masked_address, "提出时间": clock.stamp(row.filed_at),
        "同意的说明版本": row.consent_version, "语音": f"{row.voice_seconds} 秒" if row.voice_file else "",
        "现在": RESIDENT_LABELS[row.status] + ("（默认确认）" if row.by_default else ""), "问过您": row.question,
        "没有提供的原因": row.refusal, "怎么办好的": row.done_words, "要打电话告诉您": row.call_text,
    }  # fmt: skip


def _orders(ids: list[int]) -> dict[int, int]:
    with scope.system("own rows"):
        wanted = select(HelpOrder.id, HelpOrder.request_id).where(HelpOrder.request_id.in_(ids))
        return {row.id: row.request_id for row in db.session.execute(wanted)}


def _order_words(order_id: int) -> list[str]:
    """What was written about the person when somebody was sent, could not come, or had done it."""
    with scope.system("own rows"):
        found = db.session.get_one(HelpOrder, order_id)
    return [words for words in (found.why, found.decline_reason, found.done_words) if words]


def _readings(ids: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    with scope.system("own rows"):
        wanted = select(HelpReading).where(HelpReading.request_id.in_(ids)).order_by(HelpReading.id)
        for one in db.session.scalars(wanted):
            line = f"{clock.stamp(one.at)} {one.unit} {one.reader} 看了{FIELDS.get(one.field, one.field)}"
            found.setdefault(one.request_id, []).append(line)
    return found


def _registrations(resident_id: int) -> list[VulnerableRegistration]:
    with scope.system("own rows"):
        wanted = select(VulnerableRegistration).where(VulnerableRegistration.resident_id == resident_id)
        return list(db.session.scalars(wanted.order_by(VulnerableRegistration.id)))


def _registered(resident_id: int) -> list[dict[str, Any]]:
    rows = _registrations(resident_id)
    said = remarks.about(REGISTRATION, [row.id for row in rows])
    return [
        {
            "为谁": row.relative.name if row.relative else "本人", "工作人员登记的姓名": row.caller_name,
            "从": row.since.isoformat(), "到": row.until.isoformat() if row.until else "没有期限",
            "看过的证件": row.proof, "登记说明": said.get(row.id, []),
        }
        for row in rows
    ]  # fmt: skip


@registry.erase
def erase(resident_id: int, now: datetime) -> None:
    """The person leaves: words, address, voice and registration go, nobody comes any more; figures stay (P8)."""
    with scope.system("a person erases their data"):
        rows = queries.all_of(resident_id)
        ids = [row.id for row in rows]
        orders = _orders(ids)
        for row in rows:
            if row.status in (*UNDONE, DONE):
                states.fire(MACHINE, row, "drop", system_actor(), now, "居民已注销", values={"closed_at": now})
            if row.case.status != "done":
                cases.close(system_actor(), row.case, "居民已注销", now, "drop")
            if row.voice_file:
                outbox.put("help.voice_gone", f"{row.id}", {"file": row.voice_file}, now)
            row.words = row.caller_name = row.question = row.refusal = row.done_words = row.call_text = ""
            row.voice_file, row.masked_address, row.voice_seconds = "", "", 0
            if row.address is not None:
                row.address.text, row.address.latitude, row.address.longitude = "", None, None
        remarks.blank(MACHINE.name, ids)
        remarks.blank(ORDER.name, orders)
        cases.forget([row.case for row in rows])
        forget_staff(staff_link(number) for number in ids)
        _empty_orders(ids)
        remarks.blank(REGISTRATION, (row.id for row in _registrations(resident_id)))
        db.session.execute(
            delete(VulnerableRegistration).where(VulnerableRegistration.resident_id == resident_id),
            execution_options={"synchronize_session": False},
        )
        db.session.flush()


def _empty_orders(ids: list[int]) -> None:
    """What members wrote about the person goes, and the links by which a visit was moved die."""
    orders = update(HelpOrder).where(HelpOrder.request_id.in_(ids))
    options = {"synchronize_session": False}
    db.session.execute(orders.values(why="", decline_reason="", done_words=""), execution_options=options)
    for visit in db.session.scalars(select(HelpVisit).where(HelpVisit.request_id.in_(ids))):
        visit.token = secrets.token_urlsafe(16)


def satisfied(row: HelpRequest) -> bool:
    """Confirmed by the person themselves; silence is never counted as satisfied."""
    return row.status == CONFIRMED and not row.by_default
