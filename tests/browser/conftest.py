"""Chromium, the portal behind a real web server, and the town's people signed in without the login form."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, sync_playwright

from portal import create_app
from portal.catalogue.actions import importing
from portal.catalogue.models import Entry
from portal.core import protection, scope, sessions
from portal.core.db import db, writing
from portal.signup.models import SignUp
from tests import factories
from tests.browser.live import NO_REDIS, SECRET_KEY, Portal
from tests.browser.steps import XLSX
from tests.house import world as worlds
from tests.servers import chromium_path

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
HERE = Path(__file__).parent
ON_BOTH = {"test_walk", "test_hurried", "test_check_in", "test_urgent", "test_orders"}  # where two write at once
PATIENCE = 60_000  # milliseconds for one step, on a machine that does much else
PHONE, DESK = {"width": 375, "height": 760}, {"width": 1280, "height": 900}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser sees pages, not the database: most is looked at on SQLite only."""
    for item in items:
        if item.path.parent == HERE and item.path.stem not in ON_BOTH:
            item.add_marker(pytest.mark.once)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        yield browser
        browser.close()


class Complaints(list[str]):
    """What went wrong behind a page: scripts, the CSP, 5xx. Expected refusals (4xx) are no complaint."""

    def watch(self, page: Page) -> Page:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.append(f"script: {error}"))
        page.on("response", self._answered)
        return page

    def _said(self, message: ConsoleMessage) -> None:
        # Chromium itself reports each answer with 4xx; those are judged by what the page shows.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.append(f"console: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.append(f"{response.status} {response.request.method} {response.url}")


Visit = Callable[..., Page]


def _keep_picture(context: BrowserContext, name: str) -> None:
    """PORTAL_TEST_PICTURES=folder keeps how each page looked when its test ended."""
    folder = os.environ.get("PORTAL_TEST_PICTURES")
    for page in context.pages if folder else ():
        page.screenshot(path=f"{folder}/{name.replace('/', '-')}.png", full_page=True)


