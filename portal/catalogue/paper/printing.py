"""The month's paper from the database (SPEC C10): what it says, whether it is made already, and making it.

Small lists go through the spool (`core.pdf_spool`). Large ones are rows that the worker takes; a deadline job finds
those that nobody took. Nothing here holds a transaction while a page is laid out.
"""

import dataclasses
import hashlib
import json
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import and_, or_, select

from portal.catalogue.models import CANCELLED, PrintedDocument
from portal.catalogue.paper import documents, poster
from portal.catalogue.public import month_snapshot
from portal.catalogue.states import PRINT
from portal.centres import profile
from portal.centres import queries as centres
from portal.centres import rules as centre_rules
from portal.centres.models import Centre
from portal.core import clock, job_queue, pdf, pdf_spool, registry, scope, states
from portal.core.access import system_actor
from portal.core.db import db, writing
from portal.core.outbox import insert_once

log = structlog.get_logger()

#: What a month's list is printed as. Short names: they stand in a column of four characters, `a4+` from a day on.
PAPERS = {"a4": "清单 A4", "big": "长辈版清单 A4（大字）", "a3": "宣传栏海报 A3"}
PACK = "pack"  # many papers at once (catalogue.paper.pack), in the same table
SMALL_PARTS = 2  # so many centres are laid out while one waits
STUCK_AFTER = timedelta(minutes=5)


def digest_of(document: documents.ListDocument, paper: str) -> str:
    """The same for the same content on the same paper: a printed document is made again only when this differs."""
    raw = json.dumps(as_data(document), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(f"{paper}:{raw}".encode()).hexdigest()


def as_data(document: documents.ListDocument) -> dict[str, Any]:
    """Plain values that can be kept; `issued_on` and days become ISO text."""
    kept: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(document), ensure_ascii=False, default=str))
    return kept


def from_data(data: dict[str, Any]) -> documents.ListDocument:
    """The document again from what was kept of it."""

    def row(values: dict[str, Any]) -> documents.ListRow:
        day = date.fromisoformat(values["day"]) if values["day"] else None
        return documents.ListRow(**{**values, "day": day})

    def part(values: dict[str, Any]) -> documents.CentrePart:
        lists = {k: tuple(row(r) for r in values[k]) for k in ("rows", "weekly")}
        guides = tuple(documents.GuideRow(**g) for g in values["guides"])
        return documents.CentrePart(**{**values, **lists, "guides": guides})

    days = {k: date.fromisoformat(data[k]) if data.get(k) else None for k in ("issued_on", "since")}
    return documents.ListDocument(**{**data, **days, "parts": tuple(part(p) for p in data["parts"])})


def middle_of(month: str, now: datetime) -> date | None:
    """Today, when the month is under way: then paper may begin with what is still to come."""
    first, following = clock.month_days(month)
    today = clock.today(now)
    return today if first < today < following else None


def list_document(
    centre: Centre, month: str, now: datetime, since: date | None = None
) -> documents.ListDocument | None:
    """What the paper of `centre` and everything below it says; None when nothing is published that month.

    since: only what takes place from that day on.
    """
    snap = month_snapshot.snapshot(month, now)
    rows = [r for r in snap.rows.values() if r.centre_path.startswith(centre.path) and r.sessions]
    if since is not None:
        start = clock.at(since, time())
        rows = [dataclasses.replace(r, sessions=tuple(s for s in r.sessions if s[0] >= start)) for r in rows]
        rows = [r for r in rows if r.sessions]
    if not rows:
        return None
    by_part = _by_part(rows, centre)
    calls = centres.telephones([centre, *(owner for owner, _ in by_part)])
    parts = tuple(_part(owner, chosen, calls[owner.id]) for owner, chosen in by_part)
    first, _ = clock.month_days(month)
    return documents.ListDocument(
        month=month, scope_name=centre.label, scope_level_label=profile.current().level(centre.level).name,
        # A list is issued on the 1st; one that was published early says the day it was.
        issued_on=since or min(first, clock.today(now)),
        responsible=centre.name, phone=calls[centre.id].number,
        url=f"{current_app.config['BASE_URL']}/c/{centre.code}", parts=parts,
        network=f"{profile.current().name}党群服务阵地", phone_of=calls[centre.id].whose, since=since,
    )  # fmt: skip


