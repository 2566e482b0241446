"""The second factor of staff: codes of an app (TOTP, RFC 6238) and recovery codes on paper (SPEC P3). Flush only.

The secret is sealed at rest, recovery codes are kept as keyed hashes; either opens the door once.
"""

import secrets
from datetime import datetime

import pyotp
from sqlalchemy import delete, func, select, update

from portal.centres import profile
from portal.core import audit, sealed, sessions
from portal.core.access import Actor
from portal.core.db import db, hit
from portal.core.forms import FULL_WIDTH
from portal.people import passwords, refusals, rules
from portal.people.models import RecoveryCode, StaffAccount

PURPOSE = "second factor"
DRIFT = 1  # codes before and after today's that count too: telephones' clocks go wrong


def is_on(account: StaffAccount) -> bool:
    return account.totp_on_at is not None


def begin(account: StaffAccount) -> None:
    """A new secret to be confirmed. Raises SecondFactorOn: what is on is turned off first."""
    if is_on(account):
        raise refusals.SecondFactorOn()
    account.totp_secret, account.totp_counter = sealed.seal(pyotp.random_base32(), PURPOSE), 0
    db.session.flush()


def secret_of(account: StaffAccount) -> str | None:
    """The secret in letters, for whoever sets it up; None when there is none or another SECRET_KEY sealed it."""
    return sealed.unseal(account.totp_secret, PURPOSE) if account.totp_secret else None


def address_of(account: StaffAccount, secret: str) -> str:
    """What the QR code holds: 'otpauth://totp/…'."""
    return pyotp.TOTP(secret).provisioning_uri(name=account.username, issuer_name=profile.current().product)


def confirm(account: StaffAccount, code: str, actor: Actor, session_id: str, now: datetime) -> list[str]:
    """The first right code turns it on. Returns the recovery codes, which nobody can read again.

    Every other session of the account ends. Raises SecondFactorWrong, SecondFactorOn.
    """
    if is_on(account):
        raise refusals.SecondFactorOn()
    if not _right(account, code, now):
        raise refusals.SecondFactorWrong()
    account.totp_on_at = now
    sessions.end_all("staff", account.id, now, "second factor", keep=session_id)
    audit.record(actor, "second_factor_on", "staff_account", account.id, now)
    return _recovery_codes(account)


def check(account: StaffAccount, typed: str, now: datetime) -> bool:
    """Use up a code of the app or a recovery code. Each opens once, also when two requests bring it at once."""
    return _right(account, typed, now) or _recovered(account, typed, now)


def _plain(typed: str) -> str:
    return "".join(typed.translate(FULL_WIDTH).replace("-", "").split()).lower()


def _right(account: StaffAccount, typed: str, now: datetime) -> bool:
    secret, code = secret_of(account), _plain(typed)
    if secret is None or len(code) != 6 or not code.isdecimal():
        return False
    totp = pyotp.TOTP(secret)
    present = totp.timecode(now)
    for counter in range(present - DRIFT, present + DRIFT + 1):
        if secrets.compare_digest(totp.generate_otp(counter), code):
            newer = StaffAccount.totp_counter < counter
            spend = update(StaffAccount).where(StaffAccount.id == account.id, newer)
            return hit(spend.values(totp_counter=counter)) == 1
    return False


def _mark(account_id: int, code: str) -> str:
    return sealed.mark(f"{account_id}:{code}", "recovery code")


def _recovered(account: StaffAccount, typed: str, now: datetime) -> bool:
    own = (RecoveryCode.account_id == account.id, RecoveryCode.code_hash == _mark(account.id, _plain(typed)))
    return hit(update(RecoveryCode).where(*own, RecoveryCode.used_at.is_(None)).values(used_at=now)) == 1


def _recovery_codes(account: StaffAccount) -> list[str]:
    """New ones, 50 bits each; the old ones open nothing any more."""
    _forget_codes(account)
    pool = passwords.ALPHABET
    codes = ["".join(secrets.choice(pool) for _ in range(10)) for _ in range(rules.RECOVERY_CODES)]
    db.session.add_all(RecoveryCode(account_id=account.id, code_hash=_mark(account.id, code)) for code in codes)
    db.session.flush()
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def _forget_codes(account: StaffAccount) -> None:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))


def recovery_codes(account: StaffAccount, actor: Actor, now: datetime) -> list[str]:
    """Ten new recovery codes. Raises SecondFactorOff."""
    if not is_on(account):
        raise refusals.SecondFactorOff()
    audit.record(actor, "recovery_codes", "staff_account", account.id, now)
    return _recovery_codes(account)


def codes_left(account: StaffAccount) -> int:
    """How many recovery codes have not been used."""
    unused = select(func.count(RecoveryCode.id)).where(
        RecoveryCode.account_id == account.id, RecoveryCode.used_at.is_(None)
    )
    return db.session.scalar(unused) or 0


def forget(account: StaffAccount) -> None:
    """Nothing of it is left; the caller says who did it and tells whom it concerns."""
    account.totp_secret, account.totp_on_at, account.totp_counter = "", None, 0
    _forget_codes(account)
    db.session.flush()


def turn_off(account: StaffAccount, actor: Actor, now: datetime) -> None:
    """By its owner, for example to set up another telephone. Twice is the same as once."""
    if is_on(account):
        forget(account)
        audit.record(actor, "second_factor_off", "staff_account", account.id, now)
