"""Service teams (综合服务队): members, roster, who is free (SPEC H7). Knows no orders: what keeps somebody busy is
registered by the features above (free.busy)."""

from flask import Flask


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and deadlines to the app."""
    from portal.teams import models  # noqa: F401
