"""A measured figure beside its target, and how a run of them is shown and kept."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT = Path(__file__).resolve().parent.parent / "var" / "bench.json"


@dataclass(frozen=True, slots=True)
class Line:
    """One figure. ratio: to the yardstick named in `beside`; target: 'at least' or 'at most' this value or ratio."""

    group: str
    name: str
    value: float
    unit: str
    ratio: float | None = None
    beside: str = ""
    target: float | None = None
    at_least: bool = False

    @property
    def judged(self) -> float:
        """What the target speaks of: the ratio when there is one."""
        return self.value if self.ratio is None else self.ratio

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        good = self.judged >= self.target if self.at_least else self.judged <= self.target
        return "ok" if good else "miss"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _cells(line: Line) -> tuple[str, ...]:
    target = "" if line.target is None else f"{'≥' if line.at_least else '≤'} {_number(line.target)}"
    ratio = "" if line.ratio is None else f"{line.ratio:.3f}"
    return (line.group, line.name, f"{_number(line.value)} {line.unit}", ratio, line.beside, target, line.verdict)


def show(lines: Iterable[Line]) -> str:
    """The table as text."""
    rows = [("", "what", "value", "ratio", "beside", "target", ""), *map(_cells, lines)]
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    shown, group = [], ""
    for row in rows:
        first = "" if row[0] == group else row[0]
        shown += [""] if first else []
        group = row[0]
        cells = [
            " " * (w - _width(c)) + c if i in (2, 3, 5) else c + " " * (w - _width(c))
            for i, (c, w) in enumerate(zip((first, *row[1:]), widths, strict=True))
        ]
        shown.append("  ".join(cells).rstrip())
    return "\n".join(shown)


def keep(lines: Iterable[Line], seconds: float, file: Path = KEPT) -> None:
    """Write the figures as JSON; `make bench` prints it too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    figures = [asdict(line) | {"verdict": line.verdict} for line in lines]
    file.write_text(json.dumps({"seconds": round(seconds), "lines": figures}, ensure_ascii=False, indent=1) + "\n")
