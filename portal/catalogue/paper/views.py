"""Paper: lists and posters as PDF, with a progress page for large ones (SPEC C10)."""

from datetime import date
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for

from portal.catalogue import windows
from portal.catalogue.models import Entry
from portal.catalogue.paper import documents, printing
from portal.catalogue.public import queries
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import access, clock, pages, pdf_spool
from portal.core.limits import limiter

bp = Blueprint("catalogue_print", __name__)
TODAY = "today"
NAMES = {"a4": "服务清单", "big": "服务清单长辈版", "a3": "宣传栏海报"}


def _asked_for(month: str, code: str) -> tuple[Centre, str, date | None]:
    """The centre, the paper and the day it begins with (today, when the month is under way and that is wanted).

    404 for anything that cannot be.
    """
    centre = centres.by_code(code)
    if centre is None or not clock.is_month(month):
        abort(404)
    paper = request.values.get("paper", "a4").lower()
    since = printing.middle_of(month, clock.now()) if request.values.get("from") == TODAY else None
    return centre, paper if paper in printing.PAPERS else "a4", since


def _sheet(month: str, code: str, paper: str, since: date | None) -> str:
    args: dict[str, Any] = {"paper": None if paper == "a4" else paper} | _starts(since)
    return url_for("catalogue_print.progress", month=month, code=code, **args)


def _starts(since: date | None) -> dict[str, Any]:
    return {"from": TODAY} if since else {}


@bp.get("/print/list/<month>/<code>.pdf", endpoint="print_list")
@access.public
@limiter.limit("60 per minute")
def print_list(month: str, code: str) -> Any:
    """The file when it is made or quickly made; otherwise the page that has it made."""
    centre, paper, since = _asked_for(month, code)
    now = clock.now()
    document = printing.list_document(centre, month, now, since)
    if document is None:
        return redirect(_sheet(month, code, paper, since), 303)
    made = printing.kept(centre, document, paper)
    name = f"{centre.label}{clock.month_name(month, True)}{NAMES[paper]}{'（从今天起）' if since else ''}.pdf"
    if made is not None and made.status == "ready" and printing.file_of(made).exists():
        return pdf_spool.sent(printing.file_of(made), name)
    if printing.is_small(document):
        return pdf_spool.answer(printing.print_job(document, paper), name)
    return redirect(_sheet(month, code, paper, since), 303)


@bp.get("/print/list/<month>/<code>")
@access.public
def progress(month: str, code: str) -> Response:
    """Where a large document stands; asks again by itself until it is ready."""
    centre, paper, since = _asked_for(month, code)
    now = clock.now()
    document = printing.list_document(centre, month, now, since)
    made = printing.kept(centre, document, paper) if document else None
    if document is not None and made is None and printing.is_small(document):
        sheet = url_for(".print_list", month=month, code=code, paper=paper, **_starts(since))
        return redirect(sheet, 303)  # type: ignore[return-value]
    return pages.page(
        "catalogue/public/print.html", fragment="state", owner=centre, month=month,
        paper=paper, papers=printing.PAPERS, document=document, made=made,
        older=printing.latest(centre, month, paper, since), name=NAMES[paper], now=now, since=since,
        middle=printing.middle_of(month, now),
    )  # fmt: skip


@bp.post("/print/list/<month>/<code>")
@access.public
@limiter.limit("10 per minute")
def ask(month: str, code: str) -> Any:
    """Hand it to the worker; the progress page follows."""
    centre, paper, since = _asked_for(month, code)
    document = printing.list_document(centre, month, clock.now(), since)
    if document is not None:
        printing.ask(centre, document, paper, clock.now())
    return pages.see_other(_sheet(month, code, paper, since))


@bp.get("/print/issued/<int:document_id>.pdf")
@access.public
def issued(document_id: int) -> Any:
    """A document as it was issued, also when the list has changed since."""
    from portal.catalogue.models import PrintedDocument
    from portal.core.db import db

    made = db.session.get(PrintedDocument, document_id)
    # A pack holds the keys of doors: it has its own page, for staff.
    if made is None or made.paper == printing.PACK or made.status != "ready" or not printing.file_of(made).exists():
        abort(404)
    return pdf_spool.sent(printing.file_of(made), made.file)


@bp.get("/services/<int:entry_id>/poster.pdf")
@access.public
@limiter.limit("60 per minute")
def activity_poster(entry_id: int) -> Response:
    """One activity on an A4 sheet with its QR code."""
    entry = queries.entry(entry_id) or abort(404)
    return pdf_spool.answer(documents.activity_poster(_poster(entry)), f"{entry.title}海报.pdf")


def _poster(entry: Entry) -> documents.ActivityPoster:
    now = clock.now()
    spans = [(s.starts_at, s.ends_at) for s in entry.sessions]
    weekly = (entry.weekly or {}).get("label", "")
    lines = [weekly] if weekly else [clock.span(*s) for s in spans[:4]]
    if weekly and spans:
        lines.append(f"{clock.day(spans[0][0])} 至 {clock.day(spans[-1][0])}")
    call = centres.Telephone(entry.phone) if entry.phone else centres.telephone(entry.centre)
    limited = "名额不限" if entry.capacity is None else f"{entry.capacity} {entry.unit}"
    return documents.ActivityPoster(
        title=entry.title, when_lines=tuple(lines), place=entry.place or entry.centre.label, audience=entry.audience,
        capacity_text=documents.WALK_IN if entry.walk_in else limited, summary=entry.content,
        centre_name=entry.organiser or entry.centre.name,
        phone=call.number, phone_of=call.whose,
        url=pages.absolute(url_for("catalogue.short", entry_id=entry.id)), issued_on=clock.today(now),
        fee_text="免费" if not entry.fee else f"{entry.fee / 100:.2f} 元",
        sign_up_text="扫码看详情" if entry.walk_in else "扫码报名",
        deadline_text=windows.closes_text(entry),
    )  # fmt: skip
