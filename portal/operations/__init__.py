"""Health, metrics, background work, backup: what keeps the portal running."""

import os
from contextlib import suppress
from pathlib import Path

from flask import Flask


def register(app: Flask) -> None:
    """Add this feature's pages, handlers and commands to the app."""
    from portal.core import job_queue, outbox

    # prometheus_client chooses where counts live when it is imported, so the folder is named before that.
    folder = os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(Path(app.config["DATA_DIR"]) / "metrics"))
    with suppress(OSError):  # on a disk that takes nothing people can still look; then nothing is counted
        Path(folder).mkdir(parents=True, exist_ok=True)
    from portal.operations import cli, metrics, views

    app.register_blueprint(views.bp)
    app.register_blueprint(cli.bp)
    metrics.init_app(app)
    # Tests have no worker to wake; one that wants the bell says so.
    if app.config.get("DOORBELL", not app.config.get("TESTING")):
        bell = job_queue.Doorbell(app.config["REDIS_URL"])
        app.extensions["portal_doorbell"] = bell
        outbox.on_commit_ring(bell.ring)
