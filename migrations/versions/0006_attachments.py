"""Photos of centres and rooms are attachments: one table for whatever hangs at something (SPEC N1, V1)"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FIELDS = "subject_kind, subject_id, centre_id, kind, file, caption, position, created_at, created_by"


def upgrade() -> None:
    op.create_table(
        "attachment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("centre_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("file", sa.String(length=80), nullable=False),
        sa.Column("caption", sa.String(length=60), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_attachment_centre_id_centre")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
    )
    op.create_index(op.f("ix_attachment_centre_id"), "attachment", ["centre_id"], unique=False)
    op.create_index("ix_attachment_subject", "attachment", ["subject_kind", "subject_id", "position"], unique=False)
    # When a photo came and by whom was not kept: the last change of its centre or room is the latest it can have been.
    op.execute(
        f"INSERT INTO attachment ({FIELDS}) SELECT 'centre', c.id, c.id, 'photo', p.file, p.caption, p.position, "
        "c.updated_at, '' FROM centre_photo p JOIN centre c ON c.id = p.centre_id ORDER BY p.id"
    )
    op.execute(
        f"INSERT INTO attachment ({FIELDS}) SELECT 'venue', v.id, v.centre_id, 'photo', p.file, p.caption, p.position, "
        "v.updated_at, '' FROM venue_photo p JOIN venue v ON v.id = p.venue_id ORDER BY p.id"
    )
    op.drop_table("venue_photo")
    op.drop_table("centre_photo")


def downgrade() -> None:
    for owner in ("centre", "venue"):
        table, column = f"{owner}_photo", f"{owner}_id"
        op.create_table(
            table,
            sa.Column("id", sa.Integer(), nullable=False),
            sa.Column(column, sa.Integer(), nullable=False),
            sa.Column("file", sa.String(length=80), nullable=False),
            sa.Column("caption", sa.String(length=60), nullable=False),
            sa.Column("position", sa.Integer(), nullable=False),
            sa.ForeignKeyConstraint(
                [column], [f"{owner}.id"], name=op.f(f"fk_{table}_{column}_{owner}"), ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
        op.execute(
            f"INSERT INTO {table} ({column}, file, caption, position) SELECT subject_id, file, caption, position "
            f"FROM attachment WHERE subject_kind = '{owner}' AND kind = 'photo' ORDER BY id"
        )
    op.drop_table("attachment")
