"""The official account: one token for all, template messages, who has left, coming in by it (SPEC M2)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select, update

from portal.core import clock
from portal.core.db import db, writing
from portal.core.sessions import WebSession
from portal.notices import actions, deliveries, rules, wechat_people
from portal.notices.gateways import wechat
from portal.notices.models import Delivery, WechatBinding, WechatToken
from portal.people.models import Resident
from tests.factories import Town
from tests.notices.gateways import wechat_server
from tests.notices.gateways.wechat_server import APP_ID, SECRET, WeChat

PHONE = {"User-Agent": "Mozilla/5.0 (Linux; Android 13) MicroMessenger/8.0.49"}


@pytest.fixture
def account(app: Any, templates: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[WeChat]:
    with wechat_server.running() as fake:
        values = {"WECHAT_APP_ID": APP_ID, "WECHAT_SECRET": SECRET, "WECHAT_ENDPOINT": fake.url}
        for name, value in {**values, "TEMPLATES_FILE": templates}.items():
            monkeypatch.setitem(app.config, name, value)
        yield fake


@pytest.fixture
def bound(session: Any, town: Town, now: datetime) -> Resident:
    me = town.residents[0]
    wechat_people.bind(me, "o-1", now)
    session.commit()
    return me


def tell(session: Any, person: Resident, now: datetime, key: str = "k") -> None:
    actions.tell_residents([actions.Told(person.id, key)], "change", "活动改期", "改到周日", "/me", now, urgent=True)
    session.commit()


def rows(session: Any) -> list[tuple[str, str]]:
    session.rollback()
    return [(r.channel, r.outcome) for r in session.scalars(select(Delivery).order_by(Delivery.id))]


# --- Template messages ------------------------------------------------------------------------------------------------


def test_a_follower_gets_a_template_message_with_a_link(
    session: Any, account: WeChat, bound: Resident, now: datetime
) -> None:
    tell(session, bound, now)
    assert deliveries.deliver_due(now) == {"sent": 1}
    (message,) = account.messages
    assert (message["touser"], message["template_id"], message["url"]) == (
        "o-1",
        "400",
        "https://portal.example/me/inbox",
    )
    assert message["data"]["thing1"] == {"value": "活动改期"}
    assert rows(session) == [("wechat", "sent")] and account.renewals == 1


def test_the_token_is_kept_and_renewed_when_refused(
    session: Any, account: WeChat, bound: Resident, now: datetime
) -> None:
    for number in range(2):
        tell(session, bound, now, f"k{number}")
        deliveries.deliver_due(now)
    assert account.renewals == 1
    account.token = "somebody else renewed it"
    tell(session, bound, now, "k2")
    assert deliveries.deliver_due(now) == {"later": 1} and account.renewals == 2
    assert deliveries.deliver_due(now + timedelta(minutes=2)) == {"sent": 1}


def test_who_does_not_follow_gets_it_by_sms_and_is_not_tried_again(
    session: Any, account: WeChat, bound: Resident, now: datetime
) -> None:
    account.errors["o-1"] = wechat.NO_FOLLOWER
    tell(session, bound, now)
    assert deliveries.deliver_due(now)["failed"] == 1
    deliveries.deliver_due(now)
    assert rows(session) == [("wechat", "failed"), ("sms", "local")]
    assert session.scalars(select(WechatBinding.left_at)).one() is not None
    tell(session, bound, now, "again")
    deliveries.deliver_due(now)
    deliveries.deliver_due(now)
    assert rows(session)[2:] == [("wechat", "failed"), ("sms", "local")] and account.messages == []


def test_without_a_secret_that_holds_nothing_is_lost(
    app: Any, session: Any, account: WeChat, bound: Resident, now: datetime, monkeypatch: Any
) -> None:
    monkeypatch.setitem(app.config, "WECHAT_SECRET", "wrong")
    tell(session, bound, now)
    assert deliveries.deliver_due(now) == {}
    monkeypatch.setitem(app.config, "WECHAT_SECRET", SECRET)
    assert deliveries.deliver_due(now) == {"sent": 1}


# --- One token for all processes --------------------------------------------------------------------------------------


def at_once(app: Any, number: int, work: Any) -> list[str]:
    """The same work in threads that begin together; what each returned."""
    barrier, found = threading.Barrier(number), []

    def run() -> None:
        with app.app_context():
            barrier.wait()
            found.append(work())
            db.session.remove()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.own_database
def test_processes_that_need_a_token_at_once_renew_it_once(app: Any, session: Any, account: WeChat) -> None:
    """First the race: each that finds none gets one for itself, and WeChat's counters and caches see four."""
    api = wechat_people.api(app.config)
    assert len(set(at_once(app, 4, lambda: api.new_token()[0]))) == 4 and account.renewals == 4
    account.renewals = 0
    found = at_once(app, 4, lambda: wechat_people.token(wechat_people.api(app.config)))
    assert (found, account.renewals) == (["token-1"] * 4, 1)
    over = at_once(app, 4, lambda: wechat_people.token(wechat_people.api(app.config), over="token-1"))
    assert (over, account.renewals) == (["token-2"] * 4, 2)


