"""A community's month of 300 rows, by the buttons of the pages: uploaded, taken in, handed in, approved, published.

    python -m bench --only month [--kind sqlite|postgresql]

In the demo's town, each turn with a month of its own; a third of the rows in the centre's rooms, a third weekly.
Processor time of server and database, medians of turns; the wait of somebody else who writes, in turns of their own.
"""

from __future__ import annotations

import argparse
import csv
import gc
import io
import json
import logging
import re
import statistics
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select, text

from bench import messages, town
from bench.pages import fill
from bench.prepare import CSRF, cookies
from bench.table import Line
from bench.watch import Cost, Watch, second_writer
from portal import create_app
from portal.catalogue.models import Entry
from portal.core import clock, scope, sessions
from portal.core.db import db, writing
from portal.operations import work

ROWS = 300
AUTHOR, ABOVE, TOP = "kuichong", "jd-kuichong", "dapeng"
TARGETS = {"import": 0.6, "hand in": 0.4, "approve, subdistrict": 0.4, "approve, district": 0.4, "publish": 0.4}  # s
A_ROW, WAIT = 0.5, 0.1  # statements; seconds of another writer
HEAD = ("服务类别", "服务名称", "服务内容", "服务时间", "服务地点", "服务对象", "名额", "联系人", "联系电话")
GROUPS = ("党群服务", "公共服务", "社会公益服务", "党员服务")


