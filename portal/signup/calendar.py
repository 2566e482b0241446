"""The dates of an activity for the calendar of a phone. Nothing personal is in it."""

from datetime import datetime

from flask import url_for
from icalendar import Alarm, Calendar, Event

from portal.catalogue.models import CANCELLED, Entry, EntrySession
from portal.catalogue.public import following
from portal.core import deadlines, ical, pages


def book(entry: Entry, now: datetime) -> bytes:
    """An iCalendar file (RFC 5545) of the sessions that are not over, each under the name it has in the centre's file,
    so that a phone that takes both, or the same one again after a change, shows it once."""
    made = Calendar()
    made.add("prodid", "-//saoma-diandan//services//ZH")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    for session in entry.sessions:
        if session.ends_at > now:
            made.add_component(_event(entry, session, now))
    for one in following.dropped_of(entry.id):
        if one.end > now:
            made.add_component(ical.event(one, now))
    body: bytes = made.to_ical()
    return body


def _event(entry: Entry, session: EntrySession, now: datetime) -> Event:
    event = Event()
    event.add("uid", f"entry-{entry.id}-{session.id}@saoma-diandan")
    event.add("dtstamp", now)
    event.add("sequence", entry.version)  # so that a calendar takes the newer one
    event.add("dtstart", session.starts_at)
    event.add("dtend", session.ends_at)
    event.add("summary", entry.title)
    event.add("location", " ".join(filter(None, (entry.centre.name, entry.place, entry.centre.address))))
    event.add("url", pages.absolute(url_for("catalogue.short", entry_id=entry.id)))
    if entry.status == CANCELLED:
        event.add("status", "CANCELLED")
        return event
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", entry.title)
    alarm.add("trigger", -deadlines.HOURS_BEFORE)
    event.add_component(alarm)
    return event
