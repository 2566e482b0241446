"""One truth for a figure (SPEC Q0): every number of the staff's pages that has a name is the same wherever it stands."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from portal.catalogue.models import EntryChange
from portal.notices.models import InboxMessage
from tests.factories import NOW, Make, Town

MONTH = "2026-12"
TOWNS = int(os.environ.get("PORTAL_TOWNS", "2"))  # `make figures` wants 200
PAGES, BOARDS = 6, 6  # of a person's other pages and of the boards by category: others in each town
TOP, BELOW = "D", ("A", "B", "A1", "A2", "A1S", "ZFB", "D-LOOK")  # who looks: the district and three of these
FIGURE = re.compile(r'data-figure="([^"]+)"[^>]*>\s*(?:<span class="vh">[^<]*</span>|<b>|\s)*(\d+)')
PART = re.compile(r'data-part="(\w+)" data-count="(\d+)"')
# What the lines of the inbox sum up to.
SECTIONS = {"catalogue": "nav:服务清单", "venues": "nav:场地", "feedback": "nav:评价回访", "sign_ups": "nav:报名",
            "messages": "nav:消息出口"}  # fmt: skip
LEADS = {"/staff/login", "/staff/logout"}
STATES = ("draft", "in_review", "accepted", "returned", "approved", "published", "cancelled", "dropped")


def build(dice: random.Random, town: Town, make: Make, session: Any) -> None:
    """Rows of every kind in every state at random, as they may stand by the rules of the machine."""
    above = {"A1S": ("A1", "A", "D"), "A1": ("A", "D"), "A2": ("A", "D"), "B1": ("B", "D"), "B2": ("B", "D"),
             "A": ("D",), "B": ("D",), "D": ()}  # fmt: skip
    for number in range(dice.randrange(3, 40)):
        home, status = dice.choice(list(above)), dice.choice(STATES)
        own = dice.random() < 0.15
        home = "D" if own else "A1S" if status == "accepted" else home
        chain = ("D",) if own else above[home]
        if (status == "in_review" and not chain) or (status == "accepted" and home != "A1S"):
            status = "draft"
        at = {"in_review": dice.choice(chain or ("D",)), "accepted": "A1"}.get(status)
        entry = make.entry(
            town.centres[home], title=f"服务{number}", status=status, month=dice.choice((MONTH, MONTH, "2026-11")),
            category=town.categories[dice.choice(("party", "public", "charity", "policy", "member", "popular"))],
            waits_at_id=town.centres[at].id if at else None, waits_since=NOW - timedelta(days=1),
            department_id=town.department.id if own else None, check_note=dice.choice(("", "请核对")),
        )  # fmt: skip
        if status == "published" and dice.random() < 0.3:
            session.add(EntryChange(
                entry_id=entry.id, centre_id=entry.centre_id, kind="cancel", before={}, after={}, reason="雨",
                status="asked", waits_at_id=town.centres["D"].id, asked_by="甲", asked_at=NOW,
            ))  # fmt: skip
    rooms_and_messages(dice, town, make, session)
    session.commit()


def rooms_and_messages(dice: random.Random, town: Town, make: Make, session: Any) -> None:
    """Requests for rooms, some handed up and some overdue, and letters that somebody has read or not."""
    for home, chain in (("A1", ("A1", "A", "D")), ("A2", ("A2", "A")), ("B1", ("B1", "D")), ("D", ("D",))):
        room = make.venue(town.centres[home], needs_approval=True)
        for number in range(dice.randrange(4)):
            make.booking(
                room, NOW + timedelta(days=2, hours=2 * number), status="pending", resident=dice.choice(town.residents),
                waits_at_id=town.centres[dice.choice(chain)].id,
                decide_by=NOW + timedelta(hours=dice.choice((-30, 20))),
            )  # fmt: skip
    for number, account in enumerate(town.staff.values()):
        for letter in range(dice.randrange(4)):
            session.add(InboxMessage(
                audience="staff", person_id=account.id, kind="account", title="信", body="写给您的", link="",
                key=f"letter:{number}:{letter}", created_at=NOW, read_at=dice.choice((None, NOW)),
            ))  # fmt: skip


def others(app: Any, dice: random.Random) -> list[str]:
    """Some of all other pages of the staff's that need nothing but who asks: each carries the left column."""
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in rule.methods and not rule.arguments]
    known = sorted({rule.rule for rule in rules if rule.rule.startswith("/staff/") and "." not in rule.rule} - LEADS)
    return dice.sample(known, PAGES)


def pages(app: Any, dice: random.Random, town: Town, who: str) -> Iterator[str]:
    board = f"/staff/catalogue?month={MONTH}"
    yield from ("/staff", board, f"{board}&state=mine", f"{board}&state=passed", f"{board}&state=counted")
    yield from ("/staff/inbox-messages", f"/staff/catalogue/late?month={MONTH}", *others(app, dice))
    if not town.staff[who].department_id:
        yield from ("/staff/venues", "/staff/venues/requests", "/staff/venues/requests?show=all")
    yield from (f"{board}&sort=centre", f"/staff/catalogue/coverage?month={MONTH}")
    if who in ("D", "A", "B", "A1"):
        for code in ("A1", "A2") if who in ("D", "A") else ():
            yield f"{board}&centre={town.centres[code].id}"
            yield f"{board}&centre={town.centres[code].id}&state=counted"
            yield f"/staff/catalogue/coverage?month={MONTH}&centre={town.centres[code].id}"
        by_category = [
            f"{board}&category={category.id}&centre={town.centres[who].id}&state=counted{alone}"
            for category in town.categories.values()
            for alone in ("", "&alone=1")
        ]
        yield from dice.sample(by_category, BOARDS)
    if who == "D":
        yield f"/staff/catalogue/publish?month={MONTH}"


def collected(client: Any, dice: random.Random, town: Town, who: str) -> dict[str, set[tuple[int, str]]]:
    """Every named figure of this person's pages: name -> {(number, where)}."""
    found: dict[str, set[tuple[int, str]]] = {}
    for url in pages(client.application, dice, town, who):
        answer = client.get(url)
        if answer.status_code != 200:  # one of the others that is not this person's
            assert answer.status_code < 500 and not url.startswith("/staff/catalogue?"), url
            continue
        for name, number in FIGURE.findall(answer.text):
            found.setdefault(alias(name), set()).add((int(number), url))
        parts: dict[str, int] = {}
        for section, count in PART.findall(answer.text):
            parts[section] = parts.get(section, 0) + int(count)
        if url == "/staff":
            names = SECTIONS
            for section, name in names.items():
                found.setdefault(name, set()).add((parts.get(section, 0), "the inbox's lines"))
        if "asked" in parts:
            found.setdefault("requests:all", set()).add((parts["asked"], f"the centres of {url}"))
    return found


def alias(name: str) -> str:
    """A tab's count of what coverage counts is coverage's number."""
    return name.replace("state:counted:", "counted:")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.once) for seed in range(1, TOWNS))])
def test_one_name_has_one_number(client: Any, town: Town, make: Make, session: Any, as_staff: Any, seed: int) -> None:
    dice = random.Random(seed)
    build(dice, town, make, session)
    names = 0
    for who in (TOP, *dice.sample(BELOW, 3)):
        as_staff(client, town.staff[who])
        found = collected(client, dice, town, who)
        names += sum(len(where) > 1 for where in found.values())
        apart = {name: where for name, where in found.items() if len({number for number, _ in where}) > 1}
        hidden = {n: w for n, w in apart.items() if not (n.startswith("nav:") and {x for x, _ in w} <= {0})}
        assert hidden == {}, who
    assert names > 30, names
