"""What a room is and asks of those who book it, changed by its centre's staff or those above (SPEC V1, P6)."""

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from portal.cases import ladder
from portal.centres.models import Centre
from portal.core import audit
from portal.core.access import Actor, Permission
from portal.core.attachments import Album, Attachment
from portal.core.db import db
from portal.core.errors import DomainError, Invalid, NotAllowed, Stale
from portal.venues import locks, room_queries, rules
from portal.venues.models import EVERYBODY, OWN, STAFF_ONLY, Booking, Venue, VenueHours

PHOTOS = Album("venue", most=6, public=True)
KEY_BYTES = 12  # 16 letters: nobody guesses the address in a door's QR code
Week = Mapping[int, Sequence[tuple[int, int]]]  # weekday → half-open [opens, closes), minutes after midnight

WHO = {EVERYBODY: "所有居民", OWN: "本中心辖区的居民", STAFF_ONLY: "只由工作人员登记"}
RESPONSIBLE = {"own": "中心自管", "shared": "共建共享"}
LABELS = {
    "name": "名称", "kind": "类型", "place": "位置", "address": "地址", "area_m2": "面积（平方米）",
    "capacity": "最多人数", "functions": "可以做什么", "equipment": "设备", "intro": "介绍", "terms_of_use": "使用须知",
    "contact": "联系人", "phone": "电话", "link": "网址", "responsible": "谁来管", "partner": "共建单位",
    "bookable": "网上预约", "who_may": "谁可以订", "needs_approval": "要不要审批", "approve_hours": "审批时限（小时）",
    "buffer": "两场之间留空（分钟）", "shortest": "最短（分钟）", "longest": "最长（分钟）", "step": "时间间隔（分钟）",
    "notice": "至少提前（分钟）", "ahead_days": "可订多少天内", "hours_per_week": "每人每周（小时）",
    "bookings_per_month": "每人每月（次）", "cancel": "退订截止（开始前分钟）", "release": "未到释放（分钟）",
    "waiting_list": "候补", "staff_notes": "值班提示", "position": "排列次序", "hours": "开放时间",
}  # fmt: skip
# How the audit page says what this file writes; the fields stand in the lines by their labels.
WORDS = {
    "venue": "场地", "add_room": "新建场地", "edit_room": "修改场地", "copy_rules": "套用场地规则",
    "retire_room": "撤下场地", "restore_room": "恢复场地", "add_room_photo": "上传场地照片",
    "edit_room_photo": "修改场地照片", "remove_room_photo": "删除场地照片", "import_venues": "导入场地",
}  # fmt: skip
# What "the same rules as in that room" means, part by part.
PARTS = {
    "rules": (
        "who_may", "needs_approval", "approve_hours", "buffer", "shortest", "longest", "step", "notice", "ahead_days",
        "hours_per_week", "bookings_per_month", "cancel", "release", "waiting_list",
    ),
    "terms": ("terms_of_use",), "notes": ("staff_notes",), "hours": (),
}  # fmt: skip
PART_LABELS = {"rules": "预约规则和限额", "hours": "开放时间", "terms": "使用须知", "notes": "值班提示"}


class RoomRefused(Invalid):
    """The facts do not fit together; `field` says where."""


class NameTaken(Invalid):
    message = "本中心已经有同名的场地。"
    advice = "请换个名称，例如加上楼层。"
    field = "name"


class RoomInUse(DomainError):
    """Bookings are still to come; `bookings` are the first of them."""

    advice = "请先取消这些预约，或把它们移到别的场地。"

    def __init__(self, count: int, bookings: Sequence[Booking]) -> None:
        self.bookings = bookings
        super().__init__(f"还有 {count} 次预约没有结束，现在不能撤下。")


class NothingChosen(Invalid):
    message = "还没有选好。"
    advice = "请勾选要套用的内容和场地。"


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """The editable columns of a venue, named as there. Minutes where nothing else is said; None: no limit, unknown."""

    name: str
    kind: str = "room"
    place: str = ""
    address: str = ""
    area_m2: int | None = None
    capacity: int | None = None
    functions: tuple[str, ...] = ()
    equipment: tuple[str, ...] = ()
    intro: str = ""
    terms_of_use: str = ""
    contact: str = ""
    phone: str = ""
    link: str = ""
    responsible: str = "own"
    partner: str = ""
    bookable: bool = True
    who_may: str = EVERYBODY
    needs_approval: bool = True
    approve_hours: int = 24
    buffer: int = 0
    shortest: int = 30
    longest: int = 180
    step: int = 30
    notice: int = 60
    ahead_days: int = 14
    hours_per_week: int | None = None
    bookings_per_month: int | None = None
    cancel: int = 120
    release: int = 0
    waiting_list: bool = True
    staff_notes: str = ""
    position: int = 0


