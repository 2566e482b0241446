"""Many papers in one press: lists, posters, codes, door sheets, weeks of rooms (SPEC C10, N3, V5, V7, Q7).

A pack is a row beside those of lists (`PrintedDocument`, paper `pack`) and a folder in DATA_DIR/cache/packs. Its first
turn reads everything that is to be printed and writes each paper's job as a file; each turn then lays out papers for a
few seconds and asks for the next, so that messages and lists do not wait behind it. Whatever a turn left is found again
by the clock. A pack may hold the keys of doors: it is for staff, and gone after a day.
"""

import fcntl
import hashlib
import io
import json
import shutil
import time as wall
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pikepdf
import structlog
from flask import current_app
from sqlalchemy import func, or_, select

from portal.catalogue.models import PrintedDocument
from portal.catalogue.paper import printing
from portal.catalogue.paper.documents import ListDocument
from portal.catalogue.states import PRINT
from portal.centres import documents as centre_documents
from portal.centres import posters
from portal.centres.models import Centre
from portal.core import clock, job_queue, pdf, registry, scope, states
from portal.core.access import Actor, Permission, system_actor
from portal.core.db import db, writing
from portal.core.errors import DomainError
from portal.venues import room_queries
from portal.venues.models import Venue
from portal.venues.paper import documents as venue_documents
from portal.venues.paper import timetables

log = structlog.get_logger()

#: What can be ticked, in the order in which it is printed.
KINDS = {
    **printing.PAPERS, "code": "中心二维码海报", "week": "场地周表", "door": "场地门口二维码",
}  # fmt: skip
OF_A_LIST = frozenset(printing.PAPERS)
MOST_PAPERS = 600  # about four minutes of the worker's time, in turns
MOST_OPEN = 6  # for all staff together
TURN_SECONDS = 5.0
STUCK_AFTER = timedelta(minutes=1)
KEEP = timedelta(days=1)


@dataclass(frozen=True)
class Choice:
    """What is to be printed, and for which centres. since: the first day of the lists, or None for the whole month."""

    month: str
    kinds: tuple[str, ...]
    centre_ids: tuple[int, ...]
    since: date | None = None

    def as_data(self) -> dict[str, Any]:
        return {"kinds": list(self.kinds), "centres": list(self.centre_ids), "since": self.since and str(self.since)}


@dataclass(frozen=True)
class Paper:
    """One paper of a pack. name: of its file, without its ending."""

    name: str
    job: pdf.PrintJob


class NothingChosen(DomainError):
    status = 422
    message = "还没有选要印什么、印哪些中心的。"
    advice = "至少各勾一样，再开始排版。"


class NothingThere(DomainError):
    status = 422
    message = "选中的中心现在没有可以印的：这个月的清单还没有公布，或者没有场地。"
    advice = "换一个月份，或者改印中心二维码海报。"


class TooManyPapers(DomainError):
    status = 422
    advice = "请少勾几样，或者一次只印一个街道。"

    def __init__(self, count: int) -> None:
        super().__init__(f"一次最多印 {MOST_PAPERS} 份，这次要 {count} 份。")


class TooManyPacks(DomainError):
    status = 503
    message = f"现在已经有 {MOST_OPEN} 批在排版，排不下了。"
    advice = "请过几分钟再来；要得急的，可以先一份一份地打印。"


# Asking ---------------------------------------------------------------------------------------------------------------


def may_have(actor: Actor, kinds: Iterable[str]) -> bool:
    """The code at a door checks people in: only those who look after rooms print it."""
    return "door" not in kinds or actor.can(Permission.VENUES)


def ask(actor: Actor, choice: Choice, now: datetime) -> PrintedDocument:
    """Have it made; asking again while it is being made is the same.

    Raises: NothingChosen, TooManyPapers, TooManyPacks.
    """
    if not choice.kinds or not choice.centre_ids:
        raise NothingChosen()
    count = about(choice)
    if count > MOST_PAPERS:
        raise TooManyPapers(count)
    data = choice.as_data()
    waiting = open_packs()
    for pack in waiting:
        if (pack.centre_id, pack.month) == (actor.centre_id, choice.month) and pack.data == data:
            return pack
    if len(waiting) >= MOST_OPEN:
        raise TooManyPacks()
    digest = hashlib.sha256(f"{now.isoformat()} {json.dumps(data)}".encode()).hexdigest()
    pack = PrintedDocument(
        centre_id=actor.centre_id, month=choice.month, paper=printing.PACK, digest=digest, data=data, parts=count,
        asked_at=now,
    )  # fmt: skip
    db.session.add(pack)
    db.session.flush()
    job_queue.call_soon("catalogue.print_pack", pack.id)
    return pack


