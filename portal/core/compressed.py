"""Static files as browsers take them: compressed beforehand, with ETag, from WhiteNoise instead of Flask.

A phone's first visit loads the script and the style sheet; squeezed once with the slowest, best setting they are a
third of their size, and no request pays for it. The squeezed copies live in the data directory under the digest of
all files, so they can never be older than the files, and processes that start together do not disturb each other.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from wsgiref.headers import Headers

import structlog
from flask import Flask
from whitenoise import WhiteNoise
from whitenoise.compress import Compressor

log = structlog.get_logger()

MONTH_SECONDS = 30 * 24 * 3600
DAY_SECONDS = 24 * 3600


def _digest(root: Path) -> str:
    """One mark for the names and contents of all files below root."""
    mark = hashlib.sha256()
    for file in sorted(f for f in root.rglob("*") if f.is_file()):
        mark.update(f"{file.relative_to(root)}\0{file.stat().st_size}\0".encode())
        mark.update(file.read_bytes())
    return mark.hexdigest()[:16]


def _squeezed(root: Path, store: Path) -> Path:
    """A copy of root with .br and .gz beside each file that gains by it; made once for each state of the files."""
    done = store / _digest(root)
    if done.is_dir():
        return done
    store.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="making-", dir=store))
    try:
        shutil.copytree(root, work / "files")
        squeezer = Compressor(quiet=True)
        for file in [f for f in (work / "files").rglob("*") if f.is_file()]:
            if squeezer.should_compress(file.name):
                squeezer.compress(str(file))
        with contextlib.suppress(OSError):  # another process was first; its copy is the same
            (work / "files").rename(done)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _forget_old(store, done)
    return done


def _forget_old(store: Path, current: Path) -> None:
    """Copies of earlier versions go after a day; until then a process of before an upgrade may still read them."""
    for other in store.iterdir():
        if other != current and other.stat().st_mtime < time.time() - DAY_SECONDS:
            shutil.rmtree(other, ignore_errors=True)


def _headers(headers: Headers, _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"


def _folder(root: Path, store: Path) -> Path:
    """The squeezed copy; the files themselves where nothing can be written: then people can at least look."""
    try:
        done = _squeezed(root, store)
    except OSError as error:
        log.warning("static files go out as they are", error=repr(error))
        return root
    with contextlib.suppress(OSError):
        os.utime(done)  # in use: an age is counted from the last start
    return done


def init_app(app: Flask) -> WhiteNoise:
    """Answer /static/ before Flask sees it. Addresses carry a digest of the content, so a month's keeping is safe."""
    folder = _folder(Path(str(app.static_folder)), Path(app.config["DATA_DIR"]) / "cache" / "static")
    files = WhiteNoise(
        app.wsgi_app,
        root=str(folder),
        prefix=str(app.static_url_path),
        max_age=MONTH_SECONDS,
        allow_all_origins=False,
        add_headers_function=_headers,
    )
    app.wsgi_app = files  # type: ignore[method-assign]
    return files
