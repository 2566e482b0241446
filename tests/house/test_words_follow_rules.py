"""Words come from rules: each rule is changed, and every page and message that speaks of it says the new thing (Q0).

CASES names the rules and where each must be seen. Whoever adds a rule with a number adds a line; whoever writes a
number into a template or a sentence is caught by the scan at the end.
"""

from __future__ import annotations

import ast
import importlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.catalogue import rules as catalogue_rules
from portal.catalogue.paper import views as paper_views
from portal.catalogue.public import month_snapshot
from portal.catalogue.rules import EntryValues
from portal.catalogue.timetext.parse import parse_when
from portal.catalogue.timetext.parts import Span
from portal.centres import facts, profile
from portal.core import clock, errors, registry, uploads
from portal.core.errors import DomainError
from portal.core.tables import workbook
from portal.core.tables.grid import Unreadable
from portal.feedback import notices as feedback_notices
from portal.feedback import queries as feedback_queries
from portal.feedback.models import CallBack
from portal.people import rules as people_rules
from portal.people.actions import login_codes
from portal.people.refusals import InitialExpired
from portal.signup import notices as signup_notices
from portal.signup.models import SignUp
from portal.venues import notices as venue_notices
from portal.venues import occupancy
from portal.venues import rules as venue_rules
from portal.venues.actions import check_in, closures
from portal.venues.availability import room_snapshot
from portal.venues.models import WAITING
from portal.venues.paper import timetables
from tests.conftest import sign_in
from tests.factories import NOW, Make, Town
from tests.house import world
from tests.house.test_house_rules import CODE, TEMPLATES, name, tree

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SATURDAY = clock.at(date(2026, 11, 28), time(10))  # three days from now; what is told here begins then
TERMS = {
    "needs_approval": True, "approve_hours": 24, "notice": 60, "ahead_days": 14, "shortest": 30, "longest": 180,
    "cancel": 120, "release": 15, "waiting_list": True,
}  # fmt: skip


class House:
    """The fixed town with one of everything that rules speak of; `say(what)` is the text of a page or a message."""

    def __init__(self, client: FlaskClient, town: Town, make: Make, session: Any) -> None:
        self.client, self.town, self.session = client, town, session
        self.ids = world.build(town, make).ids
        one, two = town.residents[:2]
        self.entry = make.entry(town.centres["A1"], [(SATURDAY, SATURDAY + 2 * HOUR)], taken=1, month="2026-11")
        self.full = make.entry(town.centres["A1"], [(SATURDAY, SATURDAY + 2 * HOUR)], capacity=1, taken=1, waiting=1)
        self.sure, self.queued = self.sign_up(self.entry, one, "confirmed"), self.sign_up(self.full, two, "waiting")
        self.asking = self.sign_up(self.entry, two, "pending")
        self.room = make.venue(town.centres["A1"], **TERMS)
        self.booked = make.booking(self.room, SATURDAY, resident=one)
        self.soon = make.booking(self.room, NOW + HOUR, resident=one)
        self.waits = make.booking(self.room, SATURDAY, resident=two, status=WAITING)
        self.due = make.booking(self.room, SATURDAY + DAY, resident=two, status="pending")
        session.commit()

    def sign_up(self, entry: Any, person: Any, status: str) -> SignUp:
        row = SignUp(
            entry_id=entry.id, resident_id=person.id, person_key=f"r{person.id}", status=status, created_at=NOW,
            centre_id=entry.centre_id, queue_no=1 if status == "waiting" else None,
        )  # fmt: skip
        self.session.add(row)
        self.session.flush()
        return row

    def page(self, path: str, who: str = "", **form: Any) -> str:
        """`who`: a resident's number, a staff member's key, or nobody."""
        with self.client.session_transaction() as cookie:
            cookie.clear()
        if who:
            person = self.town.residents[int(who)] if who.isdigit() else self.town.staff[who]
            sign_in(self.client, "resident" if who.isdigit() else "staff", person.id)
        self.session.rollback()
        self.client.application.extensions.pop("portal_kept", None)
        for kept in (month_snapshot, room_snapshot):
            kept.forget()
        answer = self.client.post(path, data=form["data"]) if form else self.client.get(path)
        assert answer.status_code in (200, 409, 413, 422), (path, answer.status_code)
        return answer.text

    def say(self, what: str) -> str:
        said = SAYINGS[what](self)
        self.session.rollback()
        return re.sub(r"\s+", " ", f"{re.sub('<[^>]+>', '', said)} {said}")


