"""The monthly list of services: drawn up, reviewed, published, found."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add this room's pages, handlers and commands to the app."""
    from portal.catalogue import views_resident

    app.register_blueprint(views_resident.bp)
