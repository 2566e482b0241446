"""docs/flows.md from the transition tables: what states there are, who moves what, and what needs a reason.

    python -m tools.flows          writes the page; tests/house/test_flows.py fails when it is not the present one

A diagram is Mermaid, which GitHub and most editors draw; the table below it says the same to whoever reads plain text.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from portal.core.access import PERMISSION_LABELS
from portal.core.states import Machine, Transition, machines

PAGE = Path(__file__).parents[1] / "docs" / "flows.md"
HEAD = """# Flows

Each picture and table is made from the transition table of its feature (`states.py`) by `python -m tools.flows`; a test
keeps them so. Buttons, refusals and histories come from the same tables.
"""


def text(found: Iterable[Machine]) -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_machine(one) for one in sorted(found, key=lambda m: m.name))])


def _machine(machine: Machine) -> str:
    where = machine.model.__module__.removesuffix(".models").replace(".", "/")
    lines = [f"## {machine.name}", "", f"`{where}/states.py`", "", "```mermaid", "stateDiagram-v2"]
    lines += [f"    {status}: {label}" for status, label in machine.labels.items()]
    lines += [f"    {old} --> {step.target}: {step.label}" for step in machine.transitions for old in step.sources]
    lines += ["```", "", "| 从 | 做什么 | 到 | 谁 | 要写原因 |", "|---|---|---|---|---|"]
    lines += [_row(machine, step) for step in machine.transitions]
    return "\n".join([*lines, ""])


def _row(machine: Machine, step: Transition) -> str:
    sources = "、".join(machine.labels[old] for old in step.sources)
    who = PERMISSION_LABELS[step.permission] if step.permission else "本人或系统" if step.guard else "由规则定"
    reason = "是" if step.needs_reason else ""
    return f"| {sources} | {step.label}（`{step.name}`） | {machine.labels[step.target]} | {who} | {reason} |"


def ours() -> list[Machine]:
    """The application's own, when it has been made."""
    return [machine for machine in machines.values() if machine.model.__module__.startswith("portal.")]


def main() -> None:
    from portal import create_app

    create_app({"TESTING": True, "SECRET_KEY": "flows"})
    PAGE.write_text(text(ours()), encoding="utf-8")
    print(f"{len(ours())} flows in docs/{PAGE.name}")


if __name__ == "__main__":
    main()