def _by_part(rows: list[month_snapshot.Row], scope_centre: Centre) -> list[tuple[Centre, list[month_snapshot.Row]]]:
    """Rows under the centre whose list they stand in: the nearest one at or above them that draws up a list."""
    tree = {c.path: c for c in centres.subtree(scope_centre, active_only=False)}
    files = {lv.code for lv in profile.current().levels if lv.files_list}
    found: dict[str, list[month_snapshot.Row]] = {}
    for row in rows:
        steps = [p for p in tree if row.centre_path.startswith(p)]
        filing = [p for p in steps if tree[p].level in files]
        owner = min(filing, key=len) if filing else max(steps, key=len)
        found.setdefault(owner, []).append(row)
    return [(tree[path], found[path]) for path in tree if path in found]


def _part(centre: Centre, rows: list[month_snapshot.Row], call: centres.Telephone) -> documents.CentrePart:
    week = centre_rules.week_text(centres.weekly_hours(centre.id))
    dated, weekly = [], []
    for row in sorted(rows, key=lambda r: (r.sessions[0][0], r.id)):
        if row.weekly:
            weekly.append(_row(row, None))
        else:
            dated += [_row(row, session) for session in row.sessions]
    return documents.CentrePart(
        code=centre.code, name=centre.name, phone=call.number, phone_of=call.whose, address=centre.address,
        hours="；".join(f"{days} {text}" for days, text in week),
        url=f"{current_app.config['BASE_URL']}/c/{centre.code}",
        rows=tuple(dated), weekly=tuple(weekly), short_name=centre.label, responsible=centre.name,
    )  # fmt: skip


def _row(row: month_snapshot.Row, session: tuple[datetime, datetime] | None) -> documents.ListRow:
    if row.walk_in:
        places = documents.WALK_IN
    elif row.capacity is None:
        places = "名额不限"
    else:
        places = f"{row.capacity} {row.unit}"
    status = "cancelled" if row.status == CANCELLED else "changed" if row.changed else ""
    words = {"cancelled": "已取消", "changed": "有调整"}.get(status, "")
    when = row.weekly if session is None else f"{clock.hour(session[0])}–{clock.hour(session[1])}"
    return documents.ListRow(
        day=clock.local(session[0]).date() if session else None, title=row.title, when_text=when,
        place=row.place or row.centre_name, audience=row.audience, capacity_text=places, category=row.category_name,
        short_url=f"{current_app.config['BASE_URL']}/s/{row.id}", status=status, status_text=words,
    )  # fmt: skip


def file_of(document: PrintedDocument) -> Path:
    """The issued file."""
    path: Path = current_app.config["DATA_DIR"] / "printed" / document.file
    return path


def print_job(document: documents.ListDocument, paper: str) -> pdf.PrintJob:
    """What the press gets."""
    layouts = {"a3": poster.board_poster, "big": documents.large_list}
    return layouts.get(paper, documents.monthly_list)(document)


def is_small(document: documents.ListDocument) -> bool:
    return len(document.parts) <= SMALL_PARTS


def kept(centre: Centre, document: documents.ListDocument, paper: str) -> PrintedDocument | None:
    """The document made, or being made, of exactly this data."""
    return db.session.scalar(
        select(PrintedDocument).where(
            PrintedDocument.centre_id == centre.id, PrintedDocument.month == document.month,
            PrintedDocument.paper == _kind(paper, document.since),
            PrintedDocument.digest == digest_of(document, paper),
        )
    )  # fmt: skip


