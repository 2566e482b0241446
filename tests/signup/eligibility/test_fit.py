"""For whom an activity is, who of a household fits, and the one question that is asked (SPEC P2, S3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.catalogue.models import Entry
from portal.people.models import Relative
from portal.signup.eligibility import rules
from portal.signup.eligibility.rules import Aim, Part, Person
from portal.signup.models import SignUp
from tests.factories import NOW, Make, Town

pytestmark = pytest.mark.once

SignIn = Callable[[FlaskClient, Any], FlaskClient]
HTMX = {"HX-Request": "true"}
AGES = {"elder": (60, 150), "child": (0, 17)}
OLDEST = rules.OLDEST


@pytest.mark.parametrize(
    ("audience", "groups", "parts"),
    [
        ("全体居民", (), ()),
        ("全体居民（未成年人须家长陪同）", (), ()),
        ("小学生", ("child",), (Part(("child",), ((6, 12),)),)),
        ("18岁以上居民", (), (Part((), ((18, OLDEST),)),)),
        ("居民（18岁以上）", (), (Part((), ((18, OLDEST),)),)),
        ("年满18周岁的居民", (), (Part((), ((18, OLDEST),)),)),
        ("3-6岁儿童", ("child",), (Part(("child",), ((3, 6),)),)),
        ("60岁以上长者、残疾人", ("elder", "vulnerable"), (Part(("elder",), ((60, OLDEST),)), Part(("vulnerable",)))),
        ("未成年人", ("child",), (Part(("child",), ((0, 17),)),)),
        ("12周岁及以下少年", ("child",), (Part(("child",), ((0, 12),)),)),
        ("党员", ("party",), (Part(("party",)),)),
        ("街坊", ("elder",), (Part(("elder",)),)),  # what stands in the data and not in the words
    ],
)
def test_aim(audience: str, groups: tuple[str, ...], parts: tuple[Part, ...]) -> None:
    assert rules.aim(audience, groups) == Aim(parts, audience)


def born(year: int | None, *groups: str, value: str = "me") -> Person:
    return Person(value, "某某", "我", year, frozenset(groups))


@pytest.mark.parametrize(
    ("audience", "groups", "person", "fits"),
    [
        ("全体居民", (), born(2018), True),
        ("小学生", ("child",), born(2018), True),
        ("小学生", ("child",), born(1988), False),
        ("小学生", ("child",), born(None), None),  # nobody is asked because of what is not known
        ("18岁以上居民", (), born(2018), False),
        ("18岁以上居民", (), born(2008), True),  # 18 in the course of that year
        ("18岁以上居民", (), born(2009), False),
        ("60岁以上长者", ("elder",), born(1966), True),
        ("60岁以上长者", ("elder",), born(1967), False),
        ("60岁以上长者", ("elder",), born(None, "elder"), True),
        ("60岁以上长者", ("elder",), born(1990, "elder"), False),  # an age that was told counts more than a tick
        ("长者", ("elder",), born(1950), True),
        ("长者", ("elder",), born(1990, "elder"), True),
        ("60岁以上长者、残疾人", ("elder", "vulnerable"), born(1990, "vulnerable"), True),
        ("60岁以上长者、残疾人", ("elder", "vulnerable"), born(1990), None),  # not told; perhaps so
        ("党员", ("party",), born(1990), None),
        ("党员", ("party",), born(1990, "party"), True),
        ("18岁以上党员", ("party",), born(2015), False),
        ("亲子家庭", ("family",), born(1988), None),
        ("亲子家庭", ("family",), born(2018), True),
    ],
)
def test_fits(audience: str, groups: tuple[str, ...], person: Person, fits: bool | None) -> None:
    assert rules.fits(rules.aim(audience, groups), person, 2026, AGES) is fits


def test_parents_fit_with_their_children() -> None:
    mother, child = born(1988), born(2021, value="7")
    wanted = rules.aim("3-6岁亲子家庭", ("family",))
    assert rules.fits(wanted, mother, 2026, AGES, [mother, child]) is True
    assert rules.fits(wanted, mother, 2026, AGES, [mother, born(2011, value="7")]) is None


def test_preselect_takes_who_surely_fits_then_who_may() -> None:
    me, unknown, child = born(1988), born(None, value="5"), born(2018, value="7")
    aim = rules.aim("小学生", ("child",))
    assert rules.preselect(aim, [me, unknown, child], 2026, AGES) == "7"
    assert rules.preselect(aim, [me, unknown], 2026, AGES) == "5"
    assert rules.preselect(aim, [me], 2026, AGES) == "me"
    assert rules.preselect(aim, [], 2026, AGES) == ""
    assert rules.preselect(rules.aim("全体居民"), [me, unknown, child], 2026, AGES) == "me"


@pytest.fixture
def lesson(town: Town, make: Make) -> Entry:
    return make.entry(town.centres["A1"], title="四点半课堂", audience="小学生", groups=["child"])


@pytest.fixture
def mother(session: Any, town: Town) -> Any:
    person = town.residents[0]
    person.name, person.birth_year = "陈秀英", 1988
    session.commit()
    return person


@pytest.fixture
def child(session: Any, mother: Any) -> Relative:
    row = Relative(resident_id=mother.id, name="陈小舟", relation="子女", birth_year=2018, created_at=NOW)
    session.add(row)
    session.commit()
    return row


def rows(session: Any) -> list[SignUp]:
    session.rollback()
    return list(session.scalars(select(SignUp)))


def test_who_fits_is_selected(
    lesson: Entry, mother: Any, child: Relative, client: FlaskClient, as_resident: SignIn
) -> None:
    page = as_resident(client, mother).get(f"/services/{lesson.id}").text
    assert f'<option value="{child.id}" selected>子女（陈小舟）</option>' in page
    assert "这个活动给" not in page


def test_nobody_fits_is_said_before_and_stops_nobody(
    session: Any, lesson: Entry, mother: Any, client: FlaskClient, as_resident: SignIn
) -> None:
    page = as_resident(client, mother).get(f"/services/{lesson.id}").text
    assert "这个活动给小学生，您选的是陈秀英。" in page and "加一位家人" in page
    assert f"/me/relatives?next=/services/{lesson.id}" in page
    answer = client.post(f"/services/{lesson.id}/sign-up", data={"for": "me", "sure": "me"})
    assert answer.status_code == 303 and [r.relative_id for r in rows(session)] == [None]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_wrong_one_is_asked_once(
    session: Any, lesson: Entry, mother: Any, child: Relative, client: FlaskClient, as_resident: SignIn,
    headers: dict[str, str],
) -> None:  # fmt: skip
    as_resident(client, mother)
    asked = client.post(f"/services/{lesson.id}/sign-up", data={"for": "me"}, headers=headers)
    assert asked.status_code == 409 and not rows(session)
    assert "这个活动给小学生，您选的是陈秀英，要换成陈小舟吗？" in asked.text
    assert f'name="instead" value="{child.id}"' in asked.text and 'name="sure" value="me"' in asked.text
    form = {"for": "me", "sure": "me", "instead": str(child.id)}
    client.post(f"/services/{lesson.id}/sign-up", data=form)
    assert [r.relative_id for r in rows(session)] == [child.id]
    # And it is no wall: who says so again is signed up.
    client.post(f"/services/{lesson.id}/sign-up", data={"for": "me", "sure": "me"})
    assert [r.relative_id for r in rows(session)] == [child.id, None]


def test_a_child_is_not_registered_as_a_grown_up(
    session: Any, town: Town, make: Make, mother: Any, child: Relative, client: FlaskClient, as_resident: SignIn
) -> None:
    training = make.entry(town.centres["A1"], title="义工岗前培训", audience="18岁以上居民")
    as_resident(client, mother)
    asked = client.post(f"/services/{training.id}/sign-up", data={"for": str(child.id)})
    assert asked.status_code == 409 and "您选的是陈小舟，要换成陈秀英吗？" in asked.text
    assert not rows(session)