def test_a_process_that_dies_while_it_renews_holds_nobody_up_for_ever(
    app: Any, session: Any, account: WeChat, now: datetime
) -> None:
    session.add(WechatToken(app_id=APP_ID, token="", leased_until=now - timedelta(seconds=1)))
    session.commit()
    assert wechat_people.token(wechat_people.api(app.config)) == "token-1"


def test_a_token_is_renewed_before_it_ends(app: Any, session: Any, account: WeChat, now: datetime) -> None:
    session.add(WechatToken(app_id=APP_ID, token="old", expires_at=now + wechat_people.EARLY / 2))
    session.commit()
    assert wechat_people.token(wechat_people.api(app.config)) == "token-1"


# --- Coming in --------------------------------------------------------------------------------------------------------


def state_of(answer: Any) -> str:
    """Of an answer that leads to WeChat."""
    assert answer.status_code == 303 and answer.headers["Location"].startswith(wechat.ASK)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["scope"] == ["snsapi_base"] and query["redirect_uri"] == ["https://portal.example/wechat/back"]
    return query["state"][0]


def lead(client: Any, target: str = "/me/inbox") -> str:
    first = client.get("/login", query_string={"next": target}, headers=PHONE)
    assert first.headers["Location"].startswith("/wechat?")
    return state_of(client.get(first.headers["Location"], headers=PHONE))


def test_who_has_bound_comes_in_with_one_press_and_no_code(app: Any, account: WeChat, bound: Resident) -> None:
    client = app.test_client()
    account.codes["c1"] = "o-1"
    page = client.get("/wechat/back", query_string={"code": "c1", "state": lead(client)}, headers=PHONE)
    assert page.status_code == 200 and bound.name not in page.text and (bound.phone or "")[-4:] in page.text
    entered = client.post("/wechat/enter", data={"next": "/me/inbox"}, headers=PHONE)
    assert entered.headers["Location"] == "/me/inbox"
    assert client.get("/me/inbox", headers=PHONE).status_code == 200


def test_who_has_not_bound_gets_the_usual_page_and_no_circle(app: Any, account: WeChat, session: Any) -> None:
    client = app.test_client()
    account.codes["c1"] = "o-new"
    back = client.get("/wechat/back", query_string={"code": "c1", "state": lead(client)}, headers=PHONE)
    assert back.headers["Location"].startswith("/login?")
    assert "发验证码" in client.get(back.headers["Location"], headers=PHONE).text


def test_a_state_of_another_browser_is_not_taken(app: Any, account: WeChat, bound: Resident) -> None:
    """Somebody sends a link with their own code: whoever opens it must not end up in a foreign account."""
    theirs, mine = app.test_client(), app.test_client()
    state = lead(theirs)
    account.codes["c1"] = "o-1"
    for given in (state, "", "x"):
        answer = mine.get("/wechat/back", query_string={"code": "c1", "state": given}, headers=PHONE)
        assert answer.headers["Location"].startswith("/login")
    assert account.codes == {"c1": "o-1"}  # WeChat was not even asked
    assert mine.post("/wechat/enter", headers=PHONE).headers["Location"].startswith("/login")
    theirs.get("/wechat/back", query_string={"code": "c1", "state": state}, headers=PHONE)
    again = theirs.get("/wechat/back", query_string={"code": "c1", "state": state}, headers=PHONE)
    assert again.headers["Location"].startswith("/login")  # a state is good once


