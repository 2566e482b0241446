"""The cells of a day's plan: no gaps, right columns, what shares a half hour stays visible (SPEC V2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.venues.rules.timeline import STEP, Block, Held, Shut, bounds, free_text, row

pytestmark = pytest.mark.once

OPEN = [(540, 1260)]


def kinds(blocks: list[Block]) -> list[tuple[str, int, int]]:
    return [(b.kind, b.start, b.end) for b in blocks]


def test_an_empty_morning_is_one_link_for_each_half_hour() -> None:
    blocks = row(540, 660, OPEN, [], [], 0)
    assert kinds(blocks) == [("free", 540, 570), ("free", 570, 600), ("free", 600, 630), ("free", 630, 660)]
    assert free_text(blocks) == "9:00–11:00"


def test_a_booking_spans_its_columns_and_its_buffer_is_kept_free() -> None:
    blocks = row(540, 720, OPEN, [], [Held(570, 660, 675, "甲")], 0)
    assert kinds(blocks)[:3] == [("free", 540, 570), ("held", 570, 660), ("tidy", 660, 690)]
    assert blocks[1].columns == 3
    assert free_text(blocks) == "9:00–9:30、11:30–12:00"


def test_two_within_one_half_hour_share_a_block_and_a_shared_edge_moves() -> None:
    both = row(540, 600, OPEN, [], [Held(540, 555, 555, "甲"), Held(555, 570, 570, "乙")], 0)
    assert both[0].items == ("甲", "乙")
    edge = row(540, 660, OPEN, [], [Held(540, 585, 585, "甲"), Held(585, 660, 660, "乙")], 0)
    assert kinds(edge) == [("held", 540, 600), ("held", 600, 660)]


def test_closed_hours_over_hours_and_closures_are_told_apart() -> None:
    blocks = row(480, 720, [(540, 600), (660, 720)], [Shut(600, 660, "检修")], [], 570)
    assert kinds(blocks) == [
        ("off", 480, 540),
        ("past", 540, 570),
        ("free", 570, 600),
        ("shut", 600, 660),
        ("free", 660, 690),
        ("free", 690, 720),
    ]
    assert blocks[3].reason == "检修"
    assert [b.now for b in blocks] == [False, False, True, False, False, False]


def test_now_begins_a_cell_of_its_own_where_nobody_is() -> None:
    blocks = row(540, 720, [], [], [], 620)
    assert [(b.start, b.end, b.now) for b in blocks] == [(540, 600, False), (600, 720, True)]
    assert [b.now for b in row(540, 720, OPEN, [], [Held(540, 720, 720, "甲")], 620)] == [False]


def test_another_day_has_no_mark_of_now() -> None:
    assert not any(b.now for b in row(540, 660, OPEN, [], [], 0, today=False))


def test_the_table_begins_and_ends_on_full_hours() -> None:
    assert bounds([(510, 1035)]) == (480, 1080)
    assert bounds([]) == (540, 1080)
    assert bounds([(0, 1440)]) == (0, 1440)


@st.composite
def holds(draw: st.DrawFn) -> list[Held]:
    """Holds that do not overlap, on any five minutes."""
    points = sorted(draw(st.lists(st.integers(0, 288), max_size=12, unique=True)))
    pairs = list(zip(points[::2], points[1::2], strict=False))
    return [Held(a * 5, b * 5, b * 5, n) for n, (a, b) in enumerate(pairs)]


@given(holds(), st.integers(0, 1440))
def test_cells_fill_the_row_and_nothing_held_is_lost(held: list[Held], passed: int) -> None:
    blocks = row(0, 1440, OPEN, [], held, passed)
    assert [b.start for b in blocks] == [0, *(b.end for b in blocks[:-1])]
    assert blocks[-1].end == 1440
    assert all(b.columns >= 1 and b.start % STEP == 0 for b in blocks)
    assert sorted(n for b in blocks for n in b.items) == [h.item for h in held]
    for h in held:
        block = next(b for b in blocks if h.item in b.items)
        assert block.start <= h.start + STEP and block.end >= h.end - STEP
