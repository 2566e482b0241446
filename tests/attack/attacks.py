"""Each attack, bounded by a number of connections and a time; run by `fire` in a process of its own."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.attack import bombs
from tests.attack.target import Target, message, multipart

PATIENCE = 60.0  # seconds for one answer
LARGE = 8 * 1024 * 1024
LIMIT = 250_000  # bytes, just below what a form may have
MANY = 200  # slow connections


def networks(number: int) -> str:
    """An address of the documentation's blocks; a different one for each of 65,000."""
    return f"203.0.{number // 250 % 250}.{number % 250 + 1}"


class Fire:
    """What attacks `target` until `ends` (of time.monotonic) and counts how it was answered."""

    def __init__(self, target: Target, seconds: float) -> None:
        self.target, self.ends = target, time.monotonic() + seconds
        self.seen: Counter[str] = Counter()

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.ends

    async def shot(self, request: bytes) -> None:
        """One request on a connection of its own, its answer read to the end."""
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.target.port)
                try:
                    with suppress(ConnectionError):  # refused before all was sent: the answer is there all the same
                        writer.write(request)
                        await writer.drain()
                    line = await reader.readline()
                    self.seen[line.split()[1].decode() if line else "closed"] += 1
                    while await reader.read(65536):
                        pass
                finally:
                    writer.close()
        except (OSError, IndexError) as error:
            self.seen[type(error).__name__] += 1

    async def salvo(self, parallel: int, request: Callable[[int], bytes], pause: float = 0.0) -> None:
        """`parallel` connections that send one request after the other."""
        numbers = itertools.count()

        async def one() -> None:
            await self.shot(request(next(numbers)))  # at least: what is sent may have taken its time to make
            while not self.over:
                await asyncio.sleep(pause)
                await self.shot(request(next(numbers)))

        await asyncio.gather(*(one() for _ in range(parallel)))

    async def hold(self, first: bytes, then: bytes = b"", small: bool = False) -> None:
        """MANY connections that send `first`, then a piece of `then` every second, and read nothing."""
        open_: list[asyncio.StreamWriter] = []
        for _ in range(MANY):
            raw = socket.socket()
            if small:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            raw.setblocking(False)
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self.target.port))
            _, writer = await asyncio.open_connection(sock=raw)
            writer.write(first)
            open_.append(writer)
        self.seen["held"] = len(open_)
        while not self.over:
            await asyncio.sleep(1)
            for writer in open_:
                if then and not writer.is_closing():
                    writer.write(then)
        for writer in open_:
            writer.transport.abort()