def refused(action: Callable[[], Any]) -> str:
    """What a refusal says."""
    try:
        action()
    except Unreadable as error:
        return str(error)
    except DomainError as error:
        return f"{error.message}{error.advice}"
    return ""


def problems(**values: Any) -> str:
    """What the list says of a row."""
    row = EntryValues(**({"month": "2026-12", "title": "活动", "category_id": 1} | values))
    return "".join(p.message for p in catalogue_rules.check(row, NOW))


def december(day: int, length: timedelta = HOUR, month: int = 12, year: int = 2026) -> Span:
    start = clock.at(date(year, month, day), time(9))
    return Span(start, start + length)


def code_text(house: House) -> str:
    sent: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "text_phone", lambda _phone, body, *_rest: sent.append(body))
        login_codes.send_code("19900009999", "", NOW)
    return sent[0]


def code_page(house: House) -> str:
    house.page("/login")
    with house.client.session_transaction() as cookie:
        cookie["phone"] = cookie["login_phone"] = "19900009999"
    return house.client.get("/login/code").text


def unproved(house: House) -> str:
    house.page("/login")
    house.client.post("/register", data={"name": "某某"})
    return house.client.get("/login").text


def late_call(house: House) -> str:
    call = house.session.get(CallBack, house.ids["call_back_id"])
    call.outcome_words = "已说明"
    both = feedback_notices.overdue(call), feedback_notices.overdue_above(call)
    return "".join(f"{words.title}{words.body}" for words in both)


def room_refusal(house: House, span: venue_rules.Span) -> str:
    terms = occupancy.terms_of([house.room], NOW.date(), NOW.date() + 60 * DAY)[house.room.id]
    found = venue_rules.refusal(terms, span, 1, NOW)
    return f"{found.message}{found.advice}" if found else ""


def wanted(after: timedelta) -> venue_rules.Span:
    return venue_rules.Span(NOW + after, NOW + after + HOUR)


def at_the_door(house: House) -> Any:
    return check_in.check_in(house.town.resident_actor(4), house.room.id, house.room.door_key, NOW)


def close_for_years(house: House) -> None:
    closures.check(venue_rules.Span(SATURDAY, SATURDAY + 2000 * DAY), "检修", NOW)


def series_too_long(house: House) -> str:
    found = venue_rules.series_refusal(NOW.date(), NOW.date() + 2000 * DAY, frozenset(range(7)), 540, 600)
    return found.message if found else ""


def poster(house: House) -> str:
    with house.client.application.test_request_context("/"):
        return paper_views._poster(house.entry).deadline_text


def too_large(app: Flask) -> str:
    with app.test_request_context("/"):
        return errors.respond(413)[0]


def too_many_pixels(house: House) -> str:
    from PIL import Image

    data = io.BytesIO()
    Image.new("1", (7000, 6000)).save(data, "PNG")
    return refused(lambda: uploads._open(data.getvalue()))


