"""The tree's own facts: addresses, hours, departments, accounts."""

import secrets
from datetime import timedelta

from sqlalchemy import select

from portal.centres import actions as centre_actions
from portal.centres import profile
from portal.centres.models import Centre, Department, OpeningException, OpeningHours
from portal.core import audit, clock, registry
from portal.core.access import Role, system_actor
from portal.core.db import db
from portal.demo.stage import DISTRICT, Stage, table
from portal.people import passwords
from portal.people.models import StaffAccount

DEPARTMENTS = (("ZFB", "政法办"), ("WTJ", "文体局"), ("QTB", "群团工作部"), ("YGL", "大鹏新区义工联"))
DAY, EVENING = (9 * 60, 12 * 60), (14 * 60, 18 * 60)
WORDS = ("haifeng", "shange", "yuhuo", "rongshu", "dengta", "beike", "chaoxi", "chaguo")


def new_password() -> str:
    """A different one for each installation, easy to type: 'rongshu-4821-chaoxi'."""
    first, second = secrets.SystemRandom().sample(WORDS, 2)
    return f"{first}-{1000 + secrets.randbelow(9000)}-{second}"


def build(stage: Stage, password: str) -> None:
    """Centres, hours, categories, departments and accounts; the tree may be there already (after `init`)."""
    current = profile.current()
    text = (current.folder / "units.csv").read_text(encoding="utf-8-sig")
    then = stage.before(90, "10:00")
    centre_actions.import_centres(text, current, system_actor("演示"), then)
    for step in registry.init_steps.values():
        step(then)
    _facts(stage)
    _departments()
    db.session.flush()
    _accounts(stage, password)


def _facts(stage: Stage) -> None:
    known = {c.code: c for c in db.session.scalars(select(Centre))}
    for number, row in enumerate(table("centres"), 1):
        centre = known[row["code"]]
        centre.latitude = float(row["latitude"]) if row["latitude"] else None
        centre.longitude = float(row["longitude"]) if row["longitude"] else None
        centre.address, centre.phone = row["address"], f"0755-842000{number:02d}"
        centre.area_m2, centre.functions = int(row["area"]), row["functions"].split()
        centre.responsible, centre.intro = row["responsible"], row["intro"]
        _hours(centre, number)
        _exception(centre, stage)


def _hours(centre: Centre, number: int) -> None:
    """Office hours with a lunch break; evenings on some days as off-peak hours (错时服务), Mondays shut at stations."""
    small = centre.level == "station"
    late = {1 + number % 3, 3 + number % 2, 5}  # weekdays with an evening
    for weekday in range(7):
        if small and weekday == 0:
            continue
        _open(centre, weekday, *DAY)
        _open(centre, weekday, *EVENING)
        if not small and weekday in late:
            _open(centre, weekday, 19 * 60, 21 * 60 + 30 * (centre.level == "community"), "晚间延时")


def _open(centre: Centre, weekday: int, opens: int, closes: int, note: str = "") -> None:
    db.session.add(OpeningHours(centre_id=centre.id, weekday=weekday, opens=opens, closes=closes, note=note))


def _exception(centre: Centre, stage: Stage) -> None:
    """Two centres close for a day soon, one opens late today week."""
    today = clock.today(stage.now)
    if centre.code.endswith("009003"):
        closed = OpeningException(centre_id=centre.id, day=today + timedelta(days=2), reason="消防检修")
        db.session.add(closed)
    if centre.code.endswith("010004"):
        later = OpeningException(
            centre_id=centre.id, day=today + timedelta(days=7), opens=14 * 60, closes=21 * 60, reason="上午停电检修"
        )
        db.session.add(later)


def _departments() -> None:
    district = db.session.scalars(select(Centre).where(Centre.code == DISTRICT)).one()
    there = set(db.session.scalars(select(Department.code)))
    for number, (code, name) in enumerate(DEPARTMENTS):
        if code not in there:
            phone = f"0755-842000{60 + number}"
            db.session.add(Department(code=code, name=name, centre_id=district.id, phone=phone))


def _accounts(stage: Stage, password: str) -> None:
    """All with one password that was printed once; they need not change it, so that a tour begins at once."""
    secret = passwords.hash_password(password)  # Argon2 is slow on purpose: once
    centres = {c.code: c for c in db.session.scalars(select(Centre))}
    departments = {d.code: d.id for d in db.session.scalars(select(Department))}
    then = stage.before(80, "10:00")
    for number, row in enumerate(table("accounts")):
        centre = centres[row["centre"]]
        account = StaffAccount(
            username=row["username"], name=row["name"], phone=f"19900009{number:03d}", centre_id=centre.id,
            department_id=departments.get(row["department"]), role=Role(row["role"]), password_hash=secret,
            must_change=False, password_changed_at=then, created_at=then,
        )  # fmt: skip
        db.session.add(account)
        db.session.flush()
        audit.record(
            system_actor("演示"), "open", "staff_account", account.id, then, centre_id=centre.id,
            centre_path=centre.path, summary=f"{account.username}（{account.name}）",
        )  # fmt: skip
