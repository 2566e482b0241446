"""Every page by GET, as the district, a community and a resident, with the demo's rows once, ten and a hundred times.

    python -m bench.pages [--times 1,10,100] [--kind sqlite|postgresql] [--path /staff/catalogue] [--turns 5] [--json]

In process, through the WSGI app: milliseconds of processor time, this process and PostgreSQL's together, statements,
bytes. Those over 100 ms are marked. DATABASE_URL: a database to use, filled if it is empty, kept.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import event, text

from bench import http, town
from bench.copies import grow
from bench.fill import analyse
from bench.prepare import cookies
from bench.table import Line
from portal import create_app
from portal.core import clock, scope, sessions
from portal.core.db import db, is_sqlite, writing

LIMIT = 100.0  # milliseconds; more is marked
PEOPLE = {"district": ("staff", "dapeng"), "community": ("staff", "kuichong"), "resident": ("resident", "1")}
# Of an address's parts, a row that has something to show; what is not named here is its table's first.
PARTS = {
    "code": "SELECT code FROM centre WHERE level = 'community' ORDER BY id LIMIT 1",
    "entry_id": "SELECT entry_id FROM sign_up WHERE status = 'confirmed' ORDER BY id LIMIT 1",
    "booking_id": "SELECT id FROM booking WHERE resident_id = 1 ORDER BY id LIMIT 1",
    "document_id": "SELECT id FROM printed_document ORDER BY id LIMIT 1",
    "import_id": "SELECT id FROM plan_import ORDER BY id LIMIT 1",
    "change_id": "SELECT id FROM entry_change ORDER BY id LIMIT 1",
    "account_id": "SELECT id FROM staff_account ORDER BY id DESC LIMIT 1",
    "sheet_id": "SELECT min(id) FROM centre_sheet",
    "date_id": "SELECT session_id FROM attendance ORDER BY id LIMIT 1",
    "no_show_id": "SELECT min(id) FROM no_show",
    "team_id": "SELECT min(id) FROM team", "member_id": "SELECT min(id) FROM team_member",
    "order_id": "SELECT min(id) FROM help_order",
    "rest": "SELECT 'nothing'",
    "key": "SELECT 'nothing'",
    "pack_id": "SELECT min(id) FROM printed_document WHERE paper = 'pack'",
    "series_id": "SELECT id FROM booking_series ORDER BY id LIMIT 1",
    "token": "SELECT token FROM evaluation WHERE resident_id = 1 AND stars IS NULL ORDER BY id DESC LIMIT 1",
    "month": "SELECT min(month) FROM (SELECT month FROM entry ORDER BY id LIMIT 1) AS first",
    "request_id": "SELECT min(id) FROM help_request WHERE resident_id = 1",
    "outside_id": "SELECT min(id) FROM help_outside",
    "registration_id": "SELECT min(id) FROM vulnerable_registration", "field": "SELECT 'address'",
    "row_number": "SELECT 1", "kind": "SELECT 'xlsx'", "door_key": "SELECT '-'", "name": "SELECT '-'",
}  # fmt: skip
MORE = (
    "/services?page=2", "/services?q=书法", "/staff/catalogue?month={month}", "/staff/catalogue?page=9&month={month}",
    "/staff/catalogue?state=mine", "/staff/catalogue/publish?month={month}",
    "/staff/catalogue/export.xlsx?month={month}",
    "/staff/catalogue/wechat?month={month}", "/staff/feedback?show=all", "/staff/feedback/evaluations?month={month}",
    "/staff/feedback/averages?month={month}", "/staff/sign-ups?show=past", "/staff/venues/bookings?show=all",
)  # fmt: skip
MADE_ELSEWHERE = (".pdf", ".png", "/static/", "/pictures/")  # in a child process, or a file; `bench pdf` has them


@dataclass(frozen=True, slots=True)
class Seen:
    """One page for one person. cpu, p95: milliseconds of the process, median and 95th percentile, and the database's
    mean; size: in bytes."""

    who: str
    path: str
    cpu: float
    p95: float
    statements: int
    size: int


def addresses(app: Flask) -> list[str]:
    """The URL map's GET pages, each with rows that exist."""
    found = []
    with app.app_context():
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
            if "GET" in (rule.methods or ()) and not any(part in rule.rule for part in MADE_ELSEWHERE):
                found.append(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        return list(dict.fromkeys(_filled(path) for path in (*found, *MORE)))


def _filled(path: str) -> str:
    for name in re.findall(r"{(\w+)}", path):
        asked = PARTS.get(name) or f"SELECT min(id) FROM {name.removesuffix('_id')}"
        path = path.replace(f"{{{name}}}", str(db.session.scalar(text(asked))))
    return path


@contextmanager
def _counted() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def _server() -> int:
    """The process of PostgreSQL's server on this machine; 0 when the database is a library."""
    if is_sqlite():
        return 0
    backend = db.session.scalar(text("SELECT pg_backend_pid()"))
    db.session.remove()
    return int(Path(f"/proc/{backend}/stat").read_text().rsplit(")", 1)[1].split()[1])


def measure(app: Flask, turns: int, only: str, people: Mapping[str, tuple[str, str]] = PEOPLE) -> list[Seen]:
    """Every page that answers 200. people: by what they are called, the kind of person and the username or id."""
    found = []
    with app.app_context():
        kept = dict(zip(people, cookies(app, _tokens(people)), strict=True))
        server = _server()
    for path in [path for path in addresses(app) if only in path]:
        for who, cookie in kept.items():
            seen = _page(app, server, who, path, cookie, turns)
            if seen is not None:
                found.append(seen)
    return found


def _tokens(people: Mapping[str, tuple[str, str]]) -> list[str]:
    now, made = clock.now(), []
    with writing(), scope.system("bench"):
        for kind, who in people.values():
            named = text("SELECT id FROM staff_account WHERE username = :name")
            number = int(who) if kind == "resident" else db.session.scalar(named, {"name": who})
            made.append(sessions.open_session(kind, int(number or 0), now))  # type: ignore[arg-type]
    return made


def _page(app: Flask, server: int, who: str, path: str, cookie: str, turns: int) -> Seen | None:
    client = app.test_client(use_cookies=False)

    def ask() -> tuple[int, int]:
        answer = client.get(path, headers={"Cookie": cookie})
        return answer.status_code, len(answer.get_data())

    status, size = ask()  # the first one also reads templates and what a process keeps
    if status != 200:
        return None
    with app.app_context(), _counted() as seen:
        ask()
    of_database = http.processor_seconds(server) if server else 0.0
    times = []
    for _turn in range(turns):
        began = time.process_time()
        ask()
        times.append(time.process_time() - began)
    of_database = http.processor_seconds(server) - of_database if server else 0.0
    cpu, p95 = (
        (own + of_database / turns) * 1000 for own in (statistics.median(times), sorted(times)[-1 - len(times) // 20])
    )
    statements = [s for s in seen if not s.startswith(("BEGIN", "PRAGMA"))]
    return Seen(who, path, round(cpu, 1), round(p95, 1), len(statements), size)


def fill(app: Flask, times: int) -> None:
    """The demo, `times` times, in the database of the app."""
    from portal.demo import story

    with app.app_context():
        upgrade()
        if story.loaded() is None:
            story.load("Bench-2026-pages", clock.now(), lambda _words: None)
        grow(times)
        analyse()
        db.session.remove()


def table(by_times: dict[int, list[Seen]]) -> str:
    """Pages as rows, the slowest first; a cell says milliseconds, statements, kilobytes."""
    cells = {(s.who, s.path): {} for found in by_times.values() for s in found}  # type: ignore[var-annotated]
    for times, found in by_times.items():
        for s in found:
            cells[s.who, s.path][times] = s
    worst = sorted(cells, key=lambda key: -max(s.cpu for s in cells[key].values()))
    lines = [f"{'':2}{'who':10}{'page':58}" + "".join(f"{f'x{t}: ms, statements, KB':>28}" for t in by_times)]
    for key in worst:
        row = cells[key]
        slow = any(s.cpu > LIMIT for s in row.values())
        shown = (f"{s.cpu:14.1f}{s.statements:6d}{s.size / 1000:8.1f}" if s else "" for s in map(row.get, by_times))
        lines.append(f"{'!' if slow else '':2}{key[0]:10}{key[1]:58}" + "".join(f"{cell:>28}" for cell in shown))
    for who in PEOPLE:
        middle = [_middle([s.cpu for s in found if s.who == who]) for found in by_times.values()]
        lines.append(f"  {who:10}{'median':58}" + "".join(f"{value:14.1f}{'':14}" for value in middle))
    return "\n".join(lines)


def _middle(values: list[float]) -> float:
    return statistics.median(values) if values else 0.0


def lines_of(kind: str, by_times: dict[str, Any]) -> list[Line]:
    """For `python -m bench`: medians a face, and whatever is slower than the limit."""
    found = []
    for times, pages in by_times.items():
        group = f"pages, demo x{times}, {town.LABELS[kind]}"
        for who in PEOPLE:
            values = [page["cpu"] for page in pages if page["who"] == who]
            found.append(Line(group, f"{who}, {len(values)} pages", _middle(values), "ms"))
        slow = [page for page in pages if page["cpu"] > LIMIT]
        found += [Line(group, f"{p['who']} {p['path']}", p["cpu"], "ms", target=LIMIT) for p in slow]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", default="1,10,100", help="how many times the demo, rising")
    parser.add_argument("--kind", choices=town.KINDS, default="sqlite", help="when DATABASE_URL names no database")
    parser.add_argument("--path", default="", help="only addresses that hold this")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="for `python -m bench`")
    chosen = parser.parse_args()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    by_times: dict[int, list[Seen]] = {}
    with ExitStack() as stack:
        if "DATABASE_URL" not in os.environ:
            os.environ.update(stack.enter_context(town.empty(chosen.kind))[0])
        with redirect_stdout(sys.stderr):
            app = create_app()
            for times in sorted(map(int, chosen.times.split(","))):
                fill(app, times)
                by_times[times] = measure(app, chosen.turns, chosen.path)
        with app.app_context():
            db.engine.dispose()
    if chosen.json:
        print(json.dumps({times: [asdict(seen) for seen in found] for times, found in by_times.items()}))
    else:
        print(table(by_times))


if __name__ == "__main__":
    main()
