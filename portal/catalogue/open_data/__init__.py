"""The month's list in open formats, for other platforms: Atom feeds, JSON described by OpenAPI (SPEC C10).

What is public and nothing else: everything here runs under the resident's scope.
"""

from flask import Flask


def register(app: Flask) -> None:
    from portal.catalogue.open_data import api_views, feed_views

    app.register_blueprint(feed_views.bp)
    app.register_blueprint(api_views.bp)
