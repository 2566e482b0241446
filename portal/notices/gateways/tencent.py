"""Tencent Cloud: text messages and calls, signed with TC3-HMAC-SHA256.

https://cloud.tencent.com/document/product/382/52072 (signature), …/382/55981 (SendSms), …/382/52068
(PullSmsSendStatusByPhoneNumber), …/1128/51558 (SendTtsVoice).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

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

ALGORITHM = "TC3-HMAC-SHA256"
JSON_TYPE = "application/json; charset=utf-8"
PULLED, PULLS = 100, 20  # reports of one call, calls of one round
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# The beginning of a code -> what it means; the longest beginning that fits counts. All others are about the message.
CODES: Mapping[str, tuple[Trouble, timedelta | None]] = {
    "RequestLimitExceeded": (Trouble.LIMIT, None),
    "LimitExceeded": (Trouble.LIMIT, None),
    "LimitExceeded.PhoneNumberThirtySecondLimit": (Trouble.LATER, timedelta(minutes=1)),
    "LimitExceeded.PhoneNumberOneHourLimit": (Trouble.LATER, HOUR),
    "LimitExceeded.PhoneNumberDailyLimit": (Trouble.LATER, DAY),
    "LimitExceeded.PhoneNumberSameContentDailyLimit": (Trouble.PERMANENT, None),
    "InternalError": (Trouble.LATER, None),
    "InternalError.Timeout": (Trouble.UNKNOWN, None),
    "AuthFailure": (Trouble.LATER, None),
    "UnauthorizedOperation": (Trouble.LATER, None),
    "FailedOperation.InsufficientBalanceInSmsPackage": (Trouble.LATER, None),
    "FailedOperation.SignatureIncorrectOrUnapproved": (Trouble.LATER, None),
    "FailedOperation.TemplateIncorrectOrUnapproved": (Trouble.LATER, None),
    "FailedOperation.TemplateUnapprovedOrNotExist": (Trouble.LATER, None),
    "InvalidParameterValue.SdkAppIdNotExist": (Trouble.LATER, None),
    "ResourceInsufficient": (Trouble.LATER, None),
}


def sorted_out(code: str) -> tuple[Trouble, timedelta | None]:
    """What an error code means for the message, and how long the number wants to be left alone."""
    return sorted_by(CODES, code)


@dataclass(frozen=True, slots=True)
class Account:
    """key_id, secret: of the API key; app: the SdkAppId of messages or calls."""

    key_id: str
    secret: str
    app: str
    region: str = "ap-guangzhou"


def authorization(account: Account, service: str, headers: Mapping[str, str], body: bytes, at: int) -> str:
    """The Authorization header of a POST to /. headers: all that are signed; at: seconds, as in X-TC-Timestamp."""
    low = {name.lower(): value.strip().lower() for name, value in headers.items()}
    names = sorted(low)
    signed = ";".join(names)
    listed = "".join(f"{name}:{low[name]}\n" for name in names)
    request = "\n".join(("POST", "/", "", listed, signed, hashlib.sha256(body).hexdigest()))
    day = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
    scope = f"{day}/{service}/tc3_request"
    text = "\n".join((ALGORITHM, str(at), scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"TC3{account.secret}".encode()
    for part in (day, service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Credential={account.key_id}/{scope}, SignedHeaders={signed}, Signature={signature}"


class Client:
    """One service of Tencent Cloud."""

    name = "腾讯云"

    def __init__(self, url: str, service: str, version: str, account: Account, timeout: float = wire.TIMEOUT) -> None:
        self.address = wire.Address.of(url, self.name)
        self.service, self.version, self.account, self.timeout = service, version, account, timeout

    def call(self, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The Response of an action. Raises GatewayError, sorted by the code it names."""
        body = json.dumps(given, ensure_ascii=False).encode()
        at = int(clock.now().timestamp())
        signed = {"Content-Type": JSON_TYPE, "Host": self.address.netloc, "X-TC-Action": action}
        headers = {
            **signed, "X-TC-Timestamp": str(at), "X-TC-Version": self.version, "X-TC-Region": self.account.region,
            "Authorization": authorization(self.account, self.service, signed, body, at),
        }  # fmt: skip
        status, raw = wire.exchange(self.address, "POST", "/", body, headers, self.name, self.timeout)
        answer = wire.answer_of(status, raw, self.name).get("Response")
        if not isinstance(answer, dict):
            raise GatewayError(f"{self.name}：答复看不懂", Trouble.UNKNOWN)
        if isinstance(answer.get("Error"), dict):
            raise self.refused(str(answer["Error"].get("Code", "")))
        return answer

    def refused(self, code: str) -> GatewayError:
        trouble, wait = sorted_out(code)
        return GatewayError(f"{self.name}：{code[:80]}", trouble, wait)


