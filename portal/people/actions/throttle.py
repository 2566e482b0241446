"""Wrong passwords and codes are counted; after too many of them one waits (SPEC P3).

A caller that counts must keep the request's writes although it refuses (`db.keep_on_refusal`).
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete

from portal.core import security_log
from portal.core.db import db
from portal.people import queries, refusals, rules
from portal.people.models import LoginFailure


def check(key: str, most: int, now: datetime, advice: str = "", network: str = "") -> None:
    """Raises LoginThrottled after `most` failures of `key` within rules.FAILURE_WINDOW, with `advice` what to do.

    network: only failures from there count.
    """
    failed = queries.failures(key, now - rules.FAILURE_WINDOW)
    _refuse([at for address, at in failed if network in ("", address)], most, now, advice)


def check_stranger(key: str, network: str, now: datetime) -> None:
    """The same for a browser that the account does not know; what fails elsewhere closes nothing here, but very much.

    A whole office may share one network: there different accounts are counted, not tries. Raises LoginThrottled.
    """
    since = now - rules.FAILURE_WINDOW
    failed = queries.failures(key, since)
    advice = "，或请上级重置密码"
    _refuse([at for address, at in failed if address == network], rules.FAILURES_HERE, now, advice)
    _refuse([at for _, at in failed], rules.FAILURES_ANYWHERE, now, advice)
    _refuse(queries.accounts_failed(network, since), rules.ACCOUNTS_PER_ADDRESS, now, advice)


def _refuse(failed: Sequence[datetime], most: int, now: datetime, advice: str) -> None:
    until = rules.open_again_at(failed, most, now)
    if until is not None:
        security_log.refused("throttled")
        raise refusals.LoginThrottled(advice=f"请在 {refusals.when(until, now)}再试{advice}。")


def count(key: str, network: str, now: datetime) -> None:
    """One more failure. network: as `rules.network` has it."""
    db.session.add(LoginFailure(key=key, address=network[:60], at=now))
    db.session.flush()


def clear(key: str) -> None:
    """The owner was there."""
    db.session.execute(delete(LoginFailure).where(LoginFailure.key == key))
