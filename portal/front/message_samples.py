"""Every message's wording with sample data: one page for whoever answers for the words (SPEC M3).

A function of a wording module that returns `Words` is on the page by itself; its arguments come from `samples` by their
names. A wording module stands in MODULES; a house test looks for those that do not.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from types import ModuleType
from typing import Any

from portal.catalogue import bulk_rules
from portal.catalogue import notices as catalogue
from portal.catalogue.models import Entry, EntryChange, EntrySession
from portal.centres import profile
from portal.centres.models import Centre, Department
from portal.core import clock
from portal.core.words import Words
from portal.feedback import notices as feedback
from portal.feedback.models import CallBack, Evaluation
from portal.front import team_samples
from portal.help_requests import notices as help_requests
from portal.help_requests.models import HelpRequest
from portal.notices import kinds, rules, wording
from portal.people.actions import login_codes, resident_records
from portal.people.models import Relative
from portal.signup import notices as signup
from portal.signup.eligibility import notices as groups_confirmed
from portal.signup.eligibility.models import GroupClaim
from portal.signup.models import CONFIRMED, SignUp
from portal.signup.no_shows import notices as no_shows
from portal.signup.no_shows.models import COUNTED, EXCUSED, NoShow
from portal.signup.no_shows.rules import Policy
from portal.signup.organiser import notices as organiser
from portal.venues import notices as venues
from portal.venues.models import APPROVED, PENDING, Booking, BookingSeries, Venue

MODULES: tuple[ModuleType, ...] = (
    signup, organiser, groups_confirmed, no_shows, venues, catalogue, feedback, help_requests,
    *team_samples.MODULES,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Each:
    """An argument that makes the wording differ: every value is shown."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """One wording as somebody reads it. name: of the function that makes it."""

    name: str
    words: Words

    @property
    def text(self) -> str:
        """What a telephone shows; '' when it stays in the portal."""
        kind = kinds.of(self.words.kind)
        if kind.staff or not self.words.sms:
            return ""
        if kinds.is_secret(kind.code) or not self.words.title:
            return self.words.body
        return f"【{profile.current().product}】{self.words.title}：{self.words.body}"

    @property
    def pieces(self) -> int:
        return rules.pieces(self.text) if self.text else 0


@dataclass
class Group:
    """All wordings of one kind."""

    kind: kinds.Kind
    shown: list[Shown] = field(default_factory=list)


def groups(now: datetime) -> list[Group]:
    """Every wording, by kind in the order of the registry of kinds; kinds that nothing is said of are left out."""
    found = {kind.code: Group(kind) for kind in kinds.TABLE}
    for one in every(now):
        kind = kinds.of(one.words.kind)
        found.setdefault(kind.code, Group(kind)).shown.append(one)
    return [group for group in found.values() if group.shown]


@cache
def spoken() -> frozenset[str]:
    """The kinds that something is said of: others have no switch on the residents' page."""
    return frozenset(kinds.of(one.words.kind).code for one in every(clock.now()))


def every(now: datetime) -> Iterator[Shown]:
    """All wordings, variants too."""
    values = samples(now)
    for module in MODULES:
        for name, function in wordings(module):
            for given in _arguments(name, function, values[module]):
                yield Shown(name, function(**given))
    yield from _others(now)


def wordings(module: ModuleType) -> list[tuple[str, Any]]:
    """The public functions of a module that make a message."""
    own = inspect.getmembers(module, inspect.isfunction)
    return [
        (name, f) for name, f in own
        if not name.startswith("_") and f.__module__ == module.__name__
        and f.__annotations__.get("return") in (Words, "Words")
    ]  # fmt: skip


