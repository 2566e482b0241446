"""A district's first morning in Chromium, from an empty database: clicks are counted, each step is photographed.

    python -m tests.first_morning [--out tests/out/first-morning]

Not in the suite (`make first-morning`). What a step does is a function in `steps.STEPS`. Ends with 1 when a step does
not come to what it should, a page complains, or MOST clicks are passed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS, Complaints
from tests.browser.live import Portal
from tests.first_morning.desk import Behind
from tests.first_morning.steps import STEPS, Morning
from tests.servers import RedisServer, chromium_path

MOST = 120


class District(Portal):
    """A portal with everything that stands behind it, Redis too."""

    def __init__(self, redis: RedisServer) -> None:
        super().__init__()
        self.redis = redis

    @property
    def env(self) -> dict[str, str]:
        """See Portal."""
        return super().env | {"REDIS_URL": self.redis.url}


def walk(portal: Portal, out: Path) -> list[str]:
    """Go through all steps; returns what was complained of."""
    told = portal.flask("init")
    found = re.search(r"一次性密码：(\S+)", told)
    assert found, told
    complaints = Complaints()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        morning = Morning(browser, portal, out, found[1], complaints)
        for name, step in STEPS:
            before, began = morning.count.copy(), time.monotonic()
            try:
                step(morning)
            except Exception:
                morning.manager.page.screenshot(path=out / "stopped.png", full_page=True)
                raise
            print(f"{name:14} {morning.count.since(before)} {time.monotonic() - began:6.1f} s", flush=True)
        browser.close()
    count = morning.count
    print(f"{'all':14} {count.clicks:3} clicks of at most {MOST}; {count.fields} fields, {count.files} files")
    print(f"{len(count.pictures)} pictures in {out}")
    return [*complaints, *([f"{count.clicks} clicks"] if count.clicks > MOST else [])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("tests/out/first-morning"))
    out: Path = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    redis = RedisServer()
    redis.start()
    portal = District(redis)
    portal.data.mkdir(parents=True)
    portal.flask("db", "upgrade")
    portal.start()
    behind = Behind(portal)
    try:
        complaints = walk(portal, out)
    finally:
        behind.end()
        portal.discard()
        redis.discard()
    for complaint in complaints:
        print(f"✗ {complaint}", file=sys.stderr)
    return bool(complaints)


if __name__ == "__main__":
    raise SystemExit(main())
