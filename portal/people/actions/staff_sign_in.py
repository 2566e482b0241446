"""Staff come in and set their own password (SPEC P3, P4). Flush only."""

import secrets
from datetime import datetime

from portal.centres import profile
from portal.core import audit, outbox, security_log, sessions
from portal.core.access import Actor
from portal.core.db import db, let_go
from portal.people import passwords, queries, refusals, rules
from portal.people.actions import second_factor, throttle
from portal.people.actions.staff_accounts import actor_of
from portal.people.models import KnownDevice, StaffAccount


def sign_in(username: str, password: str, address: str, device: str, now: datetime) -> StaffAccount:
    """Check a username and password; `complete` is the next step, after the second factor where there is one.

    The caller must keep the request's writes even on refusal: failures are counted. device: the browser's long-lived
    token; one that has signed in to this account before is not locked out by others' failures. Raises LoginThrottled
    (rules.FAILURES_…, ACCOUNTS_PER_ADDRESS within FAILURE_WINDOW), LoginRefused (the same for an unknown user),
    InitialExpired, InitialUsed.
    """
    user, network = rules.username(username)[:80], rules.network(address)
    account = queries.account_by_username(user)
    mark = known_mark(account, device)
    key = f"device:{mark}" if mark else f"account:{user}"
    if mark:
        throttle.check(key, rules.FAILURES_OF_BROWSER, now, "，或请上级重置密码")
    else:
        throttle.check_stranger(key, network, now)
    account_id = account.id if account is not None and account.disabled_at is None else None
    stored = account.password_hash if account is not None and account_id is not None else None
    let_go()  # Argon2 takes 50 ms on purpose
    right = passwords.matches(stored, password)
    anew = passwords.hash_password(password) if right and stored and passwords.is_dated(stored) else None
    if not right:
        throttle.count(key, network, now)
        security_log.refused("wrong password", account=account_id)
        raise refusals.LoginRefused()
    account = db.session.get_one(StaffAccount, account_id, with_for_update=True, populate_existing=True)
    # Meanwhile the account may have been handed over, reset or disabled: its old password opens nothing any more.
    if account.password_hash != stored or account.disabled_at is not None:
        raise refusals.LoginRefused()
    _check_one_time(account, now)
    account.password_hash = anew or stored
    throttle.clear(key)
    return account


def _check_one_time(account: StaffAccount, now: datetime) -> None:
    if account.password_expires_at is not None and account.password_expires_at <= now:
        raise refusals.InitialExpired()
    used = account.password_used_at if account.must_change else None
    if used is not None and used + rules.REPEAT <= now:
        raise refusals.InitialUsed()


def complete(account: StaffAccount, address: str, device: str, now: datetime) -> str:
    """All that was asked for has been shown. Returns the browser's long-lived token, a new one if it had none."""
    if account.must_change:
        account.password_used_at = account.password_used_at or now
    account.last_login_at = now
    audit.record(actor_of(account, address), "sign_in", "staff_account", account.id, now)
    token = device if 32 <= len(device) <= 100 else secrets.token_urlsafe(32)
    row = {"account_id": account.id, "token_hash": device_hash(account.id, token), "created_at": now}
    db.session.flush()
    outbox.insert_once(KnownDevice, [row])
    return token


def known_mark(account: StaffAccount | None, device: str) -> str:
    """The mark of a browser that has signed in to the account before; '' of any other."""
    mark = device_hash(account.id, device) if account is not None and device else ""
    return mark if account is not None and mark and queries.is_known_device(account.id, mark) else ""


def device_hash(account_id: int, device: str) -> str:
    """One cookie serves every account of a shared desk; the database cannot tell that they share it."""
    return sessions.fingerprint(f"{account_id}:{device}")


