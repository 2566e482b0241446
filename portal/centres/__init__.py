"""The tree of centres, deployment profiles, opening hours."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add this room's pages and commands to the app."""
    from portal.centres import cli, views_resident

    app.register_blueprint(views_resident.bp)
    cli.register(app)
