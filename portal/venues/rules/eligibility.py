"""Who may book, what they ask for, and until when they may take it back (SPEC V1, V5). Pure functions, no database."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.core import clock
from portal.venues import rules
from portal.venues.models import APPROVED, EVERYBODY, OWN, STAFF_ONLY, Booking, Venue
from portal.venues.rules import Refusal, Span

# Whoever booked by mistake may take it back even when the deadline has already passed.
SECOND_THOUGHTS = timedelta(minutes=15)
EARLY = timedelta(minutes=30)  # before the start one may check in: people come a little early
LOOK_BACK = timedelta(days=1)  # after the end staff may still note that somebody came


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for: half-open [start, end), aware UTC."""

    venue_id: int
    start: datetime
    end: datetime
    people: int = 1
    title: str = ""
    function: str = ""
    needs: str = ""
    relative_id: int | None = None

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


def may_book(venue: Venue, home_path: str | None) -> Refusal | None:
    """Who may: everybody, the centre's own residents, or nobody from outside. home_path None: not known yet."""
    if venue.who_may == EVERYBODY:
        return None
    phone = venue.phone or venue.centre.phone
    call = f"可以打电话 {phone} 问问。" if phone else "可以到中心问问。"
    if venue.who_may == STAFF_ONLY:
        return Refusal("staff_only", "这个场地由中心统一安排，不在网上预约。", call, "")
    if venue.who_may == OWN and home_path is not None and not home_path.startswith(venue.centre.path):
        return Refusal("not_own", f"这个场地只给{venue.centre.label}的居民用。", f"可以订别的场地，或{call[2:]}", "")
    return None


def may_take_now(venue: Venue, home_path: str | None) -> Refusal | None:
    """Whether somebody who stands at its door may use it at once: as `may_book`, and nobody has to approve."""
    if venue.needs_approval:
        return Refusal("approval", "这个场地要先审批，不能当场用。", "请找工作人员，或在网上订后面的时间。", "")
    return may_book(venue, home_path)


def early_text() -> str:
    """'开始前 30 分钟': from when on one may check in (V5)."""
    return f"开始前 {clock.lasting(EARLY)}"


def noted_text() -> str:
    """'开始前 30 分钟到第二天': while staff may note that somebody came (V5)."""
    return f"{early_text()}到{'第二天' if LOOK_BACK.days == 1 else f'结束后{clock.said(LOOK_BACK)}'}"


def deadline(venue: Venue, booking: Booking) -> datetime:
    """Until when the booker may withdraw or change it themselves.

    Who was moved by staff (then a reason stands on the booking) may say no until the start; who heard only now that it
    is theirs has time for second thoughts.
    """
    if booking.status != APPROVED or booking.reason:
        return booking.starts_at
    known = max(booking.created_at, booking.decided_at or booking.created_at)
    second_thoughts = min(known + SECOND_THOUGHTS, booking.starts_at)
    return max(rules.cancel_until(booking.starts_at, venue.cancel), second_thoughts)
