"""Many accounts at once: made by the worker, their one-time passwords only on slips of paper (SPEC P11, Q9).

The passwords are made when the button is pressed, so that a worker that is stopped in the middle goes on with the same
ones. They lie in the spool sealed under the application's key, with the slips; both are gone when whoever asked says
so, and after ten minutes at the latest. Hashing five hundred takes the worker half a minute, outside of transactions
and in turns of seconds, so that papers which others wait for come between.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from portal.centres.models import Centre, Department
from portal.core import clock, pages, pdf, pdf_spool, registry, sealed
from portal.core.access import ROLE_LABELS, Actor, Role
from portal.core.db import db, writing
from portal.core.errors import DomainError
from portal.people import passwords, queries, rules
from portal.people.actions import staff_accounts
from portal.people.actions.account_plan import PlannedAccount
from portal.people.actions.staff_accounts import AccountValues
from portal.people.models import StaffAccount
from portal.people.paper import documents

PURPOSE = "account slips"
BATCH = 10  # accounts of one transaction, hashed before it
TURN_SECONDS = 2.0  # then whoever waits for a paper comes first
KEPT_MINUTES = pdf_spool.PRIVATE_SECONDS // 60


class LineFull(DomainError):
    status = 503
    message = "现在要做的文件太多，账户还没有建。"
    advice = "请过一分钟再按一次。"


class NobodyTicked(DomainError):
    status = 422
    message = "还没有勾选要重印的人。"
    advice = "请至少勾一个。"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One account that gets a one-time password: to be opened (values), or there already (account_id).

    line: of the table, or 0.
    """

    password: str
    line: int = 0
    values: dict[str, Any] | None = None
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """An account that was not made after all."""

    line: int
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a press is. left: not made, with the reason; pdf: the slips once everything is done."""

    total: int
    done: int
    renewed: bool
    pdf: bytes | None = None
    left: tuple[Left, ...] = ()


# Asking ---------------------------------------------------------------------------------------------------------------


def to_open(rows: Iterable[PlannedAccount]) -> list[Wanted]:
    """What is to be made of the good lines."""
    return [
        Wanted(passwords.one_time(), row.typed.line, asdict(row.values)) for row in rows if row.values is not None
    ]  # fmt: skip


def to_renew(accounts: Iterable[StaffAccount]) -> list[Wanted]:
    """New one-time passwords for people who have not come yet."""
    return [Wanted(passwords.one_time(), account_id=account.id) for account in accounts]


def ask(actor: Actor, wanted: Sequence[Wanted], now: datetime) -> str:
    """Hand it to the worker. Returns the token of the page that follows. Raises LineFull, PdfFailed."""
    token = secrets.token_hex(16)
    secret = json.dumps({"wanted": [asdict(each) for each in wanted], "address": actor.address})
    args = {
        "sealed": sealed.seal(secret, PURPOSE), "at": now.isoformat(), "count": len(wanted),
        "renewed": wanted[0].account_id is not None,
    }  # fmt: skip
    job = {"export": registry.name_of(made), "actor": asdict(replace(actor, address="")), "args": args}
    if pdf_spool.spool().ask(_ticket(actor, token), job) is None:
        raise LineFull()
    return token


def _ticket(actor: Actor, token: str) -> str:
    """Only who asked finds it."""
    key = hashlib.sha256(f"{actor.id}:{token}".encode()).hexdigest()
    return f"{pdf_spool.PRIVATE}{key}.slips"


def progress(actor: Actor, token: str) -> Progress | None:
    """Where it stands; None when it is not there (any more). Raises PdfFailed when nobody works, or it failed."""
    spool, ticket = pdf_spool.spool(), _ticket(actor, token)
    with suppress(FileNotFoundError):
        found = json.loads(sealed.unseal(spool.file(ticket).read_text(), PURPOSE) or "{}")
        left = tuple(Left(**each) for each in found.get("left", ()))
        return Progress(found["total"], found["done"], found["renewed"], base64.b64decode(found["pdf"]), left)
    asked = {name: at for at, name in spool.line()}.get(ticket)
    if asked is None:
        return None
    with suppress(FileNotFoundError):
        args = json.loads((spool.waiting / f"{ticket}.json").read_bytes())["args"]
        done = _so_far(datetime.fromisoformat(args["at"]))
        if not done and time.time() - asked > pdf_spool.STUCK_SECONDS:
            raise pdf.PdfFailed("the worker does not make accounts")
        return Progress(args["count"], done, args["renewed"])
    return progress(actor, token)  # it was finished between the two looks


def _so_far(at: datetime) -> int:
    """How many got theirs in a press of this moment."""
    ends = StaffAccount.password_expires_at == at + rules.INITIAL_LIFE
    return db.session.scalar(select(func.count()).where(ends)) or 0


def forget(actor: Actor, token: str) -> bool:
    """Printed: nothing of it stays. Returns whether there was something."""
    file = pdf_spool.spool().file(_ticket(actor, token))
    there = file.exists()
    file.unlink(missing_ok=True)
    return there


# Making ---------------------------------------------------------------------------------------------------------------


@registry.exporter
def made(actor: Actor, asked: dict[str, Any]) -> bytes:
    """The accounts and their slips, sealed. asked: as `ask` wrote it. Called twice it makes nothing twice.

    Raises Unfinished after some seconds, with what is still to be done: one account costs a tenth of a second.
    """
    job = json.loads(sealed.unseal(asked["sealed"], PURPOSE) or "{}")
    at, wanted = datetime.fromisoformat(asked["at"]), [Wanted(**each) for each in job["wanted"]]
    slips = [documents.Slip(**each) for each in job.get("slips", ())]
    left = [Left(**each) for each in job.get("left", ())]
    until = time.monotonic() + TURN_SECONDS
    while wanted:
        some, wanted = wanted[:BATCH], wanted[BATCH:]
        given, not_given = give(replace(actor, address=job["address"]), some, at)
        slips, left = slips + given, left + not_given
        if wanted and time.monotonic() >= until:
            parts: dict[str, Sequence[Any]] = {"wanted": wanted, "slips": slips, "left": left}
            rest = {name: [asdict(each) for each in part] for name, part in parts.items()}
            secret = json.dumps(rest | {"address": job["address"]})
            raise pdf_spool.Unfinished({"args": asked | {"sealed": sealed.seal(secret, PURPOSE)}})
    data = pdf.render(paper(slips, actor, at)) if slips else b""
    answer = {
        "total": asked["count"], "done": len(slips), "renewed": asked["renewed"],
        "left": [asdict(each) for each in left], "pdf": base64.b64encode(data).decode(),
    }  # fmt: skip
    return sealed.seal(json.dumps(answer), PURPOSE).encode()


def give(actor: Actor, wanted: Sequence[Wanted], at: datetime) -> tuple[list[documents.Slip], list[Left]]:
    """Open or renew them, some in each transaction. at: when it was asked for."""
    slips, left = list[documents.Slip](), list[Left]()
    for start in range(0, len(wanted), BATCH):
        hashed = [(each, passwords.hash_password(each.password)) for each in wanted[start : start + BATCH]]
        with writing():
            for each, password_hash in hashed:
                try:
                    account = _given(actor, each, password_hash, at)
                except DomainError as refusal:
                    name = (each.values or {}).get("name", "")
                    left.append(Left(each.line, name, f"{refusal.message}{refusal.advice}"))
                    continue
                if account is not None:
                    slips.append(_slip(account, each.password))
    return slips, left


def _given(actor: Actor, wanted: Wanted, password_hash: str, at: datetime) -> StaffAccount | None:
    """None: has come meanwhile, or may not come any more. Raises DomainError."""
    if wanted.values is None:
        account = db.session.get_one(StaffAccount, wanted.account_id)
        return account if staff_accounts.renew(actor, account, password_hash, at) else None
    values = AccountValues(**wanted.values | {"role": Role(wanted.values["role"])})
    before = queries.account_by_username(values.username)
    if before is not None and (before.created_at, before.phone) == (at, values.phone):
        return before  # by a worker that was stopped in the middle
    return staff_accounts.add_account(actor, values, password_hash, at)


def _slip(account: StaffAccount, password: str) -> documents.Slip:
    department = db.session.get(Department, account.department_id) if account.department_id else None
    where = department.name if department is not None else db.session.get_one(Centre, account.centre_id).name
    return documents.Slip(account.name, where, ROLE_LABELS[Role(account.role)], account.username, password)


def paper(slips: Sequence[documents.Slip], actor: Actor, at: datetime) -> pdf.PrintJob:
    """What is cut apart."""
    until = clock.stamp(at + rules.INITIAL_LIFE)
    url = pages.absolute("/staff/login")
    return documents.account_slips(documents.Slips(tuple(slips), url, until, f"{actor.name}，", clock.today(at)))
