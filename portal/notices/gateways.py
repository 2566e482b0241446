"""The ways out of the house: SMS, WeChat, and the page in the staff face when neither is configured (SPEC M2)."""

import hashlib
import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog

from portal.core import masks
from portal.notices import rules

log = structlog.get_logger()

TIMEOUT = 5.0  # seconds for connecting and for each read
TEMPORARY = frozenset({408, 409, 423, 425, 429})  # besides every 5xx: worth another try


class GatewayError(Exception):
    """The gateway did not take a message. temporary: another try may help. The text never holds recipient or body."""

    def __init__(self, text: str, temporary: bool) -> None:
        super().__init__(text)
        self.temporary = temporary


class Gateway(Protocol):
    """What a way out must be able to do."""

    outcome: str

    def send(self, recipient: str, body: str, key: str) -> None:
        """Hand one message over. `key` lets the other side drop a repetition. Raises GatewayError."""
        ...


class HttpGateway:
    """JSON by POST, bearer token, idempotency key. Subclasses only say what the JSON looks like."""

    outcome = "sent"
    name = "gateway"

    def __init__(self, url: str, token: str, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{self.name}: not an http(s) address")
        self.secure, self.host, self.port = parts.scheme == "https", parts.hostname, parts.port
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.token, self.timeout = token, timeout

    def payload(self, recipient: str, body: str, key: str) -> dict[str, Any]:
        raise NotImplementedError

    def _connection(self) -> http.client.HTTPConnection:
        if self.secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=context)
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)

    def send(self, recipient: str, body: str, key: str) -> None:
        once = hashlib.sha256(key.encode()).hexdigest()
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": once}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        content = json.dumps(self.payload(recipient, body, key), ensure_ascii=False).encode()
        connection = self._connection()
        try:
            connection.request("POST", self.path, content, headers)
            answer = connection.getresponse()
            answer.read(65536)
        except (OSError, http.client.HTTPException) as error:
            raise GatewayError(f"{self.name}：连接不上（{type(error).__name__}）", temporary=True) from error
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            temporary = answer.status >= 500 or answer.status in TEMPORARY
            raise GatewayError(f"{self.name}：对方答复 {answer.status}", temporary)


class SmsGateway(HttpGateway):
    """POST {"phone", "text", "key"} to PORTAL_SMS_URL."""

    name = "短信网关"

    def payload(self, recipient: str, body: str, key: str) -> dict[str, Any]:
        return {"phone": recipient, "text": body, "key": key}


class WechatGateway(HttpGateway):
    """POST {"to", "template", "data", "key"} to PORTAL_WECHAT_URL: the relay of the official account, which knows
    which follower bound which phone."""

    name = "微信网关"

    def payload(self, recipient: str, body: str, key: str) -> dict[str, Any]:
        return {"to": recipient, "template": "notice", "data": {"content": body}, "key": key}


class LocalGateway:
    """Nothing is configured: the message stays on the staff's page of messages; the log has only that it is there."""

    outcome = "local"

    def send(self, recipient: str, _body: str, key: str) -> None:
        log.info("message not sent, no gateway", to=masks.mask_phone(recipient), key=key)


def configured(config: Mapping[str, Any]) -> dict[str, Gateway]:
    """The gateway of each channel according to the settings."""
    sms_url, wechat_url, local = config["SMS_URL"], config["WECHAT_URL"], LocalGateway()
    return {
        rules.SMS: SmsGateway(sms_url, config["SMS_TOKEN"]) if sms_url else local,
        rules.WECHAT: WechatGateway(wechat_url, config["WECHAT_TOKEN"]) if wechat_url else local,
    }
