"""/staff/print: everything a centre prints, for itself and for all below it, in one press (SPEC C10, Q7)."""

from dataclasses import dataclass

from flask import Blueprint, Response, abort, request, url_for

from portal.catalogue.models import PrintedDocument
from portal.catalogue.paper import pack, printing
from portal.centres import profile
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import access, clock, pages, pdf_spool
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import DomainError

bp = Blueprint("catalogue_pack", __name__, url_prefix="/staff/print")
SHOWN = 12  # centres named under one thing that is missing
MIMETYPES = {"pdf": "application/pdf", "zip": "application/zip"}
EVERYBODY = "all"  # else the id of a centre: it and all below


@dataclass(frozen=True, slots=True)
class Missing:
    """What of some centres is not known, and what is printed instead."""

    what: str
    instead: str
    centres: list[Centre]


def _own(actor: Actor) -> Centre:
    """The actor's centre. A department is attached to a centre but owns no part of the tree."""
    home = centres.get(actor.centre_id) if actor.department_id is None else None
    return home or abort(404)


def _month() -> str:
    asked = request.values.get("month", "")
    return asked if clock.is_month(asked) else clock.month_of(clock.now())


def _missing(rows: list[Centre]) -> list[Missing]:
    """What whoever prints should know before: three statements at most."""
    calls, hours = centres.telephones(rows), centres.with_hours([c.id for c in rows])
    found = [
        Missing("没有自己的电话", "纸上印上级中心的电话，并写明是谁的", [c for c in rows if calls[c.id].whose]),
        Missing("没有电话，上级也没有", "纸上写“到服务台说一声”", [c for c in rows if not calls[c.id].number]),
        Missing("没有填开放时间", "纸上不印开放时间", [c for c in rows if c.id not in hours]),
        Missing("没有填地址", "纸上不印地址", [c for c in rows if not c.address]),
    ]  # fmt: skip
    return [each for each in found if each.centres]


def _page(status: int = 200, refusal: DomainError | None = None) -> Response:
    actor, now, month = access.actor(), clock.now(), _month()
    home = _own(actor)
    rows = centres.subtree(home)
    here = clock.month_of(now)
    return pages.page(
        "catalogue/staff/print.html", status=status, own=home, rows=rows, month=month, refusal=refusal,
        months=sorted({clock.add_months(here, n) for n in (-1, 0, 1)} | {month}, reverse=True),
        middle=printing.middle_of(month, now), kinds=_kinds(actor), missing=_missing(rows), shown=SHOWN,
        groups=[c for c in rows if c.id != home.id and any(d.parent_id == c.id for d in rows)],
        levels={lv.code: lv.short for lv in profile.current().levels}, packs=pack.recent(home.path), done=pack.done,
        wanted=set(request.form.getlist("kind")) or {"code"}, whom=request.form.get("whom", EVERYBODY),
        ticked=set(request.form.getlist("centre")), rest=request.form.get("from") == "today",
        may_mend=actor.can(Permission.CENTRES), words=pack.KINDS, most=pack.MOST_PAPERS,
        keep=pack.KEEP,
    )  # fmt: skip


def _kinds(actor: Actor) -> dict[str, str]:
    return {kind: name for kind, name in pack.KINDS.items() if pack.may_have(actor, (kind,))}


@bp.get("")
@access.staff(Permission.VIEW)
def choose() -> Response:
    """What may be printed, what is missing on it, and what was printed lately."""
    return _page()


@bp.post("")
@access.staff(Permission.VIEW)
def ask() -> Response:
    """Hand a choice to the worker; its page follows."""
    actor, now, month = access.actor(), clock.now(), _month()
    rows = centres.subtree(_own(actor))
    kinds = tuple(kind for kind in _kinds(actor) if kind in request.form.getlist("kind"))
    since = printing.middle_of(month, now) if request.form.get("from") == "today" else None
    chosen = tuple(c.id for c in rows if _wanted(c, rows))
    try:
        made = pack.ask(actor, pack.Choice(month, kinds, chosen, since), now)
    except DomainError as refusal:
        return _page(pages.refused(refusal).status, refusal)
    return pages.see_other(url_for(".state", pack_id=made.id))


def _wanted(centre: Centre, rows: list[Centre]) -> bool:
    """Only what is ticked, if anything is; else everything, or a centre with all below it."""
    whom, ticked = request.form.get("whom", ""), request.form.getlist("centre")
    if ticked:
        return str(centre.id) in ticked
    above = next((c for c in rows if str(c.id) == whom), None)
    return whom == EVERYBODY or (above is not None and centre.path.startswith(above.path))


def _pack(pack_id: int) -> PrintedDocument:
    """One of the viewer's own subtree; the sheets of doors only for those who look after rooms."""
    found = db.session.get(PrintedDocument, pack_id)
    if found is None or found.paper != printing.PACK or not pack.may_have(access.actor(), found.data["kinds"]):
        abort(404)
    return found


@bp.get("/<int:pack_id>")
@access.staff(Permission.VIEW)
def state(pack_id: int) -> Response:
    """How far it is; comes back by itself until it is ready."""
    found = _pack(pack_id)
    ready, total = pack.done(found)
    open_ = found.status in ("asked", "making")
    return pages.page(
        "catalogue/staff/print_pack.html", fragment="state", pack=found, ready=ready, total=total, open=open_,
        words=pack.KINDS, there=pack.file_of(found, "pdf").exists(), keep=pack.KEEP,
    )  # fmt: skip


@bp.get("/<int:pack_id>.<any(pdf, zip):form>")
@access.staff(Permission.VIEW)
def file(pack_id: int, form: str) -> Response:
    """The whole as one book, or as a folder with one file a paper."""
    found = _pack(pack_id)
    path = pack.file_of(found, form)
    if found.status != "ready" or not path.exists():
        return pages.see_other(url_for(".state", pack_id=found.id))  # which says where it stands
    name = f"{found.centre.label}{clock.month_name(found.month, True)}打印.{form}"
    return pdf_spool.download(path.read_bytes(), name, MIMETYPES[form])
