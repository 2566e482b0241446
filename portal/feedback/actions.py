"""Asking, answering, and the resident's last word on a call-back (SPEC S7, V6). Flush only, never commit.

Staff's side of a call-back is in calling.py.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.cases import actions as cases
from portal.cases import ladder
from portal.core import outbox, remarks, scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db
from portal.feedback import notices, queries, rules
from portal.feedback.errors import BadStars, CannotAnswer, CannotSayAgain, NoSuchEvaluation, UnknownTag, WordsTooLong
from portal.feedback.models import UNDONE, CallBack, Evaluation
from portal.feedback.states import KIND, MACHINE
from portal.notices.actions import Told, forget_staff, tell_residents

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Ask:
    """One person to ask about one occasion.

    centre_id: who is responsible and calls back. group_key: what an average is about, e.g. 'venue:12'.
    person: the relative's name when it is not the resident, for the wording only.
    """

    subject_kind: str
    subject_id: int
    group_key: str
    centre_id: int
    resident_id: int
    relative_id: int | None
    title: str
    when_text: str
    person: str = ""
    caller_name: str = ""  # what staff may call the resident, until he has confirmed that it is him


def invite(asks: Sequence[Ask], now: datetime) -> int:
    """Ask each person once, and tell them with a link that works by one tap (S7).

    Asking again is nothing: (kind, id, person) is unique. A fixed number of statements per 500. Returns how many are
    new. Flushes, never commits.
    """
    asked = 0
    with scope.system("asking once"):
        for start in range(0, len(asks), CHUNK):
            asked += _invite(asks[start : start + CHUNK], now)
    return asked


def _invite(asks: Sequence[Ask], now: datetime) -> int:
    until = rules.answer_until(now, queries.policy())
    rows = [_row(ask, until, now) for ask in asks]
    if not outbox.insert_once(Evaluation, rows):
        return 0
    # Whose token is in the table was asked only now; the others were asked before under another one.
    by_token = {row["token"]: ask for row, ask in zip(rows, asks, strict=True)}
    statement = select(Evaluation.id, Evaluation.token).where(Evaluation.token.in_(by_token)).order_by(Evaluation.id)
    new = db.session.execute(statement).all()
    told = [_told(evaluation_id, token, by_token[token], until) for evaluation_id, token in new]
    if told:
        tell_residents(told, "evaluation", told[0].title, told[0].body, told[0].link, now, with_link=True)
    return len(new)


def _row(a: Ask, until: datetime, now: datetime) -> dict[str, Any]:
    return {
        "centre_id": a.centre_id, "subject_kind": a.subject_kind, "subject_id": a.subject_id,
        "group_key": a.group_key, "title": a.title[:80], "when_text": a.when_text[:120],
        "resident_id": a.resident_id, "relative_id": a.relative_id,
        "person_key": f"v{a.relative_id}" if a.relative_id else f"r{a.resident_id}",
        "token": secrets.token_urlsafe(16), "asked_at": now, "answer_until": until, "tags": [], "words": "",
        "given_via": "", "caller_name": a.caller_name,
    }  # fmt: skip


def _told(evaluation_id: int, token: str, ask: Ask, until: datetime) -> Told:
    title, body = notices.asked(ask.title, ask.when_text, ask.person, until)
    return Told(ask.resident_id, f"evaluation:{evaluation_id}", title, body, f"/rate/{token}")


def give(
    evaluation_id: int, stars: int, now: datetime, *, tags: Iterable[str] | None = None, words: str | None = None,
    via: str = "link",
) -> Evaluation:  # fmt: skip
    """Answer, or change the answer within some days; a low one opens exactly one call-back (S7, V6).

    tags, words: None keeps what was given (tags that no longer fit the stars fall away). via: 'link' or 'portal'.
    Raises NoSuchEvaluation, CannotAnswer, BadStars, UnknownTag, WordsTooLong. Lock: the evaluation's row.
    """
    p = queries.policy()
    if stars not in rules.STARS:
        raise BadStars()
    with scope.system("an answer by link or owner"):
        row = _locked(evaluation_id)
        refusal = rules.may_answer(row.answer_until, row.given_at, now, p)
        if refusal is not None:
            raise CannotAnswer(refusal.message, advice=refusal.advice)
        before = row.stars
        row.tags = _checked_tags(p, row, stars, tags)
        row.words = row.words if words is None else _checked_words(words)
        row.stars = stars
        if row.given_at is None:
            row.given_at, row.given_via = now, via
        else:
            row.changed_at = now
        db.session.flush()
        if rules.is_low(stars, p):
            _open_call_back(row, now)
        _note_change(row, before, now)
    return row


def rate_at_once(ask: Ask, stars: int, now: datetime, via: str = "portal") -> Evaluation:
    """Ask and answer in one: for what is rated on its own page, without a message first. Once; again changes it.

    Raises BadStars, CannotAnswer.
    """
    with scope.system("rated where it was confirmed"):
        row = _row(ask, rules.answer_until(now, queries.policy()), now)
        outbox.insert_once(Evaluation, [row])
        mine = (Evaluation.subject_kind == ask.subject_kind, Evaluation.subject_id == ask.subject_id)
        wanted = select(Evaluation.id).where(*mine, Evaluation.person_key == row["person_key"])
        return give(db.session.scalars(wanted).one(), stars, now, via=via)


def _locked(evaluation_id: int) -> Evaluation:
    statement = select(Evaluation).where(Evaluation.id == evaluation_id).with_for_update()
    row = db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise NoSuchEvaluation()
    return row


def _checked_tags(p: rules.Policy, row: Evaluation, stars: int, tags: Iterable[str] | None) -> list[str]:
    if tags is None:
        return rules.fitting(p, row.subject_kind, stars, row.tags or [])
    chosen = set(tags)
    if not chosen <= set(rules.tags_for(p, row.subject_kind, stars)):
        raise UnknownTag()
    return rules.fitting(p, row.subject_kind, stars, chosen)


def _checked_words(words: str, field: str = "words") -> str:
    words = words.strip()
    if len(words) > rules.MOST_WORDS:
        raise WordsTooLong(f"最多 {rules.MOST_WORDS} 个字，现在有 {len(words)} 个字。", field=field)
    return words


def staff_link(call_back_id: int) -> str:
    """The page of a call-back; messages to staff about it point there."""
    return f"/staff/feedback/call-backs/{call_back_id}"


def _open_call_back(row: Evaluation, now: datetime) -> None:
    """One, whatever happens at once: the evaluation's row is locked, and its id is unique there."""
    if db.session.scalars(select(CallBack.id).where(CallBack.evaluation_id == row.id)).one_or_none() is not None:
        return
    case = cases.open_case(KIND.name, row.centre, _case_title(row), _case_detail(row), ("call",), now)
    call = CallBack(centre_id=row.centre_id, evaluation_id=row.id, case_id=case.id)
    db.session.add(call)
    db.session.flush()
    case.url = staff_link(call.id)
    states.note(MACHINE, call, "open", system_actor(), now, f"居民评了 {row.stars} 星")
    outbox.put("feedback.opened", f"call_back:{call.id}", {"id": call.id}, now)


