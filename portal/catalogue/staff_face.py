"""Puts the staff's pages of the catalogue together: one blueprint, written by subject in several files."""

from __future__ import annotations

from flask import Flask

from portal.core import registry
from portal.core.access import Permission


def register(app: Flask) -> None:
    """Add the staff pages, the cover pictures and the line in the left column."""
    from portal.catalogue import (
        views_pictures,
        views_staff,
        views_staff_changes,
        views_staff_entry,
        views_staff_guides,
        views_staff_import,
        views_staff_publish,
        views_staff_review,
    )

    # Importing a view file hangs its pages into the blueprint.
    assert all((
        views_staff_changes, views_staff_entry, views_staff_guides, views_staff_import, views_staff_publish,
        views_staff_review,
    ))  # fmt: skip
    app.register_blueprint(views_staff.bp)
    app.register_blueprint(views_pictures.bp)
    registry.nav("catalogue", "服务清单", "list", "catalogue_staff.month", Permission.VIEW, 10)
    registry.nav("guides", "生活指南", "book", "catalogue_staff.guides", Permission.VIEW, 15)
