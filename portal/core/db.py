"""Database: one session a request, one commit a request, write locks taken at the start.

SQLite: WAL, and BEGIN IMMEDIATE wherever writing is intended; a deferred transaction that upgrades to write fails at
once despite the busy timeout (shared trials: 384-405 of 500 concurrent sign-ups). PostgreSQL: READ COMMITTED with row
locks taken in the actions.
"""

import os
import select
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import psycopg
from flask import Flask, Response, current_app, g, has_request_context, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    JSON,
    Connection,
    CursorResult,
    DateTime,
    Dialect,
    Engine,
    Executable,
    MetaData,
    UpdateBase,
    event,
    func,
    literal_column,
)
from sqlalchemy.exc import DisconnectionError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from portal.core.writers_queue import QUEUE_SECONDS, Turn, WritersQueue

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
LONE_READ = "lone_read"  # execution option: one statement that needs no transaction around it
SIDE_SECONDS = 0.2  # a small write that may be lost waits no longer
LOOK_MILLISECONDS = 8  # SQLite looks after 1, 3 and 8 ms, then we ask it again
WAY_SECONDS = 0.015  # long enough for others to look twice
WORK_SECONDS = 0.03  # after so much writing others get their turn
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


class UTCDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes on both databases; a naive one is a programming error and refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime: pass an aware one")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


db = SQLAlchemy(model_class=Base)

# Whether the transaction that is about to begin means to write; decides BEGIN or BEGIN IMMEDIATE on SQLite.
_write_intent: ContextVar[bool] = ContextVar("write_intent", default=False)


# Who of this process's threads may ask SQLite for its write lock; each holds at most one turn.
_writers = WritersQueue()
_mine = threading.local()
_side_write: ContextVar[bool] = ContextVar("side_write", default=False)
TURN = "turn"  # in what the pool remembers of a connection


@contextmanager
def writing() -> Iterator[None]:
    """Transactions begun inside take SQLite's write lock at once. Commits at the end, rolls back on an error."""
    db.session.rollback()  # a read transaction left open could not be upgraded
    token = _write_intent.set(True)
    try:
        yield
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    finally:
        _write_intent.reset(token)


def make_way() -> None:
    """Between two transactions of one long work: writers of other processes get SQLite's lock.

    They wait by looking again, so a work that takes it anew within a millisecond would keep them out to its end.
    Returns at once on PostgreSQL, and while this thread has worked for less than `WORK_SECONDS`.
    """
    if is_sqlite() and time.monotonic() - getattr(_mine, "made_way", 0.0) > WORK_SECONDS:
        time.sleep(WAY_SECONDS)
        _mine.made_way = time.monotonic()


def side_write(statement: Executable) -> None:
    """One small write beside this request's transaction, for what may be lost (when somebody was last seen).

    Waits at most 0.2 s for SQLite's write lock and gives up silently: a page never fails because of it.
    Must not be called while this request itself holds the write lock.
    """
    token, side_token = _write_intent.set(True), _side_write.set(True)
    try:
        with db.engine.connect() as connection, connection.begin():
            connection.execute(statement)
    except SQLAlchemyError:
        return
    finally:
        _side_write.reset(side_token)
        _write_intent.reset(token)


@contextmanager
def apart() -> Iterator[None]:
    """Reads inside see what has been committed by now, in a session of their own.

    For what a process keeps for everybody: this request's transaction may have begun earlier, or have written what it
    takes back again. Read only; objects of the inner session end with it.
    """
    token = _write_intent.set(False)
    try:
        with current_app.app_context():  # sessions belong to the app context
            yield
    finally:
        _write_intent.reset(token)


def keep_on_refusal() -> None:
    """Commit this request even though it is refused (a failed login must be counted)."""
    g.keep_on_refusal = True


