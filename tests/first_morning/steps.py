"""The steps of the morning, in order. Each is what somebody does; where a page is left, the next one begins there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import openpyxl
from playwright.sync_api import Browser

from portal.centres import table
from tests.browser.conftest import Complaints
from tests.browser.live import Portal
from tests.core import printed
from tests.first_morning import tables
from tests.first_morning.desk import Count, Desk, secrets_of

COMMUNITIES = ("葵涌社区", "溪涌社区", "鹏城社区")
SUBDISTRICTS = ("葵涌街道", "大鹏街道")
DEPARTMENT = "政法办"


@dataclass
class Morning:
    """What the people of this morning know of each other. given: one-time passwords by place."""

    browser: Browser
    portal: Portal
    out: Path
    first_password: str
    complaints: Complaints
    count: Count = field(default_factory=Count)
    given: dict[str, tuple[str, str]] = field(default_factory=dict)
    manager: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.manager = self.desk()

    def desk(self) -> Desk:
        return Desk(self.browser, self.portal, self.out, self.count, self.complaints)


def sign_in(m: Morning) -> None:
    m.manager.sign_in("admin", m.first_password)
    m.manager.says("第一个上午")
    m.manager.look("start", phone=True)


def details(m: Morning) -> None:
    """42 centres from one table: exported, filled in, looked at, taken."""
    desk, file = m.manager, m.out / "阵地表.xlsx"
    desk.click("a.rowlink:has-text('补齐信息')")
    desk.look("centres")
    with desk.page.expect_download() as sent:
        desk.press("导出现在的表")
    sent.value.save_as(file)
    assert tables.centres(file) == 42
    desk.send(file)
    desk.press("上传并预览")
    desk.look("centres-preview", phone=True)
    desk.press("导入（")
    desk.look("centres-done")
    assert "还没做" not in desk.step("补齐信息")


def departments(m: Morning) -> None:
    desk = m.manager
    desk.go("待我处理")
    desk.look("start-again")
    desk.press("建职能部门")
    for name, phone in tables.DEPARTMENTS:
        desk.fill("name", name)
        desk.fill("phone", phone)
        desk.press("建这个部门")
    desk.look("departments", phone=True)


def accounts(m: Morning) -> None:
    """Fifty people from one table, their slips on paper."""
    desk, file = m.manager, m.out / "账户表.csv"
    assert tables.accounts(file, m.out / "阵地表.xlsx") == 50
    desk.go("待我处理")
    desk.press("账户")
    desk.look("accounts")
    desk.send(file)
    desk.press("看看能建哪些")
    desk.look("accounts-preview")
    desk.press("建 50 个账户")
    desk.look("accounts-waiting")
    desk.page.wait_for_selector("text=打开密码条，打印")
    desk.look("accounts-done", phone=True)
    slips = desk.paper("main a:has-text('打开密码条')", "密码条")
    m.given = secrets_of("".join(printed.text_of(slips)))
    assert len(m.given) == 50, sorted(m.given)
    desk.press("都印好了")
    desk.look("accounts-listed")
    assert "还没做" not in desk.step("账户")


def guides(m: Morning) -> None:
    """One guide gets the number that is dialled here."""
    desk = m.manager
    desk.go("待我处理")
    desk.press("类别和办事指南")
    desk.look("guides")
    desk.click("main table a, main .rowlinks a")
    desk.fill("phone", "0755-84200000")
    desk.look("guide")
    desk.press("保存")
    desk.look("guide-saved")
    assert "还没做" not in desk.step("类别")


def dates(m: Morning) -> None:
    """The calendar is looked at; the month's list is wanted later than usual, because it is the first."""
    desk = m.manager
    desk.go("待我处理")
    desk.press("日期")
    desk.look("calendar")
    desk.go("待我处理")
    desk.press("改一个月的截止时间")
    desk.look("dates")
    for level, day in (("community", 27), ("subdistrict", 28)):
        desk.fill(level, f"2026-11-{day}T18:00")
    desk.press("保存日期")
    desk.look("dates-saved", phone=True)
    desk.says("11月27日 18:00")
    assert "还没做" not in desk.step("日期")


def _person(m: Morning, place: str) -> Desk:
    """Somebody comes with the slip, chooses a password and sees the own start page."""
    desk = m.desk()
    desk.sign_in(*m.given[f"{place}经办"])
    return desk


