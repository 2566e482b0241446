"""The roster at the door on a phone whose network comes and goes (SPEC S6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import func, select, update

from portal.catalogue.models import Entry
from portal.core.db import db
from portal.core.sessions import WebSession
from portal.signup.attendance import codes
from portal.signup.attendance.models import Attendance, AttendanceMark
from portal.signup.models import SignUp
from tests.browser.conftest import House, Visit
from tests.browser.steps import fill, press, says
from tests.factories import NOW, Make, Town

pytestmark = pytest.mark.browser
CROWD = 200


def on_now(house: House, count: int, title: str) -> tuple[int, int]:
    """An activity that is on, with so many who have a place: the entry, its date."""

    def work(town: Town, make: Make) -> tuple[int, int]:
        start = NOW - timedelta(minutes=10)
        entry = make.entry(town.centres["A1"], [(start, start + timedelta(hours=3))], title=title, capacity=None)
        for _ in range(count):
            person = make.resident(town.centres["A1"], name="王小")
            db.session.add(SignUp(
                entry_id=entry.id, resident_id=person.id, person_key=f"r{person.id}", status="confirmed",
                centre_id=entry.centre_id, created_at=NOW - timedelta(days=1),
            ))  # fmt: skip
        db.session.get_one(Entry, entry.id).taken = count
        return entry.id, entry.sessions[0].id

    found: tuple[int, int] = house.do(work)
    return found


def counted(house: House, model: Any, date: int) -> int:
    rows = select(func.count()).select_from(model)
    if model is AttendanceMark:
        rows = rows.join(Attendance, Attendance.id == AttendanceMark.attendance_id)
    return house.count(rows.where(Attendance.session_id == date))


def waits(page: Page, words: str) -> None:
    expect(page.locator("#unsent")).to_contain_text(words)


def test_200_ticks_with_the_network_cut_twice_are_200(house: House, visit: Visit) -> None:
    """Once the answers of what was applied are lost, once nothing gets out; the page is closed and opened in between."""
    _, date = on_now(house, CROWD, "两百人的讲座")
    page = visit(house.portal, cookies=house.as_staff("A1"))
    page.goto(f"/staff/check-in/{date}")
    waits(page, "都存好了")

    def lose(route: Route) -> None:
        route.fetch()  # the server applies it …
        route.abort()  # … and the phone never hears so

    def tick(first: int, last: int) -> None:
        page.evaluate(
            "([a, b]) => [...document.querySelectorAll('.roster input')].slice(a, b).forEach((i) => i.click())",
            [first, last],
        )

    tick(0, 60)
    waits(page, "都存好了")
    page.route("**/ticks", lose)
    tick(60, 120)
    waits(page, "没有网络")
    page.unroute("**/ticks")
    page.reload()
    waits(page, "都存好了")
    page.context.set_offline(True)
    tick(120, CROWD)
    waits(page, "还没传")
    assert counted(house, Attendance, date) == 120
    page.context.set_offline(False)
    waits(page, "都存好了")
    expect(page.locator("#came")).to_have_text(str(CROWD))
    assert counted(house, Attendance, date) == counted(house, AttendanceMark, date) == CROWD
    page.reload()
    expect(page.locator("#came")).to_have_text(str(CROWD))


def test_the_page_opens_again_without_network_and_a_walk_in_is_kept(house: House, visit: Visit) -> None:
    _, date = on_now(house, 2, "断网也能签到")
    page = visit(house.portal, cookies=house.as_staff("A1"))
    page.goto(f"/staff/check-in/{date}")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    waits(page, "都存好了")
    page.context.set_offline(True)
    page.locator(".roster label").first.click()
    fill(page, "姓", "李")
    fill(page, "手机", "4321")
    press(page, "登记到场")
    waits(page, "有 2 个签到还没传")
    page.reload()
    says(page, "断网也能签到")
    waits(page, "还没传")
    expect(page.locator("#came")).to_have_text("1")
    page.context.set_offline(False)
    waits(page, "都存好了")
    expect(page.locator(".roster")).to_contain_text("李（现场登记）")
    assert counted(house, Attendance, date) == 2


def test_ticks_outlive_the_session(house: House, visit: Visit) -> None:
    """Whoever was without network for long is signed out: the page says so, and after signing in all is sent."""
    _, date = on_now(house, 2, "登录过期的签到")
    page = visit(house.portal, cookies=house.as_staff("A1"))
    page.goto(f"/staff/check-in/{date}")
    waits(page, "都存好了")

    def sign_out(_town: Town, _make: Make) -> None:
        mine = (WebSession.audience == "staff", WebSession.person_id == house.staff["A1"])
        db.session.execute(update(WebSession).where(*mine).values(ended_at=NOW))

    house.do(sign_out)
    page.locator(".roster label").first.click()
    waits(page, "登录过期了")
    expect(page.locator("#unsent a")).to_have_text("重新登录")
    page.context.add_cookies([
        {"name": name, "value": value, "url": house.portal.address} for name, value in house.as_staff("A1")
    ])  # fmt: skip
    page.goto(f"/staff/check-in/{date}")
    waits(page, "都存好了")
    assert counted(house, Attendance, date) == 1


def test_without_javascript_the_form_works(house: House, visit: Visit) -> None:
    _, date = on_now(house, 2, "没有脚本的签到")
    page = visit(house.portal, js=False, cookies=house.as_staff("A1"))
    page.goto(f"/staff/check-in/{date}")
    page.locator(".roster label").first.click()
    press(page, "保存这些勾")
    says(page, "改了 1 份")
    fill(page, "姓", "李")
    fill(page, "手机", "4321")
    press(page, "登记到场")
    says(page, "李（现场登记）")
    assert counted(house, Attendance, date) == 2


def test_a_scanned_code_ticks_its_person(house: House, visit: Visit) -> None:
    """Chromium without a display reads no codes; the browser's reader is played, the page's part is real."""
    entry, date = on_now(house, 2, "扫码的签到")
    number = house.count(select(func.min(SignUp.id)).where(SignUp.entry_id == entry))
    code = house.do(lambda _t, _m: _code(house, number))
    page = visit(house.portal, cookies=house.as_staff("A1"))
    page.add_init_script(
        "window.BarcodeDetector = function () { this.detect = () => Promise.resolve([{ rawValue: window.seen }]); };"
        "navigator.mediaDevices.getUserMedia = () => Promise.resolve(new MediaStream());"
    )
    page.goto(f"/staff/check-in/{date}")
    page.evaluate("(text) => { window.seen = text; }", f"{house.portal.address}/staff/check-in/code/{code}")
    press(page, "扫报名码")
    expect(page.locator("#scanned")).to_contain_text("王小 签到了")
    waits(page, "都存好了")
    page.evaluate("() => { window.seen = 'https://example.cn/12345678901'; }")
    expect(page.locator("#scanned")).to_contain_text("不在这一场的名单上")
    assert counted(house, Attendance, date) == 1


def _code(house: House, number: int) -> str:
    with house.app.app_context():
        return codes.of_sign_up(number)


def test_a_resident_checks_in_by_one_tap(house: House, visit: Visit) -> None:
    entry, date = on_now(house, 1, "居民自己扫码")
    person = house.count(select(SignUp.resident_id).where(SignUp.entry_id == entry))
    key = house.do(lambda _t, _m: codes.of_date(date))
    page = visit(house.portal, cookies=house.as_resident(person))
    page.goto(f"/services/{entry}/my-code")
    says(page, "我的报名码")
    page.goto(f"/attend/{date}/{key}")
    press(page, "我到了")
    says(page, "签到好了")
    assert counted(house, Attendance, date) == 1