async def large_forms(fire: Fire) -> None:
    """8 MB of fields, to a page without files; with its length said, and in chunks without."""
    whole = message("POST", "/login", b"a&" * (LARGE // 2))
    head = message("POST", "/login", headers={"Transfer-Encoding": "chunked"}).replace(b"Content-Length: 0\r\n", b"")
    chunks = head + (b"10000\r\n" + b"a&" * 0x8000 + b"\r\n") * (LARGE // 0x10000) + b"0\r\n\r\n"
    await fire.salvo(4, lambda n: chunks if n % 2 else whole)


async def many_fields(fire: Fire) -> None:
    """As many fields and parts as a small form can hold."""
    part = b'--e\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    parts = message(
        "POST", "/login", part * (LIMIT // len(part)) + b"--e--\r\n", content_type="multipart/form-data; boundary=e"
    )
    fields = [message("POST", "/login", text * (LIMIT // len(text))) for text in (b"a&", b"a=1&", b"%41=%42&", b"&")]
    await fire.salvo(4, lambda n: [*fields, parts][n % 5])


async def long_heads(fire: Fire) -> None:
    """Addresses, headers, cookies and forwarded addresses without end."""
    requests = [
        message("GET", "/services?" + "a&" * 20_000), message("GET", "/services?q=" + "x" * 30_000),
        message("GET", "/services", headers={f"X-{n}": "1" for n in range(3000)}),
        message("GET", "/services", cookie="; ".join(f"a{n}=1" for n in range(4000))),
        message("GET", "/services", address=",".join(networks(n) for n in range(3000))),
        message("GET", "/services", headers={"Accept-Encoding": "gzip;q=0.1," * 2500}),
        message("GET", "/services", headers={"If-None-Match": '"a",' * 7000}),
    ]  # fmt: skip
    await fire.salvo(4, lambda n: requests[n % len(requests)])


async def papers(fire: Fire) -> None:
    """Every public PDF, by eight connections from fifty addresses."""
    found = fire.target.papers
    await fire.salvo(8, lambda n: message("GET", found[n % len(found)], address=networks(n % 50)))


async def tables(fire: Fire) -> None:
    """A manager who presses every export again and again."""
    found, cookie = fire.target.tables, fire.target.manager
    await fire.salvo(4, lambda n: message("GET", found[n % len(found)], cookie=cookie, address=networks(7)))


async def workbooks(fire: Fire) -> None:
    """Plans of a few KB that unpack to hundreds of thousands of cells."""
    t = fire.target
    fields = {"csrf_token": t.csrf, "month": t.month, "centre": str(t.centre)}
    sent = [multipart(fields, "file", "计划.xlsx", book) for book in bombs.workbooks()]
    shots = [message("POST", "/staff/catalogue/import", b, cookie=t.staff, content_type=c) for b, c in sent]
    await fire.salvo(2, lambda n: shots[n % len(shots)])


async def pictures(fire: Fire) -> None:
    """A picture of 900 million points in 130 KB."""
    t = fire.target
    body, kind = multipart({"csrf_token": t.csrf, "caption": "大厅"}, "photo", "大厅.png", bombs.picture())
    shot = message("POST", f"/staff/centres/{t.centre}/photos", body, cookie=t.staff, content_type=kind)
    await fire.salvo(2, lambda _: shot)


async def slow_bodies(fire: Fire) -> None:
    """200 phones that send a byte of their form a second."""
    head = message("POST", "/login", b"x" * 60_000, address=networks(7))
    await fire.hold(head[:-59_900], b"x")


async def half_open(fire: Fire) -> None:
    """200 connections that never finish saying what they want."""
    await fire.hold(b"GET / HTTP/1.1\r\n", b"X-A: 1\r\n")


async def never_reading(fire: Fire) -> None:
    """200 that ask five times and read nothing."""
    request = f"GET /services HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {networks(7)}\r\n\r\n"
    await fire.hold(request.encode() * 5, small=True)


async def codes(fire: Fire) -> None:
    """Login codes for a thousand numbers from one IPv6 network, and for one number from fifty addresses."""
    t, victim = fire.target, "19900009999"

    def shot(n: int) -> bytes:
        phone, address = (victim, networks(n % 50)) if n % 5 == 0 else (f"1990001{n % 1000:04}", f"2001:db8:1:1::{n:x}")
        return message("POST", "/login", t.form(phone=phone), cookie=t.anybody, address=address)

    await fire.salvo(4, shot, 0.02)


async def passwords(fire: Fire) -> None:
    """Staff passwords guessed by eight connections, each time another account from another address."""
    t = fire.target

    def shot(n: int) -> bytes:
        form = t.form(username=f"user{n}", password=f"guess-number-{n}")
        return message("POST", "/staff/login", form, cookie=t.anybody, address=networks(n))

    await fire.salvo(8, shot)


async def searches(fire: Fire) -> None:
    """Words that are hard to look for."""
    hard = ("%E4%B8%8A%E5%8D%88" * 200, "(((((" * 300, "1%E7%82%B9" * 300, "%25_%25_" * 300, "%00%E2%80%AE" * 100)
    where = ("/services?q=", "/venues?q=", "/guides?q=", "/services?page=99999&q=")
    await fire.salvo(4, lambda n: message("GET", where[n % 4] + hard[n % 5], address=networks(n)))


async def tokens(fire: Fire) -> None:
    """Links to rate with, guessed; and forged sessions."""
    t = fire.target
    forged = t.resident[:-5] + "AAAAA"
    await fire.salvo(
        4, lambda n: message("GET", f"/rate/{n:032x}" if n % 2 else "/me", cookie=forged, address=networks(n))
    )


Attack = Callable[[Fire], Awaitable[None]]
ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        large_forms, many_fields, long_heads, papers, tables, workbooks, pictures, slow_bodies, half_open, never_reading,
        codes, passwords, searches, tokens,
    )
}  # fmt: skip