def let_go() -> None:
    """Before work that takes long in a request that has written nothing yet: on SQLite its transaction is the lock of
    all writers, and locks of rows go with it. What is read afterwards begins a new one: look, lock and write after it.

    Commands, which nobody waits for, keep theirs. Raises RuntimeError when something was written: it would be lost.
    """
    if not has_request_context():
        return
    if db.session.new or db.session.dirty or db.session.deleted or db.session.info.get("written"):
        raise RuntimeError("something has been written already")
    db.session.rollback()


def give_up() -> None:
    """This request is refused: nothing of it is kept, and what its page still reads holds up no other writer."""
    db.session.rollback()
    _write_intent.set(False)  # until the request's own value is put back at its end


def empty_log(wait: int = 200) -> bool:
    """Move SQLite's write-ahead log into the database and cut it: it keeps pages as they were before an erasure.

    wait: milliseconds for readers to end. Outside of any transaction of one's own. Returns whether the log is empty;
    PostgreSQL has none that we could cut.
    """
    if not is_sqlite():
        return True
    with db.engine.connect().execution_options(**{LONE_READ: True}) as connection:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={wait}")
        try:
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        finally:
            connection.exec_driver_sql("PRAGMA busy_timeout=15000")
    return bool(busy == 0)


def rebuild() -> bool:
    """Write the database anew (VACUUM), so that nothing deleted is left in free pages, also from before we overwrote
    them. Minutes for a large one, and nobody may hold a transaction. Returns whether it was possible.
    """
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT", **{LONE_READ: True}) as connection:
        try:
            connection.exec_driver_sql("VACUUM")
        except OperationalError:
            return False
    return empty_log()


def is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL",
            f"busy_timeout={QUEUE_SECONDS * 1000:.0f}",
            "cache_size=-32768", "mmap_size=268435456", "temp_store=MEMORY",
            "secure_delete=ON",  # what is deleted is overwritten: an erased person stays in no free page
        ):  # fmt: skip
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(LONE_READ):
            return
        if not _write_intent.get():
            connection.exec_driver_sql("BEGIN")
            return
        turn = _take_turn(connection)
        try:
            _begin_to_write(connection)
        except BaseException:
            turn.end()
            raise

    @event.listens_for(engine, "checkin")
    def given_back(_connection: Any, record: Any) -> None:
        """However a transaction ended, its connection comes back to the pool."""
        turn = record.record_info.pop(TURN, None)
        if turn is not None:
            turn.end()


def _begin_to_write(connection: Connection) -> None:
    """Take SQLite's write lock. Other processes hold it for milliseconds at a time, and SQLite's own waiting looks for
    it every 25, then 50, then 100 ms, so that somebody who came later often has it: this looks every few milliseconds.

    Raises OperationalError, as SQLite does, when it takes too long.
    """
    raw: Any = connection.connection.dbapi_connection
    patience = time.monotonic() + (SIDE_SECONDS if _side_write.get() else QUEUE_SECONDS)
    raw.execute(f"PRAGMA busy_timeout={LOOK_MILLISECONDS}")
    try:
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                    raise OperationalError("BEGIN IMMEDIATE", {}, error) from error
    finally:
        raw.execute(f"PRAGMA busy_timeout={QUEUE_SECONDS * 1000:.0f}")


def _take_turn(connection: Connection) -> Turn:
    """Stand in line for SQLite's write lock. Raises OperationalError, as SQLite does, when it takes too long."""
    info = connection.connection.record_info
    assert info is not None  # None for a connection that was taken out of its pool; we never do
    held = info.pop(TURN, None)
    if held is not None:
        held.end()  # of this connection's transaction before
    turn = _writers.turn(SIDE_SECONDS if _side_write.get() else QUEUE_SECONDS)
    if turn is None:
        raise OperationalError("BEGIN IMMEDIATE", {}, sqlite3.OperationalError("database is locked"))
    info[TURN] = _mine.turn = turn
    return turn


def _end_my_turn() -> None:
    """The transaction of this thread's session is over; what follows (a doorbell, drawing a page) holds up nobody."""
    turn: Turn | None = getattr(_mine, "turn", None)
    if turn is not None and _write_intent.get():  # not that of a session that only reads beside it (`apart`)
        _mine.turn = None
        turn.end()