def plan(month: str, rooms: list[str], rows: int) -> bytes:
    """A plan as centres send it, as CSV. A room has four lessons a day at most; the other places are words."""
    first, end = clock.month_days(month)
    days = [first + timedelta(days=n) for n in range((end - first).days)]
    sheet = io.StringIO()
    table = csv.writer(sheet)
    table.writerow(HEAD)
    for number in range(rows):
        day, hour = days[number // 3 % len(days)], 9 + 3 * (number // 3 // len(days) % 4)
        when, place = f"{day.month}月{day.day}日{hour}:00-{hour + 1}:30", f"小区广场{number}"
        if number % 3 == 0:
            place = rooms[number // 3 // len(days) // 4 % len(rooms)]
        elif number % 3 == 1:
            when = f"每周{'一二三四五'[number % 5]}{hour}:00-{hour + 1}:00"
        table.writerow((
            GROUPS[number % 4], f"第{number}课 {month}", "学一点新东西，老师带着做。", when, place, "全体居民", "30人",
            "陈社工", "0755-84200001",
        ))  # fmt: skip
    return sheet.getvalue().encode()


class Staff:
    """Who presses the buttons."""

    def __init__(self, app: Flask, client: FlaskClient, username: str) -> None:
        self.client = client
        with app.app_context():
            named = text("SELECT id FROM staff_account WHERE username = :name")
            number = db.session.scalar(named, {"name": username})
            with writing(), scope.system("bench"):
                token = sessions.open_session("staff", int(number or 0), clock.now())
            self.cookie = {"Cookie": cookies(app, [token])[0]}
        self.csrf = str(URLSafeTimedSerializer(app.config["SECRET_KEY"], salt="wtf-csrf-token").dumps(CSRF))

    def post(self, path: str, **data: Any) -> str:
        """Press a button; where it leads. Raises RuntimeError for a page that asks again."""
        answer = self.client.post(path, data={"csrf_token": self.csrf, **data}, headers=self.cookie)
        if answer.status_code != 303:
            said = re.sub(r"<[^>]+>|\s+", " ", answer.text)[:2000]
            raise RuntimeError(f"{path}: {answer.status} {said}")
        return str(answer.headers["Location"])


class Turns:
    """One month after the other."""

    def __init__(self, app: Flask, database: int, rows: int) -> None:
        self.app, self.rows = app, rows
        client = app.test_client(use_cookies=False)
        self.author, self.above, self.top = (Staff(app, client, name) for name in (AUTHOR, ABOVE, TOP))
        self.month = clock.add_months(clock.month_of(clock.now()), 1)
        with app.app_context():
            self.watch = Watch(database)
            self.rooms, self.centre = self._place()

    @staticmethod
    def _place() -> tuple[list[str], int]:
        """The names of the author's rooms, and the centre's id."""
        named = text("SELECT venue.name, centre_id FROM venue JOIN staff_account USING (centre_id) WHERE username = :u"
                     " AND bookable AND venue.active ORDER BY venue.id")  # fmt: skip
        found = db.session.execute(named, {"u": AUTHOR}).all()
        return [row[0] for row in found], found[0][1]

    def turn(self) -> dict[str, Cost]:
        """A whole month; it ends published, and everybody is told."""
        self.month = month = clock.add_months(self.month, 1)
        data = plan(month, self.rooms, self.rows)
        costs: dict[str, Cost] = {}
        preview = self._step(costs, "read and preview", lambda: self.author.post(
            "/staff/catalogue/import", month=month, centre=self.centre, file=(io.BytesIO(data), "计划.csv")
        ))  # fmt: skip
        self._step(costs, "import", lambda: self.author.post(f"{preview}/take", all="1"))
        for name, who, do in (
            ("hand in", self.author, "hand_in"), ("approve, subdistrict", self.above, "approve"),
            ("approve, district", self.top, "approve"),
        ):  # fmt: skip
            self._step(costs, name, lambda who=who, do=do: who.post(  # type: ignore[misc]
                f"/staff/catalogue/bulk?month={month}", do=do, all="1"
            ))  # fmt: skip
        self._step(costs, "publish", lambda: self.top.post(
            f"/staff/catalogue/publish?month={month}", sure="1", reason="台风前"
        ))  # fmt: skip
        self._check(month)
        return costs

    def _step(self, costs: dict[str, Cost], name: str, press: Callable[[], str]) -> str:
        led: list[str] = []
        costs[name] = self.watch.cost(lambda: led.append(press()))
        return led[0]

    def _check(self, month: str) -> None:
        """Nothing of it was left, or the figures would say nothing."""
        with self.app.app_context(), scope.system("bench"):
            found = select(Entry.id).where(Entry.month == month, Entry.status == "published")
            count = len(db.session.scalars(found).all())
            if count != self.rows:
                raise RuntimeError(f"{count} of {self.rows} rows were published")
            work.sweep(clock.now())


def measure(app: Flask, database: int, turns: int, rows: int) -> dict[str, Any]:
    """By step: seconds of processor time, statements a row, the longest transaction and the second writer's wait."""
    turned = Turns(app, database, rows)
    turned.turn()  # the first one also reads templates and prepares statements
    alone = [turned.turn() for _ in range(turns)]
    with second_writer() as longest:
        beside = [turned.turn() for _ in range(turns)]
    middle = statistics.median
    return {
        name: {
            "cpu": middle(t[name].cpu for t in alone), "statements": middle(t[name].statements for t in alone) / rows,
            "held": middle(t[name].held for t in alone), "wait": middle(longest(t[name]) for t in beside),
        }
        for name in alone[0]
    }  # fmt: skip


def lines_of(kind: str, told: dict[str, Any], rows: int) -> list[Line]:
    """For `python -m bench`."""
    label, found = town.LABELS[kind], []
    groups = (
        (f"{rows} rows, {label}", "cpu", "s", TARGETS, 1.0),
        ("  statements a row", "statements", "", dict.fromkeys(TARGETS, A_ROW), 1.0),
        ("  longest transaction, processor time", "held", "ms", {}, 1000.0),
        (
            "  another writer waits at most, middle of turns",
            "wait",
            "ms",
            dict.fromkeys(told["month"], WAIT * 1000),
            1000.0,
        ),
    )
    for group, key, unit, targets, times in groups:
        for name, figures in told["month"].items():
            found.append(Line(group, name, figures[key] * times, unit, target=targets.get(name)))
    return found + messages.lines_of(label, told["messages"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--messages", type=int, default=messages.MANY)
    parser.add_argument("--database", type=int, default=0, help="the process of the database's server")
    chosen = parser.parse_args()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with redirect_stdout(sys.stderr):
        app = create_app()
        fill(app, 1)
        gc.collect()
        gc.freeze()  # what playing the demo left in memory is not in a web process
        told = {"month": measure(app, chosen.database, chosen.turns, chosen.rows), "messages": {}}
        with app.app_context():
            if chosen.messages:
                told["messages"] = messages.measure(chosen.database, chosen.messages)
            db.engine.dispose()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