class TencentSms:
    """SendSms with templates; an unknown outcome is looked up by our own context, which comes back with the report."""

    outcome, repeats, settles = "sent", False, timedelta(minutes=10)

    def __init__(self, client: Client, templates: Templates) -> None:
        self.client, self.templates = client, templates

    def send(self, text: Text) -> Taken:
        template = self.templates.needed("sms", text.kind)
        answer = self.client.call("SendSms", {
            "PhoneNumberSet": [f"+86{text.recipient}"], "SmsSdkAppId": self.client.account.app,
            "SignName": self.templates.sign, "TemplateId": template.id,
            "TemplateParamSet": [value for _, value in template.values(text.parts)], "SessionContext": text.once,
        })  # fmt: skip
        told = answer.get("SendStatusSet")
        if not isinstance(told, list) or len(told) != 1 or not isinstance(told[0], dict):
            raise GatewayError(f"{self.client.name}：答复看不懂", Trouble.UNKNOWN)
        if told[0].get("Code") != "Ok":
            raise self.client.refused(str(told[0].get("Code", "")))
        return Taken(str(told[0].get("SerialNo", ""))[:80], int(told[0].get("Fee") or 1))

    def find(self, text: Text, since: datetime) -> Taken | None:
        answer = self.client.call("PullSmsSendStatusByPhoneNumber", {
            "PhoneNumber": f"+86{text.recipient}", "SmsSdkAppId": self.client.account.app,
            "BeginTime": int(since.timestamp()) - 60, "EndTime": int(max(clock.now(), since).timestamp()) + 60,
            "Offset": 0, "Limit": 100,
        })  # fmt: skip
        reports = answer.get("PullSmsSendStatusSet") or []
        for row in reports:
            if row.get("SessionContext") == text.once:
                return Taken(str(row.get("SerialNo", ""))[:80])
        # Reports bring our context back once Tencent has switched that on for the application; without it nobody knows.
        if any(not row.get("SessionContext") for row in reports):
            raise CannotTell
        return None

    def reports(self, _of: Sequence[Sent]) -> list[Report]:
        """PullSmsSendStatus gives each report once: what was read before an error is kept."""
        found: list[Report] = []
        for _ in range(PULLS):
            try:
                answer = self.client.call("PullSmsSendStatus", {
                    "Limit": PULLED, "SmsSdkAppId": self.client.account.app,
                })  # fmt: skip
            except GatewayError:
                if found:
                    return found
                raise
            rows = answer.get("PullSmsSendStatusSet") or []
            found += [
                Report(
                    str(row.get("SerialNo", ""))[:80], str(row.get("PhoneNumber", "")),
                    row.get("ReportStatus") == "SUCCESS", str(row.get("Description", ""))[:80],
                )
                for row in rows
            ]  # fmt: skip
            if len(rows) < PULLED:
                break
        return found


class TencentVoice:
    """SendTtsVoice: rings a number and reads a template out."""

    outcome, repeats, settles = "sent", False, timedelta()

    def __init__(self, client: Client, templates: Templates) -> None:
        self.client, self.templates = client, templates

    def send(self, text: Text) -> Taken:
        template = self.templates.needed("voice", text.kind)
        answer = self.client.call("SendTtsVoice", {
            "TemplateId": template.id, "TemplateParamSet": [value for _, value in template.values(text.parts)],
            "CalledNumber": f"+86{text.recipient}", "VoiceSdkAppid": self.client.account.app, "PlayTimes": 2,
            "SessionContext": text.once,
        })  # fmt: skip
        told = answer.get("SendStatus")
        return Taken(str(told.get("CallId", ""))[:80] if isinstance(told, dict) else "")

    def find(self, _text: Text, _since: datetime) -> Taken | None:
        raise CannotTell
