"""Values and little steps that the catalogue's tests share."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from portal.catalogue.actions import drafting, publishing, reviewing
from portal.catalogue.models import Entry
from portal.catalogue.rules import EntryValues
from portal.catalogue.staff import month_board, queries
from portal.catalogue.timetext.parts import Span
from portal.core import clock
from portal.core.access import Actor
from tests.factories import NOW, Town

MONTH = "2026-12"


def span(day: int, start: str = "9:00", end: str = "11:00", month: str = MONTH) -> Span:
    """A session on `day` of `month`, Shanghai."""
    on = datetime.fromisoformat(f"{month}-{day:02d}").date()

    def at(text: str) -> datetime:
        hour, minute = text.split(":")
        return clock.at(on, time(int(hour), int(minute)))

    return Span(at(start), at(end))


def values(town: Town, **changes: Any) -> EntryValues:
    base: dict[str, Any] = {
        "month": MONTH, "title": "亲子绘本阅读会", "category_id": town.categories["party"].id,
        "sessions": (span(5),), "place": "二楼书吧", "capacity": 15, "phone": "0755-84200001",
    }  # fmt: skip
    return EntryValues(**(base | changes))


def draft(town: Town, who: str = "A1", **changes: Any) -> Entry:
    return drafting.draft_entry(town.actor(who), values(town, **changes), NOW)


def at_subdistrict(town: Town, **changes: Any) -> Entry:
    """A community's row that waits for subdistrict A."""
    entry = draft(town, **changes)
    reviewing.offer(town.actor("A1"), entry, NOW)
    return entry


def approved(town: Town, **changes: Any) -> Entry:
    entry = at_subdistrict(town, **changes)
    reviewing.approve(town.actor("A"), entry, NOW)
    reviewing.approve(town.actor("D"), entry, NOW)
    return entry


def published(town: Town, **changes: Any) -> Entry:
    entry = approved(town, **changes)
    publishing.publish_month(entry.month, NOW, town.actor("D"), force=True)
    return entry


def month_rows(actor: Actor, month: str, now: datetime, state: str = "") -> list[queries.Row]:
    """Rows of a month's board under a tab, as its page and its export ask for them."""
    board = (*month_board.on_board(actor, month), *month_board.in_state(actor, state))
    return queries.board_rows(actor, board, now)
