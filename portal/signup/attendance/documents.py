"""Paper at the place: the sheet whose code residents scan (SPEC S6)."""

from dataclasses import dataclass
from datetime import date

from portal.core import pdf


@dataclass(frozen=True)
class PlaceSheet:
    """when: as `12月13日（周日）8:30–11:00`. window: when the code works, in words. walk_in: nothing to sign up for."""

    title: str
    when: str
    place: str
    url: str
    window: str
    walk_in: bool
    centre_name: str
    printed_on: date


def place_sheet(sheet: PlaceSheet) -> pdf.PrintJob:
    """One A4 sheet for the desk or the door of one date."""
    return pdf.single(pdf.html("attendance_place.html", sheet=sheet), ("base.css", "qr_poster.css", "attendance.css"))
