"""What a centre says of itself, changed by its own staff or those above (SPEC N1, P6)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, select

from portal.centres import queries, rules, typed_hours
from portal.centres.models import Centre, OpeningException, OpeningHours
from portal.centres.rules import Hours
from portal.centres.typed_hours import Special
from portal.core import audit, clock
from portal.core.access import Actor, Permission
from portal.core.attachments import Album, Attachment
from portal.core.db import db
from portal.core.errors import NotAllowed, Stale

PHOTOS = Album("centre", most=6, public=True)
LABELS = {
    "address": "地址", "phone": "电话", "latitude": "纬度", "longitude": "经度", "area_m2": "面积（平方米）",
    "functions": "功能", "responsible": "负责人", "intro": "简介", "hours": "每周开放时间", "exceptions": "特别的日子",
    "photo": "照片", "centre_photo": "阵地照片", "edit_centre": "修改阵地信息", "add_photo": "上传阵地照片",
    "remove_photo": "删除阵地照片", "centre": "阵地", "off_peak": "错时服务时间",
    "parent_code": "上级", "level": "层级",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """The editable columns of a centre, named as there. area_m2: whole square metres."""

    address: str
    phone: str
    latitude: float | None
    longitude: float | None
    area_m2: int | None
    functions: tuple[str, ...]
    responsible: str
    intro: str


def may_edit(actor: Actor, centre: Centre) -> bool:
    """Its own staff and those above, when their role grants it; a department's people only look."""
    inside = actor.kind == "system" or (bool(actor.centre_path) and centre.path.startswith(actor.centre_path))
    return actor.can(Permission.CENTRES) and actor.department_id is None and inside


def _lock(actor: Actor, centre: Centre, seen: str | None) -> None:
    if not may_edit(actor, centre):
        raise NotAllowed()
    db.session.refresh(centre, with_for_update=True)
    if seen is not None and seen != stamp(centre):
        raise Stale()


def stamp(centre: Centre) -> str:
    """Changes with every edit; the form carries it, so that nobody overwrites what he has not seen."""
    return centre.updated_at.isoformat()


def edit(
    actor: Actor, centre: Centre, facts: Facts, week: Mapping[int, Sequence[Hours]], specials: Sequence[Special],
    now: datetime, *, seen: str | None = None,
) -> list[str]:  # fmt: skip
    """Write the facts, the weekly hours and the days from today on that differ; returns the names of what changed.

    week: by weekday, 0 = Monday; past exceptions stay as they are. seen: `stamp` when the form was opened.
    Locks the row. Raises NotAllowed, Stale.
    """
    _lock(actor, centre, seen)
    today = clock.today(now)
    before = snapshot(centre, today)
    for name, value in asdict(facts).items():
        setattr(centre, name, list(value) if name == "functions" else value)
    after = _words(facts) | {"hours": _week_words(week), "exceptions": typed_hours.write_specials(specials)}
    changed = [name for name in after if before[name] != after[name]]
    if "hours" in changed:
        _write_week(centre.id, week)
    if "exceptions" in changed:
        _write_specials(centre.id, specials, today)
    if changed:
        centre.updated_at = now
        _log(actor, centre, "edit_centre", now, {n: before[n] for n in changed}, {n: after[n] for n in changed})
    db.session.flush()
    return changed


def snapshot(centre: Centre, today: date) -> dict[str, Any]:
    """Everything the form shows, in words, for the audit log."""
    facts = Facts(**{name: getattr(centre, name) for name in Facts.__slots__})
    specials = typed_hours.write_specials(specials_from(centre.id, today))
    return _words(facts) | {"hours": _week_words(queries.weekly_hours(centre.id)), "exceptions": specials}


def _words(facts: Facts) -> dict[str, Any]:
    return {**asdict(facts), "functions": "、".join(facts.functions or ())}


def _week_words(week: Mapping[int, Sequence[Hours]]) -> str:
    return "；".join(f"{days} {text}" for days, text in rules.week_text({d: list(h) for d, h in week.items()}))


def specials_from(centre_id: int, today: date) -> list[Special]:
    """The days from `today` on that differ from the weekly hours."""
    wanted = select(OpeningException).where(OpeningException.centre_id == centre_id, OpeningException.day >= today)
    rows = db.session.scalars(wanted.order_by(OpeningException.day))
    return [Special(r.day, r.opens, r.closes, r.reason) for r in rows]


def _write_week(centre_id: int, week: Mapping[int, Sequence[Hours]]) -> None:
    db.session.execute(delete(OpeningHours).where(OpeningHours.centre_id == centre_id))
    db.session.add_all(
        OpeningHours(centre_id=centre_id, weekday=weekday, opens=h.opens, closes=h.closes, note=h.note)
        for weekday, hours in week.items()
        for h in hours
    )


def _write_specials(centre_id: int, specials: Sequence[Special], today: date) -> None:
    mine = delete(OpeningException).where(OpeningException.centre_id == centre_id, OpeningException.day >= today)
    db.session.execute(mine)
    db.session.add_all(
        OpeningException(centre_id=centre_id, day=s.day, opens=s.opens, closes=s.closes, reason=s.reason)
        for s in specials
    )


# Photos ---------------------------------------------------------------------------------------------------------------


def add_photo(actor: Actor, centre: Centre, data: bytes, caption: str, now: datetime) -> Attachment:
    """Keep a picture (decoded and written anew). Locks the centre. Raises NotAllowed, TooMany, PictureRefused."""
    file = PHOTOS.picture(data)
    _lock(actor, centre, None)
    photo = PHOTOS.add(actor, centre.id, centre.id, file, caption, now)
    centre.updated_at = now
    _log(actor, centre, "add_photo", now, None, {"photo": caption or photo.file})
    return photo


def remove_photo(actor: Actor, centre: Centre, photo: Attachment, now: datetime) -> None:
    """Take a photo off the page. Locks the centre. Raises NotAllowed."""
    _lock(actor, centre, None)
    _log(actor, centre, "remove_photo", now, {"photo": photo.caption or photo.file}, None)
    PHOTOS.remove(photo)
    centre.updated_at = now


def _log(
    actor: Actor, centre: Centre, verb: str, now: datetime, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    audit.record(
        actor, verb, "centre", centre.id, now, summary=centre.name, before=before, after=after,
        centre_id=centre.id, centre_path=centre.path,
    )  # fmt: skip