def _arguments(name: str, function: Any, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of what is given for its arguments; 'function.argument' goes before 'argument'."""
    names = list(inspect.signature(function).parameters)
    chosen = [values.get(f"{name}.{argument}", values.get(argument)) for argument in names]
    missing = [argument for argument, value in zip(names, chosen, strict=True) if value is None]
    if missing:
        raise LookupError(f"{function.__module__}.{name}: no sample for {', '.join(missing)}")
    lists = [value.values if isinstance(value, Each) else (value,) for value in chosen]
    for combination in product(*lists):
        yield dict(zip(names, combination, strict=True))


def _others(now: datetime) -> Iterator[Shown]:
    """Words that are made elsewhere: of accounts, codes, evaluations."""
    until = now + timedelta(days=7)
    yield Shown("login_code", Words("login_code", "", login_codes.words("123456"), urgent=True))
    yield Shown(
        "phone_changed", Words("account", "", resident_records.phone_changed("0000", "0755-00000000"), urgent=True)
    )
    said = wording.read_out("葵涌社区", "0755-00000000", "11月25日 10:00")
    yield Shown("read_out", Words("account", said.title, said.body, urgent=True))
    for event in (*wording.EVENTS, "other"):
        told = (wording.account_to_holder(event, "王经办"), wording.account_to_superior(event, "李经办", "葵涌社区"))
        yield from (Shown(f"account.{event}", Words("account", one.title, one.body, sms=False)) for one in told)
    yield Shown("audit_broken", Words("system", *wording.audit_broken(7, "对不上")))
    yield Shown("codes_full", Words("account", wording.CODES_FULL.title, wording.CODES_FULL.body, sms=False))
    for whose in ("", "王秀英"):
        title, body = feedback.asked("书法课", "11月24日（周二）9:00–11:00", whose, until)
        yield Shown("asked", Words("evaluation", title, body))


def samples(now: datetime) -> dict[ModuleType, dict[str, Any]]:
    """What the arguments are called -> a value to show them with; nothing of it is in the database."""
    centre = Centre(id=1, name="葵涌社区党群服务中心", short_name="葵涌社区", phone="0755-00000000")
    people = {"reason": "场地维修", "sentence": "原来12月13日（周日）9:00，改到12月20日（周日）9:00。原因：场地维修。"}
    entry, session, sign_up = _activity(centre, now)
    return {
        signup: {
            **people, "entry": entry, "s": sign_up, "session": session, "number": 3, "rule": Each(("day", "hours")),
        },
        organiser: {"entry": entry, "words": "请自带毛笔，墨和纸我们准备。"},
        groups_confirmed: {"claim": _claim(entry)},
        no_shows: _no_show(entry),
        venues: {**people, **_room(centre, now)},
        catalogue: {**people, **_month(entry, centre, now)},
        feedback: {**people, "call": _call(centre, now), "by": "王经办", "again_days": 7},
        **team_samples.samples(centre, now),
        help_requests: {"row": _helped(centre, now), "by": "葵涌街道", "reason": "这段时间人手不够"},
    }  # fmt: skip


def _activity(centre: Centre, now: datetime) -> tuple[Entry, EntrySession, Each]:
    start = now + timedelta(days=3)
    session = EntrySession(starts_at=start, ends_at=start + timedelta(hours=2))
    entry = Entry(
        id=1, month="2026-12", title="长者书法课", organiser="葵涌社区", place="二楼书画室", phone="", capacity=20,
        taken=4, unit="人",
        centre=centre, centre_id=1, author_centre_id=1, first_start=start, last_end=session.ends_at, sessions=[session],
    )  # fmt: skip
    facts = {
        "id": 1, "status": CONFIRMED, "created_at": now, "created_by": "", "note": "报名人数不足，和另一场合并",
        "refusal_reason": "名额只给本社区长者", "accept_by": now + timedelta(hours=12),
    }  # fmt: skip
    mine = SignUp(places=1, **facts)
    family = SignUp(places=2, relative=Relative(name="王秀英", relation="母亲"), **{**facts, "created_by": "王经办"})
    return entry, session, Each((mine, family))


def _claim(entry: Entry) -> Each:
    """The resident's own, and a relative's that was refused."""
    group = next(iter(profile.current().groups))
    given = {"entry": entry, "entry_id": 1, "group_code": group, "reason": "请带身份证到社区核对一次"}
    mother = Relative(name="王秀英", relation="母亲")
    return Each((GroupClaim(**given), GroupClaim(relative=mother, relative_id=1, **given)))


def _no_show(entry: Entry) -> dict[str, Any]:
    week = timedelta(days=7)
    rows = [NoShow(entry=entry, entry_id=1, status=status, answer="当天住院，有证明") for status in (COUNTED, EXCUSED)]
    return {"entry": entry, "row": Each(tuple(rows)), "rule": Policy(True, 3, 12 * week, 4 * week, 2 * week)}


def _room(centre: Centre, now: datetime) -> dict[str, Any]:
    room = Venue(id=1, name="三楼会议室", place="二楼 203", phone="", centre=centre, cancel=120, release=30)
    start = now + timedelta(days=1)
    booking = Booking(
        id=1, venue=room, centre=centre, title="读书会", starts_at=start, ends_at=start + timedelta(hours=2),
        status=APPROVED, created_at=now, created_by="", reason="场地维修", decide_by=now + timedelta(hours=24),
        accept_by=now + timedelta(hours=12),
    )  # fmt: skip
    series = BookingSeries(title="每周二合唱", venue=room)
    return {
        "row": booking, "series": series, "number": 2, "was": Each((PENDING, "waiting", "offered")), "now": now,
        "before": "12月13日（周日）8:30–11:00 三楼会议室", "rule": Each(("day", "hours")), "what": "固定预约改了时间",
    }  # fmt: skip


def _month(entry: Entry, centre: Centre, now: datetime) -> dict[str, Any]:
    change = EntryChange(id=1, entry=entry, entry_id=1, decision_reason="场地没有空")
    return {
        "entry": entry, "centre": centre, "month": "2026-12", "count": 12, "department": Department(name="民政局").name,
        "rows": Each(([entry], [entry, entry])), "who": "葵涌街道王经办", "kind": next(iter(bulk_rules.KINDS)),
        "said": "12月20日的场地已被别人订走。", "change": change, "what": "上交", "days": 3, "waiting": 5,
        "reminder.what": Each(("plan", "review", "hand_in")), "cutoff": now + timedelta(days=3), "old": now,
        "new": now + timedelta(days=2), "place": "葵涌街道", "name": "王经办", "phone": "0755-00000000",
        "names": ["葵涌社区", "土洋社区"], "entries": [("长者书法课", now + timedelta(days=3)), ("义剪", None)],
    }  # fmt: skip


def _helped(centre: Centre, now: datetime) -> HelpRequest:
    from portal.cases.models import Case

    case = Case(waits_at=centre, owner_name="王经办", due_at=now + timedelta(days=1))
    return HelpRequest(id=1, centre=centre, taken=centre, case=case, kind="agency", reopened=1)


def _call(centre: Centre, now: datetime) -> CallBack:
    from portal.cases.models import Case

    given = Evaluation(title="长者书法课", when_text="11月24日（周二）9:00–11:00", words="教室太冷", tags=["环境"],
                       stars=2)  # fmt: skip
    case = Case(waits_at=centre, owner_name="王经办", due_at=now + timedelta(days=1))
    return CallBack(id=1, evaluation=given, centre=centre, case=case, outcome_words="空调修好了，向您道歉")
