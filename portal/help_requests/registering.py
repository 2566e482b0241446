"""备案 of vulnerable residents, kept by the community, and numbers outside the portal (SPEC H1, H2). Flush only."""

from datetime import date, datetime

from portal.centres import queries as centres
from portal.core import audit, clock
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import DomainError, NotAllowed
from portal.help_requests import queries
from portal.help_requests.errors import OutsideWrong, RegistrationWrong
from portal.help_requests.models import HelpOutside, VulnerableRegistration
from portal.people.actions import callers


class NoSuchRegistration(DomainError):
    status = 404
    message = "没有这条备案。"


def _must(actor: Actor) -> int:
    """The actor's centre. Raises NotAllowed for who keeps none: departments, and roles without the right."""
    if not actor.can(Permission.HELP) or actor.department_id is not None or actor.centre_id is None:
        raise NotAllowed("备案由社区登记。")
    return actor.centre_id


def register(
    actor: Actor, phone: str, name: str, whom: str, since: date, until: date | None, proof: str, now: datetime
) -> VulnerableRegistration:
    """Register a person of ours for home services from `since` on, half-open to `until` (None: without an end).

    phone: 11 digits, theirs or of whoever acts for them; whom: a relative of that one, '' themselves. Once: who is
    registered already gets the new days. Raises NotAllowed, RegistrationWrong, CallerNameMissing, LookupsFull.
    """
    centre_id = _must(actor)
    if until is not None and until <= since:
        raise RegistrationWrong(field="until")
    here = centres.get(centre_id)
    caller = callers.find(actor, phone, name, here.path if here else "", now)
    relative = caller.relative(whom, now)
    key = f"v{relative.id}" if relative else f"r{caller.resident.id}"
    row = queries.registration(key, clock.today(now))
    if row is None or row.centre_id != centre_id:
        row = VulnerableRegistration(
            centre_id=centre_id, resident_id=caller.resident.id, relative_id=relative.id if relative else None,
            person_key=key, caller_name=caller.typed, since=since, registered_by=actor.name[:40], registered_at=now,
        )  # fmt: skip
        db.session.add(row)
    row.since, row.until, row.proof = since, until, proof.strip()[:100]
    db.session.flush()
    audit.record(
        actor, "help.register", "vulnerable_registration", row.id, now, words=caller.noted, centre_id=centre_id,
        after={"since": since.isoformat(), "until": until.isoformat() if until else ""},
    )  # fmt: skip
    return row


def end(actor: Actor, registration_id: int, now: datetime) -> VulnerableRegistration:
    """It ends today. Raises NoSuchRegistration, NotAllowed."""
    _must(actor)
    row = db.session.get(VulnerableRegistration, registration_id, populate_existing=True)
    if row is None:
        raise NoSuchRegistration()
    today = clock.today(now)
    row.until, row.ended_by, row.ended_at = max(today, row.since), actor.name[:40], now
    audit.record(
        actor, "help.unregister", "vulnerable_registration", row.id, now, centre_id=row.centre_id,
        after={"until": row.until.isoformat()},
    )  # fmt: skip
    db.session.flush()
    return row


def keep_outside(actor: Actor, name: str, phone: str, note: str, now: datetime) -> HelpOutside:
    """Store a number outside to which requests may be referred; a known name gets the new number.

    Raises NotAllowed, OutsideWrong.
    """
    centre_id, name, phone = _must(actor), name.strip()[:40], phone.strip()[:30]
    if not name or sum(c.isdigit() for c in phone) < 3:
        raise OutsideWrong()
    row = next((o for o in queries.outsiders(every=True) if o.name == name and o.centre_id == centre_id), None)
    if row is None:
        row = HelpOutside(centre_id=centre_id, name=name, phone=phone, created_at=now)
        db.session.add(row)
    row.phone, row.note, row.active = phone, note.strip()[:100], True
    db.session.flush()
    audit.record(actor, "help.outside", "help_outside", row.id, now, after={"name": name, "phone": phone})
    return row


def drop_outside(actor: Actor, outside_id: int, now: datetime) -> None:
    """No longer offered; requests that name it keep it. Raises NoSuchRegistration, NotAllowed."""
    centre_id = _must(actor)
    row = next((o for o in queries.outsiders() if o.id == outside_id), None)
    if row is None or row.centre_id != centre_id:  # another unit's is not there to be changed
        raise NoSuchRegistration("没有这个单位。")
    row.active = False
    db.session.flush()
    audit.record(actor, "help.outside_off", "help_outside", row.id, now)


def day_of(text: str) -> date | None:
    """A day as forms send it, or None. Raises RegistrationWrong for what is none."""
    try:
        return date.fromisoformat(text) if text.strip() else None
    except ValueError:
        raise RegistrationWrong("没有这一天。", advice="请按 2026-12-03 的样子填写。") from None