def _plan(m: Morning, place: str, file: Path, count: int, to: str) -> None:
    """From the slip to a plan that is handed in."""
    desk, first = _person(m, place), place in (COMMUNITIES[0], DEPARTMENT)
    if first:
        desk.look(f"start-{place}", phone=True)
    if place == COMMUNITIES[0]:
        manual = desk.paper("main a:has-text('印一页说明书')", "说明书")
        printed.picture(manual, dpi=80, grey=False).save(m.out / "manual.png")
        assert "11月27日18:00" in "".join(printed.text_of(manual))  # the date that was moved
    desk.go("服务清单")
    if first:
        desk.look(f"empty-{place}")
    desk.press("从 Excel 导入")
    if first:
        desk.look(f"upload-{place}")
    desk.send(file)
    desk.press("上传并预览")
    desk.look(f"plan-{place}", phone=first)
    desk.press(f"导入全部好的（{count}）")
    if first:
        desk.look(f"taken-{place}")
    desk.press("去清单里核对并上交")
    if first:
        desk.look(f"drafts-{place}")
    desk.press(f"交{to}")
    desk.press(f"交清单 {count} 条")
    desk.look(f"handed-in-{place}", phone=first)
    desk.says(f"上交了 {count} 条")
    desk.leave()


def plans(m: Morning) -> None:
    """Three communities and a department, each with the workbook that it keeps."""
    made = {DEPARTMENT: tables.department, COMMUNITIES[1]: tables.xichong, COMMUNITIES[2]: tables.pengcheng}
    _plan(m, COMMUNITIES[0], tables.SAMPLE, 12, SUBDISTRICTS[0])
    for place, make in made.items():
        file = m.out / f"{place}计划表.xlsx"
        _plan(m, place, file, make(file), "")


def _pass_all(desk: Desk) -> None:
    """Also what has something to look at: the reviewer has looked."""
    odd = desk.page.locator("main button:has-text('全部通过')").count()
    desk.press("全部通过" if odd else "通过")


def first_review(m: Morning) -> None:
    for place in SUBDISTRICTS:
        desk = _person(m, place)
        desk.look(f"start-{place}")
        desk.press("去处理")
        desk.look(f"review-{place}", phone=place == SUBDISTRICTS[0])
        desk.press("全部通过…")
        desk.look(f"review-ask-{place}")
        _pass_all(desk)
        desk.look(f"reviewed-{place}")
        desk.says("通过了")
        desk.leave()


def second_review(m: Morning) -> None:
    desk = m.manager
    desk.go("待我处理")
    desk.look("start-review", phone=True)
    desk.press("去处理")
    desk.look("review-district", phone=True)
    desk.press("全部通过…")
    desk.look("review-ask-district")
    _pass_all(desk)
    desk.says("通过了 22 条")
    desk.look("reviewed-district")


def allotted(m: Morning) -> None:
    """Where the department wished it: the boxes are ticked already."""
    desk = m.manager
    for wanted in (2, 1, 1):
        desk.press("分配…")
        desk.look(f"allot-{wanted}", phone=wanted == 2)
        desk.says(f"勾好了 {wanted} 个社区")
        desk.click("main form button:has-text('分配')")
    desk.look("allotted")


def publication(m: Morning) -> None:
    desk = m.manager
    desk.press("核对并发布")
    desk.look("publish", phone=True)
    desk.fill("reason", "第一个月，先发布试一试")
    desk.click("main label:has(input[name=sure])")
    desk.press("提前发布")
    desk.says("发布了")
    desk.look("published")
    assert "还没做" not in desk.step("第一个月")


def poster(m: Morning) -> None:
    """A3 for the boards: the codes are read and lead to the list, the telephone stands on each sheet."""
    desk = m.manager
    desk.press("更多")
    desk.press("宣传栏海报（A3）")
    desk.look("poster-ask", phone=True)
    desk.press("开始排版")
    desk.page.wait_for_selector("text=打开 PDF")
    desk.look("poster-ready")
    made = desk.paper("main a:has-text('打开 PDF')", "海报")
    words = printed.text_of(made)
    book = openpyxl.load_workbook(m.out / "阵地表.xlsx")[table.SHEET]
    phones = {str(cell.value) for cell in book[chr(ord("A") + table.NAMES.index("phone"))]}
    for number, sheet in enumerate(words, 1):
        assert any(phone in sheet for phone in phones), f"sheet {number} without a telephone"
        picture = printed.picture(made, number, dpi=100, grey=False)
        picture.save(m.out / f"poster-{number}.png")
        codes = printed.codes_in(picture)
        assert codes and all(code.startswith(m.portal.address) for code in codes), f"sheet {number}: {codes}"
    person = m.desk()
    person.page.goto(next(code for code in codes if "/s/" in code))
    person.look("resident-service", phone=True)
    person.page.goto(f"{m.portal.address}/services")
    person.look("resident-list", phone=True)
    person.leave()


STEPS: tuple[tuple[str, Callable[[Morning], None]], ...] = (
    ("sign in", sign_in),
    ("details", details),
    ("departments", departments),
    ("accounts", accounts),
    ("guides", guides),
    ("dates", dates),
    ("plans", plans),
    ("first review", first_review),
    ("second review", second_review),
    ("allotted", allotted),
    ("publication", publication),
    ("poster", poster),
)
