"""Residents rate by one tap from a message, with or without a session; see what became of it (SPEC S7, V6)."""

from typing import Any

from flask import Blueprint, Response, abort, request, url_for

from portal.core import access, clock, pages
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.feedback import actions, queries, registry, rules, subjects
from portal.feedback.errors import BadStars
from portal.feedback.models import DONE, Evaluation
from portal.people import viewer as viewers

bp = Blueprint("feedback", __name__)
TEMPLATE = "feedback/rate.html"


def _found(token: str) -> Evaluation:
    return queries.by_token(token) or abort(404)


def _is_owner(row: Evaluation) -> bool:
    viewer = access.viewer()
    return viewer is not None and viewer.audience == "resident" and viewer.id == row.resident_id


@bp.get("/rate/<token>")
@access.public
def rate(token: str) -> Response:
    """Five stars, one tap. Whoever holds the message may answer; the page shows nobody's name or number."""
    return _page(_found(token))


def _page(row: Evaluation, *, error: DomainError | None = None, saved: str = "") -> Response:
    now = clock.now()
    p = queries.policy()
    call = queries.call_back_of(row.id) if row.given_at is not None else None
    refusal = rules.may_answer(row.answer_until, row.given_at, now, p)
    said_again = rules.may_say_again(call.closed_at, call.reopened_at, now, p) if call else None
    answer = pages.page(
        TEMPLATE, "rating", row=row, now=now, error=error, saved=saved, refusal=refusal, call=call,
        about=subjects.describe(row.subject_kind, row.subject_id), kind=subjects.label(row.subject_kind),
        words=rules.STAR_WORDS,
        offered=rules.tags_for(p, row.subject_kind, row.stars) if row.stars else (),
        good=bool(row.stars and row.stars >= rules.GOOD_FROM), typed=request.form, most=rules.MOST_WORDS,
        waits=registry.waits(call, now) if call is not None and call.status != DONE else "",
        may_say_again=call is not None and call.status == DONE and said_again is None, owner=_is_owner(row),
        change_until=rules.change_until(row.given_at, p) if row.given_at else None,
        home_centre=viewers.brief_of(row.centre),
    )  # fmt: skip
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer


def _refused(error: DomainError, token: str) -> Response:
    return _page(_found(token), error=error)


def _done(said: str, token: str) -> Response:
    url = url_for("feedback.rate", token=token, _anchor="rating")
    return pages.said("", url, lambda: _page(_found(token), saved=said))


@bp.post("/rate/<token>")
@access.public
@pages.act(_refused, _done)
def give(token: str) -> str:
    """One star button: that is the whole evaluation; words may follow."""
    row, stars = _found(token), whole_number(request.form.get("stars"), 5)
    if stars is None:
        raise BadStars()
    actions.give(row.id, stars, clock.now(), via="portal" if _is_owner(row) else "link")
    return "谢谢，已经记下。"


@bp.post("/rate/<token>/more")
@access.public
@pages.act(_refused, _done)
def more(token: str) -> str:
    """Tags and words to the stars that were given."""
    row, form = _found(token), request.form
    actions.give(row.id, row.stars or 0, clock.now(), tags=form.getlist("tags"), words=form.get("words", ""))
    return "谢谢，您的话已经记下。"


@bp.post("/rate/<token>/again")
@access.public
@pages.act(_refused, _done)
def again(token: str) -> str:
    """'Still not solved': once, and then the level above calls."""
    actions.say_again(_found(token).id, request.form.get("again", ""), clock.now())
    return "已经转给上级中心，他们会打电话给您。"


@bp.get("/me/evaluations")
@access.resident
def mine() -> Response:
    """What I have rated and what became of it; what I am still asked stands first."""
    viewer: Any = access.viewer()
    now = clock.now()
    return pages.page(
        "feedback/mine.html", pending=queries.pending_of(viewer.id, now), given=queries.own(viewer.id),
        words=rules.STAR_WORDS, now=now,
    )  # fmt: skip
