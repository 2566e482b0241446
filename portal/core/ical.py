"""Dates for calendar programs (RFC 5545): valid for Outlook, iOS and Android, and one event however often it is read.

Times are in UTC: a zone by its name alone is refused or guessed by strict programs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Response
from icalendar import Calendar, Event

from portal.core import pages

HOST = "saoma-diandan"
AGAIN = timedelta(hours=4)  # how often programs that have subscribed look again


@dataclass(frozen=True, slots=True)
class Dated:
    """One session or booking. uid: of the thing itself, so that it stays one event; sequence: rises with each change;
    start, end: aware, half-open; path: its page inside the portal.
    """

    uid: str
    sequence: int
    start: datetime
    end: datetime
    title: str
    place: str
    path: str
    cancelled: bool = False


def book(name: str, dated: Iterable[Dated], made: datetime) -> bytes:
    """A calendar. made: the day rather than the moment, where an unchanged one is to be answered by 304."""
    calendar = Calendar()
    calendar.add("prodid", "-//saoma-diandan//services//ZH")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", AGAIN, parameters={"VALUE": "DURATION"})
    for one in dated:
        calendar.add_component(event(one, made))
    body: bytes = calendar.to_ical()
    return body


def event(one: Dated, made: datetime) -> Event:
    """One date as a component. made: see `book`."""
    event = Event()
    event.add("uid", f"{one.uid}@{HOST}")
    event.add("dtstamp", made)
    event.add("sequence", one.sequence)
    event.add("dtstart", one.start)
    event.add("dtend", one.end)
    event.add("summary", one.title)
    event.add("location", one.place)
    event.add("url", pages.absolute(one.path))
    if one.cancelled:
        event.add("status", "CANCELLED")
    return event


def answer(body: bytes, filename: str = "", private: bool = False) -> Response:
    """filename: as a phone saves it; '' for what is subscribed to. private: nobody on the way keeps it."""
    found = Response(body, mimetype="text/calendar")
    if filename:
        found.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    if private:
        found.headers["Cache-Control"] = "private, no-store"
    return found
