"""The page of all service centres, with the nearest first and the map (党群服务导图, SPEC N4)."""

from flask import Blueprint, Response, abort, request

from portal.centres import profile, queries
from portal.core import access, clock, pages, pdf_spool
from portal.core.limits import limiter
from portal.front import atlas, documents
from portal.people import viewer as viewers

bp = Blueprint("atlas", __name__)


@bp.get("/centres")
@access.public
def list_() -> Response:
    """Everything, what was looked for (`q`), or one branch with its own map (`area`: the code of its head)."""
    q = " ".join(request.args.get("q", "").split())[:40]
    code = request.args.get("area", "")
    brief = viewers.home_centre()
    home = brief.code if brief is not None else ""
    rows = atlas.rows_of(queries.places(), clock.now(), home)
    groups = atlas.groups(rows)
    area = next((group for group in groups[1:] if group.head.code == code), None)
    if code and area is None:
        abort(404)
    heads = [group.head for group in groups if len(group.rows) > 1]
    shown = atlas.found(rows, q) if q else list(area.rows) if area else rows
    return pages.page(
        "front/atlas.html", fragment="results", q=q, area=area, shown=shown, groups=groups, all=len(rows),
        near=[] if q or area else atlas.nearest(rows, home), few=atlas.OPEN_UP_TO,
        chart=None if q else atlas.chart(rows, area, heads),
    )  # fmt: skip


@bp.get("/print/map.pdf")
@access.public
@limiter.limit("60 per minute")
def print_map() -> Response:
    """The map on paper with every centre's number, address and telephone. ?paper= a4 or a3."""
    paper = "a3" if request.args.get("paper") == "a3" else "a4"
    now = clock.now()
    rows = atlas.rows_of(queries.places(), now)
    told = atlas.sheet(rows, atlas.groups(rows), clock.today(now), pages.absolute("/centres"))
    return pdf_spool.answer(documents.atlas(told, paper), f"{profile.current().name}党群服务导图.pdf")
