"""`flask demo`: a fictitious month around today, so that every page has something to show. Nobody in it exists."""

from flask import Flask


def register(app: Flask) -> None:
    """Add the command to the app."""
    from portal.demo import cli

    cli.register(app)
