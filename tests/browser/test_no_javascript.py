"""Every journey works without JavaScript (SPEC Q2): what HTMX makes quick is there as plain pages first."""

from __future__ import annotations

import re
from datetime import date, time, timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from portal.core import clock
from portal.notices import actions as notices
from portal.people.models import Relative, Resident
from portal.signup.models import SignUp
from tests import factories
from tests.browser.conftest import DESK, House, Visit
from tests.browser.steps import XLSX, fill, press, row_of, says, staff_signs_in

pytestmark = [pytest.mark.browser, pytest.mark.once]
MONTH = "2026-12"


@pytest.fixture
def phone(house: House, visit: Visit) -> Page:
    """A phone without JavaScript; nobody is signed in."""
    return visit(house.portal, js=False)


def signed_in(house: House, visit: Visit, person: int) -> Page:
    return visit(house.portal, js=False, cookies=house.as_resident(person))


def desk(house: House, visit: Visit, code: str) -> Page:
    return visit(house.portal, DESK, js=False, cookies=house.as_staff(code))


def send_code(house: House, page: Page, phone: str) -> None:
    """Ask for a code, and read it where a portal without a gateway shows it."""
    fill(page, "手机号", phone)
    press(page, "发验证码")
    expect(page).to_have_url(re.compile("/login/code"))
    fill(page, "验证码", last_code(house, phone))
    press(page, "确定")


def last_code(house: House, phone: str) -> str:
    """The code in the newest text to a number."""
    text = house.do(lambda _t, _m: _last_text(phone))
    return str(re.search(r"\d{6}", text)[0])  # type: ignore[index]


def _last_text(phone: str) -> str:
    from portal.core.db import db
    from portal.notices.models import Delivery

    found = db.session.scalars(select(Delivery).where(Delivery.recipient == phone).order_by(Delivery.id.desc()))
    return str(found.first().body)  # type: ignore[union-attr]


def sign_ups(house: House, entry: int, status: str) -> int:
    return house.count(
        select(func.count()).select_from(SignUp).where(SignUp.entry_id == entry, SignUp.status == status)
    )


def test_a_pdf_opens_by_itself_when_it_is_made(house: House, phone: Page) -> None:
    address = f"/services/{house.entry(title='脚本外的海报')}/poster.pdf"
    phone.goto(address)
    says(phone, "正在排版")
    with phone.expect_response(lambda answer: answer.url.endswith(address) and answer.status == 200) as made:
        house.portal.make_papers()
    assert made.value.headers["content-type"] == "application/pdf"


# Residents ------------------------------------------------------------------------------------------------------------


def test_register_on_the_way_and_sign_up(house: House, phone: Page) -> None:
    entry = house.entry(title="脚本外的报名")
    phone.goto(f"/services/{entry}")
    press(phone, "我要报名")
    send_code(house, phone, "19900001001")
    press(phone, "完成")
    expect(phone.get_by_role("alert")).to_contain_text("还有 2 处要改")
    fill(phone, "姓名", "脚本外居民")
    phone.get_by_label(re.compile("^所在社区")).select_option(label="甲一社区")
    fill(phone, "住址", "测试花园 2 栋")
    phone.get_by_role("checkbox").check()
    press(phone, "完成")
    expect(phone).to_have_url(re.compile(rf"/services/{entry}$"))
    press(phone, "确认报名")
    says(phone, "报上了", "脚本外的报名")
    phone.goto("/me")
    says(phone, "脚本外的报名")
    assert sign_ups(house, entry, "confirmed") == 1


def test_login_again_comes_back_to_the_page(house: House, phone: Page) -> None:
    house.resident(phone="19900001002")
    phone.goto("/me/profile")
    send_code(house, phone, "19900001002")
    expect(phone).to_have_url(re.compile("/me/profile$"))
    press(phone, "退出登录")
    phone.goto("/me")
    expect(phone).to_have_url(re.compile(r"/login\?next="))


def test_a_wrong_code_keeps_the_page(house: House, phone: Page) -> None:
    phone.goto("/login")
    fill(phone, "手机号", "199 0000")
    press(phone, "发验证码")
    says(phone, "手机号应是 11 位数字")
    expect(phone.get_by_label(re.compile("^手机号"))).to_have_value("199 0000")
    fill(phone, "手机号", "199 0000 1003")
    press(phone, "发验证码")
    fill(phone, "验证码", "12345")
    press(phone, "确定")
    says(phone, "验证码是短信里的 6 位数字")


