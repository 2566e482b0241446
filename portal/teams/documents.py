"""The roster of a team on A4 for the door: names, and no telephone but the centre's (SPEC H7, P8)."""

from dataclasses import dataclass
from datetime import date

from portal.core import pdf


@dataclass(frozen=True)
class Day:
    """A day's names by part; '' is a place that nobody has."""

    day: date
    names: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class DoorRoster:
    """heads: (part, its hours). coverage: in %."""

    team: str
    centre: str
    phone: str
    heads: tuple[tuple[str, str], ...]
    days: tuple[Day, ...]
    coverage: int
    printed_on: date

    @property
    def weeks(self) -> tuple[tuple[Day, ...], ...]:
        """The days by week, Monday to Sunday."""
        found: list[list[Day]] = []
        for day in self.days:
            if not found or day.day.weekday() == 0:
                found.append([])
            found[-1].append(day)
        return tuple(tuple(week) for week in found)

    @property
    def size(self) -> str:
        """How big the type may be: the fewer days, the bigger."""
        return "week" if len(self.days) <= 7 else "fortnight" if len(self.days) <= 14 else "month"


def door_roster(roster: DoorRoster) -> pdf.PrintJob:
    """The sheet for the door."""
    return pdf.single(pdf.html("team_roster.html", roster=roster), ("base.css", "team_roster.css"))
