"""The deployment profile: levels and their names are data, not code (SPEC 0)."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

from flask import current_app

from portal.centres.drawing import Ring
from portal.core import clock
from portal.core.access import Role

FOLDER = Path(__file__).resolve().parent.parent / "profiles"


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the tree. cutoff: day and Shanghai hour of the month before the list's month."""

    code: str
    name: str
    short: str
    rank: int  # 0 at the top
    files_list: bool = False
    review: str = ""
    cutoff_day: int = 0
    cutoff_hour: int = 18

    def cutoff(self, month: str) -> datetime | None:
        """When this level's part of `month`'s list must be done (aware UTC); None when it has no part."""
        if not self.cutoff_day:
            return None
        before = clock.add_months(month, -1)
        first, following = clock.month_days(before)
        last_day = (following - first).days
        on = date(first.year, first.month, min(self.cutoff_day, last_day))
        return clock.at(on, time(self.cutoff_hour))


@dataclass(frozen=True, slots=True)
class VenueWords:
    """What rooms are called and offered to staff for choosing (SPEC V1). outside: kinds that are booked elsewhere."""

    kinds: dict[str, str] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    equipment: tuple[str, ...] = ()
    use: dict[str, float] = field(default_factory=dict)  # thresholds of the figures: idle rooms, small samples (V7)

    @classmethod
    def read(cls, raw: dict[str, Any]) -> VenueWords:
        return cls(
            kinds=raw["kinds"], outside=tuple(raw["outside"]), functions=tuple(raw["functions"]),
            equipment=tuple(raw["equipment"]), use=dict(raw.get("use", {})),
        )  # fmt: skip


@dataclass(frozen=True)
class Profile:
    code: str
    name: str
    product: str
    hotline: str
    consent_version: str
    root_staff_centre: str
    levels: tuple[Level, ...]
    kinds: dict[str, str]
    groups: dict[str, str]
    group_ages: dict[str, tuple[int, int]] = field(default_factory=dict)  # full years that tell a group, both ends
    confirmed_groups: tuple[str, ...] = ()  # on whose word no rule rests: the community confirms them once
    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by feature and kind: 'catalogue.return' …
    privacy: dict[str, str] = field(default_factory=dict)
    feedback: dict[str, Any] = field(default_factory=dict)  # evaluation and call-back: days, numbers, words
    no_show: dict[str, Any] = field(default_factory=dict)  # who signs up and does not come: the rule, off without one
    help: dict[str, Any] = field(default_factory=dict)  # kinds of help requests, and how long what is kept of them
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)  # by kind: clocks and what follows a missed one
    teams: dict[str, Any] = field(default_factory=dict)  # service teams: parts of a day, kinds of members, skills, rest
    hours: tuple[tuple[int, int], ...] = ((510, 720), (840, 1080))  # office hours of a working day, half-open minutes
    venues: VenueWords = field(default_factory=VenueWords)
    second_factor: frozenset[tuple[str, str]] = frozenset()  # (level, role) who must have one
    based_on: str = ""  # another deployment whose lists serve where this one has none of its own

    @property
    def folder(self) -> Path:
        return FOLDER / self.code

    def file(self, name: str) -> Path:
        """A list of the deployment (categories.csv …): its own, else that of the one it is based on; may not exist."""
        own = self.folder / name
        return own if own.exists() or not self.based_on else FOLDER / self.based_on / name

    def level(self, code: str) -> Level:
        """Raises KeyError for a level this deployment does not have."""
        return {lv.code: lv for lv in self.levels}[code]

    @property
    def review_levels(self) -> tuple[Level, ...]:
        return tuple(lv for lv in self.levels if lv.review)


@cache
def outline(code: str) -> tuple[Ring, ...]:
    """The district's border for the map, from outline.geojson of the deployment (GCJ-02); empty without that file."""
    file = FOLDER / code / "outline.geojson"
    if not file.exists():
        return ()
    shapes = [feature["geometry"] for feature in json.loads(file.read_text(encoding="utf-8"))["features"]]
    polygons = [p for s in shapes for p in (s["coordinates"] if s["type"] == "MultiPolygon" else [s["coordinates"]])]
    return tuple(tuple((point[0], point[1]) for point in ring) for rings in polygons for ring in rings)


def _who(code: str, levels: tuple[Level, ...], names: Iterable[str]) -> frozenset[tuple[str, str]]:
    """'district_manager' → ('district', 'manager'). Raises LookupError for a level or role that is not there."""
    known = {f"{level.code}_{role}": (level.code, str(role)) for level in levels for role in Role}
    wrong = [name for name in names if name not in known]
    if wrong:
        raise LookupError(f"部署配置 {code}：second_factor 里没有 {'、'.join(wrong)}；可用：{'、'.join(known)}")
    return frozenset(known[name] for name in names)


def _minutes(text: str) -> int:
    """'8:30' → 510; '24:00' is the end of a day."""
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


def codes() -> list[str]:
    return sorted(p.parent.name for p in FOLDER.glob("*/profile.toml"))


@cache
def load(code: str) -> Profile:
    """Read portal/profiles/<code>/profile.toml. Raises LookupError for an unknown deployment."""
    file = FOLDER / code / "profile.toml"
    if code not in codes():
        raise LookupError(f"没有名为 {code} 的部署配置；可用：{'、'.join(codes())}")
    raw: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    levels = tuple(Level(rank=rank, **level) for rank, level in enumerate(raw.pop("levels")))
    reasons = dict(load(raw["based_on"]).reasons) if raw.get("based_on") else {}
    for feature, kinds in raw.pop("reasons", {}).items():
        reasons |= {f"{feature}.{kind}": tuple(words) for kind, words in kinds.items()}
    for table in ("feedback", "no_show", "cases", "help", "group_ages", "confirmed_groups", "teams"):
        if table not in raw and raw.get("based_on"):
            raw[table] = getattr(load(raw["based_on"]), table)
    raw["second_factor"] = _who(code, levels, raw.pop("staff", {}).get("second_factor", ()))
    raw["confirmed_groups"] = tuple(raw.get("confirmed_groups", ()))
    raw["group_ages"] = {group: (low, high) for group, (low, high) in raw.get("group_ages", {}).items()}
    if "hours" in raw:
        raw["hours"] = tuple((_minutes(start), _minutes(end)) for start, end in raw["hours"]["spans"])
    if "venues" in raw:
        raw["venues"] = VenueWords.read(raw["venues"])
    elif raw.get("based_on"):
        raw["venues"] = load(raw["based_on"]).venues
    return Profile(levels=levels, reasons=reasons, **raw)


def current() -> Profile:
    """The profile this app runs with (PORTAL_PROFILE)."""
    return load(current_app.config["PROFILE"])


def group_words(codes: Iterable[str]) -> str:
    """'长者、党员': groups of this deployment in words."""
    known = current().groups
    return "、".join(known[code] for code in codes if code in known)


def reasons(kind: str) -> tuple[str, ...]:
    """The usual reasons of this deployment, offered where one is typed: 'catalogue.return', 'sign_up.refusal' …

    Raises KeyError for a kind that no profile has (table [reasons] of profile.toml).
    """
    return current().reasons[kind]
