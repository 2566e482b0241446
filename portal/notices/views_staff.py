"""/staff/messages: what left, waits, or could not be sent; /staff/inbox-messages: one's own messages (SPEC M2)."""

from datetime import datetime
from typing import Any

from flask import Blueprint, abort, current_app, request, url_for
from werkzeug.wrappers import Response

from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.db import keep_on_refusal
from portal.core.errors import DomainError
from portal.core.incoming import days_asked, record_id
from portal.notices import actions, gateways, kinds, lookup, queries, rules
from portal.people.rules import TEXTS_KEPT

bp = Blueprint("notices_staff", __name__)


@bp.get("/staff/messages")
@access.staff(Permission.MESSAGES)
def deliveries() -> Response:
    """What left: by state, kind and day, and by the last digits of a number."""
    problems: list[str] = []
    first, last = days_asked(problems)
    args = request.args
    state, kind, tail = args.get("state", ""), args.get("kind", ""), rules.digits(args.get("tail", ""))
    wanted = queries.Wanted(
        state=state if state in queries.STATES else "", kind=kind if kind in kinds.CODES else "",
        tail=tail if len(tail) == rules.TAIL else "", first=first, last=last,
    )  # fmt: skip
    return _list(wanted, problems)


def _list(
    wanted: queries.Wanted, problems: list[str] | None = None, error: DomainError | None = None, typed: str = ""
) -> Response:
    actor, now, there = access.actor(), clock.now(), gateways.connected(current_app.config)
    counts = queries.delivery_counts(actor, wanted, now)
    every = queries.delivery_counts(actor, queries.Wanted(), now) if wanted.narrowed else counts
    return pages.page(
        "notices/staff_deliveries.html", error=error, typed=typed, wanted=wanted, problems=problems or [],
        states=queries.STATES, counts=every, counted=queries.COUNTED, whole=queries.sees_all(actor),
        kinds=[(kind.code, kind.label) for kind in kinds.TABLE],
        found=queries.deliveries(actor, wanted, request.args.get("before", type=record_id)),
        has_sms=there[rules.SMS], has_wechat=there[rules.WECHAT], problems_of=queries.PROBLEMS,
        shows_codes=queries.sees_login_codes(actor, there[rules.SMS]), rules=rules,
        reasons=queries.reasons(actor, now) if not wanted.narrowed and not wanted.state else (),
        state_tabs=_tabs(wanted.state, counts), **_words(now),
    )  # fmt: skip


def _words(now: datetime) -> dict[str, Any]:
    """What both pages say of a text."""
    return {
        "kind_label": kinds.label, "is_secret": kinds.is_secret, "without_link": kinds.without_link,
        "is_stale": lambda row: queries.is_stale(row.kind, row.created_at, now),
        "what_to_do": lambda row: lookup.what_to_do(row, now),
    }  # fmt: skip


def _tabs(state: str, counts: dict[str, int]) -> list[tuple[str, str, bool, int]]:
    """All, and one per state, each with its number of the days looked at."""
    everything = ("全部", pages.with_args(state=None, before=None), state not in queries.STATES, sum(counts.values()))
    return [everything] + [
        (label, pages.with_args(state=code, before=None), code == state, counts[code])
        for code, label in queries.STATES.items()
    ]


@bp.post("/staff/messages/find")
@access.staff(Permission.MESSAGES)
def find() -> Response:
    """A number rings: to what its holder was told. Addresses stand in logs, so the number never stands in one."""
    typed = request.form.get("phone", "").strip()[:40]
    number = rules.digits(typed)
    if rules.TAIL <= len(number) < rules.MOBILE:
        return pages.see_other(url_for(".deliveries", tail=number[-rules.TAIL :]))
    try:
        if len(number) != rules.MOBILE:
            raise lookup.NoNumber()
        found = lookup.find(access.actor(), number, clock.now())
    except DomainError as refusal:
        keep_on_refusal()  # a number that was tried counts
        return _list(queries.Wanted(), error=refusal, typed=typed)
    return pages.see_other(url_for(".person", resident_id=found.id))


@bp.get("/staff/messages/residents/<int:resident_id>")
@access.staff(Permission.MESSAGES)
def person(resident_id: int) -> Response:
    """What a resident was told, when, by which way, with what outcome, and what to say now."""
    actor, now = access.actor(), clock.now()
    found = lookup.person(actor, resident_id) or abort(404)
    off = [kind.label for kind in kinds.switchable() if kind.code in rules.switched_off(found.quiet)]
    return pages.page(
        "notices/staff_person.html", resident=found,
        told=lookup.told(found.id, request.args.get("before", type=record_id)), codes=lookup.codes(found), off=off,
        has_sms=gateways.connected(current_app.config)[rules.SMS],
        may_let_in=actor.can(Permission.LET_IN), why_no_text=lambda row: lookup.why_no_text(row, found), **_words(now),
    )  # fmt: skip


@bp.post("/staff/messages/retry")
@access.staff(Permission.MESSAGES)
def retry() -> Response:
    """Try failed messages again: one (`id`), or all the viewer may see."""
    number = actions.send_again(access.actor(), request.form.getlist("id", type=record_id), clock.now())
    return pages.said(f"{number} 条消息会马上再发一次。", url_for("notices_staff.deliveries", state="waiting"))


@bp.get("/staff/messages/costs")
@access.staff(Permission.MESSAGES)
def costs() -> Response:
    """How many left in each month, by kind and way, and about what it costs."""
    actor, config = access.actor(), current_app.config
    prices = {rules.SMS: config["SMS_PRICE"], rules.VOICE: config["VOICE_PRICE"]}
    months: dict[str, list[queries.Cost]] = {}
    for row in queries.costs(actor):
        months.setdefault(row.month, []).append(row)

    def price(rows: list[queries.Cost]) -> float:
        return float(sum(row.pieces * prices.get(row.channel, 0.0) for row in rows))

    return pages.page(
        "notices/staff_costs.html", months=months, price=price, priced=any(prices.values()), kind_label=kinds.label,
        whole=queries.sees_all(actor), kept=TEXTS_KEPT,
    )  # fmt: skip


@bp.get("/staff/inbox-messages")
@access.staff(Permission.VIEW)
def inbox() -> Response:
    me = access.signed_in()
    unread_only = request.args.get("only") == "unread"
    found = queries.inbox("staff", me.id, request.args.get("before", type=record_id), unread_only)
    return pages.page("notices/staff_inbox.html", messages=found, unread_only=unread_only, kind_label=kinds.label)


@bp.post("/staff/inbox-messages/<int:message_id>/open")
@access.staff(Permission.VIEW)
def open_message(message_id: int) -> Response:
    link = actions.mark_read("staff", access.signed_in().id, message_id, clock.now())
    if link is None:
        abort(404)
    return pages.see_other(access.safe_next(link, url_for("notices_staff.inbox")))


@bp.post("/staff/inbox-messages/read")
@access.staff(Permission.VIEW)
def read_all() -> Response:
    number = actions.mark_all_read("staff", access.signed_in().id, clock.now())
    return pages.said(
        f"{number} 条消息都标为已读了。" if number else "没有未读的消息。", url_for("notices_staff.inbox")
    )
