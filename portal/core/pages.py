"""Pages and their blocks. A fragment for HTMX is a named block of the page's own template (DESIGN habit 9)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from flask import Flask, Response, current_app, flash, g, make_response, redirect, render_template, request, session
from flask_wtf.csrf import generate_csrf
from jinja2 import Template
from markupsafe import Markup, escape
from sqlalchemy.exc import IntegrityError
from werkzeug.urls import iri_to_uri

from portal.core import again, assets, clock, errors, incoming, masks
from portal.core.db import db, give_up
from portal.core.errors import DomainError
from portal.core.text import megabytes

if TYPE_CHECKING:
    from portal.core.forms import Form


View = Callable[..., Any]
Acting = Callable[[View], View]


def block(template: str, name: str, /, **context: Any) -> str:
    """Render one named block of `template`, byte for byte as it stands in the full page."""
    page = current_app.jinja_env.get_template(template)
    current_app.update_template_context(context)
    return "".join(page.blocks[name](page.new_context(context)))


def wants_fragment() -> bool:
    """An HTMX request for a part; boosted links and history restores want the whole page."""
    asks = incoming.htmx()
    return bool(asks) and not asks.boosted and not asks.history_restore_request


def page(template: str, fragment: str | None = None, status: int = 0, **context: Any) -> Response:
    """The whole page, or its block `fragment` when HTMX asks; the view picks the name, never the client.

    status: that of the refusal `error` when the page shows one, else 200.
    """
    status = status or getattr(context.get("error"), "status", 200)
    if fragment and wants_fragment():
        answer = make_response(block(template, fragment, **context), status)
    else:
        answer = make_response(render_template(template, **context), status)
    if fragment:
        answer.headers.add("Vary", "HX-Request")
    return answer


def see_other(url: str) -> Response:
    """After a successful POST: look there. HTMX follows by HX-Redirect so that the whole page changes."""
    if wants_fragment():
        answer = make_response("", 200)
        answer.headers["HX-Redirect"] = iri_to_uri(url)  # headers are Latin-1, `next` may hold Chinese
        return answer
    return redirect(url, 303)  # type: ignore[return-value]


def refused(error: DomainError | IntegrityError, form: Form | None = None) -> DomainError:
    """What to say in place, beside the field of `form`; nothing of the request is kept, nothing half-done.

    Raises what has a page of its own: forbidden (403), not there (404), a fault that nobody foresaw.
    """
    give_up()
    known = errors.for_integrity(error) if isinstance(error, IntegrityError) else error
    if known is None or known.status in (403, 404):
        raise error
    if form is not None:
        form.refuse(known)
    return known


def sorry(error: DomainError | IntegrityError, url: str) -> Response:
    """As `refused`, where no form stands that it could be said beside: look at `url` with the refusal above it."""
    known = refused(error)
    flash(f"{known.message}{known.advice}", "red")
    return see_other(url)


def act(redraw: Callable[..., Any], done: Callable[..., Any] | None = None) -> Acting:
    """Decorates a view that does one thing and says in a sentence what it has done.

    redraw(error, **the view's arguments): its page with the refusal in place and what was typed (see `refused`).
    done(sentence, **the view's arguments): where one is afterwards, usually by `said`. A view may answer for itself.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(**args: Any) -> Any:
            try:
                told = view(**args)
            except (DomainError, IntegrityError) as error:
                return redraw(refused(error), **args)
            return done(told, **args) if done is not None and isinstance(told, str) else told

        return answer

    return decorate


def said(sentence: str, url: str, fragment: Callable[[], Response] | None = None) -> Response:
    """After an action: `fragment` drawn anew where HTMX asked for it, else look at `url` with the sentence above it."""
    if fragment is not None and wants_fragment():
        db.session.flush()
        return fragment()
    if sentence:
        flash(sentence, "ok")
    return see_other(url)


def page_number() -> int:
    """Which page of a list the address asks for, from 1."""
    return incoming.whole_number(request.args.get("page"), 999) or 1


CSRF_SLOT = "@csrf-token@"
_tokens: dict[str, str] = {}
_head: list[Callable[[], tuple[Any, ...]]] = []


def set_head_key(key: Callable[[], tuple[Any, ...]]) -> None:
    """Installed by the people feature: everything of the viewer that a page's frame shows, as a hashable value."""
    _head[:] = [key]


def csrf_token() -> str:
    """The CSRF token, or its slot while a page is rendered that will be kept for several people."""
    return CSRF_SLOT if g.get("csrf_slot") else _signed_token()


def _signed_token() -> str:
    """Tokens have no time limit, so one signature serves a browser session for as long as this process lives."""
    raw = session.get("csrf_token")
    token = _tokens.get(raw) if raw else None
    if token is None:
        token = generate_csrf()
        if len(_tokens) >= 4096:
            _tokens.clear()
        _tokens[session["csrf_token"]] = token
    return token


def remembered(store: dict[Any, Any], key: Any, make: Callable[[], dict[str, Any]]) -> Response:
    """A page that is the same for everybody whose frame looks the same: rendered once, then only filled in.

    store: a dict that its owner drops when the content changes. make(): the context, with 'template' and 'fragment';
    and with 'frame' (a hashable value) when all around the fragment is the same wherever that value is: it is then
    drawn once, with `framed` for the template to put where its fragment belongs.
    The CSRF token stands as a slot in the kept text; a page with a flashed message is never kept.
    """
    fragment = wants_fragment()
    kept = "_flashes" not in session
    head = tuple(part() for part in _head)
    full_key = (key, fragment, *head)
    parts = store.get(full_key) if kept else None
    if parts is None:
        # Kept as bytes on both sides of the slot: filling in is one join.
        parts = _with_slot(make(), fragment, store if kept else {}, head).encode().split(CSRF_SLOT.encode())
        if len(store) > 400:
            store.clear()
        if kept:
            store[full_key] = parts
    body = _signed_token().encode().join(parts) if len(parts) > 1 else parts[0]
    answer = current_app.response_class(body, mimetype="text/html")
    answer.headers["Vary"] = "HX-Request, Cookie"
    request.environ[again.SAY] = kept
    return answer


def _with_slot(context: dict[str, Any], fragment: bool, store: dict[Any, Any], head: tuple[Any, ...]) -> str:
    name, part, frame = context.pop("template"), context.pop("fragment"), context.pop("frame", None)
    g.csrf_slot = True
    try:
        if fragment:
            return block(name, part, **context)
        if frame is None:
            return render_template(name, **context)
        around = store.get((name, frame, *head))
        if around is None:
            around = store[name, frame, *head] = render_template(name, framed=SLOT, **context).split(SLOT)
        return block(name, part, **context).join(around)
    finally:
        g.csrf_slot = False


SLOT = f"@{secrets.token_hex(8)}@"  # nobody can type it


def drawer(template: str, macro: str) -> Callable[..., Markup]:
    """A macro of `template` that says nothing but what its (hashable) arguments say: drawn once for the same ones."""
    return _drawer(current_app.jinja_env.get_template(template), macro)


@lru_cache(maxsize=64)
def _drawer(template: Template, macro: str) -> Callable[..., Markup]:
    drawn: Callable[..., Markup] = lru_cache(maxsize=4096)(getattr(template.module, macro))
    return drawn


def slotted(template: str, macro: str) -> Callable[..., list[str]]:
    """As `drawer`, for a macro that gets SLOT as its last argument: what it draws around the slots, to be joined."""
    return _slotted(current_app.jinja_env.get_template(template), macro)


@lru_cache(maxsize=64)
def _slotted(template: Template, macro: str) -> Callable[..., list[str]]:
    draw = getattr(template.module, macro)
    return lru_cache(maxsize=8192)(lambda *values: str(draw(*values, SLOT)).split(SLOT))


def absolute(path: str) -> str:
    """The address outsiders use (QR codes, messages): PORTAL_BASE_URL, whatever host this request came by."""
    return f"{current_app.config['BASE_URL']}{path}"


def with_args(**changes: Any) -> str:
    """This page's address with some query arguments changed; None or '' takes one away."""
    args = {k: v for k, v in request.args.items() if k != "page"}
    for key, value in changes.items():
        if value in (None, ""):
            args.pop(key, None)
        else:
            args[key] = str(value)
    query = "&".join([f"{quoted(key)}={quoted(value)}" for key, value in args.items()])
    return f"{request.path}?{query}" if query else request.path


@lru_cache(maxsize=2048)
def quoted(text: str) -> str:
    """One name or value of an address's query."""
    return quote_plus(text)


def paragraphs(text: str | None) -> Markup:
    """Plain text to escaped paragraphs."""
    parts = [p.strip() for p in (text or "").replace("\r", "").split("\n") if p.strip()]
    return Markup("").join(Markup("<p>{}</p>").format(p) for p in parts)


def phone_text(phone: str | None) -> str:
    """'0755-8420 0001': grouped for reading aloud."""
    digits = phone or ""
    if len(digits) == 13 and digits[4] == "-":
        return f"{digits[:9]} {digits[9:]}"
    if len(digits) == 11 and digits.isdigit():
        return f"{digits[:3]} {digits[3:7]} {digits[7:]}"
    return digits


_SPAN = re.compile(r"\d{1,2}:\d\d–\d{1,2}:\d\d")


def whole(text: str | None) -> Markup:
    """Escaped text in which no line ends inside a span of hours: '8:30–11:00' stays in one piece."""
    return Markup(_SPAN.sub(r'<span class="whole">\g<0></span>', str(escape(text or ""))))  # noqa: S704 escaped first


FILTERS: Mapping[str, Callable[..., Any]] = {
    "day": clock.day, "hour": clock.hour, "span": clock.span, "stamp": clock.stamp, "ago": clock.ago,
    "month_name": clock.month_name, "weekday": clock.weekday, "local": clock.local, "paragraphs": paragraphs,
    "lasting": clock.lasting, "said": clock.said, "megabytes": megabytes,
    "whole": whole, "phone_text": phone_text, "mask_phone": masks.mask_phone, "mask_address": masks.mask_address,
}  # fmt: skip


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        with_args=with_args, drawer=drawer, csrf_token=csrf_token, clock=clock, escape=escape,
        asset=assets.addresses(str(app.static_folder), str(app.static_url_path)),
    )  # fmt: skip
    # Flask-WTF offers its own by a context processor, which would write a real token into a kept page.
    app.context_processor(lambda: {"csrf_token": csrf_token})
    # Macros are a global because a top-level import is invisible to a block rendered alone.
    app.jinja_env.globals["ui"] = app.jinja_env.get_template("ui.html").module
