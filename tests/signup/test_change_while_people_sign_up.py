"""A form for a change is not out of date because somebody signed up meanwhile; it is when the row itself changed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from portal.catalogue.actions import changing, entry_values
from portal.core.errors import Stale
from portal.signup import actions


def test_sign_ups_do_not_spoil_the_form(session: Any, town: Any, make: Any, now: Any) -> None:
    entry = make.entry(town.centres["A1"])
    seen = entry.revision
    actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    session.commit()
    session.refresh(entry)
    values = dataclasses.replace(entry_values.values_of(entry), place="二楼书吧")
    change = changing.ask_change(town.actor("D"), entry, values, "场地临时占用", now, version=seen)
    session.commit()
    assert change.status == "applied" and entry.place == "二楼书吧"
    again = dataclasses.replace(values, place="三楼会议室")
    with pytest.raises(Stale):
        changing.ask_change(town.actor("D"), entry, again, "场地临时占用", now, version=seen)
