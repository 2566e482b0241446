"""Every deadline sentence equals its rule: what a page says at a moment is what a press at that moment meets (Q0, S4).

The table: kinds of activity × how things stand with the person × the moments just before and at each deadline.
A page that offers a button must not refuse it, one that names an hour must mean it, and no page contradicts itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.catalogue import windows
from portal.catalogue.models import Entry
from portal.catalogue.public import month_snapshot
from portal.core import clock
from portal.signup import rules
from portal.signup.models import SignUp
from tests.conftest import sign_in
from tests.factories import NOW, Make, Town

pytestmark = pytest.mark.once

HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
START = NOW + 10 * DAY
ONE = [(START, START + 2 * HOUR)]
SERIES = [(START + week * 7 * DAY, START + week * 7 * DAY + 2 * HOUR) for week in range(3)]
KINDS: dict[str, dict[str, Any]] = {
    "usual": {"sessions": ONE},
    "set": {
        "sessions": ONE, "sign_up_from": NOW + DAY, "own_first_until": NOW + 2 * DAY, "sign_up_until": START - DAY,
        "withdraw_until": START - 2 * DAY,
    },
    "open to the start": {"sessions": ONE, "withdraw_until": START - 10 * HOUR},
    "full": {"sessions": ONE, "capacity": 1, "taken": 1, "sign_up_until": START - DAY},
    "full, not open yet": {"sessions": ONE, "capacity": 1, "taken": 1, "sign_up_from": NOW + DAY},
    "joined later": {"sessions": SERIES, "sign_up_until": START + 10 * DAY, "weekly": {"label": "每周一 9:00–11:00"}},
    "reviewed": {"sessions": ONE, "needs_review": True, "withdraw_until": START - 2 * DAY},
    "changed": {"sessions": ONE, "withdraw_until": START - 2 * DAY, "changed_at": NOW + HOUR},
    "walk in": {"sessions": ONE, "walk_in": True, "capacity": None},
}  # fmt: skip
STATES = ("", "confirmed", "pending", "waiting", "offered")
ACCEPT_BY = START - 6 * HOUR
LEAVE = "【退出的按钮】"


def moments(entry: Entry) -> list[datetime]:
    """Just before and at each deadline of an entry and of a sign-up made at NOW, and in the middle of a series."""
    marks = [
        entry.sign_up_from, entry.own_first_until, entry.sign_up_until, entry.withdraw_until, entry.first_start,
        entry.last_end, ACCEPT_BY, NOW + rules.GRACE, entry.sessions[-1].starts_at,
    ]  # fmt: skip
    return sorted({mark + step for mark in marks if mark is not None for step in (-SECOND, timedelta())})


def words_of(html: str) -> str:
    """What can be read on a page, without the text to send on, which says nothing of now."""
    html = re.sub(r'<section id="share".*?</section>', "", html, flags=re.S)
    html = re.sub(r'<form action="/services/\d+/withdraw"[^>]*>', LEAVE, html)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def stamps(text: str, after: str) -> Iterator[str]:
    """The hours named before these words."""
    return (found[1] for found in re.finditer(rf"(\d+月\d+日 \d+:\d\d) {after}", text))


def check(entry: Entry, row: SignUp | None, home: str, path: str, text: str, now: datetime) -> list[str]:
    """What on the page is not so."""
    wrong: list[str] = []

    def so(sentence: str, true: bool) -> None:
        if sentence in text and not true:
            wrong.append(sentence)

    sure = row is not None and row.status == "confirmed"
    if row and sure and LEAVE not in text and rules.may_withdraw(entry, row.status, row.created_at, now) is None:
        wrong.append("no way to leave")
    may = rules.may_sign_up(entry, home, path, now)
    for button in ("确认报名", "提交报名", "加入候补"):
        so(button, may is None)
    so("可以候补", windows.open_at(entry, now))
    so("直接到场", now < entry.last_end)
    so("前报名", now < windows.closes_at(entry))
    so("报名已截止", now >= windows.closes_at(entry))
    so("已经开始", now >= entry.first_start)
    so("起都可以报", bool(entry.own_first_until and now < entry.own_first_until))
    so("第一次", now < entry.sessions[0].ends_at)
    so("有人退出按先后递补", rules.may_move_up(entry, now))
    so("我要参加", now < ACCEPT_BY)
    so("快开始了", START - 2 * HOUR < now < START)
    if row is not None and row.status in ("confirmed", "pending"):
        so(LEAVE, rules.may_withdraw(entry, row.status, row.created_at, now) is None)
    for until in (
        *stamps(text, "前可自行退出"),
        *stamps(text, "前报名"),
        *stamps(text, "前确认"),
        *stamps(text, "起都可以报"),
    ):
        if until not in {clock.stamp(m) for m in future(entry, row, now)}:
            wrong.append(f"{until} 前…")
    for since in stamps(text, "以后(?:不能自己|退出请)"):
        if since not in {clock.stamp(m) for m in past(entry, row, now)}:
            wrong.append(f"{since} 以后…")
    return wrong


def future(entry: Entry, row: SignUp | None, now: datetime) -> list[datetime]:
    """The deadlines that are to come: the entry's, that of who signs up now, that of one's own sign-up."""
    of_now = [rules.leave_until(entry, now), rules.leave_until(entry, row.created_at) if row else None, ACCEPT_BY]
    known = [windows.withdraw_deadline(entry), windows.closes_at(entry), entry.own_first_until, *of_now]
    return [m for m in known if m is not None and now < m]


def past(entry: Entry, row: SignUp | None, now: datetime) -> list[datetime]:
    known = [windows.withdraw_deadline(entry), rules.leave_until(entry, row.created_at) if row else None]
    return [m for m in known if m is not None and now >= m]


@pytest.mark.parametrize("kind", KINDS)
def test_every_sentence_is_true_at_every_moment(
    session: Any, town: Town, make: Make, client: FlaskClient, kind: str
) -> None:
    values = dict(KINDS[kind])
    person, a1 = town.residents[0], town.centres["A1"]
    entry = make.entry(a1, values.pop("sessions"), **({"capacity": 30} | values))
    sign_in(client, "resident", person.id)
    wrong = []
    states = STATES if not entry.walk_in else ("",)
    for state in states:
        row = hold(session, entry, person, state)
        for now, where in product(moments(entry), ("", "/sign-up")):
            session.rollback()
            month_snapshot.forget()
            with clock.frozen(now):
                text = words_of(client.get(f"/services/{entry.id}{where}").text)
            said = check(entry, row, a1.path, a1.path, text, now)
            wrong += [(state, where, f"{now - START:}", one) for one in said]
        if row is not None:
            session.delete(row)
            session.commit()
    assert not wrong


def hold(session: Any, entry: Entry, person: Any, state: str) -> SignUp | None:
    if not state:
        return None
    row = SignUp(
        entry_id=entry.id, resident_id=person.id, person_key=f"r{person.id}", status=state, created_at=NOW,
        centre_id=entry.centre_id, queue_no=1 if state == "waiting" else None,
        accept_by=ACCEPT_BY if state == "offered" else None,
    )  # fmt: skip
    session.add(row)
    session.commit()
    return row


def test_the_table_sees_a_sentence_that_is_not_so(session: Any, town: Town, make: Make) -> None:
    """The check itself can fail: each of yesterday's contradictions is found."""
    entry = make.entry(town.centres["A1"], ONE, withdraw_until=START - DAY, sign_up_until=START - DAY)
    late = START - HOUR
    for text in (
        "已满，可以候补", "确认报名", "12月4日 10:00 前可自行退出", "12月4日 10:00 前报名", "加入候补",
        "12月2日 10:00 以后不能自己退出了",
    ):  # fmt: skip
        assert check(entry, None, "/", "/", text, late), text
    assert check(entry, None, "/", "/", "直接到场，不用报名 已结束", START + DAY)
