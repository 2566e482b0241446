"""What tests of urgent help share: pressing, and time that goes on."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from portal.help_requests.urgent import filing, poll
from portal.help_requests.urgent.filing import Pressed
from portal.help_requests.urgent.models import Alarm
from tests.factories import NOW


@pytest.fixture(autouse=True)
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was open half a second ago was another moment of the test."""
    monkeypatch.setattr(poll, "FRESH", 0.0)


@pytest.fixture
def press(session: Any, town: Any) -> Callable[..., Alarm]:
    """press(0): the first resident (of A1) needs help; press(phone='139…', at='B1'): somebody who is not signed in."""

    def pressed(
        number: int | None = None, phone: str = "", at: str = "A1", now: datetime = NOW, key: str = ""
    ) -> Alarm:
        person = town.residents[number] if number is not None else None
        centre = session.merge(person.home_centre if person else town.centres[at])
        call = filing.file(
            Pressed(key or str(uuid.uuid4()), phone or (person.phone if person else ""), centre, person), now
        )
        session.commit()
        return session.get_one(Alarm, call.alarm_id)

    return pressed
