"""Evaluation and call-back (评价、回访), once for all (SPEC S7, V6, H2).

Knows nothing of what is evaluated: rooms above register a kind of subject (subjects.py), invite people with
`actions.invite` and show averages with `queries.average`.
"""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add this room's pages, handlers and deadlines to the app."""
    from portal.feedback import deadlines, handlers, sources, views_resident, views_staff

    assert deadlines and handlers and sources  # importing them registers what they hold
    app.register_blueprint(views_resident.bp)
    app.register_blueprint(views_staff.bp)
