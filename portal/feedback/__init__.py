"""Evaluation and call-back (评价、回访), once for all (SPEC S7, V6, H2).

Knows nothing of what is evaluated: features above register a kind of subject (subjects.py), invite people with
`actions.invite` and show averages with `queries.average`.
"""

from flask import Flask


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and deadlines to the app."""
    # Importing the first two registers what the outbox carries out and what is a resident's.
    from portal.feedback import handlers, registry, views_resident, views_staff  # noqa: F401

    app.register_blueprint(views_resident.bp)
    app.register_blueprint(views_staff.bp)
