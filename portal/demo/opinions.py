"""What people said afterwards of activities and of rooms; a few were dissatisfied and are called back (SPEC S7)."""

import random
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, insert, select
from sqlalchemy.orm import joinedload, selectinload

from portal.catalogue.models import PUBLISHED, Entry
from portal.core import clock, scope
from portal.core.access import Actor
from portal.core.db import db, writing
from portal.demo.rooms import dice
from portal.demo.stage import Stage
from portal.feedback import actions, calling, queries, rules
from portal.feedback.models import CallBack, Evaluation
from portal.people.models import Resident
from portal.signup import notices
from portal.signup.attendance.models import Attendance
from portal.signup.models import CONFIRMED, SignUp
from portal.signup.series import KIND, series_key
from portal.venues import evaluating
from portal.venues.models import APPROVED, Booking

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
STARS = (5, 5, 5, 5, 5, 4, 4, 4, 3)
ROOM_WORDS = (
    "地方干净，下次还来。", "空调凉快，大家都满意。", "灯光可以再亮一点。", "钥匙一去就拿到，很方便。",
)  # fmt: skip
ACTIVITY_WORDS = (
    "老师讲得清楚，听得懂。", "孩子回家还在说。", "时间再长一点就好了。", "志愿者很热心。", "希望每个月都有。",
)  # fmt: skip
# Days ago, stars, words, tags of the profile.
COMPLAINTS = (
    (4.5, 2, "去的时候门没开，等了二十分钟才有人来。", ("门没开、等人",)),
    (3.2, 1, "音响坏了没人修，排练没法进行。", ("设备坏了",)),
    (2.0, 2, "隔壁太吵，听不清。", ("太吵",)),
    (1.3, 2, "空调不冷，老人家坐不住。", ("空调灯光不好",)),
)


def build(stage: Stage) -> int:
    """Who used something until yesterday was asked, three of four answered; the last day's are asked by the tick."""
    luck = dice(stage, "opinions")
    with writing(), scope.system("demo"):
        # The demo's first resident is asked by the tick, so that a tour finds something to answer.
        first = db.session.scalars(select(Resident.id).order_by(Resident.id).limit(1)).one()
        rows = [r for r in (*_of_rooms(stage, luck), *_of_activities(stage, luck)) if r["resident_id"] != first]
        db.session.execute(insert(Evaluation), rows)
    _complaints(stage)
    return sum(row["stars"] is not None for row in rows)


def _of_rooms(stage: Stage, luck: random.Random) -> Iterator[dict[str, Any]]:
    used = select(Booking).where(
        Booking.status == APPROVED, Booking.resident_id.is_not(None), Booking.checked_in_at.is_not(None),
        Booking.ends_at < stage.now - DAY,
    ).options(joinedload(Booking.venue))  # fmt: skip
    for row in db.session.scalars(used.order_by(Booking.id)):
        about = {
            "centre_id": row.centre_id, "subject_kind": evaluating.KIND, "subject_id": row.id,
            "group_key": evaluating.group_key(row.venue_id), "title": row.venue.name,
            "when_text": clock.span(row.starts_at, row.ends_at),
        }  # fmt: skip
        yield about | _said(stage, luck, row, row.ends_at, ROOM_WORDS)


def _of_activities(stage: Stage, luck: random.Random) -> Iterator[dict[str, Any]]:
    over = select(Entry).where(
        Entry.status == PUBLISHED, Entry.last_end < stage.now - DAY, Entry.walk_in.is_(False), Entry.taken > 0
    ).options(selectinload(Entry.sessions))  # fmt: skip
    entries = {e.id: e for e in db.session.scalars(over.order_by(Entry.id))}
    there = exists().where(
        Attendance.entry_id == SignUp.entry_id, Attendance.person_key == SignUp.person_key, Attendance.came
    )
    came = select(SignUp).where(SignUp.status == CONFIRMED, SignUp.entry_id.in_(entries), there).order_by(SignUp.id)
    about = {
        e.id: {
            "centre_id": e.centre_id, "subject_kind": KIND, "subject_id": e.id, "title": e.title,
            "group_key": series_key(e.centre_id, e.title), "when_text": notices.when(e)[:120],
        }
        for e in entries.values()
    }  # fmt: skip
    for row in db.session.scalars(came):
        end = entries[row.entry_id].last_end or stage.now
        yield about[row.entry_id] | _said(stage, luck, row, end, ACTIVITY_WORDS)


