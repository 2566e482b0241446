"""Texts through Tencent Cloud and Aliyun: templates, errors sorted, unknown outcomes, many at once (SPEC M2)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.core import registry
from portal.notices import actions, claims, deliveries, outcomes, receipts, rules, side_by_side
from portal.notices.gateways import GatewayError, Local, Text, Trouble, aliyun, configured, tencent
from portal.notices.models import Delivery
from tests.notices.gateways import providers
from tests.notices.gateways.providers import SILENT, Provider
from tests.notices.test_deliveries import put, row

LIMITED = {"tencent": "RequestLimitExceeded", "aliyun": "Throttling.User"}
BUSY = {"tencent": "InternalError.OtherError", "aliyun": "isv.SYSTEM_ERROR"}
REFUSED = {"tencent": "FailedOperation.PhoneNumberInBlacklist", "aliyun": "isv.MOBILE_NUMBER_ILLEGAL"}
TIRED = {"tencent": "LimitExceeded.PhoneNumberOneHourLimit", "aliyun": "isv.BUSINESS_LIMIT_CONTROL"}


def asked(provider: Provider, action: str = "SendSms") -> list[dict[str, Any]]:
    return [what for name, what in provider.requests if name == action]


def values(provider: Provider, what: dict[str, Any]) -> tuple[str, list[str]]:
    """Template and what is put into it."""
    if provider.kind == "tencent":
        return what["TemplateId"], what["TemplateParamSet"]
    return what["TemplateCode"], list(json.loads(what["TemplateParam"]).values())


def test_a_code_goes_with_its_template_and_is_forgotten(session: Any, provider: Provider, now: datetime) -> None:
    parts = {"code": "123456", "minutes": "5"}
    registry.text_phone("19900000000", "验证码 123456", "login_code", "login-code:1", now, parts)
    session.commit()
    assert deliveries.deliver_due(now) == {"sent": 1}
    assert provider.refused == []
    (what,) = asked(provider)
    assert values(provider, what) == ("100", ["123456", "5"]) and what["SignName"] == "大鹏党群"
    sent = session.scalars(select(Delivery)).one()
    assert (sent.body, sent.parts) == (outcomes.FORGOTTEN, {}) and sent.serial and sent.pieces == 1


def test_a_message_fills_the_default_template_and_long_values_are_cut(
    session: Any, provider: Provider, now: datetime
) -> None:
    actions.text_phone("19900000000", "很长" * 40, "change", "c", now, parts={"title": "活动改期", "text": "很长" * 40})
    session.commit()
    deliveries.deliver_due(now)
    template, filled = values(provider, asked(provider)[0])
    assert template == "200" and filled[0] == "活动改期" and len(filled[1]) == 20 and filled[1].endswith("…")
    assert session.scalars(select(Delivery.pieces)).one() == rules.pieces("很长" * 40) == 2


def test_a_wrong_key_is_refused_and_tried_again_later(
    app: Any, session: Any, provider: Provider, now: datetime, monkeypatch: Any
) -> None:
    monkeypatch.setitem(app.config, "SMS_KEY_SECRET", "wrong")
    (one,) = put(now)
    assert deliveries.deliver_due(now) == {"later": 1}
    assert provider.requests == [] and len(provider.refused) == 1
    assert provider.refused[0] in row(one).last_error


def test_errors_are_sorted(app: Any, session: Any, provider: Provider, now: datetime, monkeypatch: Any) -> None:
    monkeypatch.setitem(app.config, "SMS_SIDE_BY_SIDE", 1)  # answers come in the order of the messages
    ids = put(now, 4)
    kind = provider.kind
    provider.answers = [REFUSED[kind], BUSY[kind], TIRED[kind], LIMITED[kind]]
    assert deliveries.deliver_due(now) == {"failed": 1, "later": 3}
    refused, busy, tired, limited = [row(i) for i in ids]
    assert refused.outcome == "failed" and REFUSED[kind] in refused.last_error
    assert busy.due_at == now + timedelta(minutes=1) and busy.attempts == 1
    assert tired.due_at == now + timedelta(hours=1)
    assert limited.due_at == now + outcomes.LIMIT_WAIT and limited.attempts == 0  # too fast costs no try
    assert deliveries.deliver_due(now + timedelta(hours=2)) == {"sent": 3}


def test_an_unknown_outcome_is_asked_for_before_it_is_sent_again(
    session: Any, provider: Provider, now: datetime
) -> None:
    (one,) = put(now)
    provider.answers = [SILENT]
    assert deliveries.deliver_due(now) == {"later": 1}
    assert deliveries.deliver_due(row(one).due_at) == {"sent": 1}
    assert list(provider.took.values()) == [1] and len(asked(provider)) == 1
    assert (row(one).outcome, row(one).doubts) == ("sent", 1)


def test_what_never_arrived_is_sent_again(session: Any, provider: Provider, now: datetime) -> None:
    (one,) = put(now)
    provider.answers, provider.forgets = [SILENT], True
    deliveries.deliver_due(now)
    assert deliveries.deliver_due(row(one).due_at) == {"sent": 1}
    assert len(asked(provider)) == 2


@pytest.mark.parametrize("provider", ["tencent"], indirect=True)
def test_reports_without_our_number_are_no_answer(session: Any, provider: Provider, now: datetime) -> None:
    """Then it goes once more, and after a second silence nobody sends it again by itself."""
    (one,) = put(now)
    provider.answers, provider.keeps_context = [SILENT, SILENT], False
    for _ in range(2):
        assert deliveries.deliver_due(row(one).due_at) == {"later": 1}
    assert deliveries.deliver_due(row(one).due_at) == {"unknown": 1}
    assert list(provider.took.values()) == [2] and row(one).outcome == "unknown"


def test_a_question_that_fails_sends_nothing(
    app: Any, session: Any, provider: Provider, now: datetime, monkeypatch: Any
) -> None:
    (one,) = put(now)
    provider.answers = [SILENT]
    deliveries.deliver_due(now)
    with monkeypatch.context() as broken:
        broken.setitem(app.config, "SMS_KEY_SECRET", "wrong")
        assert deliveries.deliver_due(row(one).due_at) == {"later": 1}
    assert len(asked(provider)) == 1
    assert deliveries.deliver_due(row(one).due_at) == {"sent": 1} and list(provider.took.values()) == [1]


def test_who_died_over_a_message_leaves_a_doubt(app: Any, session: Any, provider: Provider, now: datetime) -> None:
    """A process killed between the gateway's answer and the mark: the provider is asked, nobody gets it twice."""
    sent, never = put(now, 2)
    first, _ = claims.claim([rules.SMS], now, 20)
    configured(app.config)[rules.SMS].send(first.text())
    assert deliveries.deliver_due(now + claims.LEASE + timedelta(minutes=20)) == {"sent": 2}
    assert sorted(provider.took.values()) == [1, 1]
    assert (row(sent).doubts, row(never).doubts) == (1, 1)


