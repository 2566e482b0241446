"""The door of a web process: what is slow or too much is met here, before it takes a thread from others (SPEC Q8).

granian hands every request to `Door` in its event loop (RSGI). A body is read here, as slowly as a phone sends it; only
a complete request takes one of the few threads in which the app runs, and granian waits for those who read slowly. Who
finds all threads taken waits in line, people in the middle of something before those who look; nobody waits longer than
PATIENCE for a thread: then a calm page says when to come again, and comes again by itself. One address fills no line
alone, and what is slow (`access.Access`) never has more than one thread.
"""

import asyncio
import io
import os
import random
import re
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

from flask import Flask
from whitenoise import WhiteNoise

from portal.core import compressed, incoming
from portal.core.db import READ_METHODS
from portal.core.headers import FIXED

PATIENCE = 1.0  # seconds in line; a request takes some 5 ms, so whoever waits longer waits for the whole crowd
SLOWEST, LEAST_SECONDS = 1024, 60  # a body may take a minute, or a second for each KB
HEADERS = 32 * 1024  # bytes of one request's headers; ours and a browser's own are 2 KB
MOST_OF_ONE = 60  # of one address in line, a third of a second; more than a crowd behind one carrier's address brings
BODIES = 64 * 1024 * 1024  # bytes of bodies that are being read, in this process
AGAIN = (4, 9)  # seconds until a refused page asks again; spread, so that a crowd does not come back as one
# Sent forms are told by their method; these are the pages between them, and what watches the portal.
FIRST = re.compile(r"/(services/\d+/sign-up|login|register|healthz|readyz|metrics)\b")
# Calls for help, and the pages that listen for them: a thread and a line of their own, in which no crowd stands. What
# unpacks a recording is not among them.
URGENT = re.compile(
    r"/staff/alarms(/here|/shown)?|/staff/urgent/\d+/take|/help/urgent(/[0-9a-f-]{36}(/place|/say|/wrong)?)?"
)
URGENT_PATIENCE, URGENT_OF_ONE = 15.0, 400  # a whole district may listen behind one address
Answer = tuple[int, list[tuple[str, str]], bytes]


class Refused(Exception):
    """Answered without the app; its argument is the HTTP status."""


class Line:
    """So many at once, the others in line: those who go first, then the rest, by arrival. patience: seconds in line
    (PATIENCE); of_one: so many of one address in it (MOST_OF_ONE).
    """

    def __init__(self, at_once: int, patience: float = 0.0, of_one: int = 0) -> None:
        self.free, self.patience, self.most_of_one = at_once, patience, of_one
        self.waiting: tuple[deque[asyncio.Future[None]], ...] = (deque(), deque())
        self.of_one: Counter[str] = Counter()

    async def turn(self, first: bool, address: str) -> None:
        """Returns when it is one's turn; `done` must follow. Raises Refused(503) when it takes too long, or when there
        are too many of the address already.
        """
        if self.free:
            self.free -= 1
            return
        if self.of_one[address] >= (self.most_of_one or MOST_OF_ONE):
            raise Refused(503)
        mine, line = asyncio.get_running_loop().create_future(), self.waiting[not first]
        line.append(mine)
        self.of_one[address] += 1
        try:
            await asyncio.wait_for(mine, self.patience or PATIENCE)
        except TimeoutError:
            while line and line[0].done():  # who came earlier has gone too: the line holds nobody who gave up
                line.popleft()
            raise Refused(503) from None
        finally:
            self.of_one[address] -= 1
            if not self.of_one[address]:
                del self.of_one[address]

    def done(self) -> None:
        """The next one's turn."""
        for line in self.waiting:
            while line:
                following = line.popleft()
                if not following.done():
                    following.set_result(None)
                    return
        self.free += 1


