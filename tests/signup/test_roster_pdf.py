"""The roster and the attendance list (SPEC S6, S10; P8: only what is needed at the door)."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest

from portal.core.pdf import render
from portal.signup.documents import Roster, RosterPerson, roster_sheet
from tests.core.printed import fonts_of, text_of

pytestmark = pytest.mark.once

PEOPLE = tuple(
    RosterPerson(
        name=f"测试{'甲乙丙丁'[number % 4]}{number}",
        phone=f"1990000{number:04d}",
        companions=number % 3,
        for_whom="代 试外婆" if number == 7 else "",
        attended=((True, False, None)[number % 3],),
    )
    for number in range(30)
)
ROSTER = Roster(
    title="海洋守护净滩行动",
    place="沙鱼涌海滩",
    sessions=("12月13日（周日）8:30–11:00",),
    organiser="葵涌社区党群服务中心",
    responsible="试社工",
    phone="0755-84200001",
    printed_on=date(2026, 12, 12),
    people=PEOPLE,
    capacity_text="80人",
)


def test_roster_holds_every_name_and_only_the_tail_of_each_phone() -> None:
    pages = text_of(render(roster_sheet(ROSTER)))
    text = "".join(pages)
    assert len(pages) == 2
    for person in PEOPLE:
        assert person.name in text
        assert person.phone[-4:] in text
        assert person.phone not in text
        assert person.phone[:7] not in text
    assert "代试外婆" in text
    assert "报名30份，共60人（名额80人）" in pages[0]
    assert "12月13日（周日）8:30–11:00" in pages[0]
    assert "沙鱼涌海滩" in pages[0]


def test_pages_are_numbered_and_repeat_the_head() -> None:
    made = render(roster_sheet(ROSTER))
    for number, text in enumerate(text_of(made), start=1):
        assert f"第{number}页共2页" in text
        assert "序号姓名手机尾号同行签名" in text
        assert "2026年12月12日打印" in text
        assert "0755-84200001" in text
    assert "海洋守护净滩行动（续）" in text_of(made)[1]
    assert all(fonts_of(made).values())


def test_lines_for_those_who_walk_in() -> None:
    text = "".join(text_of(render(roster_sheet(dataclasses.replace(ROSTER, people=PEOPLE[:3], blank_lines=4)))))
    assert "现场来的" in text
    for number in range(1, 8):
        assert str(number) in text
    assert "现场来的" not in "".join(text_of(render(roster_sheet(dataclasses.replace(ROSTER, blank_lines=0)))))


def test_a_column_for_each_session() -> None:
    sessions = tuple(f"12月{day}日（周日）8:30–11:00" for day in (6, 13, 20, 27))
    text = text_of(render(roster_sheet(dataclasses.replace(ROSTER, sessions=sessions))))[0]
    for session in sessions:
        assert session in text


@pytest.mark.parametrize("sessions", [(), ("一",) * 5])
def test_too_few_or_too_many_sessions_are_refused(sessions: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="1 to 4 sessions"):
        render(roster_sheet(dataclasses.replace(ROSTER, sessions=sessions)))


def test_the_file_copy_shows_who_came() -> None:
    text = "".join(text_of(render(roster_sheet(dataclasses.replace(ROSTER, filed=True)))))
    assert "签到记录" in text
    assert "到10份" in text
    assert text.count("未到") == 10
    assert "现场来的" not in text
    assert "经办人签名" in text


def test_a_number_too_short_to_mask_is_not_printed() -> None:
    assert RosterPerson("测试", "12345").phone_tail == ""
    assert RosterPerson("测试", "199 0000 0042").phone_tail == "0042"


def test_nobody_yet() -> None:
    text = "".join(text_of(render(roster_sheet(dataclasses.replace(ROSTER, people=())))))
    assert "还没有人报名。" in text
    assert "报名0份，共0人" in text