NAMES = tuple(f.name for f in fields(RoomFacts))
LISTS = ("functions", "equipment")


def divided(text: str | None) -> list[str]:
    """The words of a list as people type it, each once."""
    return list(dict.fromkeys(word for word in re.split(r"[、，,；;\s]+", text or "") if word))


def facts_of(venue: Venue) -> RoomFacts:
    """What stands in a venue now, in the form in which changes come."""
    values = {name: getattr(venue, name) for name in NAMES}
    return RoomFacts(**values | {name: tuple(values[name] or ()) for name in LISTS})


def week_of(venue: Venue) -> Week | None:
    """The venue's own weekly hours; None: those of its centre."""
    if not venue.own_hours:
        return None
    found: dict[int, list[tuple[int, int]]] = {}
    for row in venue.hours:
        found.setdefault(row.weekday, []).append((row.opens, row.closes))
    return found


def problems(facts: RoomFacts, week: Week | None) -> dict[str, str]:
    """What does not fit together, by field, each a sentence; {} when it does (SPEC V1)."""
    found = {}
    if not facts.name:
        found["name"] = "请写场地的名称。"
    if facts.bookable and facts.capacity is None:
        found["capacity"] = "请写最多容纳多少人。"
    if facts.shortest > facts.longest:
        found["longest"] = "最长不能比最短还短。"
    elif facts.shortest % facts.step or facts.longest % facts.step:
        found["step"] = "最短和最长要能被时间间隔除尽，例如间隔 30 分钟、最短 1 小时。"
    if facts.responsible == "shared" and not facts.partner:
        found["partner"] = "请写和哪个单位共建。"
    if not facts.bookable and not (facts.link or facts.phone):
        found["link"] = "不在这里订的地方，请写网址或电话，居民才知道去哪里订。"
    if week is not None and not any(week.values()):
        found["own_hours"] = "七天都不开放就没有人能订；不再用了请点“撤下”。"
    return found


# Rights and locks -----------------------------------------------------------------------------------------------------


def may_manage(actor: Actor, centre: Centre) -> bool:
    """Its own staff and those above, when their role grants it; a department owns no rooms."""
    return actor.can(Permission.VENUES) and ladder.at_or_above(actor, centre)


def _need(actor: Actor, centre: Centre) -> None:
    if not may_manage(actor, centre):
        raise NotAllowed()


def _lock(actor: Actor, venue_id: int) -> Venue:
    venue = locks.lock(venue_id)
    _need(actor, venue.centre)
    return venue


# The room itself ------------------------------------------------------------------------------------------------------


def add_room(
    actor: Actor, centre: Centre, facts: RoomFacts, week: Week | None, now: datetime, *, import_key: str | None = None
) -> Venue:
    """Open a room at `centre`; week None: it opens with the centre. Raises NotAllowed, NameTaken, RoomRefused."""
    _need(actor, centre)
    _check(centre.id, facts, week, None)
    venue = Venue(
        centre_id=centre.id, door_key=secrets.token_urlsafe(KEY_BYTES), import_key=import_key, created_at=now,
        updated_at=now, own_hours=week is not None, **_columns(facts),
    )  # fmt: skip
    venue.centre = centre
    venue.hours = _hours(week)
    if not facts.position:
        venue.position = room_queries.last_position(centre.id) + 1
    db.session.add(venue)
    db.session.flush()
    start, filled = _spoken(RoomFacts(""), None), _spoken(facts, week)
    _log(actor, venue, "add_room", now, None, {k: v for k, v in filled.items() if v != start[k]})
    return venue


