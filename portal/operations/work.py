"""What runs without anybody asking: the sweep, the deadline jobs, the daily tasks (SPEC M1, Q3)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path

import structlog
from flask import current_app
from sqlalchemy import delete, select

from portal.centres.models import Centre, Setting
from portal.core import clock, outbox, registry, scope
from portal.core.access import Role
from portal.core.db import db, hit, writing
from portal.core.sessions import WebSession
from portal.help_requests import deadlines as help_requests
from portal.help_requests.urgent import registry as urgent
from portal.notices import actions, deliveries, wording
from portal.notices.models import Delivery
from portal.operations import replay
from portal.people import audit_proof
from portal.people.actions import erasure_list
from portal.people.models import LoginCode, LoginFailure, PhoneLookup, SpokenCode, StaffAccount
from portal.people.rules import (
    BACKUPS_KEPT,
    CODES_KEPT,
    CODES_SHOWN_KEPT,
    FAILURES_KEPT,
    LOGINS_KEPT,
    TEXTS_KEPT,
)
from portal.signup.attendance import actions as attendance

log = structlog.get_logger()

TEXTS = 1000  # of one run, some ten seconds: then the worker looks at what else waits, and comes back at once
GIVE_UP_AFTER = timedelta(hours=1)  # a daily task that began and never ended is taken up again


@dataclass(frozen=True, slots=True)
class Swept:
    """effects: outbox rows carried out. texts: deliveries by outcome."""

    effects: int
    texts: dict[str, int] = field(default_factory=dict)

    def words(self) -> str:
        sent, local = self.texts.get("sent", 0), self.texts.get("local", 0)
        failed, later = self.texts.get("failed", 0), self.texts.get("later", 0)
        texts = f"发出 {sent} 条，留在消息出口页 {local} 条，稍后再试 {later} 条，没发出 {failed} 条"
        return f"办理 {self.effects} 项；短信{texts}"


def sweep(now: datetime, limit: int = 5000) -> Swept:
    """Carry out due effects and hand over due texts; safe to run twice and side by side. Commits in small steps."""
    with scope.system("sweep"):
        # First what is already written: a login code must not wait behind a thousand reminders.
        texts = deliveries.deliver_due(now, TEXTS)
        effects = outbox.run_due(now, limit)
        if effects:
            texts += deliveries.deliver_due(now, TEXTS)
        if max(sum(texts.values()), effects) >= TEXTS:  # there may be more: others first, then the rest at once
            with writing():
                outbox.wake()
        db.session.remove()
    return Swept(effects, dict(texts))


def run_due_jobs(now: datetime) -> dict[str, int]:
    """Run every registered deadline job. One that fails does not stop the others; its count is -1."""
    done: dict[str, int] = {}
    for name, job in registry.due_jobs.items():
        try:
            with writing(), scope.system(f"due: {name}"):
                done[name] = job(now)
        except Exception:
            log.exception("due job failed", job=name)
            done[name] = -1
        finally:
            db.session.remove()
    return done


def tick(now: datetime) -> tuple[dict[str, int], Swept]:
    """Everything that is due at `now`: deadlines first, then what they set going."""
    jobs = run_due_jobs(now)
    return jobs, sweep(now)


# --- Daily tasks: the database says whether today's has been done, so schedulers need no agreement -------------------


@dataclass(frozen=True, slots=True)
class Daily:
    """at: Shanghai wall clock. run(now) returns a sentence for the log and /readyz; raises when it went wrong."""

    name: str
    at: time
    run: Callable[[datetime], str]

    def slot(self, now: datetime) -> datetime:
        """The latest moment not after `now` at which it should run."""
        today = clock.at(clock.today(now), self.at)
        return today if today <= now else clock.at(clock.today(now) - timedelta(days=1), self.at)


def check_audit(now: datetime) -> str:
    """Prove the audit log's hash chain; a break is told to the managers of the top level."""
    proof = audit_proof.prove(now)
    broken = proof.broken
    if broken is None:
        return f"操作记录完整，校验到第 {proof.upto} 条，共 {proof.count} 条，末尾 {proof.head[:16]}"
    with writing():
        title, body = wording.audit_broken(broken, proof.why)
        actions.tell_staff(_top_managers(), "system", title, body, "/staff/audit", f"audit-broken:{broken}", now)
    raise RuntimeError(f"audit chain broken at row {broken}: {proof.why}")


