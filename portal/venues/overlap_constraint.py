"""What the database itself refuses: two holds on one venue that overlap, buffers included (SPEC V2).

Actions lock the venue and look first, so that people get a sentence and other times; this is the net under them. It
needs no extension: on PostgreSQL ranges of one number stand for equality. A migration that copies the table on SQLite
(batch mode) drops triggers and must install them again.
"""

from sqlalchemy import Connection

HOLDS = ("pending", "approved", "offered")
NAME = "booking_overlap"

POSTGRESQL = f"""
ALTER TABLE booking ADD CONSTRAINT {NAME} EXCLUDE USING gist (
  int4range(venue_id, venue_id, '[]') WITH &&, tstzrange(starts_at, held_until, '[)') WITH &&
) WHERE (status IN {HOLDS!r})
"""
# The range of starts keeps the look-up inside ix_booking_taken: no hold is longer than a day and its buffer.
SQLITE = """
CREATE TRIGGER {name}_{verb} BEFORE {event} ON booking
WHEN NEW.status IN {holds!r} AND EXISTS (
  SELECT 1 FROM booking AS other
  WHERE other.venue_id = NEW.venue_id AND other.status IN {holds!r} AND other.id IS NOT NEW.id
  AND other.starts_at < NEW.held_until AND other.held_until > NEW.starts_at
  AND other.starts_at > datetime(NEW.starts_at, '-2 days')
)
BEGIN SELECT RAISE(ABORT, '{name}'); END
"""
EVENTS = {"insert": "INSERT", "update": "UPDATE OF venue_id, starts_at, held_until, status"}


def install(connection: Connection) -> None:
    """Refuse overlapping holds from now on. Fails when there are some already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(POSTGRESQL)
        return
    for verb, event in EVENTS.items():
        connection.exec_driver_sql(SQLITE.format(name=NAME, verb=verb, event=event, holds=HOLDS))


def remove(connection: Connection) -> None:
    """Take the net away: the control of the race tests."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ALTER TABLE booking DROP CONSTRAINT {NAME}")
        return
    for verb in EVENTS:
        connection.exec_driver_sql(f"DROP TRIGGER {NAME}_{verb}")
