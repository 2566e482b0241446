"""Help for one person (个性化服务): asked for, reviewed, handed on, accepted, done, confirmed (SPEC H1-H3, H5-H7).

A request keeps its own table and transitions and points to its case, which says who has it and until when. Members'
orders are in orders/, urgent help in urgent/.
"""

from flask import Flask


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and deadlines to the app."""
    # Importing the first three registers what the outbox carries out, what is due and what is a resident's.
    from portal.help_requests import (
        deadlines,  # noqa: F401
        handlers,  # noqa: F401
        orders,
        registry,  # noqa: F401
        views_kept,
        views_resident,
        views_staff,
    )

    app.register_blueprint(views_resident.bp)
    app.register_blueprint(views_staff.bp)
    app.register_blueprint(views_kept.bp)
    orders.register(app)
