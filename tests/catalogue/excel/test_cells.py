"""SPEC C7: names, numbers and phones in single cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.catalogue.excel.cells import parse_capacity, parse_contact
from portal.catalogue.excel.header import SYNONYMS, field_of
from portal.catalogue.timetext.tidy import chinese_number

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("text", "places", "unit"),
    [
        ("30人", 30, "人"),
        ("30", 30, "人"),
        ("３０人", 30, "人"),
        ("30名", 30, "人"),
        ("限30人", 30, "人"),
        ("三十人", 30, "人"),
        ("一百二十人", 120, "人"),
        ("十五组", 15, "组"),
        ("15组家庭", 15, "组"),
        ("15组", 15, "组"),
        ("20对", 20, "组"),
        ("15个家庭", 15, "家庭"),
        ("10户", 10, "家庭"),
        ("1,200人", 1200, "人"),
        ("15个亲子家庭", 15, "家庭"),
        ("１５ 个 亲子 家庭", 15, "家庭"),
        ("亲子家庭15个", 15, "家庭"),
        ("三口之家20个", 20, "家庭"),
        ("20户居民", 20, "家庭"),
        ("12个亲子组合", 12, "组"),
        ("8支队伍", 8, "组"),
        ("每组2人，共10组", 10, "组"),
        ("10组（2人/组）", 10, "组"),
        ("3人一组，共8组", 8, "组"),
        ("2大1小，限12组", 12, "组"),
        ("一大一小20组", 20, "组"),
        ("20组家庭（每组1大1小）", 20, "组"),
        ("每户限1人，共30户", 30, "家庭"),
        ("6-12岁儿童20名", 20, "人"),
        ("60岁以上老人30名", 30, "人"),
        ("50（人次）", 50, "人"),
        ("报名前30名", 30, "人"),
        ("30人，额满即止", 30, "人"),
    ],
)
def test_a_number_of_places(text: str, places: int, unit: str) -> None:
    capacity = parse_capacity(text)
    assert (capacity.places, capacity.unit, capacity.unlimited, capacity.problems) == (
        places,
        unit,
        False,
        (),
    )


@pytest.mark.parametrize("text", ["直接到场", "无需报名", "免报名", "不用提前报名", "现场参与", "无需 报名"])
def test_walking_in(text: str) -> None:
    capacity = parse_capacity(text)
    assert (capacity.places, capacity.walk_in, capacity.problems) == (None, True, ())


def test_a_name_in_its_own_column_stays_as_written() -> None:
    contact = parse_contact("陈社工、李社工（前台）", "0755-84200001")
    assert (contact.name, contact.phone, contact.problems) == ("陈社工、李社工（前台）", "0755-84200001", ())


@pytest.mark.parametrize("text", ["不限", "无限制", "不限人数", "名额不限", "不设上限", "无"])
def test_unlimited(text: str) -> None:
    capacity = parse_capacity(text)
    assert (capacity.places, capacity.unlimited, capacity.problems) == (None, True, ())


@pytest.mark.parametrize(
    ("text", "places", "unit", "message"),
    [
        ("约30人", 30, "人", "名额写的是“约30人”，按 30 算，请核对"),
        ("30人左右", 30, "人", "名额写的是“30人左右”，按 30 算，请核对"),
        ("30-40人", 40, "人", "名额写的是 30-40，按 40 算，请核对"),
        ("30人至40人", None, "", ""),
        ("15组家庭（30人）", 15, "组", "名额“15组家庭（30人）”里有几个数，按 15 算，请核对"),
        ("每场20人", 20, "人", "名额写的是“每场20人”，按每场 20 算，请核对"),
    ],
)
def test_doubtful_places_are_warnings(text: str, places: int | None, unit: str, message: str) -> None:
    capacity = parse_capacity(text)
    if places is None:
        # A range in words still ends in a whole number and a warning.
        assert capacity.places in (30, 40)
        assert [problem.severity for problem in capacity.problems] == ["warning"]
        return
    assert (capacity.places, capacity.unit) == (places, unit)
    assert [(problem.severity, problem.message) for problem in capacity.problems] == [("warning", message)]


@pytest.mark.parametrize("text", ["", "若干", "/", "额满即止", "先到先得"])
def test_no_number_means_unlimited_with_a_warning(text: str) -> None:
    capacity = parse_capacity(text)
    assert capacity.unlimited
    assert [problem.severity for problem in capacity.problems] == ["warning"]


@pytest.mark.parametrize("text", ["0", "0人", "-5", "30.5", "看情况", "999999999999人"])
def test_impossible_places_are_errors(text: str) -> None:
    capacity = parse_capacity(text)
    assert capacity.places is None
    assert not capacity.unlimited
    assert [problem.severity for problem in capacity.problems] == ["error"]


@pytest.mark.parametrize(
    ("name", "phone", "expected"),
    [
        ("陈社工 0755-84200001", "", ("陈社工", "0755-84200001")),
        ("陈社工0755-84200001", "", ("陈社工", "0755-84200001")),
        ("陈社工：0755 8420 0001", "", ("陈社工", "0755-84200001")),
        ("联系人：陈社工\n电话：（0755）84200001", "", ("陈社工", "0755-84200001")),
        ("陈社工", "075584200001", ("陈社工", "0755-84200001")),
        ("陈社工", "19900000001", ("陈社工", "19900000001")),
        ("陈社工", "199-0000-0001", ("陈社工", "19900000001")),
        ("陈社工，+86 199 0000 0001", "", ("陈社工", "19900000001")),
        ("某某", "010-84200001转808", ("某某", "010-84200001-808")),
        ("服务热线 400-000-0001", "", ("服务热线", "4000000001")),
        ("热线12345", "", ("热线", "12345")),
        ("１９９００００００１１", "", ("", "19900000011")),
    ],
)
def test_name_and_phone(name: str, phone: str, expected: tuple[str, str]) -> None:
    contact = parse_contact(name, phone)
    assert (contact.name, contact.phone) == expected
    assert contact.problems == ()


@pytest.mark.parametrize(
    ("text", "phone", "message"),
    [
        ("陈社工", "", "没写联系电话，请补上"),
        ("陈社工 199****0001", "", "电话看不懂，请写 0755-84200000 或 11 位手机号，请补上"),
        ("陈 84200001", "84200001", "电话 84200001 没有区号，请核对"),
        ("陈 75584200001", "0755-84200001", "电话前面少了区号的 0，已经补上，请核对"),
        ("陈 19900000001 李 19900000002", "19900000001", "写了几个电话，用第一个 19900000001，请核对"),
    ],
)
def test_doubtful_phones_are_warnings(text: str, phone: str, message: str) -> None:
    contact = parse_contact(text, "")
    assert contact.phone == phone
    assert [(problem.severity, problem.message) for problem in contact.problems] == [("warning", message)]


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("服务 名称", "title"),
        ("活动主题", "title"),
        ("名额\n（人）", "capacity"),
        ("招募人数：", "capacity"),
        ("服务时间（精确到分）", "when"),
        ("主办/承办单位", "organiser"),
        ("联系人及电话", "contact"),
        ("联系人、电话", "contact"),
        ("联系电话", "contact_phone"),
        ("备 注", "remark"),
        ("天气", None),
        ("", None),
    ],
)
def test_headings(heading: str, field: str | None) -> None:
    assert field_of(heading) == field


def test_no_heading_stands_for_two_fields() -> None:
    names = [name for words in SYNONYMS.values() for name in words]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("三", 3),
        ("十", 10),
        ("十二", 12),
        ("二十", 20),
        ("三十一", 31),
        ("廿五", 25),
        ("一百零五", 105),
        ("二〇", 20),
        ("人", None),
    ],
)
def test_chinese_numbers(text: str, number: int | None) -> None:
    assert chinese_number(text) == number


@given(st.text(max_size=60), st.text(max_size=30))
def test_any_text_is_taken(first: str, second: str) -> None:
    capacity = parse_capacity(first)
    assert capacity.places is not None or capacity.unlimited or capacity.problems
    contact = parse_contact(first, second)
    assert contact.phone or contact.problems
