"""On the 1st at 00:00 Shanghai everything approved is published, once, and what is not approved is not (SPEC C5)."""

from __future__ import annotations

import threading
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.catalogue.actions import publishing, reviewing
from portal.catalogue.models import APPROVED, IN_REVIEW, PUBLISHED, Entry, Issue
from portal.core import clock, outbox, scope, states
from portal.core.audit import AuditLog
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.notices.models import InboxMessage
from tests.catalogue.wording import MONTH, approved, at_subdistrict, span
from tests.factories import NOW, Town

FIRST = clock.at(date(2026, 12, 1), time())


def test_the_first_second_of_the_month(session: Any, town: Town) -> None:
    ready, waiting = approved(town), at_subdistrict(town, title="还在审")
    session.commit()
    assert publishing.publish_due(FIRST - timedelta(seconds=1)) == 0
    assert ready.status == APPROVED
    assert publishing.publish_due(FIRST) == 1
    session.expire_all()
    assert (ready.status, ready.published_at) == (PUBLISHED, FIRST)
    assert waiting.status == IN_REVIEW
    assert publishing.publish_due(FIRST + timedelta(minutes=1)) == 0


def test_approved_late_is_published_at_the_next_tick(session: Any, town: Town) -> None:
    entry = at_subdistrict(town, sessions=(span(20),))
    session.commit()
    publishing.publish_due(FIRST)
    later = FIRST + timedelta(days=3)
    reviewing.approve(town.actor("D"), entry, later)
    session.commit()
    assert publishing.publish_due(later) == 1


def test_publishing_marks_issues_and_tells_each_centre_once(session: Any, town: Town) -> None:
    entries = [approved(town, title=f"活动{n}") for n in range(3)]
    session.commit()
    versions = [e.version for e in entries]
    publishing.publish_due(FIRST)
    session.expire_all()
    assert [e.version for e in entries] == [v + 1 for v in versions]
    issue = session.scalars(select(Issue).where(Issue.centre_id == town.centres["A1"].id)).one()
    assert (issue.month, issue.published_at) == (MONTH, FIRST)
    session.commit()
    outbox.run_due(FIRST)
    found = session.scalars(select(InboxMessage).where(InboxMessage.title == "12月清单已发布")).all()
    assert {m.person_id for m in found} == {town.staff["A1"].id, town.staff["A1-OP"].id}
    assert "3 条服务已发布" in found[0].body
    assert outbox.oldest_waiting(FIRST)[0] == 0


def test_by_hand_only_the_district(session: Any, town: Town) -> None:
    entry = approved(town)
    for who in ("A1", "A", "D-LOOK", "ZFB"):
        with pytest.raises(NotAllowed):
            publishing.publish_month(MONTH, NOW, town.actor(who), force=True)
    with pytest.raises(publishing.TooEarly, match="12月1日 0:00 自动发布"):
        publishing.publish_month(MONTH, NOW, town.actor("D"))
    assert publishing.publish_month(MONTH, NOW, town.actor("D"), force=True) == 1
    assert entry.status == PUBLISHED
    assert publishing.publish_month(MONTH, NOW, town.actor("D"), force=True) == 0


def test_a_later_month_waits_for_its_own_first(session: Any, town: Town) -> None:
    december = approved(town)
    january = approved(town, month="2027-01", sessions=(span(5, month="2027-01"),))
    session.commit()
    publishing.publish_due(FIRST)
    session.expire_all()
    assert (december.status, january.status) == (PUBLISHED, APPROVED)


def test_many_rows_in_batches(session: Any, town: Town, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "BATCH", 4)
    for number in range(10):
        make.entry(town.centres["A1"], title=f"活动{number}", status="approved")
    assert publishing.publish_due(FIRST) == 10
    batches = select(outbox.Outbox.payload).where(outbox.Outbox.topic == "entry.published")
    assert sorted(len(p["ids"]) for p in session.scalars(batches)) == [2, 4, 4]