def _kind(paper: str, since: date | None) -> str:
    """What stands in the row: the rest of a month is another document than the month."""
    return f"{paper}+" if since else paper


def latest(centre: Centre, month: str, paper: str, since: date | None = None) -> PrintedDocument | None:
    """The newest finished document of this list, perhaps of older data."""
    statement = select(PrintedDocument).where(
        PrintedDocument.centre_id == centre.id, PrintedDocument.month == month,
        PrintedDocument.paper == _kind(paper, since), PrintedDocument.status == "ready",
    )  # fmt: skip
    return db.session.scalar(statement.order_by(PrintedDocument.id.desc()).limit(1))


def ask(centre: Centre, document: documents.ListDocument, paper: str, now: datetime) -> PrintedDocument:
    """Have it made by the worker; asking twice is the same as asking once. A failed one is tried again."""
    values = {
        "centre_id": centre.id, "month": document.month, "paper": _kind(paper, document.since),
        "digest": digest_of(document, paper), "data": as_data(document),
        "status": "asked", "file": "", "pages": 0, "parts": len(document.parts), "error": "", "asked_at": now,
    }  # fmt: skip
    insert_once(PrintedDocument, [values])
    found = kept(centre, document, paper)
    assert found is not None  # just inserted, or there before
    if found.status == "failed":
        states.fire(PRINT, found, "again", system_actor("打印"), now)
    job_queue.call_soon("catalogue.print", found.id)
    return found


@job_queue.task("catalogue.print")
def make(document_id: int) -> bool:
    """Make one document. Two workers may try; one wins. Commits by itself."""
    now = clock.now()
    with writing(), scope.system("print"):
        row = db.session.get(PrintedDocument, document_id)
        if row is None or row.status != "asked":
            return False
        states.fire(PRINT, row, "start", system_actor("打印"), now, values={"started_at": now})
        data, paper, place = row.data, row.paper.removesuffix("+"), f"{row.month}-{row.centre.code}-{row.paper}"
    try:
        edition = pdf_spool.spool().editions / f"{place}.pdf"
        made = pdf.render(print_job(from_data(data), paper), edition=edition)
    except Exception as error:
        log.exception("printing failed", document_id=document_id)
        _finish(document_id, "fail", error=str(error)[:200])
        return False
    name = f"{place}-{document_id}.pdf"
    path = current_app.config["DATA_DIR"] / "printed" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(made)
    _finish(document_id, "finish", file=name, pages=_pages(made), ready_at=clock.now())
    return True


def _finish(document_id: int, step: str, **values: Any) -> None:
    with writing(), scope.system("print"):
        row = db.session.get_one(PrintedDocument, document_id)
        states.fire(PRINT, row, step, system_actor("打印"), clock.now(), values=values)


def _pages(made: bytes) -> int:
    import io

    import pikepdf

    with pikepdf.open(io.BytesIO(made)) as book:
        return len(book.pages)


@registry.due
def make_waiting(now: datetime) -> int:
    """Documents that nobody took (Redis was away), and those whose maker died."""
    stuck = and_(
        PrintedDocument.status == "making",
        or_(PrintedDocument.started_at.is_(None), PrintedDocument.started_at < now - STUCK_AFTER),
    )
    waits = and_(PrintedDocument.status == "asked", PrintedDocument.asked_at <= now - timedelta(seconds=30))
    with scope.system("print"):
        wanted = select(PrintedDocument.id, stuck).where(PrintedDocument.paper != PACK, or_(stuck, waits))
        found = db.session.execute(wanted.order_by(PrintedDocument.id)).all()
        db.session.rollback()
    dead = [number for number, is_stuck in found if is_stuck]
    if dead:
        with writing(), scope.system("print"):
            still = select(PrintedDocument).where(PrintedDocument.id.in_(dead), stuck)
            for row in db.session.scalars(still).all():
                states.fire(PRINT, row, "again", system_actor("打印"), now)
    return sum(make(number) for number, _ in found)