def test_a_foreign_page_signs_nobody_in(app: Any, account: WeChat, bound: Resident, monkeypatch: Any) -> None:
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)
    client = app.test_client()
    account.codes["c1"] = "o-1"
    client.get("/wechat/back", query_string={"code": "c1", "state": lead(client)}, headers=PHONE)
    assert client.post("/wechat/enter", headers=PHONE | {"Origin": "https://evil.example"}).status_code == 400


def test_binding_and_unbinding(app: Any, session: Any, town: Town, account: WeChat, as_resident: Any) -> None:
    client = as_resident(app.test_client(), town.residents[0])
    client.environ_base["HTTP_USER_AGENT"] = PHONE["User-Agent"]
    account.codes["c1"] = "o-1"
    assert "绑定微信" in client.get("/me/wechat").text
    state = state_of(client.get("/wechat", query_string={"next": "/me/wechat"}))
    back = client.get("/wechat/back", query_string={"code": "c1", "state": state})
    assert back.headers["Location"] == "/me/wechat"
    client.post("/me/wechat")
    session.rollback()
    assert session.scalars(select(WechatBinding.open_id)).all() == ["o-1"]
    assert rules.way(session.get(Resident, town.residents[0].id).quiet, True) == rules.WECHAT
    client.post("/me/wechat/unbind")
    session.rollback()
    assert session.scalars(select(WechatBinding)).all() == []
    assert rules.way(session.get(Resident, town.residents[0].id).quiet, True) == rules.SMS


def test_binding_asks_who_sits_there(app: Any, session: Any, town: Town, account: WeChat, as_resident: Any) -> None:
    client = as_resident(app.test_client(), town.residents[0])
    with client.session_transaction() as cookie:
        cookie["wechat_who"] = "o-1"
    with writing():
        session.execute(update(WebSession).values(proved_at=clock.now() - timedelta(days=1)))
    assert "/me/proof" in client.post("/me/wechat").headers["Location"]
    session.rollback()
    assert session.scalars(select(WechatBinding)).all() == []


def test_a_wechat_is_one_persons(session: Any, town: Town, bound: Resident, now: datetime) -> None:
    with pytest.raises(wechat_people.TakenWechat):
        wechat_people.bind(town.residents[1], "o-1", now)


def test_without_an_account_there_is_no_such_page(app: Any, town: Town, as_resident: Any) -> None:
    assert as_resident(app.test_client(), town.residents[0]).get("/me/wechat").status_code == 404
    assert app.test_client().get("/login", headers=PHONE).status_code == 200


def test_signing_everybody_out_unbinds(app: Any, session: Any, town: Town, bound: Resident) -> None:
    """A lost telephone has the WeChat too: `sign-out` ends both."""
    wechat_people.bind(town.residents[1], "o-2", clock.now())
    session.commit()
    run = app.test_cli_runner().invoke
    assert run(args=["sign-out", "--resident", str(bound.phone)]).exit_code == 0
    session.rollback()
    assert session.scalars(select(WechatBinding.open_id)).all() == ["o-2"]
    assert run(args=["sign-out", "--everybody"]).exit_code == 0
    session.rollback()
    assert session.scalars(select(WechatBinding.open_id)).all() == []


def test_the_inbox_offers_it_inside_wechat_until_it_is_bound(
    app: Any, session: Any, town: Town, account: WeChat, as_resident: Any, now: datetime
) -> None:
    client = as_resident(app.test_client(), town.residents[0])
    assert "绑定微信" not in client.get("/me/inbox").text
    assert "绑定微信" in client.get("/me/inbox", headers=PHONE).text
    with writing():
        wechat_people.bind(session.merge(town.residents[0]), "o-1", now)
    assert "绑定微信" not in client.get("/me/inbox", headers=PHONE).text
