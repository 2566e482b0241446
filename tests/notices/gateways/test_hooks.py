"""What providers tell us: believed with their secret or signature only (SPEC M2)."""

from __future__ import annotations

import hashlib
import subprocess
from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from portal.core import clock
from portal.notices.models import Delivery, WechatBinding
from tests.factories import Town
from tests.notices.test_deliveries import put, row

TOKEN = "a-long-receipt-token"


@pytest.fixture
def sent(app: Any, session: Any, now: datetime, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setitem(app.config, "RECEIPT_TOKEN", TOKEN)
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)
    ids = put(now, 3)
    for number in ids:
        session.execute(update(Delivery).where(Delivery.id == number).values(serial=f"s{number}", outcome="sent"))
    session.commit()
    return ids


def tencent_report(number: int, ok: bool = True, phone: str = "") -> dict[str, str]:
    return {"sid": f"s{number}", "mobile": phone or f"1990000{number - 1:04d}", "nationcode": "86",
            "report_status": "SUCCESS" if ok else "FAIL", "errmsg": "DELIVRD" if ok else "MK:0001",
            "user_receive_time": "2026-11-25 10:00:00", "description": "x"}  # fmt: skip


def test_tencents_reports_are_kept_with_their_messages(app: Any, sent: list[int]) -> None:
    answer = app.test_client().post(f"/hooks/sms?token={TOKEN}", json=[tencent_report(1), tencent_report(2, ok=False)])
    assert answer.status_code == 200 and answer.json["result"] == 0
    assert (row(sent[0]).received, row(sent[1]).received, row(sent[2]).received) == (True, False, None)
    assert row(sent[1]).receipt == "MK:0001"


def test_aliyuns_reports_too(app: Any, sent: list[int]) -> None:
    told = [{"biz_id": f"s{sent[0]}", "phone_number": "19900000000", "success": True, "err_code": "DELIVERED"}]
    assert app.test_client().post(f"/hooks/sms?token={TOKEN}", json=told).json["code"] == 0
    assert row(sent[0]).received is True


@pytest.mark.parametrize("url", ["/hooks/sms", "/hooks/sms?token=", "/hooks/sms?token=wrong"])
def test_a_stranger_reports_nothing(app: Any, sent: list[int], url: str) -> None:
    assert app.test_client().post(url, json=[tencent_report(1)]).status_code == 404
    assert row(sent[0]).received is None


def test_without_a_token_in_the_settings_there_is_no_such_page(app: Any, sent: list[int], monkeypatch: Any) -> None:
    monkeypatch.setitem(app.config, "RECEIPT_TOKEN", "")
    assert app.test_client().post("/hooks/sms?token=", json=[tencent_report(1)]).status_code == 404


def test_a_report_about_another_number_is_not_believed(app: Any, sent: list[int]) -> None:
    app.test_client().post(f"/hooks/sms?token={TOKEN}", json=[tencent_report(1, phone="19900009999")])
    assert row(sent[0]).received is None


@pytest.mark.parametrize("body", [b"", b"[", b"{}", b"[1, null, {}]", b'[{"sid": ""}]', b'[{"biz_id": null}]'])
def test_nonsense_is_passed_over(app: Any, sent: list[int], body: bytes) -> None:
    answer = app.test_client().post(f"/hooks/sms?token={TOKEN}", data=body, content_type="application/json")
    assert answer.status_code == 200
    assert {row(i).received for i in sent} == {None}


def signed(secret: str, moment: datetime) -> dict[str, str]:
    """As WeChat signs: SHA-1 over token, timestamp and nonce, sorted and joined."""
    stamp, nonce = str(int(moment.timestamp())), "n0nce"
    word = "".join(sorted([secret, stamp, nonce]))
    return {"timestamp": stamp, "nonce": nonce, "signature": hashlib.sha1(word.encode()).hexdigest()}


def event(who: str, what: str) -> str:
    return (
        f"<xml><ToUserName><![CDATA[gh]]></ToUserName><FromUserName><![CDATA[{who}]]></FromUserName>"
        f"<CreateTime>1</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{what}]]></Event></xml>"
    )


