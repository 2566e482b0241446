from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add this room's pages, handlers and commands to the app."""
