"""What the portal keeps of me: to read, on paper, as a file for programs (SPEC P8)."""

import json
from typing import Any

from flask import Response, abort

from portal.centres import profile
from portal.core import access, clock, pages, pdf_spool
from portal.people import own_words, proof, queries
from portal.people.actions import resident_records
from portal.people.models import Resident
from portal.people.paper import own_data as paper
from portal.people.public.views import face

FOLDED = 3  # records of one kind stand open; more are folded, so that the kinds can be seen at a glance


def _me() -> Resident:
    return queries.resident(access.signed_in().id) or abort(404)


def _told(person: Resident) -> list[own_words.Section]:
    return own_words.told(resident_records.export_own(person.id, clock.now()))


def _mine_alone(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


@face.get("/me/data", endpoint="own_data")
@access.resident
@proof.asked_first()
def own_data_page() -> Any:
    """Three ways to have it, what is in it, and whom not to give it to."""
    return pages.page("people/public/own_data.html", person=_me())


@face.get("/me/data/read", endpoint="own_data_read")
@access.resident
@proof.asked_first()
def read() -> Response:
    """All of it in plain words, by kinds."""
    person = _me()
    shown = pages.page("people/public/own_data_read.html", person=person, sections=_told(person), folded=FOLDED)
    return _mine_alone(shown)


@face.get("/me/export.pdf", endpoint="export_pdf")
@access.resident
@proof.asked_first("people.own_data")
def export_pdf() -> Response:
    """The same on paper, made by the worker; the file is this person's alone and gone after minutes."""
    person = _me()
    product = f"{profile.current().name} 扫码点单"
    data = paper.OwnData(person.name, product, clock.today(clock.now()), _told(person))
    return pdf_spool.answer(paper.sheets(data), f"{person.name}的资料.pdf", private=True)


@face.get("/me/export.json")
@access.resident
@proof.asked_first("people.own_data")
def export() -> Any:
    body = json.dumps(resident_records.export_own(_me().id, clock.now()), ensure_ascii=False, indent=2, default=str)
    answer = Response(body, mimetype="application/json")
    answer.headers["Content-Disposition"] = "attachment; filename=my-data.json"
    return _mine_alone(answer)
