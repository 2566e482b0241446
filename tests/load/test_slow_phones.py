"""Phones that send or read slowly hold up nobody, on the real server with one web process (SPEC Q8)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bench import http, town

pytestmark = pytest.mark.once
MANY = 40  # twenty times the threads
VISITOR = b"GET /services HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.7\r\nConnection: close\r\n\r\n"
BODY = b"phone=" + b"1" * 60_000


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    env = {"PORTAL_PROXY": "1"}  # the visitor has another address than the forty
    with town.filled("sqlite", 0.002) as filled, http.served("wsgi:door", filled.env | env) as portal:
        yield portal.port


def ask(port: int, request: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(request)
    return connection


def status(connection: socket.socket) -> int:
    with connection.makefile("rb") as lines:
        return int(lines.readline().split()[1])


def page(port: int) -> int:
    with ask(port, VISITOR) as connection:
        return status(connection)


def test_bodies_that_are_not_there_yet(port: int) -> None:
    head = f"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(BODY)}\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    with ExitStack() as open_:
        phones = [open_.enter_context(ask(port, head.encode() + BODY[:100])) for _ in range(MANY)]
        assert page(port) == 200, "others get their page while all these are still sending"
        phones[0].sendall(BODY[100:])
        assert status(phones[0]) in (400, 422), "and who has sent everything is answered (here: no token)"
        for phone in phones[1:]:
            phone.sendall(BODY[100:200])
        assert page(port) == 200


def test_answers_that_nobody_reads(port: int) -> None:
    request = b"GET /services HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with ExitStack() as open_:
        for _ in range(MANY):
            phone = open_.enter_context(socket.socket())
            phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            phone.connect(("127.0.0.1", port))
            phone.sendall(request * 20)  # pipelined: a quarter of a megabyte that stays where it is
        assert page(port) == 200
