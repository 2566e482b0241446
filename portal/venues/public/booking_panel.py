"""The panel in which a room is booked: what was typed, what may be chosen, why not, and what instead (SPEC V2, V5)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from portal.centres.rules import clock_text
from portal.core import clock
from portal.core.access import Viewer
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.people.refusals import NoSuchPerson
from portal.venues import rules
from portal.venues.actions import booking
from portal.venues.availability import search
from portal.venues.availability.search import Offers, RoomDay
from portal.venues.errors import BookingRefused, SlotTaken
from portal.venues.models import Venue
from portal.venues.public import queries
from portal.venues.rules import Refusal, Span, day_words, eligibility
from portal.venues.rules.eligibility import Wish

OTHER = "other"  # a purpose that is not among the room's functions
MOST_PEOPLE = 99_999
BAD_TIME = Refusal("bad_time", "没有看懂要订的时间。", "请点一个开始时间，再选结束时间。", "start")
BAD_PEOPLE = Refusal("bad_people", "人数请填数字。", "说不准的话，填个大概的数就可以。", "people")


@dataclass(frozen=True, slots=True)
class Typed:
    """A wish as it arrives in an address or a form, in plain text."""

    day: date | None
    start: str = ""
    end: str = ""
    people: str = ""
    function: str = ""
    title: str = ""
    needs: str = ""
    person: str = "me"

    def query(self) -> str:
        """The same wish as the part of an address after the '?'; empty parts are left out."""
        parts = {
            "day": self.day.isoformat() if self.day else "", "start": self.start, "end": self.end,
            "people": self.people, "function": self.function, "title": self.title, "needs": self.needs,
            "for": "" if self.person == "me" else self.person,
        }  # fmt: skip
        return urlencode({key: value for key, value in parts.items() if value})


def from_request(values: Mapping[str, str]) -> Typed:
    """What somebody typed or chose; nothing is judged here but the day."""
    person = values.get("for", "me").strip()[:12] or "me"
    return Typed(
        day_words.date_of(values.get("day")), values.get("start", "").strip()[:5], values.get("end", "").strip()[:5],
        values.get("people", "").strip()[:6], values.get("function", "").strip()[:20],
        values.get("title", "").strip()[: booking.TITLE_MAX], values.get("needs", "").strip()[: booking.NEEDS_MAX],
        person if person.isalnum() else "me",
    )  # fmt: skip


def wish_of(venue_id: int, typed: Typed) -> Wish:
    """The wish behind the text. Raises BookingRefused for hours or numbers nobody can read, NoSuchPerson."""
    opens, closes = day_words.typed(typed.start), day_words.typed(typed.end)
    if typed.day is None or opens is None or closes is None:
        raise BookingRefused(BAD_TIME)
    people = whole_number(typed.people, MOST_PEOPLE) if typed.people else 1
    if people is None:
        raise BookingRefused(BAD_PEOPLE)
    relative = None if typed.person == "me" else whole_number(typed.person)
    if relative is None and typed.person != "me":
        raise NoSuchPerson()
    function = "" if typed.function == OTHER else typed.function
    start, end = rules.moment(typed.day, opens), rules.moment(typed.day, closes)
    return Wish(venue_id, start, end, people, typed.title, function, typed.needs, relative)


@dataclass(frozen=True, slots=True)
class Panel:
    """The part of a room's page in which it is booked. start None: nothing chosen yet."""

    venue: Venue
    day: date
    typed: Typed
    signed_in: bool
    start: datetime | None = None
    ends: tuple[tuple[str, str], ...] = ()  # value, words
    end: str = ""
    people: tuple[tuple[str, str], ...] = ()  # for whom
    refusal: Refusal | None = None  # nobody like this may book here at all
    error: DomainError | None = None
    offers: Offers | None = None
    span: Span | None = None  # the wish that was refused

    @property
    def answer(self) -> str:
        return rules.answer_text(self.venue.approve_hours)

    @property
    def field(self) -> str:
        return (self.error.field or "") if self.error is not None else ""

    @property
    def may_wait(self) -> bool:
        """Whether the refused time can be waited for: only a taken one, of a room with a waiting list."""
        return isinstance(self.error, SlotTaken) and self.span is not None and self.venue.waiting_list

    def offer_text(self, span: Span, whole: bool = False) -> str:
        """An offered time in words; the day only where it is another one, or always (`whole`)."""
        there = clock.local(span.start).date()
        first = clock.day(there) if whole or there != self.day else ""
        return f"{first}{clock.hour(span.start)}–{day_words.end_text(span.end, there)}"

    def fields(self, span: Span) -> dict[str, str]:
        """The hidden fields with which an offer is booked in one press: its time, everything else as typed."""
        day = clock.local(span.start).date()
        typed = self.typed
        return {
            "day": day.isoformat(), "start": _value(day, span.start), "end": _value(day, span.end),
            "people": typed.people or "1", "function": typed.function, "title": typed.title, "needs": typed.needs,
            "for": typed.person,
        }  # fmt: skip