def test_filter_and_search(house: House, phone: Page) -> None:
    house.entry(title="长者防诈骗讲座", groups=["elder"])
    house.entry(title="亲子陶艺", groups=["family"], category=None)
    phone.goto(f"/services?month={MONTH}")
    says(phone, "长者防诈骗讲座", "亲子陶艺")
    phone.locator(".filters summary", has_text="搜索").click()
    fill(phone, "找服务", "诈骗")
    phone.locator("form.search button").click()
    says(phone, "找到 1 项", "长者防诈骗讲座")
    press(phone, "清除筛选")
    phone.locator(".filters summary", has_text="给谁").click()
    press(phone, "亲子家庭")
    expect(phone.locator("#results")).to_contain_text("亲子陶艺")
    expect(phone.locator("#results")).not_to_contain_text("长者防诈骗讲座")
    phone.locator("a.act", has_text="亲子陶艺").click()
    expect(phone.locator("h1")).to_have_text("亲子陶艺")


def test_sign_up_and_withdraw(house: House, visit: Visit) -> None:
    entry, person = house.entry(title="可以退出的活动"), house.resident()
    page = signed_in(house, visit, person)
    page.goto(f"/services/{entry}")
    press(page, "确认报名")
    says(page, "报上了")
    press(page, "退出")
    says(page, "报名")
    assert sign_ups(house, entry, "confirmed") == 0
    page.goto(f"/services/{entry}")
    expect(page.get_by_role("button", name="确认报名")).to_be_visible()


def test_a_full_activity_offers_the_waiting_list(house: House, visit: Visit) -> None:
    entry = house.entry(title="已经满了的活动", capacity=1)
    for number, button in enumerate(("确认报名", "加入候补")):
        page = signed_in(house, visit, house.resident(phone=f"1990000201{number}"))
        page.goto(f"/services/{entry}")
        press(page, button)
    says(page, "候补第 1 位")
    press(page, "不等了")
    assert sign_ups(house, entry, "waiting") == 0


def test_a_relative_is_added_and_signed_up(house: House, visit: Visit) -> None:
    entry, person = house.entry(title="给妈妈报名的活动"), house.resident()
    page = signed_in(house, visit, person)
    page.goto("/me/relatives")
    fill(page, "姓名", "测试妈妈")
    press(page, "加上")
    says(page, "请选择关系")
    expect(page.get_by_label(re.compile("^姓名"))).to_have_value("测试妈妈")
    page.get_by_label(re.compile("^他（她）是您的")).select_option("母亲")
    press(page, "加上")
    says(page, "测试妈妈")
    page.goto(f"/services/{entry}")
    page.get_by_label("为谁报名").select_option(label="母亲（测试妈妈）")
    press(page, "确认报名")
    says(page, "报上了", "测试妈妈")
    relative = house.count(select(Relative.id).where(Relative.resident_id == person))
    assert house.count(select(func.count()).where(SignUp.relative_id == relative)) == 1


def test_profile_is_corrected(house: House, visit: Visit) -> None:
    person = house.resident()
    page = signed_in(house, visit, person)
    page.goto("/me")
    page.get_by_role("link", name=re.compile("个人资料")).click()
    fill(page, "住址", "新搬的花园 9 栋")
    fill(page, "出生年份", "1850")
    press(page, "保存")
    says(page, "出生年份填 4 位数字")
    expect(page.get_by_label(re.compile("^住址"))).to_have_value("新搬的花园 9 栋")
    fill(page, "出生年份", "1956")
    press(page, "保存")
    wanted = select(func.count()).where(Resident.id == person, Resident.address == "新搬的花园 9 栋")
    assert house.count(wanted) == 1


def test_elder_mode_is_one_tap_and_remembered(house: House, phone: Page) -> None:
    phone.goto("/c/A1")
    press(phone, "长辈版")
    expect(phone.locator("html.elder")).to_have_count(1)
    phone.goto(f"/services?month={MONTH}")
    expect(phone.locator("html.elder")).to_have_count(1)
    press(phone, "回首页")
    press(phone, "普通版")
    expect(phone.locator("html.elder")).to_have_count(0)


def test_a_freed_place_is_accepted(house: House, visit: Visit) -> None:
    """Late offers ask for an answer; it is a plain button."""
    tomorrow = clock.at(date(2026, 11, 26), time(9))
    span = [(tomorrow, tomorrow + timedelta(hours=2))]
    entry = house.entry(title="明天的活动", capacity=1, sessions=span)
    first, second = (signed_in(house, visit, house.resident()) for _ in range(2))
    for page, button in ((first, "确认报名"), (second, "加入候补")):
        page.goto(f"/services/{entry}")
        press(page, button)
    press(first, "退出")
    second.goto(f"/services/{entry}")
    press(second, "我要参加")
    says(second, "已报上")
    assert sign_ups(house, entry, "confirmed") == 1


def test_choosing_a_community_and_a_guide(house: House, phone: Page) -> None:
    phone.goto("/")
    phone.get_by_label("我的社区").select_option(label="甲二社区")
    press(phone, "就选这个")
    says(phone, "甲二社区")
    phone.goto("/")
    says(phone, "甲二社区")
    phone.goto("/guides")
    fill(phone, "找指南", "公开")
    press(phone, "搜索")
    phone.get_by_role("link", name=re.compile("公开指南")).click()
    expect(phone.locator("h1")).to_have_text("公开指南")


