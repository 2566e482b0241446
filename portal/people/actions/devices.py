"""Where one is signed in: said in words, ended one by one or all but this one (SPEC P3, P8)."""

from datetime import datetime
from typing import Literal

from portal.core import audit, sessions
from portal.core.access import Actor
from portal.people import queries

SYSTEMS = (
    ("Windows", "Windows 电脑"), ("HarmonyOS", "鸿蒙手机"), ("OpenHarmony", "鸿蒙手机"), ("Android", "安卓手机"),
    ("iPhone", "苹果手机"), ("iPad", "苹果平板"), ("Mac OS", "苹果电脑"), ("Linux", "Linux 电脑"),
)  # fmt: skip
PROGRAMS = (
    ("MicroMessenger", "微信"),
    ("Edg", "Edge"),
    ("Chrome", "Chrome"),
    ("Firefox", "Firefox"),
    ("Safari", "Safari"),
)


def said(agent: str) -> str:
    """'Windows 电脑 · Chrome': enough to recognise one's own."""
    system = next((text for key, text in SYSTEMS if key in agent), "其他设备")
    program = next((text for key, text in PROGRAMS if key in agent), "")
    return f"{system} · {program}" if program else system


def _audience(actor: Actor) -> Literal["resident", "staff"]:
    return "staff" if actor.kind == "staff" else "resident"


def end(actor: Actor, session_id: str, now: datetime) -> bool:
    """End one of one's own sessions; somebody else's does not exist. Returns whether there was one."""
    audience = _audience(actor)
    own = {s.id for s in queries.live_sessions(audience, actor.id or 0, now)}
    if session_id not in own:
        return False
    sessions.end_session(session_id, now, "ended by owner")
    _note(actor, now, "")
    return True


def end_others(actor: Actor, keep: str, now: datetime) -> int:
    """End all of one's own sessions but `keep`, the one that says so. Returns how many."""
    count = sessions.end_all(_audience(actor), actor.id or 0, now, "ended by owner", keep=keep)
    if count:
        _note(actor, now, f"结束其他 {count} 处登录")
    return count


def _note(actor: Actor, now: datetime, summary: str) -> None:
    if actor.kind == "staff":  # what residents do with their own telephones is nobody's business
        audit.record(actor, "end_session", "staff_account", actor.id, now, summary=summary)
