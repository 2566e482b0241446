"""Side effects are rows of the same transaction (SPEC M1; DESIGN habit 8).

`put` writes a row with a unique key; after the commit a doorbell wakes the worker, and a sweeper every 30 s picks up
what the doorbell missed. A handler's database effects and its 'done' mark commit together: a crash repeats the whole,
never half, so nothing is lost and nothing is told twice.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import structlog
from sqlalchemy import JSON, ColumnElement, CursorResult, Index, String, Table, Text, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from portal.core import logs, scope
from portal.core.db import Base, UTCDateTime, after_commit, db, hit, is_sqlite, make_way, writing

log = structlog.get_logger()

Handler = Callable[[dict[str, Any], datetime], None]
HandlerOfMany = Callable[[list[dict[str, Any]], datetime], None]
RETRY_MINUTES = (1, 2, 5, 15, 60, 240)

_handlers: dict[str, Handler] = {}
_handlers_of_many: dict[str, tuple[HandlerOfMany, int]] = {}
_doorbell: list[Callable[[], None]] = []


class Outbox(Base):
    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_due", "due_at", "id",
            sqlite_where=db.text("done_at IS NULL"), postgresql_where=db.text("done_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(String(60))
    key: Mapped[str] = mapped_column(String(120), unique=True)
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")


def insert_once(model: type[Any], rows: list[dict[str, Any]]) -> int:
    """Insert rows of the same columns, skipping those whose unique key is already there. Returns how many were new.

    One statement: without an ORM object for each and without a text that grows with the rows.
    """
    if not rows:
        return 0
    insert = _insertion(model.__table__, (sqlite if is_sqlite() else postgresql).insert)
    # Without the option PostgreSQL's driver answers -1.
    done = db.session.execute(insert, rows, execution_options={"preserve_rowcount": True})
    db.session.info["written"] = True
    assert isinstance(done, CursorResult)
    return done.rowcount


@cache
def _insertion(table: Table, insert: Callable[[Table], Any]) -> Any:
    return insert(table).on_conflict_do_nothing()


def put(topic: str, key: str, payload: dict[str, Any], now: datetime, due_at: datetime | None = None) -> None:
    """Write one effect; a second one with the same key is the same effect and is dropped.

    payload: ids and plain values only, never secrets or personal data. due_at: not before this moment.
    """
    insert_once(Outbox, [_row(topic, key, payload, now, due_at or now)])
    if due_at is None or due_at <= now:
        wake()


def put_many(topic: str, wanted: Mapping[str, dict[str, Any]], now: datetime) -> None:
    """Write many effects of one kind (key -> payload) as `put` does, in one statement for 500."""
    insert_once(Outbox, [_row(topic, key, payload, now, now) for key, payload in wanted.items()])
    wake()


def _row(topic: str, key: str, payload: dict[str, Any], now: datetime, due_at: datetime) -> dict[str, Any]:
    return {
        "topic": topic, "key": f"{topic}:{key}", "payload": payload, "created_at": now,
        "due_at": due_at, "attempts": 0, "last_error": "",
    }  # fmt: skip


def put_new(topic: str, wanted: Mapping[str, dict[str, Any]], now: datetime) -> int:
    """Write those effects (key -> payload) that are not there yet; returns how many. For what is due at a tick.

    One transaction of its own, after this one is rolled back; usually nothing is new, and then nothing is written.
    """
    keys = [f"{topic}:{key}" for key in wanted]
    there: set[str] = set()
    for start in range(0, len(keys), 500):
        there.update(db.session.scalars(select(Outbox.key).where(Outbox.key.in_(keys[start : start + 500]))))
    new = [key for key in wanted if f"{topic}:{key}" not in there]
    db.session.rollback()
    if new:
        with writing():
            for key in new:
                put(topic, key, wanted[key], now)
    return len(new)


def wake() -> None:
    """Ring the doorbell once after this session's commit."""
    if _ring not in db.session.info.get("after_commit", ()):
        after_commit(_ring)


def _ring() -> None:
    for bell in _doorbell:
        bell()


def on_commit_ring(bell: Callable[[], None]) -> None:
    """Install the doorbell (jobs queue); it must never raise: the sweeper is the safety net."""
    _doorbell[:] = [bell]


def handler(topic: str) -> Callable[[Handler], Handler]:
    """Register the function that carries out effects of `topic`. It may be called again after a crash."""

    def register(function: Handler) -> Handler:
        if _handlers.get(topic, function) is not function and _handlers[topic].__module__ != function.__module__:
            raise RuntimeError(f"two handlers for {topic}")
        _handlers[topic] = function
        return function

    return register


