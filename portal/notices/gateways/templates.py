"""Approved templates by id: which one a message uses and what is put into it. Pure; the file is PORTAL_TEMPLATES."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.notices.gateways.base import GatewayError, Trouble

CHANNELS = ("sms", "voice", "wechat")
# What a template may ask for. title, text: the message; link: where it leads; time: when it was written;
# code, minutes: of a login code.
FIELDS = ("title", "text", "link", "time", "code", "minutes")
DEFAULT = "default"
EVERY = FIELDS[:4]  # any message has these
LONGEST = 300  # characters of one value, unless the template says fewer
KEYS = frozenset({"id", "parameters", "longest"})


@dataclass(frozen=True, slots=True)
class Template:
    """parameters: (the provider's name, our field) in the provider's order. longest: characters of a value."""

    id: str
    parameters: tuple[tuple[str, str], ...]
    longest: int = LONGEST

    def values(self, parts: Mapping[str, str]) -> list[tuple[str, str]]:
        """What is put in, in order; too long ones end with …, and nothing is empty: providers refuse that."""
        return [(name, _cut(parts.get(field, ""), self.longest) or "-") for name, field in self.parameters]


def _cut(text: str, longest: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


@dataclass(frozen=True, slots=True)
class Templates:
    """All of a deployment: channel -> kind or 'default' -> template; sign: the approved signature of text messages."""

    table: Mapping[str, Mapping[str, Template]]
    sign: str = ""

    def of(self, channel: str, kind: str) -> Template | None:
        """The template of a kind ('sign_up.confirmed': of it, else of 'sign_up', else the default)."""
        own = self.table.get(channel, {})
        return own.get(kind) or own.get(kind.split(".", 1)[0]) or own.get(DEFAULT)

    def needed(self, channel: str, kind: str) -> Template:
        """The same. Raises GatewayError (again later) without one: whoever answers for the settings may add it."""
        found = self.of(channel, kind)
        if found is None:
            what = {"sms": "短信模板", "voice": "语音模板", "wechat": "微信模板"}[channel]
            raise GatewayError(f"没有这类消息的{what}（PORTAL_TEMPLATES）", Trouble.LATER)
        return found


class BadTemplates(ValueError):
    """The file cannot be used; the text says where."""


def load(path: str) -> Templates:
    """Read the file. Raises BadTemplates with every problem found, one a line."""
    if not path:
        return Templates({})
    try:
        raw = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadTemplates(f"{path}: {error}") from error
    problems: list[str] = []
    table: dict[str, dict[str, Template]] = {}
    sign = raw.pop("sign", "")
    if not isinstance(sign, str):
        problems.append("sign: is a word")
    for channel, kinds in raw.items():
        if channel not in CHANNELS or not isinstance(kinds, dict):
            problems.append(f"[{channel}]: unknown; known are {', '.join(CHANNELS)}")
            continue
        table[channel] = {}
        for kind, entry in kinds.items():
            found = _template(f"[{channel}.{kind}]", kind, entry, problems)
            if found is not None:
                table[channel][kind] = found
    if problems:
        raise BadTemplates("\n".join(problems))
    return Templates(table, sign)


def _template(where: str, kind: str, entry: Any, problems: list[str]) -> Template | None:
    before = len(problems)
    if not isinstance(entry, dict) or not str(entry.get("id", "")).strip():
        problems.append(f"{where}: needs an id")
        return None
    problems += [f"{where}: unknown key {key}" for key in sorted(set(entry) - KEYS)]
    given = entry.get("parameters", [])
    pairs = list(given.items()) if isinstance(given, dict) else [(field, field) for field in given]
    problems += [
        f"{where}: unknown field {field}; known are {', '.join(FIELDS)}" for _, field in pairs if field not in FIELDS
    ]
    if kind != "login_code":
        problems += [f"{where}: {field} is only in login_code" for _, field in pairs if field in FIELDS[len(EVERY) :]]
    longest = entry.get("longest", LONGEST)
    if not isinstance(longest, int) or longest < 2:
        problems.append(f"{where}: longest is a number of characters")
    if len(problems) > before:
        return None
    return Template(str(entry["id"]), tuple((str(name), str(field)) for name, field in pairs), longest)


def missing(templates: Templates, channel: str, kinds: Iterable[str]) -> list[str]:
    """Kinds of messages that this channel would have to send and has no template for."""
    return [kind for kind in kinds if templates.of(channel, kind) is None]
