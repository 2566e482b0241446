"""No text comes: staff who know somebody read a login code out, by telephone or at the counter (SPEC P1).

Nobody lets himself in as somebody else unnoticed: the person is told at once, sees it among their devices, and the
audit log has who read it. What was let in so has proved nothing (`people.proof`).
"""

import hmac
import secrets
from datetime import datetime, timedelta

from sqlalchemy import update

from portal.centres import queries as centres
from portal.core import audit, outbox, registry, scope, sealed, security_log
from portal.core.access import Actor, Permission
from portal.core.db import db, hit
from portal.core.errors import NotAllowed
from portal.core.forms import FULL_WIDTH
from portal.people import queries, refusals, rules
from portal.people.actions import callers, throttle
from portal.people.models import Resident, SpokenCode


def _mark(resident_id: int, code: str) -> str:
    return sealed.mark(f"{resident_id}:{code}", "spoken code")


def read_out(actor: Actor, phone: str, name: str, now: datetime) -> tuple[SpokenCode, str]:
    """A code of eight digits for whoever is registered with `phone` (11 digits) and `name`; older ones end.

    Only for whom the account's own centre knows: at home there, or with a sign-up or booking of their own there. Keep
    the request's writes even on refusal: numbers that were typed are counted. Raises NotKnownHere (the same whatever
    does not fit), LookupsFull, SpokenTooOften, NotAllowed.
    """
    if not actor.can(Permission.LET_IN) or actor.id is None or actor.centre_id is None:
        raise NotAllowed()
    callers.count(actor, now)
    person = queries.resident_by_phone(phone)
    if person is None or not callers.same_name(name, person.name) or not _knows(actor, person, now):
        raise refusals.NotKnownHere()
    made = queries.spoken_codes(actor.id, person.id, now - timedelta(days=1))
    until = rules.next_spoken_at(*made, now)
    if until is not None:
        raise refusals.SpokenTooOften(advice=f"请在 {refusals.when(until, now)}再读，或请同事帮忙报名、订场地。")
    older = update(SpokenCode).where(SpokenCode.resident_id == person.id, SpokenCode.used_at.is_(None))
    db.session.execute(older.values(expires_at=now))
    code = f"{secrets.randbelow(10**rules.SPOKEN_DIGITS):0{rules.SPOKEN_DIGITS}d}"
    row = SpokenCode(
        resident_id=person.id, account_id=actor.id, centre_id=actor.centre_id, code_hash=_mark(person.id, code),
        made_at=now, expires_at=now + rules.SPOKEN_LIFE, attempts=0,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    home = centres.get(person.home_centre_id)
    audit.record(
        actor, "read_out", "resident", person.id, now, summary=f"给手机尾号 {phone[-4:]} 的居民读了登录码",
        centre_id=home.id if home else None, centre_path=home.path if home else "",
    )  # fmt: skip
    outbox.put("people.read_out", f"spoken:{row.id}", {"id": row.id}, now)
    return row, code


def _knows(actor: Actor, person: Resident, now: datetime) -> bool:
    """A booking that staff made does not count: whoever may type a number could make one."""
    if actor.department_id is not None or actor.centre_id is None:
        return False
    if person.home_centre_id == actor.centre_id:
        return True
    since = now - rules.ACQUAINTED
    with scope.system("whether somebody has dealt with this centre"):
        return any(knows(person.id, actor.centre_id, since) for knows in registry.acquaintances.values())


def use(phone: str, code: str, address: str, now: datetime) -> SpokenCode:
    """Sign in with a code that was read out; it works once.

    The caller must keep the request's writes even on refusal: tries are counted, from each network by itself, so that
    nobody uses up somebody else's. Raises SpokenWrong (also for a number that nobody has), LoginThrottled.
    """
    key, network = f"spoken:{phone}", rules.network(address)
    throttle.check(key, rules.FAILURES_HERE, now, "，或请打电话给社区", network)
    person = queries.resident_by_phone(phone)
    row = queries.last_spoken_code(person.id, now) if person is not None else None
    if person is None or row is None or not _right(row, person.id, code, now):
        throttle.count(key, network, now)
        security_log.refused("wrong spoken code")
        raise refusals.SpokenWrong()
    throttle.clear(key)
    return row


def _right(row: SpokenCode, resident_id: int, code: str, now: datetime) -> bool:
    # Counted before it is compared, in one statement: parallel guesses cannot share a try.
    live = (SpokenCode.id == row.id, SpokenCode.used_at.is_(None))
    tries = update(SpokenCode).where(*live, SpokenCode.attempts < rules.SPOKEN_TRIES)
    if hit(tries.values(attempts=SpokenCode.attempts + 1)) != 1:
        return False
    typed = code.translate(FULL_WIDTH).replace(" ", "")
    if not hmac.compare_digest(_mark(resident_id, typed), row.code_hash):
        return False
    return hit(update(SpokenCode).where(*live).values(used_at=now)) == 1


def read_by(row: SpokenCode) -> str:
    """Whose staff read it, for the list of devices: '葵涌社区'."""
    centre = centres.get(row.centre_id)
    return centre.label if centre is not None else ""
