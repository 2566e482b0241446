"""Second factor, codes read out, proof again; whose name a list shows when staff typed a number

A failure notes its network, so that one colleague's mistakes do not close a whole office.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("login_failure", sa.Column("address", sa.String(60), nullable=False, server_default=""))
    op.create_index("ix_login_failure_address_at", "login_failure", ["address", "at"])
    for column in (
        sa.Column("password_used_at", MOMENT), sa.Column("totp_on_at", MOMENT),
        sa.Column("totp_secret", sa.String(200), nullable=False, server_default=""),
        sa.Column("totp_counter", sa.Integer(), nullable=False, server_default="0"),
    ):  # fmt: skip
        op.add_column("staff_account", column)
    op.add_column("web_session", sa.Column("proved_at", MOMENT))
    op.add_column("web_session", sa.Column("let_in_by", sa.String(60), nullable=False, server_default=""))
    op.add_column("login_code", sa.Column("known", sa.Boolean(), nullable=False, server_default=sa.false()))
    for table in ("sign_up", "booking", "evaluation"):
        op.add_column(table, sa.Column("caller_name", sa.String(40), nullable=False, server_default=""))
    _tables()


def _tables() -> None:
    account = sa.ForeignKey("staff_account.id", name="fk_recovery_code_account_id_staff_account")
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("account_id", sa.Integer(), account, nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("used_at", MOMENT),
    )
    op.create_index("ix_recovery_code_account_id", "recovery_code", ["account_id"])
    refers = {
        name: sa.ForeignKey(f"{table}.id", name=f"fk_spoken_code_{name}_{table}")
        for name, table in (("resident_id", "resident"), ("account_id", "staff_account"), ("centre_id", "centre"))
    }
    op.create_table(
        "spoken_code",
        sa.Column("id", sa.Integer(), primary_key=True),
        *(sa.Column(name, sa.Integer(), key, nullable=False) for name, key in refers.items()),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("used_at", MOMENT),
    )
    op.create_index("ix_spoken_code_resident_id", "spoken_code", ["resident_id"])
    op.create_index("ix_spoken_code_account_made", "spoken_code", ["account_id", "made_at"])
    account = sa.ForeignKey("staff_account.id", name="fk_phone_lookup_account_id_staff_account")
    op.create_table(
        "phone_lookup",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("account_id", sa.Integer(), account, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_index("ix_phone_lookup_account_at", "phone_lookup", ["account_id", "at"])


def downgrade() -> None:
    for table in ("phone_lookup", "spoken_code", "recovery_code"):
        op.drop_table(table)
    _drop("evaluation", "caller_name")
    _drop("booking", "caller_name")
    _drop("sign_up", "caller_name")
    _drop("login_code", "known")
    _drop("web_session", "let_in_by", "proved_at")
    _drop("staff_account", "totp_counter", "totp_secret", "totp_on_at", "password_used_at")
    op.drop_index("ix_login_failure_address_at", "login_failure")
    _drop("login_failure", "address")


def _drop(name: str, *columns: str) -> None:
    # SQLite drops a column in place where no constraint names it: a table made anew would lose its triggers.
    for column in columns:
        op.drop_column(name, column)
