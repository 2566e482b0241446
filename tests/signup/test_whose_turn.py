"""Sign-ups wait at the organiser's; an upper level hears of those that nobody decided a day before the start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from portal.signup import actions, registry


def test_pending_sign_ups_wait_at_the_organisers(session: Any, town: Any, make: Any, now: Any) -> None:
    start = now + timedelta(days=3)
    entry = make.entry(town.centres["A1"], [(start, start + timedelta(hours=1))], needs_review=True)
    actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    session.commit()
    own = registry.to_decide(town.actor("A1"), now)
    assert [w.count for w in own] == [1]
    assert registry.to_decide(town.actor("A"), now) == []
    late = start - timedelta(hours=20)
    assert [w.count for w in registry.to_decide(town.actor("A"), late)] == [1]
    assert registry.to_decide(town.actor("B"), late) == []
