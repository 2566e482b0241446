"""Service teams (综合服务队): members, roster, who is free (SPEC H7). Knows no orders: what keeps somebody busy is
registered by the features above (free.busy), and so is what the member's page shows beside shifts (member_page.part).
"""

from flask import Flask


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and deadlines to the app."""
    # Importing those not used below registers what the outbox carries out, what is due and what waits for staff.
    from portal.teams import (
        deadlines,  # noqa: F401
        handlers,  # noqa: F401
        registry,  # noqa: F401
        views_member,
        views_roster,
        views_staff,
        waiting,  # noqa: F401
    )

    app.register_blueprint(views_staff.bp)
    app.register_blueprint(views_roster.bp)
    app.register_blueprint(views_member.bp)
