"""The outside world of the tests: an HTTP gateway on this machine that answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Quiet(BaseHTTPRequestHandler):
    """Says nothing, also when whoever asked has gone."""

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):
            return

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            return


class FakeGateway:
    """`received`: (headers, body) of every request. `answers`: statuses for the next requests, then 200; the special
    status 0 closes the connection without an answer."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.answers: list[int] = []
        self.delay = 0.0
        self.lock = threading.Lock()
        self.url = ""

    def phones(self) -> list[str]:
        return [body.get("phone") or body.get("to") or "" for _, body in self.received]

    def keys(self) -> list[str]:
        return [headers["Idempotency-Key"] for headers, _ in self.received]


def _handler(gateway: FakeGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(Quiet):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with gateway.lock:
                gateway.received.append((dict(self.headers), body))
                status = gateway.answers.pop(0) if gateway.answers else 200
            if status == 0:
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


@contextmanager
def running() -> Iterator[FakeGateway]:
    """A gateway on a free port, gone afterwards."""
    gateway = FakeGateway()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gateway))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    gateway.url = f"http://127.0.0.1:{server.server_port}/sms?account=portal"
    try:
        yield gateway
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
