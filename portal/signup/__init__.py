"""Sign-up (报名): places, the waiting list, reminders, rosters (SPEC S1-S5, S9, S10)."""

from flask import Flask


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and deadlines to the app."""
    # Importing them registers what is evaluated, due, waiting and carried out by the outbox.
    from portal.signup import (  # noqa: F401
        evaluating,
        handlers,
        registry,
        reminders,
        views_papers,
        views_resident,
        views_review,
        views_staff,
    )
    from portal.signup.eligibility import handlers as _group_handlers  # noqa: F401
    from portal.signup.eligibility import registry as _groups  # noqa: F401
    from portal.signup.eligibility import views_staff as _group_pages  # noqa: F401

    app.register_blueprint(views_resident.bp)
    app.register_blueprint(views_staff.bp)
