"""Messages leave through providers: fields of templates, who goes first, receipts, doubts; WeChat bindings"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

WAITING = sa.text("done_at IS NULL")
NUMBERED = sa.text("serial <> ''")


def upgrade() -> None:
    for column in (
        sa.Column("parts", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("rank", sa.Integer(), nullable=False, server_default="2"),
        sa.Column("serial", sa.String(80), nullable=False, server_default=""),
        sa.Column("pieces", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("doubt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("doubts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("receipt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received", sa.Boolean(), nullable=True),
        sa.Column("receipt", sa.String(80), nullable=False, server_default=""),
    ):
        op.add_column("delivery", column)
    op.execute("UPDATE delivery SET rank = CASE WHEN kind LIKE 'login_code%' THEN 0 WHEN urgent THEN 1 ELSE 2 END")
    op.drop_index("ix_delivery_due", "delivery")
    op.create_index(
        "ix_delivery_due", "delivery", ["rank", "due_at", "id"], sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.create_index("ix_delivery_recipient", "delivery", ["recipient", "created_at"])
    op.create_index("ix_delivery_serial", "delivery", ["serial"], sqlite_where=NUMBERED, postgresql_where=NUMBERED)
    _wechat()


def _wechat() -> None:
    resident = sa.ForeignKey("resident.id", name="fk_wechat_binding_resident_id_resident")
    op.create_table(
        "wechat_binding",
        sa.Column("resident_id", sa.Integer(), resident, primary_key=True),
        sa.Column("open_id", sa.String(64), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("open_id", name="uq_wechat_binding_open_id"),
    )
    op.create_table(
        "wechat_token",
        sa.Column("app_id", sa.String(40), primary_key=True),
        sa.Column("token", sa.String(600), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
    )


def downgrade() -> None:
    op.drop_table("wechat_token")
    op.drop_table("wechat_binding")
    for name in ("ix_delivery_serial", "ix_delivery_recipient", "ix_delivery_due"):
        op.drop_index(name, "delivery")
    op.create_index("ix_delivery_due", "delivery", ["due_at", "id"], sqlite_where=WAITING, postgresql_where=WAITING)
    for name in (
        "receipt", "received", "receipt_at", "doubts", "doubt_at", "pieces", "serial", "rank", "parts",
    ):  # fmt: skip
        op.drop_column("delivery", name)
