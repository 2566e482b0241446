"""Rosters on paper and tables for the centre's file (SPEC S10). Only what is needed at the door; phones masked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from flask import Response, abort, request

from portal.catalogue.models import Entry, EntrySession
from portal.core import access, audit, clock, masks, pdf_spool
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.core.text import csv_table
from portal.people import proof
from portal.signup import documents, queries_staff
from portal.signup.attendance import queries as attendance
from portal.signup.models import CONFIRMED
from portal.signup.views_staff import bp

COLUMNS = ("序号", "姓名", "代报人", "电话", "人数", "状态", "所在社区", "登记人", "报名时间", "备注")


def _file_name(entry: Entry, ending: str) -> str:
    """RFC 6266: a plain name for old browsers, the Chinese one for the others."""
    named = quote(entry.title, safe="")
    return f"attachment; filename=\"sign-ups-{entry.id}.{ending}\"; filename*=UTF-8''{named}.{ending}"


def _table(entry: Entry, full: bool, now: datetime) -> Response:
    rows = queries_staff.for_entry(entry.id, live_only=True)
    lines: list[tuple[Any, ...]] = [COLUMNS]
    for number, r in enumerate(rows, 1):
        phone = r.phone if full else masks.mask_phone(r.phone)
        stamp = clock.local(r.created_at).strftime("%Y-%m-%d %H:%M")
        lines.append((number, r.name, r.by, phone, r.places, r.label, r.home, r.created_by, stamp, r.note))
    answer = Response(csv_table(lines), mimetype="text/csv")
    answer.headers["Content-Disposition"] = _file_name(entry, "csv")
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _entry(entry_id: int) -> Entry:
    return queries_staff.staff_entry(entry_id) or abort(404)


@bp.get("/<int:entry_id>/sign-ups.csv")
@access.staff(Permission.SIGN_UPS)
def table(entry_id: int) -> Response:
    """The list as CSV, phones masked."""
    return _table(_entry(entry_id), False, clock.now())


@bp.post("/<int:entry_id>/sign-ups.csv")
@access.staff(Permission.UNMASK)
@proof.asked_first("signup_staff.entry")
def full_table(entry_id: int) -> Response:
    """The list as CSV with phones in full; it is recorded who took it (P8)."""
    entry, now = _entry(entry_id), clock.now()
    audit.record(access.actor(), "unmask", "entry", entry.id, now, summary=f"导出完整电话：{entry.title}",
                 centre_id=entry.centre_id, centre_path=entry.centre.path)  # fmt: skip
    return _table(entry, True, now)


class NoDates(DomainError):
    message = "这个活动还没有定时间，不能打印签到表。"
    advice = "请先在服务清单里填好时间。"


@bp.get("/<int:entry_id>/roster.pdf")
@access.staff(Permission.SIGN_UPS)
def roster(entry_id: int) -> Response:
    """The roster to sign (签到表), or with ?kind=attendance the list for the file. ?session= picks one date of many."""
    entry, now = _entry(entry_id), clock.now()
    filed = request.args.get("kind") == "attendance"
    chosen = _sessions(entry, request.args.get("session", ""), now)
    if not chosen:
        raise NoDates()
    name = f"{'参加名单' if filed else '签到表'} {entry.title}.pdf"
    return pdf_spool.answer(documents.roster_sheet(_roster(entry, chosen, filed, now)), name, private=True)


def _sessions(entry: Entry, wanted: str, now: datetime) -> Sequence[EntrySession]:
    """The date asked for; else all if they fit on one sheet; else the one that comes next."""
    number = whole_number(wanted)
    if number is not None:
        return [s for s in entry.sessions if s.id == number] or abort(404)
    if len(entry.sessions) <= documents.MOST_SESSIONS:
        return entry.sessions
    coming = [s for s in entry.sessions if s.ends_at > now] or entry.sessions[-1:]
    return coming[:1]


def _roster(entry: Entry, sessions: Sequence[EntrySession], filed: bool, now: datetime) -> documents.Roster:
    known = attendance.known_of(sessions)
    rows = [r for r in queries_staff.for_entry(entry.id, live_only=True) if r.status == CONFIRMED]
    people = [
        documents.RosterPerson(
            name=r.name, phone=r.phone, companions=r.places - 1, for_whom=f"{r.by}代报" if r.by else "", note=r.note,
            attended=known(r.person_key),
        )
        for r in rows
    ]  # fmt: skip
    for p in attendance.walk_ins(sessions, {r.person_key for r in rows}) if filed else ():
        people.append(documents.RosterPerson(p.name, p.phone, note="现场来的", attended=known(p.key)))
    return documents.Roster(
        title=entry.title, place=entry.place or entry.centre.label,
        sessions=tuple(clock.span(s.starts_at, s.ends_at) for s in sessions),
        organiser=entry.organiser or entry.centre.name, responsible=entry.contact,
        phone=entry.phone or entry.centre.phone, printed_on=clock.today(now), people=tuple(people), filed=filed,
        capacity_text="" if entry.capacity is None else f"{entry.capacity} {entry.unit}",
    )  # fmt: skip