def about(choice: Choice) -> int:
    """How many papers there will be at most: a centre may have no list, but each room has its own sheet."""
    chosen = Venue.centre_id.in_(choice.centre_ids), Venue.active, Venue.bookable
    with scope.system("how many papers a pack has"):
        rooms, homes = db.session.execute(
            select(func.count(), func.count(Venue.centre_id.distinct())).where(*chosen)
        ).one()
    each = {"week": homes, "door": rooms}
    return sum(each.get(kind, len(choice.centre_ids)) for kind in choice.kinds)


def open_packs() -> list[PrintedDocument]:
    """What waits or is being made, of all centres: the line is one."""
    with scope.system("the line of packs is one for all"):
        wanted = select(PrintedDocument).where(
            PrintedDocument.paper == printing.PACK, PrintedDocument.status.in_(("asked", "making"))
        )
        return list(db.session.scalars(wanted))


def recent(centre_path: str) -> list[PrintedDocument]:
    """Packs of the caller's centre that are still there, newest first."""
    wanted = select(PrintedDocument).join(Centre, Centre.id == PrintedDocument.centre_id)
    wanted = wanted.where(PrintedDocument.paper == printing.PACK, Centre.path == centre_path)
    return list(db.session.scalars(wanted.order_by(PrintedDocument.id.desc()).limit(5)))


# What is in it --------------------------------------------------------------------------------------------------------


def papers(choice: Choice, now: datetime) -> Iterator[Paper]:
    """Every paper of a pack, in the order of its book: centre by centre."""
    wanted = select(Centre).where(Centre.id.in_(choice.centre_ids), Centre.active)
    chosen = sorted(db.session.scalars(wanted), key=lambda c: [int(i) for i in c.path.strip("/").split("/")])
    lists = _lists(chosen, choice, now) if OF_A_LIST & set(choice.kinds) else {}
    shown = posters.posters(chosen, clock.today(now)) if "code" in choice.kinds else []
    codes = dict(zip((c.id for c in chosen), shown, strict=False))
    for centre in chosen:
        for kind, what in KINDS.items():
            if kind not in choice.kinds:
                continue
            if kind in OF_A_LIST and centre.id in lists:
                yield Paper(f"{centre.label}-{what}", printing.print_job(lists[centre.id], kind))
            elif kind == "code":
                yield Paper(f"{centre.label}-{what}", centre_documents.centre_poster(codes[centre.id]))
            elif kind == "week":
                week = timetables.centre_week(centre, timetables.monday_of(clock.today(now)), now)
                if week is not None:
                    yield Paper(f"{centre.label}-{what}", venue_documents.centre_week(week, "a4"))
            elif kind == "door":
                yield from _doors(centre, now)


def _lists(chosen: Sequence[Centre], choice: Choice, now: datetime) -> dict[int, ListDocument]:
    """The list of each chosen centre alone, without those of the centres below it that have their own."""
    found: dict[int, ListDocument] = {}
    tops = [c for c in chosen if not any(c.path != d.path and c.path.startswith(d.path) for d in chosen)]
    by_code = {c.code: c for c in chosen}
    for top in tops:
        document = printing.list_document(top, choice.month, now, choice.since)
        if document is None:
            continue
        for part in document.parts:
            if part.code in by_code:
                alone = replace(
                    document, parts=(part,), scope_name=part.label, responsible=part.responsible or part.name,
                    phone=part.phone, phone_of=part.phone_of, url=part.url,
                )  # fmt: skip
                found[by_code[part.code].id] = alone
    return found


def _doors(centre: Centre, now: datetime) -> Iterator[Paper]:
    for venue in room_queries.of_centre(centre.id):
        job = venue_documents.door_poster(timetables.door_poster(venue, now))
        yield Paper(f"{centre.label}-{venue.name}门口二维码", job)


# Making ---------------------------------------------------------------------------------------------------------------


def folder_of(pack: PrintedDocument) -> Path:
    """Where its papers are while it is made."""
    return _home() / f"pack-{pack.id}"


def file_of(pack: PrintedDocument, kind: str) -> Path:
    """The finished book (pdf) or folder (zip)."""
    return _home() / f"pack-{pack.id}.{kind}"


def _home() -> Path:
    home: Path = current_app.config["DATA_DIR"] / "cache" / "packs"
    return home


def done(pack: PrintedDocument) -> tuple[int, int]:
    """How many papers are laid out, of how many."""
    with suppress(FileNotFoundError):
        names = [path.suffix for path in folder_of(pack).iterdir()]
        jobs = names.count(".json")
        return names.count(".pdf"), jobs or pack.parts
    return 0, pack.parts