def edit_room(
    actor: Actor, venue_id: int, facts: RoomFacts, week: Week | None, now: datetime, *, seen: int | None = None
) -> list[str]:
    """Write the room's facts and hours; returns the names of what changed. Bookings made before stay as they are.

    seen: the revision the form was opened with. Locks the venue. Raises VenueGone, NotAllowed, Stale, NameTaken,
    RoomInUse when it is no longer to be booked here while bookings are to come, RoomRefused.
    """
    venue = _lock(actor, venue_id)
    if seen is not None and seen != venue.revision:
        raise Stale("您打开这一页以后，有人改过这个场地。", advice="请核对下面的不同之处，再按一次保存就以您填的为准。")
    _check(venue.centre_id, facts, week, venue)
    if venue.bookable and not facts.bookable:
        _must_be_idle(venue, now)
    return _apply(actor, venue, facts, week, "edit_room", now)


def _check(centre_id: int, facts: RoomFacts, week: Week | None, venue: Venue | None) -> None:
    for name, sentence in problems(facts, week).items():
        raise RoomRefused(sentence, field=name)
    twin = select(func.count(Venue.id)).where(
        Venue.centre_id == centre_id, Venue.name == facts.name, Venue.active, Venue.id != (venue.id if venue else 0)
    )
    if db.session.scalar(twin):
        raise NameTaken()


def _apply(actor: Actor, venue: Venue, facts: RoomFacts, week: Week | None, verb: str, now: datetime) -> list[str]:
    old, new = (facts_of(venue), week_of(venue)), (facts, week)
    before, after = _words(*old), _words(*new)
    changed = [name for name in after if before[name] != after[name]]
    if not changed:
        return []
    was = _spoken(*old)
    for name, value in _columns(facts).items():
        setattr(venue, name, value)
    if "hours" in changed:
        venue.own_hours, venue.hours = week is not None, _hours(week)
    locks.touch(venue, now, facts=True)
    labels = [LABELS[name] for name in changed]
    _log(actor, venue, verb, now, *({n: said[n] for n in labels} for said in (was, _spoken(*new))))
    db.session.flush()
    return changed


def _columns(facts: RoomFacts) -> dict[str, Any]:
    return {**asdict(facts), "functions": list(facts.functions), "equipment": list(facts.equipment)}


def _hours(week: Week | None) -> list[VenueHours]:
    spans = [(day, span) for day, found in (week or {}).items() for span in found]
    return [VenueHours(weekday=day, opens=opens, closes=closes) for day, (opens, closes) in spans]


def week_words(week: Week | None) -> str:
    """'周一至周五 9:00–12:00、14:00–18:00；周六、周日 不开放', for the log and for pages."""
    if week is None:
        return "按中心开放时间"
    return "；".join(f"{days} {text}" for days, text in rules.week_text(week))


def _words(facts: RoomFacts, week: Week | None) -> dict[str, Any]:
    lists = {name: "、".join(getattr(facts, name)) for name in LISTS}
    return {**asdict(facts), **lists, "hours": week_words(week)}


def _spoken(facts: RoomFacts, week: Week | None) -> dict[str, Any]:
    """The same under Chinese labels, yes and no in words: what the log and pages show."""
    words = _words(facts, week)
    words |= {"who_may": WHO.get(facts.who_may, ""), "responsible": RESPONSIBLE.get(facts.responsible, "")}
    plain = {True: "是", False: "否", None: "不限"}
    return {LABELS[n]: plain[v] if v is None or isinstance(v, bool) else v for n, v in words.items()}


def differences(venue: Venue, facts: RoomFacts, week: Week | None) -> list[tuple[str, Any, Any]]:
    """(label, as stored, as typed) of what differs, for somebody whose form is out of date."""
    stored, typed = _spoken(facts_of(venue), week_of(venue)), _spoken(facts, week)
    return [(label, stored[label], typed[label]) for label in typed if stored[label] != typed[label]]


# In and out of use ----------------------------------------------------------------------------------------------------


def _must_be_idle(venue: Venue, now: datetime) -> None:
    count, first = room_queries.still_to_come(venue.id, now)
    if count:
        raise RoomInUse(count, first)


def retire_room(actor: Actor, venue_id: int, now: datetime) -> Venue:
    """Take a room out of use; its history stays. Locks it. Raises VenueGone, NotAllowed, RoomInUse."""
    venue = _lock(actor, venue_id)
    if venue.active:
        _must_be_idle(venue, now)
        _switch(actor, venue, False, "retire_room", now)
    return venue


