"""Visitors who want their pages, whatever else goes on."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.attack.target import Target, message

PATIENCE = 60.0  # seconds until a visitor gives up
PAUSE = 0.05


@dataclass
class Seen:
    """Seconds each page took, connecting included, and how it was answered."""

    times: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def p95(self) -> float:
        return sorted(self.times)[int(len(self.times) * 0.95)]

    @property
    def faults(self) -> int:
        """5xx other than "come again" (503), and no answer at all."""
        return sum(
            n for status, n in self.answers.items() if not status.isdigit() or (status > "499" and status != "503")
        )


async def page(target: Target, request: bytes, seen: Seen) -> None:
    """One page on a connection of its own."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
            try:
                writer.write(request)
                answer = await reader.read()
            finally:
                writer.close()
            seen.answers[answer.split(b" ", 2)[1].decode() if answer else "closed"] += 1
    except OSError as error:
        seen.answers[type(error).__name__] += 1
    seen.times.append(time.perf_counter() - began)


async def visit(target: Target, seconds: float) -> Seen:
    """Two who look, one who signs up and leaves again, one of the staff; for so many seconds."""
    seen, ends = Seen(), time.monotonic() + seconds
    entry = f"/services/{target.entry}"
    looks = [
        message("GET", path, address="192.0.2.7") for path in ("/", "/services", entry, f"/c/{target.code}", "/venues")
    ]
    acts = [
        message("POST", f"{entry}/{act}", target.form(**{"for": "me"}), cookie=target.resident, address="192.0.2.8")
        for act in ("sign-up", "withdraw")
    ]
    works = [
        message("GET", path, cookie=target.manager, address="192.0.2.9")
        for path in ("/staff", f"/staff/catalogue?month={target.month}")
    ]

    async def one(requests: list[bytes]) -> None:
        for request in itertools.cycle(requests):
            if time.monotonic() >= ends:
                return
            await page(target, request, seen)
            await asyncio.sleep(PAUSE)

    await asyncio.gather(*(one(requests) for requests in (looks, looks[::-1], acts, works)))
    return seen
