"""Finding a room beside bare Flask (as bench.web does): one centre's week, and rooms free at a time for so many people.

One person again and again; somebody else each time; another wish each time, so that no page is made twice; somebody
else while rooms are being booked. Then ten times as many bookings.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from bench import http, town
from bench.table import Line
from bench.web import PER_SECOND, Sides, Turns, arriving
from portal.core import clock

TARGET = 0.20
MOST_STATEMENTS = 6
BOOKINGS, TIMES = 100_000, 10
FLAT = 0.85  # of the speed that ten times as many bookings leave
AT_ONCE = 600  # wishes of one turn


@dataclass(frozen=True)
class District:
    """A database with rooms. cookies: residents who are signed in; rooms: those that need no approval."""

    kind: str
    process: int
    env: dict[str, str]
    cookies: list[str]
    staff: str
    csrf: str
    code: str
    rooms: list[int]
    paths: dict[str, str]
    statements: dict[str, int]


@contextmanager
def filled(kind: str, bookings: int) -> Iterator[District]:
    """300 rooms of 26 centres and so many bookings."""
    with town.empty(kind) as (env, process):
        told = town.run("bench.fill_rooms", env, "--bookings", str(bookings))
        yield District(kind, process, env, **told)  # type: ignore[arg-type]


class Bookings:
    """One person after another books an hour that everybody has left free."""

    def __init__(self, district: District, port: int) -> None:
        self.district, self.port, self.count = district, port, 0
        self.line = http.Connection(port)
        self.first = clock.today()

    def one(self) -> None:
        """Book the next room. Raises RuntimeError when the portal refuses."""
        rooms, cookies = self.district.rooms, self.district.cookies
        room, day = rooms[self.count % len(rooms)], 1 + self.count // len(rooms)
        self.count += 1
        body = urlencode(
            {
                "day": (self.first + timedelta(days=day)).isoformat(),
                "start": "20:00",
                "end": "21:00",
                "people": 5,
                "title": "排练",
                "csrf_token": self.district.csrf,
            }
        ).encode()
        cookie = {"Cookie": cookies[1 + self.count % (len(cookies) - 1)]}
        self.line.send(http.message("POST", self.port, f"/venues/{room}/book", cookie, body))
        status, _ = self.line.read()
        if status != 303:
            raise RuntimeError(f"booking room {room} answered {status}")


def wishes(code: str, today: date) -> list[str]:
    """Some thousand different wishes in the twelve days to come, in no order."""
    found = [
        f"/venues?centre={code}&day={today + timedelta(days=day)}&from={hour}:00&to={hour + 1 + minutes // 60}:"
        f"{minutes % 60:02d}&people={people}"
        for day in range(1, 13)
        for hour in range(9, 19)
        for minutes in (0, 30, 60)
        for people in range(2, 60, 3)
    ]
    random.Random(1).shuffle(found)
    return found


class Rooms:
    """What is measured in turns, on one district."""

    def __init__(self, district: District, sides: Sides, bookings: Bookings) -> None:
        self.sides, self.bookings = sides, bookings
        self.me = [{"Cookie": district.cookies[0]}]
        self.crowd = [{"Cookie": cookie} for cookie in district.cookies[1:]]
        self.staff = [{"Cookie": district.staff}]
        self.paths, self.room = district.paths, district.rooms[0]
        self.wishes, self.at = wishes(district.code, clock.today()), 0
        self.turns: dict[str, Turns] = {}

    def turn(self, name: str, who: Sequence[dict[str, str]], path: str | Sequence[str]) -> None:
        self.sides.list_turn(self.turns.setdefault(name, Turns()), who, path)

    def others(self) -> None:
        self.turn("search, somebody else each time", self.crowd, self.paths["search"])
        self.at = (self.at + AT_ONCE) % len(self.wishes)
        self.turn("search, somebody else with another wish each time", self.crowd, self.wishes[self.at :][:AT_ONCE])

    def all(self) -> None:
        self.turn("week of 12 rooms, signed in", self.me, self.paths["week"])
        self.turn("week of 12 rooms, somebody else each time", self.crowd, self.paths["week"])
        self.turn("search, signed in", self.me, self.paths["search"])
        self.others()
        with arriving(self.bookings):
            name = f"search, somebody else, {PER_SECOND} bookings a second, their cost included"
            self.turn(name, self.crowd, self.paths["search"])
        tomorrow = clock.today() + timedelta(days=1)
        self.turn("a room's day", self.crowd, f"/venues/{self.room}?day={tomorrow}")
        self.turn("staff: 300 rooms by hours", self.staff, f"/staff/venues?day={tomorrow}")


JUDGED = (
    "week of 12 rooms, signed in",
    "week of 12 rooms, somebody else each time",
    "search, signed in",
    "search, somebody else each time",
)


def turns_of(district: District, count: int, everything: bool) -> Rooms:
    """Medians over `count` turns, beside hello."""
    with http.served("bench.hello:app", {}) as bare, http.served("wsgi:door", district.env) as portal:
        sides = Sides(district.process, bare, portal)
        rooms = Rooms(district, sides, Bookings(district, portal.port))
        sides.bare_turn()
        rooms.others()  # the first pages of a process are not what is measured
        rooms.turns.clear()
        for _ in range(count):
            sides.bare_turn()
            if everything:
                rooms.all()
            else:
                rooms.others()
    return rooms


def measure(kind: str, count: int, bookings: int) -> list[Line]:
    """One database: everything with `bookings`, then the search with ten times as many."""
    with filled(kind, bookings) as district, http.on_core(http.CLIENT_CORE):
        few = turns_of(district, count, everything=True)
        town.run("bench.fill_rooms", district.env, "--again", "--bookings", str(bookings * TIMES))
        many = turns_of(district, count, everything=False)
    group = f"rooms, {bookings:,} bookings, {town.LABELS[kind]}"
    lines = [Line(group, "bare Flask hello", statistics.median(few.sides.hello.rates), "/s")]
    lines += [t.line(group, name, TARGET if name in JUDGED else None) for name, t in few.turns.items()]
    lines += [
        Line(group, f"statements, {name}", number, "", target=MOST_STATEMENTS if name in district.paths else None)
        for name, number in district.statements.items()
    ]
    group = f"rooms, {bookings * TIMES:,} bookings, {town.LABELS[kind]}"
    for name, turns in many.turns.items():
        lines.append(turns.line(group, name, TARGET if name in JUDGED else None))
        before = statistics.median(few.turns[name].by_processor)
        share = statistics.median(turns.by_processor) / before if before else 0.0
        lines.append(Line(group, f"… beside {bookings:,}", share, "×", target=FLAT, at_least=True))
    return lines
