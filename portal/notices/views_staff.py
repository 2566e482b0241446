"""/staff/messages: what left, waits, or could not be sent; /staff/inbox-messages: one's own messages (SPEC M2)."""

from flask import Blueprint, abort, current_app, request, url_for
from werkzeug.wrappers import Response

from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.incoming import record_id
from portal.notices import actions, kinds, queries

bp = Blueprint("notices_staff", __name__)


@bp.get("/staff/messages")
@access.staff(Permission.MESSAGES)
def deliveries() -> Response:
    actor, now = access.actor(), clock.now()
    state = request.args.get("state", "")
    counts = queries.delivery_counts(actor, now)
    config = current_app.config
    return pages.page(
        "notices/staff_deliveries.html", state=state if state in queries.STATES else "", states=queries.STATES,
        counts=counts, counted=queries.COUNTED, whole=queries.sees_all(actor), kind_label=kinds.label,
        found=queries.deliveries(actor, state, request.args.get("before", type=record_id)),
        has_sms=bool(config["SMS_URL"]), has_wechat=bool(config["WECHAT_URL"]),
        shows_codes=queries.sees_login_codes(actor, bool(config["SMS_URL"])),
        state_tabs=_tabs(state, counts), is_secret=kinds.is_secret, without_link=kinds.without_link,
        is_stale=lambda row: queries.is_stale(row.kind, row.created_at, now),
    )  # fmt: skip


def _tabs(state: str, counts: dict[str, int]) -> list[tuple[str, str, bool, int]]:
    """All, and one per state, each with its number of the last days."""
    address = "notices_staff.deliveries"
    everything = ("全部", url_for(address), state not in queries.STATES, sum(counts.values()))
    return [everything] + [
        (label, url_for(address, state=code), code == state, counts[code]) for code, label in queries.STATES.items()
    ]


@bp.post("/staff/messages/retry")
@access.staff(Permission.MESSAGES)
def retry() -> Response:
    """Try failed messages again: one (`id`), or all the viewer may see."""
    number = actions.send_again(access.actor(), request.form.getlist("id", type=record_id), clock.now())
    return pages.said(f"{number} 条消息会马上再发一次。", url_for("notices_staff.deliveries", state="waiting"))


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
