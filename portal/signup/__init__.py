"""Sign-up (报名): places, the waiting list, reminders, rosters (SPEC S1-S5, S9, S10)."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add this room's pages, handlers and deadlines to the app."""
    from portal.signup import evaluating, handlers, reminders, sources, views_papers, views_resident, views_staff

    assert evaluating and handlers and reminders and sources and views_papers  # importing them registers what they hold
    app.register_blueprint(views_resident.bp)
    app.register_blueprint(views_staff.bp)
