"""Writes about staff accounts: signing in, passwords, hand-over, reset, roles (SPEC P3-P6)."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from portal.centres import queries as centres
from portal.centres.models import Centre, Department
from portal.core import audit, outbox, registry, scope, sessions
from portal.core.access import ROLE_LABELS, Actor, Permission, Role
from portal.core.db import db, let_go
from portal.core.errors import NotAllowed
from portal.core.masks import mask_phone
from portal.people import passwords, queries, refusals, rules
from portal.people.models import KnownDevice, LoginFailure, StaffAccount


@dataclass(frozen=True, slots=True)
class AccountValues:
    """A new account. department_id: the account is the department's, at the centre the department belongs to."""

    username: str
    name: str
    phone: str
    centre_id: int
    role: Role
    department_id: int | None = None


@dataclass(frozen=True, slots=True)
class OneTime:
    """An account and its one-time password: shown once, never stored in the clear."""

    account: StaffAccount
    password: str


def actor_of(account: StaffAccount, address: str = "") -> Actor:
    return Actor(
        kind="staff", id=account.id, name=account.name, centre_id=account.centre_id,
        centre_path=account.centre.path, role=Role(account.role), department_id=account.department_id, address=address,
    )  # fmt: skip


# Signing in -----------------------------------------------------------------------------------------------------------


def sign_in(username: str, password: str, address: str, device: str, now: datetime) -> StaffAccount:
    """Check a username and password. The caller must keep the request's writes even on refusal: failures are counted.

    device: the browser's long-lived token; one that has signed in to this account before is not locked out by others'
    failures. Raises LoginThrottled (rules.FAILURES_… within FAILURE_WINDOW), LoginRefused (the same for
    an unknown user), InitialExpired.
    """
    user = rules.username(username)[:80]
    account = queries.account_by_username(user)
    mark = device_hash(account.id, device) if account is not None and device else ""
    known = account is not None and bool(mark) and queries.is_known_device(account.id, mark)
    keys = [f"device:{mark}"] if known else [f"account:{user}", f"address:{address}"]
    _check_throttle(keys, now)
    account_id = account.id if account is not None and account.disabled_at is None else None
    stored = account.password_hash if account is not None and account_id is not None else None
    let_go()  # Argon2 takes 50 ms on purpose
    right = passwords.matches(stored, password)
    anew = passwords.hash_password(password) if right and stored and passwords.is_dated(stored) else None
    if not right:
        db.session.add_all([LoginFailure(key=key, at=now) for key in keys])
        db.session.flush()
        raise refusals.LoginRefused()
    account = db.session.get_one(StaffAccount, account_id, with_for_update=True, populate_existing=True)
    # Meanwhile the account may have been handed over, reset or disabled: its old password opens nothing any more.
    if account.password_hash != stored or account.disabled_at is not None:
        raise refusals.LoginRefused()
    if account.password_expires_at is not None and account.password_expires_at <= now:
        raise refusals.InitialExpired()
    account.password_hash = anew or stored
    account.last_login_at = now
    db.session.execute(delete(LoginFailure).where(LoginFailure.key.in_([k for k in keys if "address:" not in k])))
    audit.record(actor_of(account, address), "sign_in", "staff_account", account.id, now)
    db.session.flush()
    return account


def _check_throttle(keys: list[str], now: datetime) -> None:
    failed = queries.failures(keys, now - rules.FAILURE_WINDOW)
    waits = [rules.open_again_at(failed.get(k, []), rules.FAILURES[k.partition(":")[0]], now) for k in keys]
    until = max((w for w in waits if w), default=None)
    if until is not None:
        raise refusals.LoginThrottled(advice=f"请在 {refusals.when(until, now)}再试，或请上级重置密码。")


def remember_device(account: StaffAccount, device: str, now: datetime) -> str:
    """Note that this browser has signed in to the account; returns the browser's token (a new one if it had none)."""
    token = device if 32 <= len(device) <= 100 else secrets.token_urlsafe(32)
    row = {"account_id": account.id, "token_hash": device_hash(account.id, token), "created_at": now}
    outbox.insert_once(KnownDevice, [row])
    return token


def device_hash(account_id: int, device: str) -> str:
    """One cookie serves every account of a shared desk; the database cannot tell that they share it."""
    return sessions.fingerprint(f"{account_id}:{device}")