def panel(
    venue: Venue, shown: RoomDay, viewer: Viewer | None, home: str | None, typed: Typed, now: datetime,
    error: DomainError | None = None,
) -> Panel:  # fmt: skip
    """The panel for what is typed. home: the path of the viewer's centre, None when unknown; error: why it was just
    refused; a taken time brings its offers."""
    resident = viewer is not None and viewer.audience == "resident"
    made = Panel(venue, shown.day.day, typed, resident, refusal=eligibility.may_book(venue, home))
    opens = day_words.typed(typed.start)
    if made.refusal is not None or opens is None:
        return replace(made, error=error)
    start = rules.moment(shown.day.day, opens)
    ends = rules.ends(shown.terms, start, shown.taken, now)
    closes = day_words.typed(typed.end)
    span = Span(start, rules.moment(shown.day.day, closes) if closes is not None else start + _usual(shown))
    if error is None and not ends:
        error = _why(shown, span, now)
    offers = _offers(venue, typed, span, home, now) if error is not None and _lost(error) else None
    made = replace(made, start=start, people=tuple(queries.people(viewer)), error=error, offers=offers, span=span)
    return replace(made, **_choice(shown, ends, start, typed.end))


def _usual(shown: RoomDay) -> timedelta:
    """The length meant when only a start was said: an hour, as far as the room allows it."""
    least, most = shown.terms.shortest, rules.longest_of(shown.terms)
    return timedelta(minutes=min(max(least, search.USUAL), most))


def _choice(shown: RoomDay, ends: list[datetime], start: datetime, typed: str) -> dict[str, Any]:
    """The ends to choose from, each with its length in words, and the one chosen beforehand."""
    day = shown.day.day
    told = tuple(
        (_value(day, end), f"{day_words.end_text(end, day)}（{rules.duration((end - start) // timedelta(minutes=1))}）")
        for end in ends
    )
    wanted = day_words.typed(typed)
    chosen = next((v for v, _ in told if wanted is not None and day_words.typed(v) == wanted), "")
    usual = day_words.usual_end(ends, start)
    return {"ends": told, "end": chosen or (_value(day, usual) if usual else "")}


def _value(day: date, moment: datetime) -> str:
    return clock_text(day_words.minutes_after(day, moment))


def _why(shown: RoomDay, span: Span, now: datetime) -> DomainError:
    """Why a start that somebody followed a link to cannot be had: a rule, or somebody was faster."""
    refused = rules.refusal(shown.terms, span, None, now)
    return BookingRefused(refused) if refused is not None else SlotTaken()


def _lost(error: DomainError) -> bool:
    return isinstance(error, SlotTaken) or getattr(error, "code", "") in {
        "past", "too_soon", "closed", "outside_hours", "too_many_people", "off_step", "not_own",
    }  # fmt: skip


def _offers(venue: Venue, typed: Typed, span: Span, home: str | None, now: datetime) -> Offers:
    people = whole_number(typed.people, MOST_PEOPLE) or 1
    end = max(span.end, span.start + timedelta(minutes=1))
    offers = search.instead_of(Wish(venue.id, span.start, end, people), venue, home, now)
    if venue.capacity is not None and people > venue.capacity:
        return replace(offers, times=[])  # another hour makes the room no larger
    return offers
