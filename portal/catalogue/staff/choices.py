"""Reads that only the staff pages need, beside `queries`."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import defer, joinedload

from portal.catalogue.models import Category, Entry, Guide, PlanImport, ServiceType
from portal.catalogue.states import PREVIEW
from portal.centres import profile
from portal.centres import queries as centres
from portal.centres.models import Centre, Department
from portal.core import clock
from portal.core.access import Actor
from portal.core.db import db


def default_month(now: datetime) -> str:
    """The month whose list is being drawn up: the next one."""
    return clock.add_months(clock.month_of(clock.today(now)), 1)


def drafting_centres(actor: Actor) -> list[centres.Choice]:
    """Where this actor may draw up a row: a department hands its plans to the centre it is attached to."""
    found = centres.choices(actor.centre_path)
    return [c for c in found if c.id == actor.centre_id] if actor.department_id is not None else found


def who_invites(actor: Actor, home: Centre) -> tuple[str, str]:
    """Name and telephone that a blank row starts with: the department's, or the centre's."""
    department = db.session.get(Department, actor.department_id) if actor.department_id is not None else None
    return (home.name, home.phone) if department is None else (department.name, department.phone)


def filing_centres(path: str) -> list[Centre]:
    """Active centres below `path` that draw up a list of their own, in tree order."""
    levels = [level.code for level in profile.current().levels if level.files_list]
    wanted = select(Centre).where(*centres.inside(path), Centre.active, Centre.level.in_(levels))
    return sorted(db.session.scalars(wanted), key=lambda c: [int(i) for i in c.path.strip("/").split("/")])


def service_types() -> list[ServiceType]:
    """Services on offer under activity categories, with their category."""
    wanted = select(ServiceType).join(Category, Category.id == ServiceType.category_id)
    wanted = wanted.where(ServiceType.active, Category.kind == "activity").options(joinedload(ServiceType.category))
    return list(db.session.scalars(wanted.order_by(Category.position, ServiceType.position, ServiceType.id)))


def unfinished_imports(actor: Actor) -> list[tuple[PlanImport, int]]:
    """Uploaded plans of the actor's subtree, or department, that are not finished, newest first (at most 20), with
    their rows' number; the rows themselves stay where they are."""
    wanted = select(PlanImport, func.json_array_length(PlanImport.rows)).where(PlanImport.status == PREVIEW)
    wanted = wanted.where(PlanImport.department_id == actor.department_id)
    wanted = wanted.options(joinedload(PlanImport.centre), defer(PlanImport.rows))
    return [(plan, count) for plan, count in db.session.execute(wanted.order_by(PlanImport.id.desc()).limit(20))]


def entries_that(*conditions: ColumnElement[bool]) -> list[Entry]:
    """Rows that meet them, those of other subtrees left out."""
    return list(db.session.scalars(select(Entry).where(*conditions).order_by(Entry.id)))


def guide_rows(actor: Actor, category: str, q: str) -> list[Guide]:
    """Guides of the whole deployment and of the actor's subtree, inactive ones too."""
    inside = select(Centre.id).where(*centres.inside(actor.centre_path))
    wanted = select(Guide).join(Category, Category.id == Guide.category_id)
    wanted = wanted.where(Guide.centre_id.is_(None) | Guide.centre_id.in_(inside))
    if category:
        parents = select(Category.id).where(Category.code == category)
        wanted = wanted.where((Category.code == category) | Category.parent_id.in_(parents))
    if q:
        wanted = wanted.where(Guide.title.contains(q, autoescape=True))
    wanted = wanted.options(joinedload(Guide.category).joinedload(Category.parent))
    return list(db.session.scalars(wanted.order_by(Category.position, Guide.position, Guide.id)))


def guide_categories() -> list[Category]:
    """Leaf categories that guides may stand in, with their parents."""
    wanted = select(Category).where(Category.kind == "guide").options(joinedload(Category.parent))
    found = list(db.session.scalars(wanted.order_by(Category.position)))
    parents = {c.parent_id for c in found}
    return [c for c in found if c.id not in parents]


Branch = list[tuple[Centre, int, bool]]  # centre, depth below the top, can be chosen


def allot_branches(path: str) -> list[tuple[Centre | None, Branch]]:
    """Centres between `path` and those that file lists, under each centre directly below the top that stands above
    some of them; what stands under none comes first. Each has somewhere to choose."""
    under: list[tuple[Centre | None, Branch]] = [(None, [])]
    for centre, depth, choosable in _allot_tree(path):
        if depth == 1 and not choosable:
            under.append((centre, []))
        else:
            under[-1 if depth > 1 else 0][1].append((centre, depth, choosable))
    return [(head, rows) for head, rows in under if any(choosable for _, _, choosable in rows)]


def wished(entry: Entry, among: Iterable[Centre]) -> set[int]:
    """Ids of the centres that a department's table names for its row: its wish stands in what is to be checked."""
    text, found = entry.check_note, set()
    for centre in sorted(among, key=lambda c: len(c.label), reverse=True):
        if centre.label in text:
            text = text.replace(centre.label, " ")
            found.add(centre.id)
    return found


def _allot_tree(path: str) -> Branch:
    """Centres between `path` and those that file lists."""
    filing = filing_centres(path)
    wanted = {i for c in filing for i in (*c.ancestor_ids, c.id)}
    found = db.session.scalars(select(Centre).where(Centre.id.in_(wanted), *centres.inside(path)))
    rows = sorted(found, key=lambda c: [int(i) for i in c.path.strip("/").split("/")])
    chosen, top = {c.id for c in filing}, min((c.depth for c in rows), default=0)
    return [(c, c.depth - top, c.id in chosen) for c in rows]
