"""/hooks/…: what providers tell us. No browser comes here: each call proves itself, by a secret or a signature (M2)."""

import hmac
import re
from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, request

from portal.core import access, clock
from portal.core.limits import limiter
from portal.core.security_log import refused
from portal.notices import receipts, wechat_people
from portal.notices.gateways import wechat, wechat_cipher

bp = Blueprint("notices_hooks", __name__)

FRESH = 300  # seconds: an older message of WeChat is one that somebody kept
WHO = re.compile(rb"<FromUserName>\s*(?:<!\[CDATA\[)?([\w-]{1,64})")
EVENT = re.compile(rb"<Event>\s*(?:<!\[CDATA\[)?(\w{1,40})")


@bp.post("/hooks/sms")
@access.public
@limiter.limit("600 per minute")
def sms_receipts() -> Response:
    """Status reports of texts. The address that the provider is given ends with ?token=PORTAL_RECEIPT_TOKEN."""
    secret = current_app.config["RECEIPT_TOKEN"]
    if not secret or not hmac.compare_digest(request.args.get("token", "").encode(), secret.encode()):
        refused("receipt token")
        abort(404)
    told = receipts.read(request.get_json(silent=True))
    receipts.note(told, clock.now())
    # Both providers look for their own word for "got it".
    return jsonify({"code": 0, "msg": "OK", "result": 0, "errmsg": "OK"})


@bp.route("/hooks/wechat", methods=["GET", "POST"])
@access.public
@limiter.limit("600 per minute")
def wechat_event() -> Any:
    """The official account's server: GET proves that the address is ours, POST says who follows or has left."""
    args, now = request.args, clock.now()
    given = [args.get(name, "") for name in ("signature", "timestamp", "nonce")]
    fresh = given[1].isdecimal() and abs(now.timestamp() - int(given[1][:12])) <= FRESH
    if not fresh or not wechat.is_from_wechat(current_app.config["WECHAT_EVENT_TOKEN"], *given):
        refused("wechat signature")
        abort(404)
    if request.method == "GET":
        return Response(args.get("echostr", "")[:100], mimetype="text/plain")
    body = _opened(request.get_data())
    who, event = WHO.search(body), EVENT.search(body)
    if who is not None and event is not None:
        wechat_people.follows(who[1].decode(), event[1].decode(), now)
    return Response("success", mimetype="text/plain")


def _opened(body: bytes) -> bytes:
    """What WeChat tells, out of its seal where the account is in the safe mode; then nothing else is believed."""
    config, args = current_app.config, request.args
    if not config["WECHAT_AES_KEY"]:
        return body
    given = [args.get(name, "") for name in ("msg_signature", "timestamp", "nonce")]
    try:
        return wechat_cipher.opened(
            body, config["WECHAT_AES_KEY"], config["WECHAT_APP_ID"], config["WECHAT_EVENT_TOKEN"], *given
        )
    except wechat_cipher.NotOurs:
        refused("wechat seal")
        abort(404)
