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
from tests.factories import NOW, Make, Town

MONTH = "2026-12"
TOWNS = int(os.environ.get("PORTAL_TOWNS", "2"))  # make bench wants 200
WHO = ("D", "A", "B", "A1", "A2", "A1S", "ZFB", "D-LOOK")
FIGURE = re.compile(r'data-figure="([^"]+)"[^>]*>\s*(?:<span class="vh">[^<]*</span>|<b>|\s)*(\d+)')
PART = re.compile(r'data-part="(\w+)" data-count="(\d+)"')
STATES = ("draft", "in_review", "accepted", "returned", "approved", "published", "cancelled", "dropped")


def build(dice: random.Random, town: Town, make: Make, session: Any) -> None:
    """Rows of every kind in every state at random, as they may stand by the rules of the machine."""
    above = {"A1S": ("A1", "A", "D"), "A1": ("A", "D"), "A2": ("A", "D"), "B1": ("B", "D"), "B2": ("B", "D"),
             "A": ("D",), "B": ("D",), "D": ()}  # fmt: skip
    for number in range(dice.randrange(3, 40)):
        home, status = dice.choice(list(above)), dice.choice(STATES)
        own = dice.random() < 0.15
        home = "D" if own else home
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
    session.commit()


def pages(town: Town, who: str) -> Iterator[str]:
    board = f"/staff/catalogue?month={MONTH}"
    yield from ("/staff", board, f"{board}&state=mine", f"{board}&state=passed", f"{board}&state=counted")
    yield from (f"{board}&sort=centre", f"/staff/catalogue/coverage?month={MONTH}")
    if who in ("D", "A", "B", "A1"):
        for code in ("A1", "A2") if who in ("D", "A") else ():
            yield f"{board}&centre={town.centres[code].id}"
            yield f"{board}&centre={town.centres[code].id}&state=counted"
            yield f"/staff/catalogue/coverage?month={MONTH}&centre={town.centres[code].id}"
        for category in town.categories.values():
            for alone in ("", "&alone=1"):
                yield f"{board}&category={category.id}&centre={town.centres[who].id}&state=counted{alone}"
    if who == "D":
        yield f"/staff/catalogue/publish?month={MONTH}"


def collected(client: Any, town: Town, who: str) -> dict[str, set[tuple[int, str]]]:
    """Every named figure of this person's pages: name -> {(number, where)}."""
    found: dict[str, set[tuple[int, str]]] = {}
    for url in pages(town, who):
        answer = client.get(url)
        assert answer.status_code == 200, url
        for name, number in FIGURE.findall(answer.text):
            found.setdefault(alias(name), set()).add((int(number), url))
        parts: dict[str, int] = {}
        for section, count in PART.findall(answer.text):
            parts[section] = parts.get(section, 0) + int(count)
        if url == "/staff":
            names = {"catalogue": "nav:服务清单"}
            for section, name in names.items():
                found.setdefault(name, set()).add((parts.get(section, 0), "the inbox's lines"))
    return found


def alias(name: str) -> str:
    """A tab's count of what coverage counts is coverage's number."""
    return name.replace("state:counted:", "counted:")


@pytest.mark.parametrize("seed", range(TOWNS))
def test_one_name_has_one_number(client: Any, town: Town, make: Make, session: Any, as_staff: Any, seed: int) -> None:
    build(random.Random(seed), town, make, session)
    names = 0
    for who in WHO:
        as_staff(client, town.staff[who])
        found = collected(client, town, who)
        names += sum(len(where) > 1 for where in found.values())
        apart = {name: where for name, where in found.items() if len({number for number, _ in where}) > 1}
        hidden = {n: w for n, w in apart.items() if not (n.startswith("nav:") and {x for x, _ in w} <= {0})}
        assert hidden == {}, who
    assert names > 30
