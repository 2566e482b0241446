"""WeChat's servers on this machine, as far as an official account sees them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.notices.gateways.providers import Server

APP_ID, SECRET = "wx0000", "app-secret"


@dataclass
class WeChat:
    """codes: the codes of 网页授权 that are good, each once -> openid. errors: errcode by openid of what is sent to it."""

    url: str = ""
    codes: dict[str, str] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    token: str = ""
    renewals: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def stable_token(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("appid") != APP_ID or asked.get("secret") != SECRET:
            return {"errcode": 40125, "errmsg": "invalid appsecret"}
        with self.lock:
            self.renewals += 1
            self.token = f"token-{self.renewals}"
            return {"access_token": self.token, "expires_in": 7200}

    def who(self, query: dict[str, list[str]]) -> dict[str, Any]:
        if query.get("appid") != [APP_ID] or query.get("secret") != [SECRET]:
            return {"errcode": 40125, "errmsg": "invalid appsecret"}
        found = self.codes.pop(query.get("code", [""])[0], None)
        return {"openid": found, "scope": "snsapi_base"} if found else {"errcode": 40029, "errmsg": "invalid code"}

    def template(self, token: str, message: dict[str, Any]) -> dict[str, Any]:
        if token != self.token:
            return {"errcode": 40001, "errmsg": "invalid credential"}
        error = self.errors.get(message["touser"], 0)
        if error:
            return {"errcode": error, "errmsg": "refused"}
        with self.lock:
            self.messages.append(message)
            return {"errcode": 0, "errmsg": "ok", "msgid": len(self.messages)}


def _handler(wechat: WeChat) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            parts = urlsplit(self.path)
            if parts.path == "/cgi-bin/stable_token":
                self._say(wechat.stable_token(body))
            else:
                self._say(wechat.template(parse_qs(parts.query)["access_token"][0], body))

        def do_GET(self) -> None:
            self._say(wechat.who(parse_qs(urlsplit(self.path).query)))

        def _say(self, answer: dict[str, Any]) -> None:
            raw = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    return Handler


@contextmanager
def running() -> Iterator[WeChat]:
    """On a free port, gone afterwards."""
    wechat = WeChat()
    server = Server(("127.0.0.1", 0), _handler(wechat))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    wechat.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield wechat
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
