"""Puts the staff's pages of the catalogue together: one blueprint, written by subject in several files."""

from flask import Flask

from portal.core import registry
from portal.core.access import Permission


def register(app: Flask) -> None:
    """Add the staff pages and their lines in the left column."""
    from portal.catalogue.staff import (  # noqa: F401  # importing a view file hangs its pages into the blueprint
        bulk_views,
        change_views,
        dates_views,
        entry_views,
        guide_views,
        import_views,
        late_views,
        month_views,
        publish_views,
        review_views,
        synonym_views,
    )

    app.register_blueprint(month_views.bp)
    registry.nav("catalogue", "服务清单", "list", "catalogue_staff.month", Permission.VIEW, 10)
    registry.nav(
        "guides", "生活指南", "book", "catalogue_staff.guides", Permission.VIEW, 15, "catalogue_staff.synonyms_page"
    )
