"""The commands that the contract promises are there, with their options (SPEC "Contract", docs/contract.md)."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from flask import Flask

CONTRACT = Path(__file__).parents[2] / "docs" / "contract.md"


def promised() -> list[str]:
    """Each promised call: `import-plan FILE.xlsx --centre CODE [--commit]`."""
    section = CONTRACT.read_text().partition("## Commands")[2].partition("\n## ")[0]
    calls = []
    for line in re.findall(r"^- (.+?)(?=^- |\Z)", section, re.M | re.S):
        head = re.match(r"`[^`]+`(?: and `[^`]+`)*", line)
        calls += re.findall(r"`([^`]+)`", head[0]) if head else [f"no command in: {line}"]
    return calls


def missing(app: Flask, call: str) -> list[str]:
    """What of a promised call the application does not have."""
    words = shlex.split(call.replace("[", " ").replace("]", " "))
    command: click.Command | None = app.cli
    while words and isinstance(command, click.Group):
        name = words.pop(0)
        command = command.get_command(click.Context(command), name)
        if command is None:
            return [name]
    assert command is not None
    options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    arguments = [option for option in command.params if isinstance(option, click.Argument)]
    lost = [word for word in words if word.startswith("-") and word not in options]
    return lost or ([] if arguments or not words or words[0].startswith("-") else [f"{call}: takes no argument"])


def test_the_list_is_read() -> None:
    assert (
        len(promised()) >= 12
        and "print-list --month YYYY-MM --centre CODE -o FILE.pdf [--paper a4|a3] [--large]" in promised()
        and "restore FILE" in promised()
    )


@pytest.mark.once
@pytest.mark.parametrize("call", promised())
def test_a_promised_command_is_there(app: Flask, call: str) -> None:
    assert missing(app, call) == []


def test_a_missing_command_or_option_is_noticed(app: Flask) -> None:
    assert missing(app, "print-lists --month YYYY-MM") == ["print-lists"]
    assert missing(app, "publish --months YYYY-MM") == ["--months"]
    assert missing(app, "demo FILE") == ["demo FILE: takes no argument"]