def test_without_an_answer_to_ask_for_it_goes_once_more_and_no_further(session: Any, now: datetime) -> None:
    """A gateway that cannot be asked (a call): one too many at most, then somebody of the staff decides."""
    (one,) = put(now)
    tried = []
    for doubts in range(4):
        claimed = claims.Claimed(one, "voice", "1", "b", "change", "k", None, 0, now, now, True, {}, now, doubts, now)
        tried.append(outcomes.may_send_in_doubt(claimed))
    assert tried == [True, True, False, False]


def test_many_go_at_once_and_a_code_before_them(
    app: Any, session: Any, provider: Provider, now: datetime, monkeypatch: Any
) -> None:
    monkeypatch.setitem(app.config, "SMS_RATE", 0.0)
    provider.delay = 0.01
    put(now, 60, urgent=False)
    actions.text_phone("19911110000", "验证码", "login_code", "code", now, parts={"code": "1", "minutes": "5"})
    actions.text_phone("19911110001", "取消", "change", "urgent", now)
    session.commit()
    assert deliveries.deliver_due(now) == {"sent": 62}
    numbers = [str(what.get("PhoneNumbers") or what["PhoneNumberSet"][0])[-11:] for what in asked(provider)]
    assert numbers[0] == "19911110000" and "19911110001" in numbers[1:4]
    assert 4 < provider.most_at_once <= app.config["SMS_SIDE_BY_SIDE"]
    assert set(provider.took.values()) == {1} and len(provider.took) == 62


