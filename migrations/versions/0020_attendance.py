"""Who came to which date of an activity (the one mark of a sign-up moves there), who did not; messages of organisers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def _key(table: str, column: str, target: str, ondelete: str | None = None) -> sa.ForeignKey:
    return sa.ForeignKey(f"{target}.id", name=f"fk_{table}_{column}_{target}", ondelete=ondelete)


def upgrade() -> None:
    op.create_table(
        "attendance",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("centre_id", sa.Integer(), _key("attendance", "centre_id", "centre"), nullable=False),
        sa.Column(
            "session_id", sa.Integer(), _key("attendance", "session_id", "entry_session", "CASCADE"), nullable=False
        ),
        sa.Column("entry_id", sa.Integer(), _key("attendance", "entry_id", "entry", "CASCADE"), nullable=False),
        sa.Column("resident_id", sa.Integer(), _key("attendance", "resident_id", "resident"), nullable=True),
        sa.Column("relative_id", sa.Integer(), _key("attendance", "relative_id", "relative"), nullable=True),
        sa.Column("person_key", sa.String(40), nullable=False),
        sa.Column("surname", sa.String(8), nullable=False),
        sa.Column("tail", sa.String(4), nullable=False),
        sa.Column("came", sa.Boolean(), nullable=False),
        sa.Column("via", sa.String(8), nullable=False),
        sa.Column("marked_at", MOMENT, nullable=False),
        sa.Column("marked_by", sa.String(40), nullable=False),
    )
    op.create_index("ix_attendance_centre_id", "attendance", ["centre_id"])
    op.create_index("uq_attendance_person", "attendance", ["session_id", "person_key"], unique=True)
    op.create_index("ix_attendance_resident", "attendance", ["resident_id"])
    op.create_index("ix_attendance_entry", "attendance", ["entry_id"])
    op.create_table(
        "attendance_mark",
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column(
            "attendance_id", sa.Integer(), _key("attendance_mark", "attendance_id", "attendance", "CASCADE"),
            nullable=False,
        ),
        sa.Column("came", sa.Boolean(), nullable=False),
        sa.Column("via", sa.String(8), nullable=False),
        sa.Column("by", sa.String(40), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
    )  # fmt: skip
    op.create_index("ix_attendance_mark_attendance_id", "attendance_mark", ["attendance_id"])
    op.create_table(
        "roster_check",
        sa.Column(
            "session_id", sa.Integer(), _key("roster_check", "session_id", "entry_session", "CASCADE"), primary_key=True
        ),
        sa.Column("checked_by", sa.String(40), nullable=False),
        sa.Column("checked_at", MOMENT, nullable=False),
    )
    op.create_table(
        "organiser_message",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("centre_id", sa.Integer(), _key("organiser_message", "centre_id", "centre"), nullable=False),
        sa.Column("entry_id", sa.Integer(), _key("organiser_message", "entry_id", "entry", "CASCADE"), nullable=False),
        sa.Column("words", sa.String(300), nullable=False),
        sa.Column("audience", sa.String(60), nullable=False),
        sa.Column("once", sa.String(40), nullable=False),
        sa.Column("sent_by", sa.String(40), nullable=False),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.Column("told", sa.Integer(), nullable=True),
        sa.UniqueConstraint("once", name="uq_organiser_message_once"),
    )
    op.create_index("ix_organiser_message_centre_id", "organiser_message", ["centre_id"])
    op.create_index("ix_organiser_message_entry", "organiser_message", ["entry_id", "sent_at"])
    _no_shows()
    # What was noted of a sign-up was about its first date.
    op.execute(
        """
        INSERT INTO attendance (centre_id, session_id, entry_id, resident_id, relative_id, person_key, surname, tail,
                                came, via, marked_at, marked_by)
        SELECT s.centre_id, min(d.id), s.entry_id, min(s.resident_id), min(s.relative_id), s.person_key, '', '', true,
               'list', min(s.checked_in_at), ''
        FROM sign_up s JOIN entry_session d ON d.entry_id = s.entry_id
        WHERE s.checked_in_at IS NOT NULL AND s.status = 'confirmed'
          AND d.starts_at = (SELECT min(starts_at) FROM entry_session WHERE entry_id = s.entry_id)
        GROUP BY s.centre_id, s.entry_id, s.person_key
        """
    )
    op.drop_column("sign_up", "checked_in_at")


def _no_shows() -> None:
    op.create_table(
        "no_show",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("centre_id", sa.Integer(), _key("no_show", "centre_id", "centre"), nullable=False),
        sa.Column(
            "session_id", sa.Integer(), _key("no_show", "session_id", "entry_session", "CASCADE"), nullable=False
        ),
        sa.Column("entry_id", sa.Integer(), _key("no_show", "entry_id", "entry", "CASCADE"), nullable=False),
        sa.Column("resident_id", sa.Integer(), _key("no_show", "resident_id", "resident"), nullable=False),
        sa.Column("relative_id", sa.Integer(), _key("no_show", "relative_id", "relative"), nullable=True),
        sa.Column("person_key", sa.String(16), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("counted_at", MOMENT, nullable=False),
        sa.Column("appeal", sa.String(200), nullable=False),
        sa.Column("appealed_at", MOMENT, nullable=True),
        sa.Column("answer", sa.String(300), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=True),
    )
    op.create_index("ix_no_show_centre_id", "no_show", ["centre_id"])
    op.create_index("uq_no_show_person", "no_show", ["session_id", "person_key"], unique=True)
    op.create_index("ix_no_show_resident", "no_show", ["resident_id"])
    waits = sa.text("status = 'appealed'")
    op.create_index("ix_no_show_appealed", "no_show", ["centre_id"], sqlite_where=waits, postgresql_where=waits)


def downgrade() -> None:
    op.add_column("sign_up", sa.Column("checked_in_at", MOMENT, nullable=True))
    op.execute(
        """
        UPDATE sign_up SET checked_in_at = (
            SELECT min(a.marked_at) FROM attendance a
            WHERE a.entry_id = sign_up.entry_id AND a.person_key = sign_up.person_key AND a.came = true)
        WHERE status = 'confirmed'
        """
    )
    for table in ("no_show", "organiser_message", "roster_check", "attendance_mark", "attendance"):
        op.drop_table(table)
