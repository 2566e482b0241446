"""What the portal says to people, as plain values: messages and reasons. Pure, so that rules may use it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Words:
    """One message. kind: of portal.notices.kinds. link: where it leads. urgent: also at night. sms: to phones too."""

    kind: str
    title: str
    body: str
    link: str = ""
    urgent: bool = False
    sms: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, and what to do instead. field: where in the form it can be mended. until: from when on it would do."""

    code: str
    message: str
    advice: str = ""
    field: str = ""
    until: datetime | None = None