def test_an_account_is_erased(house: House, visit: Visit) -> None:
    person = house.resident()
    page = signed_in(house, visit, person)
    page.goto("/me/erase")
    press(page, "注销账户")
    says(page, "请先勾选")
    page.get_by_role("checkbox").check()
    press(page, "注销账户")
    says(page, "账户已注销")
    page.goto("/me")
    expect(page).to_have_url(re.compile("/login"))


def test_inbox(house: House, visit: Visit) -> None:
    person = house.resident()

    def tell(_town: factories.Town, _make: factories.Make) -> None:
        told = [notices.Told(person, "browser")]
        notices.tell_residents(told, "change", "活动改到周日", "时间变了", "/me", factories.NOW)

    house.do(tell)
    page = signed_in(house, visit, person)
    page.goto("/me/inbox")
    says(page, "还有 1 条没看", "活动改到周日")
    page.get_by_role("button", name=re.compile("活动改到周日")).click()
    expect(page).to_have_url(re.compile("/me$"))
    page.goto("/me/inbox")
    says(page, "都看过了")


# Staff ----------------------------------------------------------------------------------------------------------------


def waiting(house: House, title: str, at: str) -> int:
    """A row of A1 that waits at a centre above it."""

    def build(town: factories.Town, make: factories.Make) -> int:
        start = clock.at(date(2026, 12, 16), time(9))
        values = {"status": "in_review", "published_at": None, "waits_at_id": town.centres[at].id}
        entry = make.entry(town.centres["A1"], [(start, start + timedelta(hours=2))], title=title, **values)
        return int(entry.id)

    return int(house.do(build))


def test_staff_sign_in_and_out(house: House, visit: Visit) -> None:
    page = visit(house.portal, DESK, js=False)
    page.goto("/staff/catalogue")
    staff_signs_in(page, "a1", "not the password")
    expect(page.get_by_role("alert")).to_be_visible()
    staff_signs_in(page, "a1", factories.PASSWORD)
    expect(page).to_have_url(re.compile("/staff$"))
    press(page, "退出登录")
    page.goto("/staff")
    expect(page).to_have_url(re.compile("/staff/login"))


def test_return_a_row_with_a_reason(house: House, visit: Visit) -> None:
    waiting(house, "要退回的一行", "A")
    page = desk(house, visit, "A")
    page.goto(f"/staff/catalogue?month={MONTH}&state=mine")
    press(row_of(page, "要退回的一行"), "退回…")
    press(page, "退回给甲一社区")
    expect(page.get_by_role("alert")).to_be_visible()
    fill(page, "理由", "写明集合点")
    press(page, "退回给甲一社区")
    says(page, "退回给甲一社区了，对方已收到理由")


def test_approve_one_and_many(house: House, visit: Visit) -> None:
    for number in range(3):
        waiting(house, f"等初审{number}", "A")
    page = desk(house, visit, "A")
    page.goto(f"/staff/catalogue?month={MONTH}&state=mine")
    press(row_of(page, "等初审0"), "通过")
    says(page, "“等初审0”通过了，现在待")
    page.get_by_role("checkbox", name="选择 等初审1").check()
    page.get_by_role("checkbox", name="选择 等初审2").check()
    press(page, "通过所选")
    says(page, "2 条里有 2 条有提醒")
    press(page, "通过 2 条")
    says(page, "通过了 2 条")


def test_import_a_plan_and_mend_a_row(house: House, visit: Visit) -> None:
    page = desk(house, visit, "A2")
    page.goto(f"/staff/catalogue/import?month={MONTH}")
    page.locator("input[type=file]").set_input_files(XLSX)
    press(page, "上传并预览")
    says(page, "看懂 12 行")
    row_of(page, "亲子绘本阅读会").get_by_role("link", name=re.compile("改第")).click()
    fill(page, "地点", "三楼书吧")
    press(page, "改好了，再看一遍")
    says(page, "三楼书吧")
    press(page, "导入勾选的行")
    says(page, "导入了")


def test_publish_the_month(house: House, visit: Visit) -> None:
    house.entry(title="等发布的一条", status="approved", published_at=None)
    page = desk(house, visit, "D")
    page.goto(f"/staff/catalogue/publish?month={MONTH}")
    press(page, "提前发布")
    says(page, "会发布")
    expect(page.locator("#sure-err")).to_be_visible()
    fill(page, "提前发布的原因", "提前公布")
    page.get_by_role("checkbox", name=re.compile("我已核对")).check()
    press(page, "提前发布")
    says(page, "等发布的一条")
    page.goto(f"/services?month={MONTH}&q=等发布")
    says(page, "等发布的一条")
