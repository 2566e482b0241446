"""A list page sends as many statements at 3 rows as at 40, and no more than its kind of page may.

The bound is not a count: a feature that adds a statement or two edits nothing here, one that makes a page twice as
talkative says so. What a process remembers between requests (the month's rows, a centre's head) is forgotten before each count.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.catalogue.actions import entry_values
from portal.catalogue.models import IN_REVIEW, EntryChange, Guide
from portal.catalogue.public import month_snapshot
from portal.centres.models import Centre, OpeningHours
from portal.core import audit, clock
from portal.core.access import Actor
from portal.core.db import db
from portal.core.sessions import WebSession
from portal.feedback.actions import give
from portal.feedback.models import Evaluation
from portal.help_requests import actions as help_requests
from portal.help_requests.actions import Asked
from portal.help_requests.models import HelpOutside, VulnerableRegistration
from portal.notices.models import Delivery, InboxMessage
from portal.people.models import Relative, StaffAccount
from portal.signup.eligibility.models import GroupClaim
from portal.signup.models import SignUp
from portal.venues.availability import room_snapshot
from portal.venues.models import BookingSeries
from tests.factories import NOW, Make, Town

pytestmark = pytest.mark.once

FEW, MANY = 3, 40
# At most so many statements, on either database. RICH: pages that put many rooms' rows together, or every feature's part.
FACE, DESK = 16, 20
RICH = {"/": 30, "/c/A1": 30, "/c/D": 30, "/me/data/read": 36} | dict.fromkeys(
    # What can be taken back: the steps of the last minutes, the imports nobody has touched.
    ("/staff/catalogue?month=2026-11", "/staff/catalogue?month=2026-12"),
    22,
)
RESIDENT = (
    "/", "/services", "/services?q=活动", "/services?q=周六下午 老人 活动", "/services?ended=1", "/services?centre=A1",
    "/services/{entry}", "/services/{entry}/sign-up", "/guides", "/centres", "/help", "/c/A1", "/c/D", "/me",
    "/help/phone", "/help/{help}", "/help/urgent", "/services?view=calendar", "/me/follows", "/me/inbox", "/me/inbox/choices", "/me/profile",
    "/me/relatives", "/me/devices", "/me/data", "/me/data/read", "/me/proof", "/me/evaluations", "/me/no-shows",
    "/api/v1/services", "/api/v1/centres", "/c/A1/feed.atom", "/services/feed.atom?category=party",
    "/venues", "/venues?centre=A1", "/venues?centre=A1&day=tomorrow&from=14:00&to=15:00",
    "/venues?day=tomorrow&people=999", "/venues/{room}", "/venues/{room}?week=2026-11-23",
    "/venues/{room}?day=2026-11-26&start=18:00", "/venues/bookings/{booking}",
    "/venues/bookings/{booking}?move=1",
)  # fmt: skip
STAFF = (
    "/staff", "/staff/catalogue?month=2026-11", "/staff/catalogue?month=2026-12",
    "/staff/catalogue/changes", "/staff/catalogue/coverage", "/staff/catalogue/late",
    "/staff/catalogue/templates", "/staff/guides", "/staff/guides/words", "/staff/no-shows/rule", "/staff/sign-ups", "/staff/sign-ups/{entry}",
    "/staff/sign-ups/groups", "/staff/check-in", "/staff/check-in/{date}", "/staff/activities/{entry}", "/staff/no-shows",
    "/staff/accounts", "/staff/sessions", "/staff/let-in", "/staff/second-factor", "/staff/audit", "/staff/messages",
    "/staff/messages?tail=0000&kind=signup&first=2026-11-01", "/staff/messages/residents/{resident}",
    "/staff/messages/costs", "/staff/messages/wording",
    "/staff/accounts?q=经办&role=operator&sort=login", "/staff/catalogue/late?q=甲&month=2026-12",
    "/staff/inbox-messages", "/staff/centres",
    "/staff/venues/use", "/staff/venues/use/{room}", "/staff/venues/use/records",
    "/staff/feedback?show=all", "/staff/feedback/evaluations", "/staff/feedback/averages",
    "/staff/venues", "/staff/venues?week=1", "/staff/venues/requests", "/staff/venues/bookings/{booking}",
    "/staff/venues/series", "/staff/venues/closures", "/staff/venues/notes", "/staff/venues/book",
    "/staff/venues/bookings?show=all", "/staff/urgent", "/staff/urgent/listeners", "/staff/urgent/phones",
    "/staff/help", "/staff/help?show=away", "/staff/help?show=over", "/staff/help?open={help}&show=away",
    "/staff/help/record", "/staff/help/registrations", "/staff/help/outside",
    "/staff/venues/rooms", "/staff/venues/rooms/{room}", "/staff/venues/rooms/{room}/copy",
)  # fmt: skip
REVIEW = (
    "/staff", "/staff/catalogue?month=2026-12", "/staff/catalogue/changes", "/staff/catalogue/late",
    "/staff/catalogue/coverage", "/staff/accounts",
)  # fmt: skip


@pytest.fixture
def lists(town: Town, make: Make) -> Rows:
    return Rows(town, make)


class Rows:
    """Rows of every kind that a list shows, added in two steps."""

    def __init__(self, town: Town, make: Make) -> None:
        self.town, self.make, self.made = town, make, 0
        start = clock.at(datetime(2026, 11, 28).date(), datetime(2026, 1, 1, 9).time())
        self.full = make.entry(town.centres["A1"], [(start, start + timedelta(hours=2))], taken=MANY, capacity=MANY)
        self.room = make.venue(town.centres["A1"])
        self.booking = make.booking(self.room, start + timedelta(hours=11), resident=town.residents[0])
        self.help = help_requests.ask_for_help(town.resident_actor(0), Asked("agency", "取药"), None, NOW).id
        db.session.commit()

    def grow(self, to: int) -> None:
        """Until there are `to` of each kind."""
        db.session.rollback()  # a read transaction of before the last sign-in could not write
        for number in range(self.made, to):
            self._catalogue(number)
            self._people(number)
            self._centre(number)
            self._words(number)
            self._stars(number)
            self._rooms(number)
            self._helps()
        self.made = to
        db.session.commit()

    def _catalogue(self, number: int) -> None:
        a1, make = self.town.centres["A1"], self.make
        start = clock.at(datetime(2026, 11, 26).date(), datetime(2026, 1, 1, 8, number).time())
        hours, day = timedelta(hours=2), timedelta(days=1)
        shown = make.entry(a1, [(start, start + hours), (start + day, start + day + hours)])
        make.entry(a1, status="draft", published_at=None)
        make.entry(a1, status=IN_REVIEW, published_at=None, waits_at_id=self.town.centres["A"].id)
        person = make.resident(a1)
        for entry in (shown, self.full):
            mine = self.town.residents[0] if entry is shown else person
            db.session.add(SignUp(
                entry_id=entry.id, resident_id=mine.id, person_key=f"r{mine.id}", status="confirmed", centre_id=a1.id,
                created_at=NOW,
            ))  # fmt: skip
        values = entry_values.values_of(shown)
        moved = replace(values, place="二楼")
        db.session.add(EntryChange(
            entry_id=shown.id, centre_id=a1.id, kind="edit", before=entry_values.to_json(values), after=entry_values.to_json(moved), reason="换场地", status="asked",
            waits_at_id=self.town.centres["A"].id, asked_by="A1管理员", asked_at=NOW,
        ))  # fmt: skip
        db.session.add(Guide(
            category_id=self.town.categories["life-food"].id, title=f"指南{number}", centre_id=a1.id, updated_at=NOW,
        ))  # fmt: skip

    def _people(self, number: int) -> None:
        a1, me = self.town.centres["A1"], self.town.residents[0]
        db.session.add(StaffAccount(
            username=f"more{number}", name=f"经办{number}", centre_id=a1.id, role="operator", password_hash="x",
            must_change=False, created_at=NOW,
        ))  # fmt: skip
        db.session.add(Relative(resident_id=me.id, name=f"家人{number}", relation="母亲", created_at=NOW))
        db.session.add(GroupClaim(
            centre_id=a1.id, resident_id=me.id, person_key=f"v{number}", group_code="elder", entry_id=self.full.id,
            status="asked", asked_at=NOW,
        ))  # fmt: skip
        for audience, person in (("staff", self.town.staff["A1"].id), ("resident", me.id)):
            db.session.add(WebSession(
                id=f"{audience[0]}{number:063d}", audience=audience, person_id=person, created_at=NOW, last_seen_at=NOW,
                expires_at=NOW + timedelta(hours=12),
            ))  # fmt: skip

    def _centre(self, number: int) -> None:
        above = self.town.centres["A1"]
        centre = Centre(
            code=f"A1S{number}", name=f"甲一第{number}党群服务站", short_name=f"甲一第{number}站", level="station",
            kind="resident_group", parent_id=above.id, functions=[], address="路", phone="0755-84200000", latitude=22.6,
            longitude=114.4, created_at=NOW, updated_at=NOW, depth=above.depth + 1,
        )  # fmt: skip
        db.session.add(centre)
        db.session.flush()
        centre.path = f"{above.path}{centre.id}/"
        db.session.add(OpeningHours(centre_id=centre.id, weekday=2, opens=540, closes=1260))

    def _words(self, number: int) -> None:
        people = (("resident", self.town.residents[0].id), ("staff", self.town.staff["A1"].id))
        for audience, person in people:
            db.session.add(InboxMessage(
                audience=audience, person_id=person, kind="signup.confirmed", title="报名成功", body="……",
                key=f"{audience}{number}", created_at=NOW,
            ))  # fmt: skip
        db.session.add(Delivery(
            channel="sms", recipient="19900000000", body="……", kind="signup.confirmed", key=f"count{number}",
            created_at=NOW, due_at=NOW, done_at=NOW, outcome="local",
        ))  # fmt: skip
        audit.record(self.town.actor("A1"), "import", "centre", None, NOW, summary=f"第{number}次")

    def _stars(self, number: int) -> None:
        """Asked, answered badly, called back; all within the time in which /me and the inbox show it."""
        a1, me = self.town.centres["A1"], self.town.residents[0]
        for subject in (2 * number, 2 * number + 1):
            row = Evaluation(
                centre_id=a1.id, subject_kind="activity", subject_id=subject, group_key=f"activity:{number}",
                title="书法课", resident_id=me.id, person_key=f"r{me.id}", token=f"token{subject}", asked_at=NOW,
                answer_until=NOW + timedelta(days=14), tags=[],
            )  # fmt: skip
            db.session.add(row)
        db.session.flush()
        give(row.id, 1, NOW)

    def _helps(self) -> None:
        """A request of somebody near, which waits at A, and a registration."""
        a1, person = self.town.centres["A1"], self.make.resident(self.town.centres["A1"])
        help_requests.ask_for_help(Actor("resident", person.id, person.name), Asked("agency", "取药"), None, NOW)
        db.session.add(VulnerableRegistration(
            centre_id=a1.id, resident_id=person.id, person_key=f"r{person.id}", since=NOW.date(),
            registered_by="A1管理员", registered_at=NOW,
        ))  # fmt: skip
        db.session.add(HelpOutside(centre_id=a1.id, name=f"单位{person.id}", phone="0755-1", created_at=NOW))

    def _rooms(self, number: int) -> None:
        """A room in A1 and one next door, my own booking in it, somebody else's in the room whose page is counted."""
        me, make = self.town.residents[0], self.make
        start = clock.at(NOW.date() + timedelta(days=number % 14), datetime(2026, 1, 1, 9).time())
        make.venue(self.town.centres["A2"])
        make.booking(
            make.venue(self.town.centres["A1"]), start, resident=me, status=("approved", "pending")[number % 2]
        )
        make.booking(self.room, start + timedelta(hours=number // 14 * 2), contact_name="来电人")
        self._desk(number, start)

    def _desk(self, number: int, start: datetime) -> None:
        """What the staff's lists of rooms show: requests with rivals, regular use, closures, notes."""
        a1, make = self.town.centres["A1"], self.make
        room = make.venue(a1, needs_approval=True)
        for status in ("pending", "waiting"):
            make.booking(room, start + timedelta(days=1), resident=make.resident(a1), status=status)
        make.closure(room, start + timedelta(days=30), start + timedelta(days=31))
        make.note(room)
        series = BookingSeries(
            venue_id=room.id, centre_id=a1.id, title="排练", weekdays=[1], first_day=NOW.date(),
            last_day=NOW.date() + timedelta(days=60), opens=540, closes=600, created_by="A1", created_at=NOW,
        )  # fmt: skip
        db.session.add(series)
        db.session.flush()
        make.booking(room, start + timedelta(days=20), series_id=series.id, contact_name="来电人")


class Counter:
    """Statements of one page for one person, from a process that remembers nothing."""

    def __init__(self, app: Flask, count_queries: Any) -> None:
        self.app, self.count_queries = app, count_queries

    def __call__(self, client: FlaskClient, path: str) -> int:
        month_snapshot.forget()
        room_snapshot.forget()
        self.app.extensions.pop("portal_kept", None)
        with self.count_queries() as seen:
            answer = client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        # Whether anything was written since (core.again) is asked only of a browser that has asked before.
        return len([s for s in seen if not s.startswith(("BEGIN", "PRAGMA"))])


@pytest.fixture
def counted(app: Flask, count_queries: Any) -> Counter:
    return Counter(app, count_queries)


def compare(client: FlaskClient, counted: Counter, lists: Rows, pages: tuple[str, ...], bound: int) -> None:
    ids = {
        "entry": lists.full.id,
        "date": lists.full.sessions[0].id,
        "room": lists.room.id,
        "booking": lists.booking.id,
        "resident": lists.town.residents[0].id,
        "help": lists.help,
    }
    paths = {path.format(**ids): path for path in pages}
    lists.grow(FEW)
    few = {path: counted(client, path) for path in paths}
    lists.grow(MANY)
    many = {path: counted(client, path) for path in paths}
    assert many == few, {path: (few[path], many[path]) for path in paths if few[path] != many[path]}
    print({paths[path]: number for path, number in few.items()})
    over = {path: number for path, number in few.items() if number > RICH.get(paths[path], bound)}
    assert not over, f"more statements than such a page may send ({bound}, or its number in RICH)"


def test_resident_lists(app: Flask, lists: Rows, town: Town, as_resident: Any, counted: Counter) -> None:
    compare(as_resident(app.test_client(), town.residents[0]), counted, lists, RESIDENT, FACE)


def test_staff_lists(app: Flask, lists: Rows, town: Town, as_staff: Any, counted: Counter) -> None:
    compare(as_staff(app.test_client(), town.staff["A1"]), counted, lists, STAFF, DESK)


def test_subdistrict_reviews(app: Flask, lists: Rows, town: Town, as_staff: Any, counted: Counter) -> None:
    compare(as_staff(app.test_client(), town.staff["A"]), counted, lists, REVIEW, DESK)


def test_a_query_per_row_is_noticed(app: Flask, lists: Rows, town: Town, as_resident: Any, counted: Counter) -> None:
    """The comparison can fail: a page that asks once per row is told apart."""
    from sqlalchemy import select

    from portal.core import scope

    def slow() -> str:
        with scope.system("test"):
            return "".join(
                str(db.session.scalar(select(Centre.name).where(Centre.id == i)))
                for i in list(db.session.scalars(select(Centre.id)))
            )

    lists.grow(FEW)
    with app.app_context(), counted.count_queries() as few:
        slow()
    lists.grow(MANY)
    with app.app_context(), counted.count_queries() as many:
        slow()
    assert len(many) > len(few)
