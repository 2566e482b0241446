"""Evaluations of the fixed town: asked, answered, called back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from portal.core import outbox
from portal.core.db import db
from portal.feedback import actions
from portal.feedback.actions import Ask
from portal.feedback.models import CallBack, Evaluation
from tests.factories import NOW, Town

Asked = Callable[..., Evaluation]


@pytest.fixture
def asked(session: Any, town: Town) -> Asked:
    """`asked(number=0, centre='A1', stars=2)`: one person asked about an occasion of its own, perhaps answered."""
    serial = itertools.count(1)

    def make(
        number: int = 0, centre: str = "A1", stars: int | None = None, group: str = "venue:1", now: datetime = NOW,
        title: str = "书法课", words: str = "",
    ) -> Evaluation:  # fmt: skip
        session.rollback()  # a read transaction left open could not write
        subject = next(serial)
        ask = Ask("test", subject, group, town.centres[centre].id, town.residents[number].id, None, title, "12月1日")
        assert actions.invite([ask], now) == 1
        row = session.scalars(select(Evaluation).where(Evaluation.subject_id == subject)).one()
        if stars is not None:
            actions.give(row.id, stars, now, words=words)
        session.commit()
        return row

    return make


@pytest.fixture
def low(session: Any, asked: Asked) -> Callable[..., CallBack]:
    """A call-back that waits at A1 (or another centre)."""

    def make(**values: Any) -> CallBack:
        row = asked(**({"stars": 1} | values))
        found: CallBack = session.scalars(select(CallBack).where(CallBack.evaluation_id == row.id)).one()
        session.commit()
        return found

    return make


def deliver(now: datetime = NOW) -> int:
    """Carry out what the outbox holds."""
    db.session.rollback()
    return outbox.run_due(now)