class Door:
    """One for each web process. files: answers /static/ without a thread."""

    def __init__(self, app: Flask, files: WhiteNoise, at_once: int) -> None:
        self.app, self.files = app, files
        self.line, self.slow, self.threads = Line(at_once), Line(1), ThreadPoolExecutor(at_once, "web")
        self.urgent, self.urgent_thread = Line(1, URGENT_PATIENCE, URGENT_OF_ONE), ThreadPoolExecutor(1, "urgent")
        # What a feature can say at once, in the loop: path -> fn(query, cookies) -> its answer, or None for the usual
        # way.
        self.known: dict[str, Callable[[str, str], Answer | None]] = app.extensions.get("portal_door", {})
        self.reading = 0
        with app.app_context():
            from portal.operations import metrics  # not before its folder is known

            self.refused, self.pages = metrics.refused, {status: _page(app, status) for status in (408, 413, 431, 503)}

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        try:
            status, headers, body = await self._answer(scope, protocol)
        except Refused as refused:
            status, headers, body = self._refusal(refused.args[0], scope.method)
        protocol.response_bytes(status, headers, body)

    async def _answer(self, scope: Any, protocol: Any) -> Answer:
        if sum(len(name) + len(value) for name, value in scope.headers.items()) > HEADERS:
            raise Refused(431)
        reads = scope.method in READ_METHODS
        if reads and scope.path in self.files.files:
            return _run(self.files, _environ(scope, b""))
        known = self.known.get(scope.path) if reads else None
        if known is not None and (answer := known(scope.query_string, scope.headers.get("cookie") or "")) is not None:
            return answer
        environ = _environ(scope, b"" if reads else await self._body(scope, protocol))
        urgent = URGENT.fullmatch(scope.path) is not None
        threads = self.urgent_thread if urgent else self.threads
        async with AsyncExitStack() as turns:
            for line in (self.urgent,) if urgent else (self.slow, self.line) if self._is_slow(scope) else (self.line,):
                await line.turn(not reads or FIRST.match(scope.path) is not None, self._address(environ))
                turns.callback(line.done)
            return await asyncio.get_running_loop().run_in_executor(threads, _run, self.app, environ)

    def _is_slow(self, scope: Any) -> bool:
        # Only these are asked: looking an address up costs as much as a whole line here.
        asked = scope.path.startswith(("/staff/", "/help/"))
        access = incoming.declared(self.app, scope.path, scope.method) if asked else None
        return access is not None and access.slow

    def _address(self, environ: dict[str, Any]) -> str:
        """Of the visitor: what the proxy in front has added last, where there is one."""
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "") if self.app.config.get("BEHIND_PROXY") else ""
        return forwarded.rpartition(",")[2].strip() or str(environ["REMOTE_ADDR"])

    async def _body(self, scope: Any, protocol: Any) -> bytes:
        """The whole body. Raises Refused: 413 too large, 408 too slow, 503 too many at once."""
        largest = incoming.largest(self.app, scope.path, scope.method)
        announced = scope.headers.get("content-length", "")
        size = int(announced) if announced.isdecimal() else largest
        if size > largest:
            raise Refused(413)
        if self.reading + size > BODIES:
            raise Refused(503)
        self.reading += size
        try:
            async with asyncio.timeout(max(LEAST_SECONDS, size / SLOWEST)):
                body = bytearray()
                async for chunk in protocol:
                    body += chunk
                    if len(body) > largest:
                        raise Refused(413)
                return bytes(body)
        except TimeoutError:
            raise Refused(408) from None
        finally:
            self.reading -= size

    def _refusal(self, status: int, method: str) -> Answer:
        self.refused(status)
        headers = [*FIXED.items(), ("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store")]
        if status == 503:
            again = str(random.randint(*AGAIN))  # noqa: S311 spreads a crowd, guards nothing
            headers.append(("retry-after", again))
            if method == "GET":  # what was sent is not sent again by itself
                headers.append(("refresh", again))
        return status, headers, self.pages[status]


def _page(app: Flask, status: int) -> bytes:
    name = "busy" if status == 503 else "413" if status == 413 else "400"
    return app.jinja_env.get_template(f"errors/{name}.html").render().encode()


def _environ(scope: Any, body: bytes) -> dict[str, Any]:
    """The request as WSGI wants it (PEP 3333): bytes of the path as Latin-1, headers as HTTP_NAME."""
    host, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method, "SCRIPT_NAME": "", "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string, "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "SERVER_NAME": host, "SERVER_PORT": port, "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0), "wsgi.url_scheme": scope.scheme, "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(body)),
    }  # fmt: skip
    if scope.authority:
        environ["HTTP_HOST"] = scope.authority  # HTTP/2 has no Host header
    for name, value in scope.headers.items():
        key = "CONTENT_TYPE" if name == "content-type" else "HTTP_" + name.upper().replace("-", "_")
        if "_" in name or key in ("HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"):
            continue  # X_Forwarded_For would pass for X-Forwarded-For; and the body is here, whole
        joint = "; " if name == "cookie" else ","
        environ[key] = f"{environ[key]}{joint}{value}" if key in environ and key != "HTTP_HOST" else value
    return environ


def _run(app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> Answer:
    """Let the WSGI `app` answer, whole."""
    head: list[Any] = []
    answer = app(environ, lambda status, headers, _error=None: head.extend((int(status[:3]), headers)))
    try:
        body = b"".join(answer)
    finally:
        getattr(answer, "close", lambda: None)()
    return head[0], head[1], body


def of(app: Flask) -> Door:
    """The door of `app`, with its static files. PORTAL_WEB_THREADS: how many requests a process works on at once."""
    return Door(app, compressed.init_app(app), max(1, int(os.environ.get("PORTAL_WEB_THREADS", "2"))))
