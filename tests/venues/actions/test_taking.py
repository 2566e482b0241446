"""A walk-in at a free room's door takes it on the spot, until the next booking, by the room's rules (SPEC V5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core import clock
from portal.venues import locks
from portal.venues.actions import taking
from portal.venues.errors import BookingRefused, LimitReached, VenueGone
from portal.venues.models import Booking, Venue
from tests.concurrency import Gap, in_the_gap
from tests.factories import Make, Town
from tests.venues.helping import at

SOON = at(25, 14, 10)  # not on the grid of half hours


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="棋牌室", notice=1440, longest=120, buffer=10)


def take(town: Town, room: Venue, now: datetime = SOON, who: int = 0) -> Booking:
    return taking.take_now(town.resident_actor(who), room.id, room.door_key, now)


def test_until_the_longest_time_and_checked_in_once(session: Any, town: Town, room: Venue) -> None:
    row = take(town, room)
    assert (row.starts_at, row.ends_at, row.checked_in_at) == (SOON, SOON + timedelta(hours=2), SOON)
    assert take(town, room, SOON + timedelta(minutes=1)).id == row.id
    assert len(session.scalars(select(Booking)).all()) == 1


def test_until_the_next_booking_with_the_buffer(town: Town, room: Venue, make: Make) -> None:
    make.booking(room, at(25, 15), 60)
    assert take(town, room).ends_at == at(25, 14, 50)


@pytest.mark.parametrize(
    ("values", "booked", "now", "said"),
    [
        ({}, at(25, 14), SOON, "现在不空"),
        ({}, at(25, 14, 30), SOON, "现在不空"),  # less than the shortest is left
        ({}, None, at(25, 22), "现在不空"),
        ({"needs_approval": True}, None, SOON, "先审批"),
        ({"who_may": "staff"}, None, SOON, "统一安排"),
    ],
)
def test_not_when_it_is_taken_closed_or_to_be_approved(
    town: Town, make: Make, values: dict[str, Any], booked: datetime | None, now: datetime, said: str
) -> None:
    room = make.venue(town.centres["A1"], **values)
    if booked is not None:
        make.booking(room, booked, 60)
    with pytest.raises(BookingRefused, match=said):
        take(town, room, now)


def test_a_room_of_its_own_people(town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], who_may="own")
    assert take(town, room).status == "approved"
    with pytest.raises(BookingRefused, match="只给"):
        take(town, make.venue(town.centres["A1"], who_may="own"), who=3)


def test_limits_hold_and_so_does_the_key(town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], hours_per_week=1, longest=120)
    with pytest.raises(LimitReached):
        take(town, room)
    with pytest.raises(VenueGone):
        taking.take_now(town.resident_actor(0), room.id, "wrong", SOON)


@pytest.mark.own_database
def test_two_at_one_door(app: Flask, session: Any, town: Town, room: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and then the room is not free any more."""
    people, number, key = [town.resident_actor(n) for n in range(2)], room.id, room.door_key
    session.rollback()
    gap = Gap(locks.lock)
    monkeypatch.setattr(locks, "lock", gap)
    jobs = [lambda who=who: taking.take_now(who, number, key, SOON).resident_id for who in people]
    both_looked, answers = in_the_gap(app, gap, *jobs)
    assert not both_looked
    assert answers[0] == people[0].id and isinstance(answers[1], BookingRefused)
    session.rollback()
    assert len(session.scalars(select(Booking)).all()) == 1


def test_one_tap_at_the_door(session: Any, town: Town, room: Venue, client: FlaskClient, as_resident: Any) -> None:
    door = f"/venues/{room.id}/door/{room.door_key}"
    session.rollback()
    with clock.frozen(SOON):
        assert "登录后点一下就能用" in client.get(door).text
        page = as_resident(client, town.residents[0]).get(door).text
        assert "现在用，到 16:10" in page and f'action="{door}/take"' in page
        assert "可以用到 16:10" in client.post(f"{door}/take", follow_redirects=True).text
        assert "现在用" not in as_resident(client, town.residents[1]).get(door).text
        assert "现在不空" in client.post(f"{door}/take").text
