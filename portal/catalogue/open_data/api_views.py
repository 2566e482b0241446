"""/api/v1: what is public, as JSON for other platforms and their pages (SPEC C10). Described by `api.openapi`."""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import Any

from flask import Blueprint, Response, jsonify, request

from portal.catalogue.open_data import api, queries
from portal.catalogue.open_data.shapes import said
from portal.catalogue.public import month_snapshot
from portal.centres import queries as centres
from portal.core import access, clock, pages
from portal.core.incoming import whole_number
from portal.core.problems import Problem

bp = Blueprint("catalogue_api", __name__, url_prefix="/api/v1")
PREFLIGHT_AGE = "86400"  # seconds that a browser need not ask again


class Refused(Exception):
    """What is asked cannot be answered. problem: why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail_en)
        self.problem = problem


@bp.errorhandler(Refused)
def _refused(error: Refused) -> Response:
    return error.problem.answer()


@bp.after_request
def _for_every_site(answer: Response) -> Response:
    """Any page may read it: it says what is public and asks for no cookie, so credentials are not let in."""
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Access-Control-Expose-Headers"] = "ETag, Link"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS":
        answer.headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
        answer.headers["Access-Control-Allow-Headers"] = "If-None-Match, If-Modified-Since"
        answer.headers["Access-Control-Max-Age"] = PREFLIGHT_AGE
    return answer


@bp.get("/services")
@access.public
def services() -> Response:
    """Published services of a month, by their first date. count: of all pages."""
    now, page = clock.now(), _page()
    month = request.args.get("month") or clock.month_of(clock.today(now))
    if not clock.is_month(month):
        raise Refused(api.BAD_MONTH)
    path, category = _path(), _category()
    snap = month_snapshot.snapshot(month, now).below(path)
    rows = [row for row in snap.rows.values() if not category or category in (row.category, row.parent_category)]
    rows.sort(key=lambda r: (r.sessions[0][0] if r.sessions else now, r.id))
    codes = pages.kept(("codes", centres.stamp()), queries.codes)
    shown = [
        pages.kept(("json", row), partial(said, api.SERVICE, api.Service(row, codes.get(row.centre_path, ""))))
        for row in rows[(page - 1) * api.PAGE : page * api.PAGE]
    ]
    return _answer({"month": month}, "services", shown, len(rows), page)


@bp.get("/centres")
@access.public
def all_centres() -> Response:
    """Active centres in the order of the tree, of all or of `centre` and below."""
    page, path = _page(), _path()

    def made() -> tuple[int, list[dict[str, Any]]]:
        count, found = queries.places(path, page)
        return count, [said(api.CENTRE, place) for place in found]

    count, shown = pages.kept(("json centres", centres.stamp(), path, page), made)
    return _answer({}, "centres", shown, count, page)


@bp.get("/openapi.json")
@access.public
def openapi() -> Response:
    """What can be asked here and what is answered (OpenAPI 3.1)."""
    return jsonify(api.openapi())


@bp.get("/<path:rest>")
@access.public
def nowhere(rest: str) -> Response:
    """A mistyped address, told as everything else is told here."""
    raise Refused(api.NO_ADDRESS)


def _page() -> int:
    raw = request.args.get("page")
    number = whole_number(raw, 999) if raw else 1
    if not number:
        raise Refused(api.BAD_PAGE)
    return number


def _path() -> str:
    code = request.args.get("centre")
    if not code:
        return ""
    centre = centres.by_code(code[: api.LONGEST])
    if centre is None:
        raise Refused(api.NO_CENTRE)
    return centre.path


def _category() -> str:
    code = request.args.get("category", "")
    if code and queries.category(code[: api.LONGEST]) is None:
        raise Refused(api.NO_CATEGORY)
    return code


def _answer(first: dict[str, Any], name: str, things: list[dict[str, Any]], count: int, page: int) -> Response:
    """One page of a list, its neighbours in the Link header (RFC 8288), the next one in the body too."""
    last = max(1, ceil(count / api.PAGE))
    numbers = {"first": 1, "prev": page - 1, "next": page + 1, "last": last}
    links = {rel: pages.absolute(pages.with_args(page=n)) for rel, n in numbers.items() if 1 <= n <= last}
    answer = jsonify({**first, "count": count, "next": links.get("next"), name: things})
    answer.headers["Link"] = ", ".join(f'<{address}>; rel="{rel}"' for rel, address in links.items())
    return answer