def change_password(account: StaffAccount, old: str, new: str, keep_session: str, actor: Actor, now: datetime) -> None:
    """The owner sets a password (P4); every other session of the account ends.

    Raises PasswordRefused beside `old` or `new`.
    """
    problem, stored = rules.password_problem(new, account.username, account.name), account.password_hash
    let_go()
    if not passwords.matches(stored, old):
        raise refusals.PasswordRefused("现在的密码不对。", field="old")
    if problem is None and passwords.matches(stored, new):
        problem = "新密码不能和现在的一样。"
    if problem is not None:
        raise refusals.PasswordRefused(problem)
    changed = passwords.hash_password(new)
    if account.password_hash != stored:  # reset or handed over meanwhile
        raise refusals.PasswordRefused("现在的密码不对。", field="old")
    account.password_hash = changed
    account.must_change, account.password_expires_at, account.password_changed_at = False, None, now
    db.session.flush()
    sessions.end_all("staff", account.id, now, "password changed", keep=keep_session)
    audit.record(actor, "change_password", "staff_account", account.id, now)


# Managing accounts ----------------------------------------------------------------------------------------------------


def _reach(actor: Actor, centre: Centre, department_id: int | None) -> None:
    """Raises NotAllowed without the right, OutOfReach outside the actor's own centre, those below, or department."""
    if not actor.can(Permission.ACCOUNTS):
        raise NotAllowed()
    if actor.kind == "system":
        return
    if not centres.is_inside(centre, actor.centre_path):
        raise refusals.OutOfReach()
    if actor.department_id is not None and department_id != actor.department_id:
        raise refusals.OutOfReach()


def _one_time(account: StaffAccount, now: datetime) -> str:
    password = passwords.one_time()
    let_go()
    account.password_hash = passwords.hash_password(password)
    account.must_change, account.password_expires_at = True, now + rules.INITIAL_LIFE
    return password


def _shut_out(account: StaffAccount, now: datetime, why: str) -> None:
    """End every session and forget the browsers: whoever held the account before must not get in again."""
    sessions.end_all("staff", account.id, now, why)
    db.session.execute(delete(KnownDevice).where(KnownDevice.account_id == account.id))
    db.session.execute(delete(LoginFailure).where(LoginFailure.key == f"account:{account.username}"))


def _note(
    actor: Actor, verb: str, account: StaffAccount, now: datetime,
    before: dict[str, Any] | None = None, after: dict[str, Any] | None = None, summary: str = "",
) -> None:  # fmt: skip
    audit.record(
        actor, verb, "staff_account", account.id, now, before=before, after=after,
        summary=summary or f"{account.username}（{account.name}）",
        centre_id=account.centre_id, centre_path=account.centre.path,
    )  # fmt: skip


def _tell(actor: Actor, event: str, account: StaffAccount, now: datetime) -> None:
    """The owner and the superior hear of it (P5); portal.notices does the telling."""
    payload = {"account_id": account.id, "event": event, "by_name": actor.name, "by_id": actor.id}
    outbox.put("people.account_notice", f"{account.id}:{event}:{now.isoformat()}", payload, now)


def open_account(actor: Actor, values: AccountValues, now: datetime) -> OneTime:
    """Make an account with a random initial password, valid 24 h, to be changed at first login (P4).

    Raises UsernameRefused, UsernameTaken, OutOfReach, NotAllowed.
    """
    user = rules.username(values.username)
    problem = rules.username_problem(user)
    if problem is not None:
        raise refusals.UsernameRefused(problem)
    centre = _centre_of(values)
    _reach(actor, centre, values.department_id)
    if queries.account_by_username(user) is not None:
        raise refusals.UsernameTaken()
    account = StaffAccount(
        username=user, name=values.name, phone=values.phone, centre_id=centre.id, department_id=values.department_id,
        role=values.role, created_at=now,
    )  # fmt: skip
    password = _one_time(account, now)
    try:
        with db.session.begin_nested():
            db.session.add(account)
    except IntegrityError:
        raise refusals.UsernameTaken() from None
    after = {"username": user, "name": values.name, "phone": mask_phone(values.phone),
             "centre": centre.name, "role": ROLE_LABELS[values.role]}  # fmt: skip
    _note(actor, "open", account, now, None, after)
    return OneTime(account, password)


def _centre_of(values: AccountValues) -> Centre:
    if values.department_id is not None:
        department = db.session.get(Department, values.department_id)
        if department is None:
            raise refusals.OutOfReach("没有这个部门。", field="department")
        return department.centre
    centre = centres.get(values.centre_id)
    if centre is None:
        raise refusals.OutOfReach("没有这个阵地。", field="centre")
    return centre


