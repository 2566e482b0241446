"""Residents ask for help and see who has it until when (SPEC H1-H3, S9). Everything works without JavaScript."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Blueprint, Response, abort, request, url_for

from portal.centres import queries as centres
from portal.core import access, clock, cookies, pages, sealed, states
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.feedback import queries as evaluations
from portal.feedback import rules as rating
from portal.help_requests import actions, help_kinds, panes, queries, rules, told, voice
from portal.help_requests.actions import Asked
from portal.help_requests.errors import DayWrong
from portal.help_requests.models import CONFIRMED, DONE, OVER, REFUSED, HelpRequest
from portal.help_requests.states import MACHINE, RESIDENT_LABELS, TONES
from portal.people import queries as people
from portal.people import viewer as viewers
from portal.people.refusals import HomeUnknown, NameMissing, NoSuchPerson

bp = Blueprint("help", __name__)
DRAFT = "help_draft"
LOGGING_IN = 1 / 48  # of a day: how long what was typed waits for the login
KEPT_FIELDS = ("kind", "what", "day", "other_day", "part", "place", "for")


@dataclass(frozen=True, slots=True)
class Form:
    """What the form shows: what was typed, or chosen before."""

    kind: str = ""
    what: str = ""
    day: str = ""
    other_day: str = ""
    part: str = ""
    place: str = ""
    whom: str = "me"


def _resident() -> Any:
    viewer = access.viewer()
    return viewer if viewer is not None and viewer.audience == "resident" else None


def _draft() -> dict[str, str]:
    """What somebody typed before signing in: sealed in their own browser, never in an address or with us."""
    found = sealed.unseal(cookies.read(DRAFT), DRAFT) if cookies.read(DRAFT) else None
    try:
        kept = json.loads(found) if found else {}
    except ValueError:
        return {}
    return {name: str(kept.get(name, "")) for name in KEPT_FIELDS} if isinstance(kept, dict) else {}


def _typed() -> Form:
    source: Any = request.form if request.method == "POST" else {**_draft(), **request.args}
    kind = source.get("kind", "")
    return Form(
        kind=kind if help_kinds.of(kind) else "", what=source.get("what", "")[:2000], day=source.get("day", ""),
        other_day=source.get("other_day", ""), part=source.get("part", ""), place=source.get("place", "")[:200],
        whom=source.get("for", "") or "me",
    )  # fmt: skip


@bp.get("/help")
@access.public
def ask() -> Response:
    """Kind, words, send. Whoever is not signed in may write first."""
    return _form()


def _form(error: DomainError | None = None) -> Response:
    now, viewer, form = clock.now(), _resident(), _typed()
    brief = viewers.home_centre()
    home = centres.get(brief.id) if brief else None
    person = people.resident(viewer.id) if viewer else None
    answer = pages.page(
        "help_requests/ask.html", kinds=help_kinds.everything(), form=form, error=error, whom=_people(viewer),
        chips=rules.day_chips(clock.today(now)), parts=rules.PARTS, most=rules.MOST_WORDS, accept=voice.ACCEPT,
        reviewer=queries.reviewer_of(home).label if home else "", answer_by=_answer_by(now), now=now,
        signed_in=viewer is not None, known=bool(person and person.address), chosen=help_kinds.of(form.kind),
        open_count=queries.open_of(viewer.id) if viewer else 0, silence=help_kinds.policy().silence_days,
    )  # fmt: skip
    answer.headers["Cache-Control"] = "no-store"  # what is in the form is nobody else's
    return answer


def _people(viewer: Any) -> list[tuple[str, str]]:
    """For whom: oneself, and those one acts for."""
    if viewer is None:
        return []
    return [("me", "我自己"), *((str(r.id), f"{r.relation} {r.name}") for r in people.relatives(viewer.id))]


def _answer_by(now: datetime) -> str:
    """'明天 14:20': the promise, from the policy's own clock."""
    return rules.until_text(queries.review_term().due(now, queries.work_clock()), now)


def _day() -> date | None:
    """The chip, or another day. Raises DayWrong."""
    raw = request.form.get("day", "")
    raw = request.form.get("other_day", "") if raw in ("", "other") else raw
    if not raw:
        return None
    try:
        return date.fromisoformat(raw)
    except ValueError:
        raise DayWrong() from None


def _whom() -> int | None:
    raw = request.form.get("for", "me")
    if raw in ("", "me"):
        return None
    number = whole_number(raw)
    if number is None:
        raise NoSuchPerson()
    return number


def _asked(recorded: voice.Voice | None) -> Asked:
    form, kind = request.form, help_kinds.of(request.form.get("kind", ""))
    words = form.get("what", "")
    if form.get("elder") and kind is not None and not words.strip() and recorded is None:
        words = kind.elder or kind.name  # in the elder version the big button says enough
    return Asked(
        kind=form.get("kind", ""), words=words, day=_day(),
        part=form.get("part", "") if form.get("part", "") in rules.PARTS else "", place=form.get("place", ""),
        voice_file=recorded.name if recorded else "", voice_seconds=recorded.seconds if recorded else 0,
    )  # fmt: skip


def _refused(error: DomainError) -> Response:
    if isinstance(error, (NameMissing, HomeUnknown)) and _resident() is not None:
        return _keeping(url_for("people.profile", next=url_for("help.ask")))
    return _form(error)


