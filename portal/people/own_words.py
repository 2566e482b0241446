"""What the portal keeps of somebody, in plain words: the export that programs read, told to its owner (SPEC P8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.core import clock

# Names that the export gives to programs, and their words. By section where one name means two things.
SECTIONS = {
    "profile": "我的资料",
    "relatives": "我的家人",
    "signed_in_devices": "正在登录的手机和电脑",
    "files": "交来的文件",
}
WORDS = {
    "name": "姓名",
    "phone": "手机号",
    "address": "住址",
    "home_community": "所在社区",
    "birth_year": "出生年份",
    "groups": "人群",
    "privacy_notice_version": "同意的隐私说明版本",
    "agreed_at": "同意的时间",
    "registered_at": "注册时间",
    "elder_mode": "长辈版",
    "relation": "关系",
    "since": "时间",
    "browser": "浏览器",
    "let_in_by": "帮忙登录的工作人员",
    "kind": "种类",
    "caption": "说明",
    "signed_in_devices.address": "网络地址",
}
VALUES = {"files.kind": {"photo": "照片"}}
MADE_AT = "exported_at"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of thing. records: each a list of (label, words); empty when nothing of it is kept."""

    title: str
    records: tuple[tuple[tuple[str, str], ...], ...]


def told(export: Mapping[str, Any]) -> list[Section]:
    """Every section of the export in its order; what is empty within a record is left out."""
    return [Section(SECTIONS.get(key, key), _records(key, value)) for key, value in export.items() if key != MADE_AT]


def _records(section: str, value: Any) -> tuple[tuple[tuple[str, str], ...], ...]:
    things = value if isinstance(value, list) else [value]
    records = [_record(section, thing if isinstance(thing, Mapping) else {section: thing}) for thing in things]
    return tuple(record for record in records if record)


def _record(section: str, thing: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    said = [(label(section, name), _value(f"{section}.{name}", value)) for name, value in thing.items()]
    return tuple((name, text) for name, text in said if text)


def _value(place: str, value: Any) -> str:
    """A value in words; a code of ours by its name."""
    return VALUES.get(place, {}).get(str(value)) or words(value)


def label(section: str, name: str) -> str:
    """What a name of the export is called on the page."""
    return WORDS.get(f"{section}.{name}") or WORDS.get(name) or name


def words(value: Any) -> str:
    """A value as people say it; '' for what is not known."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime):
        return _when(value)
    if isinstance(value, list | tuple):
        return "；".join(filter(None, map(words, value)))
    if isinstance(value, Mapping):
        return "；".join(f"{label('', name)}：{text}" for name, inner in value.items() if (text := words(inner)))
    text = str(value)
    return _when(datetime.fromisoformat(text)) if _MOMENT.match(text) else text


def _when(moment: datetime) -> str:
    """With the year: some of it is years old."""
    return f"{clock.local(moment).year}年{clock.stamp(moment)}"
