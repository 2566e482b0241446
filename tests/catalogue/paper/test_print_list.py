"""The month on paper: the A4 list and the A3 poster of a centre, a subdistrict, the district (SPEC C10, Q7)."""

from __future__ import annotations

import dataclasses
import re
from datetime import date
from pathlib import Path

import pytest

from bench.pdf import month
from portal.catalogue.paper import documents, poster
from portal.catalogue.paper.documents import CentrePart, GuideRow, ListDocument, ListRow
from portal.core.pdf import render
from tests.core.printed import codes_in, fonts_of, links_of, picture, text_of

pytestmark = pytest.mark.once

DISTRICT = month(centres=8, rows=12)


def only(*parts: CentrePart, name: str = "葵涌街道") -> ListDocument:
    return dataclasses.replace(DISTRICT, parts=parts, scope_name=name)


def row(title: str, day: int | None = 9, **changes: str) -> ListRow:
    values = {
        "when_text": "9:00–11:30",
        "place": "二楼书吧",
        "audience": "全体居民",
        "capacity_text": "30人",
        "short_url": "https://fuwu.example.gov.cn/s/1024",
    }
    return ListRow(None if day is None else date(2026, 12, day), title, **(values | changes))


def centre(*rows: ListRow, **changes: object) -> CentrePart:
    return dataclasses.replace(DISTRICT.parts[0], rows=rows, **changes)