@pytest.mark.own_database
def test_two_schedulers(app: Flask, session: Any, town: Town, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both wake on the 1st; every row is published once, has one history line and is told once."""
    monkeypatch.setattr(publishing, "BATCH", 7)
    ids = [make.entry(town.centres[c], status="approved").id for c in ("A1", "A2", "B1") for _ in range(9)]
    session.remove()
    barrier, counts, errors = threading.Barrier(2), list[int](), list[BaseException]()

    def scheduler() -> None:
        with app.app_context():
            try:
                barrier.wait(120)
                counts.append(publishing.publish_due(FIRST))
            except BaseException as error:
                errors.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=scheduler) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    publishing.publish_due(FIRST)  # whoever lost a batch to the other comes back at the next tick
    with scope.system("check"):
        assert {e.status for e in db.session.scalars(select(Entry).where(Entry.id.in_(ids)))} == {PUBLISHED}
        lines = db.session.scalars(select(states.StateHistory.object_id).where(states.StateHistory.name == "publish"))
        assert sorted(lines) == sorted(ids)
        told = db.session.scalars(select(outbox.Outbox.payload).where(outbox.Outbox.topic == "entry.published"))
        assert sorted(i for payload in told for i in payload["ids"]) == sorted(ids)
    assert sum(counts) <= len(ids)


def test_the_days_before_an_empty_month_cost_nothing(session: Any, town: Town) -> None:
    assert publishing.publish_due(datetime(2027, 3, 1, tzinfo=NOW.tzinfo)) == 0


def test_by_hand_in_batches_and_what_stops_in_between_is_whole(
    session: Any, town: Town, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first batch is published, noted and told; pressed again, the rest goes out, nothing twice."""
    monkeypatch.setattr(publishing, "BATCH", 4)
    ids = [make.entry(town.centres["A1"], title=f"活动{n}", status="approved").id for n in range(10)]
    session.commit()
    after, batches = publishing._after_publication, list[int]()

    def stops(actor: Any, entries: Any, reason: str, now: datetime) -> None:
        batches.append(len(entries))
        if len(batches) == 2:
            raise RuntimeError("the power goes")
        after(actor, entries, reason, now)

    monkeypatch.setattr(publishing, "_after_publication", stops)
    with pytest.raises(RuntimeError):
        publishing.publish_in_batches(MONTH, NOW, town.actor("D"), force=True, reason="台风前")
    session.rollback()
    published = select(Entry.id).where(Entry.status == PUBLISHED).order_by(Entry.id)
    assert list(session.scalars(published)) == ids[:4]
    assert publishing.publish_in_batches(MONTH, NOW, town.actor("D"), force=True, reason="台风前") == 6
    session.rollback()
    assert list(session.scalars(published)) == ids
    lines = select(states.StateHistory.object_id).where(states.StateHistory.name == "publish")
    assert sorted(session.scalars(lines)) == ids
    told = session.scalars(select(outbox.Outbox.payload).where(outbox.Outbox.topic == "entry.published"))
    assert sorted(i for payload in told for i in payload["ids"]) == ids
    noted = session.scalars(select(AuditLog.summary).where(AuditLog.verb == "publish_early")).all()
    assert [words.split("发布 ")[1] for words in noted] == ["4 条：台风前", "4 条：台风前", "2 条：台风前"]


def test_a_batch_is_a_fixed_number_of_statements(session: Any, town: Town, make: Any, count_queries: Any) -> None:
    def cost(rows: int) -> int:
        for number in range(rows):
            make.entry(town.centres["A1"], title=f"活动{rows}.{number}", status="approved")
        session.commit()
        with count_queries() as seen:
            assert publishing.publish_month(MONTH, NOW, town.actor("D"), force=True) == rows
        session.commit()
        return len([s for s in seen if not s.startswith(("BEGIN", "PRAGMA"))])

    assert cost(3) == cost(40) <= 13
