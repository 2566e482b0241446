"""Many messages on their way at once: threads that only talk to gateways, one writer that claims and marks (SPEC M2).

The threads touch no database. What ended is written in groups, in the same breath as the next ones are claimed, so a
login code that comes meanwhile is claimed before everything that still waits. A gateway begins with one message at a
time and is given one more for each that it took; one that fails is back at one, and left alone after IN_A_ROW.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import ALL_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime

import structlog
from flask import current_app

from portal.core.db import db
from portal.notices import claims, gateways, outcomes, wechat_people
from portal.notices.claims import Claimed
from portal.notices.gateways import CannotTell, Gateway, GatewayError, Taken, Text, Trouble
from portal.notices.gateways.wechat import NoFollower, TokenOver, WechatAccount
from portal.notices.outcomes import Ended

log = structlog.get_logger()

IN_A_ROW = 3  # so many temporary failures in a row: the gateway is away, leave it alone until the next sweep
GROUP_SECONDS = 0.05  # what ends within it is written together
CATCH_UP_SECONDS = 0.1  # so much of the rate that was not used while results were written is made up for
AHEAD = 8  # so many are claimed at least: what needs no sending is over quickly
SLOWEST = 1.0  # a second, after a provider said that it is too fast


@dataclass
class Way:
    """One gateway in a round: how many it may have at once, how fast, and whether it seems to be away."""

    gateway: Gateway
    most: int
    gap: float  # seconds between two messages
    width: int = 1
    flying: int = 0
    failures: int = 0
    next_at: float = 0.0

    @property
    def away(self) -> bool:
        return self.failures >= IN_A_ROW

    def free(self, moment: float) -> bool:
        return not self.away and self.flying < self.width and moment >= self.next_at

    def start(self, moment: float) -> None:
        self.flying += 1
        self.next_at = max(self.next_at, moment - CATCH_UP_SECONDS) + self.gap

    def end(self, error: GatewayError | None) -> None:
        self.flying -= 1
        if error is None or error.trouble is Trouble.PERMANENT or error.wait:  # it answers: about this number
            self.failures, self.width = 0, min(self.most, self.width + 1)
            return
        self.failures, self.width = self.failures + 1, 1
        if error.trouble is Trouble.LIMIT:
            self.gap = min(SLOWEST, self.gap * 2 or SLOWEST)


def attempt(gateway: Gateway, row: Claimed, text: Text) -> Ended:
    """One message, in a thread: when an earlier try is in doubt it is asked for first. Never raises."""
    try:
        if row.doubt_at is not None and not gateway.repeats:
            found = _look(gateway, row, text)
            if found is not None:
                return Ended(row, found)
        return Ended(row, gateway.send(text))
    except CannotTell:
        return Ended(row, given_up=True)
    except GatewayError as error:
        return Ended(row, error=error)
    except Exception as error:  # an answer that no client foresaw: it may have gone
        log.exception("gateway client failed", delivery_id=row.id)
        return Ended(row, error=GatewayError(f"网关：{type(error).__name__}", Trouble.UNKNOWN))


def _look(gateway: Gateway, row: Claimed, text: Text) -> Taken | None:
    """What became of a try in doubt. Raises CannotTell when nobody knows and it must not be sent once more."""
    assert row.doubt_at is not None
    try:
        return gateway.find(text, row.doubt_at)
    except CannotTell:
        if outcomes.may_send_in_doubt(row):
            return None
        raise
    except GatewayError as error:  # the question failed, not the message
        raise GatewayError(str(error), Trouble.LATER, error.wait) from error


class Round:
    """One run over what is due, at most `limit` messages."""

    def __init__(self, ways: Mapping[str, Gateway], now: datetime, limit: int) -> None:
        config = current_app.config
        most, gap = max(1, config["SMS_SIDE_BY_SIDE"]), 1 / config["SMS_RATE"] if config["SMS_RATE"] > 0 else 0.0
        self.ways = {name: Way(gateway, most, gap) for name, gateway in ways.items()}
        self.now, self.limit, self.most = now, limit, most
        self.settling = {name: way.settles for name, way in ways.items() if not way.repeats}
        self.waiting: deque[tuple[Claimed, Text]] = deque()
        self.flying: dict[Future[Ended], Way] = {}
        self.ended: list[Ended] = []
        self.counts: Counter[str] = Counter()
        self.began, self.claimed, self.dry = time.monotonic(), 0, False

    def run(self) -> Counter[str]:
        """Send until nothing is due, the limit is reached, or no gateway answers. Counts by outcome."""
        self._renew("")
        with ThreadPoolExecutor(self.most, thread_name_prefix="gateway") as pool:
            while True:
                self._write()
                self._claim()
                self._start(pool)
                if self.ended:  # stale, or of nobody who could be reached: nothing to wait for
                    continue
                if not self.flying and not self.waiting:
                    break
                self._gather()
        return self.counts

    def _claim(self) -> None:
        channels = [name for name, way in self.ways.items() if not way.away]
        room = max(AHEAD, sum(self.ways[name].width for name in channels)) - len(self.flying) - len(self.waiting)
        wanted = min(room, self.limit - self.claimed) if channels else 0
        if wanted <= 0 or (self.dry and self.flying):
            return
        moment = self.now + claims.seconds(time.monotonic() - self.began)
        rows = claims.claim(channels, self.now, wanted, self.settling, moment)
        self.dry, self.claimed = not rows, self.claimed + len(rows)
        followers = wechat_people.open_ids(rows) if self._account() else None
        db.session.rollback()
        for row in rows:
            if claims.is_stale(row, self.now):
                self.ended.append(Ended(row, stale=True))
            elif followers is not None and row.channel == gateways.WECHAT and row.recipient not in followers:
                self.ended.append(Ended(row, error=NoFollower()))
            else:
                self.waiting.append((row, row.text((followers or {}).get(row.recipient, ""))))

    def _start(self, pool: ThreadPoolExecutor) -> None:
        for _ in range(len(self.waiting)):
            row, text = self.waiting.popleft()
            way, moment = self.ways[row.channel], time.monotonic()
            if way.away:
                claims.mark([row])
            elif way.free(moment):
                way.start(moment)
                self.flying[pool.submit(attempt, way.gateway, row, text)] = way
            else:
                self.waiting.append((row, text))

    def _gather(self) -> None:
        if not self.flying:
            time.sleep(GROUP_SECONDS / 5)
            return
        done, _ = wait(self.flying, GROUP_SECONDS, return_when=ALL_COMPLETED)
        for future in done:
            ended, way = future.result(), self.flying.pop(future)
            way.end(ended.error)
            if way.away:
                log.warning("gateway does not answer, trying again later", channel=ended.row.channel)
            if isinstance(ended.error, TokenOver):
                self._renew(ended.error.token)
            self.ended.append(ended)
            self.dry = False

    def _write(self) -> None:
        if self.ended:
            ended, self.ended = self.ended, []
            self.counts += outcomes.write(ended, {name: way.gateway for name, way in self.ways.items()}, self.now)

    def _account(self) -> WechatAccount | None:
        way = self.ways.get(gateways.WECHAT)
        return way.gateway if way is not None and isinstance(way.gateway, WechatAccount) else None

    def _renew(self, over: str) -> None:
        """The access token that all processes share; over: one that was refused."""
        account = self._account()
        if account is None:
            return
        try:
            account.token = wechat_people.token(account.api, over)
        except GatewayError as error:
            log.warning("no access token of wechat", error=str(error))
            self.ways[gateways.WECHAT].failures = IN_A_ROW
