"""/me/inbox: what the portal told a resident, and which of it may ring the phone (SPEC M1, M3)."""

from flask import Blueprint, abort, current_app, request, url_for
from werkzeug.wrappers import Response

from portal.core import access, clock, pages
from portal.core.db import db
from portal.core.incoming import record_id
from portal.notices import actions, gateways, kinds, queries, rules, views_wechat, wechat_people
from portal.people.models import Resident

bp = Blueprint("notices", __name__)


@bp.get("/me/inbox")
@access.resident
def inbox() -> Response:
    me = access.signed_in()
    unread_only = request.args.get("only") == "unread"
    found = queries.inbox("resident", me.id, request.args.get("before", type=record_id), unread_only)
    return pages.page(
        "notices/inbox.html", messages=found, unread_only=unread_only, kind_label=kinds.label, quiet=rules.quiet_text(),
        offer_wechat=views_wechat.inside() and wechat_people.binding(me.id) is None,
    )  # fmt: skip


@bp.post("/me/inbox/<int:message_id>/open")
@access.resident
def open_message(message_id: int) -> Response:
    """Mark read, then go to what the message is about."""
    link = actions.mark_read("resident", access.signed_in().id, message_id, clock.now())
    if link is None:
        abort(404)
    return pages.see_other(access.safe_next(link, url_for("notices.inbox")))


@bp.post("/me/inbox/read")
@access.resident
def read_all() -> Response:
    number = actions.mark_all_read("resident", access.signed_in().id, clock.now())
    return pages.said(f"{number} 条消息都标为已读了。" if number else "没有未读的消息。", url_for("notices.inbox"))


@bp.route("/me/inbox/choices", methods=["GET", "POST"])
@access.resident
def choices() -> Response:
    """Which kinds of messages also come as a text, and by which way."""
    resident = db.session.get(Resident, access.signed_in().id) or abort(404)
    if request.method == "POST":
        calls = request.form.get("calls") == "1"
        actions.choose(resident, request.form.getlist("kind"), request.form.get("way", rules.SMS), calls)
        return pages.said("已经记下来了。", url_for("notices.inbox"))
    there, own = gateways.connected(current_app.config), bool(current_app.config["WECHAT_APP_ID"])
    bound = wechat_people.binding(resident.id) if own else None
    wechat = there[rules.WECHAT] and (bound is not None or not own)
    return pages.page(
        "notices/choices.html", switchable=kinds.switchable(), off=rules.switched_off(resident.quiet), wechat=wechat,
        quiet=rules.quiet_text(), per_day=rules.per_day_text(), fixed=kinds.fixed(),
        way=rules.way(resident.quiet, wechat), own_wechat=own, bound=bound,
        rings=there[rules.VOICE], calls=rules.wants_calls(resident.quiet),
    )  # fmt: skip
