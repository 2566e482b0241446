"""Sign-ups wait at the organiser's; an upper level hears of those that nobody decided a day before the start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from portal.core.registry import waiting_lines
from portal.signup import actions, registry


def test_pending_sign_ups_wait_at_the_organisers(session: Any, town: Any, make: Any, now: Any) -> None:
    start = now + timedelta(days=3)
    entry = make.entry(town.centres["A1"], [(start, start + timedelta(hours=1))], needs_review=True)
    actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    session.commit()
    own = waiting_lines(town.actor("A1"), now, registry.to_decide)
    assert [w.count for w in own] == [1]
    assert waiting_lines(town.actor("A"), now, registry.to_decide) == []
    late = start - timedelta(hours=20)
    assert [w.count for w in waiting_lines(town.actor("A"), late, registry.to_decide)] == [1]
    assert waiting_lines(town.actor("B"), late, registry.to_decide) == []
