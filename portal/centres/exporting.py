"""All centres of a subtree as the table that an import reads back without a change (SPEC N2)."""

from sqlalchemy import select

from portal.centres import profile, queries, table
from portal.centres.comparing import PLAIN, READERS, Tree, written
from portal.centres.models import Centre
from portal.core.db import db


def csv_file(path: str = "/") -> bytes:
    """Under the columns' names and codes, for programs."""
    return table.to_csv(_rows(path, words=False))


def workbook(path: str = "/") -> bytes:
    """In the words of the form, for people."""
    current = profile.current()
    levels = [level.short for level in current.levels]
    return table.to_xlsx(_rows(path, words=True), levels, list(dict.fromkeys(current.kinds.values())))


def _rows(path: str, words: bool) -> list[dict[str, str]]:
    """A row for each active centre of `path` and below, in tree order. Three statements."""
    tree = Tree(profile.current())
    inside = select(Centre).where(*queries.inside(path), Centre.active)
    return [_row(centre, tree, words) for centre in queries.in_tree_order(db.session.scalars(inside))]


def _row(centre: Centre, tree: Tree, words: bool) -> dict[str, str]:
    week = tree.week.get(centre.id, {})
    plain = {name: written(name, getattr(centre, name)) for name in (*PLAIN, *READERS)}
    return plain | {
        "code": centre.code,
        "level": tree.level_word(centre.level) if words else centre.level,
        "kind": tree.kind_word(centre.kind) if words else centre.kind,
        "parent_code": tree.parent_code(centre),
        "hours": table.usual_text(week),
        "off_peak": table.off_peak_text(week),
    }