def second_step(account: StaffAccount, code: str, address: str, device: str, now: datetime) -> None:
    """After the password the second factor. Keep the request's writes even on refusal: failures are counted and noted.

    Raises LoginThrottled, SecondFactorWrong.
    """
    mark, network = known_mark(account, device), rules.network(address)
    key = f"second-device:{mark}" if mark else f"second:{account.id}"
    if mark:
        throttle.check(key, rules.FAILURES_OF_BROWSER, now)
    else:
        throttle.check_stranger(key, network, now)
    if not second_factor.check(account, code, now):
        throttle.count(key, network, now)
        security_log.refused("wrong second factor", account=account.id)
        # Somebody had the password right: the owner and the superior want to know.
        audit.record(actor_of(account, address), "second_factor_wrong", "staff_account", account.id, now)
        raise refusals.SecondFactorWrong()
    throttle.clear(key)


def show_again(
    account: StaffAccount, password: str, code: str, actor: Actor, now: datetime, field: str = "password"
) -> None:
    """The owner proves to sit there: password, and second factor where it is on. Keep the writes even on refusal.

    Reads and releases the request's transaction while it hashes (`db.let_go`). Raises LoginThrottled after
    rules.FAILURES_HERE wrong ones, PasswordRefused beside `field`, SecondFactorWrong.
    """
    key, stored, both = _may_try(account, now), account.password_hash, second_factor.is_on(account)
    let_go()
    if not passwords.matches(stored, password):
        _not_the_owner(key, actor, now)
        raise refusals.PasswordRefused(f"{'现在的' if field == 'old' else ''}密码不对。", field=field)
    if both and not second_factor.check(account, code, now):
        _not_the_owner(key, actor, now)
        raise refusals.SecondFactorWrong()
    throttle.clear(key)


def _may_try(account: StaffAccount, now: datetime) -> str:
    """Under what its failures are counted. Raises LoginThrottled."""
    key = f"proof:{account.id}"
    throttle.check(key, rules.FAILURES_HERE, now)
    return key


def _not_the_owner(key: str, actor: Actor, now: datetime) -> None:
    throttle.count(key, rules.network(actor.address), now)
    security_log.refused("wrong proof", account=actor.id)
    audit.record(actor, "proof_wrong", "staff_account", actor.id, now)


def change_password(
    account: StaffAccount, old: str | None, new: str, keep_session: str, actor: Actor, now: datetime, code: str = ""
) -> None:
    """The owner sets a password (P4); every other session of the account ends.

    old: None where the account must change it, for then whoever is in has just typed the one-time password.
    code: of the second factor where it is on. Keep the writes even on refusal. Raises PasswordRefused beside `old` or
    `new`, SecondFactorWrong, LoginThrottled.
    """
    problem = rules.password_problem(new, *own_words(account))
    if problem is not None:
        raise refusals.PasswordRefused(problem)
    if old is not None and secrets.compare_digest(old.encode(), new.encode()):
        raise refusals.PasswordRefused("新密码不能和现在的一样。")
    _may_try(account, now)
    stored, first = account.password_hash, old is None and account.must_change
    let_go()
    if first and passwords.matches(stored, new):
        raise refusals.PasswordRefused("新密码不能和一次性密码一样。")
    changed = passwords.hash_password(new)
    if not first:
        show_again(account, old or "", code, actor, now, field="old")
    if account.password_hash != stored:  # reset or handed over meanwhile
        raise refusals.PasswordRefused("现在的密码不对。", field="old")
    account.password_hash = changed
    account.must_change, account.password_expires_at, account.password_changed_at = False, None, now
    account.password_used_at = None
    db.session.flush()
    sessions.end_all("staff", account.id, now, "password changed", keep=keep_session)
    audit.record(actor, "change_password", "staff_account", account.id, now)


def own_words(account: StaffAccount) -> tuple[str, ...]:
    """What others would think of first for this account's password."""
    centre = account.centre
    here = profile.current()
    own = (account.username, account.name, account.phone, centre.name, centre.label)
    return *own, here.product, here.name, here.code
