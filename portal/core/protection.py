"""What the database itself refuses: changing or deleting audit rows (SPEC P9). Migrations install the same."""

from sqlalchemy import Connection

PROTECTED = ("audit_log", "state_history")

SQLITE = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""
POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""
POSTGRESQL = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def install(connection: Connection) -> None:
    """Make the protected tables append-only on SQLite and on PostgreSQL."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(POSTGRESQL_FUNCTION.replace("%", "%%"))
        for table in PROTECTED:
            connection.exec_driver_sql(POSTGRESQL.format(table=table))
        return
    for table in PROTECTED:
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(SQLITE.format(table=table, verb=verb))
