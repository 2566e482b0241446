"""Audit lines and state histories cannot be changed or deleted, whoever asks (SPEC P9)."""

from __future__ import annotations

from alembic import op

from portal.core import protection

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    protection.install(op.get_bind())


def downgrade() -> None:
    protection.remove(op.get_bind())
