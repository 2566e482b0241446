"""A big town for the measurements: 300 activities in the month, 100,000 residents, a million sign-ups."""

from __future__ import annotations

import random
import time as clock_time
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import insert

from portal.catalogue.models import Category, Entry, EntrySession
from portal.centres import actions as centre_actions
from portal.centres import profile
from portal.centres.models import Centre
from portal.core import clock, scope, sessions
from portal.core.access import system_actor
from portal.core.db import db, writing
from portal.notices.models import InboxMessage
from portal.people.models import Resident
from portal.signup.models import SignUp

ACTIVITIES, RESIDENTS, SIGN_UPS, OLD_ENTRIES, CHUNK = 300, 100_000, 1_000_000, 5_000, 10_000
AHEAD = 14  # days over which they are spread
POPULAR, PLACES = 20, 30  # the activities that four of five want, and their places


def fill(now: datetime, scale: float = 1.0) -> tuple[str, str]:
    """Fill the empty, migrated database; returns the token of a signed-in resident and the code of their centre.

    scale < 1 for a quick look.
    """
    began = clock_time.monotonic()
    chosen = profile.load("dapeng")
    with writing(), scope.system("bench"):
        units = (chosen.folder / "units.csv").read_text(encoding="utf-8")
        centre_actions.import_centres(units, chosen, system_actor(), now)
    with writing(), scope.system("bench"):
        entries = _entries(now, int(OLD_ENTRIES * scale))
        people = max(5_000, int(RESIDENTS * scale))
        code = _residents(people, now)
    _sign_ups(int(SIGN_UPS * scale), people, entries, now)
    with writing(), scope.system("bench"):
        _inbox(now)
        token = sessions.open_session("resident", 1, now)
        if db.engine.dialect.name == "postgresql":
            db.session.commit()
    analyse()
    print(f"filled in {clock_time.monotonic() - began:.0f} s", flush=True)
    return token, code


def analyse() -> None:
    """Fresh statistics for the planner, as autovacuum would have made them."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if db.engine.dialect.name == "postgresql" else "ANALYZE")


def _entries(now: datetime, old: int) -> int:
    """This month's activities and as many old ones as make the tables big. Returns how many entries there are."""
    random.seed(1)
    top = Category(code="popular", name="大众化服务", kind="activity", position=0)
    db.session.add(top)
    db.session.flush()
    names = ("党群服务", "公共服务", "社会公益服务", "党员服务")
    categories = [
        Category(code=f"c{i}", name=n, kind="activity", position=i, parent_id=top.id) for i, n in enumerate(names)
    ]
    db.session.add_all(categories)
    db.session.flush()
    centres = [c.id for c in db.session.query(Centre).filter(Centre.level == "community")]
    category_ids = [c.id for c in categories]
    today = clock.today(now)
    rows, dates = [], []
    for number in range(1, ACTIVITIES + old + 1):
        fresh = number <= ACTIVITIES
        # From tomorrow on, whatever the hour and the day of the month: the list goes on over its end.
        day = today + timedelta(days=1 + number % AHEAD) if fresh else today - timedelta(days=40 + number % 700)
        start = clock.at(day, time(19 + number % 4 if fresh else 9, 30))
        rows.append(_entry(number, start, random.choice(centres), random.choice(category_ids), now))
        dates.append({"entry_id": number, "starts_at": start, "ends_at": start + timedelta(minutes=45)})
    db.session.execute(insert(Entry), rows)
    db.session.execute(insert(EntrySession), dates)
    return ACTIVITIES + old


def _entry(number: int, start: datetime, centre_id: int, category_id: int, now: datetime) -> dict[str, Any]:
    popular = number <= POPULAR
    titles = ("亲子绘本阅读会", "长者智能手机学习班", "海洋守护净滩行动", "普法教育：民法典与邻里纠纷", "冬至包汤圆")
    return {
        "id": number, "month": clock.month_of(start), "centre_id": centre_id, "author_centre_id": centre_id,
        "category_id": category_id, "title": f"{titles[number % 5]}（第{number}场）", "content": "活动内容" * 20,
        "organiser": "社区党群服务中心", "place": "二楼书吧", "audience": "全体居民", "groups": [],
        "capacity": PLACES if popular else 80,
        "unit": "人", "status": "published", "first_start": start, "last_end": start + timedelta(minutes=45),
        "published_at": now, "taken": 0 if popular else number % 70, "created_at": now, "updated_at": now,
    }  # fmt: skip


def _residents(count: int, now: datetime) -> str:
    home = db.session.query(Centre).filter(Centre.level == "community").first()
    for start in range(1, count + 1, CHUNK):
        db.session.execute(
            insert(Resident),
            [
                {
                    "id": number,
                    "phone": f"100{number:08d}",
                    "name": f"居民{number}",
                    "address": "测试路1号",
                    "home_centre_id": home.id if home else None,
                    "groups": [],
                    "quiet": {},
                    "created_at": now,
                }
                for number in range(start, min(start + CHUNK, count + 1))
            ],
        )
    assert home is not None
    return home.code


def _sign_ups(count: int, people: int, entries: int, now: datetime) -> None:
    """Spread over old entries; each (entry, person) once, and finished, so that the live index stays honest."""
    old = entries - ACTIVITIES
    for start in range(0, count, CHUNK):
        with writing(), scope.system("bench"):
            db.session.execute(
                insert(SignUp),
                [
                    {
                        "entry_id": ACTIVITIES + 1 + number % old,
                        "resident_id": 1 + (number * 7919) % people,
                        "person_key": f"r{number}",
                        "places": 1,
                        "status": "confirmed",
                        "centre_id": 5,
                        "created_at": now,
                    }
                    for number in range(start, min(start + CHUNK, count))
                ],
            )


def _inbox(now: datetime) -> None:
    db.session.execute(
        insert(InboxMessage),
        [
            {
                "audience": "resident",
                "person_id": 1 + number % 1000,
                "kind": "signup.confirmed",
                "title": "报名成功",
                "body": "……",
                "key": f"bench{number}",
                "created_at": now,
                "read_at": None if number < 3000 else now,
            }
            for number in range(20_000)
        ],
    )
