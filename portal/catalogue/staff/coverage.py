"""What the coming list covers and what is missing, before it is published (SPEC C1)."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, literal, select

from portal.catalogue.models import Category, Entry, Guide, ServiceType
from portal.catalogue.staff.month_board import COUNTED
from portal.centres import profile
from portal.centres import queries as centre_queries
from portal.centres.models import Centre
from portal.core.db import db

OFFER_MIN = 100  # 百项服务
# Rooms and personal services are on offer every month; their own rooms of the house keep them.
STANDING = ("venue", "help", "other")


@dataclass(frozen=True)
class CategoryCount:
    """One category: how many rows or guides it has, and which of its services nobody offers. rows: of the list."""

    category: Category
    parent: str
    count: int
    services: int
    missing: tuple[str, ...]
    rows: int = 0

    @property
    def empty(self) -> bool:
        return self.count == 0


@dataclass(frozen=True)
class CentreCount:
    """One centre that files a list (or has rows of its own): rows of its subtree, and its empty categories."""

    centre: Centre
    count: int
    by_category: dict[int, int]
    missing: tuple[str, ...]
    alone: bool = False  # a level that files no list: its own rows, without those below it


@dataclass(frozen=True)
class Coverage:
    month: str
    categories: tuple[CategoryCount, ...]
    columns: tuple[CategoryCount, ...]  # of the table by centre: activities, and whatever else has rows
    centres: tuple[CentreCount, ...]
    offered: int
    needed: int
    groups: frozenset[int]  # categories that have finer ones below them
    rows: int  # of the list: what the columns sum up to
    standing: int  # rooms and personal services
    guides: int
    guides_expected: int
    missing_guides: tuple[str, ...]  # categories of guides with fewer than their services ('衣', '行')


def coverage(month: str, path: str = "", by_centre: bool = True) -> Coverage:
    """Count a month's rows (in review or further) by category and centre below `path`. Six queries.

    by_centre: False for who needs the sums alone; `centres` is empty then.
    """
    categories = list(db.session.scalars(select(Category).order_by(Category.position, Category.id)))
    by_id = {c.id: c for c in categories}
    services = _services()
    found = _entries(month, path, by_centre)
    guides = _guides()
    filed: dict[int, Found] = {}
    for row in found:
        filed.setdefault(row[0], []).append(row)
    every = {c.id: _category(c, by_id, services.get(c.id, []), filed.get(c.id, []), guides) for c in categories}
    parents = {c.parent_id for c in categories}
    leaves = [c for c in categories if c.id not in parents]
    counted = tuple(every[c.id] for c in leaves)
    columns = [every[c.id] for c in categories if c.id in filed or (c in leaves and c.kind == "activity")]
    expected = sum(c.expected or 0 for c in categories)
    watched = {c.id for c in categories if c.expected or (c.parent_id and by_id[c.parent_id].expected)}
    standing = sum(len(services.get(c.id, ())) for c in categories if c.kind in STANDING)
    return Coverage(
        month=month, categories=counted, columns=tuple(columns),
        centres=tuple(_centres(found, leaves, path)) if by_centre else (),
        offered=sum(n for *_, n in found) + sum(map(len, guides.values())) + standing, needed=OFFER_MIN,
        groups=frozenset(i for i in parents if i is not None), rows=sum(n for *_, n in found), standing=standing,
        guides=sum(len(guides.get(i, ())) for i in watched), guides_expected=expected,
        missing_guides=tuple(c.category.name for c in counted if c.category.id in watched and (c.missing or c.empty)),
    )  # fmt: skip


Found = list[tuple[int, int | None, str, int]]  # category, service, path of the centre, how many rows


def _entries(month: str, path: str, by_centre: bool) -> Found:
    where = Centre.path if by_centre else literal("")
    wanted = select(Entry.category_id, Entry.service_type_id, where, func.count())
    wanted = wanted.join(Centre, Centre.id == Entry.centre_id)
    wanted = wanted.where(Entry.month == month, Entry.status.in_(COUNTED))
    if path:
        wanted = wanted.where(*centre_queries.inside(path))
    grouped = wanted.group_by(Entry.category_id, Entry.service_type_id, *([Centre.path] if by_centre else ()))
    return [(c, s, p, n) for c, s, p, n in db.session.execute(grouped)]


Service = tuple[int, str]  # number and name


def _services() -> dict[int, list[Service]]:
    """Active services by category, in order."""
    wanted = select(ServiceType.category_id, ServiceType.id, ServiceType.name).where(ServiceType.active)
    found: dict[int, list[Service]] = {}
    for category_id, number, name in db.session.execute(wanted.order_by(ServiceType.position)):
        found.setdefault(category_id, []).append((number, name))
    return found


def _guides() -> dict[int, set[str]]:
    """Titles of active guides by category; the same one of several centres is one service on offer."""
    found: dict[int, set[str]] = {}
    for category_id, title in db.session.execute(select(Guide.category_id, Guide.title).where(Guide.active)):
        found.setdefault(category_id, set()).add(title)
    return found


def _category(
    category: Category, by_id: dict[int, Category], mine: list[Service], found: Found, guides: dict[int, set[str]]
) -> CategoryCount:
    """mine, found: the category's own services and rows."""
    titles = guides.get(category.id, set())
    offered = {service for _, service, *_ in found if service}
    rows = sum(number for *_, number in found)
    if category.kind in STANDING:
        missing: list[str] = []
        count = len(mine)
    else:
        missing = [name for number, name in mine if number not in offered and name not in titles]
        count = rows + len(titles)
    parent = by_id[category.parent_id].name if category.parent_id else ""
    return CategoryCount(category, parent, count, len(mine), tuple(missing), rows)


def _centres(found: Found, leaves: list[Category], path: str) -> list[CentreCount]:
    files = {lv.code for lv in profile.current().levels if lv.files_list}
    wanted = select(Centre).where(Centre.active)
    if path:
        wanted = wanted.where(*centre_queries.inside(path))
    centres = sorted(db.session.scalars(wanted), key=lambda c: [int(i) for i in c.path.strip("/").split("/")])
    filing = {c.path for c in centres if c.level in files}
    counts: dict[str, Counter[int]] = {}
    for category_id, _, entry_path, number in found:
        ends = [i + 1 for i, letter in enumerate(entry_path) if letter == "/"]
        home = next((entry_path[:end] for end in ends if entry_path[:end] in filing), entry_path)
        counts.setdefault(home, Counter())[category_id] += number
    activity = [c for c in leaves if c.kind == "activity"]
    shown = [c for c in centres if c.level in files or c.path in counts]
    return [_centre(c, counts.get(c.path, Counter()), activity, c.path not in filing) for c in shown]


def _centre(centre: Centre, counts: Counter[int], activity: list[Category], alone: bool) -> CentreCount:
    missing = tuple(c.name for c in activity if not counts[c.id])
    return CentreCount(centre, counts.total(), dict(counts), missing, alone)
