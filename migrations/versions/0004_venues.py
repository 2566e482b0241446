"""Rooms and public places with their bookings; overlaps are refused by the database itself (SPEC V1-V7)"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The net against overlaps as it was when this migration was written (later ones install what replaces it).
POSTGRESQL = """
ALTER TABLE booking ADD CONSTRAINT booking_overlap EXCLUDE USING gist (
  int4range(venue_id, venue_id, '[]') WITH &&, tstzrange(starts_at, held_until, '[)') WITH &&
) WHERE (status IN ('pending', 'approved', 'offered'))
"""
SQLITE = """
CREATE TRIGGER booking_overlap_{verb} BEFORE {event} ON booking
WHEN NEW.status IN ('pending', 'approved', 'offered') AND EXISTS (
  SELECT 1 FROM booking AS other
  WHERE other.venue_id = NEW.venue_id AND other.status IN ('pending', 'approved', 'offered') AND other.id IS NOT NEW.id
  AND other.starts_at < NEW.held_until AND other.held_until > NEW.starts_at
  AND other.starts_at > datetime(NEW.starts_at, '-2 days')
)
BEGIN SELECT RAISE(ABORT, 'booking_overlap'); END
"""
EVENTS = {"insert": "INSERT", "update": "UPDATE OF venue_id, starts_at, held_until, status"}


def upgrade() -> None:
    op.create_table(
        "venue",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("place", sa.String(length=60), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("area_m2", sa.Integer(), nullable=True),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("functions", sa.JSON(), nullable=False),
        sa.Column("equipment", sa.JSON(), nullable=False),
        sa.Column("intro", sa.Text(), nullable=False),
        sa.Column("terms_of_use", sa.Text(), nullable=False),
        sa.Column("contact", sa.String(length=40), nullable=False),
        sa.Column("phone", sa.String(length=30), nullable=False),
        sa.Column("link", sa.String(length=300), nullable=False),
        sa.Column("responsible", sa.String(length=12), nullable=False),
        sa.Column("partner", sa.String(length=80), nullable=False),
        sa.Column("bookable", sa.Boolean(), nullable=False),
        sa.Column("who_may", sa.String(length=12), nullable=False),
        sa.Column("needs_approval", sa.Boolean(), nullable=False),
        sa.Column("approve_hours", sa.Integer(), nullable=False),
        sa.Column("own_hours", sa.Boolean(), nullable=False),
        sa.Column("buffer", sa.Integer(), nullable=False),
        sa.Column("shortest", sa.Integer(), nullable=False),
        sa.Column("longest", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("notice", sa.Integer(), nullable=False),
        sa.Column("ahead_days", sa.Integer(), nullable=False),
        sa.Column("hours_per_week", sa.Integer(), nullable=True),
        sa.Column("bookings_per_month", sa.Integer(), nullable=True),
        sa.Column("cancel", sa.Integer(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("waiting_list", sa.Boolean(), nullable=False),
        sa.Column("staff_notes", sa.Text(), nullable=False),
        sa.Column("door_key", sa.String(length=16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("import_key", sa.String(length=80), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("centre_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("buffer >= 0 AND step > 0 AND notice >= 0 AND ahead_days >= 0", name=op.f("ck_venue_rules")),
        sa.CheckConstraint("capacity IS NULL OR capacity > 0", name=op.f("ck_venue_capacity")),
        sa.CheckConstraint("shortest > 0 AND shortest <= longest AND longest <= 1440", name=op.f("ck_venue_lengths")),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_venue_centre_id_centre")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_venue")),
        sa.UniqueConstraint("import_key", name=op.f("uq_venue_import_key")),
    )
    op.create_index(op.f("ix_venue_centre_id"), "venue", ["centre_id"], unique=False)
    op.create_index("ix_venue_stamp", "venue", ["active", "centre_id", "version", "id"], unique=False)
    op.create_table(
        "booking_series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("venue_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("weekdays", sa.JSON(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("opens", sa.Integer(), nullable=False),
        sa.Column("closes", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("centre_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("first_day <= last_day AND opens < closes", name=op.f("ck_booking_series_order")),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_booking_series_centre_id_centre")),
        sa.ForeignKeyConstraint(["venue_id"], ["venue.id"], name=op.f("fk_booking_series_venue_id_venue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_series")),
    )
    op.create_index(op.f("ix_booking_series_centre_id"), "booking_series", ["centre_id"], unique=False)
    op.create_index(op.f("ix_booking_series_venue_id"), "booking_series", ["venue_id"], unique=False)
    op.create_table(
        "venue_closure",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("venue_id", sa.Integer(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("centre_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_venue_closure_order")),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_venue_closure_centre_id_centre")),
        sa.ForeignKeyConstraint(["venue_id"], ["venue.id"], name=op.f("fk_venue_closure_venue_id_venue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_venue_closure")),
    )
    op.create_index(op.f("ix_venue_closure_centre_id"), "venue_closure", ["centre_id"], unique=False)
    op.create_index("ix_venue_closure_ends", "venue_closure", ["ends_at", "centre_id"], unique=False)
    op.create_index(op.f("ix_venue_closure_venue_id"), "venue_closure", ["venue_id"], unique=False)
    op.create_table(
        "venue_hours",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("venue_id", sa.Integer(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("opens", sa.Integer(), nullable=False),
        sa.Column("closes", sa.Integer(), nullable=False),
        sa.CheckConstraint("opens < closes AND closes <= 1440", name=op.f("ck_venue_hours_order")),
        sa.ForeignKeyConstraint(
            ["venue_id"], ["venue.id"], name=op.f("fk_venue_hours_venue_id_venue"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_venue_hours")),
    )
    op.create_index(op.f("ix_venue_hours_venue_id"), "venue_hours", ["venue_id"], unique=False)
    op.create_table(
        "venue_photo",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("venue_id", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(length=80), nullable=False),
        sa.Column("caption", sa.String(length=60), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["venue_id"], ["venue.id"], name=op.f("fk_venue_photo_venue_id_venue"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_venue_photo")),
    )
    op.create_index(op.f("ix_venue_photo_venue_id"), "venue_photo", ["venue_id"], unique=False)
    op.create_table(
        "booking",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("venue_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=True),
        sa.Column("series_id", sa.Integer(), nullable=True),
        sa.Column("resident_id", sa.Integer(), nullable=True),
        sa.Column("relative_id", sa.Integer(), nullable=True),
        sa.Column("contact_name", sa.String(length=40), nullable=False),
        sa.Column("contact_phone", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("function", sa.String(length=20), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("needs", sa.String(length=120), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("waits_at_id", sa.Integer(), nullable=True),
        sa.Column("decide_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accept_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("centre_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("people > 0", name=op.f("ck_booking_people")),
        sa.CheckConstraint("starts_at < ends_at AND ends_at <= held_until", name=op.f("ck_booking_order")),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_booking_centre_id_centre")),
        sa.ForeignKeyConstraint(["relative_id"], ["relative.id"], name=op.f("fk_booking_relative_id_relative")),
        sa.ForeignKeyConstraint(["resident_id"], ["resident.id"], name=op.f("fk_booking_resident_id_resident")),
        sa.ForeignKeyConstraint(["series_id"], ["booking_series.id"], name=op.f("fk_booking_series_id_booking_series")),
        sa.ForeignKeyConstraint(["venue_id"], ["venue.id"], name=op.f("fk_booking_venue_id_venue")),
        sa.ForeignKeyConstraint(["waits_at_id"], ["centre.id"], name=op.f("fk_booking_waits_at_id_centre")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking")),
    )
    op.create_index(
        "ix_booking_accept_by",
        "booking",
        ["accept_by"],
        unique=False,
        sqlite_where=sa.text("accept_by IS NOT NULL"),
        postgresql_where=sa.text("accept_by IS NOT NULL"),
    )
    op.create_index(op.f("ix_booking_centre_id"), "booking", ["centre_id"], unique=False)
    op.create_index(
        "ix_booking_decide_by",
        "booking",
        ["decide_by"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_booking_ends", "booking", ["ends_at", "status"], unique=False)
    op.create_index("ix_booking_resident", "booking", ["resident_id", "starts_at"], unique=False)
    op.create_index(op.f("ix_booking_series_id"), "booking", ["series_id"], unique=False)
    op.create_index("ix_booking_source", "booking", ["source", "source_id"], unique=False)
    op.create_index("ix_booking_starts", "booking", ["starts_at", "status"], unique=False)
    op.create_index(
        "ix_booking_taken",
        "booking",
        ["venue_id", "starts_at", "held_until"],
        unique=False,
        sqlite_where=sa.text("status IN ('pending', 'approved', 'offered')"),
        postgresql_where=sa.text("status IN ('pending', 'approved', 'offered')"),
    )
    op.create_index("ix_booking_venue", "booking", ["venue_id", "starts_at"], unique=False)
    op.create_index("ix_booking_waits", "booking", ["waits_at_id", "status"], unique=False)
    op.create_table(
        "venue_note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("venue_id", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.Integer(), nullable=True),
        sa.Column("body", sa.String(length=300), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("solved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("solved_by", sa.String(length=40), nullable=False),
        sa.Column("centre_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_venue_note_booking_id_booking")),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_venue_note_centre_id_centre")),
        sa.ForeignKeyConstraint(["venue_id"], ["venue.id"], name=op.f("fk_venue_note_venue_id_venue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_venue_note")),
    )
    op.create_index(op.f("ix_venue_note_booking_id"), "venue_note", ["booking_id"], unique=False)
    op.create_index(op.f("ix_venue_note_centre_id"), "venue_note", ["centre_id"], unique=False)
    op.create_index("ix_venue_note_open", "venue_note", ["venue_id", "solved_at"], unique=False)
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(POSTGRESQL)
    else:
        for verb, event in EVENTS.items():
            connection.exec_driver_sql(SQLITE.format(verb=verb, event=event))


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE booking DROP CONSTRAINT booking_overlap")
    else:
        for verb in EVENTS:
            connection.exec_driver_sql(f"DROP TRIGGER booking_overlap_{verb}")
    op.drop_table("venue_note")
    op.drop_table("booking")
    op.drop_table("venue_photo")
    op.drop_table("venue_hours")
    op.drop_table("venue_closure")
    op.drop_table("booking_series")
    op.drop_table("venue")
