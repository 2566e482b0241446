"""A child with limits does what strangers' files ask for (SPEC Q8)."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from portal.core import confined

pytestmark = pytest.mark.once
LARGE = 1024**3


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package beside the portal's own, found in its place."""
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "work.py").write_text(
        textwrap.dedent("""
        import os, sys

        def same(value): return value, "flask" in sys.modules, os.environ.get("SECRET_KEY")
        def refuse(): raise ValueError("不行")
        def spin():
            while True: pass
        def eat(): return len(bytearray(2 * 1024**3))
        def die(): os._exit(3)
    """)
    )
    script = tmp_path / "confined.py"
    script.write_text(
        Path(confined.__file__)
        .read_text()
        .replace("PORTAL = Path(__file__).resolve().parent.parent", f"PORTAL = Path({str(tmp_path)!r})")
    )
    monkeypatch.setattr(confined, "__file__", str(script))
    monkeypatch.setenv("SECRET_KEY", "secret")
    return "portal.core.work"


def test_it_answers_without_the_application_and_its_secrets(module: str) -> None:
    assert confined.call(module, "same", "王", seconds=5, memory=LARGE) == ("王", False, None)


def test_a_refusal_comes_back_as_it_was(module: str) -> None:
    with pytest.raises(ValueError, match="不行"):
        confined.call(module, "refuse", seconds=5, memory=LARGE)


@pytest.mark.parametrize("function", ["spin", "eat", "die"])
def test_what_takes_too_much_ends(module: str, function: str) -> None:
    with pytest.raises(confined.Exceeded):
        confined.call(module, function, seconds=1, memory=LARGE)


def test_it_reads_a_plan(monkeypatch: Any) -> None:
    from portal.core.tables.grid import Unreadable

    with pytest.raises(Unreadable, match="空的"):
        confined.call("portal.catalogue.excel.sheet", "read_plan", b"", "2026-12", seconds=5, memory=LARGE)
