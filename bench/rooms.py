"""Finding a room: milliseconds of processor time a request, server and database together, somebody else each time.

A list of a centre's rooms, a wish that nobody had before among 300 rooms, a room's page; then the same with ten times
as many bookings.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from bench import http, town
from bench.table import Line
from portal.core import clock

TARGETS = {"list of a centre's rooms": 5.0, "a wish nobody had before": 5.0, "a room": 5.0}  # ms
BOOKINGS, TIMES = 100_000, 10
GROWTH = 1.2  # times the cost, with ten times as many bookings
SLICE = 0.5  # seconds of one turn
AT_ONCE = 600  # wishes of one turn


@dataclass(frozen=True)
class District:
    """A database with rooms. cookies: residents who are signed in; code: the centre that is looked at."""

    kind: str
    process: int
    env: dict[str, str]
    cookies: list[str]
    code: str
    rooms: list[int]


@contextmanager
def filled(kind: str, bookings: int) -> Iterator[District]:
    """300 rooms of 26 centres and so many bookings."""
    with town.empty(kind) as (env, process):
        told = town.run("bench.fill_rooms", env, "--bookings", str(bookings))
        yield District(kind, process, env, **told)  # type: ignore[arg-type]


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


class Turns:
    """Milliseconds a request of each kind, turn by turn."""

    def __init__(self, district: District, served: http.Served) -> None:
        self.roots = [served.process, *([district.process] if district.process else [])]
        self.port, self.crowd = served.port, [{"Cookie": cookie} for cookie in district.cookies]
        self.wishes, self.at = wishes(district.code, clock.today()), 0
        tomorrow = clock.today() + timedelta(days=1)
        self.week = f"/venues?centre={district.code}"
        self.rooms = [f"/venues/{room}?day={tomorrow}" for room in district.rooms]
        self.found: dict[str, list[float]] = {name: [] for name in TARGETS}

    def turn(self) -> None:
        """One of each."""
        self.at = (self.at + AT_ONCE) % len(self.wishes)
        asked: list[str | Sequence[str]] = [self.week, self.wishes[self.at :][:AT_ONCE], self.rooms]
        for name, paths in zip(TARGETS, asked, strict=True):
            before = http.processor_seconds(*self.roots)
            count = http.measure(self.port, paths, self.crowd, SLICE).count
            self.found[name].append(1000 * (http.processor_seconds(*self.roots) - before) / count)


def milliseconds(district: District, count: int) -> dict[str, float]:
    """The median of each kind over `count` turns, the first of a process left out."""
    with http.served("wsgi:door", district.env) as portal:
        turns = Turns(district, portal)
        for _ in range(count + 1):
            turns.turn()
    return {name: statistics.median(figures[1:]) for name, figures in turns.found.items()}


def measure(kind: str, count: int, bookings: int) -> list[Line]:
    """One database with `bookings`, then with ten times as many."""
    with filled(kind, bookings) as district, http.on_core(http.CLIENT_CORE):
        few = milliseconds(district, count)
        town.run("bench.fill_rooms", district.env, "--again", "--bookings", str(bookings * TIMES))
        many = milliseconds(district, count)
    label = town.LABELS[kind]
    lines = [Line(f"rooms, {label}", name, few[name], "ms", target=most) for name, most in TARGETS.items()]
    group, beside = f"rooms, {label}, {bookings * TIMES:,} bookings", f"{bookings:,}"
    return lines + [Line(group, name, many[name], "ms", many[name] / few[name], beside, GROWTH) for name in TARGETS]
