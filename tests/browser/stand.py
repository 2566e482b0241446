"""The portal exactly as it is served, but with its clock set: December's list is always next month's.

granian takes `tests.browser.stand:door`, `flask --app tests.browser.stand` runs the commands. The clock goes on from
where PORTAL_TEST_CLOCK_SHIFT (seconds) puts it, so a walk over the months is the same in any year.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from portal.core import clock

SHIFT = timedelta(seconds=float(os.environ.get("PORTAL_TEST_CLOCK_SHIFT", "0")))


def _now() -> datetime:
    # `tick --now` still holds the clock where it was told to.
    return clock._frozen.get() or datetime.now(UTC) + SHIFT


clock.now = _now

from wsgi import app, door  # noqa: E402 - the clock is set before anything reads it

__all__ = ["app", "door"]
