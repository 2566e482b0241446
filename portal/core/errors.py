"""Expected refusals are DomainErrors with a sentence for the person; everything else reaches one handler."""

from contextlib import suppress
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, render_template, request
from sqlalchemy.exc import (
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError,
)
from werkzeug.exceptions import HTTPException

from portal.core import incoming, outage, problems, security_log
from portal.core.db import db
from portal.core.words import Refusal

log = structlog.get_logger()


class DomainError(Exception):
    """A refusal the person can understand.

    title: of its own page, where that of the status does not fit. message: one sentence that says why.
    advice: what to do instead. field: the form field it belongs to.
    status: HTTP status of the answer (409 by default: the state of the record forbids it).
    """

    status = 409
    title = ""
    message = "现在不能这样做。"
    advice = ""
    field: str | None = None

    def __init__(self, message: str = "", *, advice: str = "", field: str | None = None, **details: Any) -> None:
        self.message = message or type(self).message
        self.advice = advice or type(self).advice
        self.field = field or type(self).field
        self.details = details
        super().__init__(self.message)


class Invalid(DomainError):
    """What was typed or chosen cannot be taken; `field` says where."""

    status = 422


class Refused(DomainError):
    """A rule forbids it; `code` says which one."""

    def __init__(self, refusal: Refusal) -> None:
        self.code = refusal.code
        super().__init__(refusal.message, advice=refusal.advice, field=refusal.field or None)


class NotAllowed(DomainError):
    status = 403
    message = "您的账户没有这项权限。"
    advice = "请联系本中心的管理员。"


class NotYourTurn(NotAllowed):
    """The right is there, but the record waits for somebody else now: said in place, like any state that forbids."""

    status = 409


class Stale(DomainError):
    message = "这条记录刚刚被别人处理过了。"
    advice = "请看最新的状态，再决定要不要继续。"


# Constraint name -> refusal. Features add theirs with `constraint()`; the database stays the last word.
_constraints: dict[str, DomainError] = {}


def constraint(name: str, error: DomainError) -> None:
    """Answer a violation of the named constraint (or SQLite's 'table.column' list) with `error`."""
    _constraints[name] = error


def for_integrity(error: IntegrityError) -> DomainError | None:
    """The sentence of the constraint that refused a row, or None when no feature has named it."""
    text = str(error.orig)
    return next((refusal for name, refusal in _constraints.items() if name in text), None)


def respond(status: int, title: str = "", message: str = "", advice: str = "") -> tuple[str | Response, int]:
    """Render the error page of `status`; an HTMX request gets only its main block, a program a problem document."""
    from portal.core import pages

    if problems.wanted():
        return problems.Problem(status, message).answer(), status
    name = f"errors/{status if status in PAGES else 500 if status >= 500 else 400}.html"
    context = {"status": status, "error_title": title, "message": message, "advice": advice}
    if incoming.htmx():
        return pages.block(name, "main", **context), status
    return render_template(name, **context), status


RETRY_SECONDS: dict[outage.Kind, int] = {"busy": 5, "database": 30, "disk": 120}
TOO_MUCH = frozenset({413, 414, 429, 431})
PAGES = frozenset({400, 403, 404, 405, 409, 413, 429, 500, 503})


def _on_domain(error: DomainError) -> tuple[str | Response, int]:
    db.session.rollback()
    if error.status == 403:
        security_log.refused_to_viewer("forbidden")
    return respond(error.status if error.status in PAGES else 409, error.title, error.message, error.advice)


def _on_http(error: HTTPException) -> Any:
    if error.code is None or error.code < 400:
        return error
    # What goes wrong after the view (the commit) reaches Flask's last handler, wrapped as a 500.
    cause = getattr(error, "original_exception", None)
    if cause is not None:
        return _on_trouble(cause)
    _note(error.code)
    return respond(error.code, "", "", "")


def _note(status: int) -> None:
    """Somebody asks for what is not theirs, or for too much. Mistyped addresses are nobody's business."""
    if status == 403:
        security_log.refused_to_viewer("forbidden")
    elif status == 404:
        security_log.no_such_record()
    elif status in TOO_MUCH:
        security_log.refused("too much", status=status)


def _on_integrity(error: IntegrityError) -> tuple[str | Response, int]:
    db.session.rollback()
    known = for_integrity(error)
    if known is None:
        return _on_any(error)
    return _on_domain(known)


def _on_trouble(error: Exception) -> Any:
    """The database is busy or away, or the disk takes no more: nothing is stored, come again; else a fault of ours."""
    if isinstance(error, IntegrityError):
        return _on_integrity(error)
    g.pop("keep_on_refusal", None)  # there is nothing to keep it in
    kind = outage.of(error)
    if kind is None:
        return _on_any(error)
    with suppress(SQLAlchemyError):
        db.session.rollback()
    log.warning("outage", kind=kind, path=request.path, method=request.method, error=repr(error)[:300])
    if kind == "busy":
        page, status = respond(503, "现在人很多", "刚才的没有办成，也没有留下一半。", "请返回上一页，再按一次。")
    else:
        page, status = _without_database("errors/away.html", kind), 503
    return page, status, {"Retry-After": str(RETRY_SECONDS[kind]), "Cache-Control": "no-store"}


def _without_database(name: str, kind: str) -> str | Response:
    """Drawn without what a page's frame asks the database for."""
    if problems.wanted():
        return problems.Problem(503).answer()
    template = current_app.jinja_env.get_template(name)
    if incoming.htmx():
        return "".join(template.blocks["main"](template.new_context({"kind": kind})))
    return template.render(kind=kind)


def _on_any(error: Exception) -> tuple[str | Response, int]:
    with suppress(SQLAlchemyError):
        db.session.rollback()
    log.exception("unhandled", path=request.path, method=request.method, error=repr(error))
    return respond(500)


def init_app(app: Flask) -> None:
    app.register_error_handler(DomainError, _on_domain)
    app.register_error_handler(HTTPException, _on_http)
    app.register_error_handler(IntegrityError, _on_integrity)
    for kind in (OperationalError, InternalError, InterfaceError, TimeoutError, OSError):
        app.register_error_handler(kind, _on_trouble)
    if not app.config.get("TESTING"):
        app.register_error_handler(Exception, _on_any)
