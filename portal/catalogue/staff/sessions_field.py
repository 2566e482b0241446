"""The box in which staff type when something takes place: one line, one time, in words (SPEC C2, C7)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from portal.catalogue import rules
from portal.catalogue.rules import EntryValues
from portal.catalogue.timetext.parse import parse_when
from portal.catalogue.timetext.parts import Problem, Span, When, error, errors
from portal.catalogue.timetext.render import render_spans
from portal.core import clock

LINES_MAX = 40


@dataclass(frozen=True)
class Typed:
    """The whole box. weekly: only when one line holds one rule that tells the whole truth."""

    lines: tuple[When, ...]
    spans: tuple[Span, ...]
    weekly: dict[str, Any] | None
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return not errors(self.problems)


def read_sessions(text: str, month: str, moved: bool = False) -> Typed:
    """Every session of the lines typed; problems belong to the field 'sessions' and name their line.

    moved: a change after publication, where a line may name a later month. Never raises for any text;
    ValueError when `month` is malformed.
    """
    texts = [t for t in (raw.strip() for raw in text.replace("\r", "").split("\n")) if t]
    lines, problems = [], []
    for number, line in enumerate(texts[:LINES_MAX], 1):
        when = parse_when(line, _month_named(line, month) if moved else month)
        lines.append(when)
        where = f"第 {number} 行：" if len(texts) > 1 else ""
        problems += [Problem("sessions", p.severity, f"{where}{_sentence(p.message)}") for p in when.problems]
    if len(texts) > LINES_MAX:
        problems.append(error("sessions", f"最多写 {LINES_MAX} 行。"))
    spans = tuple(sorted({span for when in lines for span in when.spans}))
    rule = lines[0].weekly if len(lines) == 1 else None
    weekly = rules.weekly_dict(rule.weekdays, rule.start, rule.end) | {"label": rule.label} if rule else None
    return Typed(tuple(lines), spans, weekly, tuple(problems))


def _sentence(message: str) -> str:
    return message if message.endswith(("。", "！", "？")) else message + "。"


def _month_named(line: str, month: str) -> str:
    """The month a line names, at or after `month`; '1月' in December's list is next January."""
    found = re.search(r"(?<!\d)(1[0-2]|0?[1-9])月", line)
    if found is None:
        return month
    ahead = (int(found[1]) - int(month[5:7])) % 12
    return clock.add_months(month, ahead)


def as_typed(values: EntryValues) -> str:
    """The text that `read_sessions` reads back into the same sessions: the weekly words, or a line a session."""
    label = str((values.weekly or {}).get("label", ""))
    wanted = tuple(sorted(values.sessions))
    if label and read_sessions(label, values.month).spans == wanted:
        return label
    return "\n".join(_line(span) for span in wanted)


def _line(span: Span) -> str:
    return render_spans({Span(clock.local(span.start), clock.local(span.end))})


def shown(spans: Iterable[Span]) -> list[str]:
    """Each session as pages show it."""
    return [clock.span(s.start, s.end) for s in spans]
