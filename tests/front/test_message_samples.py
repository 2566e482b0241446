"""One page shows how every message reads; what is told and not on it is noticed here (SPEC M3)."""

from __future__ import annotations

import ast
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import portal
from portal.core.words import Words
from portal.front import message_samples
from portal.notices import kinds
from tests.factories import Town

pytestmark = pytest.mark.once

CODE = sorted(Path(portal.__file__).parent.rglob("*.py"))
TELLS = {"tell_residents": 1, "tell_staff": 1, "text_phone": 2}  # which argument is the kind


def wording_modules() -> set[str]:
    """Every module of the product that has a function which makes a message."""
    found = set()
    for file in CODE:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            made = (
                isinstance(node, ast.FunctionDef) and node.returns is not None and ast.unparse(node.returns) == "Words"
            )
            if made and not node.name.startswith("_"):
                parts = file.relative_to(Path(portal.__file__).parent.parent).with_suffix("").parts
                found.add(".".join(parts))
    return found


def told_kinds() -> set[str]:
    """The kinds that stand in calls as words."""
    found = set()
    for file in CODE:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            name = getattr(getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", ""))
            if isinstance(node, ast.Call) and name in TELLS and len(node.args) > TELLS[name]:
                kind = node.args[TELLS[name]]
                if isinstance(kind, ast.Constant):
                    found.add(kinds.of(str(kind.value)).code)
    return found


def test_every_wording_module_is_on_the_page() -> None:
    assert wording_modules() == {module.__name__ for module in message_samples.MODULES}


def test_every_wording_and_every_kind_is_on_the_page(app: Any, session: Any, now: datetime) -> None:
    shown = {(one.words.kind, one.name) for one in message_samples.every(now)}
    there = {name for _, name in shown}
    for module in message_samples.MODULES:
        for name, _ in message_samples.wordings(module):
            assert name in there
    on_page = {group.kind.code for group in message_samples.groups(now)}
    assert told_kinds() <= on_page and {"login_code", "account", "evaluation"} <= told_kinds()
    assert on_page <= kinds.CODES


def test_a_wording_without_samples_is_noticed(now: datetime) -> None:
    def fresh(_weather: str) -> Words:
        return Words("work", "x", "x")

    with pytest.raises(LookupError, match="fresh: no sample for _weather"):
        list(message_samples._arguments("fresh", fresh, {}))


def test_nothing_of_the_samples_reaches_the_database(app: Any, session: Any, now: datetime) -> None:
    message_samples.groups(now)
    assert not session.new and not session.dirty


def test_staff_see_the_page(client: Any, as_staff: Any, town: Town, now: datetime) -> None:
    page = as_staff(client, town.staff["D"]).get("/staff/messages/wording")
    assert page.status_code == 200
    for one in message_samples.every(now):
        assert one.words.title in page.text.replace("&#34;", '"').replace("&amp;", "&")
    assert "None" not in re.sub(r"<[^>]+>", "", page.text)


def test_a_switch_stands_for_something_that_comes(client: Any, as_resident: Any, town: Town) -> None:
    """What nobody says anything of has no switch; the other kinds have theirs."""
    page = as_resident(client, town.residents[0]).get("/me/inbox/choices").text
    for kind in kinds.TABLE:
        assert (f'value="{kind.code}"' in page) == (kind in kinds.switchable() or kind in kinds.fixed())
    assert {kind.code for kind in kinds.switchable()} <= message_samples.spoken()
