"""What the JSON interface says of a thing: each field once, for the answer and for its description (OpenAPI)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an answer. schema: as in OpenAPI 3.1; of: what it says of a thing."""

    name: str
    schema: Schema
    description: str
    of: Callable[[Any], Any]


def said(fields: Iterable[Field], thing: Any) -> dict[str, Any]:
    """The answer's object."""
    return {field.name: field.of(thing) for field in fields}


def described(fields: Iterable[Field]) -> Schema:
    """The object's description: every field is always there and there are no others."""
    properties = {field.name: {**field.schema, "description": field.description} for field in fields}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def string(**more: Any) -> Schema:
    return {"type": "string", **more}


def integer(**more: Any) -> Schema:
    return {"type": "integer", **more}


def maybe(schema: Schema) -> Schema:
    """The same or null: not known, or not so."""
    return {**schema, "type": [schema["type"], "null"]}


def many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}
