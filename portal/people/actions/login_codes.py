"""One-time codes by text message: sign-in, registration and a new phone number (SPEC P1)."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import or_, update

from portal.centres import profile
from portal.core import clock, outbox, registry, security_log
from portal.core.db import db, hit
from portal.core.forms import FULL_WIDTH
from portal.people import queries, rules
from portal.people.models import LoginCode
from portal.people.refusals import CodeExpired, CodesFull, CodeTooSoon, CodeWrong, when


def _hash(phone: str, code: str) -> str:
    # Keyed: a million codes could otherwise be tried against a copy of the database in a second.
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.new(key, f"login-code:{phone}:{code}".encode(), hashlib.sha256).hexdigest()


def send_code(phone: str, address: str, now: datetime, browser: str = "", known: bool = False) -> LoginCode:
    """Send a new six-digit code to `phone` (11 digits), valid for CODE_LIFE; older codes of the browser stop working.

    browser: a mark of who asks. Only there can the code be tried: who merely knows a number uses up nobody's tries.
    known: somebody has signed in with the number there before; strangers do not use up what is kept for such a browser.
    The same for numbers that are registered and that are not. Raises CodeTooSoon with the next possible time
    (rules.next_code_at), CodesFull when the portal has sent too many to anybody: the caller keeps what was written,
    which tells the district.
    """
    queries.lock_codes(phone)
    wait = rules.next_code_at(queries.codes_sent(phone, address, now), now, known)
    if wait is not None:
        raise CodeTooSoon(advice=f"{when(wait, now)}可以再发一次。", until=wait)
    if is_full(now):
        hour = clock.local(now).strftime("%Y-%m-%dT%H")
        outbox.put("people.codes_full", hour, {"hour": hour}, now)
        who = f"急着办的请打 {profile.current().hotline}，工作人员可以代您报名和订场地。"
        raise CodesFull(advice=f"请过一小时再试；{who}")
    code = f"{secrets.randbelow(1_000_000):06d}"
    row = LoginCode(
        phone=phone, code_hash=_hash(phone, code), sent_at=now, expires_at=now + rules.CODE_LIFE, attempts=0,
        address=rules.network(address)[:60], browser=browser, known=known,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    parts = {"code": code, "minutes": str(rules.CODE_LIFE // timedelta(minutes=1))}
    registry.text_phone(phone, words(code), "login_code", f"login-code:{row.id}", now, parts)
    return row


def words(code: str) -> str:
    """The text message that brings a code."""
    valid = f"【{profile.current().product}】验证码 {code}，{clock.lasting(rules.CODE_LIFE)}内有效。"
    return f"{valid}请不要告诉别人；不是您本人操作，请忽略。"


def is_full(now: datetime) -> bool:
    """Whether the whole portal has sent as many codes as it may in an hour or a day: each costs, and strangers ask."""
    limits = ((timedelta(hours=1), "CODES_PER_HOUR"), (timedelta(days=1), "CODES_PER_DAY"))
    return any(queries.codes_in(span, now) >= current_app.config[name] for span, name in limits)


def live_code(phone: str, now: datetime, browser: str = "") -> LoginCode | None:
    """The code that would be accepted from this browser now, for pages that say when the next may be sent."""
    row = queries.last_code(phone, browser)
    live = row is not None and row.used_at is None and row.expires_at > now and row.attempts < rules.CODE_TRIES
    return row if live else None


def check_code(phone: str, code: str, now: datetime, browser: str = "") -> LoginCode:
    """Use the latest code that this browser asked for.

    The caller must keep the request's writes even on refusal: tries are counted.
    Raises CodeExpired (too old, used, or five tries), CodeWrong with the tries that are left.
    """
    row = queries.last_code(phone, browser)
    if row is None or row.expires_at <= now:
        raise CodeExpired()
    fresh = or_(LoginCode.used_at.is_(None), LoginCode.used_at > now - rules.REPEAT)
    count = update(LoginCode).where(LoginCode.id == row.id, LoginCode.attempts < rules.CODE_TRIES, fresh)
    # Counted before it is compared, in one statement: parallel guesses cannot share a try.
    if hit(count.values(attempts=LoginCode.attempts + 1)) != 1:
        raise CodeExpired()
    db.session.refresh(row)
    typed = code.translate(FULL_WIDTH).replace(" ", "")
    if not hmac.compare_digest(_hash(phone, typed), row.code_hash):
        security_log.refused("wrong code")
        left = rules.CODE_TRIES - row.attempts
        if left <= 0:
            raise CodeExpired()
        raise CodeWrong(advice=f"请再看一下短信，还可以试 {left} 次。")
    row.used_at = row.used_at or now
    db.session.flush()
    return row


def verified_phone(code_id: object, now: datetime) -> str | None:
    """The number proved by a used code, for VERIFIED_LIFE after; None afterwards."""
    if not isinstance(code_id, int):
        return None
    row = db.session.get(LoginCode, code_id)
    if row is None or row.used_at is None or row.used_at + rules.VERIFIED_LIFE <= now:
        return None
    return row.phone
