"""Rooms and public places: found, booked, approved, used, rated and measured (SPEC V1-V7)."""

from flask import Flask

from portal.core import registry as hooks


def register(app: Flask) -> None:
    """Add this feature's pages, handlers, deadlines and commands to the app."""
    # Importing these registers what waits, what is due, what the outbox carries out and what is a resident's.
    from portal.venues import cli, deadlines, evaluating, handlers, waiting  # noqa: F401
    from portal.venues.actions import import_csv, rooms  # noqa: F401
    from portal.venues.paper import views as paper_views
    from portal.venues.public import booking_views, registry  # noqa: F401
    from portal.venues.public import views as public_views
    from portal.venues.staff import (  # noqa: F401  # importing a view file hangs its pages into the blueprint
        booking_views as staff_booking_views,
    )
    from portal.venues.staff import (  # noqa: F401
        closure_views,
        note_views,
        plan_views,
        request_views,
        room_views,
        series_views,
        usage_views,
    )

    hooks.audit_word(**rooms.WORDS)
    cli.register(app)
    for views in (public_views, paper_views, usage_views, room_views, plan_views):
        app.register_blueprint(views.bp)
