"""What the person who needs help does: ask, answer, confirm, say that it is not solved, appeal, withdraw (SPEC H1-H3).

And recording for somebody who rings (H6). Flush only, never commit. Each step is one conditional UPDATE (states.fire).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from portal.cases import actions as cases
from portal.cases import ladder
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import audit, clock, outbox, scope, states
from portal.core.access import Actor, Permission, system_actor
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.feedback import actions as feedback
from portal.feedback.actions import Ask
from portal.help_requests import help_kinds, queries, rules
from portal.help_requests.errors import (
    DayWrong,
    KindMissing,
    NoSuchRequest,
    TooManyOpen,
    TooYoung,
    WordsMissing,
    WordsTooLong,
)
from portal.help_requests.models import UNDONE, HelpAddress, HelpRequest
from portal.help_requests.states import KIND, MACHINE
from portal.people import queries as people
from portal.people.actions import callers
from portal.people.models import Relative, Resident
from portal.people.refusals import HomeUnknown, NameMissing, NoSuchPerson

SUBJECT = "help"  # what is evaluated (feedback.subjects)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form says. place: '' what is known already. voice_file: what the recording was kept as; seconds."""

    kind: str
    words: str
    day: date | None = None
    part: str = ""
    place: str = ""
    latitude: float | None = None
    longitude: float | None = None
    voice_file: str = ""
    voice_seconds: int = 0


@dataclass(frozen=True, slots=True)
class _Whose:
    """For whom it is, and who wrote it down when it was not the person."""

    resident: Resident
    relative: Relative | None
    home: Centre
    caller_name: str = ""
    recorder: Actor | None = None
    by_phone: bool = False

    @property
    def key(self) -> str:
        return f"v{self.relative.id}" if self.relative else f"r{self.resident.id}"


def ask_for_help(actor: Actor, asked: Asked, relative_id: int | None, now: datetime) -> HelpRequest:
    """The resident asks, for themselves or a relative (H1). The same words again within minutes are one request.

    Raises KindMissing, WordsMissing, WordsTooLong, DayWrong, TooYoung, TooManyOpen, NoSuchPerson, NameMissing,
    HomeUnknown. Lock: the resident's row.
    """
    person = db.session.scalars(select(Resident).where(Resident.id == actor.id).with_for_update()).one()
    relative = people.relative(person.id, relative_id) if relative_id is not None else None
    if relative_id is not None and relative is None:
        raise NoSuchPerson()
    if not person.name:
        raise NameMissing()
    home = centres.get(person.home_centre_id)
    if home is None:
        raise HomeUnknown()
    if relative is None and rules.too_young(person.birth_year, clock.today(now)):
        raise TooYoung()
    return _file(asked, _Whose(person, relative, home), actor, now)


def record(
    actor: Actor, asked: Asked, phone: str, name: str, whom: str, now: datetime, *, by_phone: bool = False
) -> HelpRequest:
    """Write it down for somebody who rings or comes by (H6). phone: 11 digits. whom: of whom it is, '' the caller.

    by_phone: the caller is told by telephone, by us. Raises as `ask_for_help`, CallerNameMissing, LookupsFull.
    """
    if not actor.can(Permission.HELP):
        raise NotAllowed()
    here = centres.get(actor.centre_id)
    if here is None:
        raise NotAllowed()
    caller = callers.find(actor, phone, name, here.path, now)
    lives = centres.get(caller.resident.home_centre_id)
    # Of somebody who lives in our tree the review is their own subdistrict's; of anybody else it is ours.
    home = lives if lives is not None and not caller.typed else here
    whose = _Whose(caller.resident, caller.relative(whom, now), home, caller.typed, actor, by_phone)
    row = _file(asked, whose, actor, now)
    audit.record(actor, "help.file", "help_request", row.id, now, words=caller.noted, centre_id=row.centre_id)
    return row


def _checked(asked: Asked, now: datetime) -> tuple[help_kinds.HelpKind, str]:
    kind, words = help_kinds.of(asked.kind), asked.words.strip()
    if kind is None:
        raise KindMissing()
    if not words and not asked.voice_file:
        raise WordsMissing()
    must_be_short(words, "what")
    today = clock.today(now)
    if asked.day is not None and not today <= asked.day <= today + timedelta(days=rules.FARTHEST):
        raise DayWrong(f"请选今天到 {rules.FARTHEST} 天以内的日子。")
    return kind, words or f"语音 {asked.voice_seconds} 秒"


