"""Paper of an activity's sign-ups: the roster to sign (签到表) and the attendance list for the file (SPEC S6, S10, P8).

Only what is needed at the door: names, the last four digits of a phone, companions. No address, no birth year.
"""

from dataclasses import dataclass
from datetime import date

from portal.core import pdf

#: More sessions than this do not fit beside a name: the roster is then made per session.
MOST_SESSIONS = 4
_MARKS = {True: "到", False: "未到", None: ""}


@dataclass(frozen=True)
class RosterPerson:
    """One sign-up. attended: per session, True, False or None (not known). names_of_companions may be empty.

    phone: the full number, or all that is known of it; paper only ever shows its last four digits.
    """

    name: str
    phone: str
    companions: int = 0
    for_whom: str = ""
    note: str = ""
    attended: tuple[bool | None, ...] = ()

    @property
    def phone_tail(self) -> str:
        digits = "".join(char for char in self.phone if char.isdigit())
        return digits[-4:] if len(digits) >= 7 or len(digits) == 4 else ""

    def mark(self, session: int) -> str:
        return _MARKS[self.attended[session]] if session < len(self.attended) else ""


@dataclass(frozen=True)
class Roster:
    """A roster of one activity. sessions: one label per column, as `12月13日（周日）8:30–11:00`.

    filed: the attendance list for the centre's file, with what is known, instead of boxes to sign in.
    blank_lines: lines for people who come without having signed up.
    """

    title: str
    place: str
    sessions: tuple[str, ...]
    organiser: str
    responsible: str
    phone: str
    printed_on: date
    people: tuple[RosterPerson, ...]
    capacity_text: str = ""
    blank_lines: int = 5
    filed: bool = False

    @property
    def heads(self) -> int:
        """How many people are expected, companions included."""
        return sum(1 + person.companions for person in self.people)

    def came(self, session: int) -> int:
        """How many sign-ups came to a session (0 is the first)."""
        return sum(person.mark(session) == _MARKS[True] for person in self.people)


def roster_sheet(roster: Roster) -> pdf.PrintJob:
    """The roster as A4 (S10). Raises: ValueError without or with too many sessions."""
    if not 1 <= len(roster.sessions) <= MOST_SESSIONS:
        raise ValueError(f"a roster has 1 to {MOST_SESSIONS} sessions")
    return pdf.single(pdf.html("roster.html", roster=roster), ("base.css", "roster.css"))
