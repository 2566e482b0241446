"""What this feature registers for the features above: my services, waiting for me, own data (SPEC S9, C6, P8)."""

import re
from datetime import datetime
from typing import Any

from portal.catalogue.public import queries as public_queries
from portal.core import clock, pdf_spool, registry
from portal.core.access import Actor, Permission
from portal.core.db import moment
from portal.core.registry import Mine, Waiting, Waits
from portal.signup import actions, notices, queries, queries_staff, rules
from portal.signup.attendance import actions as check_ins
from portal.signup.attendance import queries as attendance
from portal.signup.models import ACTIVE, CONFIRMED, WAITING
from portal.signup.states import LABELS, TONES


@registry.mine
def my_services(resident_id: int, now: datetime, coming: bool) -> list[Mine]:
    """Every sign-up of mine with what happens next; upcoming ones first to start first."""
    found = [_mine(row, sessions, now) for row, sessions in queries.mine(resident_id, now, coming)]
    found.sort(key=lambda m: m.starts_at.timestamp() if m.starts_at else 0.0)
    return found


def _mine(row: Any, sessions: list[Any], now: datetime) -> Mine:
    over = row.last_end is not None and now >= row.last_end
    section = "past" if over or row.mine not in ACTIVE else "upcoming" if row.mine == CONFIRMED else "waiting"
    coming = [s for s in sessions if s.ends_at > now]
    when = notices.when_of(sessions, (row.weekly or {}).get("label"), now)
    return Mine(
        section=section, title=row.title, when=when, place=row.place,
        status_text=f"候补第 {row.number} 位" if row.mine == WAITING else LABELS[row.mine],
        tone=TONES[row.mine], next_text="" if over else _next(row, now), url=f"/services/{row.id}",
        starts_at=coming[0].starts_at if coming else row.first_start, person=row.relative or "",
    )  # fmt: skip


def _next(row: Any, now: datetime) -> str:
    leaving = rules.leaving_text(rules.leave_until(row, row.signed_up_at, row.decided_at), now)
    return queries.next_text(row, row.mine, leaving, row.accept_by, row.refusal_reason, now)


_ADDRESS = re.compile(r"/services/(\d{1,9})(/sign-up)?")


@registry.errand
def about_to(path: str) -> registry.Errand | None:
    """Signing up for an activity, or looking after one's own sign-up."""
    found = _ADDRESS.fullmatch(path)
    brief = public_queries.brief(int(found[1])) if found else None
    if found is None or brief is None:
        return None
    words = "看您报的" if found[2] else "看" if brief.walk_in else "报名"
    return registry.Errand(f"{words}《{brief.title}》", brief.call_phone, brief.centre_id)


@registry.waiting
def to_decide(actor: Actor, now: datetime) -> list[Waits]:
    """Sign-ups to check and activities with too few people, of the actor's own centre; from below only what is late."""
    if not actor.can(Permission.SIGN_UPS) or actor.department_id is not None:
        return []
    return [
        Waits("sign_ups", *queries_staff.to_check(actor, now), lambda found: _pending(found, now)),
        Waits("sign_ups", *queries_staff.too_few(actor, now), lambda found: _too_few(found, now)),
    ]


def _pending(found: dict[str, Any], now: datetime) -> Waiting:
    start, count = moment(found["start"]), found["count"]
    soon = start is not None and start - now < rules.LOW_LEAD
    begins = f"{clock.stamp(start)} 开始" if start else "时间未定"
    title, detail = f"{count} 份报名待审核：{found['title']}", f"{found['centre']} · {begins}"
    since, url = moment(found["since"]) or now, f"/staff/sign-ups/{found['id']}"
    return Waiting("sign_ups", title, detail, since, url, start, "gold" if soon else "neutral", count)


def _too_few(found: dict[str, Any], now: datetime) -> Waiting:
    start, end = moment(found["start"]) or now, moment(found["end"]) or now
    when = notices.when_text(clock.span(start, end), found["dates"], found["weekly"])
    detail = f"{found['centre']} · {when} · 只报了 {found['taken']} / {found['capacity']} {found['unit']}"
    since, url = rules.low_alert_at(start, moment(found["until"])), f"/staff/sign-ups/{found['id']}"
    return Waiting("sign_ups", f"报名人数不足：{found['title']}", detail, since, url, start, "gold")


@registry.personal
def personal(resident_id: int) -> dict[str, Any]:
    """This feature's part of the export of own data."""
    return {"报名": queries.personal(resident_id), "签到": attendance.personal(resident_id)}


registry.dates(queries.dates)


@registry.acquaintance
def has_signed_up(resident_id: int, centre_id: int, since: datetime) -> bool:
    """Signed up by themselves for something of the centre's."""
    return queries.signed_up_at(resident_id, centre_id, since)


@registry.erase
def erase(resident_id: int, now: datetime) -> None:
    """Future sign-ups end, their places go on; rosters printed lately are not kept."""
    actions.erase(resident_id, now)
    check_ins.erase(resident_id)
    pdf_spool.spool().forget_private()
