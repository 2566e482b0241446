"""Structured logs to standard output: JSON lines when not at a terminal. Nobody's name or number stands in them."""

import logging
import re
import sys

import structlog
from flask import Flask
from structlog.typing import EventDict

from portal.core import masks

_MOBILE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
_DETAIL = re.compile(r"DETAIL:[^\n\\]*")  # PostgreSQL quotes the row there


def impersonal(text: str) -> str:
    """An error's text without telephone numbers and without the values that PostgreSQL quotes."""
    return _MOBILE.sub(lambda found: masks.mask_phone(found[0]), _DETAIL.sub("DETAIL: …", text))


def _impersonal(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {name: impersonal(value) if isinstance(value, str) else value for name, value in event.items()}


def init_app(app: Flask) -> None:
    level = getattr(logging, app.config["LOG_LEVEL"], logging.INFO)
    at_terminal = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if at_terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _impersonal,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
