"""What /api/v1 says: its fields, its parameters, its errors, and the document that describes them (OpenAPI 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from portal.catalogue.models import PUBLIC
from portal.catalogue.open_data.shapes import Field, Schema, described, integer, many, maybe, string
from portal.catalogue.public.month_snapshot import Row
from portal.centres import profile
from portal.core import clock, pages, problems
from portal.core.problems import Problem

VERSION = "1.1.0"
PAGE = 200  # objects in one answer; `next` and the Link header lead on
MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"
LONGEST = 32  # of a code
MOMENT, ADDRESS = string(format="date-time"), string(format="uri")


@dataclass(frozen=True, slots=True)
class Service:
    """A row of the list with the code of its centre."""

    row: Row
    centre_code: str


@dataclass(frozen=True, slots=True)
class Place:
    """A centre as a record of columns (queries.Centres), the code above it and its hours in words."""

    centre: Any
    parent: str | None
    hours: list[str]


def _session(span: Any) -> dict[str, str]:
    return {"start": clock.local(span[0]).isoformat(), "end": clock.local(span[1]).isoformat()}


_SESSION = {
    "type": "object",
    "required": ["start", "end"],
    "additionalProperties": False,
    "properties": {"start": MOMENT, "end": {**MOMENT, "description": "the activity is over at this moment"}},
}
SERVICE = (
    Field("id", integer(), "stays the same for ever", lambda s: s.row.id),
    Field("title", string(), "", lambda s: s.row.title),
    Field("category", string(), "name of the category", lambda s: s.row.category_name),
    Field("category_code", string(), "as the parameter `category`", lambda s: s.row.category),
    Field("centre", string(), "short name of the centre", lambda s: s.row.centre_name),
    Field("centre_code", string(), "as in /api/v1/centres", lambda s: s.centre_code),
    Field("place", string(), "room or place; '' when only the centre is said", lambda s: s.row.place),
    Field("audience", string(), "for whom, in words", lambda s: s.row.audience),
    Field("capacity", maybe(integer()), "places; null: unlimited", lambda s: s.row.capacity),
    Field("free", maybe(integer(minimum=0)), "places left; null: unlimited", lambda s: s.row.free),
    Field("unit", string(), "what places are counted in: 人, 组, 家庭", lambda s: s.row.unit),
    Field("walk_in", {"type": "boolean"}, "nobody signs up, one just comes", lambda s: s.row.walk_in),
    Field("status", string(enum=list(PUBLIC)), "cancelled ones stay in the list", lambda s: s.row.status),
    Field("weekly", maybe(string()), "the weekly rule in words, when there is one", lambda s: s.row.weekly or None),
    Field("sessions", many(_SESSION), "its dates in order", lambda s: [_session(span) for span in s.row.sessions]),
    Field("url", ADDRESS, "its page", lambda s: pages.absolute(f"/services/{s.row.id}")),
)
CENTRE = (
    Field("code", string(), "stays the same for ever", lambda p: p.centre.code),
    Field("name", string(), "", lambda p: p.centre.name),
    Field("short_name", string(), "", lambda p: p.centre.short_name or p.centre.name),
    Field("level", string(), "a level of this deployment", lambda p: p.centre.level),
    Field("kind", string(), "community, park, scenic spot …", lambda p: p.centre.kind),
    Field("parent", maybe(string()), "code of the centre above; null at the top", lambda p: p.parent),
    Field("address", string(), "'' when not known", lambda p: p.centre.address),
    Field("phone", string(), "'' when not known", lambda p: p.centre.phone),
    Field("latitude", maybe({"type": "number"}), "degrees", lambda p: p.centre.latitude),
    Field("longitude", maybe({"type": "number"}), "degrees", lambda p: p.centre.longitude),
    Field("area_m2", maybe(integer()), "square metres", lambda p: p.centre.area_m2),
    Field("functions", many(string()), "what it is for", lambda p: p.centre.functions or []),
    Field("hours", many(string()), "when it is open, in words: '周一至周日 9:00–21:00'", lambda p: p.hours),
    Field("url", ADDRESS, "its page", lambda p: pages.absolute(f"/c/{p.centre.code}")),
    Field("feed", ADDRESS, "its Atom feed", lambda p: pages.absolute(f"/c/{p.centre.code}/feed.atom")),
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of an address; all may be left out."""

    name: str
    schema: Schema
    description: str


