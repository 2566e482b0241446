"""The member's buttons on /m, and the paper order's page, which needs no login (SPEC H7)."""

from typing import Any

from flask import Blueprint, Response, abort, g, request, url_for

from portal.core import access, clock, pages
from portal.core.access import Actor
from portal.core.errors import DomainError
from portal.core.limits import limiter
from portal.help_requests.models import HelpOrder
from portal.help_requests.orders import actions, queries, registry, rules
from portal.help_requests.orders.errors import OrderOver
from portal.help_requests.states import ORDER_LABELS
from portal.teams import views_member

bp = Blueprint("help_orders_member", __name__, url_prefix="/m")


def _yes(actor: Actor, order_id: int) -> str:
    actions.answer(actions.mine(actor, order_id, clock.now()), True, "", clock.now())
    return "好，算您去。现在可以看住址和电话了。"


def _no(actor: Actor, order_id: int) -> str:
    reason = request.form.get("reason", "")
    actions.answer(actions.mine(actor, order_id, clock.now()), False, reason, clock.now())
    return "知道了，会另外派人。"


def _go(actor: Actor, order_id: int) -> str:
    actions.go(actions.mine(actor, order_id, clock.now()), clock.now())
    return "记下了，路上小心。"


def _arrive(actor: Actor, order_id: int) -> str:
    order = actions.arrive(actions.mine(actor, order_id, clock.now()), clock.now())
    return f"记下了。{clock.said(rules.CHECK)}内办不完，请点一下“平安”。" if order.check_by else "记下了。"


def _well(actor: Actor, order_id: int) -> str:
    actions.all_well(actions.mine(actor, order_id, clock.now()), clock.now())
    return "收到，平安就好。"


def _finish(actor: Actor, order_id: int) -> str:
    words = request.form.get("words", "")
    actions.finish(actions.mine(actor, order_id, clock.now()), words, clock.now())
    return "办好了，辛苦了。"


STEPS = {"yes": _yes, "no": _no, "go": _go, "arrive": _arrive, "well": _well, "finish": _finish}
for _name, _step in STEPS.items():
    bp.post(f"/orders/<int:order_id>/{_name}", endpoint=_name)(views_member.act(_step))


@bp.post("/orders/<int:order_id>/address")
@access.public
@pages.act(views_member.redraw)
def address(order_id: int) -> Any:
    """Address and telephone, shown once; it is noted who looked."""
    actor = views_member.signed_in()
    if not isinstance(actor, Actor):
        return actor
    now = clock.now()
    g.orders_shown = {order_id: actions.read(actions.mine(actor, order_id, now), now)}
    answer = views_member.page()
    answer.headers["Cache-Control"] = "no-store"
    return answer


# The paper order ------------------------------------------------------------------------------------------------------


def _order(token: str) -> HelpOrder:
    return queries.by_token(token) or abort(404)


def _paper(token: str, error: DomainError | None = None) -> Response:
    order, now = _order(token), clock.now()
    until = (order.visit.at_to if order.visit else order.offered_at) + rules.TOKEN_LIVES
    answer = pages.page(
        "help_requests/orders/paper.html", order=order, card=registry.card(order, now), error=error, now=now,
        over=now >= until or order.status in ("declined", "cancelled"), labels=ORDER_LABELS, token=token,
    )  # fmt: skip
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


@bp.get("/paper/<token>")
@access.public
@limiter.limit("60 per minute")
def paper(token: str) -> Response:
    """What the code on a paper order opens: three buttons, and nothing that the paper does not say."""
    return _paper(token)


def _again(error: DomainError, token: str, **_args: Any) -> Response:
    return _paper(token, error)


def _live(token: str) -> HelpOrder:
    order, now = _order(token), clock.now()
    if now >= (order.visit.at_to if order.visit else order.offered_at) + rules.TOKEN_LIVES:
        raise OrderOver("这张派单过期了。")
    return order


@bp.post("/paper/<token>/<step>")
@access.public
@limiter.limit("30 per minute")
@pages.act(_again)
def paper_step(token: str, step: str) -> Response:
    """出发, 到了, 办好了 or 平安, by whoever holds the paper."""
    order, now = _live(token), clock.now()
    if step == "finish":
        actions.finish(order, request.form.get("words", ""), now)
    elif step in ("go", "arrive", "well"):
        {"go": actions.go, "arrive": actions.arrive, "well": actions.all_well}[step](order, now)
    else:
        abort(404)
    return pages.said("记下了。", url_for(".paper", token=token))
