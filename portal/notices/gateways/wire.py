"""One HTTP request to a provider, with what a failure means: before it was handed over, or after (SPEC M2)."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from portal.notices.gateways.base import GatewayError, Trouble

TIMEOUT = 5.0  # seconds for connecting and for each read
LARGEST = 262_144  # bytes of an answer


@dataclass(frozen=True, slots=True)
class Address:
    """Where a provider answers. Raises ValueError on what is no http(s) address."""

    secure: bool
    host: str
    port: int | None
    path: str

    @classmethod
    def of(cls, url: str, name: str) -> Address:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{name}: not an http(s) address")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme == "https", parts.hostname, parts.port, path)

    @property
    def netloc(self) -> str:
        """The Host header, as it is signed."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        if self.secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)


def exchange(
    address: Address, method: str, path: str, content: bytes, headers: Mapping[str, str], name: str, timeout: float
) -> tuple[int, bytes]:
    """Status and body of the answer. Raises GatewayError: LATER when nothing was handed over, else UNKNOWN."""
    connection = address.connect(timeout)
    try:
        try:
            connection.connect()
        except OSError as error:
            raise GatewayError(f"{name}：连接不上（{type(error).__name__}）", Trouble.LATER) from error
        try:
            connection.request(method, path, content, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read(LARGEST)
        except (OSError, http.client.HTTPException) as error:
            raise GatewayError(f"{name}：没有等到答复（{type(error).__name__}）", Trouble.UNKNOWN) from error
    finally:
        connection.close()


BUSY = frozenset({429, 503})  # said before anything was done


def answer_of(status: int, body: bytes, name: str) -> dict[str, Any]:
    """The JSON object of an answer, whatever its status. Raises GatewayError when it is none."""
    if status in BUSY:
        raise GatewayError(f"{name}：对方答复 {status}", Trouble.LIMIT if status == 429 else Trouble.LATER)
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        # A proxy's page: the request may or may not have reached what stands behind it.
        trouble = Trouble.UNKNOWN if status >= 500 or status < 300 else Trouble.LATER
        raise GatewayError(f"{name}：对方答复 {status}", trouble)
    return found
