"""Sign-up (报名): places, the waiting list, reminders, rosters, who came (SPEC S1-S6, S9, S10)."""

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
    from portal.signup.attendance import views_resident as check_in
    from portal.signup.attendance import views_staff as check_in_staff
    from portal.signup.eligibility import handlers as _group_handlers  # noqa: F401
    from portal.signup.eligibility import registry as _groups  # noqa: F401
    from portal.signup.eligibility import views_staff as _group_pages  # noqa: F401
    from portal.signup.no_shows import registry as _  # noqa: F401
    from portal.signup.no_shows import views as no_shows
    from portal.signup.organiser import views as organiser

    for blueprint in (views_resident.bp, views_staff.bp, check_in.bp, check_in_staff.bp, organiser.bp, no_shows.bp):
        app.register_blueprint(blueprint)
