"""What arrives, before anybody reads it: not too much, no control characters, no numbers that no record can have.

A form costs by its fields, not by its bytes: 8 MB of `a&` are four million of them and would hold a thread for seconds
(SPEC Q8). PostgreSQL refuses a NUL inside any text and both databases refuse numbers beyond their columns; nobody types
either. Cleaned here once, so that no view has to think of it (SPEC Q1).
"""

import io
import re
from datetime import date
from typing import Any

from flask import Flask, abort, current_app, request
from htmx_flask import Htmx
from htmx_flask.requests import HtmxAwareRequest, HtmxHeaders
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.routing import IntegerConverter

# Tabs and line breaks are text. Lone surrogates cannot be stored or sent as UTF-8.
UNTYPED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
LARGEST_ID = 2**31 - 1  # of an integer column
# Every such character arrives percent-encoded as %00-%1F or %7F, or as bytes that are no UTF-8.
_SUSPICIOUS = re.compile(rb"%[01]|%7[fF]|%[eE][dD]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def clean(text: str) -> str:
    """The text without control characters and lone surrogates."""
    return UNTYPED.sub("", text)


def _cleaned(values: MultiDict[str, Any]) -> MultiDict[str, Any]:
    return type(values)([(clean(key), clean(value)) for key, value in values.items(multi=True)])


def declared(app: Flask, path: str, method: str) -> Any:
    """What the view behind `path` says of itself (`access.Access`); None where there is none."""
    try:
        endpoint, _ = app.url_map.bind("").match(path, method)
    except HTTPException:
        return None
    return getattr(app.view_functions.get(endpoint), "access", None)


def largest(app: Flask, path: str, method: str) -> int:
    """How many bytes may be sent to `path`: a file only where a view takes one, a larger one where its page says so."""
    access = declared(app, path, method)
    if access is not None and access.tells_size:
        return int(app.config["MAX_TOLD_LENGTH"])
    return int(app.config["MAX_CONTENT_LENGTH" if access is not None and access.files else "MAX_FORM_LENGTH"])


class _Parser(FormDataParser):
    def parse(self, stream: Any, mimetype: str, content_length: int | None, options: Any = None) -> Any:
        """Raises RequestEntityTooLarge before thousands of fields are taken apart; Werkzeug counts multipart only."""
        if mimetype == "application/x-www-form-urlencoded":
            sent = stream.read()
            if self.max_form_parts is not None and sent.count(b"&") >= self.max_form_parts:
                raise RequestEntityTooLarge()
            stream = io.BytesIO(sent)
        stream, form, files = super().parse(stream, mimetype, content_length, options)
        return stream, _cleaned(form), files


class CleanRequest(HtmxAwareRequest):
    """A request that knows HTMX's headers and whose `args` and `form` hold only what somebody can have typed."""

    form_data_parser_class = _Parser

    @property
    def args(self) -> Any:
        kept = self.__dict__.get("clean_args")
        if kept is None:
            kept = super().args
            if _SUSPICIOUS.search(self.query_string):
                kept = _cleaned(kept)
            self.__dict__["clean_args"] = kept
        return kept


def htmx() -> HtmxHeaders:
    """What HTMX says of this request: true when it asks, with `boosted`, `history_restore_request` and the like."""
    return request.htmx  # type: ignore[attr-defined]  # of CleanRequest, which Flask's proxy does not know


class RecordNumber(IntegerConverter):
    """`<int:entry_id>`: a number beyond the column is no record, hence 404."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **({"max": LARGEST_ID} | kwargs))


def whole_number(raw: str | None, most: int = LARGEST_ID) -> int | None:
    """A whole number of at most `most` as typed, full-width digits too; None for everything else."""
    digits = (raw or "").strip()
    # isdecimal, not isdigit: '³' is a digit that int() refuses.
    if not digits.isdecimal() or len(digits) > 12:
        return None
    number = int(digits)
    return number if number <= most else None


def days_asked(problems: list[str]) -> tuple[date | None, date | None]:
    """The days `first` and `last` of the address, both included; what is no day, or the wrong way round, is said."""
    first, last = _day("first", problems), _day("last", problems)
    if first and last and first > last:
        problems.append("开始日期晚于结束日期，已对调。")
        first, last = last, first
    return first, last


def _day(name: str, problems: list[str]) -> date | None:
    raw = request.args.get(name, "").strip()
    if not raw:
        return None
    try:
        found = date.fromisoformat(raw)
    except ValueError:
        found = date.min
    if not 2000 <= found.year < 2200:  # beyond, no moment could be made of it
        problems.append(f"“{raw[:20]}”不是日期，请按 2026-12-03 的样子填写。")
        return None
    return found


def record_id(raw: str) -> int:
    """For `request.args.get(…, type=record_id)`. Raises ValueError for what no record can have."""
    number = whole_number(raw)
    if number is None:
        raise ValueError(raw[:40])
    return number


def _refuse_too_much() -> None:
    if UNTYPED.search(request.path):
        abort(404)
    if request.query_string.count(b"&") >= current_app.config["MAX_FORM_PARTS"]:
        abort(414)
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        request.max_content_length = largest(current_app, request.path, request.method)


def init_app(app: Flask) -> None:
    """Install the request class, the converter and the look at what is too much; before any view is registered."""
    Htmx(app)
    app.request_class = CleanRequest  # more than the extension's own class
    app.url_map.converters["int"] = RecordNumber
    app.before_request(_refuse_too_much)
