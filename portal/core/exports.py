"""Tables for spreadsheets: small ones at once, large ones made by the worker like paper (SPEC Q7).

A web worker has two threads, and a sheet of thousands of rows costs seconds: such a one goes into the spool's line as
the name of its exporter (core.registry), what was asked for, and on whose behalf.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, request

from portal.core import pdf, pdf_spool, registry, scope
from portal.core.access import Actor, Role
from portal.core.registry import Exporter

ROWS_AT_ONCE = 500  # about a tenth of a second
MADE = "made"  # in the address of who waits: which of their own files
MIMETYPES = {
    "csv": "text/csv",  # Werkzeug adds the character set
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def answer(exporter: Exporter, actor: Actor, args: dict[str, Any], rows: int, name: str) -> Response:
    """The file under `name` (its ending says what it is), or a page that waits for it.

    args: plain values for JSON, all that the exporter needs to know. rows: about how many lines it will have.
    Raises: PdfFailed when it could not be made.
    """
    kind = name.rpartition(".")[2]
    if rows <= ROWS_AT_ONCE:
        return pdf_spool.download(exporter(actor, args), name, MIMETYPES[kind])
    # Each asking is a new file, as of now; only those who come back to wait for it name the one they asked for.
    which = request.args.get(MADE, "")[:32] or secrets.token_hex(8)
    job = {"export": registry.name_of(exporter), "actor": asdict(replace(actor, address="")), "args": args}
    key = hashlib.sha256(json.dumps([job, which]).encode()).hexdigest()
    ticket = f"{pdf_spool.PRIVATE}{key}.{kind}"
    with suppress(FileNotFoundError):
        return pdf_spool.download(pdf_spool.spool().file(ticket).read_bytes(), name, MIMETYPES[kind])
    return pdf_spool.wait(ticket, job, f"{request.path}?{urlencode([*_asked(), (MADE, which)])}")


def _asked() -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.args.items(multi=True) if name != MADE]


def maker(app: Flask) -> Callable[[dict[str, Any]], bytes]:
    """What makes every job of the spool in the worker: a table, else a PDF. Raises: PdfFailed."""

    def make(job: dict[str, Any]) -> bytes:
        if "export" not in job:
            return pdf.render(job)
        with app.app_context():
            return _table(job)

    return make


def _table(job: dict[str, Any]) -> bytes:
    """Read as who asked for it might read when they asked."""
    role = job["actor"]["role"]
    actor = Actor(**job["actor"] | {"role": role and Role(role)})
    try:
        with scope.use(scope.StaffScope(actor.centre_path, actor.department_id)):
            return registry.exporters[job["export"]](actor, job["args"])
    except pdf_spool.Unfinished:
        raise
    except Exception as error:  # whatever it is: asked again it would be no better
        raise pdf.PdfFailed(f"{job['export']}: {error!r}") from error
