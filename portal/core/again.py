"""The same answer again: when nobody has written anything since, the same browser asking the same gets the same bytes.

Outside Flask, because making a request context costs as much as the page (docs/performance.md). An answer is kept only
when its view said so (`pages.remembered`) and it sets no cookie. It is given again only to the same Cookie header, host
and address, within the same minute, and only while the database stands exactly as it stood before the answer was made:
so a logout, a new message or a place taken anywhere ends it at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask

from portal.core import clock, reads

SAY = "portal.same_again"  # set in the request's environ by a view whose answer may be given again
KEEP = 512  # answers of some 14 KB each
ASKED_BY = (
    "PATH_INFO", "QUERY_STRING", "HTTP_COOKIE", "HTTP_HOST", "wsgi.url_scheme", "HTTP_HX_REQUEST", "HTTP_HX_BOOSTED",
    "HTTP_HX_HISTORY_RESTORE_REQUEST", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kept:
    mark: Any
    minute: int
    status: str
    headers: list[tuple[str, str]]
    body: list[bytes]
    said: dict[str, Any]  # what the app noted about the request (for the metrics)


def _minute() -> int:
    return int(clock.now().timestamp()) // 60


class Again:
    """WSGI middleware right around Flask, inside what adds headers and measures."""

    def __init__(self, app: Flask) -> None:
        self.app, self.inner = app, app.wsgi_app
        self.store: dict[tuple[Any, ...], Kept] = {}
        self.asked: set[tuple[Any, ...]] = set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        engine = self.app.extensions.get("portal_engine")
        if engine is None or environ["REQUEST_METHOD"] != "GET" or "HTTP_COOKIE" not in environ:
            return self.inner(environ, start_response)
        key = tuple(map(environ.get, ASKED_BY))
        kept = self.store.get(key)
        # Worth a mark only for somebody who has asked before: most people look once.
        # It is read before the answer is made: a commit in between makes the mark old, never the answer.
        mark = reads.database_mark(engine) if kept is not None or key in self.asked else None
        if kept is not None and mark == kept.mark and kept.minute == _minute():
            environ.update(kept.said)
            start_response(kept.status, kept.headers)
            return kept.body
        return self._make(environ, start_response, key, mark)

    def _make(self, environ: dict[str, Any], start_response: Any, key: tuple[Any, ...], mark: Any) -> Any:
        minute = _minute()
        head: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            head[:] = [status, headers]
            return start_response(status, headers, *rest)

        body: Any = self.inner(environ, start)
        if not environ.get(SAY):
            return body
        if len(self.asked) >= 8 * KEEP:
            self.asked.clear()
        self.asked.add(key)
        if mark is None or any(name == "Set-Cookie" for name, _ in head[1]):
            return body
        whole = [b"".join(body)]
        body.close()
        said = {k: v for k, v in environ.items() if k.startswith("portal.")}
        if len(self.store) >= KEEP:
            self.store.clear()
        self.store[key] = Kept(mark, minute, head[0], head[1], whole, said)
        return whole


def init_app(app: Flask) -> None:
    """Install it; outer layers (headers, metrics) are put around it afterwards."""
    middle = Again(app)
    app.extensions["portal_again"] = middle.store
    app.wsgi_app = middle  # type: ignore[method-assign]
