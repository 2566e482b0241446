"""Which categories a row of the list may stand in (SPEC C1)."""

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.catalogue.models import Category
from portal.core.db import db


def leaf_categories() -> list[Category]:
    """Categories a row may stand in: leaves below or at an activity category, in the profile's order; each with its
    parent. One query."""
    wanted = select(Category).options(joinedload(Category.parent)).order_by(Category.position, Category.id)
    every = list(db.session.scalars(wanted))
    by_id = {c.id: c for c in every}
    parents = {c.parent_id for c in every}

    def top(category: Category) -> Category:
        return by_id[category.parent_id] if category.parent_id else category

    return [c for c in every if c.id not in parents and c.kind != "other" and top(c).kind == "activity"]
