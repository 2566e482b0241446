"""Evaluations and call-backs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evaluation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("group_key", sa.String(length=80), nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("when_text", sa.String(length=120), nullable=False),
        sa.Column("resident_id", sa.Integer(), nullable=False),
        sa.Column("relative_id", sa.Integer(), nullable=True),
        sa.Column("person_key", sa.String(length=16), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("words", sa.String(length=300), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_via", sa.String(length=10), nullable=False),
        sa.Column("centre_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("stars IS NULL OR stars BETWEEN 1 AND 5", name=op.f("ck_evaluation_stars")),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_evaluation_centre_id_centre")),
        sa.ForeignKeyConstraint(["relative_id"], ["relative.id"], name=op.f("fk_evaluation_relative_id_relative")),
        sa.ForeignKeyConstraint(["resident_id"], ["resident.id"], name=op.f("fk_evaluation_resident_id_resident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation")),
        sa.UniqueConstraint(
            "subject_kind", "subject_id", "person_key", name=op.f("uq_evaluation_subject_kind_subject_id_person_key")
        ),
        sa.UniqueConstraint("token", name=op.f("uq_evaluation_token")),
    )
    with op.batch_alter_table("evaluation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_evaluation_centre_id"), ["centre_id"], unique=False)
        batch_op.create_index("ix_evaluation_given_at", ["given_at", "id"], unique=False)
        batch_op.create_index("ix_evaluation_group", ["group_key", "stars"], unique=False)
        batch_op.create_index("ix_evaluation_resident", ["resident_id", "id"], unique=False)

    op.create_table(
        "call_back",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("evaluation_id", sa.Integer(), nullable=False),
        sa.Column("waits_at_id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("owner_name", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("last_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handed_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=30), nullable=False),
        sa.Column("outcome_words", sa.String(length=500), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("warned", sa.Integer(), nullable=False),
        sa.Column("centre_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("tries >= 0 AND warned BETWEEN 0 AND 2", name=op.f("ck_call_back_counts")),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_call_back_centre_id_centre")),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name=op.f("fk_call_back_evaluation_id_evaluation")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["staff_account.id"], name=op.f("fk_call_back_owner_id_staff_account")),
        sa.ForeignKeyConstraint(["waits_at_id"], ["centre.id"], name=op.f("fk_call_back_waits_at_id_centre")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_back")),
        sa.UniqueConstraint("evaluation_id", name=op.f("uq_call_back_evaluation_id")),
    )
    with op.batch_alter_table("call_back", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_call_back_centre_id"), ["centre_id"], unique=False)
        batch_op.create_index(
            "ix_call_back_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("status <> 'done'"),
            postgresql_where=sa.text("status <> 'done'"),
        )
        batch_op.create_index("ix_call_back_waits", ["waits_at_id", "status"], unique=False)


def downgrade() -> None:
    op.drop_table("call_back")
    op.drop_table("evaluation")