def _top_managers() -> list[int]:
    """The managers of the highest centre that has any."""
    statement = select(StaffAccount.id, Centre.depth).join(Centre, Centre.id == StaffAccount.centre_id)
    live = statement.where(StaffAccount.disabled_at.is_(None), StaffAccount.role == Role.MANAGER)
    rows = db.session.execute(live.order_by(Centre.depth)).all()
    return [row.id for row in rows if row.depth == rows[0].depth]


def clean_up(now: datetime) -> str:
    """Remove what nobody needs any more: used codes, ended sessions, old failures, texts past their time."""
    old = now - LOGINS_KEPT
    statements = (
        delete(LoginCode).where(LoginCode.sent_at < now - CODES_KEPT),
        delete(SpokenCode).where(SpokenCode.made_at < now - CODES_KEPT),
        delete(PhoneLookup).where(PhoneLookup.at < now - CODES_KEPT),
        delete(LoginFailure).where(LoginFailure.at < now - FAILURES_KEPT),
        delete(WebSession).where((WebSession.ended_at < old) | (WebSession.expires_at < old)),
        delete(Delivery).where(Delivery.kind == "login_code", Delivery.created_at < now - CODES_SHOWN_KEPT),
        delete(Delivery).where(Delivery.done_at < now - TEXTS_KEPT),
    )
    gone = 0
    for statement in statements:
        with writing():
            gone += hit(statement, synchronize_session=False)
    for forget in (attendance.forget_walk_ins, help_requests.forget_old):
        with writing():
            gone += forget(now)
    gone += urgent.clean_up(now)
    return f"清理 {gone} 行"


def nightly_backup(now: datetime) -> str:
    """A backup into PORTAL_BACKUP_DIR, when one is set; the newest 14 stay."""
    from portal.operations import backup

    folder = current_app.config["BACKUP_DIR"]
    if not folder:
        return "没有设置备份目录（PORTAL_BACKUP_DIR）"
    target = Path(folder) / backup.file_name(now)
    backup.write(target, now)
    erasure_list.copy_to(target.parent, now)
    for old in [*backup.kept(Path(folder))[:-BACKUPS_KEPT], *Path(folder).glob("portal-*.part")]:
        old.unlink()
    return f"已备份到 {target.name}"


NIGHT_BACKUP = Daily("backup", time(2, 30), nightly_backup)
DAILY = (
    NIGHT_BACKUP,
    Daily("audit_check", time(3, 30), check_audit),
    Daily("clean_up", time(4, 0), clean_up),
    Daily("erasures", time(4, 15), replay.nightly),
)


def run_daily(daily: Daily, now: datetime) -> bool:
    """Run a daily task if its slot has not been done. Returns whether it was run here."""
    slot = daily.slot(now)
    if not _claim(daily, slot, now):
        return False
    try:
        with scope.system(f"daily: {daily.name}"):
            result, ok = daily.run(now), True
    except Exception as error:
        log.exception("daily task failed", task=daily.name)
        result, ok = f"{type(error).__name__}: {error}"[:200], False
    finally:
        db.session.remove()
    with writing():
        row = db.session.get_one(Setting, _setting(daily))
        row.value = {"slot": slot.isoformat(), "began": now.isoformat(), "done": True, "ok": ok, "said": result}
    log.info("daily task", task=daily.name, ok=ok, said=result)
    return True


def _setting(daily: Daily) -> str:
    return f"daily:{daily.name}"


def _claim(daily: Daily, slot: datetime, now: datetime) -> bool:
    """Take the slot for ourselves; the row's lock makes it one winner on either database."""
    value = {"slot": slot.isoformat(), "began": now.isoformat(), "done": False}
    seen = db.session.get(Setting, _setting(daily))
    if seen is not None and not _open(seen.value, slot, now):
        db.session.rollback()
        return False
    with writing():
        if outbox.insert_once(Setting, [{"key": _setting(daily), "value": value}]):
            return True
        row = db.session.get_one(Setting, _setting(daily), with_for_update=True, populate_existing=True)
        if not _open(row.value, slot, now):
            return False
        row.value = value
    return True


def _open(value: dict[str, object], slot: datetime, now: datetime) -> bool:
    if datetime.fromisoformat(str(value["slot"])) < slot:
        return True
    return not value["done"] and now - datetime.fromisoformat(str(value["began"])) > GIVE_UP_AFTER


def daily_results() -> dict[str, dict[str, object]]:
    """What each daily task last said (for /readyz and /metrics)."""
    rows = db.session.scalars(select(Setting).where(Setting.key.in_([_setting(d) for d in DAILY])))
    return {row.key.removeprefix("daily:"): row.value for row in rows}
