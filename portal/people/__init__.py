from __future__ import annotations

from flask import Flask
from flask_login import LoginManager


def register(app: Flask) -> None:
    """Add this room's pages, handlers and commands to the app."""


def load_viewers(login: LoginManager) -> None:
    """Tell Flask-Login how a session token becomes a viewer."""
