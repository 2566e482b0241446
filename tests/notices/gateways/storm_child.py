"""What the storm kills: `prepare N` makes N residents and what is to be told; `sweep ISO` tells and sends, once;
`tell ISO` only tells; `codes` writes login codes when asked."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from portal import create_app
from portal.core import clock, outbox
from portal.core.db import db, writing
from portal.notices import actions
from portal.operations import work
from portal.people.models import Resident
from tests.notices.gateways.storm import START

PART = 50  # residents of one effect


@outbox.handler("tests.storm")
def tell(payload: dict[str, Any], now: datetime) -> None:
    rows = [actions.Told(number, "storm") for number in range(payload["first"], payload["first"] + payload["number"])]
    actions.tell_residents(rows, "change", "活动改期", "改到周日上午九点", "/me", now, urgent=True)


def prepare(people: int) -> None:
    db.create_all()
    with writing():
        for number in range(1, people + 1):
            db.session.add(Resident(id=number, phone=f"199{number:08d}", name="居民", created_at=START))
        for first in range(1, people + 1, PART):
            number = min(PART, people + 1 - first)
            outbox.put("tests.storm", str(first), {"first": first, "number": number}, START)


def codes() -> None:
    """A login code for each line that comes in; its number goes out once it is committed."""
    for number, _ in enumerate(sys.stdin):
        phone = f"188{number:08d}"
        with writing():
            parts = {"code": "123456", "minutes": "5"}
            actions.text_phone(phone, "验证码", "login_code", f"code:{number}", START, parts=parts)
        print(phone, flush=True)


def main() -> None:
    with create_app().app_context():
        if sys.argv[1] == "prepare":
            prepare(int(sys.argv[2]))
            return
        if sys.argv[1] == "codes":
            codes()
            return
        if sys.argv[1] == "tell":
            outbox.run_due(datetime.fromisoformat(sys.argv[2]), 100_000)
            return
        moment = datetime.fromisoformat(sys.argv[2])
        print("ready", flush=True)
        with clock.frozen(moment):
            while True:
                swept = work.sweep(moment)
                if not swept.effects and not sum(swept.texts.values()):
                    break


if __name__ == "__main__":
    main()
