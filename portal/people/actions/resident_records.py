"""Writes about residents: registering, correcting, relatives, exporting and erasing (SPEC P1, P2, P7, P8)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from portal.centres import profile
from portal.centres import queries as centres
from portal.core import attachments, audit, clock, registry, scope, sessions
from portal.core.access import Actor, Permission
from portal.core.db import after_commit, db, empty_log
from portal.core.errors import NotAllowed
from portal.people import queries
from portal.people.actions import erasure_list
from portal.people.models import LoginCode, Relative, Resident, SpokenCode
from portal.people.refusals import HomeUnknown, PhoneTaken

ERASED_NAME = "已注销"


@dataclass(frozen=True, slots=True)
class ResidentValues:
    """What a resident says of himself. home_centre_id: a centre of a level one lives in. groups: profile codes."""

    name: str
    address: str
    home_centre_id: int
    birth_year: int | None = None
    groups: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RelativeValues:
    name: str
    relation: str
    birth_year: int | None = None
    phone: str = ""


def _check_home(centre_id: int) -> None:
    centre = centres.get(centre_id)
    if centre is None or not centre.active:
        raise HomeUnknown()


def open_resident(phone: str, values: ResidentValues, now: datetime) -> Resident:
    """Register the owner of `phone` (11 digits, proved by a code) with consent to the present privacy notice.

    A number that is registered already (a form sent twice) gives the resident that is there. Raises HomeUnknown.
    """
    found = queries.resident_by_phone(phone)
    if found is not None:
        return found
    _check_home(values.home_centre_id)
    return insert(Resident(
        phone=phone, name=values.name, address=values.address, home_centre_id=values.home_centre_id,
        birth_year=values.birth_year, groups=list(values.groups), quiet={}, elder_mode=False,
        consent_version=profile.current().consent_version, consent_at=now, created_at=now,
    ))  # fmt: skip


def insert(person: Resident) -> Resident:
    """The new resident, or the one that another request has opened with this number since we looked (PostgreSQL)."""
    phone = person.phone or ""
    try:
        with db.session.begin_nested():
            db.session.add(person)
    except IntegrityError:
        found = queries.resident_by_phone(phone)
        if found is None:
            raise
        return found
    return person


def agree(person: Resident, now: datetime) -> None:
    """Consent to the present version of the privacy notice (P1)."""
    person.consent_version, person.consent_at = profile.current().consent_version, now
    db.session.flush()


def correct_resident(person: Resident, values: ResidentValues) -> None:
    """The resident corrects his own data (P8). Raises HomeUnknown."""
    if values.home_centre_id != person.home_centre_id:
        _check_home(values.home_centre_id)
    person.name, person.address, person.home_centre_id = values.name, values.address, values.home_centre_id
    person.birth_year, person.groups = values.birth_year, list(values.groups)
    db.session.flush()


def change_phone(actor: Actor, person: Resident, phone: str, now: datetime, keep_session: str) -> None:
    """Move the account to another number, proved by a code; other devices are signed out. Raises PhoneTaken.

    The number that it had is told, and the audit line's remark keeps the ends of both: whoever took a telephone is
    found out, and when the person leaves they go too.
    """
    other = queries.resident_by_phone(phone)
    if other is not None and other.id != person.id:
        raise PhoneTaken()
    before, person.phone = person.phone or "", phone
    db.session.flush()
    sessions.end_all("resident", person.id, now, "phone changed", keep=keep_session)
    _note(actor, "change_phone", person, now, "居民换了手机号", f"尾号 {before[-4:]} 换成尾号 {phone[-4:]}")
    home = person.home_centre
    body = phone_changed(phone[-4:], (home.phone if home else "") or profile.current().hotline)
    registry.text_phone(before, body, "account", f"resident:{person.id}:phone:{now.isoformat()}", now)


def phone_changed(tail: str, call: str) -> str:
    """The text message to the number before. tail: the last digits of the new one."""
    product = profile.current().product
    return f"【{product}】您的账户已换成尾号 {tail} 的手机号登录。不是您本人换的，请马上打电话 {call}。"


def _note(actor: Actor, verb: str, person: Resident, now: datetime, summary: str, words: str = "") -> None:
    """A line of the audit log that the home centre may read. words: what is the person's own in it."""
    home = person.home_centre
    audit.record(
        actor, verb, "resident", person.id, now, summary=summary, words=words, centre_id=home.id if home else None,
        centre_path=home.path if home else "",
    )  # fmt: skip


def set_elder(person: Resident, on: bool, _now: datetime) -> None:
    """Elder mode on or off, remembered (P7)."""
    person.elder_mode = on
    db.session.flush()


def add_relative(person: Resident, values: RelativeValues, now: datetime) -> Relative:
    """Somebody the resident acts for (P2). The same name and relation twice is the same person. Lock: the resident."""
    for known in _lock_relatives(person):
        if (known.name, known.relation) == (values.name, values.relation):
            edit_relative(known, values)
            return known
    row = Relative(resident_id=person.id, created_at=now)
    db.session.add(row)
    edit_relative(row, values)
    return row


