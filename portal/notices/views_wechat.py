"""/wechat/…, /me/wechat: a resident's WeChat bound to the account, and coming in by it without a code (SPEC M2).

WeChat says who somebody is by leading back to us (网页授权, snsapi_base). The state it brings back must be the one
of this browser's session, once. Nothing is written by that visit: what it proves is kept in the session, and a press
on our own page signs in or binds, so no foreign page can do either in somebody's name.
"""

import hmac
import secrets
from typing import Any

from flask import Blueprint, abort, current_app, flash, request, session, url_for

from portal.centres import profile
from portal.core import access, clock, masks, pages, registry
from portal.core.access import safe_next
from portal.core.db import db, let_go
from portal.core.errors import DomainError
from portal.core.limits import limiter
from portal.core.security_log import refused
from portal.notices import gateways, wechat_people
from portal.notices.gateways import GatewayError, wechat
from portal.people import proof, signing
from portal.people.models import Resident

bp = Blueprint("wechat", __name__)

STATE, WHO, ASKED = "wechat_state", "wechat_who", "wechat_asked"  # keys of the signed cookie
BIND = "/me/wechat"


def inside() -> bool:
    """Whether the page is looked at in WeChat, and there is an account that could say who it is."""
    return "MicroMessenger" in request.user_agent.string and bool(current_app.config["WECHAT_APP_ID"])


@registry.way_in
def way_in(target: str) -> str:
    """Inside WeChat who somebody is is asked there first, once for a browser session; '' to go on as usual."""
    if not inside() or session.get(ASKED):
        return ""
    session[ASKED] = True
    return url_for("wechat.ask", next=target)


@bp.get("/wechat")
@access.public
def ask() -> Any:
    """Lead to WeChat, which leads back to `back`."""
    target = safe_next(request.args.get("next"), "/me")
    if not inside():
        return pages.see_other(url_for("people.login", next=target))
    session[STATE] = [secrets.token_urlsafe(24), target]
    address = wechat.ask_address(current_app.config["WECHAT_APP_ID"], pages.absolute("/wechat/back"), session[STATE][0])
    return pages.see_other(address)


@bp.get("/wechat/back")
@access.public
@limiter.limit("30 per minute")
def back() -> Any:
    """WeChat has said who it is. A state that is not this browser's is somebody else's link: nothing comes of it."""
    state, target = session.pop(STATE, None) or ["", "/me"]
    if not state or not hmac.compare_digest(state, request.args.get("state", "")):
        refused("wechat state")
        return _without(target)
    user = access.viewer()
    let_go()
    try:
        session[WHO] = wechat_people.api(current_app.config).open_id(request.args.get("code", "")[:200])
    except GatewayError:
        return _without(target)
    if user is not None:
        return pages.see_other(BIND if user.audience == "resident" else target)
    person = wechat_people.resident_of(session[WHO])
    if person is None:  # not bound yet: by telephone, as everybody
        return pages.see_other(url_for("people.login", next=target))
    return pages.page("notices/wechat_enter.html", person=person, target=target)


def _without(target: str) -> Any:
    flash("微信没有告诉我们您是谁，请用手机号登录。", "gold")
    return pages.see_other(url_for("people.login", next=target))


@bp.post("/wechat/enter")
@access.public
def enter() -> Any:
    """Sign in as whoever bound the WeChat that was shown to us in this browser."""
    target = safe_next(request.form.get("next"), "/me")
    person = wechat_people.resident_of(session.get(WHO, ""))
    if person is None:
        return _without(target)
    signing.enter("resident", person.id, clock.now())
    if person.consent_version != profile.current().consent_version:
        target = url_for("people.consent", next=target)
    return pages.see_other(target)


@bp.get(BIND)
@access.resident
def binding() -> Any:
    """Whether it is bound, and to bind or unbind it."""
    if not gateways.connected(current_app.config)["wechat"] or not current_app.config["WECHAT_APP_ID"]:
        abort(404)
    me = access.signed_in().id
    return pages.page(
        "notices/wechat_binding.html", bound=wechat_people.binding(me), inside=inside(), shown=bool(session.get(WHO))
    )


@bp.post(BIND)
@access.resident
@proof.asked_first("wechat.binding")
def bind() -> Any:
    """Bind the WeChat that was shown in this browser; from then on messages go there, and it opens the account."""
    who, me = session.get(WHO, ""), access.signed_in().id
    if not who:
        return pages.see_other(url_for("wechat.ask", next=BIND))
    resident = db.session.get(Resident, me) or abort(404)
    try:
        wechat_people.bind(resident, who, clock.now())
    except DomainError as refusal:
        flash(refusal.message + refusal.advice, "gold")
        return pages.see_other(BIND)
    session.pop(WHO)
    return pages.said("微信绑定好了。以后消息发到微信，在微信里打开也不用验证码。", BIND)


@bp.post("/me/wechat/unbind")
@access.resident
def unbind() -> Any:
    """Messages come by SMS again, and this WeChat opens nothing any more."""
    resident = db.session.get(Resident, access.signed_in().id) or abort(404)
    done = wechat_people.unbind(resident, clock.now())
    return pages.said("已解除绑定，以后消息发短信。" if done else "没有绑定微信。", BIND)


@bp.app_template_filter("masked_name")
def masked_name(person: Resident) -> str:
    """'陈*（尾号 0000）': enough to know oneself by, no more, for whoever holds the phone."""
    return f"{masks.mask_name(person.name)}（尾号 {(person.phone or '')[-4:]}）"
