"""A WeChat official account: who somebody is (网页授权), template messages, its server's messages to us (SPEC M2).

https://developers.weixin.qq.com/doc/offiaccount/: OA_Web_Apps/Wechat_webpage_authorization,
Message_Management/Template_Message_Interface, Basic_Information/Get_access_token.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from portal.notices.gateways import wire
from portal.notices.gateways.base import CannotTell, GatewayError, Taken, Text, Trouble
from portal.notices.gateways.templates import Templates

API = "https://api.weixin.qq.com"
ASK = "https://open.weixin.qq.com/connect/oauth2/authorize"
NO_FOLLOWER = 43004
TOKEN_OVER = frozenset({40001, 40014, 42001})
LIMITS = frozenset({45009, 45011})
AWAY = frozenset({-1, 40125, 40164, 40013, 48001, 40037})  # busy; or the account's settings are to be mended


class NoFollower(GatewayError):
    """The person does not follow the account (any more): nothing reaches them there."""

    def __init__(self) -> None:
        super().__init__("微信：对方没有关注公众号", Trouble.PERMANENT)


class TokenOver(GatewayError):
    """The access token is no longer good: renew it, then the same again."""

    def __init__(self, token: str) -> None:
        super().__init__("微信：access_token 失效", Trouble.LATER)
        self.token = token


def refused(number: int) -> GatewayError:
    """What an errcode means."""
    if number == NO_FOLLOWER:
        return NoFollower()
    trouble = Trouble.LIMIT if number in LIMITS else Trouble.LATER if number in AWAY else Trouble.PERMANENT
    return GatewayError(f"微信：errcode {number}", trouble)


class Api:
    """The calls of an official account."""

    name = "微信"

    def __init__(self, url: str, app_id: str, secret: str, timeout: float = wire.TIMEOUT) -> None:
        self.address = wire.Address.of(url or API, self.name)
        self.app_id, self.secret, self.timeout = app_id, secret, timeout

    def _ask(self, method: str, path: str, query: Mapping[str, str], body: object = None) -> dict[str, Any]:
        content = json.dumps(body, ensure_ascii=False).encode() if body is not None else b""
        headers = {"Content-Type": "application/json; charset=utf-8"} if content else {}
        target = f"{path}?{urlencode(query)}" if query else path
        status, raw = wire.exchange(self.address, method, target, content, headers, self.name, self.timeout)
        return wire.answer_of(status, raw, self.name)

    def new_token(self) -> tuple[str, int]:
        """A new access token and its life in seconds. The stable interface: it does not end the one before at once."""
        given = {"grant_type": "client_credential", "appid": self.app_id, "secret": self.secret}
        answer = self._ask("POST", "/cgi-bin/stable_token", {}, given)
        token = answer.get("access_token")
        if not token:
            raise refused(_number(answer))
        return str(token), int(answer.get("expires_in") or 7200)

    def open_id(self, code: str) -> str:
        """Whose code it is (网页授权, snsapi_base). Raises GatewayError: used, too old, or not ours."""
        given = {"appid": self.app_id, "secret": self.secret, "code": code, "grant_type": "authorization_code"}
        answer = self._ask("GET", "/sns/oauth2/access_token", given)
        found = answer.get("openid")
        if not found:
            raise refused(_number(answer))
        return str(found)[:64]

    def send_template(self, token: str, message: Mapping[str, Any]) -> str:
        """Send a template message; its number. Raises TokenOver, NoFollower, GatewayError."""
        answer = self._ask("POST", "/cgi-bin/message/template/send", {"access_token": token}, message)
        number = _number(answer)
        if number in TOKEN_OVER:
            raise TokenOver(token)
        if number:
            raise refused(number)
        return str(answer.get("msgid", ""))[:80]


def _number(answer: Mapping[str, Any]) -> int:
    try:
        return int(answer.get("errcode") or 0)
    except (TypeError, ValueError):
        return -1


def ask_address(app_id: str, back: str, state: str) -> str:
    """Where WeChat says who somebody is, without asking them (snsapi_base); it leads back with code and state."""
    query = {"appid": app_id, "redirect_uri": back, "response_type": "code", "scope": "snsapi_base", "state": state}
    return f"{ASK}?{urlencode(query)}#wechat_redirect"


def is_from_wechat(secret: str, signature: str, timestamp: str, nonce: str) -> bool:
    """Whether a message to our server is signed with the token that only WeChat and we know."""
    ours = hashlib.sha1("".join(sorted((secret, timestamp, nonce))).encode(), usedforsecurity=False).hexdigest()
    return bool(secret) and hmac.compare_digest(ours, signature)


class WechatAccount:
    """Template messages to followers. recipient: an openid. token: set by whoever runs it, before each round and after
    TokenOver (`portal.notices.wechat_people`): the threads that send touch no database. A repetition within ten minutes
    is dropped by WeChat (client_msg_id)."""

    outcome, repeats, settles = "sent", True, timedelta()

    def __init__(self, api: Api, known: Templates) -> None:
        self.api, self.templates, self.token = api, known, ""

    @classmethod
    def of(cls, config: Mapping[str, Any], known: Templates) -> WechatAccount:
        """Raises ValueError without the account's secret."""
        if not config.get("WECHAT_SECRET"):
            raise ValueError("PORTAL_WECHAT_SECRET is not set, although PORTAL_WECHAT_APP_ID is")
        return cls(Api(config.get("WECHAT_ENDPOINT", ""), config["WECHAT_APP_ID"], config["WECHAT_SECRET"]), known)

    def send(self, text: Text) -> Taken:
        template = self.templates.needed("wechat", text.kind)
        message = {
            "touser": text.recipient, "template_id": template.id, "url": text.parts.get("link", ""),
            "client_msg_id": text.once,
            "data": {name: {"value": value} for name, value in template.values(text.parts)},
        }  # fmt: skip
        return Taken(self.api.send_template(self.token, message), 0)

    def find(self, _text: Text, _since: datetime) -> Taken | None:
        raise CannotTell
