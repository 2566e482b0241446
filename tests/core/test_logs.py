"""A line of the log is one line of JSON with its time in UTC, whatever somebody typed (ASVS 16.2.2, 16.2.4, 16.4.1)."""

from __future__ import annotations

import json
from typing import Any

import structlog
from flask import Flask

from portal.core import logs


def test_what_was_typed_makes_no_line_of_its_own(app: Flask, capsys: Any) -> None:
    before = structlog.get_config()
    try:
        logs.init_app(app)
        forged = 'x\n{"event": "sign_in", "level": "info"}\r\n\x1b[2J'
        structlog.get_logger().warning("refused", path=forged)
    finally:
        structlog.configure(**before)
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert "\x1b" not in written
    line = json.loads(written)
    assert (line["event"], line["path"]) == ("refused", forged)
    assert line["timestamp"].endswith("Z")
