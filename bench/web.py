"""/services beside bare Flask on the same server, the same core and the same kind of database.

    python -m bench.web [--database URL] [--scale 0.1]
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench import http


def prepared(url: str, data_dir: Path, scale: float) -> str:
    """Migrate and fill the database at `url`; the signed cookie of a resident who is signed in."""
    os.environ.update(DATABASE_URL=url, PORTAL_DATA_DIR=str(data_dir), SECRET_KEY="bench", PORTAL_RATE_LIMITS="0")
    from flask_migrate import upgrade

    from bench.fill import fill
    from portal import create_app
    from portal.core import clock

    app = create_app()
    with app.app_context():
        upgrade()
        token = fill(clock.now(), scale)
    with app.test_request_context():
        serializer = app.session_interface.get_signing_serializer(app)
        value = serializer.dumps({"_user_id": token, "_fresh": True, "csrf_token": "0" * 40})
    return f"portal={value}"


def compare(url: str, cookie: str, data_dir: Path, rounds: int = 5) -> dict[str, Any]:
    """Median ratios over `rounds` turns: hello, list signed in, list anonymous."""
    env = {"DATABASE_URL": url, "PORTAL_DATA_DIR": str(data_dir), "SECRET_KEY": "bench", "PORTAL_RATE_LIMITS": "0"}
    os.sched_setaffinity(0, {os.cpu_count() - 1 if os.cpu_count() else 0})
    signed, anonymous, hellos, sizes, p99 = [], [], [], [], []
    with http.served("bench.hello:app", {}) as bare, http.served("wsgi:app", env) as portal:
        for path, headers in (("/services", {"Cookie": cookie}), ("/services", {})):
            http.measure(portal, path, headers, 1)
        for _ in range(rounds):
            hello = http.measure(bare, "/", {}, 2).per_second
            mine = http.measure(portal, "/services", {"Cookie": cookie}, 2)
            theirs = http.measure(portal, "/services", {}, 2)
            hellos.append(hello)
            signed.append(mine.per_second / hello)
            anonymous.append(theirs.per_second / hello)
            sizes.append(mine.body_bytes)
            p99.append(mine.p99_ms)
    return {
        "hello_per_s": round(statistics.median(hellos)), "services_signed_in_ratio": round(statistics.median(signed), 3),
        "services_anonymous_ratio": round(statistics.median(anonymous), 3), "page_bytes": sizes[-1],
        "p99_ms": round(statistics.median(p99), 1),
    }  # fmt: skip


def sqlite_version() -> str:
    return sqlite3.sqlite_version


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", default="")
    parser.add_argument("--scale", type=float, default=1.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = chosen.database or f"sqlite:///{folder}/bench.db"
        cookie = prepared(url, Path(folder), chosen.scale)
        print(json.dumps(compare(url, cookie, Path(folder))))


if __name__ == "__main__":
    main()
