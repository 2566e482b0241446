"""Paper of a centre: the QR poster for its door and notice board (SPEC N3, Q7)."""

from dataclasses import dataclass
from datetime import date

from portal.core import pdf


@dataclass(frozen=True)
class CentrePoster:
    """A centre on one A4 sheet. url is its public page; hours: one line per rule, as `周一至周五 9:00–18:00`, none when
    they are not known. phone_of: whose number it is when it is not the centre's own.
    """

    name: str
    phone: str
    address: str
    hours: tuple[str, ...]
    url: str
    issued_on: date
    short_name: str = ""
    phone_of: str = ""
    network: str = "党群服务阵地"
    doors: tuple[tuple[str, str], ...] = (
        ("报名", "看这个月有什么活动，点一下就报上名"),
        ("订场地", "看有哪些房间空着，点一下就订上"),
        ("求助", "老人要照料、有事要人帮，说一声就有人管"),
    )


def centre_poster(poster: CentrePoster) -> pdf.PrintJob:
    """The A4 poster with the centre's QR code (N3)."""
    return pdf.single(pdf.html("centre_poster.html", poster=poster), ("base.css", "qr_poster.css"))
