"""The spool: PDFs and large tables that pages ask for, made outside the web process (SPEC Q7).

A request whose document is not made yet leaves its job as a file in DATA_DIR/cache/pdf/waiting and answers a page that
comes back by itself. The worker makes the jobs one after the other, oldest first, and leaves them or `TICKET.failed` in
`made`. A PDF's ticket is the hash of what is printed, so it is kept for whoever asks next; a table's ends in its kind.
The line is one for all web workers, bounded, and needs neither database nor Redis. Everything here may be deleted at
any time. What names people (private) is gone after minutes.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from flask import Response, current_app
from werkzeug.urls import iri_to_uri

from portal.core import pages, pdf

log = structlog.get_logger()

MOST_WAITING = 20  # for all web workers together; half a second each
BUSY_SECONDS = 30  # after so long a visitor who found the line full comes back
STUCK_SECONDS = 120  # a job that waits longer: nobody works
RETRY_SECONDS = 600  # a document that failed is not tried again before
PRIVATE_SECONDS = 600
KEEP_SECONDS = 30 * 86400
KEEP_BYTES = 300 * 1024**2
LOOK_SECONDS = 0.1
CLEAN_SECONDS = 60
PRIVATE = "p-"  # begins the names of what names people


class Unfinished(Exception):
    """A maker has worked long enough for one turn; what waits behind its job comes first. changes: of the job, for the
    next turn."""

    def __init__(self, changes: dict[str, Any]) -> None:
        super().__init__("one more turn")
        self.changes = changes


Maker = Callable[[dict[str, Any]], bytes]


def _pdf(job: dict[str, Any]) -> bytes:
    return pdf.render(job)


class Spool:
    """Waiting jobs, made documents and last editions of books. Times are seconds of the wall clock.

    make: what makes a job that was read from its file; without, PDFs are made.
    """

    def __init__(self, folder: Path, make: Maker | None = None) -> None:
        self.folder, self.make = folder, make or _pdf
        self.waiting, self.made, self.editions = (folder / name for name in ("waiting", "made", "editions"))
        for inner in (self.waiting, self.made, self.editions):
            inner.mkdir(mode=0o700, parents=True, exist_ok=True)

    def file(self, ticket: str) -> Path:
        """Where the document is when it is made."""
        return self.made / (ticket if "." in ticket else f"{ticket}.pdf")

    def line(self) -> list[tuple[float, str]]:
        """When it was asked for and the ticket of each waiting job, oldest first."""
        jobs = ((path.name, asked) for path, asked, _ in _files(self.waiting) if path.suffix == ".json")
        return sorted((asked, name.removesuffix(".json")) for name, asked in jobs)

    def ask(self, ticket: str, job: dict[str, Any]) -> int | None:
        """Have the job made; asking twice is the same as asking once. How many are before it, or None: line is full.

        Raises: PdfFailed when it failed lately, or when nobody works; OSError when it cannot be written.
        """
        self._raise_failure(ticket)
        asked = {name: moment for moment, name in self.line()}
        if ticket not in asked:
            if len(asked) >= MOST_WAITING:
                return None
            _write(self.waiting / f"{ticket}.json", json.dumps(job).encode())
            return len(asked)
        # Its own wait: what others left while nobody worked may be older and is being made now.
        if time.time() - asked[ticket] > STUCK_SECONDS:
            raise pdf.PdfFailed("the worker does not make what waits")
        return list(asked).index(ticket)

    def _raise_failure(self, ticket: str) -> None:
        path = self.made / f"{ticket}.failed"
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime < RETRY_SECONDS:
                too_large, reason = json.loads(path.read_bytes())
                raise (pdf.PdfTooLarge if too_large else pdf.PdfFailed)(reason)

    def make_next(self) -> bool:
        """Make the job that has waited longest. Returns whether there was one."""
        line = self.line()
        if not line:
            return False
        ticket = line[0][1]
        job = self.waiting / f"{ticket}.json"
        result = self.file(ticket)
        if not result.exists():  # somebody may have asked again in the moment it was done
            asked: dict[str, Any] = {}
            try:
                asked = json.loads(job.read_bytes())
                made = self.make(asked)
            except Unfinished as turn:
                if job.exists():
                    _write(job, json.dumps(asked | turn.changes).encode())  # as if it had been asked for just now
                return True
            except (pdf.PdfFailed, ValueError) as error:  # ValueError: no job at all, by a damaged disk
                reason = getattr(error, "reason", str(error))
                log.warning("printing failed", ticket=ticket, reason=reason)
                result = self.made / f"{ticket}.failed"
                made = json.dumps([isinstance(error, pdf.PdfTooLarge), reason]).encode()
            if job.exists():  # else somebody whom it names was erased meanwhile
                _write(result, made)
        job.unlink(missing_ok=True)
        return True

    def work(self, ended: threading.Event) -> None:
        """Make what is asked for until `ended`; of several workers, one at a time."""
        cleaned = float("-inf")
        with (self.folder / "lock").open("w") as lock:
            while not ended.wait(LOOK_SECONDS):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if time.monotonic() - cleaned > CLEAN_SECONDS:
                        self.clean()
                        cleaned = time.monotonic()
                    while self.make_next() and not ended.is_set():
                        pass
                except BlockingIOError:
                    ended.wait(1)
                except Exception:  # a disk that is full now may have space later
                    log.exception("spool")
                    ended.wait(5)

    def clean(self) -> None:
        """Delete what is old, what names people after minutes, and the oldest of what is too much."""
        now, total = time.time(), 0
        everything = _files(self.made) + _files(self.editions) + _files(self.waiting)
        for path, changed, size in sorted(everything, key=lambda item: -item[1]):
            total += size
            kept = PRIVATE_SECONDS if path.name.startswith(PRIVATE) or path.suffix == ".tmp" else KEEP_SECONDS
            if now - changed > kept or total > KEEP_BYTES:
                path.unlink(missing_ok=True)

    def forget_private(self) -> None:
        """Delete everything that names people."""
        for path, _, _ in _files(self.made) + _files(self.waiting):
            if path.name.startswith(PRIVATE):
                path.unlink(missing_ok=True)


def _files(folder: Path) -> list[tuple[Path, float, int]]:
    """Path, time of the last change and size in bytes of each file that is still there."""
    found = []
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            status = entry.stat()
            found.append((Path(entry.path), status.st_mtime, status.st_size))
    return found


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, for our own user only."""
    draft = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
    draft.replace(path)


