"""A date that is on now, in A1: three residents have a place, a fourth has none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal.catalogue.models import Entry, EntrySession
from portal.signup import actions
from portal.signup.models import SignUp
from tests.factories import NOW, Make, Town


@pytest.fixture
def entry(town: Town, make: Make) -> Entry:
    start = NOW + timedelta(minutes=20)
    return make.entry(town.centres["A1"], [(start, start + timedelta(hours=2))], title="智能手机课堂", capacity=5)


@pytest.fixture
def date(entry: Entry) -> EntrySession:
    return entry.sessions[0]


@pytest.fixture
def signed(session: Any, town: Town, entry: Entry) -> list[SignUp]:
    """Of the residents 0, 1 and 2."""
    rows = [actions.sign_up(town.resident_actor(n), entry.id, None, 0, NOW - timedelta(days=1)) for n in range(3)]
    session.commit()
    return rows
