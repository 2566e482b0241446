"""What the front pages show of the features below."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from markupsafe import Markup
from sqlalchemy import select, true

from portal.catalogue.public import month_snapshot
from portal.centres import facts, linked_data
from portal.centres import queries as centres
from portal.centres import rules as centre_rules
from portal.centres.models import Centre
from portal.core import clock, reads, registry
from portal.core.attachments import Attachment
from portal.venues.availability import search
from portal.venues.models import Venue


@dataclass(frozen=True, slots=True)
class CentrePage:
    """What a centre says of itself on its page (SPEC N3)."""

    centre: Centre
    opening: centre_rules.Opening
    week: list[tuple[str, str]]
    above: Centre | None
    below: list[Centre]
    photos: list[Attachment]
    rooms: list[Venue]  # booked here, in the centre's own order
    linked: dict[str, Any]  # for other platforms (centres.linked_data)


@dataclass(frozen=True, slots=True)
class CentreMonth:
    """What a centre and all below it offer from now on: today, this week and what follows, as cards."""

    count: int
    today: list[Markup]
    this_week: list[Markup]
    later: list[Markup]
    months: tuple[str, ...]  # whose list can be printed: this one and what is published ahead


_of_months, _of_centres = month_snapshot.STAMPS.subquery(), centres.TREE.subquery()
_of_rooms = reads.stamp(Venue).subquery()
_STAMPS = select(_of_months, _of_centres, _of_rooms).select_from(
    _of_centres.join(_of_rooms, true()).outerjoin(_of_months, true())
)


def stamps(now: datetime) -> tuple[dict[str, str], str]:
    """Stamps of the months from now on, and one that is equal while centres and rooms say the same of themselves."""
    months = month_snapshot.months_from(month_snapshot.first_ahead(now))
    found = [tuple(row) for row in reads.rows(_STAMPS, months=months)]
    return month_snapshot.stamps_of(row for row in found if row[3]), ":".join(map(str, found[0][4:]))


def centre_page(centre: Centre, now: datetime) -> CentrePage:
    """A centre with its hours, photos, rooms and neighbours in the tree."""
    above, hours = next(iter(reversed(centres.ancestors(centre))), None), centres.weekly_hours(centre.id)
    photos, days = facts.PHOTOS.of(centre.id), centres.days_that_differ(centre.id, clock.today(now))
    return CentrePage(
        centre=centre, opening=centres.opening(centre.id, now), week=centre_rules.week_text(hours), above=above,
        below=centres.children(centre), photos=photos, rooms=search.rooms_of(centre.id, now),
        linked=linked_data.office(centre, above, hours, days, [photo.file for photo in photos]),
    )  # fmt: skip


def centre_month(published: month_snapshot.Published, path: str, mixed: bool, now: datetime) -> CentreMonth:
    """What `path` and all below it offer; mixed: cards say whose they are."""
    today = clock.today(now)
    tomorrow, monday = today + timedelta(days=1), today + timedelta(days=7 - today.weekday())
    here = published.below(path)

    def cards(first: date, end: date) -> list[Markup]:
        found = month_snapshot.select_rows(here.rows, month_snapshot.Filters(days=(first, end)), now)
        return [month_snapshot.card(row, session, now, mixed) for row, session in found.coming]

    return CentreMonth(
        count=len(month_snapshot.select_rows(here.rows, month_snapshot.Filters(), now).coming),
        today=cards(today, tomorrow), this_week=cards(tomorrow, monday), later=cards(monday, date.max)[:8],
        months=tuple(month for month in here.months if month >= clock.month_of(today)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    items: list[registry.Mine]
    open: bool = True


SECTIONS = (("waiting", "等候中"), ("upcoming", "接下来"), ("requests", "我的求助和预约"), ("past", "已经结束"))


def mine(resident_id: int, now: datetime) -> list[Section]:
    """Everything of a resident's in one page, grouped by what happens next (SPEC S9)."""
    items = [item for source in registry.mine_sources.values() for item in source(resident_id, now, False)]
    far = datetime.max.replace(tzinfo=now.tzinfo)
    sections = []
    for key, title in SECTIONS:
        chosen = sorted((i for i in items if i.section == key), key=lambda i: i.starts_at or far, reverse=key == "past")
        if chosen:
            sections.append(Section(title, chosen, key != "past"))
    return sections


def next_of_mine(resident_id: int, now: datetime) -> list[registry.Mine]:
    """The two nearest things of a resident's, for the home page; nothing of what is over is read."""
    items = [item for source in registry.mine_sources.values() for item in source(resident_id, now, True)]
    coming = [i for i in items if i.section in {"waiting", "upcoming"}]
    return sorted(coming, key=lambda i: i.starts_at or now)[:2]
