"""Providers on this machine: Tencent Cloud and Aliyun as far as a client sees them, answering as they are told.

They verify signatures (tests.notices.gateways.signatures), keep what they took, answer errors, and may take a message
without answering. `took` counts, for each of our own numbers, how often it was taken: twice is a text sent twice.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from tests.notices.gateway_server import Quiet
from tests.notices.gateways.signatures import aliyun_says, tencent_says

# What each action cannot do without, and in which version of the API it has these names (from the providers' pages).
ACTIONS = {
    "SendSms": ("2021-01-11", {"PhoneNumberSet", "SmsSdkAppId", "TemplateId", "SignName", "TemplateParamSet"}),
    "PullSmsSendStatusByPhoneNumber": ("2021-01-11", {"BeginTime", "Offset", "Limit", "PhoneNumber", "SmsSdkAppId"}),
    "PullSmsSendStatus": ("2021-01-11", {"Limit", "SmsSdkAppId"}),
    "SendTtsVoice": ("2020-09-02", {"TemplateId", "CalledNumber", "VoiceSdkAppid"}),
}
ALIYUN_ACTIONS = {
    "SendSms": ("2017-05-25", {"PhoneNumbers", "SignName", "TemplateCode"}),
    "QuerySendDetails": ("2017-05-25", {"PhoneNumber", "SendDate", "PageSize", "CurrentPage"}),
    "SingleCallByTts": ("2017-05-25", {"CalledNumber", "TtsCode"}),
}


def lacks(kind: str, action: str, version: str, asked: dict[str, Any]) -> str:
    """'' or the code for an action, a version or a parameter that is not there."""
    known = (ACTIONS if kind == "tencent" else ALIYUN_ACTIONS).get(action)
    if known is None or known[0] != version:
        return "InvalidAction"
    return "" if known[1] <= asked.keys() else "MissingParameter"


KEY_ID, SECRET = "AKIDportal", "not-a-real-secret"
SILENT, SLOW = "silent", "slow"  # takes it and closes the connection; takes it and answers too late


@dataclass
class Provider:
    """answers: for the next sends, a code to refuse with, SILENT, SLOW or ''; then `judge` decides; then all is well.

    requests: (action, what was asked) of every request that was signed rightly; refused: codes of the others.
    """

    kind: str
    url: str = ""
    answers: list[str] = field(default_factory=list)
    judge: Callable[[str, int], str] = lambda once, times: ""
    delay: float = 0.0
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    took: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    phones: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)  # reports that nobody has pulled yet
    lost: set[str] = field(default_factory=set)  # taken, and no telephone has it
    forgets: bool = False  # asked later it knows of nothing
    keeps_context: bool = True  # Tencent's reports bring our own number back only once that is switched on
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def verdict(self, once: str, phone: str) -> str:
        with self.lock:
            self.seen[once] += 1
            answer = self.answers.pop(0) if self.answers else self.judge(once, self.seen[once])
            if answer in {"", SILENT, SLOW}:
                self.took[once] += 1
                self.phones[once] = phone
                self.waiting.append(once)
            return answer

    def known(self, phone: str) -> list[str]:
        with self.lock:
            return [] if self.forgets else [once for once, number in self.phones.items() if number == phone]

    def judged(self, wrong: str, action: str, asked: dict[str, Any]) -> dict[str, Any] | str:
        """The answer to a request. wrong: what is wrong with it, or ''."""
        tencent = self.kind == "tencent"
        with self.lock:
            if not wrong:
                self.requests.append((action, asked))
            else:
                self.refused.append(wrong)
        if wrong:
            error = {"Error": {"Code": wrong, "Message": ""}, "RequestId": "r"}
            return {"Response": error} if tencent else {"Code": wrong, "RequestId": "r"}
        return (_tencent if tencent else _aliyun)(self, action, asked)


def _tencent(provider: Provider, action: str, asked: dict[str, Any]) -> dict[str, Any] | str:
    if action == "SendSms":
        once, (phone,) = asked["SessionContext"], asked["PhoneNumberSet"]
        answer = provider.verdict(once, phone)
        if answer in {SILENT, SLOW}:
            return answer
        status = {"SerialNo": f"t:{once}" if not answer else "", "PhoneNumber": phone, "Fee": 0 if answer else 1,
                  "SessionContext": once, "Code": answer or "Ok", "Message": "", "IsoCode": "CN"}  # fmt: skip
        return {"Response": {"SendStatusSet": [status], "RequestId": "r"}}
    if action == "PullSmsSendStatusByPhoneNumber":
        rows = [{"SessionContext": once if provider.keeps_context else "", "SerialNo": f"t:{once}", "ReportStatus": "SUCCESS"}
                for once in provider.known(asked["PhoneNumber"])]  # fmt: skip
        return {"Response": {"PullSmsSendStatusSet": rows, "RequestId": "r"}}
    if action == "PullSmsSendStatus":
        with provider.lock:
            told, provider.waiting = provider.waiting[: asked["Limit"]], provider.waiting[asked["Limit"] :]
        rows = [{"SerialNo": f"t:{once}", "PhoneNumber": provider.phones[once], "SubscriberNumber": "x",
                 "ReportStatus": "FAIL" if once in provider.lost else "SUCCESS", "Description": "DELIVRD"}
                for once in told]  # fmt: skip
        return {"Response": {"PullSmsSendStatusSet": rows, "RequestId": "r"}}
    if action == "SendTtsVoice":
        answer = provider.verdict(asked["SessionContext"], asked["CalledNumber"])
        if answer:
            return {"Response": {"Error": {"Code": answer, "Message": ""}, "RequestId": "r"}}
        return {"Response": {"SendStatus": {"CallId": "c1", "SessionContext": ""}, "RequestId": "r"}}
    return {"Response": {"Error": {"Code": "InvalidAction", "Message": ""}, "RequestId": "r"}}


def _aliyun(provider: Provider, action: str, asked: dict[str, Any]) -> dict[str, Any] | str:
    if action in {"SendSms", "SingleCallByTts"}:
        once, phone = asked["OutId"], asked.get("PhoneNumbers") or asked["CalledNumber"]
        answer = provider.verdict(once, phone)
        if answer in {SILENT, SLOW}:
            return answer
        return {"Code": answer or "OK", "Message": "OK", "BizId": f"a:{once}", "CallId": "c1", "RequestId": "r"}
    if action == "QuerySendDetails":
        rows = [
            {"OutId": once, "SendStatus": 2 if once in provider.lost else 3, "ErrCode": "DELIVERED"}
            for once in provider.known(asked["PhoneNumber"])
            if asked.get("BizId", f"a:{once}") == f"a:{once}"
        ]
        return {"Code": "OK", "TotalCount": len(rows), "SmsSendDetailDTOs": {"SmsSendDetailDTO": rows}}
    return {"Code": "InvalidAction.NotFound"}


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(Quiet):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with provider.lock:
                provider.at_once += 1
                provider.most_at_once = max(provider.most_at_once, provider.at_once)
            try:
                self._serve(body)
            finally:
                with provider.lock:
                    provider.at_once -= 1

        def _serve(self, body: bytes) -> None:
            answer = self._answer(body)
            time.sleep(provider.delay)
            if answer == SLOW:
                time.sleep(2)
            if isinstance(answer, str):
                self.close_connection = True
                return
            raw = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def _answer(self, body: bytes) -> dict[str, Any] | str:
            headers = dict(self.headers.items())
            if provider.kind == "tencent":
                service = "vms" if self.headers["X-TC-Action"] == "SendTtsVoice" else "sms"
                wrong = tencent_says(SECRET, headers, body, service)
                action, asked = self.headers["X-TC-Action"], json.loads(body)
            else:
                wrong = aliyun_says(SECRET, headers, body)
                action, asked = self.headers["x-acs-action"], dict(parse_qsl(body.decode(), strict_parsing=True))
            version = self.headers["X-TC-Version"] or self.headers["x-acs-version"]
            return provider.judged(wrong or lacks(provider.kind, action, version, asked), action, asked)

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def running(kind: str) -> Iterator[Provider]:
    """A provider on a free port, gone afterwards. kind: 'tencent' or 'aliyun'."""
    provider = Provider(kind)
    server = Server(("127.0.0.1", 0), _handler(provider))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings(provider: Provider, templates: str = "") -> dict[str, Any]:
    """The configuration of an app that sends through it."""
    return {
        "SMS_PROVIDER": provider.kind, "SMS_URL": provider.url, "SMS_KEY_ID": KEY_ID, "SMS_KEY_SECRET": SECRET,
        "SMS_APP_ID": "1400000000", "SMS_TOKEN": "", "TEMPLATES_FILE": templates,
    }  # fmt: skip
