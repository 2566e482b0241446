"""Rosters on paper and tables for the centre's file (SPEC S10). Only what is needed at the door; phones masked."""

from __future__ import annotations

import io
from datetime import datetime
from urllib.parse import quote

from defusedcsv import csv
from flask import Response, abort

from portal.catalogue.models import Entry
from portal.core import access, audit, clock, forms
from portal.core.access import Permission
from portal.signup import queries
from portal.signup.views_staff import bp

COLUMNS = ("序号", "姓名", "代报人", "电话", "人数", "状态", "所在社区", "登记人", "报名时间", "备注")


def _file_name(entry: Entry, ending: str) -> str:
    """RFC 6266: a plain name for old browsers, the Chinese one for the others."""
    return f"attachment; filename=\"sign-ups-{entry.id}.{ending}\"; filename*=UTF-8''{quote(entry.title)}.{ending}"


def _table(entry: Entry, full: bool, now: datetime) -> Response:
    rows = queries.for_entry(entry.id, live_only=True)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for number, r in enumerate(rows, 1):
        phone = r.phone if full else forms.mask_phone(r.phone)
        stamp = clock.local(r.created_at).strftime("%Y-%m-%d %H:%M")
        writer.writerow([number, r.name, r.by, phone, r.places, r.label, r.home, r.created_by, stamp, r.note])
    # The mark tells Excel that the text is UTF-8.
    answer = Response("\ufeff" + text.getvalue(), mimetype="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = _file_name(entry, "csv")
    return answer


def _entry(entry_id: int) -> Entry:
    entry = queries.staff_entry(entry_id)
    if entry is None:
        abort(404)
    return entry


@bp.get("/<int:entry_id>/sign-ups.csv")
@access.staff(Permission.SIGN_UPS)
def table(entry_id: int) -> Response:
    """The list as CSV, phones masked."""
    return _table(_entry(entry_id), False, clock.now())


@bp.post("/<int:entry_id>/sign-ups.csv")
@access.staff(Permission.UNMASK)
def full_table(entry_id: int) -> Response:
    """The list as CSV with phones in full; it is recorded who took it (P8)."""
    entry, now = _entry(entry_id), clock.now()
    audit.record(access.actor(), "unmask", "entry", entry.id, now, summary=f"导出完整电话：{entry.title}",
                 centre_id=entry.centre_id, centre_path=entry.centre.path)  # fmt: skip
    return _table(entry, True, now)
