"""A centre passed on to others: how it looks as a card in a group, and ready words for one (SPEC N1, N3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.catalogue.models import CANCELLED
from portal.catalogue.public import month_snapshot
from portal.centres.models import Centre
from portal.core import clock, pages
from portal.core.attachments import Attachment

LINES = 8  # of activities in the ready words: more is not read in a group
DRAWING = "other"  # the house, for a centre without a photo


@dataclass(frozen=True, slots=True)
class Card:
    """What apps show of an address that is passed on. url: absolute; picture: a path; share: the same, absolute.

    It says nothing that is true for a day only: groups keep a card for months.
    """

    title: str
    description: str
    url: str
    picture: str
    share: str


def picture(photos: Sequence[Attachment]) -> str:
    """The path of the centre's first photo, else of a drawing."""
    return f"/pictures/{photos[0].file}" if photos else pages.drawing(DRAWING)


def card(code: str, name: str, shown: str, count: int, address: str) -> Card:
    """A centre's card. shown: `picture`; count: activities to come."""
    offer = f"接下来有 {count} 项服务，" if count else ""
    where = f"地址：{address}" if address else ""
    described = f"{offer}报名活动、订场地、找人帮忙。{where}"
    return Card(name, described, pages.absolute(f"/c/{code}"), shown, pages.absolute(shown))


def words(centre: Centre, rows: Sequence[month_snapshot.Row], url: str, now: datetime) -> str:
    """Ready words for a group: what there is until the end of the week, where, whom to ask. rows: the centre's."""
    today = clock.today(now)
    monday = today + timedelta(days=7 - today.weekday())
    week = month_snapshot.select_rows(rows, month_snapshot.Filters(days=(today, monday)), now).coming
    coming = [pair for pair in week if pair[0].status != CANCELLED]
    lines = [f"【{centre.name}】"]
    if coming:
        lines.append(f"今天到周日有 {len(coming)} 项活动：")
        lines += [f"· {clock.span(*session)} {row.title}{_where(row)}" for row, session in coming[:LINES]]
        if len(coming) > LINES:
            lines.append(f"还有 {len(coming) - LINES} 项，点开看。")
    lines.append(f"报名、订场地、找人帮忙：{url}")
    lines += [f"地址：{centre.address}"] if centre.address else []
    lines += [f"不会用手机可打电话：{pages.phone_text(centre.phone)}"] if centre.phone else []
    return "\n".join(lines)


def _where(row: month_snapshot.Row) -> str:
    return f"（{row.place}）" if row.place else ""
