"""One sheet, one big code: an activity's poster and a centre's (SPEC C10, N3, Q7)."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest

from portal.catalogue.paper.documents import ActivityPoster, activity_poster
from portal.centres.documents import CentrePoster, centre_poster
from portal.core.pdf import render
from tests.core.printed import codes_in, fonts_of, picture, text_of

pytestmark = pytest.mark.once

ACTIVITY = ActivityPoster(
    title="“暖冬行动”高龄老人探访慰问",
    when_lines=("12月13日（周日）8:30–11:00", "12月20日（周日）8:30–11:00"),
    place="二楼书吧",
    audience="80岁以上长者",
    capacity_text="20人",
    summary="社工与党员志愿者入户探访，量血压、送防寒物资。",
    centre_name="葵涌社区党群服务中心",
    phone="0755-84200001",
    url="https://fuwu.example.gov.cn/s/1024",
    issued_on=date(2026, 12, 1),
    deadline_text="12月12日 20:00 前可报名",
)
CENTRE = CentrePoster(
    name="葵涌社区党群服务中心",
    phone="0755-84200001",
    address="葵新北路8号",
    hours=("每天 9:00–21:00",),
    url="https://fuwu.example.gov.cn/c/440307009001",
    issued_on=date(2026, 12, 1),
)


def test_activity_poster_tells_all_and_its_code_reads() -> None:
    made = render(activity_poster(ACTIVITY))
    (text,) = text_of(made)
    for words in ("“暖冬行动”高龄老人探访慰问", "12月20日（周日）8:30–11:00", "地点二楼书吧", "对象80岁以上长者"):
        assert words in text
    for words in (
        "名额20人免费",
        "扫码报名",
        "12月12日20:00前可报名",
        "0755-84200001",
        "2026年12月1日制",
        "第1页共1页",
    ):
        assert words in text
    assert codes_in(picture(made, 1, 72)) == [ACTIVITY.url]
    assert all(fonts_of(made).values())


def test_long_activity_still_fits_one_sheet() -> None:
    lines = tuple(f"12月{day}日（周日）8:30–11:00" for day in range(1, 12))
    long = dataclasses.replace(
        ACTIVITY,
        title="“我为群众办实事”生物多样性保护主题系列活动之一：走进大鹏半岛国家地质公园博物馆亲子研学",
        place="大鹏半岛国家地质公园博物馆一楼报告厅（请从北门进，凭身份证登记）",
        when_lines=lines,
    )
    (text,) = text_of(render(activity_poster(long)))
    assert long.title in text
    assert "还有6场，扫码看全部" in text
    assert codes_in(picture(render(activity_poster(long)), 1, 72)) == [ACTIVITY.url]


def test_centre_poster_names_three_things_and_its_code_reads() -> None:
    made = render(centre_poster(CENTRE))
    (text,) = text_of(made)
    for words in ("葵涌社区党群服务中心", "报名", "订场地", "求助", "0755-84200001", "每天9:00–21:00", "葵新北路8号"):
        assert words in text
    assert codes_in(picture(made, 1, 50)) == [CENTRE.url]


def test_centre_with_a_long_name_and_many_hours_fits_one_sheet() -> None:
    long = dataclasses.replace(
        CENTRE,
        name="大鹏半岛国家地质公园博物馆党群服务站",
        hours=("周一至周五 9:00–12:00，14:00–18:00", "周六、周日 9:00–17:00", "错时服务 18:00–21:00"),
    )
    (text,) = text_of(render(centre_poster(long)))
    assert long.name in text
    assert "错时服务18:00–21:00" in text
