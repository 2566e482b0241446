"""An activity in the words of schema.org, for other platforms (SPEC N1, C10): what its page says to everybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from portal.catalogue.actions import entry_values
from portal.catalogue.models import CANCELLED, Entry, EntryChange
from portal.centres import linked_data as places
from portal.core import clock, pages

SCHEMA = places.CONTEXT
Span = tuple[datetime, datetime]


def event(entry: Entry, moved: Mapping[Span, datetime]) -> dict[str, Any]:
    """An activity; one with several dates is a series with an event for each.

    moved: when a date that was moved would have begun (`moves`). What changes with each sign-up `with_places` adds.
    """
    spans = [(s.starts_at, s.ends_at) for s in entry.sessions]
    dates = [places.known(_date(entry.status, span, moved)) for span in spans]
    own = pages.absolute(f"/services/{entry.id}")
    said: dict[str, Any] = {
        "@context": SCHEMA,
        "@type": "Event",
        "@id": own,
        "url": own,
        "name": entry.title,
        "description": entry.content or entry.title,
        "eventAttendanceMode": f"{SCHEMA}/OfflineEventAttendanceMode",
        "image": pages.absolute(f"/pictures/{entry.cover}") if entry.cover else None,
        "inLanguage": "zh-CN",
        "location": _location(entry),
        "organizer": _organiser(entry),
        "isAccessibleForFree": entry.fee == 0,
        "audience": {"@type": "Audience", "audienceType": entry.audience},
        "maximumAttendeeCapacity": entry.capacity if entry.unit == "人" else None,
        "offers": _offer(entry, own),
    }
    if len(dates) == 1:
        said |= dates[0]
    else:
        said |= {"@type": "EventSeries", "eventStatus": _status(entry.status, False)}
        if spans:
            said |= {"startDate": _at(spans[0][0]), "endDate": _at(spans[-1][1])}
        said["subEvent"] = [
            {"@type": "Event", "@id": f"{own}#{s.id}", "name": entry.title, "location": said["location"], **date}
            for s, date in zip(entry.sessions, dates, strict=True)
        ]
    return places.known(said)


def with_places(said: Mapping[str, Any], free: int | None, unit: str, closed: bool) -> dict[str, Any]:
    """The same with the places of this moment. free: None when unlimited; unit: families are not counted as people.

    closed: over, cancelled, or no more signing up; then free places are nobody's.
    """
    stock = "OutOfStock" if closed else "SoldOut" if free == 0 else "InStock"
    now: dict[str, Any] = {"offers": {**said["offers"], "availability": f"{SCHEMA}/{stock}"}}
    if free is not None and unit == "人":
        now["remainingAttendeeCapacity"] = free
    return {**said, **now}


def moves(changes: Iterable[EntryChange]) -> dict[Span, datetime]:
    """Of each date that took another's place, when that one would have begun. changes: made, the oldest first."""
    found: dict[Span, datetime] = {}
    for change in changes:
        if not change.after:  # a cancellation
            continue
        before, after = _spans(change.before), _spans(change.after)
        gone, come = sorted(before - after), sorted(after - before)
        # As many as went came: one for one, in order. Otherwise some were dropped or added, and nobody can say which.
        if len(gone) == len(come):
            found |= {new: old[0] for old, new in zip(gone, come, strict=True)}
    return found


def _spans(values: dict[str, Any]) -> set[Span]:
    return {(span.start, span.end) for span in entry_values.from_json(values).sessions}


def _at(when: datetime) -> str:
    """With the offset of here: '2026-12-03T16:30:00+08:00'."""
    return clock.local(when).isoformat()


def _status(status: str, moved: bool) -> str:
    name = "EventCancelled" if status == CANCELLED else "EventRescheduled" if moved else "EventScheduled"
    return f"{SCHEMA}/{name}"


def _date(status: str, span: Span, moved: Mapping[Span, datetime]) -> dict[str, Any]:
    was = moved.get(span)
    return {
        "startDate": _at(span[0]),
        "endDate": _at(span[1]),
        "eventStatus": _status(status, was is not None),
        "previousStartDate": _at(was) if was else None,
    }


def _location(entry: Entry) -> dict[str, Any]:
    """The room or place of the activity at its centre; a place elsewhere is named, the centre's address is not its."""
    here = places.place(entry.centre)
    if not entry.place or entry.venue_id or entry.place == entry.centre.name:
        return {**here, "name": f"{entry.centre.name} {entry.place}".strip()}
    return {"@type": "Place", "name": entry.place, "containedInPlace": here}


def _organiser(entry: Entry) -> dict[str, Any]:
    if entry.organiser and entry.organiser != entry.centre.name:
        return {"@type": "Organization", "name": entry.organiser, "url": places.url(entry.centre)}
    return places.organisation(entry.centre)


def _offer(entry: Entry, own: str) -> dict[str, Any]:
    """What a place costs, in yuan. validFrom: when signing up begins, where that is said."""
    opens = _at(entry.sign_up_from) if entry.sign_up_from and not entry.walk_in else None
    price = {"@type": "Offer", "price": f"{entry.fee / 100:.2f}", "priceCurrency": "CNY", "url": own}
    return places.known({**price, "validFrom": opens})
