"""The month board: rows decided in place, sums beside them, many at once, handing in, exports."""

from __future__ import annotations

import io
import re
from datetime import datetime
from typing import Any

import openpyxl
import pytest

from portal.catalogue.models import ACCEPTED, APPROVED, IN_REVIEW, RETURNED, Entry
from portal.core import clock

BOARD = "/staff/catalogue?month=2026-12"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def waiting(town: Any, make: Any) -> Any:
    """A row of A1 that waits for A, since two days."""
    since = clock.at(datetime(2026, 11, 23).date(), datetime(2026, 11, 23, 9, 0).time())

    def one(title: str, **values: Any) -> Entry:
        named = {"status": IN_REVIEW, "waits_at_id": town.centres["A"].id, "waits_since": since} | values
        return make.entry(town.centres["A1"], title=title, **named)

    return one


def timeless(page: str) -> str:
    """The page without its tokens, which hold the second in which they were made."""
    return re.sub(r'(name="csrf_token" value=)"[^"]*"', r"\1", page)


def row_of(page: str, entry_id: int) -> str:
    found = re.search(rf'<tbody id="row-{entry_id}">.*?</tbody>', page, re.S)
    assert found, f"row {entry_id} is not there"
    return timeless(found[0])


def test_the_sentence_says_where_things_stand(client: Any, town: Any, waiting: Any, make: Any, as_staff: Any) -> None:
    waiting("探访")
    make.entry(town.centres["A1"], title="过了", status=APPROVED)
    make.entry(town.centres["A1"], title="退了", status=RETURNED, return_reason="写明集合点", return_field="place")
    as_staff(client, town.staff["A"])
    page = client.get(BOARD).text
    said = re.sub(r"<[^>]+>", "", re.search(r'<p class="lead">.*?</p>', page, re.S)[0])
    assert said.startswith("3 项，已通过 1，退回 1，待审 1")
    assert "街道初审截止 11月26日 18:00" in said
    assert "待甲街道初审 2 天" in page
    assert "地点：写明集合点" in page


def test_tabs_filter_and_an_empty_list_says_what_to_do(client: Any, town: Any, waiting: Any, as_staff: Any) -> None:
    waiting("探访")
    as_staff(client, town.staff["A"])
    assert "探访" in client.get(BOARD + "&state=mine").text
    empty = client.get(BOARD + "&state=returned").text
    assert "探访" not in empty
    assert "这里没有符合条件的服务" in empty
    as_staff(client, town.staff["B1"])
    page = client.get(BOARD).text
    assert "12月还没有服务，从哪里开始？" in page
    assert "从 Excel 导入" in page


def test_approving_in_place_gives_the_row_as_the_page_shows_it(
    client: Any, town: Any, waiting: Any, session: Any, as_staff: Any
) -> None:
    entry_id = waiting("探访").id
    as_staff(client, town.staff["A"])
    answer = client.post(f"/staff/catalogue/{entry_id}/approve", headers=HTMX)
    assert answer.status_code == 200
    assert "待测试区复审" in answer.text
    assert 'hx-swap-oob="true"' in answer.text  # the sums come along
    session.rollback()
    assert session.get(Entry, entry_id).waits_at_id == town.centres["D"].id
    fragment = client.get(f"/staff/catalogue/{entry_id}/row", headers=HTMX).text
    assert row_of(fragment, entry_id) == row_of(client.get(BOARD).text, entry_id)


def test_the_board_block_is_the_page_s_own(client: Any, town: Any, waiting: Any, as_staff: Any) -> None:
    waiting("探访")
    as_staff(client, town.staff["A"])
    fragment = timeless(client.get(BOARD, headers=HTMX).text)
    assert fragment.lstrip().startswith('<div id="board">')
    assert fragment in timeless(client.get(BOARD).text)


