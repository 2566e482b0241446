"""Messages to people: the inbox in the portal always, a text to the phone where configured (SPEC M1-M3)."""

from flask import Flask


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and commands to the app."""
    from portal.notices import handlers, views_resident, views_staff

    handlers.install()
    app.register_blueprint(views_resident.bp)
    app.register_blueprint(views_staff.bp)