def flat(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.fixture(scope="module")
def district() -> bytes:
    return render(documents.monthly_list(DISTRICT))


def test_every_word_of_the_district_can_be_read(district: bytes) -> None:
    pages = text_of(district)
    assert len(pages) == 9  # the cover and one page a centre
    for number, part in enumerate(DISTRICT.parts, start=1):
        text = pages[number]
        assert part.label in text
        assert f"第{number + 1}页共9页" in text
        assert "2026年12月1日发布" in text
        assert flat(part.phone).replace("-", "") in text.replace("-", "")
        for item in (*part.rows, *part.weekly):
            for words in (item.title, item.when_text, item.place, item.audience, item.capacity_text):
                assert flat(words) in text, words


def test_fonts_of_the_district_are_two_embedded_subsets(district: bytes) -> None:
    fonts = fonts_of(district)
    assert len(fonts) == 2
    assert all(fonts.values())
    assert all(re.match(r"/[A-Z]{6}\+Noto-Sans-CJK-SC", name) for name in fonts)
    assert len(district) < 300_000


def test_cover_names_every_centre_with_phone_and_page(district: bytes) -> None:
    cover = text_of(district)[0]
    assert "8个中心和站点，96项活动" in cover
    for number, part in enumerate(DISTRICT.parts, start=2):
        phone = f"{part.phone[:9]}{part.phone[9:]}"
        assert re.search(
            rf"{part.label}12项{phone}{number}|{number}{part.label}12项{phone}|{part.label}12项{number}", cover
        ), cover
        assert phone in cover
    assert codes_in(picture(district, 1)) == [DISTRICT.url]


def test_every_code_of_the_book_reads_at_100_dpi_in_grey(district: bytes) -> None:
    assert codes_in(picture(district, 1, 100)) == [DISTRICT.url]
    for number, part in enumerate(DISTRICT.parts, start=2):
        wanted = [*(item.short_url for item in (*part.rows, *part.weekly)), part.url]
        assert codes_in(picture(district, number, 100)) == sorted(wanted)
        assert set(wanted) <= set(links_of(district))


def test_few_centres_need_no_cover() -> None:
    made = render(documents.monthly_list(only(*DISTRICT.parts[:2])))
    pages = text_of(made)
    assert len(pages) == 2
    assert "目录" not in "".join(pages)
    assert "第1页共2页" in pages[0]


def test_weeks_are_sections_and_days_are_in_order() -> None:
    weeks = documents.weeks_of("2026-12", [row("丁", 31), row("甲", 1), row("丙", 13), row("乙", 6), row("戊", None)])
    assert [(week.number, week.span, "".join(item.title for item in week.rows)) for week in weeks] == [
        (1, "12月1日—6日", "甲乙"),
        (2, "12月7日—13日", "丙"),
        (5, "12月28日—31日", "丁"),
    ]


@pytest.mark.parametrize(("rows", "pages"), [(5, 1), (9, 1), (14, 1), (16, 1), (18, 2), (24, 2), (30, 2)])
def test_no_page_holds_a_lonely_box_or_two_lonely_lines(rows: int, pages: int) -> None:
    part = month(centres=1, rows=rows).parts[0]
    made = text_of(render(documents.monthly_list(only(part))))
    assert len(made) == pages
    assert made[0].index("每周都有") < made[0].index("第一周")  # what is every week comes first
    for page in made:
        titles = sum(page.count(flat(title)) for title in {item.title for item in (*part.rows, *part.weekly)})
        assert titles >= min(rows, 6)


def test_nothing_is_promised_without_a_number() -> None:
    borrowed = centre(row("义诊"), phone="0755-84200099", phone_of="葵涌街道中心电话", hours="")
    for made in (render(documents.monthly_list(only(borrowed))), render(poster.board_poster(only(borrowed)))):
        (text,) = text_of(made)
        assert "葵涌街道中心电话" in text and "0755-84200099" in text
        assert "开放" not in text
    silent = dataclasses.replace(borrowed, phone="", phone_of="")
    for made in (render(documents.monthly_list(only(silent))), render(poster.board_poster(only(silent)))):
        (text,) = text_of(made)
        assert "到服务台说一声" in text and "打电话" not in text


def test_from_today_is_said_on_every_paper() -> None:
    late = dataclasses.replace(only(centre(row("义诊", 20))), since=date(2026, 12, 17))
    assert "12月17日起" in text_of(render(documents.monthly_list(late)))[0]
    assert "12月17日起，来参加" in text_of(render(poster.board_poster(late)))[0]


@pytest.mark.parametrize("rows", [10, 11])
def test_a_month_that_just_runs_over_stays_on_its_page(rows: int) -> None:
    days = [1, 1, 3, 8, 13, 14, 15, 20, 21, 28, 28][:rows]
    weekly = tuple(row(f"每周{n}", None, when_text="每周二 9:00–11:30") for n in range(3))
    hours = "周一、周三 9:00–12:00；周二、周四至周日 9:00–12:00、19:00–21:30（晚间延时）"
    made = render(
        documents.monthly_list(
            only(centre(*(row(f"活动{n}", d) for n, d in enumerate(days)), weekly=weekly, hours=hours, guides=()))
        )
    )
    assert len(text_of(made)) == 1
    assert len(codes_in(picture(made))) == rows + 4


def test_states_carry_words() -> None:
    made = render(
        documents.monthly_list(
            only(
                centre(
                    row("普法教育", status="cancelled", status_text="已取消"),
                    row("冬至包汤圆", status="changed", status_text="时间有变"),
                    row("垃圾分类", status="full", status_text="已报满"),
                )
            )
        )
    )
    text = text_of(made)[0]
    for words in ("普法教育已取消", "冬至包汤圆时间有变", "垃圾分类已报满"):
        assert words in text


def test_empty_month_says_what_to_do() -> None:
    guide = GuideRow("居住证办理", "0755-84200012", "带身份证和租房合同")
    empty = centre(weekly=(), guides=(guide,))
    for made in (render(documents.monthly_list(only(empty))), render(poster.board_poster(only(empty)))):
        (text,) = text_of(made)
        assert "这个月没有单独安排活动" in text
        assert "0755-84200000" in text
        assert "居住证办理带身份证和租房合同" in text


def test_long_words_wrap_inside_their_row_and_stay_whole() -> None:
    title = "“我为群众办实事”生物多样性保护主题系列活动之一：走进大鹏半岛国家地质公园博物馆亲子研学"
    place = "大鹏半岛国家地质公园博物馆一楼报告厅（请从北门进，凭身份证登记）"
    audience = "18岁以上、能自己行走的居民，未成年人须家长陪同"
    part = centre(row(title, place=place, audience=audience), row("冬至包汤圆", 10))
    for made in (render(documents.monthly_list(only(part))), render(poster.board_poster(only(part)))):
        text = text_of(made)[0]
        assert title in text
        assert place in text
        assert audience in text
        assert set(codes_in(picture(made))) == {"https://fuwu.example.gov.cn/s/1024", part.url} | {
            item.short_url for item in part.weekly
        }


def test_markup_in_a_title_is_printed_not_obeyed() -> None:
    made = render(documents.monthly_list(only(centre(row('<img src="file:///etc/hostname">红&绿')))))
    assert '<imgsrc="file:///etc/hostname">红&绿' in text_of(made)[0]


def test_one_changed_phone_stands_on_its_page_and_the_cover(tmp_path: Path) -> None:
    edition = tmp_path / "district.pdf"
    before = text_of(render(documents.monthly_list(DISTRICT), edition=edition))
    changed = dataclasses.replace(DISTRICT.parts[3], phone="0755-84200077")
    parts = (*DISTRICT.parts[:3], changed, *DISTRICT.parts[4:])
    made = render(documents.monthly_list(dataclasses.replace(DISTRICT, parts=parts)), edition=edition)
    assert "0755-84200077" in text_of(made)[4]
    assert "0755-84200077" in text_of(made)[0]
    assert [number for number, text in enumerate(text_of(made)) if text != before[number]] == [0, 4]
    assert fonts_of(made).keys() == fonts_of(render(documents.monthly_list(DISTRICT))).keys()


def test_a_document_needs_a_centre_and_a_real_month() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        render(documents.monthly_list(only()))
    with pytest.raises(ValueError):
        render(documents.monthly_list(dataclasses.replace(DISTRICT, month="2026-13")))
