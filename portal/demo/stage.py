"""What every act of the demo needs: the clock, the dice, and who stands where. No rows: sessions come and go."""

import csv
import random
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import select

from portal.catalogue.models import Category
from portal.centres.models import Centre, Department
from portal.core import clock
from portal.core.access import Actor
from portal.core.db import db
from portal.people.actions.staff_accounts import actor_of
from portal.people.models import StaffAccount

DATA = Path(__file__).resolve().parent / "data"
DISTRICT = "440307DP"


def table(name: str) -> list[dict[str, str]]:
    """Rows of data/<name>.csv."""
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [{key: (value or "").strip() for key, value in row.items()} for row in csv.DictReader(file)]


@dataclass(frozen=True)
class Stage:
    """now: when the demo is loaded. month: the published one; following: the one in review."""

    now: datetime
    dice: random.Random
    month: str
    following: str
    published_at: datetime
    centres: dict[str, int] = field(default_factory=dict)  # code -> id
    paths: dict[str, str] = field(default_factory=dict)
    staff: dict[str, Actor] = field(default_factory=dict)  # username -> actor
    manager_of: dict[str, str] = field(default_factory=dict)  # centre code -> username
    departments: dict[str, int] = field(default_factory=dict)
    categories: dict[str, int] = field(default_factory=dict)

    def centre(self, code: str) -> Centre:
        return db.session.get_one(Centre, self.centres[code])

    def code_of(self, centre_id: int) -> str:
        return next(code for code, number in self.centres.items() if number == centre_id)

    def boss(self, code: str) -> Actor:
        """Who acts for a centre: its own manager, or that of the nearest centre above that has one."""
        while code not in self.manager_of:
            code = parent_code(code)
        return self.staff[self.manager_of[code]]

    def before(self, days: float, clock_time: str, base: datetime | None = None) -> datetime:
        """So many days before `base` (default: publication) at a wall-clock time, never after now."""
        base = base or self.published_at
        on = clock.today(base) - timedelta(days=days)
        hour, minute = map(int, clock_time.split(":"))
        return min(clock.at(on, time(hour, minute)), self.now - timedelta(minutes=20))


def parent_code(code: str) -> str:
    """The tree of the demo in its codes: …001S01 below …001 below the subdistrict below the district."""
    if "S" in code:
        return code.split("S", maxsplit=1)[0]
    return code[:9] if len(code) == 12 else DISTRICT


def communities(stage: Stage, below: str = "") -> list[str]:
    return [c for c in stage.centres if len(c) == 12 and c.isdigit() and c.startswith(below)]


def stations(stage: Stage) -> list[str]:
    return [c for c in stage.centres if "S" in c]


def subdistricts(stage: Stage) -> list[str]:
    return [c for c in stage.centres if len(c) == 9 and c.isdigit()]


def publication(month: str, now: datetime) -> datetime:
    """The 1st at 0:00; in the month's first days somewhat earlier, so that people had time to sign up."""
    return min(clock.month_span(month)[0], now - timedelta(days=4))


def cast(stage: Stage) -> None:
    """Fill in who stands where, once centres, accounts and categories are there."""
    for centre in db.session.scalars(select(Centre).order_by(Centre.id)):
        stage.centres[centre.code], stage.paths[centre.code] = centre.id, centre.path
    codes = {number: code for code, number in stage.centres.items()}
    stage.departments.update({d.code: d.id for d in db.session.scalars(select(Department))})
    stage.categories.update({c.code: c.id for c in db.session.scalars(select(Category))})
    for account in db.session.scalars(select(StaffAccount).order_by(StaffAccount.id)):
        stage.staff[account.username] = actor_of(account)
        if account.department_id is None and account.role != "inspector":
            stage.manager_of.setdefault(codes[account.centre_id], account.username)


def month_dates(month: str) -> list[date]:
    first, following = clock.month_days(month)
    return [first + timedelta(days=i) for i in range((following - first).days)]
