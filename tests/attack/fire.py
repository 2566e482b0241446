"""One attack in a process of its own: python -m tests.attack.fire NAME SECONDS < target.json; prints what it met."""

from __future__ import annotations

import asyncio
import json
import sys

from tests.attack.attacks import ATTACKS, Fire
from tests.attack.target import Target


def main() -> None:
    fire = Fire(Target.of(sys.stdin.read()), float(sys.argv[2]))
    asyncio.run(ATTACKS[sys.argv[1]](fire))  # type: ignore[arg-type]
    print(json.dumps(fire.seen))


if __name__ == "__main__":
    main()
