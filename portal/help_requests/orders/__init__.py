"""Orders to members of the teams (派给队员, SPEC H7): who goes, their page /m, the paper order, the visit's time that a
link moves, the timer of people alone in a home. The steps themselves are the tables of help_requests.states.
"""

from flask import Flask


def register(app: Flask) -> None:
    """Add this part's pages, handlers and deadlines to the app."""
    from portal.help_requests.orders import (
        deadlines,  # noqa: F401
        handlers,  # noqa: F401
        registry,  # noqa: F401
        views_member,
        views_staff,
        views_visit,
    )

    app.register_blueprint(views_staff.bp)
    app.register_blueprint(views_member.bp)
    app.register_blueprint(views_visit.bp)
