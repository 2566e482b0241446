"""Pages for machines: is it alive, is it ready, how is it doing."""

from flask import Blueprint, Response, abort, current_app, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from portal.core import access, clock
from portal.operations import health, metrics

bp = Blueprint("operations", __name__)


@bp.get("/healthz")
@access.public
def healthz() -> Response:
    """The process answers; nothing else is asked."""
    return Response("ok\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})


@bp.get("/readyz")
@access.public
def readyz() -> Response:
    """503 only without a database: without Redis residents can still do everything (SPEC Q3).

    Strangers learn whether all is well, and no more.
    """
    report = health.check(clock.now())
    answer = jsonify(report if _may_know() else {"status": "ok" if report["status"] == health.OK else "not ok"})
    answer.status_code = 503 if report["status"] == health.DOWN else 200
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _may_know() -> bool:
    """Whoever may read the metrics, and signed-in managers."""
    if metrics.may_read(request, current_app.config["METRICS_TOKEN"]):
        return True
    try:
        viewer = access.viewer()
    except SQLAlchemyError:  # it lies in the database that is away
        return False
    return viewer is not None and viewer.role == access.Role.MANAGER


@bp.get("/metrics", endpoint="metrics")
@access.public
def metrics_page() -> Response:
    if not metrics.may_read(request, current_app.config["METRICS_TOKEN"]):
        abort(403)
    return Response(metrics.render(clock.now()), content_type=CONTENT_TYPE_LATEST)