def test_returning_needs_a_reason_and_keeps_what_was_typed(
    client: Any, town: Any, waiting: Any, session: Any, as_staff: Any
) -> None:
    entry_id = waiting("净滩").id
    as_staff(client, town.staff["A"])
    url = f"/staff/catalogue/{entry_id}/return"
    asked = client.get(url, headers=HTMX).text
    assert "写明集合点" in row_of(asked, entry_id)  # the chips of the profile
    refused = client.post(url, headers=HTMX, data={"reason": " ", "field": "place"})
    assert refused.status_code == 422
    assert "请写明理由" in refused.text
    assert '<option value="place" selected>' in refused.text
    done = client.post(url, headers=HTMX, data={"reason": "请写明集合点", "field": "place"})
    assert "地点：请写明集合点" in done.text
    session.rollback()
    row = session.get(Entry, entry_id)
    assert (row.status, row.return_reason, row.return_field) == (RETURNED, "请写明集合点", "place")


def test_returning_works_without_any_script(client: Any, town: Any, waiting: Any, as_staff: Any) -> None:
    entry_id = waiting("净滩").id
    as_staff(client, town.staff["A"])
    url = f"/staff/catalogue/{entry_id}/return?next={BOARD}"
    page = client.get(url)
    assert "<h1>退回 · 净滩</h1>" in page.text
    assert client.post(url, data={"reason": ""}).status_code == 422
    done = client.post(url, data={"reason": "写明集合点"})
    assert (done.status_code, done.location) == (303, BOARD)
    assert "退回给甲一社区了" in client.get(BOARD).text


def test_somebody_was_faster(client: Any, town: Any, waiting: Any, session: Any, as_staff: Any) -> None:
    entry = waiting("探访")
    as_staff(client, town.staff["A"])
    stale = client.post(f"/staff/catalogue/{entry.id}/approve", headers=HTMX, data={"version": entry.version + 7})
    assert stale.status_code == 409
    assert "刚刚被别人处理过了" in row_of(stale.text, entry.id)
    session.rollback()
    assert session.get(Entry, entry.id).waits_at_id == town.centres["A"].id


def test_many_at_once_and_all(client: Any, town: Any, waiting: Any, make: Any, session: Any, as_staff: Any) -> None:
    ids = [waiting(f"第{n}条").id for n in range(3)]
    other = make.entry(town.centres["B1"], status=IN_REVIEW, waits_at_id=town.centres["B"].id, waits_since=make.now).id
    as_staff(client, town.staff["A"])
    client.post("/staff/catalogue/bulk", data={"do": "approve", "row": [ids[0], other]})
    session.rollback()
    assert [session.get(Entry, i).waits_at_id == town.centres["D"].id for i in (*ids, other)] == [
        True,
        False,
        False,
        False,
    ]
    assert "还没有勾选" in client.get(client.post("/staff/catalogue/bulk", data={"do": "approve"}).location).text
    client.post("/staff/catalogue/bulk", data={"do": "approve", "all": "1", "month": "2026-12"})
    session.rollback()
    assert all(session.get(Entry, i).waits_at_id == town.centres["D"].id for i in ids)
    assert session.get(Entry, other).waits_at_id == town.centres["B"].id


def test_a_superior_stands_in_on_the_row_s_page_only(
    client: Any, town: Any, waiting: Any, session: Any, as_staff: Any
) -> None:
    entry_id = waiting("探访").id
    as_staff(client, town.staff["D"])
    assert "通过</button>" not in row_of(client.get(BOARD).text, entry_id)
    client.post("/staff/catalogue/bulk", data={"do": "approve", "all": "1", "month": "2026-12"})
    session.rollback()
    assert session.get(Entry, entry_id).status == IN_REVIEW  # "all" does not pass over the subdistrict
    session.rollback()
    assert "代甲街道通过" in client.get(f"/staff/catalogue/{entry_id}").text
    client.post(f"/staff/catalogue/{entry_id}/approve")
    session.rollback()
    assert session.get(Entry, entry_id).status == APPROVED
    assert "代 甲街道 处理" in client.get(f"/staff/catalogue/{entry_id}").text