@pytest.fixture
def bound(app: Any, session: Any, town: Town, now: datetime, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(app.config, "WECHAT_EVENT_TOKEN", "event-token")
    session.add(WechatBinding(resident_id=town.residents[0].id, open_id="o-1", bound_at=now))
    session.commit()
    return "o-1"


def left(session: Any) -> Any:
    session.rollback()
    return session.scalars(select(WechatBinding.left_at)).one()


def test_wechat_says_who_left_and_who_came_back(app: Any, session: Any, bound: str) -> None:
    client, now = app.test_client(), clock.now()
    address = {"path": "/hooks/wechat", "query_string": signed("event-token", now)}
    assert client.get("/hooks/wechat", query_string={**signed("event-token", now), "echostr": "42"}).text == "42"
    assert client.post(**address, data=event(bound, "unsubscribe")).text == "success"
    assert left(session) is not None
    client.post(**address, data=event(bound, "LOCATION"))
    assert left(session) is not None
    client.post(**address, data=event(bound, "subscribe"))
    assert left(session) is None


@pytest.mark.parametrize("secret", ["", "wrong", "event-token "])
def test_wechat_must_be_wechat(app: Any, session: Any, bound: str, secret: str) -> None:
    query = signed(secret, clock.now())
    assert (
        app.test_client().post("/hooks/wechat", query_string=query, data=event(bound, "unsubscribe")).status_code == 404
    )
    assert left(session) is None


def test_an_old_signature_is_one_that_somebody_kept(app: Any, session: Any, bound: str, now: datetime) -> None:
    query = signed("event-token", now - timedelta(minutes=6))
    assert (
        app.test_client().post("/hooks/wechat", query_string=query, data=event(bound, "unsubscribe")).status_code == 404
    )
    assert left(session) is None


def test_reports_are_small(app: Any, sent: list[int]) -> None:
    body = b"[" + b"{}," * 100_000 + b"{}]"
    answer = app.test_client().post(f"/hooks/sms?token={TOKEN}", data=body, content_type="application/json")
    assert answer.status_code == 413


AES_KEY, ACCOUNT = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "wx-account"


def sealed(message: str, key: str = AES_KEY, account: str = ACCOUNT) -> str:
    """As WeChat seals it, by another program."""
    inside = b"r" * 16 + len(message.encode()).to_bytes(4, "big") + message.encode() + account.encode()
    inside += bytes([32 - len(inside) % 32]) * (32 - len(inside) % 32)
    secret = b64decode(key + "=")
    openssl = ["openssl", "enc", "-aes-256-cbc", "-nopad", "-K", secret.hex(), "-iv", secret[:16].hex()]
    return b64encode(subprocess.run(openssl, input=inside, capture_output=True, check=True).stdout).decode()


@pytest.mark.parametrize(
    ("what", "believed"),
    [("whole", True), ("plain", False), ("other key", False), ("other account", False), ("other signature", False),
     ("cut", False)],
)  # fmt: skip
def test_in_the_safe_mode_only_what_is_sealed_for_us_is_believed(
    app: Any, session: Any, bound: str, monkeypatch: pytest.MonkeyPatch, what: str, believed: bool
) -> None:
    monkeypatch.setitem(app.config, "WECHAT_AES_KEY", AES_KEY)
    monkeypatch.setitem(app.config, "WECHAT_APP_ID", ACCOUNT)
    told = event(bound, "unsubscribe")
    key, account = AES_KEY[::-1] if what == "other key" else AES_KEY, "wx-b" if what == "other account" else ACCOUNT
    inside = sealed(told, key, account)[: -24 if what == "cut" else None]
    query = signed("event-token", clock.now())
    word = "".join(sorted(["event-token", query["timestamp"], query["nonce"], inside]))
    query["msg_signature"] = hashlib.sha1(word.encode()).hexdigest() if what != "other signature" else "0" * 40
    body = told if what == "plain" else f"<xml><ToUserName>gh</ToUserName><Encrypt><![CDATA[{inside}]]></Encrypt></xml>"
    answer = app.test_client().post("/hooks/wechat", query_string=query, data=body)
    assert answer.status_code == (200 if believed else 404)
    assert (left(session) is not None) is believed
