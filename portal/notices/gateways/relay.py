"""The generic relay: JSON by POST, bearer token, idempotency key; somebody else's program knows the provider."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from portal.notices.gateways import wire
from portal.notices.gateways.base import CannotTell, GatewayError, Taken, Text, Trouble

TEMPORARY = frozenset({408, 409, 423, 425, 429})  # besides every 5xx: worth another try


class Relay:
    """Subclasses only say what the JSON looks like."""

    outcome, repeats, settles = "sent", True, timedelta()
    name = "gateway"

    def __init__(self, url: str, token: str, timeout: float = wire.TIMEOUT) -> None:
        self.address = wire.Address.of(url, self.name)
        self.token, self.timeout = token, timeout

    def payload(self, text: Text) -> dict[str, Any]:
        raise NotImplementedError

    def send(self, text: Text) -> Taken:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": hashlib.sha256(text.key.encode()).hexdigest(),
        }
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        content = json.dumps(self.payload(text), ensure_ascii=False).encode()
        try:
            status, _ = wire.exchange(
                self.address, "POST", self.address.path, content, headers, self.name, self.timeout
            )
        except GatewayError as error:  # the key lets the relay drop a repetition, so it may simply be tried again
            raise GatewayError(f"{self.name}：连接不上", Trouble.LATER) from error
        if not 200 <= status < 300:
            temporary = status >= 500 or status in TEMPORARY
            raise GatewayError(f"{self.name}：对方答复 {status}", Trouble.LATER if temporary else Trouble.PERMANENT)
        return Taken()

    def find(self, _text: Text, _since: datetime) -> Taken | None:
        raise CannotTell


class SmsRelay(Relay):
    """POST {"phone", "text", "key"} to PORTAL_SMS_URL."""

    name = "短信网关"

    def payload(self, text: Text) -> dict[str, Any]:
        return {"phone": text.recipient, "text": text.body, "key": text.key}


class WechatRelay(Relay):
    """POST {"to", "template", "data", "key"} to PORTAL_WECHAT_URL: the relay of the official account, which knows
    which follower bound which phone."""

    name = "微信网关"

    def payload(self, text: Text) -> dict[str, Any]:
        return {"to": text.recipient, "template": "notice", "data": {"content": text.body}, "key": text.key}


class VoiceRelay(SmsRelay):
    """POST {"phone", "text", "key"} to PORTAL_VOICE_URL: a program that rings the number and reads the text out."""

    name = "语音网关"
