"""Whose WeChat is whose, and the access token that all processes share (SPEC M2)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update

from portal.core import audit, clock, outbox
from portal.core.access import Actor
from portal.core.db import db, hit, writing
from portal.core.errors import DomainError
from portal.notices import rules
from portal.notices.claims import Claimed
from portal.notices.gateways import GatewayError, Trouble
from portal.notices.gateways.wechat import Api
from portal.notices.models import WechatBinding, WechatToken
from portal.people.models import Resident

EARLY = timedelta(minutes=5)  # renewed before it ends: whoever reads it now still has time to use it
RENEWING = timedelta(seconds=30)  # a process that dies while it renews keeps the others waiting for so long
PATIENCE = 10.0  # seconds that the others wait for it
LOOK = 0.1
VISIT_SECONDS = 3.0  # a visitor waits for WeChat's answer, and a thread with them


def open_ids(rows: Sequence[Claimed]) -> dict[str, str]:
    """Telephone number -> who that is in WeChat, for those among `rows` who follow the account. One statement."""
    numbers = {row.recipient for row in rows if row.channel == rules.WECHAT}
    if not numbers:
        return {}
    wanted = select(Resident.phone, WechatBinding.open_id).join(Resident, Resident.id == WechatBinding.resident_id)
    found = db.session.execute(wanted.where(Resident.phone.in_(numbers), WechatBinding.left_at.is_(None)))
    return {row.phone: row.open_id for row in found}


def left(numbers: Iterable[str], now: datetime) -> None:
    """These numbers' people do not follow the account any more: what they are told goes by SMS. Never commits."""
    theirs = select(Resident.id).where(Resident.phone.in_(sorted(set(numbers))))
    bound = (WechatBinding.resident_id.in_(theirs), WechatBinding.left_at.is_(None))
    hit(update(WechatBinding).where(*bound).values(left_at=now), synchronize_session=False)


def token(api: Api, over: str = "") -> str:
    """The access token in use; renewed here, or by whoever is at it already. over: one that WeChat refused.

    Commits. Must not be called inside a transaction: it asks WeChat. Raises GatewayError.
    """
    until = time.monotonic() + PATIENCE
    while True:
        now = clock.now()
        found = _good(api.app_id, over, now)
        if found:
            return found
        if _take_on(api.app_id, over, now):
            return _renew(api)
        if time.monotonic() > until:
            raise GatewayError("微信：等不到 access_token", Trouble.LATER)
        time.sleep(LOOK)


def _good(app_id: str, over: str, now: datetime) -> str:
    wanted = select(WechatToken.token).where(
        WechatToken.app_id == app_id, WechatToken.token.not_in(["", over]), WechatToken.expires_at > now + EARLY
    )
    found = db.session.scalar(wanted)
    db.session.rollback()
    return found or ""


def _take_on(app_id: str, over: str, now: datetime) -> bool:
    """Whether the renewing is ours: one winner on either database."""
    with writing():
        outbox.insert_once(WechatToken, [{"app_id": app_id, "token": ""}])
        free = or_(WechatToken.leased_until.is_(None), WechatToken.leased_until <= now)
        old = or_(WechatToken.token.in_(["", over]), WechatToken.expires_at <= now + EARLY)
        take = update(WechatToken).where(WechatToken.app_id == app_id, free, old)
        return hit(take.values(leased_until=now + RENEWING), synchronize_session=False) == 1


def _renew(api: Api) -> str:
    mine = update(WechatToken).where(WechatToken.app_id == api.app_id)
    try:
        fresh, seconds = api.new_token()
    except GatewayError:
        with writing():
            hit(mine.values(leased_until=None), synchronize_session=False)
        raise
    with writing():
        values = {"token": fresh, "expires_at": clock.now() + timedelta(seconds=seconds), "leased_until": None}
        hit(mine.values(**values), synchronize_session=False)
    return fresh


def follows(open_id: str, event: str, now: datetime) -> None:
    """The official account was left or followed again; other events are none of ours. Never commits."""
    if event not in {"subscribe", "unsubscribe"}:
        return
    theirs = update(WechatBinding).where(WechatBinding.open_id == open_id)
    hit(theirs.values(left_at=now if event == "unsubscribe" else None), synchronize_session=False)


class TakenWechat(DomainError):
    message = "这个微信已经绑定了另一个账户。"
    advice = "请先在那个账户里解除绑定；忘了是哪个，请打电话问社区。"


def api(config: Mapping[str, Any]) -> Api:
    """The calls of the official account of the settings."""
    return Api(config["WECHAT_ENDPOINT"], config["WECHAT_APP_ID"], config["WECHAT_SECRET"], VISIT_SECONDS)


def resident_of(open_id: str) -> Resident | None:
    """Whose WeChat it is; None for one that nobody bound."""
    if not open_id:
        return None
    wanted = select(Resident).join(WechatBinding, WechatBinding.resident_id == Resident.id)
    return db.session.scalar(wanted.where(WechatBinding.open_id == open_id, Resident.erased_at.is_(None)))


def binding(resident_id: int) -> WechatBinding | None:
    """A resident's WeChat, if it is bound."""
    return db.session.get(WechatBinding, resident_id)


def bind(resident: Resident, open_id: str, now: datetime) -> None:
    """Bind, in place of what was bound before; messages go there from now on. Raises TakenWechat. Never commits."""
    before = db.session.get(WechatBinding, resident.id)
    if before is not None:
        db.session.delete(before)
        db.session.flush()
    row = {"resident_id": resident.id, "open_id": open_id, "bound_at": now, "left_at": None}
    if outbox.insert_once(WechatBinding, [row]) != 1:
        raise TakenWechat()
    resident.quiet = {**(resident.quiet or {}), "way": rules.WECHAT}
    actor = Actor(kind="resident", id=resident.id, name="居民")
    audit.record(actor, "bind_wechat", "resident", resident.id, now, summary="居民绑定了微信")


def unbind(resident: Resident, now: datetime) -> bool:
    """Whether there was something to unbind. Never commits."""
    row = db.session.get(WechatBinding, resident.id)
    if row is None:
        return False
    db.session.delete(row)
    resident.quiet = {**(resident.quiet or {}), "way": rules.SMS}
    actor = Actor(kind="resident", id=resident.id, name="居民")
    audit.record(actor, "unbind_wechat", "resident", resident.id, now, summary="居民解除了微信绑定")
    return True