_CENTRE_PARAMETER = Parameter("centre", string(maxLength=LONGEST), "code of a centre: it and all below it")
_PAGE_PARAMETER = Parameter("page", integer(minimum=1, maximum=999, default=1), f"{PAGE} on each")
PARAMETERS = {
    "services": (
        Parameter("month", string(pattern=MONTH), "YYYY-MM; without it this month"),
        _CENTRE_PARAMETER,
        Parameter("category", string(maxLength=LONGEST), "code of a category: it and all below it"),
        _PAGE_PARAMETER,
    ),
    "centres": (_CENTRE_PARAMETER, _PAGE_PARAMETER),
}


BAD_MONTH = Problem(400, "month 要写成 2026-12 的样子。", "month must look like 2026-12")
BAD_PAGE = Problem(400, "page 是 1 到 999 的整数。", "page must be a whole number from 1 to 999")
NO_CENTRE = Problem(404, "没有这个阵地，代码见 /api/v1/centres。", "unknown centre; see /api/v1/centres")
NO_CATEGORY = Problem(404, "没有这个类别，代码见 /api/v1/services。", "unknown category; see /api/v1/services")
NO_ADDRESS = Problem(404, "没有这个地址，见 /api/v1/openapi.json。", "no such address; see /api/v1/openapi.json")
_PROBLEM = {
    "type": "object",
    "required": ["type", "status", "title", "detail", "title_en", "detail_en", "error"],
    "properties": {
        "type": string(),
        "status": integer(),
        "title": string(),
        "detail": string(),
        "title_en": string(),
        "detail_en": string(),
        "error": string(description="the same as detail_en", deprecated=True),
    },
}


def openapi() -> dict[str, Any]:
    """The document. What stands in it is made of the same tables as the answers."""
    lists = {
        "services": ("Service", "Published services of a month", {"month": string(pattern=MONTH)}),
        "centres": ("Centre", "All centres in the order of the tree", {}),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{profile.current().name} 扫码点单",
            "version": VERSION,
            "description": "Public services and centres, read only, without a key. Texts are Chinese.",
        },
        "servers": [{"url": pages.absolute("")}],
        "paths": {f"/api/v1/{name}": {"get": _operation(name, summary)} for name, (_, summary, _) in lists.items()},
        "components": {
            "schemas": {
                "Service": described(SERVICE),
                "Centre": described(CENTRE),
                "Problem": _PROBLEM,
                **{f"{thing}Page": _page(name, thing, more) for name, (thing, _, more) in lists.items()},
            }
        },
    }


def _page(name: str, thing: str, more: dict[str, Schema]) -> Schema:
    properties = more | {
        "count": integer(minimum=0, description="of all pages"),
        "next": maybe(string(format="uri", description="the next page; null on the last")),
        name: many({"$ref": f"#/components/schemas/{thing}"}),
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _operation(name: str, summary: str) -> dict[str, Any]:
    thing = {"services": "Service", "centres": "Centre"}[name]
    problem = {
        "description": "why not",
        "content": {problems.MIMETYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [
            {"name": p.name, "in": "query", "required": False, "schema": p.schema, "description": p.description}
            for p in PARAMETERS[name]
        ],
        "responses": {
            "200": {
                "description": "one page",
                "headers": {
                    "ETag": {"schema": string(), "description": "send it back as If-None-Match"},
                    "Link": {"schema": string(), "description": "rel first, prev, next, last (RFC 8288)"},
                },
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{thing}Page"}}},
            },
            "304": {"description": "nothing has changed"},
            "400": problem,
            "404": problem,
        },
    }
