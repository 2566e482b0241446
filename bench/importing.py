"""Import of a district with 418 centres into an empty database, as `flask import-centres` does. Prints JSON.

In a process of its own: python -m bench.importing [--file units.csv]
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

from flask_migrate import upgrade

from portal import create_app
from portal.centres import actions, profile
from portal.core import clock, scope
from portal.core.access import system_actor
from portal.core.db import writing

PROFILE, DISTRICT = "bincheng", Path(__file__).resolve().parents[2] / "shared" / "data" / "units-bincheng.csv"
TOWNS, CENTRES = 14, 418


def made_up() -> str:
    """A tree of the same size when the real file is not here: a district, 14 streets, communities below them."""
    lines = ["code,name,level,kind,parent_code,note", "DW,滨城区,district,district,,"]
    lines += [f"ZJ{n:02d},第{n}街道,subdistrict,subdistrict,DW," for n in range(1, TOWNS + 1)]
    below = CENTRES - len(lines) + 1
    lines += [f"SQ{n:04d},第{n}社区,community,community,ZJ{1 + n % TOWNS:02d}," for n in range(below)]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=DISTRICT)
    file = parser.parse_args().file
    text = file.read_text(encoding="utf-8-sig") if file.exists() else made_up()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    app = create_app()
    with redirect_stdout(sys.stderr), app.app_context():
        upgrade()
        chosen = profile.load(PROFILE)
        began = time.perf_counter()
        with writing(), scope.system("bench"):
            result = actions.import_centres(text, chosen, system_actor("bench"), clock.now())
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "centres": result.added}))


if __name__ == "__main__":
    main()
