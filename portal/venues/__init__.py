"""Rooms and public places: found, booked, approved, used, rated and measured (SPEC V1-V7)."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add this room's pages, handlers and deadlines to the app."""
    from portal.venues import deadlines, evaluating, handlers

    assert deadlines and evaluating and handlers  # importing them registers what they hold
    from portal.venues import views_papers, views_usage

    app.register_blueprint(views_papers.bp)
    app.register_blueprint(views_usage.bp)
    from portal.core import registry
    from portal.venues import cli, importing, managing, views_rooms

    assert importing
    registry.audit_word(**managing.WORDS)
    cli.register(app)
    app.register_blueprint(views_rooms.bp)
    from portal.venues import sources, views_booking, views_resident

    assert sources and views_booking
    app.register_blueprint(views_resident.bp)
    from portal.venues import (
        views_closures,
        views_notes,
        views_requests,
        views_series,
        views_staff,
        views_staff_booking,
        waiting,
    )

    # Importing a view file hangs its pages into the staff's blueprint.
    assert all((views_closures, views_notes, views_requests, views_series, views_staff_booking, waiting))
    app.register_blueprint(views_staff.bp)
