"""The room rush over HTTP, smaller: `make load` is the whole one."""

from __future__ import annotations

import pytest

from tests.load import room_rush
from tests.servers import database_kind

pytestmark = pytest.mark.load
JOBS, CLIENTS, ROOMS = 120, 20, 2


def test_nothing_overlaps_and_losers_are_offered_something_else() -> None:
    result = room_rush.run(database_kind(), JOBS, CLIENTS, ROOMS)
    shown = room_rush.table([result], JOBS)
    assert result.overlaps == 0, shown
    assert result.statuses().keys() == {303, 409}, shown
    assert result.no_way_out == 0 and result.statuses("book")[409] > 10, shown
    assert result.exact(), shown


def test_control_overlaps_without_what_keeps_bookings_apart() -> None:
    """PostgreSQL: without lock and net, though everybody looks; SQLite has one writer, there the look goes too."""
    results = []
    for _ in range(6):  # a race may end well a few times
        results.append(room_rush.run(database_kind(), JOBS, CLIENTS, 4, guarded=False))
        if results[-1].overlaps:
            break
    assert results[-1].overlaps > 0, room_rush.table(results, JOBS)
    assert not results[-1].exact()
