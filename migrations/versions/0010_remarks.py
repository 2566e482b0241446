"""Nothing of a resident stands in append-only lines: names are looked up, words about people are remarks (SPEC P8).

Old lines are mended while the triggers are lifted, and the audit log's chain is computed anew over the mended lines: a
line that held before holds again, one that did not hold still does not. A last line says that this was done, how many
lines were changed and what the head of the chain was before.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

PERSONAL = ("sign_up", "booking", "call_back", "case_file", "handover")
LIFTED = ("audit_log", "state_history")
SAID = "居民姓名和有关说明移出历史记录，记录链重新计算"
BLANKED = (
    "NEW.words = '' AND NEW.salt = '' AND NEW.id = OLD.id AND NEW.object_type = OLD.object_type "
    "AND NEW.object_id = OLD.object_id"
)
remark = sa.table(
    "remark", sa.column("id", sa.Integer), sa.column("object_type", sa.String), sa.column("object_id", sa.Integer),
    sa.column("words", sa.Text), sa.column("salt", sa.String),
)  # fmt: skip
history = sa.table(
    "state_history", sa.column("id", sa.Integer), sa.column("object_type", sa.String), sa.column("name", sa.String),
    sa.column("details", sa.JSON),
)  # fmt: skip
log = sa.table(
    "audit_log", sa.column("id", sa.Integer), sa.column("at", sa.DateTime(timezone=True)),
    sa.column("actor_kind", sa.String), sa.column("actor_id", sa.Integer), sa.column("actor_name", sa.String),
    sa.column("centre_id", sa.Integer), sa.column("centre_path", sa.String), sa.column("address", sa.String),
    sa.column("verb", sa.String), sa.column("object_type", sa.String), sa.column("object_id", sa.Integer),
    sa.column("summary", sa.String), sa.column("before", sa.JSON), sa.column("after", sa.JSON),
    sa.column("previous", sa.String), sa.column("hash", sa.String),
)  # fmt: skip
Line = dict[str, Any]


def upgrade() -> None:
    bind = op.get_bind()
    op.create_table(
        "remark",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("object_type", sa.String(40), nullable=False),
        sa.Column("object_id", sa.Integer(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
    )
    op.create_index("ix_remark_object", "remark", ["object_type", "object_id"])
    op.add_column("state_history", sa.Column("remark_id", sa.Integer(), nullable=True))
    op.add_column("attachment", sa.Column("resident_id", sa.Integer(), nullable=True))
    op.create_index("ix_attachment_resident_id", "attachment", ["resident_id"])
    _lift(bind)
    _mend_histories(bind)
    lines, head = _rewrite(bind, _mended)
    if lines:
        _say_so(bind, lines, head)
    _protect(bind)
    _protect_remarks(bind)


def downgrade() -> None:
    bind = op.get_bind()
    _lift(bind)
    bind.exec_driver_sql(
        "UPDATE state_history SET reason = (SELECT words FROM remark WHERE remark.id = state_history.remark_id) "
        "WHERE remark_id IS NOT NULL"
    )
    bind.exec_driver_sql(
        "UPDATE state_history SET actor_name = COALESCE((SELECT name FROM resident WHERE "
        "resident.id = state_history.actor_id), '') WHERE actor_kind = 'resident'"
    )
    _rewrite(bind, _as_it_was)
    op.drop_column("state_history", "remark_id")
    _protect(bind)
    op.drop_index("ix_attachment_resident_id", "attachment")
    op.drop_column("attachment", "resident_id")
    op.drop_table("remark")


# Triggers -------------------------------------------------------------------------------------------------------------


def _lift(bind: Connection) -> None:
    for table in LIFTED:
        if bind.dialect.name == "postgresql":
            bind.exec_driver_sql(f"DROP TRIGGER {table}_append_only ON {table}")
            continue
        for verb in ("UPDATE", "DELETE"):
            bind.exec_driver_sql(f"DROP TRIGGER {table}_no_{verb}")


def _protect(bind: Connection) -> None:
    for table in LIFTED:
        if bind.dialect.name == "postgresql":
            _refuse(bind, f"{table}_append_only", "UPDATE OR DELETE OR TRUNCATE", table)
            continue
        for verb in ("UPDATE", "DELETE"):
            _refuse(bind, f"{table}_no_{verb}", verb, table)


def _protect_remarks(bind: Connection) -> None:
    """A remark may be blanked, and nothing else."""
    if bind.dialect.name == "postgresql":
        _refuse(bind, "remark_append_only", "DELETE OR TRUNCATE", "remark")
        bind.exec_driver_sql(
            "CREATE TRIGGER remark_only_blanked BEFORE UPDATE ON remark FOR EACH ROW "
            f"WHEN (NOT ({BLANKED})) EXECUTE FUNCTION refuse_change()"
        )
        return
    _refuse(bind, "remark_no_DELETE", "DELETE", "remark")
    _refuse(bind, "remark_only_blanked", "UPDATE", "remark", f"WHEN NOT ({BLANKED})")


def _refuse(bind: Connection, name: str, verbs: str, table: str, when: str = "") -> None:
    done = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    if bind.dialect.name == "postgresql":
        done = "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    bind.exec_driver_sql(f"CREATE TRIGGER {name} BEFORE {verbs} ON {table} {when} {done}")


# Histories ------------------------------------------------------------------------------------------------------------


def _mend_histories(bind: Connection) -> None:
    """The remark of a line gets the line's own number: the table is empty so far."""
    postgresql = bind.dialect.name == "postgresql"
    salt = "replace(gen_random_uuid()::text, '-', '')" if postgresql else "lower(hex(randomblob(16)))"
    which = f"reason <> '' AND object_type IN {PERSONAL!r}"
    bind.exec_driver_sql(
        "INSERT INTO remark (id, object_type, object_id, words, salt) "
        f"SELECT id, object_type, object_id, reason, {salt} FROM state_history WHERE {which}"
    )
    bind.exec_driver_sql(f"UPDATE state_history SET remark_id = id, reason = '' WHERE {which}")
    bind.exec_driver_sql("UPDATE state_history SET actor_name = '' WHERE actor_kind = 'resident'")
    again = sa.select(history.c.id, history.c.details).where(
        history.c.object_type == "call_back", history.c.name == "reopen"
    )
    for row in bind.execute(again).all():
        details = {name: value for name, value in (row.details or {}).items() if name != "words"}
        bind.execute(history.update().where(history.c.id == row.id).values(details=details))
    if postgresql:
        bind.exec_driver_sql(
            "SELECT setval(pg_get_serial_sequence('remark', 'id'), COALESCE(max(id), 0) + 1) FROM remark"
        )


