"""Reads of the tree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm.util import identity_key

from portal.centres import profile, rules
from portal.centres.models import Centre, CentreSheet, OpeningException, OpeningHours
from portal.centres.models import label as label_of
from portal.core import clock, reads
from portal.core.access import Actor
from portal.core.db import db


def get(centre_id: int | None) -> Centre | None:
    return db.session.get(Centre, centre_id) if centre_id else None


def by_code(code: str) -> Centre | None:
    return db.session.scalar(select(Centre).where(Centre.code == code))


def ancestors(centre: Centre) -> list[Centre]:
    """Root first, without the centre itself."""
    ids = centre.ancestor_ids
    here = db.session.identity_map  # who decides many rows holds the tree: then nothing is asked again
    known = {i: c for i in ids if (c := here.get(identity_key(Centre, i))) is not None}
    missing = [i for i in ids if i not in known]
    if missing:
        known |= {c.id: c for c in db.session.scalars(select(Centre).where(Centre.id.in_(missing)))}
    return [known[i] for i in ids if i in known]


def inside(path: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The two conditions 'Centre is `path` itself or below': a range, so that a plain index serves both databases."""
    return Centre.path >= path, Centre.path < path + ":"


def subtree(centre: Centre, active_only: bool = True) -> list[Centre]:
    """The centre itself and everything below, in tree order."""
    statement = select(Centre).where(*inside(centre.path))
    if active_only:
        statement = statement.where(Centre.active)
    return in_tree_order(db.session.scalars(statement))


def in_tree_order(rows: Iterable[Centre]) -> list[Centre]:
    """Each centre followed by what is below it."""
    return sorted(rows, key=lambda c: [int(i) for i in c.path.strip("/").split("/")])


def children(centre: Centre) -> list[Centre]:
    return list(db.session.scalars(select(Centre).where(Centre.parent_id == centre.id).order_by(Centre.code)))


def is_inside(centre: Centre, path: str) -> bool:
    """Whether `centre` is the centre of `path` or below it."""
    return centre.path.startswith(path)


def review_chain(centre: Centre) -> list[Centre]:
    """Strict ancestors whose level reviews, nearest first: who decides on this centre's rows, in order (C4)."""
    levels = {lv.code for lv in profile.current().review_levels}
    return [c for c in reversed(ancestors(centre)) if c.level in levels]


def at_top(actor: Actor) -> bool:
    """Whether the actor's centre is the top of the review chain: the district here. A department's people never are."""
    home = get(actor.centre_id)
    return home is not None and actor.department_id is None and not review_chain(home)


@dataclass(frozen=True, slots=True)
class Telephone:
    """Whom to ring: the number, and whose it is when the centre has none of its own (葵涌街道中心电话)."""

    number: str
    whose: str = ""


def telephones(rows: Sequence[Centre]) -> dict[int, Telephone]:
    """By centre: its own number, else that of the nearest centre above; empty when nobody has one. One statement."""
    above = {i for c in rows if not c.phone for i in c.ancestor_ids}
    known = {c.id: c for c in db.session.scalars(select(Centre).where(Centre.id.in_(above)))} if above else {}
    found = {}
    for centre in rows:
        upper = (known[i] for i in reversed(centre.ancestor_ids) if i in known)
        answers = next((c for c in upper if c.phone and c.active), None) if not centre.phone else None
        found[centre.id] = Telephone(answers.phone, _whose(answers)) if answers else Telephone(centre.phone)
    return found


def telephone(centre: Centre) -> Telephone:
    """Whom to ring about this centre."""
    return telephones([centre])[centre.id]


def _whose(centre: Centre) -> str:
    return f"{centre.label}电话" if centre.label.endswith(("中心", "站", "点")) else f"{centre.label}中心电话"


def sheet(sheet_id: int) -> CentreSheet | None:
    """A table that was sent, of one's own subtree."""
    return db.session.scalar(select(CentreSheet).where(CentreSheet.id == sheet_id))


def unfinished_sheets() -> list[CentreSheet]:
    """The newest tables that were neither taken in nor given up."""
    wanted = select(CentreSheet).where(CentreSheet.taken_at.is_(None)).order_by(CentreSheet.id.desc())
    return list(db.session.scalars(wanted.limit(10)))


TREE = select(func.count(Centre.id), func.max(Centre.updated_at))


def stamp() -> tuple[int, datetime | None]:
    """Equal as long as nothing that centres say of themselves has changed: facts, hours, photos (facts.edit)."""
    count, changed_at = cast(tuple[int, datetime | None], reads.row(TREE))
    return count, changed_at


@dataclass(frozen=True, slots=True)
class Choice:
    id: int
    code: str
    name: str
    level: str
    depth: int
    parent_id: int | None
    path: str
    label: str


def choices(path: str = "") -> list[Choice]:
    """Active centres in tree order, below `path` when given; for select boxes put them into groups (`picking.of`)."""
    columns = (Centre.id, Centre.code, Centre.name, Centre.level, Centre.depth, Centre.parent_id, Centre.path)
    statement = select(*columns, label_of(Centre)).where(Centre.active)
    if path:
        statement = statement.where(*inside(path))
    rows = sorted(db.session.execute(statement), key=lambda r: [int(i) for i in r.path.strip("/").split("/")])
    return [Choice(*row) for row in rows]


