"""/pictures/<name>: cover pictures, for everybody. Names are hashes, so nobody can list them."""

from flask import Blueprint, abort, send_from_directory
from werkzeug.wrappers import Response

from portal.core import access, uploads

bp = Blueprint("pictures", __name__)


@bp.get("/pictures/<name>")
@access.public
def show(name: str) -> Response:
    if not uploads.known(name):
        abort(404)
    answer = send_from_directory(uploads.folder(), name, mimetype="image/jpeg", max_age=31_536_000)
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    answer.headers["Content-Disposition"] = "inline"
    return answer