# The audit log --------------------------------------------------------------------------------------------------------


def _mended(bind: Connection, line: Line) -> Line:
    """What changes in a line: words about a person go into a remark, titles of bookings and notes go."""
    new: Line = {"actor_name": ""} if line["actor_kind"] == "resident" else {}
    summary, after = line["summary"], line["after"]
    if line["verb"] == "unmask":
        new["summary"] = re.sub(r"(场地预约 #\d+).*", r"\1", summary, flags=re.DOTALL)
    elif line["object_type"] in PERSONAL and summary and line["verb"] != "call_back.close":
        salt = secrets.token_hex(16)
        words = {"object_type": line["object_type"], "object_id": line["object_id"] or 0, "words": summary}
        made = bind.execute(remark.insert().values(**words, salt=salt).returning(remark.c.id)).scalar_one()
        seal = hashlib.sha256(f"{salt}{summary}".encode()).hexdigest()
        new |= {"summary": "", "after": (after or {}) | {"remark": made, "seal": seal}}
    elif line["object_type"] == "venue_note":
        new["summary"] = summary.partition("：")[0] if line["verb"] == "venue.note" else ""
    return new


def _as_it_was(bind: Connection, line: Line) -> Line:
    after = line["after"]
    if not after or "remark" not in after:
        return {}
    words = bind.execute(sa.select(remark.c.words).where(remark.c.id == after["remark"])).scalar()
    kept = {name: value for name, value in after.items() if name not in ("remark", "seal")}
    return {"summary": (words or "")[:300], "after": kept or None}


def _rewrite(bind: Connection, change: Callable[[Connection, Line], Line]) -> tuple[int, str]:
    """Change lines and chain them anew. How many were changed, and the old head."""
    changed, old_head, new_head = 0, None, ""
    for line in _lines(bind):
        held = _digest(line) == line["hash"] and old_head in (None, line["previous"])
        different = {name: value for name, value in change(bind, line).items() if value != line[name]}
        changed += bool(different)
        new = line | different
        if held:
            new["previous"] = line["previous"] if old_head is None else new_head
            new["hash"] = _digest(new)
        old_head, new_head = line["hash"], new["hash"]
        values = {name: value for name, value in new.items() if value != line[name]}
        if values:
            bind.execute(log.update().where(log.c.id == line["id"]).values(**values))
    return changed, old_head or ""


def _lines(bind: Connection) -> Iterator[Line]:
    last = 0
    while rows := bind.execute(sa.select(log).where(log.c.id > last).order_by(log.c.id).limit(1000)).all():
        for row in rows:
            yield dict(row._mapping)
        last = rows[-1].id


def _digest(line: Line) -> str:
    """As the chain was computed up to here."""
    at = line["at"].replace(tzinfo=UTC) if line["at"].tzinfo is None else line["at"].astimezone(UTC)
    named = (
        "actor_kind", "actor_id", "actor_name", "centre_id", "centre_path", "address", "verb", "object_type",
        "object_id", "summary", "before", "after",
    )  # fmt: skip
    fields = [line["previous"], at.isoformat(), *(line[name] for name in named)]
    raw = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(raw.encode()).hexdigest()


def _say_so(bind: Connection, lines: int, old_head: str) -> None:
    head = bind.execute(sa.select(log.c.hash).order_by(log.c.id.desc()).limit(1)).scalar_one()
    line: Line = {
        "at": datetime.now(UTC), "actor_kind": "system", "actor_id": None, "actor_name": "系统", "centre_id": None,
        "centre_path": "", "address": "", "verb": "mend", "object_type": "audit_log", "object_id": None,
        "summary": SAID, "before": None, "after": {"lines": lines, "old_head": old_head}, "previous": head,
    }  # fmt: skip
    line["hash"] = _digest(line)
    if bind.dialect.name == "sqlite":
        line["at"] = line["at"].replace(tzinfo=None)
    bind.execute(log.insert().values(**line))
