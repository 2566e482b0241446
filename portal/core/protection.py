"""What the database itself refuses (SPEC P9): audit lines and state histories never change; a remark is only blanked.

Installed by migrations 0002 and 0010, which keep their own copies of these statements.
"""

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
# Erasing a person blanks words and salt, and only both together (core.remarks).
BLANKED = (
    "NEW.words = '' AND NEW.salt = '' AND NEW.id = OLD.id AND NEW.object_type = OLD.object_type "
    "AND NEW.object_id = OLD.object_id"
)
SQLITE_REMARK = f"""
CREATE TRIGGER remark_only_blanked BEFORE UPDATE ON remark WHEN NOT ({BLANKED})
BEGIN SELECT RAISE(ABORT, 'remark is append-only'); END
"""
POSTGRESQL_REMARK = (
    f"CREATE TRIGGER remark_only_blanked BEFORE UPDATE ON remark FOR EACH ROW WHEN (NOT ({BLANKED})) "
    "EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER remark_append_only BEFORE DELETE OR TRUNCATE ON remark "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)


def install(connection: Connection) -> None:
    """Install what is refused on tables that were made without migrations (tests)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(POSTGRESQL_FUNCTION.replace("%", "%%"))
        for statement in (*(POSTGRESQL.format(table=table) for table in PROTECTED), *POSTGRESQL_REMARK):
            connection.exec_driver_sql(statement)
        return
    for table in PROTECTED:
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(SQLITE.format(table=table, verb=verb))
    connection.exec_driver_sql(SQLITE.format(table="remark", verb="DELETE"))
    connection.exec_driver_sql(SQLITE_REMARK)
