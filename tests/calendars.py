"""Reading calendars as phones do: by two parsers that share no code, and kept by name and sequence (RFC 5545, 5546)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import datetime

from icalendar import Calendar

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", module=r"vobject(\.|$)")  # its own old habits, none of ours
    import vobject  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Event:
    uid: str
    sequence: int
    start: datetime
    end: datetime
    title: str
    cancelled: bool


def read(data: bytes) -> list[Event]:
    """The events of a calendar, on which both parsers agree."""
    ours = [
        Event(
            str(e["UID"]), int(str(e["SEQUENCE"])), e.decoded("DTSTART"), e.decoded("DTEND"), str(e["SUMMARY"]),
            e.get("STATUS") == "CANCELLED",
        )
        for e in Calendar.from_ical(data).walk("VEVENT")
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"vobject(\.|$)")
        book = vobject.readOne(data.decode())
        book.validate(raiseException=True)
        theirs = [
            Event(
                e.uid.value, int(e.sequence.value), e.dtstart.value, e.dtend.value, e.summary.value,
                "status" in e.contents and e.status.value == "CANCELLED",
            )
            for e in book.contents.get("vevent", [])
        ]  # fmt: skip
    assert ours == theirs
    assert len({e.uid for e in ours}) == len(ours), "one event, one name"
    return ours


def take(kept: dict[str, Event], data: bytes) -> dict[str, Event]:
    """What a phone has after it reads a file once more: the higher sequence wins, what is not named stays."""
    found = dict(kept)
    for event in read(data):
        known = found.get(event.uid)
        if known is None or event.sequence >= known.sequence:
            found[event.uid] = event
    return found


def seen(kept: dict[str, Event]) -> list[tuple[str, datetime]]:
    """What stands in the phone's calendar, in order."""
    return sorted((e.title, e.start) for e in kept.values() if not e.cancelled)
