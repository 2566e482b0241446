"""Signatures against the worked examples that the providers publish, and against the tests' own verification."""

from __future__ import annotations

import pytest

from portal.notices.gateways import aliyun, tencent
from tests.notices.gateways.signatures import aliyun_says, tencent_says

pytestmark = pytest.mark.once

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
# https://cloud.tencent.com/document/api/213/30654, its key as shown there; the body writes 未命名 escaped.
TENCENT_BODY = b'{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'
TENCENT_KEY, TENCENT_ID = "Gu5t9xGARNpq86cd98joQYCN3*******", "AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******"
TENCENT_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Host": "cvm.tencentcloudapi.com",
    "X-TC-Action": "DescribeInstances",
}
# https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature, "fixed parameters".
ALIYUN_QUERY = "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai"
ALIYUN_HEADERS = {
    "host": "ecs.cn-shanghai.aliyuncs.com",
    "x-acs-action": "RunInstances",
    "x-acs-content-sha256": EMPTY,
    "x-acs-date": "2023-10-26T10:22:32Z",
    "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
    "x-acs-version": "2014-05-26",
}


@pytest.mark.parametrize(
    ("names", "right"),
    [
        (("Content-Type", "Host"), "2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c"),
        (tuple(TENCENT_HEADERS), "be4f67d323c78ab9acb7395e43c0dbcf822a9cfac32fea2449a7bc7726b770a3"),
    ],
)
def test_tencents_worked_examples(names: tuple[str, ...], right: str) -> None:
    account = tencent.Account(TENCENT_ID, TENCENT_KEY, "")
    signed = {name: TENCENT_HEADERS[name] for name in names}
    said = tencent.authorization(account, "cvm", signed, TENCENT_BODY, 1551113065)
    listed = ";".join(name.lower() for name in names)
    scope = "2019-02-25/cvm/tc3_request"
    assert said == f"TC3-HMAC-SHA256 Credential={TENCENT_ID}/{scope}, SignedHeaders={listed}, Signature={right}"
    sent = {**signed, "X-TC-Timestamp": "1551113065", "Authorization": said}
    assert tencent_says(TENCENT_KEY, sent, TENCENT_BODY, "cvm") == ""


def test_aliyuns_worked_example() -> None:
    account = aliyun.Account("YourAccessKeyId", "YourAccessKeySecret")
    assert aliyun.encoded({
        "RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
    }) == ALIYUN_QUERY  # fmt: skip
    said = aliyun.authorization(account, ALIYUN_HEADERS, ALIYUN_QUERY, b"")
    assert said.endswith("Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0")
    assert aliyun_says("YourAccessKeySecret", {**ALIYUN_HEADERS, "Authorization": said}, b"", ALIYUN_QUERY) == ""


def test_what_is_changed_on_the_way_is_noticed() -> None:
    """The control of the fake providers: another body, key, day or an unsigned header is refused."""
    account = tencent.Account(TENCENT_ID, TENCENT_KEY, "")
    said = tencent.authorization(account, "cvm", TENCENT_HEADERS, TENCENT_BODY, 1551113065)
    sent = {**TENCENT_HEADERS, "X-TC-Timestamp": "1551113065", "Authorization": said}
    assert tencent_says(TENCENT_KEY, sent, TENCENT_BODY + b" ", "cvm") == "AuthFailure.SignatureFailure"
    assert tencent_says("another", sent, TENCENT_BODY, "cvm") == "AuthFailure.SignatureFailure"
    assert tencent_says(TENCENT_KEY, {**sent, "X-TC-Timestamp": "1551200000"}, TENCENT_BODY, "cvm")
    ours = aliyun.Account("id", "secret")
    headers = {**ALIYUN_HEADERS, "Authorization": aliyun.authorization(ours, ALIYUN_HEADERS, "", b"")}
    assert aliyun_says("secret", headers, b"") == ""
    assert aliyun_says("secret", headers, b"x") == "SignatureDoesNotMatch"
    assert aliyun_says("other", headers, b"") == "SignatureDoesNotMatch"
    assert aliyun_says("secret", {**headers, "x-acs-security-token": "unsigned"}, b"") == "SignatureDoesNotMatch"


@pytest.mark.parametrize("text", ["a b", "*", "~", "中文", "a+b&c=d", "-_.~"])
def test_a_form_is_encoded_as_rfc_3986_wants(text: str) -> None:
    from urllib.parse import unquote

    found = aliyun.encoded({"k": text}).removeprefix("k=")
    assert unquote(found) == text and "+" not in found and "*" not in found
