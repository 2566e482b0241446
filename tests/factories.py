"""The fixed town of the tests, and factories for what is in it. Everything made here is committed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import select

from portal.catalogue.models import Category, Entry, EntrySession
from portal.centres.models import Centre, Department, OpeningHours
from portal.core import clock
from portal.core.access import Actor, Role
from portal.core.db import db
from portal.people.models import Resident, StaffAccount
from portal.venues.models import PENDING, Booking, Venue, VenueClosure, VenueHours, VenueNote

NOW = clock.at(datetime(2026, 11, 25).date(), time(10))
MONTH = "2026-12"
PASSWORD = "tulip-harbour-42"
# Argon2id of PASSWORD with small parameters, so that making accounts costs nothing.
PASSWORD_HASH = ""

TREE = (
    ("D", "测试区党群服务中心", "district", None),
    ("A", "甲街道党群服务中心", "subdistrict", "D"),
    ("B", "乙街道党群服务中心", "subdistrict", "D"),
    ("A1", "甲一社区党群服务中心", "community", "A"),
    ("A2", "甲二社区党群服务中心", "community", "A"),
    ("B1", "乙一社区党群服务中心", "community", "B"),
    ("B2", "乙二社区党群服务中心", "community", "B"),
    ("A1S", "甲一小区党群服务站", "station", "A1"),
)
CATEGORIES = (
    ("popular", "大众化服务", None, "activity"),
    ("party", "党群服务", "popular", "activity"),
    ("public", "公共服务", "popular", "activity"),
    ("charity", "社会公益服务", "popular", "activity"),
    ("policy", "政策咨询服务", "popular", "guide"),
    ("member", "党员服务", None, "activity"),
    ("life", "生活指南", None, "guide"),
    ("life-food", "食", "life", "guide"),
)


HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # a thousandth of what production takes


def password_hash() -> str:
    global PASSWORD_HASH
    PASSWORD_HASH = PASSWORD_HASH or HASHER.hash(PASSWORD)
    return PASSWORD_HASH


def build_town(now: datetime = NOW) -> None:
    """A district, two subdistricts, two communities each, a station; a manager per centre, five residents."""
    centres: dict[str, Centre] = {}
    for number, (code, name, level, parent) in enumerate(TREE):
        centre = Centre(
            code=code,
            name=name,
            short_name=name.removesuffix("党群服务中心").removesuffix("党群服务站"),
            level=level,
            kind=level if level != "station" else "resident_group",
            parent_id=centres[parent].id if parent else None,
            functions=[],
            address=f"{name[:2]}路{number + 1}号",
            phone=f"0755-842000{number:02d}",
            latitude=22.6 + number / 100,
            longitude=114.4 + number / 100,
            responsible=f"{name[:2]}负责人",
            created_at=now - timedelta(days=90),
            updated_at=now,
        )
        db.session.add(centre)
        db.session.flush()
        above = centres[parent].path if parent else "/"
        centre.path, centre.depth = f"{above}{centre.id}/", above.count("/") - 1
        centres[code] = centre
        for weekday in range(7):
            db.session.add(OpeningHours(centre_id=centre.id, weekday=weekday, opens=540, closes=1260))
    department = Department(code="ZFB", name="政法办", centre_id=centres["D"].id)
    db.session.add(department)
    _categories()
    db.session.flush()
    for code, centre in centres.items():
        _account(code.lower(), f"{code}管理员", centre.id, Role.MANAGER, now)
    _account("a1-op", "A1经办", centres["A1"].id, Role.OPERATOR, now)
    _account("d-look", "D督查", centres["D"].id, Role.INSPECTOR, now)
    _account("zfb", "政法办经办", centres["D"].id, Role.OPERATOR, now, department.id)
    homes = ("A1", "A1", "A2", "B1", "B1")
    for number, home in enumerate(homes):
        db.session.add(_resident(number, centres[home].id, now))
    db.session.commit()


def _categories() -> None:
    made: dict[str, Category] = {}
    for position, (code, name, parent, kind) in enumerate(CATEGORIES):
        row = Category(
            code=code, name=name, parent_id=made[parent].id if parent else None, kind=kind, position=position
        )
        db.session.add(row)
        db.session.flush()
        made[code] = row


def _account(
    username: str, name: str, centre_id: int, role: Role, now: datetime, department_id: int | None = None
) -> None:
    db.session.add(
        StaffAccount(
            username=username,
            name=name,
            centre_id=centre_id,
            role=role,
            password_hash=password_hash(),
            must_change=False,
            created_at=now,
            department_id=department_id,
        )
    )


def _resident(number: int, home_id: int, now: datetime) -> Resident:
    return Resident(
        phone=f"199000000{number:02d}",
        name=f"居民{'甲乙丙丁戊己庚辛壬癸'[number % 10]}",
        address=f"测试花园{number}栋",
        home_centre_id=home_id,
        groups=[],
        quiet={},
        consent_version="2027-01",
        consent_at=now,
        created_at=now,
    )


@dataclass
class Town:
    centres: dict[str, Centre]
    staff: dict[str, StaffAccount]  # by upper-case username: managers are 'D', 'A', 'A1' …
    residents: list[Resident]
    categories: dict[str, Category]
    department: Department

    @property
    def operator(self) -> dict[str, StaffAccount]:
        return {"A1": self.staff["A1-OP"]}

    @property
    def inspector(self) -> dict[str, StaffAccount]:
        return {"D": self.staff["D-LOOK"]}

    def actor(self, key: str) -> Actor:
        """The staff member `key` ('A1', 'A1-OP', 'ZFB' …) as an Actor."""
        account = self.staff[key]
        return Actor(
            kind="staff",
            id=account.id,
            name=account.name,
            centre_id=account.centre_id,
            centre_path=account.centre.path,
            role=Role(account.role),
            department_id=account.department_id,
        )

    def resident_actor(self, number: int) -> Actor:
        person = self.residents[number]
        return Actor(kind="resident", id=person.id, name=person.name)


def load_town() -> Town:
    return Town(
        centres={c.code: c for c in db.session.scalars(select(Centre))},
        staff={a.username.upper(): a for a in db.session.scalars(select(StaffAccount))},
        residents=list(db.session.scalars(select(Resident).order_by(Resident.id))),
        categories={c.code: c for c in db.session.scalars(select(Category))},
        department=db.session.scalars(select(Department)).one(),
    )


@dataclass
class Make:
    """Factories. `make.entry(centre)` is a published activity on 13 December with 30 places unless told otherwise."""

    now: datetime = NOW
    _serial: itertools.count[int] = field(default_factory=lambda: itertools.count(10))

    def entry(self, centre: Centre, sessions: list[tuple[datetime, datetime]] | None = None, **values: Any) -> Entry:
        number = next(self._serial)
        if sessions is None:
            start = clock.at(datetime(2026, 12, 13).date(), time(8, 30))
            sessions = [(start, start + timedelta(hours=2, minutes=30))]
        category = (
            values.pop("category", None) or db.session.scalars(select(Category).where(Category.code == "party")).one()
        )
        defaults: dict[str, Any] = {
            "month": clock.month_of(sessions[0][0]), "author_centre_id": centre.id, "title": f"活动{number}",
            "content": "内容", "organiser": centre.name, "place": "一楼大厅", "audience": "全体居民", "groups": [],
            "capacity": 30, "unit": "人", "contact": "陈社工", "phone": "0755-84200001", "status": "published",
            "first_start": min(s for s, _ in sessions), "last_end": max(e for _, e in sessions),
            "created_at": self.now, "updated_at": self.now,
        }  # fmt: skip
        if values.get("status", "published") == "published":
            defaults["published_at"] = self.now
        entry = Entry(centre_id=centre.id, category_id=category.id, **(defaults | values))
        entry.sessions = [EntrySession(starts_at=s, ends_at=e) for s, e in sessions]
        db.session.add(entry)
        db.session.commit()
        return entry

    def resident(self, home: Centre | None = None, **values: Any) -> Resident:
        number = next(self._serial)
        person = _resident(number, home.id if home else None, self.now)  # type: ignore[arg-type]
        person.phone = f"1990000{number:04d}"
        for key, value in values.items():
            setattr(person, key, value)
        db.session.add(person)
        db.session.commit()
        return person

    def residents(self, count: int, home: Centre) -> list[Resident]:
        """Many at once, in one commit."""
        people = []
        for index in range(count):
            person = _resident(index, home.id, self.now)
            person.phone, person.name = f"1980000{index:04d}", f"居民{index}"
            people.append(person)
        db.session.add_all(people)
        db.session.commit()
        return people

    def venue(self, centre: Centre, week: dict[int, list[tuple[int, int]]] | None = None, **values: Any) -> Venue:
        """A room for 30 that needs no approval and opens with its centre (9:00-21:00 every day).

        week: own hours instead, by weekday, in minutes after midnight.
        """
        number = next(self._serial)
        defaults: dict[str, Any] = {
            "name": f"场地{number}", "capacity": 30, "functions": ["会议", "培训"], "equipment": ["投影仪"],
            "needs_approval": False, "door_key": f"door{number}", "created_at": self.now, "updated_at": self.now,
        }  # fmt: skip
        venue = Venue(centre_id=centre.id, own_hours=week is not None, **(defaults | values))
        spans = [(day, span) for day, found in (week or {}).items() for span in found]
        venue.hours = [VenueHours(weekday=day, opens=opens, closes=closes) for day, (opens, closes) in spans]
        db.session.add(venue)
        db.session.commit()
        return venue

    def booking(
        self,
        venue: Venue,
        start: datetime | None = None,
        minutes: int = 60,
        resident: Resident | None = None,
        **values: Any,
    ) -> Booking:
        """An approved hold of the venue, tomorrow (26 November) 14:00-15:00 unless told otherwise.

        With `resident` it is that resident's, without it staff entered it for a caller. Pending ones wait at the
        venue's centre.
        """
        start = start or clock.at(self.now.date() + timedelta(days=1), time(14))
        end = start + timedelta(minutes=minutes)
        caller = {"contact_name": "来电人", "contact_phone": "19900009999", "created_by": "测试"}
        defaults: dict[str, Any] = {
            "source": "resident" if resident else "staff",
            "resident_id": resident.id if resident else None,
            "title": "小组会议",
            "status": "approved",
            "created_at": self.now,
        } | ({} if resident else caller)
        if values.get("status") == PENDING:
            due = self.now + timedelta(hours=venue.approve_hours)
            defaults |= {"waits_at_id": venue.centre_id, "decide_by": due}
        row = Booking(
            venue_id=venue.id,
            centre_id=venue.centre_id,
            starts_at=start,
            ends_at=end,
            held_until=end + timedelta(minutes=venue.buffer),
            **(defaults | values),
        )
        db.session.add(row)
        db.session.commit()
        return row

    def closure(self, venue: Venue, start: datetime, end: datetime, reason: str = "设备检修") -> VenueClosure:
        """The venue is not given out in [start, end)."""
        row = VenueClosure(
            centre_id=venue.centre_id,
            venue_id=venue.id,
            starts_at=start,
            ends_at=end,
            reason=reason,
            created_by="测试",
            created_at=self.now,
        )
        db.session.add(row)
        db.session.commit()
        return row

    def note(self, venue: Venue, body: str = "投影仪不亮", **values: Any) -> VenueNote:
        """An open note for the staff on duty."""
        row = VenueNote(
            centre_id=venue.centre_id, venue_id=venue.id, body=body, created_by="测试", created_at=self.now, **values
        )
        db.session.add(row)
        db.session.commit()
        return row
