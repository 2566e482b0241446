"""Cases: who has it, until when, who is above, what was said; for all that waits for somebody with a clock.

A feature's own object (a call-back, later a help request, a demand …) keeps its table and its transitions and points to
its case; the case knows nothing of it but a title, a detail and an address.
"""

from flask import Flask

from portal.core import registry


def register(app: Flask) -> None:
    """Add the calendar's page, the tick and the inbox of all cases to the app."""
    # Importing them registers what is due, what waits and what follows when a level loses its last account.
    from portal.cases import actions, deadlines, queries, views_staff  # noqa: F401

    registry.audit_word(enter_year="公布节假日安排", calendar_year="节假日安排", extend="延期", case_file="事项")
    app.register_blueprint(views_staff.bp)
