"""What is attacked: a running portal, and what of it an attacker would find by looking."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Target:
    """port: on loopback. Cookies are whole header values; each carries the session that `csrf` belongs to.

    papers, tables: addresses of public PDFs and of staff's files. entry: an activity that is open to sign up for.
    """

    port: int
    csrf: str
    anybody: str
    resident: str
    staff: str  # of the community `centre`
    manager: str  # of the district
    month: str
    centre: int
    entry: int
    code: str
    papers: tuple[str, ...]
    tables: tuple[str, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Target:
        """From `to_json`."""
        data = json.loads(text)
        return cls(**data | {"papers": tuple(data["papers"]), "tables": tuple(data["tables"])})

    def form(self, **fields: str) -> bytes:
        """An urlencoded form with the token."""
        return "&".join(f"{k}={v}" for k, v in {"csrf_token": self.csrf, **fields}.items()).encode()


def message(
    method: str, path: str, body: bytes = b"", *, cookie: str = "", address: str = "", content_type: str = FORM,
    headers: dict[str, str] | None = None,
) -> bytes:  # fmt: skip
    """One HTTP/1.1 request that closes its connection. address: what the proxy in front would say of the sender."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    if cookie:
        lines.append(f"Cookie: {cookie}")
    if address:
        lines.append(f"X-Forwarded-For: {address}")
    if method == "POST":
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def multipart(fields: dict[str, str], field: str, name: str, file: bytes) -> tuple[bytes, str]:
    """Body and content type of a form with one file."""
    edge = "attack-edge"
    parts = [f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    head = f'--{edge}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    body = "".join([*parts, head]).encode() + file + f"\r\n--{edge}--\r\n".encode()
    return body, f"multipart/form-data; boundary={edge}"
