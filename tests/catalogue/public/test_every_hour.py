"""Every hour of the last and the first two days of a month, a year and February (issue 11): what the list, its days,
search, wishes, the words about what is not out yet and the messages say. No page is drawn: the rules are asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

import pytest

from portal.catalogue import windows, words
from portal.catalogue.public import month_snapshot, wishes
from portal.catalogue.public.month_snapshot import Filters, Row
from portal.core import clock, deadlines
from portal.notices import rules as notice_rules

pytestmark = pytest.mark.once

# The first day of what follows: a month of 30 days, a year, February of 28 days and of 29.
TURNS = {
    "month": date(2026, 12, 1), "year": date(2027, 1, 1), "February": date(2027, 3, 1), "leap year": date(2028, 3, 1),
}  # fmt: skip
ONE = timedelta(days=1)
TIMES = ((time(0), time(1)), (time(9), time(10)), (time(14), time(16)), (time(19, 30), time(21)), (time(23), None))


def row(number: int, start: datetime, end: datetime) -> Row:
    day = clock.local(start)
    title = f"{'夜读' if day.hour >= 18 else '晨练'}{day.month}月{day.day}日{day.hour}点"
    return Row(
        id=number, version=1, month=clock.month_of(start), title=title, category="party", category_name="党群服务",
        parent_category="", centre_path="/1/", centre_name="甲", place="", audience="", groups=(), capacity=None,
        unit="人", taken=0, waiting=0, walk_in=False, status="published", weekly="", sign_up_from=None,
        sign_up_until=None, changed=False, sessions=((start, end),), session_ids=(number,),
        search=words.searchable([title]), kind="",
    )  # fmt: skip


def plan(turn: date) -> list[Row]:
    """Five things a day from ten days before the turn until ten days after it; the last lasts past midnight."""
    rows = []
    for day in (turn + timedelta(days=number) for number in range(-10, 10)):
        for begin, end in TIMES:
            until = clock.at(day, end) if end else clock.at(day + ONE, time(0, 30))
            rows.append(row(len(rows) + 1, clock.at(day, begin), until))
    return rows


def moments(turn: date) -> Iterator[datetime]:
    """Each hour of the last two days before it and of the first two, a second before and at the hour."""
    for hours in range(-48, 49):
        at = clock.at(turn, time()) + timedelta(hours=hours)
        yield from (at - timedelta(seconds=1), at)


def listed(rows: list[Row], want: Filters, now: datetime) -> list[int]:
    """What the list shows: of the months that it is about, the nearest first."""
    first, last = want.asked_months(clock.today(now))
    asked = [r for r in rows if first <= r.month <= last]
    return [r.id for r, _ in month_snapshot.select_rows(asked, want, now).coming]


@pytest.mark.parametrize("early", [False, True], ids=["next month not out", "published early"])
@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_the_list_and_the_days(turn: date, early: bool) -> None:
    every, following = plan(turn), clock.month_of(turn)
    for now in moments(turn):
        out = [r for r in every if early or r.month < following or clock.today(now) >= turn]
        coming = [r for r in out if r.sessions[0][1] > now]
        assert listed(out, Filters(), now) == [r.id for r in coming], now
        today = clock.local(now).date()
        sunday = today + timedelta(days=6 - today.weekday())
        spans = {
            "today": (today, today), "tomorrow": (today + ONE, today + ONE), "week": (today, sunday),
            "weekend": (max(today, sunday - ONE), sunday), (today + 3 * ONE).isoformat(): (today + 3 * ONE,) * 2,
        }  # fmt: skip
        for word, (first, last) in spans.items():
            days = month_snapshot.day_range(word, clock.today(now))
            wanted = [r.id for r in coming if first <= clock.local(r.sessions[0][0]).date() <= last]
            assert listed(out, Filters(days=days), now) == wanted, (now, word)


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_search_and_wishes(turn: date) -> None:
    every = plan(turn)
    for now in moments(turn):
        today = clock.local(now).date()
        saturday = today + timedelta(days=(5 - today.weekday()) % 7)
        if today == saturday and clock.local(now).hour >= 18:
            saturday += timedelta(days=7)
        said = {
            "夜读": (date.min, date.max, (18, 24)), "今天晨练": (today, today, (0, 18)), "明天": (today + ONE,) * 2 + ((0, 24),),
            "明晚夜读": (today + ONE, today + ONE, (18, 24)), "后天上午": (today + 2 * ONE,) * 2 + ((0, 12),),
            "周六下午": (saturday, saturday, (12, 18)),
            f"{turn.month}月{turn.day + 1}日": (turn + ONE, turn + ONE, (0, 24)),
            f"{turn.day + 4}号夜读": (turn + 4 * ONE, turn + 4 * ONE, (18, 24)),
        }  # fmt: skip
        for typed, (first, last, (begin, end)) in said.items():
            wish = wishes.read(typed, now)
            want = Filters(
                days=wish.days, weekdays=wish.weekdays, hours=wish.hours, q=typed, terms=words.terms(wish.q),
                subject=words.terms(wish.subject),
            )  # fmt: skip
            wanted = [
                r.id for r in every
                if r.sessions[0][1] > now and first <= (start := clock.local(r.sessions[0][0])).date() <= last
                and begin <= start.hour < end
            ]  # fmt: skip
            # Past midnight of a late session counts to the day on which it begins.
            assert listed(every, want, now) == wanted, (now, typed, wish)


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_what_is_not_out_says_when_it_will_be(turn: date) -> None:
    following = clock.month_of(turn)
    before = clock.add_months(following, -1)
    for now in moments(turn):
        old = clock.today(now) < turn
        after = clock.add_months(following, 1)
        out = [before] if old else [before, following]
        name = clock.month_name(
            following if old else after, with_year=(following if old else after)[:4] != str(clock.today(now).year)
        )
        assert month_snapshot.next_publication(out, now) == f"{name}清单 {name}1日公布", now
        # Whatever is published early is never called unpublished.
        early = month_snapshot.next_publication([*out, following, after], now)
        assert early == "", now
        assert month_snapshot.first_ahead(now) == clock.month_of(clock.today(now) - ONE)


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_messages_and_the_words_of_a_card(turn: date) -> None:
    """Reminders fall due once each, no phone rings at night, and a card says of its moment what is true."""
    every = plan(turn)
    for now in moments(turn):
        there = clock.local(now)
        rings = clock.local(notice_rules.due_at(now, urgent=False))
        assert notice_rules.due_at(now, urgent=True) == now
        assert deadlines.NIGHT_UNTIL <= rings.hour < deadlines.NIGHT_FROM and rings >= there
        assert rings == there or (rings.hour, rings.minute) == (deadlines.NIGHT_UNTIL, 0)
        assert rings - there <= timedelta(hours=10)
        for one in every:
            start, end = one.sessions[0]
            ahead = start - now
            due = "hours" if timedelta() < ahead <= timedelta(hours=2) else None
            due = due or ("day" if timedelta(hours=2) < ahead <= ONE else None)
            assert deadlines.reminder_due(start, now) == due, (now, start)
            lead = month_snapshot.state(one, now).lead
            closing = windows.closes_at(one)
            closed = closing is not None and closing <= now
            assert lead == ("已结束" if end <= now else "报名已截止" if closed else "报名"), (now, start)
