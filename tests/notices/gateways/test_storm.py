"""Killed while it sends, and nothing is lost or told twice: the small version of `make storm` (SPEC M1, M2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notices.gateways import providers, storm

# A database file of its own, whichever the suite runs on: what is killed is a process of its own too.
pytestmark = [pytest.mark.once, pytest.mark.slow]


def test_killed_with_errors_and_unknown_outcomes(tmp_path: Path) -> None:
    with providers.running("aliyun") as provider:
        provider.judge, provider.delay = storm.judge("aliyun", 7), 0.01
        found = storm.Storm(tmp_path, f"sqlite:///{tmp_path}/storm.db", provider, 100).run(kills=2, seed=7)
    assert found.lost() == 0 and found.inbox_twice == 0
    assert found.holds(most_doubles=1), found


def test_a_provider_that_knows_nothing_gets_what_is_in_doubt_twice(tmp_path: Path) -> None:
    """The control: were nobody asked, each unknown outcome would be one text too many."""
    with providers.running("tencent") as provider:
        provider.answers, provider.forgets = [providers.SILENT] * 2, True
        found = storm.Storm(tmp_path, f"sqlite:///{tmp_path}/storm.db", provider, 20).run(kills=0, seed=1)
    assert found.doubles == 2 and not found.holds(most_doubles=1)
