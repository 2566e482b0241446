"""What never goes as planned: changes, cancellations, places freed late, people who telephone."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select

from portal.catalogue import rules
from portal.catalogue.actions import changing, entry_values, urgent
from portal.catalogue.models import PUBLISHED, Entry
from portal.catalogue.rules import EntryValues
from portal.core import scope
from portal.core.access import Actor
from portal.core.db import db, writing
from portal.core.errors import DomainError
from portal.demo.crowd import Person
from portal.demo.stage import Stage
from portal.people.models import Relative, Resident
from portal.signup import actions, staff_actions
from portal.signup.models import CONFIRMED, SignUp

HOME = "440307009001"  # of the demo's first resident


def _coming(stage: Stage, least: timedelta, most: timedelta = timedelta(days=40)) -> list[Entry]:
    """Published rows of one date that people sign up for, by their start."""
    wanted = select(Entry).where(
        Entry.status == PUBLISHED, Entry.month == stage.month, Entry.walk_in.is_(False), Entry.department_id.is_(None),
        Entry.first_start > stage.now + least, Entry.first_start < stage.now + most,
    )  # fmt: skip
    rows = db.session.scalars(wanted.order_by(Entry.first_start, Entry.id))
    return [e for e in rows if len(e.sessions) == 1]


def late_places(stage: Stage) -> None:
    """Somebody cancels on the last day: the place is offered to the next; one lets the offer lapse."""
    with writing(), scope.system("demo"):
        soon = _coming(stage, timedelta(hours=1), timedelta(hours=23))
        soon = sorted((e for e in soon if e.capacity), key=lambda e: (e.needs_review, e.capacity or 0, e.id))
        lapsing = [e for e in soon if e.first_start and e.first_start < stage.now + timedelta(hours=11)][:1]
        offering = [e for e in soon if e not in lapsing][:2]
        for entry in lapsing:
            start = entry.first_start or stage.now
            _free_one(stage, entry, start - timedelta(hours=23, minutes=30))
        for entry in offering:
            _free_one(stage, entry, stage.now - timedelta(minutes=40))


def _free_one(stage: Stage, entry: Entry, at: datetime) -> None:
    """Fill the entry up to two waiting, then take one out by telephone."""
    _fill(stage, entry, 2, at)
    first = select(SignUp).where(SignUp.entry_id == entry.id, SignUp.status == CONFIRMED).order_by(SignUp.id)
    row = db.session.scalars(first).first()
    if row is not None:
        staff = stage.boss(stage.code_of(entry.centre_id))
        staff_actions.withdraw_for(staff, row.id, "来电说家里有事，来不了", at)


def _fill(stage: Stage, entry: Entry, waiting: int, at: datetime) -> None:
    """Staff enter people who ring up, until so many wait."""
    staff = stage.boss(stage.code_of(entry.centre_id))
    people = list(db.session.scalars(select(Resident).order_by(Resident.id.desc()).limit(80)))
    for minute, person in enumerate(people):
        if entry.waiting >= waiting:
            break
        moment = at - timedelta(minutes=90 - minute)
        staff_actions.add_by_staff(staff, entry.id, person.phone or "", person.name, "", 1, moment, "电话报名")
        db.session.flush()


def changes(stage: Stage) -> None:
    """Asked, agreed, not agreed, taken back, told at once; one activity cancelled, one still to be decided (C8)."""
    with writing(), scope.system("demo"):
        rows = _coming(stage, timedelta(days=3)) or _coming(stage, rules.URGENT + timedelta(hours=1))
        rows = sorted(rows, key=lambda e: (-min(e.taken, 5), e.first_start, e.id))
        steps = (_agreed, _cancelled, _asked, _refused, _cancel_asked, _taken_back)
        for entry, step in zip(rows, steps, strict=False):
            step(stage, entry, stage.boss(stage.code_of(entry.centre_id)), stage.staff["dapeng"])
        for entry, step in zip(_over(stage), (_told_at_once, _undone), strict=False):
            step(stage, entry, stage.boss(stage.code_of(entry.centre_id)), stage.staff["dapeng"])


def _over(stage: Stage) -> list[Entry]:
    """Published rows of one date that have taken place, the last first."""
    wanted = select(Entry).where(
        Entry.status == PUBLISHED, Entry.month == stage.month, Entry.department_id.is_(None),
        Entry.last_end < stage.now, Entry.first_start > stage.published_at + rules.URGENT,
    )  # fmt: skip
    rows = db.session.scalars(wanted.order_by(Entry.first_start.desc(), Entry.id))
    return [e for e in rows if len(e.sessions) == 1]


def _moved(entry: Entry, place: str) -> EntryValues:
    other = place if entry.place != place else "一楼大厅"
    return replace(entry_values.values_of(entry), place=other, venue_id=None)


def _later(entry: Entry) -> EntryValues:
    half = timedelta(minutes=30)
    values = entry_values.values_of(entry)
    return replace(values, sessions=tuple(replace(s, start=s.start + half, end=s.end + half) for s in values.sessions))


def _agreed(stage: Stage, entry: Entry, community: Actor, district: Actor) -> None:
    change = changing.ask_change(community, entry, _later(entry), "讲师时间变动", _ago(stage, 30))
    changing.apply_change(district, change, _ago(stage, 26))


def _cancelled(stage: Stage, entry: Entry, community: Actor, district: Actor) -> None:
    change = changing.cancel_entry(community, entry, "天气原因", _ago(stage, 28))
    changing.apply_change(district, change, _ago(stage, 25))


def _asked(stage: Stage, entry: Entry, community: Actor, _district: Actor) -> None:
    changing.ask_change(community, entry, _moved(entry, "三楼会议室"), "场地临时占用", _ago(stage, 2))


def _refused(stage: Stage, entry: Entry, community: Actor, district: Actor) -> None:
    change = changing.ask_change(community, entry, _later(entry), "统筹人手", _ago(stage, 50))
    changing.refuse_change(district, change, "已有居民按原时间安排接送，请尽量不改", _ago(stage, 45))


def _cancel_asked(stage: Stage, entry: Entry, community: Actor, _district: Actor) -> None:
    changing.cancel_entry(community, entry, "报名人数不足", _ago(stage, 5))


def _taken_back(stage: Stage, entry: Entry, community: Actor, _district: Actor) -> None:
    change = changing.ask_change(community, entry, _moved(entry, "二楼书吧"), "场地临时占用", _ago(stage, 20))
    changing.take_back_change(community, change, _ago(stage, 19))


def _told_at_once(stage: Stage, entry: Entry, community: Actor, _district: Actor) -> None:
    changing.ask_change(community, entry, _moved(entry, "三楼会议室"), "空调坏了", _hours_before(stage, entry, 4))


def _undone(stage: Stage, entry: Entry, community: Actor, district: Actor) -> None:
    asked = _hours_before(stage, entry, 6)
    change = changing.ask_change(community, entry, _moved(entry, "二楼书吧"), "场地临时占用", asked)
    urgent.undo_change(district, change, "场地已经协调好，还在原处", asked + timedelta(minutes=40))


def _hours_before(stage: Stage, entry: Entry, hours: float) -> datetime:
    return (entry.first_start or stage.now) - timedelta(hours=hours)


def _ago(stage: Stage, hours: float) -> datetime:
    return max(stage.now - timedelta(hours=hours), stage.published_at + timedelta(hours=1))


def callers(stage: Stage) -> None:
    """People without the phone skills ring up; staff enter them, one for her husband (S1, H6)."""
    with writing(), scope.system("demo"):
        rows = [e for e in _coming(stage, timedelta(hours=26)) if not e.needs_review][:3]
        lines = (("19900000301", "何阿婆", ""), ("19900000302", "曾伯", ""), ("19900000303", "苏阿姨", "老伴梁伯"))
        for entry, (phone, name, relative) in zip(rows, lines, strict=False):
            staff = stage.boss(stage.code_of(entry.centre_id))
            staff_actions.add_by_staff(staff, entry.id, phone, name, relative, 1, _ago(stage, 7), "电话报名")


def first_resident(stage: Stage) -> None:
    """The resident whose number the demo prints has something of everything in 我的服务 (S9)."""
    with writing(), scope.system("demo"):
        person = db.session.scalars(select(Resident).order_by(Resident.id)).first()
        if person is None:
            return
        mother = db.session.scalars(select(Relative).where(Relative.resident_id == person.id)).first()
        path = stage.paths[HOME]
        own = [Person(person.id, None, person.name, path)]
        own += [Person(person.id, mother.id, person.name, path)] if mother else []
        free = [e for e in _coming(stage, timedelta(hours=22)) if not _knows(e, person.id)]
        near = [e for e in free if e.centre.path.startswith(path) and not e.needs_review]
        _try(stage, near, own[0], 1)
        _try(stage, [e for e in free if e.needs_review and e.waiting == 0 and e.free], own[0], 1)
        open_ = [e for e in free if e not in near and not e.needs_review and e.capacity]
        full = min(open_, key=lambda e: (e.free or 0, e.id), default=None)
        if full is not None:
            _fill(stage, full, 3, _ago(stage, 12))
            _try(stage, [full], own[0], 1)
        _try(stage, [e for e in open_ if e is not full and "child" not in e.groups and e.free], own[-1], 2)


def _knows(entry: Entry, resident_id: int) -> bool:
    mine = select(SignUp.id).where(SignUp.entry_id == entry.id, SignUp.resident_id == resident_id)
    return db.session.scalars(mine).first() is not None


def _try(stage: Stage, rows: list[Entry], person: Person, count: int) -> None:
    for entry in rows:
        if count == 0:
            return
        try:
            actions.sign_up(person.actor(), entry.id, person.relative_id, 0, _ago(stage, 9))
        except DomainError:
            continue
        count -= 1
