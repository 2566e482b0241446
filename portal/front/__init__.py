"""The front pages, which put all features together: home, a centre's page, my services, waiting for me."""

from flask import Flask

from portal.core import registry
from portal.notices import kinds


def register(app: Flask) -> None:
    """Add this feature's pages and the staff's left column to the app."""
    from portal.front import frame, message_samples, views_atlas, views_resident, views_staff

    kinds.told_by(message_samples.spoken)

    app.register_blueprint(views_resident.bp)
    app.register_blueprint(views_staff.bp)
    app.register_blueprint(views_atlas.bp)
    registry.audit_word(first_morning="第一个上午", put_away="收起", bring_back="放回首页")
    app.context_processor(frame.context)
