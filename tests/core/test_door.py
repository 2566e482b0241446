"""The door of a web process: bodies, the line, refusals. On real sockets: tests/load/test_slow_phones.py."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, jsonify, request

from portal import door as doors

pytestmark = pytest.mark.once


class Headers:
    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs

    def items(self) -> list[tuple[str, str]]:
        return self.pairs

    def get(self, name: str, default: Any = None) -> Any:
        return dict(self.pairs).get(name, default)


class Protocol:
    """granian's side of one request: gives the body in pieces, keeps the answer."""

    def __init__(self, *pieces: bytes, pause: float = 0.0) -> None:
        self.pieces, self.pause = pieces, pause
        self.answer: tuple[int, dict[str, str], bytes] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await asyncio.sleep(self.pause)
            yield piece

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        assert self.answer is None, "answered twice"
        self.answer = status, {name.lower(): value for name, value in headers}, body


def scope(method: str = "GET", path: str = "/", *headers: tuple[str, str]) -> Any:
    return SimpleNamespace(
        method=method, path=path, query_string="q=%E4%B8%AD", http_version="1.1", server="127.0.0.1:8000",
        client="192.0.2.7:5000", scheme="http", authority=None, headers=Headers([("host", "portal.example"), *headers]),
    )  # fmt: skip


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def door(app: Flask, gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Iterator[doors.Door]:
    """One thread; /slow holds it until the gate opens."""
    small = Flask("small", root_path=app.root_path, template_folder="templates", static_folder="static")
    small.config.update(MAX_CONTENT_LENGTH=5000, MAX_FORM_LENGTH=1000, DATA_DIR=app.config["DATA_DIR"])
    small.jinja_env.globals.update(app.jinja_env.globals)
    small.jinja_env.filters.update(app.jinja_env.filters)
    order: list[str] = []

    @small.route("/", methods=["GET", "POST"], defaults={"path": ""})
    @small.route("/<path:path>", methods=["GET", "POST"])
    def any_page(path: str) -> Any:
        if path == "slow":
            assert gate.wait(60)
        order.append(f"{request.method} /{path}")
        facts = {"q": request.args.get("q"), "path": request.path, "address": request.remote_addr}
        return jsonify(facts | {"form": request.form, "host": request.host, "type": request.content_type})

    monkeypatch.setenv("PORTAL_WEB_THREADS", "1")
    made = doors.of(small)
    made.order = order  # type: ignore[attr-defined]
    yield made
    gate.set()
    made.threads.shutdown()


def ask(door: doors.Door, what: Any, protocol: Protocol) -> tuple[int, dict[str, str], bytes]:
    asyncio.run(door.__rsgi__(what, protocol))
    assert protocol.answer is not None
    return protocol.answer


def test_a_request_reaches_the_app_as_it_was_sent(door: doors.Door) -> None:
    kind = ("content-type", "application/x-www-form-urlencoded")
    sent = scope("POST", "/服务/1", kind, ("content-length", "11"), ("cookie", "a=1"), ("cookie", "b=2"))
    status, headers, body = ask(door, sent, Protocol(b"name=", b"%E7%8E%8B"[:6]))
    told = json.loads(body)
    assert status == 200 and headers["content-type"] == "application/json"
    assert (told["q"], told["path"], told["host"]) == ("中", "/服务/1", "portal.example")
    assert told["address"] == "192.0.2.7" and "name" in told["form"] and told["type"] == kind[1]


def test_a_header_cannot_pass_for_another(door: doors.Door) -> None:
    said = scope("GET", "/", ("x_forwarded_for", "203.0.113.9"), ("x-two", "a"), ("x-two", "b"))
    environ = doors._environ(said, b"")
    assert "HTTP_X_FORWARDED_FOR" not in environ and environ["HTTP_X_TWO"] == "a,b"


@pytest.mark.parametrize(("announced", "pieces"), [("1001", ()), ("", (b"x" * 600, b"x" * 600))])
def test_a_body_too_large_is_refused_before_the_app(door: doors.Door, announced: str, pieces: Any) -> None:
    length = (("content-length", announced),) if announced else ()
    status, headers, body = ask(door, scope("POST", "/", *length), Protocol(*pieces))
    assert (
        status == 413 and "text/html" in headers["content-type"] and "default-src" in headers["content-security-policy"]
    )
    assert "太大" in body.decode() and door.reading == 0


def test_headers_too_large_are_refused_before_the_app(door: doors.Door) -> None:
    many = [(f"x-{n}", "y" * 1000) for n in range(40)]
    status, _, body = ask(door, scope("GET", "/", *many), Protocol())
    assert status == 431 and "这一步没有看懂" in body.decode()
    assert ask(door, scope("GET", "/", *many[:20]), Protocol())[0] == 200


def test_a_body_that_never_comes_ends_with_408(door: doors.Door, monkeypatch: Any) -> None:
    monkeypatch.setattr(doors, "LEAST_SECONDS", 0.05)
    status, _, _ = ask(door, scope("POST", "/", ("content-length", "10")), Protocol(b"x", pause=60))
    assert status == 408 and door.reading == 0


def test_who_waits_too_long_hears_when_to_come_again(door: doors.Door, gate: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(doors, "PATIENCE", 0.2)
    looks, sends = Protocol(), Protocol(b"a=1")

    async def crowd() -> None:
        first = asyncio.create_task(door.__rsgi__(scope("GET", "/slow"), Protocol()))
        await asyncio.sleep(0)
        await asyncio.gather(
            door.__rsgi__(scope(), looks), door.__rsgi__(scope("POST", "/", ("content-length", "3")), sends)
        )
        gate.set()
        await first

    asyncio.run(crowd())
    assert looks.answer is not None and sends.answer is not None
    for status, headers, body in (looks.answer, sends.answer):
        low, high = doors.AGAIN
        assert status == 503 and low <= int(headers["retry-after"]) <= high and "人有点多" in body.decode()
    assert "refresh" in looks.answer[1] and "refresh" not in sends.answer[1], (
        "what was sent is not sent again by itself"
    )
    assert not any(door.line.waiting), "who gave up has left the line"
    assert ask(door, scope(), Protocol())[0] == 200, "and it goes on"


def test_in_line_who_signs_up_goes_first(door: doors.Door, gate: Any) -> None:
    async def crowd() -> None:
        asked = [("GET", "/slow"), ("GET", "/services"), ("GET", "/services/7/sign-up"), ("POST", "/x"), ("GET", "/me")]
        tasks = []
        for method, path in asked:
            tasks.append(asyncio.create_task(door.__rsgi__(scope(method, path), Protocol())))
            await asyncio.sleep(0.01)
        gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(crowd())
    assert door.order[1:] == ["GET /services/7/sign-up", "POST /x", "GET /services", "GET /me"]  # type: ignore[attr-defined]


def test_one_address_fills_no_line(door: doors.Door, gate: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(doors, "MOST_OF_ONE", 3)
    greedy, other = [Protocol() for _ in range(5)], Protocol()
    elsewhere = scope()
    elsewhere.client = "192.0.2.8:5000"

    async def crowd() -> None:
        tasks = [asyncio.create_task(door.__rsgi__(scope("GET", "/slow"), Protocol()))]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(door.__rsgi__(scope(), phone)) for phone in greedy]
        tasks.append(asyncio.create_task(door.__rsgi__(elsewhere, other)))
        await asyncio.sleep(0.01)
        assert [phone.answer and phone.answer[0] for phone in greedy] == [None, None, None, 503, 503], "told at once"
        gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(crowd())
    assert [phone.answer and phone.answer[0] for phone in (*greedy[:3], other)] == [200] * 4
    assert not door.line.of_one, "nothing is remembered of who has gone"


def test_behind_a_proxy_the_address_is_what_it_says(door: doors.Door) -> None:
    said = doors._environ(scope("GET", "/", ("x-forwarded-for", "10.9.9.9, 203.0.113.9")), b"")
    assert door._address(said) == "192.0.2.7"
    door.app.config["BEHIND_PROXY"] = True
    assert door._address(said) == "203.0.113.9"


def test_what_is_slow_never_has_all_threads(door: doors.Door, gate: Any, monkeypatch: Any) -> None:
    """Two guess passwords; a third opens a page, and there are two threads."""
    door.line.free, door.threads = 2, ThreadPoolExecutor(2)
    monkeypatch.setattr(door, "_is_slow", lambda asked: asked.path == "/slow")

    async def crowd() -> None:
        slow = [asyncio.create_task(door.__rsgi__(scope("POST", "/slow"), Protocol())) for _ in range(2)]
        await asyncio.sleep(0.01)
        page = Protocol()
        await asyncio.wait_for(door.__rsgi__(scope(), page), 10)
        assert page.answer is not None and page.answer[0] == 200
        gate.set()
        await asyncio.gather(*slow)

    asyncio.run(crowd())
    assert door.order == ["GET /", "POST /slow", "POST /slow"]  # type: ignore[attr-defined]


def test_the_views_say_themselves_that_they_are_slow(app: Flask) -> None:
    door = doors.Door(app, SimpleNamespace(files={}), 1)  # type: ignore[arg-type]
    slow = [("POST", "/staff/login"), ("POST", "/staff/password"), ("GET", "/staff/audit.csv"),
            ("GET", "/staff/catalogue/export.xlsx"), ("POST", "/staff/catalogue/import")]  # fmt: skip
    quick = [("GET", "/staff/login"), ("GET", "/staff"), ("GET", "/services"), ("POST", "/login"), ("GET", "/staff/x")]
    assert [door._is_slow(scope(*asked)) for asked in (*slow, *quick)] == [True] * 5 + [False] * 5


def test_static_files_need_no_thread(door: doors.Door, gate: Any) -> None:
    async def both() -> tuple[int, dict[str, str], bytes]:
        held = asyncio.create_task(door.__rsgi__(scope("GET", "/slow"), Protocol()))
        await asyncio.sleep(0)
        sheet = Protocol()
        await door.__rsgi__(scope("GET", "/static/portal.css", ("accept-encoding", "br")), sheet)
        gate.set()
        await held
        assert sheet.answer is not None
        return sheet.answer

    status, headers, body = asyncio.run(both())
    assert status == 200 and headers["content-encoding"] == "br" and len(body) > 1000


def test_a_call_for_help_waits_for_no_crowd(door: doors.Door, gate: threading.Event) -> None:
    """Both threads' worth of work is held; who needs help, and the page that listens, pass by."""

    async def crowd() -> list[Any]:
        held = [asyncio.create_task(door.__rsgi__(scope("POST", "/slow"), Protocol())) for _ in range(3)]
        await asyncio.sleep(0)
        kept = Protocol(), Protocol(), Protocol()
        calls = [
            scope("POST", "/help/urgent"), scope("GET", "/staff/alarms"),
            scope("GET", "/help/urgent/10000000-0000-4000-8000-000000000001"),
        ]  # fmt: skip
        await asyncio.wait_for(asyncio.gather(*(door.__rsgi__(c, p) for c, p in zip(calls, kept, strict=True))), 30)
        gate.set()
        await asyncio.gather(*held)
        return [p.answer[0] if p.answer else 0 for p in kept]

    assert asyncio.run(crowd()) == [200, 200, 200]
    assert not doors.URGENT.fullmatch("/help/urgent/10000000-0000-4000-8000-000000000001/voice")  # slow work is not