def is_due(model: type[Any], now: datetime) -> ColumnElement[bool]:
    """Whether a row's time has come. What was meant for at once is due whatever the clock says: it may have been set
    back since then."""
    return or_(model.due_at <= now, model.due_at == model.created_at)


def handler_of_many(topic: str, most: int) -> Callable[[HandlerOfMany], HandlerOfMany]:
    """As `handler`, for effects that come in thousands: it is given up to `most` payloads, in one transaction.

    When one of them fails, each is carried out and repeated alone.
    """

    def register(function: HandlerOfMany) -> HandlerOfMany:
        _handlers_of_many[topic] = function, most
        handler(topic)(lambda payload, now: function([payload], now))
        return function

    return register


def due_ids(now: datetime, limit: int = 200) -> list[int]:
    """Effects whose time has come, the longest due first, at most `limit`."""
    waiting = select(Outbox.id).where(Outbox.done_at.is_(None), is_due(Outbox, now))
    return list(db.session.scalars(waiting.order_by(Outbox.due_at, Outbox.id).limit(limit)))


def run_one(outbox_id: int, now: datetime) -> bool:
    """Carry out one effect in one transaction. Returns whether it was done here and now."""
    try:
        with writing(), scope.system("outbox"):
            # The mark comes first: it locks the row, so a second worker waits and then finds it done.
            mark = update(Outbox).where(Outbox.id == outbox_id, Outbox.done_at.is_(None)).values(done_at=now)
            if hit(mark) != 1:
                return False
            row = db.session.get_one(Outbox, outbox_id)
            function = _handlers.get(row.topic)
            if function is None:
                raise LookupError(f"no handler for {row.topic}")
            function(row.payload, now)
    except Exception as error:
        log.exception("outbox effect failed", outbox_id=outbox_id)
        _postpone(outbox_id, now, error)
        return False
    return True


def _run_many(ids: list[int], function: HandlerOfMany, now: datetime) -> int:
    """Carry out effects of one topic together; those that somebody else has done are left out."""
    try:
        with writing(), scope.system("outbox"):
            mark = update(Outbox).where(Outbox.id.in_(ids), Outbox.done_at.is_(None)).values(done_at=now)
            ours = list(db.session.scalars(mark.returning(Outbox.id), execution_options={"synchronize_session": False}))
            payloads = list(db.session.scalars(select(Outbox.payload).where(Outbox.id.in_(ours)).order_by(Outbox.id)))
            if payloads:
                function(payloads, now)
    except Exception:
        log.exception("outbox effects failed together, trying each", topic_ids=ids[:5])
        return sum(run_one(number, now) for number in ids)
    return len(payloads)


def _postpone(outbox_id: int, now: datetime, error: Exception) -> None:
    with writing():
        row = db.session.get_one(Outbox, outbox_id)
        wait = RETRY_MINUTES[min(row.attempts, len(RETRY_MINUTES) - 1)]
        row.attempts += 1
        row.last_error = logs.impersonal(repr(error))[:500]
        row.due_at = now + timedelta(minutes=wait)


def run_due(now: datetime, limit: int = 1000) -> int:
    """Carry out everything that is due, in batches. Returns how many effects were done."""
    done, seen = 0, set[int]()
    while len(seen) < limit:
        batch = [i for i in due_ids(now) if i not in seen]
        db.session.rollback()
        if not batch:
            break
        seen.update(batch)
        done += _run_batch(batch, now)
    return done


def _run_batch(batch: list[int], now: datetime) -> int:
    topics = dict(db.session.execute(select(Outbox.id, Outbox.topic).where(Outbox.id.in_(batch))).all())
    db.session.rollback()
    done, together = 0, dict[str, list[int]]()
    for number in batch:
        topic = topics.get(number, "")
        if topic not in _handlers_of_many:
            done += run_one(number, now)
            make_way()
            continue
        function, most = _handlers_of_many[topic]
        waiting = together.setdefault(topic, [])
        waiting.append(number)
        if len(waiting) >= most:
            done += _run_many(together.pop(topic), function, now)
            make_way()
    for topic, rest in together.items():
        done += _run_many(rest, _handlers_of_many[topic][0], now)
        make_way()
    return done


def oldest_waiting(now: datetime) -> tuple[int, float]:
    """How many effects are due and the age of the oldest in seconds (for /readyz and /metrics)."""
    waiting = select(func.count(), func.min(Outbox.due_at)).where(Outbox.done_at.is_(None), Outbox.due_at <= now)
    count, oldest = db.session.execute(waiting).one()
    return count, (now - oldest).total_seconds() if oldest else 0.0
