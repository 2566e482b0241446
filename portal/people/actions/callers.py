"""Who phones or walks in: found by the number that staff type, without the number ever becoming a name (SPEC P8).

Whoever lives in the tree that the record belongs to is known there. Of everybody else, lists show the name that was
typed, until the person says that it is them.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.centres import queries as centres
from portal.core.access import Actor
from portal.core.db import db
from portal.people import queries, rules
from portal.people.actions import resident_records
from portal.people.models import PhoneLookup, Relative, Resident
from portal.people.refusals import CallerNameMissing, LookupsFull, when


@dataclass(frozen=True, slots=True)
class Caller:
    """typed: the name that lists show, '' where the resident's own may be shown."""

    resident: Resident
    typed: str
    phone: str

    def relative(self, name: str, now: datetime) -> Relative | None:
        """For whom they ask (`resident_records.relative_named`); for themselves when it is the name that was typed."""
        return resident_records.relative_named(self.resident, "" if same_name(name, self.typed) else name, now)

    @property
    def noted(self) -> str:
        """The line of the audit log: of the number its end, no name."""
        shown = "名单写登记的姓名，等本人确认" if self.typed else "姓名与居民资料一致"
        return f"来电登记：手机尾号 {self.phone[-4:]}，{shown}"


def find(actor: Actor, phone: str, name: str, path: str, now: datetime) -> Caller:
    """The resident of `phone` (11 digits), or one opened with `name`; safe when colleagues type it at once.

    path: of the centre whose record it is for. Who is new has not agreed to the privacy notice yet and is asked at the
    first login. Raises CallerNameMissing, the same for a number that nobody has and one of another tree; LookupsFull.
    """
    name = name.strip()[:40]
    count(actor, now)
    found = queries.resident_by_phone(phone)
    if found is not None and _knows(path, found):
        return Caller(found, "", phone)
    if not name:
        raise CallerNameMissing()
    if found is None:
        new = Resident(phone=phone, name=name, groups=[], quiet={}, consent_version="", created_at=now)
        found = resident_records.insert(new)
    return Caller(found, "" if same_name(name, found.name) else name, phone)


def _knows(path: str, person: Resident) -> bool:
    home = centres.get(person.home_centre_id)
    return home is not None and centres.is_inside(home, path)


def same_name(typed: str, registered: str) -> bool:
    """Whether two spellings are one name: width, case and spaces do not matter."""
    return _folded(typed) == _folded(registered)


def _folded(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def count(actor: Actor, now: datetime) -> None:
    """A number was typed. Raises LookupsFull when it were too many of this account.

    Of two requests at once at the very limit both may pass: one number more matters to nobody.
    """
    if actor.kind != "staff" or actor.id is None:
        return
    typed = queries.lookups(actor.id, now - timedelta(days=1))
    until = rules.next_lookup_at(typed, now)
    if until is not None:
        raise LookupsFull(advice=f"请在 {when(until, now)}再登记，或请同事登记；居民也可以自己在手机上报名、订场地。")
    db.session.add(PhoneLookup(account_id=actor.id, at=now))