@job_queue.task("catalogue.print_pack")
def turn(pack_id: int) -> bool:
    """Lay out papers for a few seconds. Returns whether the pack is finished. Two workers may try; one does it."""
    _home().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (_home() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # the clock comes by again
        try:
            return _turn(pack_id)
        except Exception as error:
            log.exception("printing a pack failed", document_id=pack_id)
            _move(pack_id, "fail", error=str(error)[:200])
            return False


def _turn(pack_id: int) -> bool:
    now = clock.now()
    with scope.system("print pack"):
        pack = db.session.get(PrintedDocument, pack_id)
        if pack is None or pack.status not in ("asked", "making"):
            return False
        folder, data, month, status = folder_of(pack), pack.data, pack.month, pack.status
        if status == "asked":
            since = date.fromisoformat(data["since"]) if data["since"] else None
            choice = Choice(month, tuple(data["kinds"]), tuple(data["centres"]), since)
            found = list(papers(choice, now))
        db.session.rollback()
    if status == "asked":
        _write_jobs(folder, found)
        _move(pack_id, "start", started_at=now)
    until = wall.monotonic() + TURN_SECONDS
    waiting = [path for path in sorted(folder.glob("*.json")) if not path.with_suffix(".pdf").exists()]
    for path in waiting:
        if wall.monotonic() > until:
            _again_soon(pack_id)
            return False
        _keep(path.with_suffix(".pdf"), pdf.render(json.loads(path.read_bytes())["job"]))
    return _finish(pack_id, folder)


def _write_jobs(folder: Path, found: Sequence[Paper]) -> None:
    """Each paper's job as a file, under a name that nobody else in the folder has."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    names: dict[str, int] = {}
    for number, paper in enumerate(found):
        name = "".join("-" if char in '\\/:*?"<>|' or ord(char) < 32 else char for char in paper.name).strip(" .")
        names[name] = names.get(name, 0) + 1
        name += f"（{names[name]}）" if names[name] > 1 else ""
        _keep(folder / f"{number:04d}.json", json.dumps({"name": name, "job": paper.job.as_data()}).encode())


def _keep(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".tmp")
    draft.write_bytes(data)
    draft.replace(path)  # whole or not at all


def _again_soon(pack_id: int) -> None:
    with writing(), scope.system("print pack"):
        pack = db.session.get_one(PrintedDocument, pack_id)
        pack.started_at = clock.now()  # a sign of life
        job_queue.call_soon("catalogue.print_pack", pack_id)


def _finish(pack_id: int, folder: Path) -> bool:
    """Bind the book, fill the folder. Nothing to print is a failure that says so."""
    jobs = sorted(folder.glob("*.json"))
    if not jobs:
        _move(pack_id, "fail", error=NothingThere.message)
        return False
    book, home, out = pikepdf.new(), folder.parent, io.BytesIO()
    opened = []  # pages are copied when the book is saved
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive, book.open_outline() as outline:
        for path in jobs:
            name, made = json.loads(path.read_bytes())["name"], path.with_suffix(".pdf").read_bytes()
            archive.writestr(f"{name}.pdf", made)
            outline.root.append(pikepdf.OutlineItem(name, len(book.pages)))
            opened.append(pikepdf.open(io.BytesIO(made)))
            book.pages.extend(opened[-1].pages)
    _keep(home / f"pack-{pack_id}.zip", out.getvalue())
    bound = io.BytesIO()
    book.save(bound, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    _keep(home / f"pack-{pack_id}.pdf", bound.getvalue())
    _move(pack_id, "finish", pages=len(book.pages), parts=len(jobs), ready_at=clock.now(), file=f"pack-{pack_id}.pdf")
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _move(pack_id: int, step: str, **values: Any) -> None:
    with writing(), scope.system("print pack"):
        pack = db.session.get(PrintedDocument, pack_id)
        if pack is None:
            return
        if step == "fail" and pack.status == "asked":
            states.fire(PRINT, pack, "start", system_actor("打印"), clock.now())
        states.fire(PRINT, pack, step, system_actor("打印"), clock.now(), values=values)


@registry.due
def make_packs(now: datetime) -> int:
    """Packs whose turn nobody took, or whose maker died; old ones go."""
    asked, started = PrintedDocument.asked_at, PrintedDocument.started_at
    over = asked < now - KEEP
    left = or_(
        over,
        (PrintedDocument.status == "asked") & (asked <= now - timedelta(seconds=30)),
        (PrintedDocument.status == "making") & (started <= now - STUCK_AFTER),
    )
    with scope.system("print pack"):
        wanted = select(PrintedDocument.id, over).where(PrintedDocument.paper == printing.PACK, left)
        found = db.session.execute(wanted).all()
        db.session.rollback()
    old = [pack_id for pack_id, is_old in found if is_old]
    if old:
        _forget(old)
    return sum(turn(pack_id) for pack_id, is_old in found if not is_old)


def _forget(pack_ids: Sequence[int]) -> None:
    """Rows first: what a row no longer names is nobody's, and goes with the next old one at the latest."""
    with writing(), scope.system("print pack"):
        for pack in db.session.scalars(select(PrintedDocument).where(PrintedDocument.id.in_(pack_ids))):
            db.session.delete(pack)
    for pack_id in pack_ids:
        shutil.rmtree(_home() / f"pack-{pack_id}", ignore_errors=True)
        for kind in ("pdf", "zip"):
            (_home() / f"pack-{pack_id}.{kind}").unlink(missing_ok=True)