def spool(make: Maker | None = None) -> Spool:
    """This app's spool."""
    return Spool(Path(current_app.config["DATA_DIR"]) / "cache" / "pdf", make)


def health() -> dict[str, Any]:
    """For /readyz: how many documents wait, and since when."""
    try:
        line = spool().line()
    except OSError:
        return {"ok": False}
    oldest = time.time() - line[0][0] if line else 0.0
    return {"ok": oldest < STUCK_SECONDS, "due": len(line), "oldest_seconds": round(oldest, 1)}


def answer(job: pdf.PrintJob, name: str, *, private: bool = False) -> Response:
    """The document under the file name `name`, or a page that waits for it, or one that says when to come back.

    private: it names people, or is not for everybody. Raises: PdfFailed when it could not be made.
    """
    ticket = (PRIVATE if private else "") + job.key
    with suppress(FileNotFoundError):
        return sent(spool().file(ticket), name, private=private)
    return wait(ticket, job.as_data())


def wait(ticket: str, job: dict[str, Any], back: str = "") -> Response:
    """A page that waits for what is not made yet and then opens `back`, or itself again.

    Raises: PdfFailed when it could not be made.
    """
    try:
        before = spool().ask(ticket, job)
    except OSError as error:
        raise pdf.PdfFailed(f"the spool cannot be written: {error}") from error
    status = 503 if before is None else 202
    page = pages.page("printing.html", status=status, before=before, seconds=BUSY_SECONDS, table=back)
    if before is None:
        page.headers["Retry-After"] = str(BUSY_SECONDS)
    pause = str(BUSY_SECONDS if before is None else 1 if before < 4 else 3)
    page.headers["Refresh"] = f"{pause}; url={iri_to_uri(back)}" if back else pause
    page.headers["Cache-Control"] = "no-store"
    return page


def sent(path: Path, name: str, *, private: bool = False) -> Response:
    """A finished PDF; `core.transfer` says 304 to who has it. Raises: FileNotFoundError."""
    found = Response(path.read_bytes(), mimetype="application/pdf")
    found.headers["Content-Disposition"] = f"inline; filename=print.pdf; {_named(name)}"
    if private:
        found.headers["Cache-Control"] = "private, no-store"
    found.set_etag(path.stem)
    return found


def private_pdf(data: bytes, name: str) -> Response:
    """A PDF for one person, shown at once and kept by no cache: what is saved unasked lies about."""
    found = Response(data, mimetype="application/pdf")
    found.headers["Content-Disposition"] = f"inline; filename=print.pdf; {_named(name)}"
    found.headers["Cache-Control"] = "private, no-store"
    return found


def download(data: bytes, name: str, mimetype: str) -> Response:
    """A file for one person, to be saved under `name`."""
    found = Response(data, mimetype=mimetype)
    found.headers["Content-Disposition"] = f"attachment; filename=file{Path(name).suffix}; {_named(name)}"
    found.headers["Cache-Control"] = "private, no-store"
    return found


def _named(name: str) -> str:
    """Headers are Latin-1: a Chinese name goes as RFC 5987 says, beside a plain one for old programs."""
    return f"filename*=UTF-8''{quote(name, safe='')}"
