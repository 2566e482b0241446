"""The net in the database (SPEC V2): two holds of one room never overlap, whoever writes them and however."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from portal.core import errors
from portal.core.db import db
from portal.venues import occupancy, overlap_constraint
from portal.venues.errors import SlotTaken
from portal.venues.models import APPROVED, CANCELLED, HOLDS, OFFERED, PENDING, WAITING, Booking, Venue
from portal.venues.states import LABELS
from tests.factories import Make, Town
from tests.venues.helping import at, overlapping

FREE = sorted(LABELS.keys() - set(HOLDS))


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], buffer=30)


@pytest.fixture
def standing(room: Venue, make: Make) -> Booking:
    """14:00-16:00, held until 16:30."""
    return make.booking(room, at(27, 14), 120)


def test_the_sentence_of_the_net_is_known() -> None:
    assert set(HOLDS) == set(overlap_constraint.HOLDS) == {PENDING, APPROVED, OFFERED}
    refusal = errors.for_integrity(IntegrityError("", {}, Exception(f'violates "{overlap_constraint.NAME}"')))
    assert isinstance(refusal, SlotTaken) and refusal.status == 409


@pytest.mark.parametrize("held", HOLDS)
@pytest.mark.parametrize("status", HOLDS)
def test_no_insert_into_a_held_time(session: Any, standing: Booking, make: Make, status: str, held: str) -> None:
    """Inside, over its start by the own buffer, in its buffer, around it, the same."""
    standing.status = held
    session.commit()
    for start, minutes in ((15, 30), (13, 60), (16, 60), (13, 300), (14, 120)):
        with pytest.raises(IntegrityError) as refused:
            make.booking(standing.venue, at(27, start), minutes, status=status)
        assert isinstance(errors.for_integrity(refused.value), SlotTaken)
        session.rollback()
    assert session.scalar(select(func.count()).select_from(Booking)) == 1


@pytest.mark.parametrize("status", FREE)
def test_what_holds_nothing_is_in_nobodys_way(session: Any, standing: Booking, make: Make, status: str) -> None:
    assert make.booking(standing.venue, at(27, 14), 120, status=status).id
    standing.status = status
    session.flush()
    assert make.booking(standing.venue, at(27, 15), 120, status=APPROVED).id
    assert overlapping(session) == []


def test_touching_and_other_rooms_are_free(session: Any, standing: Booking, make: Make, town: Town) -> None:
    other = make.venue(town.centres["A1"])
    for venue, start, minutes in ((standing.venue, at(27, 16, 30), 60), (standing.venue, at(27, 13), 30),
                                  (other, at(27, 14), 120)):  # fmt: skip
        assert make.booking(venue, start, minutes).id


CHANGES: dict[str, dict[str, Any]] = {
    "start": {"starts_at": at(27, 16)}, "hold": {"held_until": at(27, 18, 30)}, "status": {"status": OFFERED},
    "room": {}, "everything": {"starts_at": at(27, 14), "ends_at": at(27, 15), "held_until": at(27, 15, 30)},
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_no_update_into_a_held_time(session: Any, standing: Booking, make: Make, town: Town, what: str) -> None:
    other = make.venue(town.centres["A1"])
    values: dict[str, Any] = {"venue_id": standing.venue_id} if what == "room" else CHANGES[what]
    row = {
        "start": lambda: make.booking(standing.venue, at(27, 16, 30), 120),
        "hold": lambda: make.booking(standing.venue, at(27, 12), 90),
        "status": lambda: make.booking(standing.venue, at(27, 15), status=WAITING),
        "room": lambda: make.booking(other, at(27, 15)),
        "everything": lambda: make.booking(standing.venue, at(28, 14)),
    }[what]()
    with pytest.raises(IntegrityError) as refused:
        session.execute(update(Booking).where(Booking.id == row.id).values(**values))
    assert isinstance(errors.for_integrity(refused.value), SlotTaken)
    session.rollback()
    assert overlapping(session) == []


def test_a_change_inside_the_own_time_is_no_conflict(session: Any, standing: Booking) -> None:
    mine = update(Booking).where(Booking.id == standing.id)
    session.execute(mine.values(starts_at=at(27, 15), held_until=at(27, 17)))
    session.execute(mine.values(status=CANCELLED))
    session.execute(mine.values(status=APPROVED))
    session.commit()


def test_raw_sql_is_refused_too(session: Any, standing: Booking) -> None:
    columns = ", ".join(c.name for c in Booking.__table__.columns if c.name not in ("id", "status"))
    copy = f"INSERT INTO booking ({columns}, status) SELECT {columns}, :status FROM booking WHERE id = :id"
    session.execute(text(copy), {"status": WAITING, "id": standing.id})
    with pytest.raises(IntegrityError, match=overlap_constraint.NAME):
        session.execute(text(copy), {"status": PENDING, "id": standing.id})
    session.rollback()
    session.execute(text(copy), {"status": WAITING, "id": standing.id})
    with pytest.raises(IntegrityError, match=overlap_constraint.NAME):
        session.execute(text("UPDATE booking SET status = 'approved'"))


@pytest.mark.parametrize("buffer", [0, 1440])
def test_the_longest_holds_are_seen(session: Any, room: Venue, make: Make, buffer: int) -> None:
    """A day of use and a day of buffer: nothing longer is ever held."""
    room.buffer = buffer
    until = make.booking(room, at(27, 9), 24 * 60).held_until
    with pytest.raises(IntegrityError):
        make.booking(room, until - timedelta(minutes=1), 60)
    session.rollback()
    assert make.booking(room, until, 60).id


def test_taken_away_and_put_back(session: Any, standing: Booking, make: Make) -> None:
    """The control of the race tests really has no net; it cannot come back over what overlaps by then."""
    venue = standing.venue
    overlap_constraint.remove(session.connection())
    session.commit()
    twin = make.booking(venue, at(27, 14), 120)
    assert overlapping(session) == [(standing.id, twin.id)]
    session.rollback()  # the look itself would hold the table against the change of its constraint
    if db.engine.dialect.name == "postgresql":
        with pytest.raises(IntegrityError), db.engine.begin() as connection:
            overlap_constraint.install(connection)
    session.delete(twin)
    session.commit()
    with db.engine.begin() as connection:
        overlap_constraint.install(connection)
    with pytest.raises(IntegrityError):
        make.booking(venue, at(27, 14), 120)


# Through the pages ----------------------------------------------------------------------------------------------------


def test_people_get_a_sentence_not_an_error(
    session: Any,
    standing: Booking,
    town: Town,
    client: FlaskClient,
    as_resident: Callable[..., FlaskClient],
    monkeypatch: pytest.MonkeyPatch,
    now: datetime,
) -> None:
    """Whatever race remains behind lock and look: 409, why and what to do, nothing stored."""
    path = f"/venues/{standing.venue_id}/book"
    form = {"day": "2026-11-27", "start": "15:00", "end": "16:00", "people": "3", "title": "会", "for": "me"}
    session.commit()
    monkeypatch.setattr(occupancy, "is_free", lambda *_args, **_more: True)
    answer = as_resident(client, town.residents[0]).post(path, data=form)
    assert answer.status_code == 409
    assert "刚刚被别人订走" in answer.text and "相近的时间" in answer.text
    session.expire_all()
    assert session.scalar(select(func.count()).select_from(Booking)) == 1
    monkeypatch.undo()
    answer = client.post(path, data=form)
    assert answer.status_code == 409 and "刚刚被别人订走" in answer.text
