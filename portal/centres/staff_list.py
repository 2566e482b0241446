"""A subtree's centres as staff see them in a list, with what each still lacks; one statement (SPEC N1, N2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from flask import url_for
from sqlalchemy import ColumnElement, exists, or_, select

from portal.centres import queries
from portal.centres.models import Centre, OpeningHours
from portal.core import registry
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.registry import Gap
from portal.core.text import fold


@dataclass(frozen=True, slots=True)
class Listed:
    """A centre in a list. path: of ids, as in the tree; gaps: what it lacks, of what the looker may fill."""

    id: int
    code: str
    name: str
    short_name: str
    level: str
    depth: int
    path: str
    parent_id: int | None
    address: str
    phone: str
    gaps: tuple[Gap, ...]

    @property
    def label(self) -> str:
        return self.short_name or self.name


NAMES = tuple(field.name for field in fields(Listed) if field.name != "gaps")


def register() -> None:
    """What residents look for on a centre's page, and whom the upper levels ask."""
    hours = exists().where(OpeningHours.centre_id == Centre.id)
    for label, field, missing in (
        ("地址", "address", Centre.address == ""),
        ("电话", "phone", Centre.phone == ""),
        ("开放时间", "day0", ~hours),
        ("地图位置", "latitude", or_(Centre.latitude.is_(None), Centre.longitude.is_(None))),
        ("负责人", "responsible", Centre.responsible == ""),
    ):
        registry.gap(label, _always(missing), partial(_edit_at, field), Permission.CENTRES)


def _always(condition: ColumnElement[bool]) -> Callable[[], ColumnElement[bool]]:
    return lambda: condition


def _edit_at(field: str, centre_id: int) -> str:
    return url_for("centres_staff.edit", centre_id=centre_id, _anchor=field)


def listed(actor: Actor) -> list[Listed]:
    """The active centres of the actor's subtree in tree order. One statement."""
    asked = list(registry.gaps.values())
    flags = [gap.missing().label(f"gap{number}") for number, gap in enumerate(asked)]
    columns: tuple[ColumnElement[Any], ...] = tuple(getattr(Centre, name) for name in NAMES)
    wanted = select(*columns, *flags).where(*queries.inside(actor.centre_path), Centre.active)
    rows = []
    for row in db.session.execute(wanted):
        facts, lacks = row[: len(NAMES)], row[len(NAMES) :]
        gaps = tuple(gap for gap, lacking in zip(asked, lacks, strict=True) if lacking)
        values: dict[str, Any] = dict(zip(NAMES, facts, strict=True))
        rows.append(Listed(**values, gaps=gaps))
    return sorted(rows, key=lambda row: [int(number) for number in row.path.strip("/").split("/")])


def found(rows: Sequence[Listed], q: str = "", below: int | None = None, lacking: bool = False) -> list[Listed]:
    """Those with the words in their name, short name, code, address or number, at or below a centre, with gaps."""
    words = fold(q).split()
    return [
        row
        for row in rows
        if (below is None or f"/{below}/" in row.path)
        and (not lacking or row.gaps)
        and all(word in fold(f"{row.name} {row.short_name} {row.code} {row.address} {row.phone}") for word in words)
    ]


def groups(rows: Sequence[Listed]) -> list[Listed]:
    """The centres directly below the top of the list that have others below them: subdistricts, for a filter."""
    above = {row.parent_id for row in rows}
    top = min((row.depth for row in rows), default=0)
    return [row for row in rows if row.depth == top + 1 and row.id in above]