# Everything that speaks of a rule, by name.
SAYINGS: dict[str, Callable[[House], str]] = {
    "service": lambda h: h.page(f"/services/{h.entry.id}"),
    "service, mine": lambda h: h.page(f"/services/{h.entry.id}", "0"),
    "service, new": lambda h: h.page(f"/services/{h.entry.id}", "3"),
    "answer": lambda h: h.page(f"/services/{h.entry.id}/sign-up?new={h.sure.id}", "0"),
    "answer, waiting": lambda h: h.page(f"/services/{h.full.id}/sign-up?new={h.queued.id}", "1"),
    "me": lambda h: h.page("/me", "0"),
    "list row": lambda h: h.page(f"/staff/catalogue/{h.entry.id}", "A1"),
    "list form": lambda h: h.page(f"/staff/catalogue/{h.ids['entry_id']}/edit", "A1"),
    "new row": lambda h: h.page("/staff/catalogue/new", "A1"),
    "sign-ups": lambda h: h.page(f"/staff/sign-ups/{h.entry.id}", "A1"),
    "return": lambda h: h.page(f"/staff/catalogue/{h.ids['entry_id']}/return", "A"),
    "change": lambda h: h.page(f"/staff/catalogue/{h.entry.id}/change", "A1"),
    "late list": lambda h: h.page("/staff/catalogue/late?month=2026-12", "A"),
    "import": lambda h: h.page("/staff/catalogue/import", "A1"),
    "poster": poster,
    "told: signed up": lambda h: signup_notices.confirmed(h.entry, h.sure).body,
    "told: moved up": lambda h: signup_notices.moved_up(h.entry, h.sure).body,
    "told: choices": lambda h: h.page("/me/inbox/choices", "0"),
    "deliveries": lambda h: h.page("/staff/messages", "D"),
    "row: long session": lambda h: problems(sessions=(december(3, 100 * HOUR),)),
    "row: far off": lambda h: "".join(
        p.message for p in catalogue_rules._check_sessions(
            EntryValues(month="2026-12", title="", category_id=1, sessions=(december(1, year=2029),)), NOW, False, True
        )
    ),
    "row: capacity": lambda h: problems(capacity=10**6),
    "row: companions": lambda h: problems(max_companions=100),
    "row: title": lambda h: problems(title="长" * 999),
    "row: many sessions": lambda h: problems(sessions=tuple(december(n % 28 + 1, MINUTE) for n in range(500))),
    "time without end": lambda h: "".join(p.message for p in parse_when("12月3日9:00", "2026-12").problems),
    "plan too large": lambda h: refused(lambda: workbook.open_sheets(b"x" * 10**7)),
    "room": lambda h: h.page(f"/venues/{h.room.id}"),
    "room, chosen": lambda h: h.page(f"/venues/{h.room.id}?day=2026-11-29&start=14:00", "3"),
    "booking": lambda h: h.page(f"/venues/bookings/{h.booked.id}", "0"),
    "booking, soon": lambda h: h.page(f"/venues/bookings/{h.soon.id}", "0"),
    "booking, waiting": lambda h: h.page(f"/venues/bookings/{h.waits.id}", "1"),
    "door": lambda h: h.page(f"/venues/{h.ids['venue_id']}/door/door-of-a1"),
    "door poster": lambda h: str(timetables.door_poster(h.room, NOW)),
    "rooms": lambda h: h.page("/staff/venues/rooms", "A1"),
    "plan": lambda h: h.page("/staff/venues?day=2026-11-28", "A1"),
    "told: booked": lambda h: venue_notices.approved(h.booked).body,
    "told: released": lambda h: venue_notices.released(h.booked).body,
    "told: reminded": lambda h: venue_notices.reminder(h.booked, "day", NOW).body,
    "nothing here": lambda h: refused(lambda: at_the_door(h)),
    "not to be noted": lambda h: h.page(f"/staff/venues/bookings/{h.booked.id}/arrived", "A1", data={"x": ""}),
    "room: too soon": lambda h: room_refusal(h, wanted(MINUTE)),
    "room: too far": lambda h: room_refusal(h, wanted(50 * DAY)),
    "room: closed for years": lambda h: refused(lambda: close_for_years(h)),
    "room: series": series_too_long,
    "one booking": lambda h: h.page(f"/staff/venues/bookings/{h.due.id}", "A1"),
    "new closure": lambda h: h.page("/staff/venues/closures/new", "A1"),
    "photos of a centre": lambda h: h.page(f"/staff/centres/{h.town.centres['A1'].id}", "A1"),
    "login": lambda h: h.page("/staff/login"),
    "account": lambda h: h.page(f"/staff/accounts/{h.town.staff['A1-OP'].id}", "A1"),
    "new account": lambda h: h.page("/staff/accounts/new", "A1"),
    "new password": lambda h: h.page("/staff/password", "A1"),
    "short password": lambda h: people_rules.password_problem("kurz", "") or "",
    "expired password": lambda h: InitialExpired().message,
    "audit": lambda h: h.page("/staff/audit", "D"),
    "code": code_page,
    "told: code": code_text,
    "code too old": unproved,
    "told: call back late": late_call,
    "told: called back": lambda h: feedback_notices.closed(
        h.session.get(CallBack, h.ids["call_back_id"]), feedback_queries.policy().again_days
    ).body,
    "call back": lambda h: h.page(f"/staff/feedback/call-backs/{h.ids['call_back_id']}", "A1"),
    "call backs": lambda h: h.page("/staff/feedback", "A1"),
    "rating": lambda h: h.page(f"/rate/{h.ids['token']}"),
    "centres from a file": lambda h: h.page("/staff/centres/import", "D"),
    "too large": lambda h: too_large(h.client.application),
    "too many pixels": too_many_pixels,
}  # fmt: skip