def in_reading_request() -> bool:
    """Whether a page is being read, so that this request writes nothing."""
    return has_request_context() and request.method in READ_METHODS and "write_token" in g


def _before_request() -> None:
    g.write_token = _write_intent.set(request.method not in READ_METHODS)


def _commit(response: Response) -> Response:
    if request.method in READ_METHODS:
        return response
    if response.status_code < 400 or g.get("keep_on_refusal"):
        db.session.commit()
    else:
        db.session.rollback()
    return response


def _teardown(_error: BaseException | None) -> None:
    token = g.pop("write_token", None)
    if token is not None:
        try:
            _write_intent.reset(token)
        except ValueError:  # torn down in another context (streamed response, test client)
            _write_intent.set(False)


def _still_there(connection: Any, _record: object, _proxy: object) -> None:
    """A server that is gone has closed the socket, or said so; to ask each time costs every request a round trip.

    Where there is something to read it is asked, and when it does not answer the pool opens another connection.
    """
    if not connection.closed:
        waits = select.poll()
        waits.register(connection.fileno(), select.POLLIN)
        if not waits.poll(0):
            return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error


def init_app(app: Flask) -> None:
    """Bind the database to the app and install commit-once, SQLite begin, and fork safety."""
    uri = app.config["SQLALCHEMY_DATABASE_URI"]
    if uri.startswith("sqlite"):
        options: dict[str, Any] = {"connect_args": {"timeout": QUEUE_SECONDS, "check_same_thread": False}}
    else:
        # Compiling a statement of many small parts (what waits for somebody) costs PostgreSQL 300 ms, running it 15.
        options = {"pool_size": 5, "max_overflow": 5, "connect_args": {"options": "-c jit=off"}}
    app.config.setdefault("SQLALCHEMY_ENGINE_OPTIONS", options)
    options["hide_parameters"] = True  # errors go into logs; what was to be written may be somebody's
    db.init_app(app)
    with app.app_context():
        engine = db.engine
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        event.listen(engine, "checkout", _still_there)
    # RQ's work horse and gunicorn fork: a connection must never be shared by two processes.
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    app.before_request(_before_request)
    app.after_request(_commit)
    app.teardown_request(_teardown)


def hit(statement: UpdateBase, **options: Any) -> int:
    """Carry out an UPDATE, DELETE or INSERT; returns how many rows it changed. options: execution options."""
    result = db.session.execute(statement, execution_options=options)
    db.session.info["written"] = True
    assert isinstance(result, CursorResult)
    return result.rowcount


def packed(**columns: Any) -> Any:
    """One JSON object of these columns, so that rows of quite different tables stand in one UNION ALL.

    Moments in it are text; `moment` reads them.
    """
    named: list[Any] = []
    for name, column in columns.items():
        named += [literal_column(f"'{name}'"), column]
    return func.json_object(*named, type_=JSON) if is_sqlite() else func.json_build_object(*named, type_=JSON)


def moment(text: str | None) -> datetime | None:
    """A moment of a `packed` row as aware UTC."""
    value = datetime.fromisoformat(text) if text else None
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def after_commit(action: Callable[[], None]) -> None:
    """Run `action` once this session's transaction has been committed; dropped on rollback."""
    db.session.info.setdefault("after_commit", []).append(action)


@event.listens_for(Session, "after_flush")
def _has_written(session: Session, _context: object) -> None:
    session.info["written"] = True


@event.listens_for(Session, "after_commit")
def _run_after_commit(session: Session) -> None:
    _end_my_turn()
    session.info.pop("written", None)
    for action in session.info.pop("after_commit", ()):
        action()


@event.listens_for(Session, "after_rollback")
def _drop_after_commit(session: Session) -> None:
    _end_my_turn()
    session.info.pop("after_commit", None)
    session.info.pop("written", None)
