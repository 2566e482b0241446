"""Writing guides: life guide and policy advice (SPEC C3)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import select

from portal.catalogue.models import Category, Guide
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import audit
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import DomainError, Invalid, NotYourTurn


class GuideThere(Invalid):
    message = "这个类别里已经有同名的指南。"
    advice = "请改名，或直接修改原来那一条。"
    field = "title"


def centre_inside(actor: Actor, centre_id: int | None) -> Centre | None:
    """A centre of the actor's subtree, or None."""
    centre = centres.get(centre_id)
    return centre if centre is not None and actor.centre_path and centres.is_inside(centre, actor.centre_path) else None


def kept_by(actor: Actor, guides: Iterable[Guide]) -> set[int]:
    """Ids of those guides that this actor may change; as many statements for forty as for one."""
    found = list(guides)
    tree = list(db.session.scalars(select(Centre)))  # held, so that each guide's centre is answered from memory
    kept = {guide.id for guide in found if may_keep_guide(actor, guide)}
    tree.clear()
    return kept


def may_keep_guide(actor: Actor, guide: Guide | None) -> bool:
    """A guide of one centre is kept by it and above; one of the whole deployment by the top of the review chain."""
    if not actor.can(Permission.GUIDES) or actor.department_id is not None:
        return False
    if guide is None:
        return actor.centre_id is not None
    return centres.at_top(actor) if guide.centre_id is None else centre_inside(actor, guide.centre_id) is not None


def _need(actor: Actor, guide: Guide | None) -> None:
    if not may_keep_guide(actor, guide):
        raise NotYourTurn("这条指南由上级维护。")


def save_guide(actor: Actor, guide: Guide | None, values: dict[str, Any], now: datetime) -> Guide:
    """Write a guide, or make a new one: for the whole deployment when the actor stands at its top, else for the
    actor's own centre. Raises NotAllowed, GuideThere.
    """
    _need(actor, guide)
    own = db.session.get_one(Centre, actor.centre_id)
    home = (None if not centres.review_chain(own) else own.id) if guide is None else guide.centre_id
    if db.session.get(Category, values["category_id"]) is None:
        raise DomainError("请选择类别。", field="category_id")
    same = select(Guide.id).where(Guide.category_id == values["category_id"], Guide.title == values["title"])
    same = same.where(Guide.centre_id.is_(None) if home is None else Guide.centre_id == home)
    other = db.session.scalar(same.limit(1))
    if other is not None and (guide is None or other != guide.id):
        raise GuideThere()
    if guide is None:
        guide = Guide(centre_id=home, updated_at=now, **values)
        db.session.add(guide)
        before: dict[str, Any] = {}
    else:
        before = {name: getattr(guide, name) for name in values}
        for name, value in values.items():
            setattr(guide, name, value)
        guide.updated_at = now
    db.session.flush()
    changed = {n: v for n, v in values.items() if before.get(n) != v}
    audit.record(
        actor, "save_guide", "guide", guide.id, now, summary=guide.title,
        before={n: before[n] for n in changed if n in before} or None, after=changed or None,
    )  # fmt: skip
    return guide


def show_guide(actor: Actor, guide: Guide, shown: bool, now: datetime) -> None:
    """Take a guide off the residents' page, or put it back; nothing is deleted. Raises NotAllowed."""
    _need(actor, guide)
    if guide.active != shown:
        guide.active, guide.updated_at = shown, now
        audit.record(actor, "show_guide" if shown else "hide_guide", "guide", guide.id, now, summary=guide.title)
    db.session.flush()