def relative_named(person: Resident, name: str, now: datetime) -> Relative | None:
    """For whom a caller asks: a relative found by name, or added as family; None for the caller. Lock: the resident."""
    name = name.strip()[:40]
    if name in ("", person.name):
        return None
    known = next((r for r in _lock_relatives(person) if r.name == name), None)
    return known or add_relative(person, RelativeValues(name, "家人"), now)


def _lock_relatives(person: Resident) -> list[Relative]:
    """Nobody else adds one before this transaction ends. FOR NO KEY UPDATE: rows that refer to the resident go on."""
    db.session.execute(select(Resident.id).where(Resident.id == person.id).with_for_update(key_share=True))
    return queries.relatives(person.id)


def edit_relative(row: Relative, values: RelativeValues) -> None:
    """Write what the resident says of a relative (P2); the caller has proved whose relative it is."""
    row.name, row.relation = values.name, values.relation
    row.birth_year, row.phone = values.birth_year, values.phone
    db.session.flush()


def remove_relative(row: Relative, now: datetime) -> None:
    """No longer acted for; what was signed up stays and keeps its name."""
    row.removed_at = now
    db.session.flush()


def export_own(resident_id: int, now: datetime) -> dict[str, Any]:
    """Everything the portal keeps of a resident, from all features, as plain values (P8)."""
    parts: dict[str, Any] = {"exported_at": clock.local(now).isoformat(timespec="seconds")}
    for source in registry.personal_sources.values():
        parts.update(source(resident_id))
    return parts


def erase_resident(actor: Actor, person: Resident, now: datetime) -> None:
    """Forget a person: every feature removes its part, this one last because others may still need the number (P8).

    The row stays without personal fields so that counts stay true; every session ends.
    """
    own = f"{erase_own.__module__}.{erase_own.__qualname__}"
    for name, eraser in registry.erasers.items():
        if name != own:
            eraser(person.id, now)
    erase_own(person.id, now)
    subject = erasure_list.subject(person.id, person.created_at)
    after_commit(lambda: _committed(subject, now))
    _note(actor, "erase", person, now, "居民注销账户并删除个人信息")


def _committed(subject: str, now: datetime) -> None:
    erasure_list.note(subject, now)
    empty_log()


@registry.erase
def erase_own(resident_id: int, now: datetime) -> None:
    """This feature's part of erasing."""
    person = db.session.get_one(Resident, resident_id)
    if person.phone:
        db.session.execute(delete(LoginCode).where(LoginCode.phone == person.phone))
    db.session.execute(delete(SpokenCode).where(SpokenCode.resident_id == resident_id))
    person.phone, person.name, person.address, person.birth_year = None, ERASED_NAME, "", None
    person.groups, person.quiet, person.erased_at = [], {}, now
    gone = {"name": ERASED_NAME, "relation": "", "birth_year": None, "phone": "", "removed_at": now}
    db.session.execute(update(Relative).where(Relative.resident_id == resident_id).values(**gone))
    with scope.system("a person erases their data"):
        attachments.forget(resident_id, now)
    sessions.end_all("resident", resident_id, now, "erased")
    row = sessions.WebSession
    own = update(row).where(row.audience == "resident", row.person_id == resident_id)
    db.session.execute(own.values(address="", agent=""))
    db.session.flush()


@registry.personal
def own_data(resident_id: int) -> dict[str, Any]:
    """This feature's part of the export."""
    person = db.session.get_one(Resident, resident_id)
    groups = profile.current().groups
    home = person.home_centre
    with scope.system("export of own data"):
        given = attachments.given_by(resident_id)
    return {
        "profile": {
            "name": person.name, "phone": person.phone, "address": person.address,
            "home_community": home.name if home else None, "birth_year": person.birth_year,
            "groups": [groups.get(g, g) for g in person.groups],
            "privacy_notice_version": person.consent_version,
            "agreed_at": clock.local(person.consent_at).isoformat(timespec="seconds") if person.consent_at else None,
            "registered_at": clock.local(person.created_at).isoformat(timespec="seconds"),
            "elder_mode": person.elder_mode,
        },
        "relatives": [
            {"name": r.name, "relation": r.relation, "birth_year": r.birth_year, "phone": r.phone}
            for r in queries.relatives(resident_id)
        ],
        "signed_in_devices": [
            {
                "since": clock.local(s.created_at).isoformat(timespec="seconds"), "address": s.address,
                "browser": s.agent, "let_in_by": s.let_in_by,
            }
            for s in queries.live_sessions("resident", resident_id, clock.now())
        ],
        "files": [
            {"kind": a.kind, "caption": a.caption, "since": clock.local(a.created_at).isoformat(timespec="seconds")}
            for a in given
        ],
    }  # fmt: skip


def unmask(actor: Actor, person: Resident, what: Literal["phone", "address"], why_object: str, now: datetime) -> str:
    """A resident's phone or address in full, recorded (P8). why_object: for what, e.g. '报名 #12'.

    The caller has proved that the record belongs to the actor's tree. Raises NotAllowed without the right.
    """
    if not actor.can(Permission.UNMASK):
        raise NotAllowed()
    label = {"phone": "手机号", "address": "住址"}[what]
    audit.record(actor, "unmask", "resident", person.id, now, summary=f"查看完整{label}：{why_object}")
    return str(getattr(person, what) or "")
