"""Paper: lists and posters as PDF, with a progress page for large ones (SPEC C10)."""

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
NAMES = {"a4": "服务清单", "a3": "宣传栏海报"}


def _asked_for(month: str, code: str) -> tuple[Centre, str]:
    """The centre and the paper; 404 for anything that cannot be."""
    centre = centres.by_code(code)
    if centre is None or not clock.is_month(month):
        abort(404)
    paper = request.values.get("paper", "a4").lower()
    return centre, paper if paper in printing.PAPERS else "a4"


def _sheet(month: str, code: str, paper: str) -> str:
    return url_for("catalogue_print.progress", month=month, code=code, paper=None if paper == "a4" else paper)


@bp.get("/print/list/<month>/<code>.pdf", endpoint="print_list")
@access.public
@limiter.limit("60 per minute")
def print_list(month: str, code: str) -> Any:
    """The file when it is made or quickly made; otherwise the page that has it made."""
    centre, paper = _asked_for(month, code)
    now = clock.now()
    document = printing.list_document(centre, month, now)
    if document is None:
        return redirect(_sheet(month, code, paper), 303)
    made = printing.kept(centre, month, paper, printing.digest_of(document, paper))
    name = f"{centre.label}{clock.month_name(month, True)}{NAMES[paper]}.pdf"
    if made is not None and made.status == "ready" and printing.file_of(made).exists():
        return pdf_spool.sent(printing.file_of(made), name)
    if printing.is_small(document):
        return pdf_spool.answer(printing.print_job(document, paper), name)
    return redirect(_sheet(month, code, paper), 303)


@bp.get("/print/list/<month>/<code>")
@access.public
def progress(month: str, code: str) -> Response:
    """Where a large document stands; asks again by itself until it is ready."""
    centre, paper = _asked_for(month, code)
    now = clock.now()
    document = printing.list_document(centre, month, now)
    made = printing.kept(centre, month, paper, printing.digest_of(document, paper)) if document else None
    if document is not None and made is None and printing.is_small(document):
        return redirect(url_for(".print_list", month=month, code=code, paper=paper), 303)  # type: ignore[return-value]
    return pages.page(
        "catalogue/public/print.html", fragment="state", owner=centre, month=month,
        paper=paper, document=document, made=made,
        older=printing.latest(centre, month, paper), name=NAMES[paper], now=now,
    )  # fmt: skip


@bp.post("/print/list/<month>/<code>")
@access.public
@limiter.limit("10 per minute")
def ask(month: str, code: str) -> Any:
    """Hand it to the worker; the progress page follows."""
    centre, paper = _asked_for(month, code)
    document = printing.list_document(centre, month, clock.now())
    if document is not None:
        printing.ask(centre, document, paper, clock.now())
    return pages.see_other(_sheet(month, code, paper))


@bp.get("/print/issued/<int:document_id>.pdf")
@access.public
def issued(document_id: int) -> Any:
    """A document as it was issued, also when the list has changed since."""
    from portal.catalogue.models import PrintedDocument
    from portal.core.db import db

    made = db.session.get(PrintedDocument, document_id)
    if made is None or made.status != "ready" or not printing.file_of(made).exists():
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
    places = "直接到场" if entry.walk_in else "名额不限" if entry.capacity is None else f"{entry.capacity} {entry.unit}"
    return documents.ActivityPoster(
        title=entry.title, when_lines=tuple(lines), place=entry.place or entry.centre.label, audience=entry.audience,
        capacity_text=places, summary=entry.content, centre_name=entry.organiser or entry.centre.name,
        phone=entry.phone or entry.centre.phone,
        url=pages.absolute(url_for("catalogue.short", entry_id=entry.id)), issued_on=clock.today(now),
        fee_text="免费" if not entry.fee else f"{entry.fee / 100:.2f} 元",
        sign_up_text="扫码看详情" if entry.walk_in else "扫码报名",
        deadline_text=windows.closes_text(entry),
    )  # fmt: skip
