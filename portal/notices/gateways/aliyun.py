"""Aliyun: text messages and calls, signed with ACS3-HMAC-SHA256 (the V3 signature).

https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature;
SendSms and QuerySendDetails of Dysmsapi 2017-05-25, SingleCallByTts of Dyvmsapi 2017-05-25.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from portal.core import clock
from portal.notices.gateways import wire
from portal.notices.gateways.base import (
    CannotTell,
    GatewayError,
    Report,
    Sent,
    Taken,
    Text,
    Trouble,
    sorted_by,
)
from portal.notices.gateways.templates import Templates

ALGORITHM = "ACS3-HMAC-SHA256"
FORM_TYPE = "application/x-www-form-urlencoded"
# The beginning of a code -> what it means; the longest beginning that fits counts. All others are about the message.
CODES: Mapping[str, tuple[Trouble, timedelta | None]] = {
    "Throttling": (Trouble.LIMIT, None),
    "ServiceUnavailable": (Trouble.LATER, None),
    "InternalError": (Trouble.UNKNOWN, None),
    "SignatureDoesNotMatch": (Trouble.LATER, None),
    "IncompleteSignature": (Trouble.LATER, None),
    "SignatureNonceUsed": (Trouble.LATER, None),
    "InvalidTimeStamp": (Trouble.LATER, None),
    "InvalidAccessKeyId": (Trouble.LATER, None),
    "Forbidden": (Trouble.LATER, None),
    "isp.SYSTEM_ERROR": (Trouble.UNKNOWN, None),
    "isp.GATEWAY_TIMEOUT": (Trouble.UNKNOWN, None),
    "isp.RAM_PERMISSION_DENY": (Trouble.LATER, None),
    "isv.BUSINESS_LIMIT_CONTROL": (Trouble.LATER, timedelta(hours=1)),
    "isv.DAY_LIMIT_CONTROL": (Trouble.LATER, timedelta(hours=12)),
    "isv.MONTH_LIMIT_CONTROL": (Trouble.LATER, timedelta(days=1)),
    "isv.AMOUNT_NOT_ENOUGH": (Trouble.LATER, None),
    "isv.OUT_OF_SERVICE": (Trouble.LATER, None),
    "isv.PRODUCT_UN_SUBSCRIPT": (Trouble.LATER, None),
    "isv.ACCOUNT_NOT_EXISTS": (Trouble.LATER, None),
    "isv.ACCOUNT_ABNORMAL": (Trouble.LATER, None),
    "isv.SMS_SIGNATURE_ILLEGAL": (Trouble.LATER, None),
    "isv.SMS_SIGN_ILLEGAL": (Trouble.LATER, None),
    "isv.SMS_TEMPLATE_ILLEGAL": (Trouble.LATER, None),
    "isv.SYSTEM_ERROR": (Trouble.LATER, None),
}
ASKED = 100  # texts of one round
FAILED, ARRIVED = "2", "3"  # SendStatus of QuerySendDetails: 1 waits for the report, 2 failed, 3 arrived


def sorted_out(code: str) -> tuple[Trouble, timedelta | None]:
    """What an error code means for the message, and how long the number wants to be left alone."""
    return sorted_by(CODES, code)


@dataclass(frozen=True, slots=True)
class Account:
    """key_id, secret: of the access key; shown: the number that calls come from."""

    key_id: str
    secret: str
    shown: str = ""


def encoded(given: Mapping[str, Any]) -> str:
    """RFC 3986, sorted by name: of a query and of a form."""
    return "&".join(f"{quote(name, safe='~')}={quote(str(given[name]), safe='~')}" for name in sorted(given))


def authorization(account: Account, headers: Mapping[str, str], query: str, body: bytes) -> str:
    """The Authorization header of a POST to /. headers: all that are signed (host, content-type, x-acs-*)."""
    low = {name.lower(): value.strip() for name, value in headers.items()}
    names = sorted(low)
    signed = ";".join(names)
    listed = "".join(f"{name}:{low[name]}\n" for name in names)
    request = "\n".join(("POST", "/", query, listed, signed, hashlib.sha256(body).hexdigest()))
    text = f"{ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(account.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Credential={account.key_id},SignedHeaders={signed},Signature={signature}"


class Client:
    """One service of Aliyun, asked by POST: numbers and words stand in the body, never in an address."""

    name = "阿里云"

    def __init__(self, url: str, version: str, account: Account, timeout: float = wire.TIMEOUT) -> None:
        self.address = wire.Address.of(url, self.name)
        self.version, self.account, self.timeout = version, account, timeout

    def call(self, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to an action whose Code is OK. Raises GatewayError, sorted by the code it names."""
        body = encoded(given).encode()
        headers = {
            "host": self.address.netloc, "content-type": FORM_TYPE, "x-acs-action": action,
            "x-acs-version": self.version, "x-acs-date": clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16), "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        }  # fmt: skip
        headers["Authorization"] = authorization(self.account, headers, "", body)
        status, raw = wire.exchange(self.address, "POST", "/", body, headers, self.name, self.timeout)
        answer = wire.answer_of(status, raw, self.name)
        code = str(answer.get("Code", ""))
        if code != "OK":
            trouble, wait = sorted_out(code) if code else (Trouble.UNKNOWN, None)
            raise GatewayError(f"{self.name}：{code[:80] or '答复看不懂'}", trouble, wait)
        return answer


