"""Pages and their blocks. A fragment for HTMX is a named block of the page's own template (DESIGN habit 9)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote_plus

from flask import Flask, Response, current_app, flash, make_response, redirect, render_template, request
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup, escape
from sqlalchemy.exc import IntegrityError
from werkzeug.urls import iri_to_uri

from portal.core import assets, clock, errors, incoming, masks
from portal.core.db import db, give_up
from portal.core.errors import DomainError
from portal.core.text import megabytes

if TYPE_CHECKING:
    from portal.core.forms import Form


T = TypeVar("T")
View = Callable[..., Any]
Acting = Callable[[View], View]


def block(template: str, name: str, /, **context: Any) -> str:
    """Render one named block of `template`, byte for byte as it stands in the full page."""
    page = current_app.jinja_env.get_template(template)
    current_app.update_template_context(context)
    return "".join(page.blocks[name](page.new_context(context)))


def blocks(template: str, /, **context: Any) -> dict[str, Markup]:
    """Every block of `template` by its name, drawn one by one; for `kept` parts that stand apart on their page."""
    current_app.update_template_context(context)
    page = current_app.jinja_env.get_template(template)
    return {name: Markup("".join(draw(page.new_context(context)))) for name, draw in page.blocks.items()}  # noqa: S704


def ui() -> Any:
    """The macros of ui.html, for what is drawn before its page is."""
    return current_app.jinja_env.globals["ui"]


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


MOST_KEPT = 2000  # cards of half a KB, parts of some 8 KB
LONGEST_KEPT = 300  # bytes of a query string: its links repeat it, and strangers may send a thousand long ones


def kept(key: tuple[Any, ...], make: Callable[[], T]) -> T:
    """A part of a page that is the same for everybody: made once for `key`, kept in this process.

    key: what kind of part, the stamps or versions of the rows it shows, and all else that it shows. In a part stands no
    form that is posted, for its token is one's own.
    """
    return kept_in(current_app.extensions.setdefault("portal_kept", {}), key, make, MOST_KEPT)


def kept_in(store: dict[tuple[Any, ...], Any], key: tuple[Any, ...], make: Callable[[], T], most: int) -> T:
    """As `kept`, in a store of the caller's own that holds `most` parts; the oldest goes.

    What an odd, long address asks for (bytes in the key are a query string) is made and not kept.
    """
    if any(isinstance(part, bytes) and len(part) > LONGEST_KEPT for part in key):
        return make()
    found: T | None = store.get(key)
    if found is None:
        found = store[key] = make()
        if len(store) > most:
            store.pop(next(iter(store)), None)
    return found


def minute(now: datetime) -> int:
    """For keys of parts that say what time it is: they are a minute old at most."""
    return int(now.timestamp()) // 60


def absolute(path: str) -> str:
    """The address outsiders use (QR codes, messages): PORTAL_BASE_URL, whatever host this request came by."""
    return f"{current_app.config['BASE_URL']}{path}"


def drawing(name: str) -> str:
    """The path of a drawing of static/kinds.svg as a picture, for preview cards, which take no SVG."""
    asset: Callable[[str], str] = current_app.jinja_env.globals["asset"]  # type: ignore[assignment]
    return asset(f"share/{name}.png")


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


def linked_data(said: Mapping[str, Any]) -> Markup:
    """For other platforms, in the words of schema.org: data that no browser runs, so the policy of scripts lets it be.

    The dump escapes whatever could end it (`<`, `>`, `&`).
    """
    return Markup('<script type="application/ld+json">{}</script>').format(htmlsafe_json_dumps(said))


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
    "linked_data": linked_data, "lasting": clock.lasting, "said": clock.said, "megabytes": megabytes,
    "whole": whole, "phone_text": phone_text, "mask_phone": masks.mask_phone, "mask_address": masks.mask_address,
}  # fmt: skip


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        with_args=with_args, clock=clock, escape=escape,
        asset=assets.addresses(str(app.static_folder), str(app.static_url_path)),
    )  # fmt: skip
    # Macros are a global because a top-level import is invisible to a block rendered alone.
    app.jinja_env.globals["ui"] = app.jinja_env.get_template("ui.html").module