def restore_room(actor: Actor, venue_id: int, now: datetime) -> Venue:
    """Give a retired room out again. Locks it. Raises VenueGone, NotAllowed, NameTaken."""
    venue = _lock(actor, venue_id)
    if not venue.active:
        _check(venue.centre_id, facts_of(venue), week_of(venue), venue)
        _switch(actor, venue, True, "restore_room", now)
    return venue


def _switch(actor: Actor, venue: Venue, active: bool, verb: str, now: datetime) -> None:
    venue.active = active
    locks.touch(venue, now, facts=True)
    _log(actor, venue, verb, now)
    db.session.flush()


# The same rules elsewhere ---------------------------------------------------------------------------------------------


def copy_rules(
    actor: Actor, source_id: int, target_ids: Iterable[int], parts: Collection[str], now: datetime
) -> list[Venue]:
    """Give other rooms the rules of one; parts: keys of PARTS. Returns the rooms that changed.

    Locks all of them, lower ids first. Raises VenueGone, NotAllowed, NothingChosen; then nothing is copied.
    """
    wanted = set(target_ids) - {source_id}
    chosen = [part for part in PARTS if part in parts]
    if not wanted or not chosen:
        raise NothingChosen()
    found = locks.lock_all({source_id, *wanted})
    source = found.get(source_id)
    if source is None or wanted - found.keys() or not all(v.bookable for v in found.values()):
        raise NothingChosen("选中的场地里有已经不在的，或不在这里预约的。", advice="请刷新后重新选。")
    names = [name for part in chosen for name in PARTS[part]]
    given = {name: getattr(source, name) for name in names}
    changed = []
    for venue in found.values():
        _need(actor, venue.centre)
        if venue is source:
            continue
        week = week_of(source) if "hours" in chosen else week_of(venue)
        if _apply(actor, venue, replace(facts_of(venue), **given), week, "copy_rules", now):
            changed.append(venue)
    return changed


# Photos ---------------------------------------------------------------------------------------------------------------


def add_photo(actor: Actor, venue_id: int, data: bytes, caption: str, now: datetime) -> Attachment:
    """Keep a picture (decoded and written anew). Locks the venue. Raises NotAllowed, TooMany, PictureRefused."""
    file = PHOTOS.picture(data)
    venue = _lock(actor, venue_id)
    photo = PHOTOS.add(actor, venue.id, venue.centre_id, file, caption, now)
    _photos_changed(actor, venue, "add_room_photo", now, None, caption or photo.file)
    return photo


def edit_photo(actor: Actor, venue_id: int, photo_id: int, caption: str, first: bool, now: datetime) -> None:
    """Change a photo's caption; first: it becomes the one that lists show. Locks the venue. Raises NotAllowed."""
    venue, photo = _photo(actor, venue_id, photo_id)
    before = photo.caption
    PHOTOS.edit(photo, caption, first)
    _photos_changed(actor, venue, "edit_room_photo", now, before, caption)


def remove_photo(actor: Actor, venue_id: int, photo_id: int, now: datetime) -> None:
    """Take a photo off the page. Locks the venue. Raises NotAllowed."""
    venue, photo = _photo(actor, venue_id, photo_id)
    PHOTOS.remove(photo)
    _photos_changed(actor, venue, "remove_room_photo", now, photo.caption or photo.file, None)


def _photo(actor: Actor, venue_id: int, photo_id: int) -> tuple[Venue, Attachment]:
    venue = _lock(actor, venue_id)
    found = PHOTOS.find(venue.id, photo_id)
    if found is None:
        raise DomainError("这张照片已经不在了。", advice="请看最新的照片。")
    return venue, found


def _photos_changed(
    actor: Actor, venue: Venue, verb: str, now: datetime, before: str | None, after: str | None
) -> None:
    locks.touch(venue, now)
    _log(actor, venue, verb, now, *({"照片": text} if text is not None else None for text in (before, after)))
    db.session.flush()
    db.session.expire(venue, ["photos"])


def _log(
    actor: Actor, venue: Venue, verb: str, now: datetime, before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    centre = venue.centre
    audit.record(
        actor, verb, "venue", venue.id, now, summary=f"{centre.label} {venue.name}", before=before, after=after,
        centre_id=centre.id, centre_path=centre.path,
    )  # fmt: skip
