"""What the people tests share: the text messages that would have left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from portal.core import registry
from portal.core.db import db


@dataclass
class Texts:
    """A texter that keeps what it is given."""

    sent: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, phone: str, body: str, kind: str, key: str, now: datetime, urgent: bool = False,
                 parts: dict[str, str] | None = None) -> None:  # fmt: skip
        assert urgent
        self.sent.append((phone, body))

    def code(self) -> str:
        """The six digits of the last message."""
        found = re.search(r"\d{6}", self.sent[-1][1])
        assert found
        return found[0]


def plain(page: str) -> str:
    """A page without what differs between two visitors: their tokens, and what was typed."""
    return re.sub(r'"X-CSRFToken": "[^"]+"|value="[^"]*"|199\d{8}', "", page)


@pytest.fixture
def texts(session: Any) -> Iterator[Texts]:
    kept, texter = list(registry._texter), Texts()
    registry.set_texter(texter)
    yield texter
    registry._texter[:] = kept


def rows(statement: Any) -> list[Any]:
    """What the database holds now: an open read transaction of the test would still see the past."""
    db.session.rollback()
    return list(db.session.scalars(statement))


def one(statement: Any) -> Any:
    found = rows(statement)
    assert len(found) == 1, found
    return found[0]