Rules = dict[str, Any]  # 'module:name' -> the new thing; a function gets what it replaces first


@dataclass(frozen=True)
class Case:
    """`old` and `new`: patterns. Changed by `rules`, each of `where` says `new` and none says `old` any more."""

    rules: Rules
    old: str
    new: str
    where: tuple[str, ...]


def _policy(**values: Any) -> Rules:
    return {"portal.feedback.queries:policy": lambda old: replace(old(), **values)}


def _case(change: Callable[[Any], Any]) -> Rules:
    return {"portal.cases.policy:of": lambda old, kind: change(old(kind)) if kind == "call_back" else old(kind)}


CASES: dict[str, Case] = {
    "withdraw deadline": Case(
        {"portal.signup.rules:withdraw_deadline": lambda old, entry: entry.first_start and entry.first_start - 2 * HOUR},
        r"活动开始前(都|可)|11月28日 10:00 前可自行退出|退出截止选填不填就到活动开始(?!前)",
        r"11月28日 8:00 前可自行退出|退出截止选填不填就到活动开始前 2 小时",
        ("service", "service, mine", "service, new", "answer", "me", "list row", "list form", "new row",
         "told: signed up", "told: moved up"),
    ),
    "sign-up closes": Case(
        {"portal.signup.rules:closes_at": lambda old, entry: entry.first_start and entry.first_start - HOUR},
        r"(报|报名截止选填不填就)到活动开始(?!前)|到活动开始为止|报名 11月28日 10:00 截止",
        r"11月28日 9:00 (前报名|截止)|报名截止选填不填就到活动开始前 1 小时.*退出",
        ("service", "list row", "list form", "new row", "sign-ups", "poster"),
    ),
    "freed places are offered": Case(
        {"portal.core.deadlines:LATE": 36 * HOUR}, "开始前一天内", "开始前 36 小时内轮到", ("answer, waiting",)),
    "reminders": Case(
        {"portal.core.deadlines:DAY_BEFORE": 2 * DAY, "portal.core.deadlines:HOURS_BEFORE": 3 * HOUR},
        "前一天和|前 2 小时|前两小时", "前 2 天和前 3 小时", ("service, mine", "answer", "told: choices")),
    "quiet hours": Case(
        {"portal.notices.rules:QUIET_FROM": 21, "portal.notices.rules:QUIET_UNTIL": 7}, "晚上 10 点|早上 8 点",
        "晚上 9 点到早上 7 点", ("told: choices",)),
    "deliveries counted": Case({"portal.notices.queries:COUNTED": 60 * DAY}, "30 天", "最近 60 天", ("deliveries",)),
    "cut-off": Case(
        {"portal.centres.profile:Level.cutoff": lambda old, level, month: (at := old(level, month)) and at + HOUR},
        "11月22日 18:00", "11月22日 19:00", ("late list",)),
    "longest session": Case(
        {"portal.catalogue.rules:LONGEST_SESSION": 12 * HOUR}, "24 小时", "超过 12 小时", ("row: long session",)),
    "longest delay": Case(
        {"portal.catalogue.rules:LONGEST_DELAY": 90 * DAY}, "半年", "最多 90 天", ("row: far off",)),
    "most places": Case({"portal.catalogue.rules:CAPACITY_MAX": 77}, "5000", "1 到 77 之间", ("row: capacity",)),
    "most companions": Case({"portal.catalogue.rules:COMPANIONS_MAX": 4}, "0 到 9", "0 到 4 之间", ("row: companions",)),
    "longest title": Case({"portal.catalogue.rules:TITLE_MAX": 33}, "60 个字", "最多 33 个字", ("row: title",)),
    "most sessions": Case({"portal.catalogue.rules:SESSIONS_MAX": 9}, "80", "最多 9 个时间", ("row: many sessions",)),
    "usual length": Case(
        {"portal.catalogue.timetext.clock_times:DEFAULT_LENGTH": 90}, "按 1 小时算", "按 1 小时 30 分钟算",
        ("time without end",)),
    "largest plan": Case(
        {"portal.core.tables.workbook:MAX_BYTES": 3 * 2**20}, "[28] MB", "超过 3 MB", ("import", "plan too large")),
    "cancel deadline": Case(
        {"portal.venues.rules:cancel_until": lambda old, start, minutes: old(start, minutes) - HOUR},
        "开始前 2 小时可以|11月28日 8:00 前", "开始前 3 小时可以|11月28日 7:00 前",
        ("room", "booking", "me", "told: booked", "told: reminded")),
    "second thoughts": Case(
        {"portal.venues.rules.eligibility:SECOND_THOUGHTS": 20 * MINUTE}, "10:15", "11月25日 10:20 前可自行退订",
        ("booking, soon",)),
    "no-show release": Case(
        {"portal.venues.rules:release_at": lambda old, start, minutes: (at := old(start, minutes)) and at + 5 * MINUTE},
        "15 分钟", "20 分钟", ("room", "booking", "rooms", "door poster", "told: booked", "told: released")),
    "early arrival": Case(
        {"portal.venues.rules.eligibility:EARLY": 45 * MINUTE}, "(开始前|early=') ?30 分钟|9:30 起", "45 分钟|9:15 起",
        ("booking", "door poster", "nothing here", "not to be noted")),
    "noted afterwards": Case(
        {"portal.venues.rules.eligibility:LOOK_BACK": 3 * DAY}, "第二天", "结束后 3 天", ("not to be noted",)),
    "notice": Case(
        {"portal.venues.rules.refusals:earliest_start": lambda old, terms, now: old(terms, now) + HOUR},
        "提前 1 小时", "提前 2 小时", ("room", "room: too soon")),
    "how far ahead": Case(
        {"portal.venues.rules.refusals:last_day": lambda old, terms, now: old(terms, now) + 7 * DAY},
        "提前 14 天", "最多提前 21 天", ("room", "room: too far")),
    "longest booking": Case(
        {"portal.venues.rules.refusals:longest_of": lambda old, terms: 90}, "到 3 小时", "到 1 小时 30 分钟", ("room",)),
    "decision": Case(
        {"portal.venues.rules:decide_by": lambda old, asked, hours, start: old(asked, hours, start) + 6 * HOUR},
        "24 小时内", "30 小时内答复", ("room", "room, chosen")),
    "freed times are offered": Case(
        {"portal.core.deadlines:LATE": 36 * HOUR}, "开始前一天内", "开始前 36 小时内轮到", ("booking, waiting",)),
    "longest closure": Case(
        {"portal.venues.actions.closures:LONGEST": 100 * DAY}, "一年", "最多停用 100 天", ("room: closed for years",)),
    "longest series": Case({"portal.venues.rules:MOST_DATES": 55}, "120", "最多排 55 个", ("room: series",)),
    "columns of a day": Case({"portal.venues.rules.timeline:STEP": 20}, "半小时", "每格 20 分钟", ("plan",)),
    "photos": Case({"portal.centres.facts:PHOTOS": replace(facts.PHOTOS, most=0)}, "最多 6 张", "最多 0 张", ("photos of a centre",)),
    "seen at the door": Case(
        {"portal.venues.public.queries:NEXT_SHOWN": 12 * HOUR}, "24 小时", "接下来 12 小时", ("door",)),
    "login code": Case(
        {"portal.people.rules:CODE_LIFE": 8 * MINUTE}, "5 分钟", "8 分钟内有效", ("code", "told: code")),
    "proved number": Case(
        {"portal.people.rules:VERIFIED_LIFE": 50 * MINUTE}, "半小时", "验证码是 50 分钟前", ("code too old",)),
    "initial password": Case(
        {"portal.people.rules:INITIAL_LIFE": 36 * HOUR}, "24 小时", "36 小时(内)?有效",
        ("login", "account", "new account", "expired password")),
    "length of a password": Case(
        {"portal.people.rules:MIN_PASSWORD": 14}, "至少 10 个", "至少 14 个字符", ("new password", "short password")),
    "audit log": Case({"portal.people.rules:AUDIT_KEPT": 365 * DAY}, "184 天", "至少保存 365 天", ("audit",)),
    "overdue call-backs": Case(
        _case(lambda p: replace(p, after_hours=36)), "再过一天|超时一天", "再过 36 小时会.*超时 36 小时", ("told: call back late",)),
    "call-backs": Case(
        _case(lambda p: replace(p, clocks={"call": replace(p.clocks["call"], amount=60)})), "72 小时", "60 小时内",
        ("call backs",)),
    "said again": Case(_policy(again_days=3), "7 天", "3 天内", ("told: called back",)),
    "longest opinion": Case({"portal.feedback.rules:MOST_WORDS": 222}, "300 个字", "最多 222 个字", ("rating",)),
    "largest upload": Case(
        {"config:MAX_CONTENT_LENGTH": 5 * 2**20}, "8 MB", "(不超过|最多传) 5 MB",
        ("list form", "centres from a file", "too large")),
    "largest picture": Case(
        {"portal.core.uploads:MAX_PIXELS": 30_000_000}, "4000 万", "超过 3000 万像素", ("too many pixels",)),
    **{
        f"reasons: {kind}": Case({f"reasons:{kind}": ("新的常用理由",)}, old, "新的常用理由", (where,))
        for kind, old, where in (
            ("catalogue.return", "写明集合点", "return"), ("catalogue.change", "讲师时间变动", "change"),
            ("sign_up.refusal", "报名信息不完整", "sign-ups"), ("sign_up.cancel", "老师临时有事", "sign-ups"),
            ("venues.refuse", "商业活动不能用", "one booking"), ("venues.close", "消防演练", "new closure"),
            ("feedback.hand_up", "需要上级协调其他单位", "call back"), ("feedback.try", "电话没人接", "call back"),
        )
    },
}  # fmt: skip


