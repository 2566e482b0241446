"""The portal with the lock on places taken away: the control of the seat rush, so that it is seen to be able to fail."""

from __future__ import annotations

from time import sleep
from typing import Any

from sqlalchemy import Select

from portal.catalogue.models import Entry
from portal.signup import waiting_list
from wsgi import door

BREATH = 0.1  # seconds between look and write: everybody falls into the gap, on a quick machine and on a busy one
look = waiting_list.lock


def unlocked(statement: Select[Any]) -> Select[Any]:
    return statement


def look_and_wait(entry_id: int) -> Entry:
    entry = look(entry_id)
    sleep(BREATH)
    return entry


waiting_list.for_update = unlocked
waiting_list.lock = look_and_wait

__all__ = ["door"]