class AliyunSms:
    """SendSms with templates; an unknown outcome is looked up in the day's details by our own number (OutId)."""

    outcome, repeats, settles = "sent", False, timedelta(minutes=2)

    def __init__(self, client: Client, templates: Templates) -> None:
        self.client, self.templates = client, templates

    def send(self, text: Text) -> Taken:
        template = self.templates.needed("sms", text.kind)
        answer = self.client.call("SendSms", {
            "PhoneNumbers": text.recipient, "SignName": self.templates.sign, "TemplateCode": template.id,
            "TemplateParam": json.dumps(dict(template.values(text.parts)), ensure_ascii=False), "OutId": text.once,
        })  # fmt: skip
        return Taken(str(answer.get("BizId", ""))[:80])

    def find(self, text: Text, since: datetime) -> Taken | None:
        days = {clock.local(since).date(), clock.local(clock.now()).date()}
        for day in sorted(days):
            answer = self.client.call("QuerySendDetails", {
                "PhoneNumber": text.recipient, "SendDate": day.strftime("%Y%m%d"), "PageSize": 50, "CurrentPage": 1,
            })  # fmt: skip
            rows = (answer.get("SmsSendDetailDTOs") or {}).get("SmsSendDetailDTO") or []
            if any(row.get("OutId") == text.once and str(row.get("SendStatus")) != FAILED for row in rows):
                return Taken()
        return None

    def reports(self, of: Sequence[Sent]) -> list[Report]:
        """QuerySendDetails asks for one text a call; what was read before an error is kept."""
        found: list[Report] = []
        for one in of[:ASKED]:
            try:
                answer = self.client.call("QuerySendDetails", {
                    "PhoneNumber": one.recipient, "SendDate": clock.local(one.at).strftime("%Y%m%d"), "PageSize": 10,
                    "CurrentPage": 1, "BizId": one.serial,
                })  # fmt: skip
            except GatewayError:
                if found:
                    return found
                raise
            rows = (answer.get("SmsSendDetailDTOs") or {}).get("SmsSendDetailDTO") or []
            told = next((row for row in rows if str(row.get("SendStatus")) in (FAILED, ARRIVED)), None)
            if told is not None:
                arrived = str(told["SendStatus"]) == ARRIVED
                found.append(Report(one.serial, one.recipient, arrived, str(told.get("ErrCode", ""))[:80]))
        return found


class AliyunVoice:
    """SingleCallByTts: rings a number and reads a template out."""

    outcome, repeats, settles = "sent", False, timedelta()

    def __init__(self, client: Client, templates: Templates) -> None:
        self.client, self.templates = client, templates

    def send(self, text: Text) -> Taken:
        template = self.templates.needed("voice", text.kind)
        answer = self.client.call("SingleCallByTts", {
            "CalledNumber": text.recipient, "CalledShowNumber": self.client.account.shown, "TtsCode": template.id,
            "TtsParam": json.dumps(dict(template.values(text.parts)), ensure_ascii=False), "PlayTimes": 2,
            "OutId": text.once[:15],
        })  # fmt: skip
        return Taken(str(answer.get("CallId", ""))[:80])

    def find(self, _text: Text, _since: datetime) -> Taken | None:
        raise CannotTell
