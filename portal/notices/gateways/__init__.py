"""The ways out of the house: SMS, calls, WeChat, and the staff's page when none is configured (SPEC M2).

`configured` reads the settings; a provider is a file of its own, `base` says what each must be able to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.notices import rules
from portal.notices.gateways import aliyun, templates, tencent, wechat_cipher
from portal.notices.gateways.base import (
    CannotTell,
    Gateway,
    GatewayError,
    Local,
    Taken,
    Text,
    Trouble,
)
from portal.notices.gateways.relay import SmsRelay, VoiceRelay, WechatRelay
from portal.notices.gateways.templates import Templates
from portal.notices.gateways.wechat import WechatAccount

__all__ = [
    "WECHAT", "CannotTell", "Gateway", "GatewayError", "Local", "Taken", "Text", "Trouble", "configured", "connected",
    "faults",
]  # fmt: skip

WECHAT = rules.WECHAT
TENCENT, ALIYUN, RELAY = "tencent", "aliyun", "relay"
SMS_URLS = {TENCENT: "https://sms.tencentcloudapi.com", ALIYUN: "https://dysmsapi.aliyuncs.com"}
VOICE_URLS = {TENCENT: "https://vms.tencentcloudapi.com", ALIYUN: "https://dyvmsapi.aliyuncs.com"}


def provider(config: Mapping[str, Any], channel: str) -> str:
    """'tencent', 'aliyun', 'relay', or '' when the channel goes nowhere. channel: 'SMS' or 'VOICE'."""
    return str(config.get(f"{channel}_PROVIDER") or (RELAY if config.get(f"{channel}_URL") else ""))


def connected(config: Mapping[str, Any]) -> dict[str, bool]:
    """Which channels reach a telephone."""
    return {
        rules.SMS: bool(provider(config, "SMS")),
        rules.WECHAT: bool(config.get("WECHAT_URL") or config.get("WECHAT_APP_ID")),
        rules.VOICE: bool(provider(config, "VOICE")),
    }


def configured(config: Mapping[str, Any]) -> dict[str, Gateway]:
    """The gateway of each channel according to the settings. Raises ValueError (BadTemplates too) on wrong ones."""
    found = templates.load(config.get("TEMPLATES_FILE", ""))
    return {rules.SMS: _sms(config, found), rules.WECHAT: _wechat(config, found), rules.VOICE: _voice(config, found)}


def _sms(config: Mapping[str, Any], known: Templates) -> Gateway:
    chosen, url = provider(config, "SMS"), config["SMS_URL"]
    if chosen == TENCENT:
        return tencent.TencentSms(_tencent(config, "SMS", url or SMS_URLS[TENCENT], "sms", "2021-01-11"), known)
    if chosen == ALIYUN:
        return aliyun.AliyunSms(_aliyun(config, "SMS", url or SMS_URLS[ALIYUN]), known)
    if chosen not in {"", RELAY}:
        raise ValueError(f"PORTAL_SMS_PROVIDER is {chosen}; known are tencent, aliyun, relay")
    return SmsRelay(url, config["SMS_TOKEN"]) if chosen else Local()


def _voice(config: Mapping[str, Any], known: Templates) -> Gateway:
    chosen, url = provider(config, "VOICE"), config.get("VOICE_URL", "")
    if chosen == TENCENT:
        return tencent.TencentVoice(_tencent(config, "VOICE", url or VOICE_URLS[TENCENT], "vms", "2020-09-02"), known)
    if chosen == ALIYUN:
        return aliyun.AliyunVoice(_aliyun(config, "VOICE", url or VOICE_URLS[ALIYUN]), known)
    if chosen not in {"", RELAY}:
        raise ValueError(f"PORTAL_VOICE_PROVIDER is {chosen}; known are tencent, aliyun, relay")
    return VoiceRelay(url, config.get("VOICE_TOKEN", "")) if chosen else Local()


def _wechat(config: Mapping[str, Any], known: Templates) -> Gateway:
    if config.get("WECHAT_APP_ID"):
        return WechatAccount.of(config, known)
    return WechatRelay(config["WECHAT_URL"], config["WECHAT_TOKEN"]) if config["WECHAT_URL"] else Local()


def _tencent(config: Mapping[str, Any], channel: str, url: str, service: str, version: str) -> tencent.Client:
    account = tencent.Account(
        _needed(config, f"{channel}_KEY_ID"), _needed(config, f"{channel}_KEY_SECRET"),
        _needed(config, f"{channel}_APP_ID"), config.get("SMS_REGION") or "ap-guangzhou",
    )  # fmt: skip
    return tencent.Client(url, service, version, account)


def _aliyun(config: Mapping[str, Any], channel: str, url: str) -> aliyun.Client:
    account = aliyun.Account(
        _needed(config, f"{channel}_KEY_ID"), _needed(config, f"{channel}_KEY_SECRET"), config.get("VOICE_SHOWN", ""),
    )  # fmt: skip
    return aliyun.Client(url, "2017-05-25", account)


def _needed(config: Mapping[str, Any], name: str) -> str:
    if not config.get(name):
        raise ValueError(f"PORTAL_{name} is not set, although a provider needs it")
    return str(config[name])


def faults(config: Mapping[str, Any], kinds: Mapping[str, bool]) -> list[str]:
    """What would keep messages from leaving, each a sentence for the operator; asks nobody outside.

    kinds: the code of each kind that residents get -> whether it is urgent enough to ring.
    """
    try:
        configured(config)
        known = templates.load(config.get("TEMPLATES_FILE", ""))
        if config.get("WECHAT_AES_KEY"):
            wechat_cipher.key_of(config["WECHAT_AES_KEY"])
    except ValueError as error:  # BadTemplates too
        return str(error).splitlines()
    found = []
    if provider(config, "SMS") in {TENCENT, ALIYUN}:
        found += [f"[sms.{kind}]: no template, and none for {templates.DEFAULT}" for kind in
                  templates.missing(known, "sms", kinds)]  # fmt: skip
        if not known.sign:
            found.append("sign: is not set; providers refuse messages without the approved signature")
        own = known.of("sms", "login_code")
        if own is not None and not any(field == "code" for _, field in own.parameters):
            found.append("[sms.login_code]: its template has no parameter code")
    if provider(config, "VOICE") in {TENCENT, ALIYUN}:
        ringing = [kind for kind, rings in kinds.items() if rings]
        found += [f"[voice.{kind}]: no template" for kind in templates.missing(known, "voice", ringing)]
    if config.get("WECHAT_APP_ID"):
        written = [kind for kind in kinds if kind != "login_code"]
        found += [f"[wechat.{kind}]: no template" for kind in templates.missing(known, "wechat", written)]
    unknown = {kind for table in known.table.values() for kind in table} - {templates.DEFAULT}
    found += [f"template of {kind}: no such kind of message" for kind in sorted(unknown)
              if kind.split(".", 1)[0] not in kinds]  # fmt: skip
    return found
