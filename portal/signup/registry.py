"""What this feature registers for the features above: my services, waiting for me, own data (SPEC S9, C6, P8)."""

from datetime import datetime
from typing import Any

from portal.core import clock, pdf_spool, registry
from portal.core.access import Actor, Permission
from portal.core.db import moment
from portal.core.registry import Mine, Waiting, Waits
from portal.signup import actions, notices, queries, queries_staff, rules
from portal.signup.models import ACTIVE, CONFIRMED, OFFERED, PENDING, WAITING, SignUp
from portal.signup.states import LABELS, TONES


@registry.mine
def my_services(resident_id: int, now: datetime, coming: bool) -> list[Mine]:
    """Every sign-up of mine with what happens next; upcoming ones first to start first."""
    found = [_mine(row, number, now) for row, number in queries.mine(resident_id, now, coming)]
    found.sort(key=lambda m: m.starts_at.timestamp() if m.starts_at else 0.0)
    return found


def _mine(row: SignUp, number: int | None, now: datetime) -> Mine:
    entry = row.entry
    over = entry.last_end is not None and now >= entry.last_end
    section = "past" if over or row.status not in ACTIVE else "upcoming" if row.status == CONFIRMED else "waiting"
    label = f"候补第 {number} 位" if number else LABELS[row.status]
    return Mine(
        section=section, title=entry.title, when=_when(row, now), place=entry.place, status_text=label,
        tone=TONES[row.status], next_text="" if over else _next(row, now), url=f"/services/{entry.id}",
        starts_at=_next_start(row, now), person=row.relative.name if row.relative else "",
    )  # fmt: skip


def _when(row: SignUp, now: datetime) -> str:
    """Of a series the date that comes next, since the first may be long past."""
    coming = [s for s in row.entry.sessions if s.ends_at > now]
    if len(row.entry.sessions) < 2 or not coming:
        return notices.when(row.entry)
    following = f"下一次 {clock.span(coming[0].starts_at, coming[0].ends_at)}"
    label = (row.entry.weekly or {}).get("label")
    return f"{label}，{following}" if label else f"{following}，还有 {len(coming)} 场"


def _next_start(row: SignUp, now: datetime) -> datetime | None:
    """Of a series the session that comes next, else the first."""
    coming = (s.starts_at for s in row.entry.sessions if s.ends_at > now)
    return next(coming, row.entry.first_start)


def _next(row: SignUp, now: datetime) -> str:
    if row.status == CONFIRMED:
        refusal = rules.may_withdraw(row.entry, row.status, row.created_at, now)
        until = rules.leave_until(row.entry, row.created_at)
        return "来不了请打电话告诉主办方" if refusal else rules.leaving_text(until, now)
    if row.status == OFFERED and row.accept_by is not None:
        return f"请在 {clock.stamp(row.accept_by)} 前确认，过时名额给下一位"
    if row.status == WAITING:
        return "有人退出就按先后递补，轮到了通知您"
    if row.status == PENDING:
        return "主办方审核后通知您，名额先留着"
    return row.refusal_reason


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
    return {"报名": queries.personal(resident_id)}


@registry.erase
def erase(resident_id: int, now: datetime) -> None:
    """Future sign-ups end, their places go on; rosters printed lately are not kept."""
    actions.erase(resident_id, now)
    pdf_spool.spool().forget_private()
