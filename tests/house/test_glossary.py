"""Each table stands in the glossary; each status, role and permission has its Chinese word."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask

from portal.core import states
from portal.core.access import PERMISSION_LABELS, ROLE_LABELS, Permission, Role
from portal.core.db import Base

GLOSSARY = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_every_table_is_in_the_glossary(app: Flask) -> None:
    assert not [name for name in Base.metadata.tables if f"`{name}`" not in GLOSSARY]


def test_the_glossary_names_only_tables_that_exist(app: Flask) -> None:
    named = {
        cell.split(".")[0] for cell in re.findall(r"`([a-z_]+(?:\.[a-z_]+)?)`", GLOSSARY.split("|---|---|---|")[1])
    }
    assert not named - Base.metadata.tables.keys()


def test_roles_and_permissions_have_words() -> None:
    assert all(CHINESE.search(ROLE_LABELS[role]) for role in Role)
    assert all(CHINESE.search(PERMISSION_LABELS[permission]) for permission in Permission)


def test_every_status_and_button_has_a_word(app: Flask) -> None:
    assert {"entry", "sign_up"} <= states.machines.keys()
    for machine in states.machines.values():
        assert all(CHINESE.search(word) for word in machine.labels.values()), machine.name
        assert all(CHINESE.search(step.label) for step in machine.transitions), machine.name
