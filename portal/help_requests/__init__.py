"""Help at home and urgent help (SPEC H1-H7)."""

from flask import Flask

from portal.help_requests import urgent


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and deadlines to the app."""
    urgent.register(app)
