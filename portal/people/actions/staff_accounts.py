"""Writes about staff accounts: signing in, passwords, hand-over, reset, roles (SPEC P3-P6)."""

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
from portal.people.actions import second_factor, throttle
from portal.people.models import KnownDevice, StaffAccount


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
    _give(account, passwords.hash_password(password), now)
    return password


def _give(account: StaffAccount, password_hash: str, now: datetime) -> None:
    """A one-time password, known by its hash alone."""
    account.password_hash = password_hash
    account.must_change, account.password_expires_at = True, now + rules.INITIAL_LIFE
    account.password_used_at = None


def _shut_out(account: StaffAccount, now: datetime, why: str, forget: bool = True) -> None:
    """End every session. forget: the browsers too, for whoever held the account before must not get in again; else
    they stay known, so that strangers' failures do not keep the owner out.
    """
    sessions.end_all("staff", account.id, now, why)
    if forget:
        db.session.execute(delete(KnownDevice).where(KnownDevice.account_id == account.id))
    throttle.clear(f"account:{account.username}")


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

    Raises UsernameRefused, UsernameTaken, OutOfReach, DepartmentClosed, NotAllowed.
    """
    _may_open(actor, values)
    password = passwords.one_time()
    let_go()
    return OneTime(add_account(actor, values, passwords.hash_password(password), now), password)


def add_account(actor: Actor, values: AccountValues, password_hash: str, now: datetime) -> StaffAccount:
    """The same for whoever has made and hashed the initial password already. Raises as open_account."""
    user, centre = _may_open(actor, values)
    account = StaffAccount(
        username=user, name=values.name, phone=values.phone, centre_id=centre.id, department_id=values.department_id,
        role=values.role, created_at=now,
    )  # fmt: skip
    _give(account, password_hash, now)
    try:
        with db.session.begin_nested():
            db.session.add(account)
    except IntegrityError:
        raise refusals.UsernameTaken() from None
    after = {"username": user, "name": values.name, "phone": mask_phone(values.phone),
             "centre": centre.name, "role": ROLE_LABELS[values.role]}  # fmt: skip
    _note(actor, "open", account, now, None, after)
    return account


def _may_open(actor: Actor, values: AccountValues) -> tuple[str, Centre]:
    user = rules.username(values.username)
    problem = rules.username_problem(user)
    if problem is not None:
        raise refusals.UsernameRefused(problem)
    centre = _centre_of(values)
    _reach(actor, centre, values.department_id)
    if queries.account_by_username(user) is not None:
        raise refusals.UsernameTaken()
    return user, centre


def _centre_of(values: AccountValues) -> Centre:
    if values.department_id is not None:
        department = db.session.get(Department, values.department_id)
        if department is None:
            raise refusals.OutOfReach("没有这个部门。", field="department")
        if not department.active:
            raise refusals.DepartmentClosed()
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
    _shut_out(account, now, "reset", forget=False)
    _note(actor, "reset", account, now)
    _tell(actor, "reset", account, now)
    db.session.flush()
    return OneTime(account, password)


def renew(actor: Actor, account: StaffAccount, password_hash: str, now: datetime) -> bool:
    """Another one-time password for somebody who has not come yet, made and hashed by the caller.

    Returns whether it was given: who has set a password of their own, or may not come, keeps what they have.
    Raises OutOfReach, NotAllowed.
    """
    _reach(actor, account.centre, account.department_id)
    if not account.must_change or account.disabled_at is not None:
        return False
    _give(account, password_hash, now)
    _note(actor, "reset", account, now)
    _tell(actor, "reset", account, now)
    return True


def hand_over(actor: Actor, account: StaffAccount, name: str, phone: str, now: datetime) -> OneTime:
    """管理员变动: a new holder with a new one-time password; every session of the old holder ends (P4)."""
    _reach(actor, account.centre, account.department_id)
    before = {"name": account.name, "phone": mask_phone(account.phone)}
    summary = f"{account.username}：{account.name} → {name}"
    password = _one_time(account, now)
    account.name, account.phone = name, phone
    second_factor.forget(account)  # it was in the other one's pocket
    _shut_out(account, now, "handed over")
    _note(actor, "hand_over", account, now, before, {"name": name, "phone": mask_phone(phone)}, summary)
    _tell(actor, "handed_over", account, now)
    db.session.flush()
    return OneTime(account, password)


def reset_second_factor(actor: Actor, account: StaffAccount, now: datetime) -> None:
    """The telephone and the recovery codes are gone: it is off, and the owner sets up a new one after signing in.

    Both sides are told, all its sessions end. Raises NotYourself, OutOfReach, NotAllowed; off already changes nothing.
    """
    _reach(actor, account.centre, account.department_id)
    if actor.kind == "staff" and actor.id == account.id:
        raise refusals.NotYourself("自己的两步验证请在“密码与登录”里关。", advice="手机和备用码都没有了，请上级重置。")
    if not second_factor.is_on(account):
        return
    second_factor.forget(account)
    sessions.end_all("staff", account.id, now, "second factor reset")
    _note(actor, "reset_second_factor", account, now)
    _tell(actor, "second_factor_reset", account, now)


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
    """Open it again with its old password. Raises DepartmentClosed."""
    _reach(actor, account.centre, account.department_id)
    if account.disabled_at is None:
        return
    if account.department is not None and not account.department.active:
        raise refusals.DepartmentClosed()
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