def _case_title(row: Evaluation) -> str:
    return f"{row.title}（{row.stars} 星）"


def _case_detail(row: Evaluation) -> str:
    return row.words[:40] or "、".join(row.tags) or "没有留言"


def _note_change(row: Evaluation, before: int | None, now: datetime) -> None:
    """Whoever calls back sees that the answer was changed meanwhile; the call-back itself stays."""
    call = db.session.scalars(select(CallBack).where(CallBack.evaluation_id == row.id)).one_or_none()
    if call is None:
        return
    call.case.title, call.case.detail = _case_title(row), _case_detail(row)
    if before is not None and before != row.stars:
        who = Actor(kind="resident", id=row.resident_id, name="居民")
        states.note(MACHINE, call, "restar", who, now, f"居民把 {before} 星改成 {row.stars} 星")


def say_again(evaluation_id: int, words: str, now: datetime) -> CallBack:
    """'Still not solved', once within some days after closing: opens again at the level above, with a time of its own.

    Raises NoSuchEvaluation, CannotSayAgain, WordsTooLong. Lock: by the transition's own UPDATE.
    """
    p = queries.policy()
    with scope.system("the resident's own call-back"):
        statement = select(CallBack).where(CallBack.evaluation_id == evaluation_id)
        call = db.session.scalars(statement.options(joinedload(CallBack.evaluation))).one_or_none()
        if call is None:
            raise NoSuchEvaluation()
        refusal = rules.may_say_again(call.closed_at, call.reopened_at, now, p)
        if refusal is not None:
            raise CannotSayAgain(refusal.message, advice=refusal.advice)
        said = _checked_words(words, "again") or "还没解决"
        higher = ladder.above(call.waits_at, KIND.permission) or call.waits_at
        who = Actor(kind="resident", id=call.evaluation.resident_id, name="居民")
        states.fire(
            MACHINE, call, "reopen", who, now, said,
            details={"outcome": call.outcome},
            values={"reopened_at": now, "closed_at": None, "outcome": "", "outcome_words": ""},
        )  # fmt: skip
        cases.reopen(who, call.case, higher, ("again",), said, now)
    return call


def erase(resident_id: int, now: datetime) -> None:
    """The person leaves: unanswered questions go, words are emptied, links die, nobody calls any more (P8).

    Stars stay: they are figures without a name.
    """
    with scope.system("a person erases their data"):
        for row in list(db.session.scalars(select(Evaluation).where(Evaluation.resident_id == resident_id))):
            if row.given_at is None:
                db.session.delete(row)
                continue
            row.words, row.caller_name, row.token = "", "", secrets.token_urlsafe(16)
        mine = select(CallBack).join(Evaluation, Evaluation.id == CallBack.evaluation_id)
        calls = list(db.session.scalars(mine.where(Evaluation.resident_id == resident_id)))
        remarks.blank(MACHINE.name, (call.id for call in calls))
        cases.forget([call.case for call in calls])
        forget_staff(staff_link(call.id) for call in calls)
        for call in calls:
            call.outcome_words = ""
            if call.status in UNDONE:
                values = {"outcome": "居民已注销", "closed_at": now}
                states.fire(MACHINE, call, "drop", system_actor(), now, "居民已注销", values=values)
                cases.close(system_actor(), call.case, "居民已注销", now, "drop")
        db.session.flush()