def alter(patch: pytest.MonkeyPatch, app: Flask, rule: str, new: Any) -> None:
    """As if the rule had been edited: wherever the code holds it under its name, it is the new one."""
    module, _, attribute = rule.partition(":")
    if module == "config":
        return patch.setitem(app.config, attribute, new)
    if module == "reasons":
        return patch.setitem(profile.load("dapeng").reasons, attribute, new)
    owner: Any = importlib.import_module(module)
    *classes, attribute = attribute.split(".")
    for one in classes:
        owner = getattr(owner, one)
    old = getattr(owner, attribute)
    made = (lambda *args: new(old, *args)) if callable(new) else new
    holders = [owner] if classes else [m for key, m in list(sys.modules.items()) if key.startswith("portal.")]
    for holder in holders:
        if holder is owner or getattr(holder, attribute, None) is old:
            patch.setattr(holder, attribute, made)
    return None


def test_every_page_and_message_follows_the_rule(
    app: Flask, client: FlaskClient, town: Town, make: Make, session: Any
) -> None:
    house = House(client, town, make, session)
    told = {what: house.say(what) for what in SAYINGS}
    wrong = {}
    for rule, case in CASES.items():
        early = [what for what in case.where if re.search(case.new, told[what])]
        with pytest.MonkeyPatch.context() as patch:
            for one, new in case.rules.items():
                alter(patch, app, one, new)
            after = {what: house.say(what) for what in case.where}
        silent = [what for what, text in after.items() if not re.search(case.new, text)]
        stale = {what: found[0] for what, text in after.items() if (found := re.search(case.old, text))}
        if early or silent or stale:
            wrong[rule] = {"says it unasked": early, "does not say it": silent, "keeps saying": stale}
    assert wrong == {}