@pytest.fixture
def visit(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """`visit(portal, size=PHONE, js=True, cookies=(), …)`: a fresh browser profile with one open page.

    The test fails at its end when any of its pages complained.
    """
    contexts: list[BrowserContext] = []
    portals: set[Portal] = set()
    complaints = Complaints()

    def enter(portal: Portal, size: dict[str, int] = PHONE, js: bool = True, **options: Any) -> Page:
        cookies = options.pop("cookies", ())
        context = chromium.new_context(
            base_url=portal.address,
            viewport=size,
            java_script_enabled=js,
            locale="zh-CN",  # type: ignore[arg-type]
            timezone_id="Asia/Shanghai",
            accept_downloads=True,
            **options,
        )
        context.set_default_timeout(PATIENCE)
        portals.add(portal)
        if cookies:
            context.add_cookies([{"name": n, "value": v, "url": portal.address} for n, v in cookies])
        context.on("page", complaints.watch)
        contexts.append(context)
        return context.new_page()

    yield enter
    for number, context in enumerate(contexts):
        _keep_picture(context, f"{request.node.name}-{number}")
        context.close()
    assert not complaints, "\n".join([*complaints, *(portal.log()[-3000:] for portal in portals)])


def _uploaded_plan(world: worlds.World) -> dict[str, int]:
    """The example workbook, waiting to be confirmed by A1."""
    actor, data = world.town.actor("A1"), XLSX.read_bytes()
    plan = importing.preview_plan(actor, world.town.centres["A1"], factories.MONTH, XLSX.name, data, factories.NOW)
    db.session.commit()
    return {"import_id": plan.id, "row_number": importing.rows_of(plan)[0].number}


def _liven_up(world: worlds.World, make: factories.Make) -> None:
    """Rows of every state on A1's board, and sign-ups of every state for the public activity."""
    a1, a = world.town.centres["A1"], world.town.centres["A"]
    waits = {"published_at": None, "waits_at_id": a.id}
    make.entry(a1, title="等初审的活动", status="in_review", **waits)
    make.entry(a1, title="退回的活动", status="returned", return_reason="写明集合点", return_field="place", **waits)
    make.entry(a1, title="通过的活动", status="approved", published_at=None)
    make.entry(a1, title="取消的活动", status="cancelled", change_note="天气原因")
    make.entry(a1, title="满了的活动", capacity=1, taken=1, waiting=2, groups=["elder"])
    for number, status in enumerate(("pending", "waiting", "offered", "refused"), 1):
        person = world.town.residents[number]
        db.session.add(
            SignUp(
                entry_id=world.ids["public_entry_id"],
                resident_id=person.id,
                person_key=f"r{person.id}",
                status=status,
                centre_id=a1.id,
                created_at=factories.NOW,
                queue_no=number,
                refusal_reason="不在服务对象范围内",
                accept_by=factories.NOW + timedelta(hours=3) if status == "offered" else None,
            )
        )
    db.session.commit()


class House:
    """The fixed town with one record of every kind, served by a portal; tests add what they need."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.app = self._fill(portal)

    def _fill(self, portal: Portal) -> Flask:
        # The environment's own PORTAL_* must not decide where this process looks.
        app = create_app(
            {
                "TESTING": True,
                "SECRET_KEY": SECRET_KEY,
                "SQLALCHEMY_DATABASE_URI": portal.url,
                "DATA_DIR": portal.data,
                "REDIS_URL": NO_REDIS,
                "BASE_URL": portal.address,
                "RATELIMIT_ENABLED": False,
                "HTTPS": False,
            }
        )
        portal.data.mkdir(parents=True, exist_ok=True)
        with app.app_context(), scope.system("browser tests"):
            db.create_all()
            with db.engine.begin() as connection:
                protection.install(connection)
            factories.build_town()
            world = worlds.build(factories.load_town(), factories.Make())
            self.ids: dict[str, Any] = world.ids
            self.staff: dict[str, int] = {code: account.id for code, account in world.town.staff.items()}
            self.people: list[int] = [person.id for person in world.town.residents]
            self.make = factories.Make()
            self.ids |= _uploaded_plan(world)
            _liven_up(world, self.make)
            db.session.remove()
            db.engine.dispose()
        return app

    def do(self, work: Callable[[factories.Town, factories.Make], Any]) -> Any:
        """Run `work(town, make)` in the portal's database and return what it returns (plain values, not rows)."""
        with self.app.app_context(), scope.system("browser tests"):
            # Begun as a write: open staff pages say every minute that they are there, and may write in between.
            try:
                with writing():
                    return work(factories.load_town(), self.make)
            finally:
                db.session.remove()

    def entry(self, code: str = "A1", **values: Any) -> int:
        """A published activity; its id."""
        return int(self.do(lambda town, make: make.entry(town.centres[code], **values).id))

    def pending(self, entry_id: int, count: int) -> None:
        """So many residents have signed up for an activity whose staff decide."""

        def work(town: factories.Town, make: factories.Make) -> None:
            people = [make.resident(town.centres["A1"]) for _ in range(count)]
            entry = db.session.get_one(Entry, entry_id)
            entry.taken += count
            for person in people:
                row = SignUp(
                    entry_id=entry_id,
                    resident_id=person.id,
                    person_key=f"r{person.id}",
                    status="pending",
                    centre_id=entry.centre_id,
                    created_at=factories.NOW,
                )
                db.session.add(row)

        self.do(work)

    def resident(self, code: str | None = "A1", **values: Any) -> int:
        """A registered resident of a community; the id."""
        return int(self.do(lambda town, make: make.resident(town.centres[code] if code else None, **values).id))

    def cookies(self, audience: Any, person: int) -> list[tuple[str, str]]:
        """What the login would leave in the browser."""
        token = self.do(lambda _town, _make: sessions.open_session(audience, person, factories.NOW))
        client = self.app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"], cookie["_fresh"] = token, True
        name = self.app.config["SESSION_COOKIE_NAME"]
        found = client.get_cookie(name)
        assert found is not None
        return [(name, found.value)]

    def as_resident(self, person: int) -> list[tuple[str, str]]:
        return self.cookies("resident", person)

    def as_staff(self, code: str) -> list[tuple[str, str]]:
        return self.cookies("staff", self.staff[code])

    def count(self, statement: Any) -> int:
        """One number from the portal's database."""
        return int(self.do(lambda _town, _make: db.session.scalar(statement) or 0))


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    # Dozens of tests share one network address; the walk is what runs with limits and two workers.
    portal = Portal(rate_limits=False, workers=1)
    with_tables = House(portal)
    portal.start()
    yield with_tables
    with with_tables.app.app_context():
        db.engine.dispose()
    portal.discard()


@pytest.fixture
def empty_portal() -> Iterator[Portal]:
    """A newly installed portal: migrated, running, nothing in it."""
    portal = Portal()
    portal.data.mkdir(parents=True)
    portal.flask("db", "upgrade")
    portal.start()
    yield portal
    portal.discard()