def must_be_short(words: str, field: str, most: int = rules.MOST_WORDS) -> str:
    """Raises WordsTooLong beside `field`."""
    if len(words) > most:
        raise WordsTooLong(f"最多 {most} 个字，现在有 {len(words)} 个字。", field=field)
    return words


def _file(asked: Asked, whose: _Whose, actor: Actor, now: datetime) -> HelpRequest:
    kind, words = _checked(asked, now)
    with scope.system("the person's own requests"):
        own = select(HelpRequest).where(HelpRequest.person_key == whose.key, HelpRequest.status.in_(UNDONE))
        there = list(db.session.scalars(own))
    for row in there:
        if row.kind == kind.code and row.words == words and now - row.filed_at < rules.TWICE:
            return row
    if len(there) >= rules.MOST_OPEN:
        raise TooManyOpen()
    community, reviewer = queries.community_of(whose.home), queries.reviewer_of(whose.home)
    place = must_be_short(asked.place.strip(), "place", 120)
    if not place and not whose.caller_name:  # of somebody whom a number alone names nothing is taken over
        place = queries.known_place(whose.resident, whose.relative)
    address = HelpAddress(centre=community, text=place, latitude=asked.latitude, longitude=asked.longitude)
    with scope.system("the case that begins"):
        name = whose.relative.name if whose.relative else whose.caller_name or whose.resident.name
        detail = rules.person_text(name, None, clock.today(now))
        case = cases.open_case(KIND.name, community, kind.name, detail, ("review",), now, first=reviewer)
        db.session.add(address)
        db.session.flush()
    row = HelpRequest(
        case=case, centre_id=community.id, resident_id=whose.resident.id,
        relative_id=whose.relative.id if whose.relative else None, person_key=whose.key, caller_name=whose.caller_name,
        kind=kind.code, health=kind.health, words=words, voice_file=asked.voice_file,
        voice_seconds=asked.voice_seconds, wanted_day=asked.day, wanted_part=asked.part if asked.day else "",
        address_id=address.id, masked_address=rules.masked(place, community.label)[:80], filed_at=now,
        consent_version=help_kinds.policy().consent_version if whose.recorder is None else "",
        recorded_by_id=whose.recorder.id if whose.recorder else None,
        recorded_centre_id=whose.recorder.centre_id if whose.recorder else None, by_phone=whose.by_phone,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    case.url = f"/staff/help?open={row.id}"
    states.note(MACHINE, row, "file", actor, now)
    outbox.put("help.filed", f"{row.id}", {"id": row.id}, now)
    return row


# What follows is said by the resident, or by staff for somebody who rang ----------------------------------------------


def own(request_id: int) -> HelpRequest:
    """In the caller's scope: one's own, or one of the subtree. Raises NoSuchRequest."""
    found = queries.request(request_id)
    if found is None:
        raise NoSuchRequest()
    return found


def _noted(actor: Actor, row: HelpRequest, step: states.StateHistory, now: datetime) -> None:
    if actor.kind == "staff":
        audit.record(
            actor, f"help.{step.name}", "help_request", row.id, now, centre_id=row.centre_id,
            before={"status": step.from_status}, after={"status": row.status},
        )  # fmt: skip


def answer(actor: Actor, request_id: int, words: str, now: datetime) -> HelpRequest:
    """The question that was asked back is answered: the review's time moves by exactly what was waited (I1).

    Raises NoSuchRequest, NoSuchTransition, NotAllowed, ReasonMissing, WordsTooLong, Stale.
    """
    row = own(request_id)
    must_be_short(words.strip(), "answer")
    step = states.fire(MACHINE, row, "answer", actor, now, words, about="answer", values={"question": ""})
    with scope.system("the request's own case"):
        cases.answered(row.case, now)
    _noted(actor, row, step, now)
    return row


def confirm(actor: Actor, request_id: int, stars: int | None, now: datetime) -> HelpRequest:
    """Done, and rated by the same tap (stars 1 to 5, None without). A low one opens feedback's call-back.

    Raises NoSuchRequest, NoSuchTransition, NotAllowed, BadStars, Stale.
    """
    row = own(request_id)
    step = states.fire(MACHINE, row, "confirm", actor, now, values={"closed_at": now, "call_text": ""})
    if stars is not None:
        feedback.rate_at_once(_occasion(row), stars, now)
    _noted(actor, row, step, now)
    return row


def _occasion(row: HelpRequest) -> Ask:
    """What is rated: it never says what help it was (a message and a list of averages repeat it)."""
    at = row.taken_id or row.centre_id
    return Ask(
        subject_kind=SUBJECT, subject_id=row.id, group_key=f"help:{at}", centre_id=at, resident_id=row.resident_id,
        relative_id=row.relative_id, title="求助", when_text=f"{clock.stamp(row.done_at)} 办好" if row.done_at else "",
        caller_name=row.caller_name,
    )  # fmt: skip


def not_solved(actor: Actor, request_id: int, words: str, now: datetime) -> HelpRequest:
    """'Not solved': once freely to whoever did it, after that at the level above, with a clock of its own (H2).

    Raises NoSuchRequest, NoSuchTransition, NotAllowed, WordsTooLong, Stale.
    """
    row = own(request_id)
    said = must_be_short(words.strip(), "again") or "没有解决"
    with scope.system("the request's own case"):
        at = row.case.waits_at
        if row.reopened:
            at = ladder.above(at, KIND.permission) or at
        at = ladder.desk(at, KIND.permission)
        values = {
            "reopened": HelpRequest.reopened + 1, "taken_id": at.id, "taken_department_id": None, "done_at": None,
            "done_words": "", "taken_at": now,
        }  # fmt: skip
        step = states.fire(MACHINE, row, "not_solved", actor, now, said, values=values)
        cases.reopen(actor, row.case, at, ("again",), said, now)
    _noted(actor, row, step, now)
    return row


def appeal(actor: Actor, request_id: int, words: str, now: datetime) -> HelpRequest:
    """Once, after a refusal: the level above reviews it, with a review's time of its own (H2).

    Raises NoSuchRequest, NoSuchTransition, NotAllowed, ReasonMissing, WordsTooLong, Stale.
    """
    row = own(request_id)
    said = must_be_short(words.strip(), "appeal")
    with scope.system("the request's own case"):
        higher = ladder.above(row.case.waits_at, KIND.permission) or row.case.waits_at
        values = {"appealed_at": now, "closed_at": None, "refusal": "", "advice_kind": "", "advice_value": ""}
        step = states.fire(MACHINE, row, "appeal", actor, now, said, values=values)
        cases.reopen(actor, row.case, higher, ("review",), said, now)
    _noted(actor, row, step, now)
    return row


def withdraw(actor: Actor, request_id: int, now: datetime) -> HelpRequest:
    """Not needed any more; all clocks stop. Raises NoSuchRequest, NoSuchTransition, NotAllowed, Stale."""
    row = own(request_id)
    with scope.system("the request's own case"):
        step = states.fire(MACHINE, row, "withdraw", actor, now, values={"closed_at": now, "call_text": ""})
        cases.close(system_actor(), row.case, "居民不用了", now, "drop")
    _noted(actor, row, step, now)
    return row


def settle(row: HelpRequest, now: datetime) -> None:
    """Nobody said anything for days: closed as 默认确认, which is never counted as satisfied. In the system's scope."""
    states.fire(MACHINE, row, "settle", system_actor(), now, values={"closed_at": now, "by_default": True})


def say_called(actor: Actor, request_id: int, now: datetime) -> HelpRequest:
    """What had to be told by telephone was told. Raises NoSuchRequest, NotAllowed."""
    row = own(request_id)
    if not actor.can(Permission.HELP) or actor.centre_id != row.recorded_centre_id:
        raise NotAllowed("由登记这件求助的单位打电话。")
    row.call_text = ""
    states.note(MACHINE, row, "called", actor, now)
    audit.record(actor, "help.called", "help_request", row.id, now, centre_id=row.centre_id)
    db.session.flush()
    return row
