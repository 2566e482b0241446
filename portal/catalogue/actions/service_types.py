"""What is on offer: categories of the deployment, the list of services, guides (SPEC C1, C3)."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from portal.catalogue.models import Category, Guide, ServiceType
from portal.centres import profile
from portal.centres.actions import ImportRefused, RowProblem
from portal.core import audit, registry
from portal.core.access import Actor, system_actor
from portal.core.db import db

COLUMNS = ("category", "subcategory", "name", "source")
LIMITS = {"category": 30, "subcategory": 30, "name": 60, "source": 80}
GUIDE_KIND = "guide"
GUIDE_FIELDS = ("summary", "phone", "link", "steps", "materials", "time_limit", "fee", "address")


class ServicesRefused(ImportRefused):
    """Nothing was imported; `problems` says why, line by line."""


@dataclass(frozen=True, slots=True)
class ServicesResult:
    added: int
    unchanged: int
    guides: int
    categories: tuple[str, ...]  # made because the profile does not know them


def load_categories() -> int:
    """Bring the profile's categories.csv into the table. Idempotent; returns how many are new."""
    file = profile.current().file("categories.csv")
    if not file.exists():
        return 0
    known = {c.code: c for c in db.session.scalars(select(Category))}
    added = 0
    for position, row in enumerate(_cells(file.read_text(encoding="utf-8")), 1):
        category = known.get(row["code"])
        if category is None:
            category = Category(code=row["code"], name=row["name"], kind=row["kind"])
            db.session.add(category)
            added += 1
        parent = known.get(row["parent_code"])
        category.name, category.kind, category.position = row["name"], row["kind"], position
        category.parent_id = parent.id if parent else None
        category.expected = int(row["expected"]) if row["expected"] else None
        db.session.flush()
        known[category.code] = category
    return added


def _cells(text: str) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    return [{k: (v or "").strip() for k, v in row.items() if k} for row in rows]


def read_services(text: str) -> list[dict[str, str]]:
    """Rows of a services file (category,subcategory,name,source). Raises ServicesRefused with every bad line."""
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    header = [(h or "").strip() for h in reader.fieldnames or []]
    missing = [c for c in COLUMNS[:3] if c not in header]
    if missing:
        raise ServicesRefused([RowProblem(1, f"缺少列：{'、'.join(missing)}（应有 {','.join(COLUMNS)}）")])
    found: list[dict[str, str]] = []
    problems: list[RowProblem] = []
    seen: dict[tuple[str, ...], int] = {}
    for raw in reader:
        if not any(raw.values()):
            continue
        row = {c: str(raw.get(c) or "").strip() for c in COLUMNS}
        key = (row["category"], row["subcategory"], row["name"])
        why = _bad(row, None in raw)
        if key in seen:
            why = f"与第 {seen[key]} 行重复"
        if why:
            problems.append(RowProblem(reader.line_num, why))
        seen.setdefault(key, reader.line_num)
        found.append(row)
    if not found and not problems:
        problems.append(RowProblem(1, "文件里没有服务"))
    if problems:
        raise ServicesRefused(problems)
    return found


def _bad(row: dict[str, str], extra: bool) -> str:
    if extra:
        return "列数比表头多"
    empty = [c for c in COLUMNS[:3] if not row[c]]
    if empty:
        return f"缺少 {'、'.join(empty)}"
    long = [c for c in COLUMNS if len(row[c]) > LIMITS[c]]
    return f"{'、'.join(long)} 太长（最多 {LIMITS[long[0]]} 个字）" if long else ""


def import_services(text: str, actor: Actor, now: datetime) -> ServicesResult:
    """Add services from a CSV file; idempotent, all or nothing (C1).

    Services of guide categories also become public guides with what is generally known of them; a guide that staff
    have already written is left as it is. Flushes only. Raises ServicesRefused.
    """
    wanted = read_services(text)
    load_categories()
    names = {(c.parent.name if c.parent else "", c.name): c for c in db.session.scalars(select(Category))}
    made: list[str] = []
    known = {(s.category_id, s.name): s for s in db.session.scalars(select(ServiceType))}
    added = 0
    for position, row in enumerate(wanted, 1):
        category = _category(names, row, made)
        service = known.get((category.id, row["name"]))
        if service is None:
            service = ServiceType(category_id=category.id, name=row["name"], source=row["source"], position=position)
            db.session.add(service)
            known[(category.id, row["name"])] = service
            added += 1
    db.session.flush()
    guides = load_guides(now)
    result = ServicesResult(added, len(wanted) - added, guides, tuple(made))
    if added or guides or made:
        audit.record(
            actor, "import_services", "service_type", None, now, summary=f"服务项目新增 {added}，指南新增 {guides}"
        )
    return result


def _category(names: dict[tuple[str, str], Category], row: dict[str, str], made: list[str]) -> Category:
    """The category of a row; an unknown one is made, in the kind of its parent."""
    top = names.get(("", row["category"])) or _make(names, row["category"], None, made)
    return names.get((top.name, row["subcategory"])) or _make(names, row["subcategory"], top, made)


def _make(names: dict[tuple[str, str], Category], name: str, parent: Category | None, made: list[str]) -> Category:
    last = db.session.scalar(select(func.max(Category.position))) or 0
    category = Category(
        code=f"own-{len(names) + 1}", name=name, parent_id=parent.id if parent else None,
        kind=parent.kind if parent else "activity", position=last + 1,
    )  # fmt: skip
    db.session.add(category)
    db.session.flush()
    names[(parent.name if parent else "", name)] = category
    made.append(name)
    return category


def load_guides(now: datetime) -> int:
    """A guide for each service of a guide category that has none yet. Returns how many were made."""
    content = _guide_content()
    services = select(ServiceType).join(Category).where(Category.kind == GUIDE_KIND, ServiceType.active)
    services = services.order_by(Category.position, ServiceType.position)
    there = set(db.session.execute(select(Guide.category_id, Guide.title).where(Guide.centre_id.is_(None))))
    added = 0
    for position, service in enumerate(db.session.scalars(services), 1):
        if (service.category_id, service.name) in there:
            continue
        known = content.get((service.category.name, service.name), {})
        words = {name: known.get(name, "") for name in GUIDE_FIELDS}
        words["steps"] = words["steps"].replace("|", "\n")
        words["summary"] = words["summary"] or "请联系您所在社区的党群服务中心，工作人员会告诉您怎么办、到哪办。"
        guide = Guide(
            category_id=service.category_id, service_type_id=service.id, title=service.name, position=position,
            external=bool(known.get("external")), updated_at=now, **words,
        )  # fmt: skip
        db.session.add(guide)
        added += 1
    db.session.flush()
    return added


def _guide_content() -> dict[tuple[str, str], dict[str, str]]:
    """What is generally known of a guide, from the deployment's guides.csv (steps are divided by '|')."""
    file = profile.current().file("guides.csv")
    if not file.exists():
        return {}
    return {(row["category"], row["name"]): row for row in _cells(file.read_text(encoding="utf-8"))}


def services_file() -> Path:
    return profile.current().file("services.csv")


@registry.on_init
def load_offer(now: datetime) -> str:
    """Part of `flask init`: the deployment's categories, services and guides."""
    added = load_categories()
    file = services_file()
    if not file.exists():
        return f"类别 {added} 个。"
    result = import_services(file.read_text(encoding="utf-8-sig"), system_actor("初始化"), now)
    return f"类别新增 {added}，服务项目新增 {result.added}，指南新增 {result.guides}。"