def _keeping(url: str) -> Response:
    """Lead on, with what was typed kept for coming back."""
    answer = pages.see_other(url)
    kept = {name: request.form.get(name, "")[: rules.MOST_WORDS] for name in KEPT_FIELDS}
    sealed_text = sealed.seal(json.dumps(kept, ensure_ascii=False, separators=(",", ":")), DRAFT)
    cookies.keep(answer, DRAFT, sealed_text, LOGGING_IN)
    return answer


@bp.post("/help")
@access.public_files
@pages.act(_refused)
def send() -> Response:
    """Sent: who is not signed in signs in or registers on the way and finds everything as it was typed."""
    if _resident() is None:
        return _keeping(url_for("people.login", next=url_for("help.ask")))
    spoken = voice.sent(request.files.get("voice"))
    recorded = voice.save(spoken, "voice") if spoken else None
    row = actions.ask_for_help(access.actor(), _asked(recorded), _whom(), clock.now())
    answer = pages.see_other(url_for("help.show", request_id=row.id, new=1))
    cookies.keep(answer, DRAFT, "", 0)
    return answer


# One request ----------------------------------------------------------------------------------------------------------


@bp.get("/help/<int:request_id>")
@access.resident
def show(request_id: int) -> Response:
    """Who has it and until when, the way as a line, one thing to do."""
    return _page(request_id)


def _page(request_id: int, *, error: DomainError | None = None) -> Response:
    row = queries.request(request_id) or abort(404)
    now, actor = clock.now(), access.actor()
    history, kind, offer = queries.history(row.id), help_kinds.name(row.kind), queries.offered(row)
    return pages.page(
        "help_requests/show.html", row=row, kind=kind, title=rules.title_of(row.words, kind),
        person=queries.name_of(row),
        mine=row.relative_id is None, held=told.holder(row, now, offer, queries.work_clock()), now=now,
        steps=told.steps(row, history, now, offer),
        label=RESIDENT_LABELS[row.status], tone=TONES[row.status], phone=told.phone_of(row), error=error,
        buttons={t.name for t in states.available(MACHINE, row, actor)}, typed=request.form,
        advice=queries.advice(row.advice_kind, row.advice_value), star_words=rating.STAR_WORDS,
        fresh=request.args.get("new") == "1" and row.status not in OVER, over=row.status in OVER,
        wanted=rules.wanted_text(row.wanted_day, row.wanted_part), visit=queries.visit_of(row.id),
        panes=panes.for_resident(row, actor, now), given=_given(row), refused=row.status == REFUSED,
        done=row.status == DONE,
        kept=help_kinds.policy(), answers=_answers(history), readings=queries.readings(row.id),
    )  # fmt: skip


def _given(row: HelpRequest) -> int | None:
    """The stars that were given by confirming."""
    if row.status != CONFIRMED:
        return None
    found = evaluations.asked_by_person(actions.SUBJECT, row.id, row.resident_id)
    return found.stars if found is not None else None


def _answers(history: list[Any]) -> list[tuple[str, str]]:
    """What was asked and answered, in order: ('问', words), ('答', words)."""
    said = {"ask": "问", "answer": "答", "not_solved": "没有解决", "appeal": "申诉"}
    return [(said[h.name], h.reason) for h in history if h.name in said and h.reason]


def _sorry(error: DomainError, request_id: int) -> Response:
    return _page(request_id, error=error)


def _done(said: str, request_id: int) -> Response:
    return pages.said(said, url_for("help.show", request_id=request_id))


@bp.post("/help/<int:request_id>/answer")
@access.resident
@pages.act(_sorry, _done)
def answer(request_id: int) -> str:
    """The question that was asked back."""
    actions.answer(access.actor(), request_id, request.form.get("answer", ""), clock.now())
    return "收到了，谢谢。接着办。"


@bp.post("/help/<int:request_id>/confirm")
@access.resident
@pages.act(_sorry, _done)
def confirm(request_id: int) -> str:
    """Done and rated by one tap; without stars only done."""
    stars = whole_number(request.form.get("stars"), 5)
    row = actions.confirm(access.actor(), request_id, stars, clock.now())
    low = stars is not None and rating.is_low(stars, evaluations.policy())
    return "知道了，会有人打电话给您。" if low else f"谢谢您，{help_kinds.name(row.kind)}办完了。"


@bp.post("/help/<int:request_id>/not-solved")
@access.resident
@pages.act(_sorry, _done)
def not_solved(request_id: int) -> str:
    """Back to be done again; from the second time on the level above sees to it."""
    row = actions.not_solved(access.actor(), request_id, request.form.get("again", ""), clock.now())
    return f"已退回重办，由{row.case.waits_at.label}办。"


@bp.post("/help/<int:request_id>/appeal")
@access.resident
@pages.act(_sorry, _done)
def appeal(request_id: int) -> str:
    """Once, after a refusal: the level above answers."""
    row = actions.appeal(access.actor(), request_id, request.form.get("appeal", ""), clock.now())
    return f"已交{row.case.waits_at.label}重新审核。"


@bp.post("/help/<int:request_id>/withdraw")
@access.resident
@pages.act(_sorry, _done)
def withdraw(request_id: int) -> str:
    """Not needed any more."""
    actions.withdraw(access.actor(), request_id, clock.now())
    return "好的，已经撤回，不用再办。"


@bp.get("/help/<int:request_id>/voice")
@access.resident
def listen(request_id: int) -> Response:
    """One's own recording."""
    row = queries.request(request_id) or abort(404)
    return voice.play(row.voice_file)
