"""Pages of staff: signing in, accounts, departments, letting a resident in, the audit page."""

from flask import Flask

from portal.core import registry
from portal.core.access import Permission


def register(app: Flask) -> None:
    """Add the staff pages and their lines in the left column."""
    from portal.people.staff import (  # noqa: F401  # importing a view file hangs its pages into the blueprint
        account_views,
        audit_views,
        bulk_account_views,
        department_views,
        let_in_views,
        second_factor_views,
        views,
    )

    app.register_blueprint(views.face)
    registry.nav("let_in", "帮居民登录", "key", "people_staff.let_in", Permission.LET_IN, 75)
    registry.nav(
        "accounts", "账户", "users", "people_staff.accounts", Permission.ACCOUNTS, 80, "people_staff.departments"
    )
    registry.nav("audit", "操作记录", "history", "people_staff.audit", Permission.AUDIT, 90)
