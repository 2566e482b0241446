"""Centres to choose from, as every select box shows them: under the subdistrict (or community) they stand in.

Four hundred names in a row are found by nobody: `ui.centres` draws groups, `static/pick.js` lets them be typed into.
"""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import select

from portal.centres.models import Centre
from portal.centres.models import label as label_of
from portal.centres.queries import Choice, inside
from portal.core.db import db

Groups = list[tuple[str, list[tuple[str, str]]]]  # (heading, [(value, text)]); heading '' stands under none
INDENT = "\u3000"


def grouped(rows: Iterable[tuple[str, str, str]], labels: dict[int, str], top: int) -> Groups:
    """(path, value, text) rows in tree order, under the headings of the centres directly below the top of the list.

    labels: what those are called, by id. top: of how many ids the path of the list's top is made. A heading over one
    centre would say its name twice, so there is none.
    """
    found: list[tuple[int, list[tuple[str, str]], bool]] = []  # group, options, whether the group's own centre is there
    for path, value, text in rows:
        ids = [int(i) for i in path.strip("/").split("/")]
        group = ids[top] if len(ids) > top else 0
        if not found or found[-1][0] != group:
            found.append((group, [], len(ids) == top + 1))
        found[-1][1].append((value, INDENT * max(0, len(ids) - top - 2) + text))
    answer: Groups = []
    for group, items, own in found:
        heading = "" if own and len(items) == 1 else labels.get(group, "")
        if answer and answer[-1][0] == heading == "":
            answer[-1][1].extend(items)
        else:
            answer.append((heading, items))
    return answer


def of(choices: Sequence[Choice], value: Callable[[Choice], object] = lambda c: c.id) -> Groups:
    """Centres of `queries.choices` in groups; value: what the option sends."""
    top = min((len(c.path.strip("/").split("/")) for c in choices), default=1)
    labels = {c.id: c.label for c in choices}
    return grouped(((c.path, str(value(c)), c.name) for c in choices), labels, top)


def above_others(choices: Sequence[Choice]) -> Groups:
    """Of these, the ones that others stand below: what a list of many centres is narrowed to."""
    parents = {centre.parent_id for centre in choices}
    return of([centre for centre in choices if centre.id in parents])


def below(path: str, rows: Iterable[tuple[str, str, str]]) -> Groups:
    """Some centres at `path` and below, those without rooms left out, say; one statement for the headings."""
    top = len(path.strip("/").split("/")) if path.strip("/") else 0
    wanted = select(Centre.id, label_of(Centre)).where(Centre.depth == top)
    wanted = wanted.where(*inside(path)) if path else wanted
    return grouped(rows, dict(db.session.execute(wanted).all()), top)
