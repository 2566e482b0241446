"""The seat rush over HTTP, smaller: `make load` is the whole one."""

from __future__ import annotations

import pytest

from tests.load import seat_rush
from tests.servers import database_kind

pytestmark = pytest.mark.load
PEOPLE, CLIENTS, PLACES = 150, 25, 20


def test_exactly_so_many_places_and_the_first_ten_move_up() -> None:
    result = seat_rush.run(database_kind(), PEOPLE, CLIENTS, PLACES)
    assert result.answers == {303: PEOPLE + PEOPLE // 10}
    assert result.exact(PEOPLE, PLACES), seat_rush.table([result], PEOPLE, PLACES)
    assert result.counted == (PLACES, PEOPLE - PLACES)
    assert result.moved_up


def test_control_without_the_lock_oversells() -> None:
    if database_kind() == "sqlite":
        pytest.skip("SQLite has one writer: there is no lock to take away")
    result = seat_rush.run("postgresql", PEOPLE, CLIENTS, PLACES, locked=False)
    assert result.rows["confirmed"] > PLACES
    assert not result.exact(PEOPLE, PLACES)
