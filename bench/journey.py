"""A resident's way on the morning of the 1st, step by step: processor time a request, server and database together.

Home, the list, an activity, signing up, its answer: somebody else each time, four of five at one of twenty activities
with thirty places. Beside it bare Flask's hello on the same core in the same turns, and a centre's page.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from bench import http
from bench.fill import ACTIVITIES, POPULAR
from bench.table import Line
from bench.town import LABELS, Town

STEPS = ("home", "list", "activity", "sign up", "answer")
LIMITS = {"home": 5.0, "activity": 5.0, "list": 1.5}  # ms
TOGETHER_MS, TOGETHER_TIMES = {"sqlite": 20.0, "postgresql": 30.0}, {"sqlite": 100.0, "postgresql": 150.0}
PEOPLE = 60  # of one turn: a tick of the processor's clock is 10 ms


def one_of_many(number: int) -> int:
    """The activity the visitor wants: four of five want a popular one."""
    chance = random.Random(number)
    return chance.randint(1, POPULAR) if chance.random() < 0.8 else chance.randint(POPULAR + 1, ACTIVITIES)


@dataclass
class Turns:
    """Milliseconds of processor time a request, by what was asked, turn by turn."""

    town: Town
    port: int
    roots: list[int]
    found: dict[str, list[float]] = field(default_factory=dict)
    person: int = 0

    def take(self, name: str, request: Callable[[int], bytes], roots: list[int], port: int, expected: int) -> None:
        """PEOPLE requests one after the other. Raises RuntimeError when one is answered otherwise than `expected`."""
        line, before = http.Connection(port), http.processor_seconds(*roots)
        for number in range(PEOPLE):
            line.send(request(self.person + number))
            status, _ = line.read()
            if status != expected:
                raise RuntimeError(f"{name} answered {status}")
        line.close()
        self.found.setdefault(name, []).append(1000 * (http.processor_seconds(*roots) - before) / PEOPLE)

    def cookie(self, number: int) -> dict[str, str]:
        return {"Cookie": self.town.cookies[number % len(self.town.cookies)]}

    def get(self, name: str, path: Callable[[int], str]) -> None:
        """Pages of somebody else each time."""

        def request(number: int) -> bytes:
            return http.message("GET", self.port, path(number), self.cookie(number))

        self.take(name, request, self.roots, self.port, 200)

    def sign_up(self) -> None:
        """Each of this turn's people signs up for one activity."""

        def request(number: int) -> bytes:
            body = urlencode({"for": "me", "csrf_token": self.town.csrf}).encode()
            path = f"/services/{one_of_many(number)}/sign-up"
            return http.message("POST", self.port, path, self.cookie(number), body)

        self.take("sign up", request, self.roots, self.port, 303)

    def turn(self) -> None:
        """The whole way of PEOPLE people."""
        self.get("home", lambda _: "/")
        self.get("list", lambda _: "/services")
        self.get("activity", lambda n: f"/services/{one_of_many(n)}")
        self.sign_up()
        self.get("answer", lambda n: f"/services/{one_of_many(n)}/sign-up")
        self.get("a centre", lambda _: f"/c/{self.town.code}")
        self.person += PEOPLE

    def middle(self, name: str) -> float:
        return statistics.median(self.found[name])


def measure(town: Town, count: int) -> list[Line]:
    """Medians over `count` turns, the first of the process left out."""
    with http.served("bench.hello:app", {}) as bare, http.served("wsgi:door", town.env) as portal:
        turns = Turns(town, portal.port, [portal.process, *([town.process] if town.process else [])])
        hello = http.message("GET", bare.port, "/", {})
        for number in range(count + 1):
            turns.take("hello", lambda _: hello, [bare.process], bare.port, 200)
            turns.turn()
            if number == 0:
                turns.found.clear()
    hello_ms, whole = turns.middle("hello"), sum(turns.middle(step) for step in STEPS)
    group = f"the morning's way, {LABELS[town.kind]}"
    return [
        Line(group, "bare Flask hello", hello_ms, "ms"),
        *(Line(group, step, turns.middle(step), "ms", target=LIMITS.get(step)) for step in STEPS),
        Line(group, "together", whole, "ms", target=TOGETHER_MS[town.kind]),
        Line(group, "together, beside hello", whole, "ms", whole / hello_ms, "hello", TOGETHER_TIMES[town.kind]),
        Line(group, "a centre", turns.middle("a centre"), "ms", target=5.0),
    ]