def test_a_station_offers_and_the_community_takes_it_in(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    entry_id = make.entry(town.centres["A1S"], title="议事会", status="draft").id
    as_staff(client, town.staff["A1S"])
    sent = client.post(f"/staff/catalogue/{entry_id}/send", headers=HTMX)
    assert "待甲一社区整合" in sent.text
    as_staff(client, town.staff["A1"])
    assert "并入清单" in row_of(client.get(BOARD).text, entry_id)
    client.post(f"/staff/catalogue/{entry_id}/approve", headers=HTMX)
    session.rollback()
    assert session.get(Entry, entry_id).status == ACCEPTED


def test_handing_in_says_which_rows_are_not_ready(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    """Asked once with what stays; the good rows go, the others are named again; taken back by one press."""
    good = make.entry(town.centres["A1"], title="好的", status="draft").id
    bad = make.entry(town.centres["A1"], title="没有地点的", status="draft", place="").id
    as_staff(client, town.operator["A1"])
    assert "交甲街道审核（2）" in client.get(BOARD).text
    asked = client.get("/staff/catalogue/bulk?do=hand_in&all=1&month=2026-12").text
    assert "上交 1 条" in asked and "这 1 条不动" in asked
    assert f"/staff/catalogue/{bad}/edit" in asked
    done = client.post("/staff/catalogue/bulk", data={"do": "hand_in", "ids": f"{good},{bad}", "month": "2026-12"})
    assert done.status_code == 200
    assert "上交了 1 条" in done.text and f"/staff/catalogue/{bad}" in done.text
    session.rollback()
    assert session.get(Entry, good).waits_at_id == town.centres["A"].id
    assert session.get(Entry, bad).status == "draft"
    assert "刚才上交了 1 条" in client.get(BOARD).text
    undo = re.search(r"/staff/catalogue/steps/\d+/undo", done.text).group()
    assert "都回到原来的样子" in client.get(client.post(undo).location).text
    session.rollback()
    assert session.get(Entry, good).status == "draft"
    assert "已经撤回" in client.get(client.post(undo).location).text
    nothing = client.post("/staff/catalogue/bulk", data={"do": "hand_in", "ids": str(bad), "month": "2026-12"})
    assert nothing.status_code == 422 and "没有可以上交的服务" in nothing.text


def test_what_could_not_be_taken_back_is_named_in_its_own_month(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    good, moved = (
        make.entry(town.centres["A1"], title=title, status="draft", month="2027-01").id for title in ("好的", "动过的")
    )
    as_staff(client, town.operator["A1"])
    client.post("/staff/catalogue/bulk", data={"do": "drop", "ids": f"{good},{moved}", "month": "2027-01"})
    undo = re.search(r"/staff/catalogue/steps/\d+/undo", client.get("/staff/catalogue?month=2027-01").text)
    session.rollback()
    session.get(Entry, moved).revision += 1
    session.commit()
    said = client.post(undo.group()).text
    assert "撤回了 1 条" in said and "动过的</a>：后来又有人处理过" in said
    assert "1月服务清单" in said and "12月服务清单" not in said


def test_all_is_asked_once_with_its_warnings(client: Any, town: Any, waiting: Any, session: Any, as_staff: Any) -> None:
    plain, odd = waiting("没事的").id, waiting("要核对的", check_note="日期请核对", place="广场").id
    as_staff(client, town.staff["A"])
    assert "全部通过…" in client.get(BOARD).text
    asked = client.get("/staff/catalogue/bulk?do=approve&all=1&month=2026-12").text
    assert "只通过没有提醒的 1 条" in asked and "全部通过 2 条" in asked and "日期请核对" in asked
    assert f'name="ids" value="{plain}"' in asked
    said = client.get(
        client.post("/staff/catalogue/bulk", data={"do": "approve", "ids": plain, "month": "2026-12"}).location
    ).text
    assert "通过了 1 条" in said and "10 分钟" not in said
    session.rollback()
    assert [session.get(Entry, i).waits_at_id == town.centres["D"].id for i in (plain, odd)] == [True, False]


def test_many_are_returned_for_one_reason(client: Any, town: Any, waiting: Any, session: Any, as_staff: Any) -> None:
    ids = [waiting(f"第{n}条").id for n in range(3)]
    as_staff(client, town.staff["A"])
    page = "/staff/catalogue/bulk?do=return&month=2026-12&" + "&".join(f"row={i}" for i in ids[:2])
    assert "退回 2 条" in client.get(page).text
    data = {"do": "return", "month": "2026-12", "ids": f"{ids[0]},{ids[1]}"}
    empty = client.post("/staff/catalogue/bulk", data=data)
    assert empty.status_code == 422 and "请写明原因" in empty.text and "退回 2 条" in empty.text
    client.post("/staff/catalogue/bulk", data=data | {"reason": "写明集合点", "field": "place"})
    session.rollback()
    found = [session.get(Entry, i) for i in ids]
    assert [(e.status, e.return_reason, e.return_field) for e in found] == [
        ("returned", "写明集合点", "place"), ("returned", "写明集合点", "place"), (IN_REVIEW, "", ""),
    ]  # fmt: skip


def test_a_category_or_a_place_for_many(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    ids = [make.entry(town.centres["A1"], title=f"第{n}条", status="draft").id for n in range(2)]
    as_staff(client, town.staff["A1"])
    data = {"month": "2026-12", "ids": f"{ids[0]},{ids[1]}"}
    wrong = client.post("/staff/catalogue/bulk", data=data | {"do": "place", "place": " "})
    assert wrong.status_code == 422 and "请写地点" in wrong.text
    client.post("/staff/catalogue/bulk", data=data | {"do": "place", "place": "小广场"})
    charity = town.categories["charity"].id
    client.post("/staff/catalogue/bulk", data=data | {"do": "category", "category": charity})
    session.rollback()
    assert {(session.get(Entry, i).place, session.get(Entry, i).category_id) for i in ids} == {("小广场", charity)}
    client.post("/staff/catalogue/bulk", data=data | {"do": "drop"})
    session.rollback()
    assert {session.get(Entry, i).status for i in ids} == {"dropped"}
    assert client.get("/staff/catalogue/bulk?do=explode&row=1").status_code == 303


def test_an_inspector_decides_nothing(client: Any, town: Any, waiting: Any, as_staff: Any) -> None:
    entry_id = waiting("探访").id
    as_staff(client, town.inspector["D"])
    for end in ("approve", "return", "send", "recall", "drop", "edit", "checked"):
        assert client.post(f"/staff/catalogue/{entry_id}/{end}").status_code == 403, end
    assert client.post("/staff/catalogue/bulk", data={"do": "approve"}).status_code == 403
    assert "通过所选" not in client.get(BOARD).text


def test_the_number_of_queries_does_not_depend_on_the_rows(
    client: Any, town: Any, waiting: Any, session: Any, as_staff: Any, count_queries: Any
) -> None:
    for number in range(3):
        waiting(f"第{number}条")
    as_staff(client, town.staff["A"])
    client.get(BOARD)
    with count_queries() as few:
        assert client.get(BOARD).status_code == 200
    session.rollback()
    for number in range(12):
        waiting(f"又{number}条", place=f"{number}楼")
    with count_queries() as many:
        assert client.get(BOARD).status_code == 200
    assert len(many) == len(few)
    assert len(many) <= 32


def test_long_lists_have_pages_and_all_means_all(
    client: Any, town: Any, waiting: Any, session: Any, as_staff: Any
) -> None:
    for number in range(53):
        waiting(f"第{number}条")
    as_staff(client, town.staff["A"])
    page = client.get(BOARD).text
    assert page.count('<tbody id="row-') == 50
    assert "第 1 页，共 2 页，53 条" in page
    assert client.get(BOARD + "&page=2").text.count('<tbody id="row-') == 3
    assert client.get("/staff/catalogue/export.csv?month=2026-12").data.count(b"\n") == 54
    client.post("/staff/catalogue/bulk", data={"do": "approve", "all": "1", "month": "2026-12"})
    session.rollback()
    assert session.query(Entry).filter_by(waits_at_id=town.centres["D"].id).count() == 53


def test_exports_hold_the_rows_and_no_formulas(client: Any, town: Any, make: Any, as_staff: Any) -> None:
    make.entry(town.centres["A1"], title="=HYPERLINK(1)", status="draft")
    make.entry(town.centres["B1"], title="别处的", status="draft")
    as_staff(client, town.staff["A"])
    text = client.get("/staff/catalogue/export.csv?month=2026-12").data.decode("utf-8-sig")
    assert "'=HYPERLINK(1)" in text
    assert "别处的" not in text
    sheet = openpyxl.load_workbook(io.BytesIO(client.get("/staff/catalogue/export.xlsx?month=2026-12").data)).active
    cells = [c for row in sheet.iter_rows(min_row=2) for c in row]
    assert "=HYPERLINK(1)" in [c.value for c in cells]
    assert {c.data_type for c in cells if c.value is not None} == {"s"}
    assert client.get("/staff/catalogue/export.exe?month=2026-12").status_code == 404


def test_the_wechat_text_holds_each_row_with_its_address(client: Any, town: Any, make: Any, as_staff: Any) -> None:
    entry = make.entry(town.centres["A1"], title="净滩")
    as_staff(client, town.staff["A1"])
    page = client.get("/staff/catalogue/wechat?month=2026-12").text
    assert f"https://portal.example/s/{entry.id}" in page
    assert "12月13日（周日）8:30–11:00" in page
    assert "0755-84200003" in page  # for who has no phone skills


def test_dropping_asks_first(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    draft = make.entry(town.centres["A1"], status="draft").id
    approved = make.entry(town.centres["A1"], status=APPROVED).id
    as_staff(client, town.staff["A1"])
    assert "不能恢复" in client.get(f"/staff/catalogue/{draft}/drop").text
    assert client.post(f"/staff/catalogue/{draft}/drop").status_code == 303
    refused = client.post(f"/staff/catalogue/{approved}/drop", data={"reason": ""})
    assert refused.status_code == 422
    assert "请写明原因" in refused.text
    session.rollback()
    assert session.get(Entry, draft).status == "dropped"
    assert session.get(Entry, approved).status == APPROVED


def test_review_by_community_with_what_each_row_says(
    client: Any, town: Any, waiting: Any, make: Any, as_staff: Any
) -> None:
    """What is to be decided stands by centre; the content opens in place; a community's rows are passed together."""
    waiting("丙", content="请带身份证")
    other = {"status": IN_REVIEW, "waits_at_id": town.centres["A"].id, "waits_since": make.now}
    make.entry(town.centres["A2"], title="乙", **other)
    waiting("甲")
    as_staff(client, town.staff["A"])
    page = client.get(BOARD + "&state=mine").text
    heads = re.findall(r'<th colspan="7" scope="rowgroup">(\S+)', page)
    assert heads == ["甲一社区", "甲二社区"]
    assert "请带身份证" in page
    assert page.count("全部通过…") == 3
    assert re.findall(r"<strong>(.)</strong>", client.get(BOARD + "&sort=title").text) != []
    assert "rowgroup" not in client.get(BOARD + "&state=mine&sort=time").text


def test_the_list_is_searched_and_sorted(client: Any, town: Any, waiting: Any, as_staff: Any) -> None:
    waiting("冬至包汤圆", place="书吧")
    waiting("广场舞", place="小广场", contact="陈社工")
    as_staff(client, town.staff["A"])

    def names(query: str) -> list[str]:
        return re.findall(r"<strong>([^<]+)</strong></a>", client.get(BOARD + query).text)

    assert names("&q=汤圆") == ["冬至包汤圆"]
    assert names("&q=陈社工 广场") == ["广场舞"]
    assert names("&q=没有的") == []
    assert names("&q=100%25") == []
    assert names("&sort=title") == sorted(["冬至包汤圆", "广场舞"])
    assert names("&sort=sideways") == names("")
    assert "汤圆" in client.get("/staff/catalogue/export.csv?month=2026-12&q=汤圆").get_data(as_text=True)
    assert "广场舞" not in client.get("/staff/catalogue/export.csv?month=2026-12&q=汤圆").get_data(as_text=True)


def test_what_we_have_passed(client: Any, town: Any, waiting: Any, as_staff: Any) -> None:
    entry, other = waiting("过了的"), waiting("退回的")
    as_staff(client, town.staff["A"])
    assert "我们已通过" not in client.get(BOARD).text
    client.post(f"/staff/catalogue/{entry.id}/approve")
    client.post(f"/staff/catalogue/{other.id}/return", data={"reason": "不清楚"})
    page = client.get(BOARD + "&state=passed").text
    assert re.search(r"我们已通过 <b[^>]*>1</b>", page)
    assert "过了的" in page and "退回的</strong>" not in page
    as_staff(client, town.staff["D"])
    client.post(f"/staff/catalogue/{entry.id}/return", data={"reason": "重复"})
    as_staff(client, town.staff["A"])
    assert not re.search(r"我们已通过 <b", client.get(BOARD).text)
