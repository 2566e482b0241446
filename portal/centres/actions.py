"""Writes of the tree: a table of centres is looked at, then taken in whole or not at all (SPEC N2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from portal.centres import comparing, queries, rules, table
from portal.centres.comparing import CHANGED, NEW, Compared, Tree
from portal.centres.models import Centre, CentreSheet, OpeningHours
from portal.centres.profile import Profile
from portal.centres.table import Line, Sent
from portal.core import audit
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import Invalid, NotAllowed, Stale
from portal.core.tables import reading
from portal.core.tables.grid import Unreadable


@dataclass(frozen=True, slots=True)
class RowProblem:
    line: int  # as Excel shows it, the first is 1
    reason: str


class ImportRefused(Invalid):
    """Nothing was imported; `problems` says why, line by line."""

    message = "文件里有错误，一行也没有导入。"

    def __init__(self, problems: list[RowProblem]) -> None:
        super().__init__()
        self.problems = problems


class SeenAnother(Stale):
    message = "您看过之后，有人改了阵地的信息，下面是现在的对比，还没有导入。"
    advice = "请再看一眼，没有问题就再按一次。"


@dataclass(frozen=True, slots=True)
class ImportResult:
    added: int
    changed: int
    unchanged: int


def may_import(actor: Actor) -> bool:
    """The tree is the business of the top of the review chain."""
    return actor.can(Permission.CENTRES) and queries.at_top(actor)


def import_centres(text: str, profile: Profile, actor: Actor, now: datetime) -> ImportResult:
    """Add or update centres from CSV text of the operator's; the same text twice changes nothing.

    Raises ImportRefused with every bad row's line and reason; then nothing is stored.
    """
    try:
        sent = table.read(text.encode())
    except Unreadable as unreadable:
        raise ImportRefused([RowProblem(1, unreadable.message)]) from None
    return import_table(sent, profile, actor, now)


def import_table(sent: Sent, profile: Profile, actor: Actor, now: datetime) -> ImportResult:
    """Take a table in, all of it or nothing. Locks the centres. Raises ImportRefused."""
    return _take(comparing.compare(sent, Tree(profile, lock=True)), actor, now)


def read_file(data: bytes) -> Sent:
    """The table in a file, read in the child. Raises TableRefused. Before anything is written."""
    sent: Sent = reading.read(data, by="portal.centres.table.read")
    return sent


def keep(actor: Actor, filename: str, sent: Sent, now: datetime) -> CentreSheet:
    """Keep a table until it is confirmed, so that nothing is lost by leaving. Raises NotAllowed."""
    _must(actor)
    assert actor.centre_id is not None  # at the top of a chain, so of a centre
    sheet = CentreSheet(
        centre_id=actor.centre_id,
        filename=filename[-120:],
        rows=[asdict(line) for line in sent.lines],
        head=sent.head,
        unused=list(sent.unused)[:20],
        created_by=actor.name[:40],
        created_at=now,
    )
    db.session.add(sheet)
    db.session.flush()
    return sheet


def compared(sheet: CentreSheet, profile: Profile, lock: bool = False) -> list[Compared]:
    """A kept table beside the tree as it is now. Two statements."""
    sent = Sent(tuple(Line(**row) for row in sheet.rows), sheet.head, tuple(sheet.unused))
    return comparing.compare(sent, Tree(profile, lock))


def take_in(actor: Actor, sheet: CentreSheet, seen: str, profile: Profile, now: datetime) -> ImportResult:
    """Take a kept table in, all of it or nothing; twice changes nothing more. seen: `fingerprint` of what was shown.

    Locks the centres. Raises NotAllowed, ImportRefused, SeenAnother when it would do something else by now.
    """
    _must(actor)
    rows = compared(sheet, profile, lock=True)
    if sheet.taken_at is None and comparing.fingerprint(rows) != seen:
        raise SeenAnother()
    result = _take(rows, actor, now)
    sheet.taken_at = sheet.taken_at or now
    db.session.flush()
    return result


def lay_aside(actor: Actor, sheet: CentreSheet) -> None:
    """Give a kept table up; what was taken in stays. Raises NotAllowed."""
    _must(actor)
    db.session.delete(sheet)
    db.session.flush()


def _must(actor: Actor) -> None:
    if not may_import(actor):
        raise NotAllowed("阵地的表由最上级的管理员导入。")


def _take(rows: Sequence[Compared], actor: Actor, now: datetime) -> ImportResult:
    problems = [RowProblem(row.number, reason) for row in rows for reason in row.problems]
    if problems:
        raise ImportRefused(problems)
    added = [row for row in rows if row.kind == NEW]
    changed = [row for row in rows if row.kind == CHANGED]
    for row in added:
        row.centre = Centre(code=row.code, functions=[], created_at=now, updated_at=now)
        db.session.add(row.centre)
    for row in (*added, *changed):
        _fill(row, now)
    db.session.flush()
    if any(row.parent_code is not None for row in rows):
        _link(rows)
    _write_hours([row for row in (*added, *changed) if row.hours is not None])
    _log(actor, added, changed, now)
    return ImportResult(len(added), len(changed), len(rows) - len(added) - len(changed))


def _fill(row: Compared, now: datetime) -> None:
    centre = row.centre
    assert centre is not None
    for name, value in row.values.items():
        setattr(centre, name, value)
    if "name" in row.values:
        centre.short_name = rules.short_name(centre.name)
    centre.updated_at = now


def _link(rows: Iterable[Compared]) -> None:
    """Set parents, then paths top down."""
    centres = {centre.code: centre for centre in db.session.scalars(select(Centre))}
    for row in rows:
        if row.parent_code is not None:
            above = centres.get(row.parent_code)
            centres[row.code].parent_id = above.id if above else None
    below: dict[int | None, list[Centre]] = {}
    for centre in centres.values():
        below.setdefault(centre.parent_id, []).append(centre)
    todo = [(centre, "/", 0) for centre in below.get(None, [])]
    while todo:
        centre, prefix, depth = todo.pop()
        path = f"{prefix}{centre.id}/"
        if centre.path != path:
            centre.path, centre.depth = path, depth
        todo += [(child, path, depth + 1) for child in below.get(centre.id, [])]
    db.session.flush()


def _write_hours(rows: Sequence[Compared]) -> None:
    """Two statements, however many centres."""
    weeks = {row.centre.id: row.hours for row in rows if row.centre is not None and row.hours is not None}
    if not weeks:
        return
    db.session.execute(delete(OpeningHours).where(OpeningHours.centre_id.in_(weeks)))
    spans = [
        {"centre_id": number, "weekday": day, "opens": span.opens, "closes": span.closes, "note": span.note}
        for number, week in weeks.items()
        for day, hours in week.items()
        for span in hours
    ]
    if spans:
        db.session.execute(insert(OpeningHours), spans)


def _log(actor: Actor, added: Sequence[Compared], changed: Sequence[Compared], now: datetime) -> None:
    """One line for the import, and one for each centre that says something else than before."""
    if added or changed:
        said = f"导入阵地：新增 {len(added)}，更新 {len(changed)}"
        audit.record(actor, "import", "centre", None, now, summary=said)
    for row in changed:
        assert row.centre is not None
        audit.record(
            actor,
            "edit_centre",
            "centre",
            row.centre.id,
            now,
            summary=row.centre.name,
            before={change.column: change.before for change in row.changes},
            after={change.column: change.after for change in row.changes},
            centre_id=row.centre.id,
            centre_path=row.centre.path,
        )