def test_a_code_that_comes_while_others_are_sent_is_next(
    app: Any, session: Any, provider: Provider, now: datetime, monkeypatch: Any
) -> None:
    """It is claimed with the next handful, before what has been waiting longer."""
    put(now, 40, urgent=False)
    later = now + timedelta(seconds=5)
    claims.claim([rules.SMS], now, 2)
    actions.text_phone("19911110000", "验证码", "login_code", "code", later, parts={"code": "1", "minutes": "5"})
    session.commit()
    assert claims.claim([rules.SMS], now, 2)[0].recipient == "19911110000"


@pytest.mark.once
@pytest.mark.parametrize(
    ("sort", "code", "trouble"),
    [
        (tencent.sorted_out, "LimitExceeded.DeliveryFrequencyLimit", Trouble.LIMIT),
        (tencent.sorted_out, "FailedOperation.InsufficientBalanceInSmsPackage", Trouble.LATER),
        (tencent.sorted_out, "AuthFailure.SecretIdNotFound", Trouble.LATER),
        (tencent.sorted_out, "InternalError.Timeout", Trouble.UNKNOWN),
        (tencent.sorted_out, "InvalidParameterValue.IncorrectPhoneNumber", Trouble.PERMANENT),
        (tencent.sorted_out, "LimitExceededButNot", Trouble.PERMANENT),
        (aliyun.sorted_out, "isv.AMOUNT_NOT_ENOUGH", Trouble.LATER),
        (aliyun.sorted_out, "InvalidAccessKeyId.NotFound", Trouble.LATER),
        (aliyun.sorted_out, "isp.SYSTEM_ERROR", Trouble.UNKNOWN),
        (aliyun.sorted_out, "isv.BLACK_KEY_CONTROL_LIMIT", Trouble.PERMANENT),
    ],
)
def test_a_code_means(sort: Any, code: str, trouble: Trouble) -> None:
    assert sort(code)[0] is trouble


@pytest.mark.once
@pytest.mark.parametrize("kind", ["tencent", "aliyun"])
def test_a_provider_that_is_away_or_silent(kind: str, templates: str) -> None:
    """Not connected: it never went. Connected and no answer: nobody knows."""
    import socket

    away = providers.Provider(kind, "http://127.0.0.1:1")
    off = {"WECHAT_URL": "", "WECHAT_TOKEN": ""}
    text = Text("19900000000", "b", "k", "change", {"title": "t", "text": "x"})
    with pytest.raises(GatewayError) as failed:
        configured({**providers.settings(away, templates), **off})[rules.SMS].send(text)
    assert failed.value.trouble is Trouble.LATER and "199" not in str(failed.value)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = providers.Provider(kind, f"http://127.0.0.1:{silent.getsockname()[1]}")
        gateway: Any = configured({**providers.settings(mute, templates), **off})[rules.SMS]
        gateway.client.timeout = 0.2
        with pytest.raises(GatewayError) as failed:
            gateway.send(text)
    assert failed.value.trouble is Trouble.UNKNOWN


