"""The tree of centres, deployment profiles, opening hours."""

from flask import Flask

from portal.core import registry
from portal.core.access import Permission


def register(app: Flask) -> None:
    """Add this feature's pages and commands to the app."""
    from portal.centres import (  # noqa: F401  # views_table hangs its pages into the blueprint of the staff
        cli,
        facts,
        profile,
        staff_list,
        views_staff,
        views_table,
    )

    try:
        profile.load(app.config["PROFILE"])  # a misspelt deployment, level or role is said now, not on a page
    except LookupError as error:
        raise SystemExit(str(error)) from None
    app.register_blueprint(views_staff.bp)
    registry.nav("centres", "阵地", "pin", "centres_staff.list_", Permission.VIEW, 60)
    registry.audit_word(**facts.LABELS)
    staff_list.register()
    app.jinja_env.globals["usual_reasons"] = profile.reasons
    cli.register(app)
