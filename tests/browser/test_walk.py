"""The main job end to end in Chromium: a month is drawn up, reviewed, published, signed up for, printed (issue 2)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, Visit
from tests.browser.live import ROOT, Portal
from tests.browser.steps import XLSX, codes_on, fill, first_login, open_account, pdf_text, press, row_of, says

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MONTH = "2026-12"
COMMUNITY = "440307009001"  # 葵涌社区, whose plan the example workbook is
STATION = (
    "code,name,level,kind,parent_code,note\n440307009001S01,测试小区党群服务站,station,resident_group,440307009001,\n"
)
RETURNED, OFFERED = "海洋守护净滩行动", "楼道邻里茶话会"
CHOSEN = "冬至包汤圆"
PHONE = "19900000001"


class Walk:
    """The people of the walk, each at a computer or phone of their own."""

    def __init__(self, portal: Portal, visit: Visit) -> None:
        self.portal, self.visit = portal, visit
        self.district = visit(portal, DESK)
        self.subdistrict = self.community = self.station = self.district

    def install(self, folder: Path) -> None:
        """By the command line: 43 centres, a station, the services, the first manager."""
        said = self.portal.flask("import-centres", str(ROOT / "portal/profiles/dapeng/units.csv"))
        assert "43" in said
        extra = folder / "station.csv"
        extra.write_text(STATION, "utf-8")
        self.portal.flask("import-centres", str(extra))
        self.portal.flask("import-services", str(ROOT / "portal/profiles/dapeng/services.csv"))
        said = self.portal.flask("init")
        password = re.search(r"一次性密码：(\S+)", said)
        assert password, said
        first_login(self.district, "admin", password[1])

    def open_accounts(self) -> None:
        passwords = {
            username: open_account(self.district, username, name, centre)
            for username, name, centre in (
                ("jd-kuichong", "街道甲", "葵涌街道"),
                ("kuichong", "社区乙", "葵涌社区"),
                ("xiaoqu", "站点丙", "测试小区"),
            )
        }
        pages: dict[str, Page] = {}
        for username, password in passwords.items():
            pages[username] = self.visit(self.portal, DESK)
            first_login(pages[username], username, password)
        self.subdistrict, self.community, self.station = pages.values()

    def import_the_plan(self) -> None:
        page = self.community
        page.goto(f"/staff/catalogue?month={MONTH}")
        page.get_by_role("link", name=re.compile("从 Excel 导入")).last.click()
        page.get_by_label(re.compile("Excel|文件|计划表")).set_input_files(XLSX)
        press(page, "上传并预览")
        says(page, "看懂 12 行", "可以导入 12")
        expect(page.locator("table.board > tbody")).to_have_count(12)
        says(page, "展开 23 场", "展开 5 场")
        press(page, "导入勾选的行")
        says(page, "导入了 12 条")

    def offer_from_the_station(self) -> None:
        page = self.station
        page.goto(f"/staff/catalogue/new?month={MONTH}")
        fill(page, "服务名称", OFFERED)
        page.get_by_label(re.compile("^类别")).select_option(label="党群服务")
        fill(page, "服务内容", "邻里相聚，说说楼里的事")
        page.get_by_label("时间", exact=True).press_sequentially("12月12日 15:00-16:30")
        says(page, "看懂了 1 场")
        fill(page, "地点", "小区活动室")
        fill(page, "服务对象", "全体居民")
        fill(page, "名额数", "20")
        press(page, "存好并送审")
        says(page, "待葵涌社区整合")

    def merge_and_hand_in(self) -> None:
        page = self.community
        page.goto(f"/staff/catalogue?month={MONTH}")
        row = row_of(page, OFFERED)
        press(row, "并入清单")
        expect(row).to_contain_text("已并入清单")
        press(page, "交葵涌街道审核（13）")
        press(page, "交清单 13 条")
        says(page, "上交了 13 条")

    def first_review(self) -> None:
        """One row goes back with a reason; the rest is passed on in one press."""
        page = self.subdistrict
        page.goto("/staff")
        page.goto(f"/staff/catalogue?month={MONTH}")
        row = row_of(page, RETURNED)
        press(row, "退回…")
        press(row, "写明集合点")
        expect(row.get_by_label(re.compile("^退回的理由"))).to_have_value("写明集合点")
        row.get_by_label("哪一处要改").select_option(label="地点")
        press(row, "退回给葵涌社区")
        expect(row).to_contain_text("已退回")
        expect(row).to_contain_text("地点：写明集合点")
        press(page, "全部通过…")
        press(page, "通过 12 条")
        says(page, "通过了 12 条")
        expect(row_of(page, CHOSEN)).to_contain_text("待大鹏新区复审")

    def mend_and_send_back(self) -> None:
        page = self.community
        page.goto("/staff")
        says(page, "1 条被退回，改好后送回")
        press(page, "去处理")
        says(page, RETURNED, "写明集合点")
        press(page, "修改")
        says(page, "退回的理由", "写明集合点")
        fill(page, "地点", "沙鱼涌海滩，东门停车场集合")
        press(page, "改好送回")
        says(page, RETURNED, "待葵涌街道初审")

    def second_review_and_publication(self) -> None:
        self.subdistrict.goto(f"/staff/catalogue?month={MONTH}&state=mine")
        row = row_of(self.subdistrict, RETURNED)
        expect(row).to_contain_text("东门停车场集合")
        press(row, "通过")
        expect(row).to_contain_text("待大鹏新区复审")
        page = self.district
        page.goto(f"/staff/catalogue?month={MONTH}")
        press(page, "全部通过…")
        press(page, "通过 13 条")
        says(page, "通过了 13 条")
        press(page, "核对并发布")
        says(page, "会发布 13 条")
        press(page, "提前发布")
        expect(page.locator("#reason-err")).to_be_visible()
        fill(page, "提前发布的原因", "元旦放假，提前公布")
        page.get_by_role("checkbox", name=re.compile("我已核对")).check()
        press(page, "提前发布")
        says(page, "13")

    def sign_up(self) -> int:
        """On a phone, from the list to one's own page; returns the activity's id."""
        page = self.visit(self.portal)
        page.goto(f"/c/{COMMUNITY}")
        page.goto(f"/services?month={MONTH}")
        says(page, "13 项", RETURNED)
        page.locator(".filters summary", has_text="给谁").click()
        press(page, "党群服务")
        expect(page.locator("#results")).not_to_contain_text(RETURNED)
        page.locator(".filters summary", has_text="搜索").click()
        fill(page, "找服务", "汤圆")
        page.locator("form.search button").click()
        expect(page.locator("a.act")).to_have_count(1)
        page.locator("a.act", has_text=CHOSEN).click()
        expect(page.locator("h1")).to_have_text(CHOSEN)
        says(page, "还有 60 位 / 共 60 位")
        entry = int(page.url.split("?")[0].rsplit("/", 1)[1])
        press(page, "我要报名")
        self.register(page)
        expect(page).to_have_url(re.compile(rf"/services/{entry}(\?back=|$)"))
        press(page, "确认报名")
        says(page, "报上了")
        page.goto("/me")
        says(page, CHOSEN)
        return entry

    def register(self, page: Page) -> None:
        """The phone code is read where a new installation keeps it: on the district's page of messages."""
        fill(page, "手机号", PHONE)
        press(page, "发验证码")
        expect(page).to_have_url(re.compile("/login/code"))
        self.district.goto("/staff/messages")
        code = re.search(r"\b(\d{6})\b", self.district.locator("table").inner_text())
        assert code
        fill(page, "验证码", code[1])
        press(page, "确定")
        fill(page, "姓名", "测试居民")
        page.get_by_label(re.compile("^所在社区")).select_option(label="葵涌社区")
        fill(page, "住址", "测试花园 1 栋 101")
        page.get_by_role("checkbox").check()
        press(page, "完成")

    def roster(self, entry: int) -> None:
        page = self.community
        page.goto(f"/staff/sign-ups/{entry}")
        says(page, "测试居民")
        assert PHONE not in page.content(), "phones are masked until somebody asks, and that is recorded"
        data = self.printed(page, f"/staff/sign-ups/{entry}/roster.pdf")
        assert "测试居民" in pdf_text(data)
        assert CHOSEN in pdf_text(data)

    def printed(self, page: Page, address: str) -> bytes:
        assert page.request.get(address).status == 202
        self.portal.make_papers()
        answer = page.request.get(address)
        assert answer.status == 200
        return answer.body()

    def paper(self, entry: int) -> None:
        """The printed list holds each row and a code that leads to the row's page."""
        page = self.visit(self.portal)
        data = self.printed(page, f"/print/list/{MONTH}/{COMMUNITY}.pdf")
        printed = pdf_text(data)
        assert CHOSEN in printed
        assert RETURNED in printed
        codes = codes_on(data)
        short = f"{self.portal.address}/s/{entry}"
        assert short in codes, codes
        assert len({c for c in codes if "/s/" in c}) == 13
        page.goto(short)
        expect(page.locator("h1")).to_have_text(CHOSEN)


def test_the_main_job(empty_portal: Portal, visit: Visit, tmp_path: Path) -> None:
    walk = Walk(empty_portal, visit)
    walk.install(tmp_path)
    walk.open_accounts()
    walk.import_the_plan()
    walk.offer_from_the_station()
    walk.merge_and_hand_in()
    walk.first_review()
    walk.mend_and_send_back()
    walk.second_review_and_publication()
    entry = walk.sign_up()
    walk.roster(entry)
    walk.paper(entry)
