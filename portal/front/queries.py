"""What the front pages show of the features below."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from portal.catalogue.public import month_snapshot
from portal.centres import facts, profile
from portal.centres import queries as centres
from portal.centres import rules as centre_rules
from portal.centres.models import Centre
from portal.core import clock, registry
from portal.core.attachments import Attachment
from portal.venues.availability import search
from portal.venues.availability.room_snapshot import Room


@dataclass(frozen=True, slots=True)
class CentrePage:
    """One centre as its own page tells it (SPEC N3)."""

    centre: Centre
    opening: centre_rules.Opening
    week: list[tuple[str, str]]
    above: Centre | None
    below: list[Centre]
    month: str
    month_count: int
    today: list[month_snapshot.Card]
    this_week: list[month_snapshot.Card]
    later: list[month_snapshot.Card]
    photos: list[Attachment]
    rooms: list[Room]  # booked here, in the centre's own order
    listed: bool  # anything published this month, so there is something to print


def _cards(
    snap: month_snapshot.Snapshot, centre: Centre, days: tuple[date, date], now: datetime
) -> list[month_snapshot.Card]:
    wanted = month_snapshot.Filters(month=snap.month, centre_path=centre.path, days=days)
    mixed = not profile.current().level(centre.level).files_list
    rows = month_snapshot.select_rows(snap, wanted, now)
    return [month_snapshot.card(row, session, now, mixed) for row, session in rows if session[1] > now]


def centre_page(centre: Centre, now: datetime) -> CentrePage:
    """Today, this week and what follows in the month, of the centre and everything below it."""
    today = clock.today(now)
    month = clock.month_of(today)
    snap = month_snapshot.snapshot(month, now)
    tomorrow, monday = today + timedelta(days=1), today + timedelta(days=7 - today.weekday())
    month_end = clock.month_days(month)[1]
    ancestors = centres.ancestors(centre)
    everything = month_snapshot.select_rows(snap, month_snapshot.Filters(month=month, centre_path=centre.path), now)
    return CentrePage(
        centre=centre, opening=centres.opening(centre.id, now),
        week=centre_rules.week_text(centres.weekly_hours(centre.id)), above=ancestors[-1] if ancestors else None,
        below=centres.children(centre), month=month, month_count=len(everything),
        today=_cards(snap, centre, (today, tomorrow), now),
        this_week=_cards(snap, centre, (tomorrow, monday), now) if tomorrow < monday else [],
        later=_cards(snap, centre, (monday, month_end), now)[:8] if monday < month_end else [],
        photos=facts.PHOTOS.of(centre.id), rooms=search.rooms_of(centre.id, now),
        listed=any(row.centre_path.startswith(centre.path) for row in snap.rows.values()),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    items: list[registry.Mine]
    open: bool = True


SECTIONS = (("waiting", "等候中"), ("upcoming", "接下来"), ("requests", "我的求助和预约"), ("past", "已经结束"))


def mine(resident_id: int, now: datetime) -> list[Section]:
    """Everything of a resident's in one page, grouped by what happens next (SPEC S9)."""
    items = [item for source in registry.mine_sources.values() for item in source(resident_id, now)]
    far = datetime.max.replace(tzinfo=now.tzinfo)
    sections = []
    for key, title in SECTIONS:
        chosen = sorted((i for i in items if i.section == key), key=lambda i: i.starts_at or far, reverse=key == "past")
        if chosen:
            sections.append(Section(title, chosen, key != "past"))
    return sections


def next_of_mine(resident_id: int, now: datetime) -> list[registry.Mine]:
    """The two nearest things of a resident's, for the home page."""
    items = [item for source in registry.mine_sources.values() for item in source(resident_id, now)]
    coming = [i for i in items if i.section in {"waiting", "upcoming"}]
    return sorted(coming, key=lambda i: i.starts_at or now)[:2]
