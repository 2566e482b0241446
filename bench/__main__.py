"""All figures of the product in one run, each beside something known: one table, and JSON in var/bench.json.

    python -m bench [--quick] [--only journey|rooms|paper|import|month|weight|pages|wide] [--kind sqlite|postgresql]
                    [--check]

The server and its database stay on one core, the client on another if there is one. Loopback only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import http, journey, month, pages, rooms, town, weight, wide
from bench.table import KEPT, Line, keep, show


def measure_journey(quick: bool, kinds: Sequence[str]) -> list[Line]:
    """A resident's way from home to the answer, on both databases."""
    lines: list[Line] = []
    for kind in kinds:
        print(f"  {town.LABELS[kind]}: filling, then measuring", file=sys.stderr, flush=True)
        with town.filled(kind, 0.05 if quick else 1.0) as filled, http.on_core(http.CLIENT_CORE):
            lines += journey.measure(filled, 3 if quick else 9)
    return lines


def measure_rooms(quick: bool, kinds: Sequence[str]) -> list[Line]:
    """Finding a room beside hello, with 100,000 and with a million bookings, on both databases."""
    lines: list[Line] = []
    for kind in kinds:
        print(f"  {town.LABELS[kind]}: rooms, filling, then measuring", file=sys.stderr, flush=True)
        lines += rooms.measure(kind, 3 if quick else 11, 6_000 if quick else rooms.BOOKINGS)
    return lines


def measure_paper(quick: bool, _kinds: Sequence[str]) -> list[Line]:
    """A centre's month and 26 centres' as PDF beside the same content in plain fixed tables."""
    from bench import pdf

    with tempfile.TemporaryDirectory() as folder, http.on_core(http.SERVER_CORE):
        return pdf.measure(1 if quick else 3, Path(folder))


def measure_import(_quick: bool, kinds: Sequence[str]) -> list[Line]:
    """418 centres into an empty database."""
    lines = []
    for kind in kinds:
        with town.empty(kind) as (env, _), http.on_core(http.SERVER_CORE):
            told: dict[str, Any] = town.run("bench.importing", env)
        lines.append(Line("import of centres", f"{told['centres']}, {town.LABELS[kind]}", told["seconds"], "s"))
    return lines


def measure_month(quick: bool, kinds: Sequence[str]) -> list[Line]:
    """A community's 300 rows from the upload to publication, and an evening's 50,000 reminders."""
    lines: list[Line] = []
    for kind in kinds:
        print(f"  {town.LABELS[kind]}: the demo, months of 300 rows, reminders", file=sys.stderr, flush=True)
        few = ("--turns", "1", "--messages", "2000") if quick else ()
        with town.empty(kind) as (env, process), http.on_core(http.SERVER_CORE):
            told = town.run("bench.month", env, "--database", str(process), *few)
        lines += month.lines_of(kind, told, month.ROWS)
    return lines


def measure_weight(_quick: bool, _kinds: Sequence[str]) -> list[Line]:
    """The first visit of the list, over the wire."""
    with town.filled("sqlite", 0.005) as filled, http.served("wsgi:door", filled.env) as portal:
        visit = weight.first_visit(portal.port, "/services")
    group = "first visit of /services"
    lines = [
        Line(group, part.path.split("?")[0], part.sent / 1000, f"KB {part.encoding}".strip()) for part in visit.parts
    ]
    return [
        *lines,
        Line(group, "together", visit.bytes / 1000, "KB", target=45),
        Line(group, "requests", len(visit.parts) + len(visit.foreign), "", target=5),
    ]


def measure_pages(quick: bool, kinds: Sequence[str]) -> list[Line]:
    """Every page at the demo's size, ten and a hundred times that, on both databases."""
    lines: list[Line] = []
    for kind in kinds:
        print(f"  {town.LABELS[kind]}: the demo, its copies, all pages", file=sys.stderr, flush=True)
        with town.empty(kind) as (env, _), http.on_core(http.CLIENT_CORE):
            told = town.run("bench.pages", env, "--json", "--times", "1" if quick else "1,10,100")
        lines += pages.lines_of(kind, told)
    return lines


def measure_wide(quick: bool, kinds: Sequence[str]) -> list[Line]:
    """Every staff page of a district of 418 centres, on both databases."""
    lines: list[Line] = []
    for kind in kinds:
        print(f"  {town.LABELS[kind]}: 418 centres, all staff pages", file=sys.stderr, flush=True)
        with http.on_core(http.SERVER_CORE):
            told = town.run("bench.wide", {}, "--json", "--kind", kind, "--turns", "3" if quick else "10")
        lines += wide.lines_of(kind, told)  # type: ignore[arg-type]
    return lines


PARTS: dict[str, Callable[[bool, Sequence[str]], list[Line]]] = {
    "weight": measure_weight, "import": measure_import, "paper": measure_paper, "month": measure_month,
    "journey": measure_journey, "rooms": measure_rooms, "pages": measure_pages,
    "wide": measure_wide,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small town and few turns: a look, no measurement")
    parser.add_argument("--only", choices=sorted(PARTS), help="one part")
    parser.add_argument("--kind", choices=town.KINDS, help="one database, where a part has figures of both")
    parser.add_argument("--check", action="store_true", help="end with 1 when a target is missed")
    chosen = parser.parse_args()
    began, lines = time.monotonic(), []
    for name, part in PARTS.items():
        if chosen.only in (None, name):
            print(f"… {name}", file=sys.stderr, flush=True)
            lines += part(chosen.quick, [chosen.kind] if chosen.kind else town.KINDS)
    seconds = time.monotonic() - began
    print(show(lines))
    keep(lines, seconds)
    print(f"\n{seconds:.0f} s; JSON:")
    print(KEPT.read_text(encoding="utf-8"), end="")
    return 1 if chosen.check and any(line.verdict == "miss" for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