def reset(actor: Actor, account: StaffAccount, now: datetime) -> OneTime:
    """A one-time password for an account of one's own tree; both sides are told, all its sessions end (P5)."""
    _reach(actor, account.centre, account.department_id)
    if actor.id == account.id and actor.kind == "staff":
        raise refusals.NotYourself("自己的密码请在“修改密码”里改。", advice="忘记了请由上级重置。")
    password = _one_time(account, now)
    _shut_out(account, now, "reset")
    _note(actor, "reset", account, now)
    _tell(actor, "reset", account, now)
    db.session.flush()
    return OneTime(account, password)


def hand_over(actor: Actor, account: StaffAccount, name: str, phone: str, now: datetime) -> OneTime:
    """管理员变动: a new holder with a new one-time password; every session of the old holder ends (P4)."""
    _reach(actor, account.centre, account.department_id)
    before = {"name": account.name, "phone": mask_phone(account.phone)}
    summary = f"{account.username}：{account.name} → {name}"
    password = _one_time(account, now)
    account.name, account.phone = name, phone
    _shut_out(account, now, "handed over")
    _note(actor, "hand_over", account, now, before, {"name": name, "phone": mask_phone(phone)}, summary)
    _tell(actor, "handed_over", account, now)
    db.session.flush()
    return OneTime(account, password)


def disable(actor: Actor, account: StaffAccount, now: datetime) -> None:
    """Close an account at once; its records stay. Raises NotYourself. Doing it twice changes nothing."""
    _reach(actor, account.centre, account.department_id)
    if actor.kind == "staff" and actor.id == account.id:
        raise refusals.NotYourself()
    if account.disabled_at is not None:
        return
    account.disabled_at = now
    _shut_out(account, now, "disabled")
    _note(actor, "disable", account, now, {"state": "正常"}, {"state": "停用"})
    _tell(actor, "disabled", account, now)
    _staffing_changed(now)


def enable(actor: Actor, account: StaffAccount, now: datetime) -> None:
    """Open it again with its old password."""
    _reach(actor, account.centre, account.department_id)
    if account.disabled_at is None:
        return
    account.disabled_at = None
    _note(actor, "enable", account, now, {"state": "停用"}, {"state": "正常"})
    _tell(actor, "enabled", account, now)
    db.session.flush()


def change_role(actor: Actor, account: StaffAccount, role: Role, now: datetime) -> None:
    """Raises NotYourself: nobody raises or traps himself."""
    _reach(actor, account.centre, account.department_id)
    if actor.kind == "staff" and actor.id == account.id:
        raise refusals.NotYourself()
    old = Role(account.role)
    if old is role:
        return
    account.role = role
    _note(actor, "change_role", account, now, {"role": ROLE_LABELS[old]}, {"role": ROLE_LABELS[role]})
    _tell(actor, "role_changed", account, now)
    _staffing_changed(now)


def transfer(actor: Actor, account: StaffAccount, to: AccountValues, now: datetime) -> None:
    """The same person works at `to`'s centre or department from now on; what they had stays where it was (P3, P6).

    Raises NotYourself, OutOfReach (from or to a place outside the actor's tree), NotAllowed.
    """
    centre, department_id = _centre_of(to), to.department_id
    _reach(actor, account.centre, account.department_id)
    _reach(actor, centre, department_id)
    if actor.kind == "staff" and actor.id == account.id:
        raise refusals.NotYourself()
    if (account.centre_id, account.department_id) == (centre.id, department_id):
        return
    before = {"centre": account.centre.name}
    account.centre, account.department_id = centre, department_id
    _note(actor, "transfer", account, now, before, {"centre": centre.name})
    _tell(actor, "transferred", account, now)
    _staffing_changed(now)


def _staffing_changed(now: datetime) -> None:
    """What waited for somebody who is gone goes on at once, in the same transaction."""
    db.session.flush()
    with scope.system("who has what when an account goes"):
        registry.staffing_changed(now)


def end_own_session(actor: Actor, session_id: str, now: datetime) -> bool:
    """End one of one's own sessions; somebody else's does not exist. Returns whether there was one."""
    own = {s.id for s in queries.live_sessions("staff", actor.id or 0, now)}
    if session_id not in own:
        return False
    sessions.end_session(session_id, now, "ended by owner")
    audit.record(actor, "end_session", "staff_account", actor.id, now)
    return True
