"""How long many texts take when a provider needs 100 ms for each, and how long a login code waits among them (SPEC M2).

`python -m tests.notices.gateways.rush` sends PEOPLE=50000 in one process, as the worker does, while a second one writes a
code every few seconds. It prints minutes and waits; it fails beyond 15 minutes for 50,000 (in proportion for fewer).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.notices.gateways import providers, storm

CALL_SECONDS = 0.1
MOST_MINUTES, OF_TEXTS = 15.0, 50_000
CODES = 10


def codes(rush: storm.Storm, ended: threading.Event, waits: list[float]) -> None:
    """Codes that are asked for while the others are sent: seconds from the commit to the provider."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.notices.gateways.storm_child", "codes"],
        env=rush.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdin is not None and child.stdout is not None
        for _ in range(CODES):
            if ended.wait(2):
                break
            print("next", file=child.stdin, flush=True)
            phone, began = child.stdout.readline().strip(), time.monotonic()
            while not any(number.endswith(phone) for number in list(rush.provider.phones.values())[-200:]):
                if ended.wait(0.005) or time.monotonic() - began > 30:
                    break
            waits.append(time.monotonic() - began)
        child.stdin.close()


def main() -> int:
    people = int(os.environ.get("PEOPLE", str(OF_TEXTS)))
    with tempfile.TemporaryDirectory() as folder, providers.running("aliyun") as provider:
        provider.delay = CALL_SECONDS
        rush = storm.Storm(Path(folder), f"sqlite:///{folder}/rush.db", provider, people)
        rush.env = {**rush.env, "PORTAL_SMS_RATE": "100"}
        rush.child("tell", storm.START.isoformat()).communicate()
        ended, waits = threading.Event(), list[float]()
        asking = threading.Thread(target=codes, args=(rush, ended, waits))
        asking.start()
        began = time.monotonic()
        rush.child("sweep", storm.START.isoformat()).communicate()
        minutes = (time.monotonic() - began) / 60
        ended.set()
        asking.join()
        sent = rush.count("SELECT count(*) FROM delivery WHERE outcome = 'sent' AND kind = 'change'")
        rush.engine.dispose()
    most = MOST_MINUTES * people / OF_TEXTS
    ok = sent == people and minutes <= most
    print(f"{sent} texts in {minutes:.1f} min (at most {most:.1f}), {provider.most_at_once} at once; "
          f"codes waited {statistics.median(waits):.2f} s, the longest {max(waits):.2f} s: {'ok' if ok else 'FAILED'}")  # fmt: skip
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
