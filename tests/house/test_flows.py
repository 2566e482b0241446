"""docs/flows.md is what the transition tables say (`python -m tools.flows` writes it)."""

from __future__ import annotations

from flask import Flask

from portal.help_requests.states import MACHINE
from tools import flows


def test_the_page_is_the_present_one(app: Flask) -> None:
    assert flows.PAGE.read_text(encoding="utf-8") == flows.text(flows.ours()), "run: python -m tools.flows"


def test_each_step_is_in_the_picture_and_in_the_table() -> None:
    page = flows.text([MACHINE])
    for step in MACHINE.transitions:
        assert all(f"    {old} --> {step.target}: {step.label}" in page for old in step.sources)
        assert f"{step.label}（`{step.name}`）" in page
