"""Background work: RQ is the doorbell, the database is the memory (DESIGN habit 8). Imports the portal, never back."""

from __future__ import annotations

from functools import cache

from flask import Flask

from portal import create_app


@cache
def app() -> Flask:
    """This process's app, made when first needed."""
    return create_app()
