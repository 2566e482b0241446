"""A request is given to a member at a desk and carried out on a phone (SPEC H7)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from portal.core import clock
from portal.core.db import db
from portal.help_requests import actions, reviewing
from portal.help_requests.actions import Asked
from portal.teams.models import Shift, Team, TeamMember
from tests.browser.conftest import DESK, PHONE, House, Visit
from tests.browser.steps import press, says
from tests.factories import NOW, Make, Town

pytestmark = pytest.mark.browser
PLACE = "金丝雀花园12栋345房"


def accepted(house: House) -> int:
    """A request that A1 has accepted; the third resident is on duty tomorrow afternoon."""

    def work(town: Town, _make: Make) -> int:
        tomorrow = clock.today(NOW) + timedelta(days=1)
        row = actions.ask_for_help(
            town.resident_actor(1), Asked("agency", "帮忙取药", tomorrow, "pm", place=PLACE), None, NOW
        )
        reviewing.dispatch(town.actor("A"), row.id, row.centre_id, NOW)
        reviewing.accept(town.actor("A1"), row.id, NOW)
        team = Team(centre_id=town.centres["A1"].id, name="海风队", created_at=NOW)
        db.session.add(team)
        db.session.flush()
        for number, name in ((2, "王晓燕"), (3, "周小燕")):
            member = TeamMember(
                team_id=team.id, centre_id=team.centre_id, name=name, kind="party", skills=["errand"], created_at=NOW,
                since=clock.today(NOW), resident_id=town.residents[number].id,
            )  # fmt: skip
            db.session.add(member)
            db.session.flush()
            if number == 2:
                db.session.add(Shift(
                    team_id=team.id, centre_id=team.centre_id, day=tomorrow, part="pm", member_id=member.id,
                    status="filled",
                ))  # fmt: skip
        return row.id

    found: int = house.do(work)
    return found


def big_enough(page: Page, least: int = 44) -> None:
    """Whatever is pressed is high enough for a thumb, and nothing sticks out at the side."""
    boxes = [b.bounding_box() for b in page.locator("main button:visible, main a.btn:visible").all()]
    assert boxes and all(box is None or box["height"] >= least for box in boxes)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_from_the_desk_to_the_door(house: House, visit: Visit) -> None:
    number = accepted(house)
    desk = visit(house.portal, DESK, cookies=house.as_staff("A1"))
    desk.goto(f"/staff/help/{number}/send")
    says(desk, "有空的", "14:00–16:00", "不在班，当天没有排他", "在班，13:00–18:00 有空")
    assert desk.locator("svg.strip").count() >= 2 and desk.locator(".btn.primary").count() == 1
    big_enough(desk)
    press(desk, "派王晓燕去")
    says(desk, "已派给王晓燕")
    phone = visit(house.portal, PHONE, js=False, cookies=house.as_resident(house.people[2]))
    phone.goto("/m")
    expect(phone.locator("body")).not_to_contain_text(PLACE)
    big_enough(phone)
    press(phone, "我去")
    press(phone, "看住址和电话")
    says(phone, PLACE)
    for button in ("出发", "到了", "平安，还要一会儿"):
        press(phone, button)
        expect(phone).to_have_url(re.compile("/m$"))
    big_enough(phone)
    phone.get_by_label("办得怎么样").fill("药放在桌上了")
    press(phone, "办好了")
    says(phone, "现在没有派给您的事")
    resident = visit(house.portal, PHONE, cookies=house.as_resident(house.people[1]))
    resident.goto(f"/help/{number}")
    says(resident, "药放在桌上了")
