"""Whoever lets somebody type a telephone number says what becomes of it; later forms are made to say so."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException

from portal.core.forms import Form, MobileField
from tests.house import world as worlds
from tests.house.test_access_matrix import routes, url
from tests.house.world import World
from tests.people.test_callers import ENTERED_BY_NUMBER

CENTRES = "a centre's, a room's or an activity's own number: public"
OWN = "one's own, or a relative's whom one acts for"
LET_IN = "of a resident whom the centre knows, with the name: tests/people/test_spoken_code.py"
STAFF = "of a colleague who holds the account"
MEMBER = "of somebody who serves in the team: kept as typed, looked up nowhere; tests/teams/test_pages.py"
DECLARED = {
    "people.send_code": OWN, "people.phone": OWN, "people.relatives": OWN, "people.relative": OWN,
    "people_staff.new_account": STAFF, "people_staff.hand_over": STAFF,
    **dict.fromkeys((
        "centres_staff.save", "catalogue_staff.new", "catalogue_staff.edit", "catalogue_staff.guide", "catalogue_staff.new_guide",
        "catalogue_staff.take_plan", "venues_rooms.new", "venues_rooms.save", "people_staff.departments",
        "people_staff.department",
    ), CENTRES),
    "teams_staff.team": MEMBER, "teams_staff.member": MEMBER,
    "notices_staff.find": "of whoever rings: counted, recorded, told alike for a stranger's; tests/notices/test_lookup.py",
    **dict.fromkeys(("help_staff.record", "help_kept.register"), "a caller's: masked everywhere; tests/help_requests/test_way.py"),
    "help_kept.keep_outside": "a unit's outside the portal: public",
    "people.spoken_code": OWN, "people_staff.let_in": LET_IN,
    **dict.fromkeys(ENTERED_BY_NUMBER, "looked up; tests/people/test_callers.py has two trees for each"),
}  # fmt: skip
FORMS = {
    "portal.people.forms": {"PhoneForm", "RelativeForm", "HolderForm", "AccountForm", "SpokenForm", "LetInForm"},
    "portal.venues.staff.forms": {"BookForm"},
    "portal.teams.forms": {"MemberForm"},
}


@pytest.fixture
def world(town: Any, make: Any) -> World:
    return worlds.build(town, make)


class Fields(HTMLParser):
    """The addresses of a page's forms in which a telephone number is typed."""

    def __init__(self) -> None:
        super().__init__()
        self.here, self.found = "", set[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.here = said.get("action", "")
        asked = "phone" in said.get("name", "") or "tel" in (said.get("type"), said.get("inputmode"))
        if tag == "input" and said.get("type") != "hidden" and asked:
            self.found.add(self.here)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.here = ""


def endpoint(app: Flask, action: str, page: str) -> str:
    adapter = app.url_map.bind("localhost")
    try:
        return str(adapter.match((action or page).partition("?")[0], method="POST")[0])
    except HTTPException:
        return f"{action} of {page}"


def test_every_form_with_a_telephone_number_is_declared(
    app: Flask, world: World, as_staff: Any, as_resident: Any
) -> None:
    town, found = world.town, set[str]()
    readers = {
        "public": [app.test_client()], "resident": [as_resident(app.test_client(), town.residents[0])],
        "staff": [as_staff(app.test_client(), town.staff["A1"]), as_staff(app.test_client(), town.staff["D"])],
    }  # fmt: skip
    for audience, clients in readers.items():
        for rule, method, _ in routes(app, audience):
            if method != "GET" or rule.rule.endswith((".pdf", ".png", ".csv", ".xlsx", ".zip")):
                continue
            for client in clients:
                page = url(app, rule, world)
                answer = client.get(page)
                if answer.mimetype == "text/html" and 'name="' in answer.text:
                    reader = Fields()
                    reader.feed(answer.text)
                    found |= {endpoint(app, action, page) for action in reader.found}
    assert found == DECLARED.keys(), "say in DECLARED what becomes of the number that is typed there"


def test_every_form_class_with_a_mobile_number_is_known(app: Flask) -> None:
    def below(kind: type) -> set[type]:
        return {kind}.union(*(below(k) for k in kind.__subclasses__()))

    found: dict[str, set[str]] = {}
    for kind in below(Form):
        fields = (getattr(getattr(kind, name), "field_class", None) for name in dir(kind) if not name.startswith("_"))
        if kind.__module__.startswith("portal.") and any(f is MobileField for f in fields):
            found.setdefault(kind.__module__, set()).add(kind.__name__)
    assert found == FORMS