def weekly_hours(centre_id: int) -> dict[int, list[rules.Hours]]:
    """The opening hours of a week: weekday (0 is Monday) to minutes from midnight (N1)."""
    return weekly_hours_of([centre_id])[centre_id]


def weekly_hours_of(centre_ids: Sequence[int]) -> dict[int, dict[int, list[rules.Hours]]]:
    """As `weekly_hours`, of many centres. One query."""
    found: dict[int, dict[int, list[rules.Hours]]] = {number: {} for number in centre_ids}
    statement = select(OpeningHours).where(OpeningHours.centre_id.in_(centre_ids))
    for row in db.session.scalars(statement.order_by(OpeningHours.weekday, OpeningHours.opens)):
        found[row.centre_id].setdefault(row.weekday, []).append(rules.Hours(row.opens, row.closes, row.note))
    return found


def with_hours(centre_ids: Sequence[int]) -> set[int]:
    """Which of these centres have told when they are open. One statement."""
    wanted = select(OpeningHours.centre_id).where(OpeningHours.centre_id.in_(centre_ids)).distinct()
    return set(db.session.scalars(wanted))


def hours_on(centre_id: int, days: list[date]) -> dict[date, tuple[list[rules.Hours], str]]:
    """Hours of each day and the reason when it differs from the week's rule."""
    week = weekly_hours(centre_id)
    statement = select(OpeningException).where(OpeningException.centre_id == centre_id, OpeningException.day.in_(days))
    exceptions = {row.day: row for row in db.session.scalars(statement)}
    answer: dict[date, tuple[list[rules.Hours], str]] = {}
    for day in days:
        special = exceptions.get(day)
        if special is None:
            answer[day] = (week.get(day.weekday(), []), "")
        elif special.opens is None or special.closes is None:
            answer[day] = ([], special.reason)
        else:
            answer[day] = ([rules.Hours(special.opens, special.closes, special.reason)], special.reason)
    return answer


def days_that_differ(centre_id: int, first: date) -> list[OpeningException]:
    """The days from `first` on that do not follow the week's rule."""
    coming = OpeningException.centre_id == centre_id, OpeningException.day >= first
    return list(db.session.scalars(select(OpeningException).where(*coming).order_by(OpeningException.day)))


def opening(centre_id: int, now: datetime) -> rules.Opening:
    """Opening now or not, and what the page says of today (SPEC N3). Two queries."""
    today = clock.today(now)
    tomorrow = today + timedelta(days=1)
    hours = hours_on(centre_id, [today, tomorrow])
    there = clock.local(now)
    return rules.opening(hours[today][0], there.hour * 60 + there.minute, hours[tomorrow][0], hours[today][1])


def openings(now: datetime) -> dict[int, rules.Opening]:
    """As `opening`, of every centre that has told its hours, by id. Two queries."""
    today = clock.today(now)
    days = (today, today + timedelta(days=1))
    hours: dict[tuple[int, date], list[rules.Hours]] = {}
    wanted = select(OpeningHours).where(OpeningHours.weekday.in_([day.weekday() for day in days]))
    for row in db.session.scalars(wanted.order_by(OpeningHours.opens)):
        day = days[0] if row.weekday == days[0].weekday() else days[1]
        hours.setdefault((row.centre_id, day), []).append(rules.Hours(row.opens, row.closes, row.note))
    why: dict[int, str] = {}
    for special in db.session.scalars(select(OpeningException).where(OpeningException.day.in_(days))):
        shut = special.opens is None or special.closes is None
        span = [] if shut else [rules.Hours(special.opens or 0, special.closes or 0, special.reason)]
        hours[special.centre_id, special.day] = span
        if special.day == today:
            why[special.centre_id] = special.reason
    told = set(db.session.scalars(select(OpeningHours.centre_id).distinct())) | {centre_id for centre_id, _ in hours}
    there = clock.local(now)
    minute = there.hour * 60 + there.minute
    return {
        number: rules.opening(hours.get((number, days[0]), []), minute, hours.get((number, days[1]), []),
                              why.get(number, ""))
        for number in told
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A centre as the list and the map show it. number: its place in the whole list, from 1."""

    number: int
    id: int
    code: str
    name: str
    label: str
    level: str
    depth: int
    address: str
    phone: str
    latitude: float | None
    longitude: float | None
    path: str


def places() -> list[Place]:
    """All active centres in tree order. One query."""
    statement = select(
        Centre.id, Centre.code, Centre.name, Centre.short_name, Centre.level, Centre.depth, Centre.address,
        Centre.phone, Centre.latitude, Centre.longitude, Centre.path,
    ).where(Centre.active)  # fmt: skip
    rows = sorted(db.session.execute(statement), key=lambda r: [int(i) for i in r.path.strip("/").split("/")])
    return [
        Place(
            number, r.id, r.code, r.name, r.short_name or r.name, r.level, r.depth, r.address, r.phone, r.latitude,
            r.longitude, r.path,
        )
        for number, r in enumerate(rows, 1)
    ]  # fmt: skip