def test_every_saying_is_heard() -> None:
    heard = {what for case in CASES.values() for what in case.where}
    assert heard == SAYINGS.keys()


# The scan: figures that stand in words --------------------------------------------------------------------------------

FIGURE = re.compile(
    r"(\d+ ?(分钟|小时|天|个字|字(?!段)|个字符|MB|KB|万像素|秒|个月)|[两半]个?(小时|年)|前一天和|一天内|过一天|时一天)"
)
# Words that only look like a rule, or stand for none of ours; each with its reason.
NO_RULE = {
    "portal/templates/people/public/erase.html": "the law's six months, not our rule",
    "portal/catalogue/staff/month_views.py": "compares with what the filter `ago` says of no time at all",
    "portal/templates/styleguide.html": "examples",
    **dict.fromkeys(("portal/catalogue/timetext/tokens.py", "portal/centres/typed_hours.py"), "words that people use"),
    "portal/core/clock.py": "where lengths get their words",
    "portal/venues/actions/rooms.py": "an example beside a field",
}


def words_of(file: Any) -> Iterator[str]:
    """The sentences of a source file; docstrings, and what f-strings fill in, are none."""
    docs = {
        id(node.body[0].value) for node in ast.walk(tree(file))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
        and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_no_figure_of_a_rule_is_written_into_words() -> None:
    found = {name(file): re.sub(r"\{#.*?#\}", "", file.read_text(), flags=re.S) for file in TEMPLATES}
    found |= {name(file): "\n".join(words_of(file)) for file in CODE if "demo" not in file.parts}
    told = {file: match[0] for file, text in found.items() if (match := FIGURE.search(text))}
    assert told.keys() == NO_RULE.keys(), {f: t for f, t in told.items() if f not in NO_RULE}


COLUMNS = re.compile(  # handed to a rule they may be
    r"\bentry\.(sign_up_from|sign_up_until|withdraw_until|own_first_until)\b"
    r"|(?<!\()\b(v|venue)\.(cancel|release|notice|ahead_days|longest|approve_hours)\b"
)


def test_no_template_looks_at_a_column_to_say_when_something_ends() -> None:
    assert not {name(file): found[0] for file in TEMPLATES if (found := COLUMNS.search(file.read_text()))}


def test_every_deployment_has_every_usual_reason() -> None:
    kinds = profile.load("dapeng").reasons.keys()
    for code in profile.codes():
        assert profile.load(code).reasons.keys() == kinds and all(profile.load(code).reasons.values())
    asked = {kind for file in TEMPLATES for kind in re.findall(r"usual_reasons\('([\w.]+)'\)", file.read_text())}
    assert asked == kinds
