"""Activities for some groups only, or for them first; the community confirms once who belongs to one (SPEC S3, P2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.catalogue.models import Entry
from portal.core import clock, outbox, states
from portal.core.audit import AuditLog
from portal.core.db import writing
from portal.core.errors import DomainError
from portal.core.remarks import Remark
from portal.notices.models import InboxMessage
from portal.people.models import Relative
from portal.signup import actions
from portal.signup.eligibility import actions as claims
from portal.signup.eligibility import rules
from portal.signup.eligibility.models import GroupClaim
from portal.signup.eligibility.registry import to_confirm
from portal.signup.eligibility.rules import Demand, Person
from portal.signup.eligibility.states import MACHINE
from portal.signup.errors import SignUpRefused
from portal.signup.models import SignUp
from tests.factories import NOW, Make, Town

SignIn = Callable[[FlaskClient, Any], FlaskClient]
AGES = {"elder": (60, 150), "child": (0, 17)}
CONFIRMED = ("elder", "party", "vulnerable")


def person(year: int | None, *groups: str) -> Person:
    return Person("me", "某某", "我", year, frozenset(groups))


@pytest.mark.parametrize(
    ("groups", "who", "asked", "stands"),
    [
        (("child",), person(2018), {}, "confirmed"),  # an age needs nobody's word
        (("child",), person(1990), {}, "no"),
        (("child",), person(None), {}, "unknown"),
        (("elder",), person(1950), {}, "unconfirmed"),
        (("elder",), person(1950), {"elder": "asked"}, "asked"),
        (("elder",), person(1950), {"elder": "confirmed"}, "confirmed"),
        (("elder",), person(1950), {"elder": "refused"}, "refused"),
        (("elder",), person(1990), {}, "no"),
        (("elder",), person(1990), {"elder": "confirmed"}, "confirmed"),  # what the community said counts
        (("vulnerable",), person(None), {}, "unconfirmed"),
        (("elder", "vulnerable"), person(1990), {"vulnerable": "confirmed"}, "confirmed"),
        (("worker",), person(1990, "worker"), {}, "confirmed"),
        (("worker",), person(1990), {}, "unknown"),
    ],
)
def test_standing(groups: tuple[str, ...], who: Person, asked: dict[str, str], stands: str) -> None:
    assert rules.standing(Demand(groups, ""), who, 2026, AGES, CONFIRMED, asked) == stands


@pytest.mark.parametrize("stands", rules.STANDINGS)
def test_every_refusal_says_why_and_what_to_do(stands: str) -> None:
    for until in (None, NOW):
        why = rules.refusal(Demand(("elder",), "长者", until), stands, "陈秀英", "年龄不符合")
        if stands == rules.YES:
            assert why is None
            continue
        assert why is not None and "长者" in why.message and why.advice
        assert (f"{clock.stamp(NOW)} 起都可以报" in why.advice) is (until is not None)


@pytest.fixture
def elders(town: Town, make: Make) -> Entry:
    return make.entry(town.centres["A1"], title="长者午餐", audience="长者", groups=["elder"], groups_only=True)


@pytest.fixture
def granny(session: Any, town: Town) -> Any:
    row = town.residents[0]
    row.name, row.birth_year = "李秀兰", 1950
    session.commit()
    return row


def waiting(session: Any) -> GroupClaim:
    session.rollback()
    return session.scalars(select(GroupClaim)).one()  # type: ignore[no-any-return]


def test_asked_confirmed_told_and_signed_up(
    session: Any, town: Town, elders: Entry, granny: Any, client: FlaskClient, as_resident: SignIn, as_staff: Any
) -> None:
    as_resident(client, granny)
    page = client.get(f"/services/{elders.id}").text
    assert "只限长者报名" in page and "请社区确认" in page and "确认报名" not in page
    refused = client.post(f"/services/{elders.id}/sign-up", data={"for": "me"})
    assert refused.status_code == 409 and "要由社区确认一次" in refused.text
    for _ in range(2):  # a double click asks once
        client.post(f"/services/{elders.id}/ask-community", data={"for": "me"})
    claim = waiting(session)
    assert (claim.status, claim.centre_id, claim.group_code) == ("asked", town.centres["A1"].id, "elder")
    assert "已请社区确认李秀兰的情况" in client.get(f"/services/{elders.id}").text
    desk = as_staff(client.application.test_client(), town.staff["A1"])
    assert "请确认人群：李秀兰" in desk.get("/staff").text
    listed = desk.get("/staff/sign-ups/groups").text
    assert "李秀兰" in listed and "1950 年生" in listed and "长者午餐" in listed and granny.phone not in listed
    assert desk.post(f"/staff/sign-ups/groups/{claim.id}", data={"do": "confirm"}).status_code == 303
    session.rollback()
    outbox.run_due(NOW)
    told = session.scalars(select(InboxMessage).where(InboxMessage.person_id == granny.id)).all()
    assert [(m.title, m.link) for m in told] == [("社区已确认：长者", f"/services/{elders.id}?for=me")]
    assert client.post(f"/services/{elders.id}/sign-up", data={"for": "me"}).status_code == 303
    session.rollback()
    assert len(session.scalars(select(SignUp)).all()) == 1


def test_refused_with_a_reason_and_asked_again(
    session: Any, town: Town, elders: Entry, granny: Any, client: FlaskClient, as_resident: SignIn, as_staff: Any
) -> None:
    as_resident(client, granny).post(f"/services/{elders.id}/ask-community", data={"for": "me"})
    claim = waiting(session)
    desk = as_staff(client.application.test_client(), town.staff["A1"])
    bare = desk.post(f"/staff/sign-ups/groups/{claim.id}", data={"do": "refuse"})
    assert bare.status_code == 422 and "请写明原因" in bare.text
    desk.post(f"/staff/sign-ups/groups/{claim.id}", data={"do": "refuse", "reason": "请带证件到社区核对"})
    session.rollback()
    outbox.run_due(NOW)
    told = session.scalars(select(InboxMessage).where(InboxMessage.person_id == granny.id)).one()
    assert "请带证件到社区核对" in told.body and "再请社区确认" in told.body
    page = client.get(f"/services/{elders.id}").text
    assert "社区没有确认李秀兰：请带证件到社区核对" in page and "请社区确认" in page
    client.post(f"/services/{elders.id}/ask-community", data={"for": "me"})
    again = waiting(session)
    assert (again.id, again.status, again.reason) == (claim.id, "asked", "")


@pytest.mark.parametrize("who", ["B1", "A2", "ZFB"])
def test_a_neighbour_decides_nothing(
    session: Any, town: Town, elders: Entry, granny: Any, client: FlaskClient, as_resident: SignIn, as_staff: Any,
    who: str,
) -> None:  # fmt: skip
    as_resident(client, granny).post(f"/services/{elders.id}/ask-community", data={"for": "me"})
    claim = waiting(session)
    other = as_staff(client.application.test_client(), town.staff[who])
    answer = other.post(f"/staff/sign-ups/groups/{claim.id}", data={"do": "confirm"})
    assert answer.status_code in (403, 404)
    assert "李秀兰" not in other.get("/staff/sign-ups/groups").text
    assert waiting(session).status == "asked"
    assert to_confirm(town.actor("A1"), NOW) and not to_confirm(town.actor("ZFB"), NOW)


@pytest.mark.parametrize("status", ["asked", "confirmed", "refused"])
@pytest.mark.parametrize("step", [t.name for t in MACHINE.transitions])
@pytest.mark.parametrize("who", ["A1", "A", "D-LOOK", "owner", "stranger"])
def test_every_step_of_a_claim(
    session: Any, town: Town, elders: Entry, granny: Any, status: str, step: str, who: str
) -> None:
    """The community and those above say yes or no; only who asked asks again."""
    claim = GroupClaim(
        centre_id=town.centres["A1"].id, resident_id=granny.id, person_key=f"r{granny.id}", group_code="elder",
        entry_id=elders.id, status=status, asked_at=NOW,
    )  # fmt: skip
    session.add(claim)
    session.commit()
    actor = town.resident_actor({"owner": 0, "stranger": 1}[who]) if who in ("owner", "stranger") else town.actor(who)
    allowed = {"confirm": ("asked", "refused"), "refuse": ("asked", "confirmed"), "ask_again": ("refused",)}[step]
    by = {"confirm": ("A1", "A"), "refuse": ("A1", "A"), "ask_again": ("owner",)}[step]
    if status in allowed and who in by:
        states.fire(MACHINE, claim, step, actor, NOW, "请带证件到社区核对")
        assert claim.status == MACHINE.transition(step).target
        return
    with pytest.raises(DomainError):
        states.fire(MACHINE, claim, step, actor, NOW, "请带证件到社区核对")
    assert claim.status == status


def test_one_of_the_family_may(
    session: Any, town: Town, make: Make, granny: Any, client: FlaskClient, as_resident: SignIn
) -> None:
    """Only who may join is offered; for the others the community can be asked beside it."""
    child = Relative(resident_id=granny.id, name="陈小舟", relation="祖父母或外祖父母", birth_year=2018, created_at=NOW)
    session.add(child)
    session.commit()
    entry = make.entry(town.centres["A1"], audience="儿童", groups=["child"], groups_only=True)
    page = as_resident(client, granny).get(f"/services/{entry.id}").text
    assert f'type="hidden" name="for" value="{child.id}"' in page and "请社区确认" not in page
    with pytest.raises(SignUpRefused, match="只限儿童青少年"):
        actions.sign_up(town.resident_actor(0), entry.id, None, 0, NOW)
    session.rollback()
    with writing():
        actions.sign_up(town.resident_actor(0), entry.id, child.id, 0, NOW)


def test_groups_first_and_own_community_first_are_shown_and_end(
    session: Any, town: Town, make: Make, client: FlaskClient, as_resident: SignIn
) -> None:
    until = NOW + timedelta(days=2)
    entry = make.entry(
        town.centres["A1"], audience="党员", groups=["party"], groups_first_until=until, own_first_until=until
    )
    page = as_resident(client, town.residents[0]).get(f"/services/{entry.id}").text
    assert f"党员先报，{clock.stamp(until)} 起都可以报" in page
    assert f"本社区居民先报，{clock.stamp(until)} 起都可以报" in page and "确认报名" not in page
    with pytest.raises(SignUpRefused, match="现在先由党员报名"):
        actions.sign_up(town.resident_actor(0), entry.id, None, 0, NOW)
    session.rollback()
    with clock.frozen(until):
        after = client.get(f"/services/{entry.id}").text
    assert "先报" not in after and "确认报名" in after
    with writing():
        actions.sign_up(town.resident_actor(0), entry.id, None, 0, until)


def test_odd_questions(session: Any, town: Town, elders: Entry, make: Make, granny: Any) -> None:
    me = town.resident_actor(0)
    for value in ("999", "x", ""):
        with pytest.raises(claims.NoSuchPerson):
            claims.ask(me, elders, value, NOW)
    open_to_all = make.entry(town.centres["A1"], groups=["elder"])
    with pytest.raises(claims.NothingToAsk):
        claims.ask(me, open_to_all, "me", NOW)
    granny.home_centre_id = None
    session.commit()
    with pytest.raises(claims.NoHome):
        claims.ask(me, elders, "me", NOW)


def test_a_caller_is_held_against_the_groups_unless_staff_say_why_not(
    session: Any, town: Town, elders: Entry, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    there, form = f"/staff/sign-ups/{elders.id}/add", {"phone": "13800138123", "name": "张三", "places": "1"}
    with clock.frozen(NOW):
        refused = client.post(there, data=form)
        assert refused.status_code == 422 and "只限" in refused.text and "为什么照样登记" in refused.text
        session.rollback()
        assert session.scalars(select(SignUp)).all() == []
        assert client.post(there, data={**form, "although": "身份证上是 1950 年"}).status_code == 303
    session.rollback()
    assert session.scalars(select(SignUp)).one().status == "confirmed"
    assert session.scalars(select(AuditLog).where(AuditLog.verb == "sign_up.add_over")).one()
    assert any("1950" in words for words in session.scalars(select(Remark.words)))