def test_a_call_reads_its_template_out(
    app: Any, session: Any, provider: Provider, now: datetime, monkeypatch: Any
) -> None:
    for name, value in providers.settings(provider).items():
        if name.startswith("SMS_"):
            monkeypatch.setitem(app.config, name.replace("SMS_", "VOICE_"), value)
    call = actions.delivery_row(rules.VOICE, "19900000000", "取消", "change", None, "v", True, now, {"title": "取消"})
    actions.outbox.insert_once(Delivery, [call])
    session.commit()
    assert deliveries.deliver_due(now) == {"sent": 1} and provider.refused == []
    (what,) = asked(provider, "SendTtsVoice" if provider.kind == "tencent" else "SingleCallByTts")
    assert "取消" in str(what.get("TemplateParamSet") or what["TtsParam"])


# --- How fast, and what a gateway that fails is spared ----------------------------------------------------------------


def way(rate: float = 100.0, most: int = 8) -> side_by_side.Way:
    return side_by_side.Way(Local(), most, 1 / rate)


@pytest.mark.once
def test_no_more_leave_in_a_second_than_the_rate_allows() -> None:
    """However often it is looked at, and however late: what was not used is made up for a tenth of a second only."""
    one = way(rate=50)
    one.width = one.most = 10_000
    started = []
    for tick in [n / 1000 for n in range(2000)] + [10 + n / 1000 for n in range(1000)]:
        while one.free(tick):
            one.start(tick)
            started.append(tick)
    for second in (0.0, 0.5, 1.0, 10.0):
        number = sum(second <= at < second + 1 for at in started)
        assert 48 <= number <= 50 * (1 + side_by_side.CATCH_UP_SECONDS) + 1


@pytest.mark.once
def test_a_gateway_begins_with_one_and_is_back_at_one_when_it_fails() -> None:
    one, moment = way(), 0.0
    for width in (1, 2, 3):
        assert one.width == width
        one.start(moment)
        one.end(None)
    one.start(moment)
    one.end(GatewayError("away", Trouble.LATER))
    assert (one.width, one.away) == (1, False)
    for _ in range(side_by_side.IN_A_ROW - 1):
        one.start(moment)
        one.end(GatewayError("away", Trouble.UNKNOWN))
    assert one.away and not one.free(100.0)


@pytest.mark.once
def test_too_fast_means_half_as_fast() -> None:
    one = way(rate=100)
    one.start(0.0)
    one.end(GatewayError("limit", Trouble.LIMIT))
    assert one.gap == 0.02
    for _ in range(20):
        one.end(GatewayError("limit", Trouble.LIMIT))
    assert one.gap == side_by_side.SLOWEST


@pytest.mark.once
def test_one_number_that_had_enough_says_nothing_of_the_gateway() -> None:
    one = way()
    for _ in range(10):
        one.start(0.0)
        one.end(GatewayError("limit of the number", Trouble.LATER, timedelta(hours=1)))
    assert not one.away


def test_reports_are_asked_for_where_the_provider_cannot_reach_us(
    app: Any, session: Any, provider: Provider, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each text's own, once; nothing is asked while nothing waits, an error loses none, and by default nobody asks."""
    ids, later = put(now, 3), now + timedelta(minutes=3)
    deliveries.deliver_due(now)
    provider.lost = {row(ids[1]).serial[2:]}
    monkeypatch.setitem(app.config, "RECEIPTS", "")
    assert receipts.pull(later) == 0 and len(provider.requests) == 3
    monkeypatch.setitem(app.config, "RECEIPTS", receipts.PULL)
    assert receipts.pull(now) == 0, "too early to ask"
    with monkeypatch.context() as broken:
        broken.setitem(app.config, "SMS_KEY_SECRET", "wrong")
        assert receipts.pull(later) == 0
    assert receipts.pull(later) == 3
    session.expire_all()
    assert [row(number).received for number in ids] == [True, False, True]
    before = len(provider.requests)
    assert receipts.pull(later) == 0 and len(provider.requests) == before
