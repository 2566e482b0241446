"""What a way out of the house is: one text in, a receipt or a sorted trouble out (SPEC M2)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol, runtime_checkable

import structlog

from portal.core import masks

log = structlog.get_logger()


class Trouble(Enum):
    """What a failure means for the message."""

    PERMANENT = "permanent"  # this message will never go: a number that does not exist, words that are not allowed
    LATER = "later"  # the gateway is away, the account is empty or not let in: another try helps once that is mended
    LIMIT = "limit"  # too fast: slower, then the same again; costs no try
    UNKNOWN = "unknown"  # it was handed over and no answer came back: it may have gone


class GatewayError(Exception):
    """The gateway did not take a message. The text never holds recipient or body.

    wait: how long the other side wants to be left alone with this number, where it says so.
    """

    def __init__(self, text: str, trouble: Trouble, wait: timedelta | None = None) -> None:
        super().__init__(text)
        self.trouble, self.wait = trouble, wait

    @property
    def temporary(self) -> bool:
        return self.trouble in {Trouble.LATER, Trouble.LIMIT}


class CannotTell(Exception):
    """The other side has no way to say whether it took a message."""


@dataclass(frozen=True, slots=True)
class Text:
    """One message as a gateway gets it. parts: what templates are filled with; key: the same on each try."""

    recipient: str
    body: str
    key: str
    kind: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def once(self) -> str:
        """The key in a form that every provider takes and gives back: 32 hexadecimal digits."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Taken:
    """The other side took it. serial: its own number of the message, by which receipts come; pieces: what it counts."""

    serial: str = ""
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class Sent:
    """A text that went out and of which nothing is known yet. serial: the provider's number of it."""

    serial: str
    recipient: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a text at the telephone. code: the provider's word for it."""

    serial: str
    phone: str
    received: bool
    code: str


@runtime_checkable
class Reporting(Protocol):
    """A way out that can be asked what became of texts, where it cannot tell us by itself (no public address)."""

    def reports(self, of: Sequence[Sent]) -> list[Report]:
        """Those that it knows by now; of: those that we would like to know of, the latest first. Raises GatewayError
        before anything is lost."""
        ...


class Gateway(Protocol):
    """What a way out must be able to do. It is used by several threads at once and touches no database.

    repeats: the other side drops a repetition by its key, so an unknown outcome is simply sent again.
    settles: how long after a try it can surely say whether it took it.
    """

    outcome: str
    repeats: bool
    settles: timedelta

    def send(self, text: Text) -> Taken:
        """Hand one message over. Raises GatewayError."""
        ...

    def find(self, text: Text, since: datetime) -> Taken | None:
        """What became of a message handed over at `since` or later: taken, or None: it never arrived there.

        Raises CannotTell, or GatewayError when it cannot be asked now.
        """
        ...


class Local:
    """Nothing is configured: the message stays on the staff's page of messages; the log has only that it is there."""

    outcome, repeats, settles = "local", True, timedelta()

    def send(self, text: Text) -> Taken:
        log.info("message not sent, no gateway", to=masks.mask_phone(text.recipient), key=text.key)
        return Taken(pieces=0)

    def find(self, _text: Text, _since: datetime) -> Taken | None:
        raise CannotTell


def sorted_by(codes: Mapping[str, tuple[Trouble, timedelta | None]], code: str) -> tuple[Trouble, timedelta | None]:
    """What a provider's error code means for the message, and how long the number wants to be left alone.

    codes: by the beginning of a code up to a dot; the longest that fits counts. All others are about the message.
    """
    fits = [start for start in codes if code == start or code.startswith(f"{start}.")]
    return codes[max(fits, key=len)] if fits else (Trouble.PERMANENT, None)
