"""The front pages, which put all features together: home, a centre's page, my services, waiting for me."""

from flask import Flask


def register(app: Flask) -> None:
    """Add this feature's pages and the staff's left column to the app."""
    from portal.front import frame, views_resident, views_staff

    app.register_blueprint(views_resident.bp)
    app.register_blueprint(views_staff.bp)
    app.context_processor(frame.context)