def _said(
    stage: Stage, luck: random.Random, row: Booking | SignUp, end: datetime, words: tuple[str, ...]
) -> dict[str, Any]:
    """Asked soon after the end; three of four answered, some of them in words."""
    asked, policy = end + timedelta(minutes=65), queries.policy()
    answer: dict[str, Any] = {"stars": None, "tags": [], "words": "", "given_at": None, "given_via": ""}
    if luck.random() < 0.75:
        stars = luck.choice(STARS)
        kind = evaluating.KIND if isinstance(row, Booking) else KIND
        tags = luck.sample(rules.tags_for(policy, kind, stars), luck.choice((0, 1, 1, 2)))
        answer = {
            "stars": stars, "tags": rules.fitting(policy, kind, stars, tags), "given_via": "link",
            "words": luck.choice(words) if luck.random() < 0.3 else "",
            "given_at": min(asked + HOUR * luck.uniform(0.2, 20), stage.now),
        }  # fmt: skip
    return {
        "resident_id": row.resident_id, "relative_id": row.relative_id, "token": secrets.token_urlsafe(16),
        "person_key": f"v{row.relative_id}" if row.relative_id else f"r{row.resident_id}", "asked_at": asked,
        "answer_until": rules.answer_until(asked, policy), "changed_at": None, **answer,
    }  # fmt: skip


# Dissatisfied ---------------------------------------------------------------------------------------------------------


def _complaints(stage: Stage) -> None:
    """Low stars open call-backs: one is overdue, one settled, one called in vain, one new."""
    settled: tuple[Callable[[Stage, CallBack, datetime], None] | None, ...] = (None, _settle, _call_in_vain, None)
    used = set[int]()
    for (days, stars, words, tags), settle in zip(COMPLAINTS, settled, strict=True):
        at = stage.now - days * DAY
        with writing(), scope.system("demo"):
            row = _unanswered(at, used)
            if row is None:
                continue
            used.add(row.centre_id)
            actions.give(row.id, stars, at, tags=tags, words=words)
            call = db.session.scalars(select(CallBack).where(CallBack.evaluation_id == row.id)).one()
            if settle is not None:
                settle(stage, call, at)


def _unanswered(at: datetime, used: set[int]) -> Evaluation | None:
    """Somebody who had been asked about a room by then, each time of another centre."""
    wanted = select(Evaluation).where(
        Evaluation.given_at.is_(None), Evaluation.subject_kind == evaluating.KIND, Evaluation.asked_at < at,
        Evaluation.centre_id.not_in(used),
    )  # fmt: skip
    return db.session.scalars(wanted.order_by(Evaluation.asked_at.desc(), Evaluation.id).limit(1)).first()


def _boss(stage: Stage, call: CallBack) -> Actor:
    return stage.boss(stage.code_of(call.waits_at.id))


def _settle(stage: Stage, call: CallBack, at: datetime) -> None:
    boss = _boss(stage, call)
    calling.claim(boss, call.id, at + 3 * HOUR)
    words = "音响已换新，下周的排练给您留了同一个时间。"
    calling.close(boss, call.id, "已解决", words, min(at + 26 * HOUR, stage.now))


def _call_in_vain(stage: Stage, call: CallBack, at: datetime) -> None:
    calling.tried(_boss(stage, call), call.id, "电话没人接", min(at + 6 * HOUR, stage.now))
