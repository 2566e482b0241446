"""Reads of sign-ups, shaped for pages. Other people's rows are only ever counted here, never shown to residents."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, exists, func, or_, select
from sqlalchemy.orm import aliased

from portal.catalogue.models import CANCELLED as ENTRY_CANCELLED
from portal.catalogue.models import DroppedSession, Entry, EntrySession
from portal.catalogue.public import following
from portal.centres.models import Centre
from portal.core import clock, deadlines, reads, remarks, scope
from portal.core.access import Viewer
from portal.core.db import db
from portal.core.ical import Dated
from portal.core.words import Refusal
from portal.people.models import Relative
from portal.signup import rules
from portal.signup.eligibility import queries as eligibility
from portal.signup.eligibility.rules import STANDINGS, Person, question
from portal.signup.models import ACTIVE, CANCELLED, CONFIRMED, LAPSED, OFFERED, PENDING, REFUSED, WAITING, SignUp
from portal.signup.no_shows import queries as no_shows
from portal.signup.states import LABELS, MACHINE, TONES

ENDED_SHOWN = ("refused", "lapsed", "cancelled")
NEXT = {
    PENDING: "主办方审核后通知您，名额先留着",
    LAPSED: "没有在期限前确认，名额已给下一位", CANCELLED: "活动已取消，不用来了",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Own:
    """A sign-up as its owner sees it."""

    id: int
    entry_id: int
    status: str
    person: str  # '我' or the relative's name
    relative_id: int | None
    places: int
    number: int | None  # place in the queue, from 1
    accept_by: datetime | None
    reason: str
    created_at: datetime
    decided_at: datetime | None = None
    withdraw_refusal: Refusal | None = None
    leaving: str = ""  # until when it may be left
    reminding: str = ""  # which reminders still come
    next_text: str = ""  # what comes next, or what became of it, in one sentence
    settled: bool = False  # nothing more comes of it: over, not moved up, or not accepted in time
    caller_name: str = ""  # what staff typed for them, not confirmed

    @property
    def live(self) -> bool:
        return self.status in ACTIVE

    @property
    def label(self) -> str:
        return f"候补第 {self.number} 位" if self.status == WAITING else LABELS[self.status]

    @property
    def tone(self) -> str:
        return TONES[self.status]

    def steps(self, when: str) -> list[tuple[str, str, str]]:
        """For ui.steps, while it is not sure yet: where it stands and what comes until the day itself."""
        if self.status == PENDING:
            before = [("已提交", "done", "名额先给您留着"), ("主办方审核", "now", "通过或不通过都会通知您")]
        elif self.status == WAITING:
            ahead = f"前面还有 {(self.number or 1) - 1} 人，有人退出按先后递补"
            turn = ("轮到了马上通知", "wait", deadlines.late_text())
            before = [(f"候补第 {self.number} 位", "now", ahead), turn]
        else:
            before = [("有空位了", "done", "按先后轮到您"), ("请您确认", "now", self.next_text)]
        return [*before, ("到场参加", "wait", when)]


@dataclass(frozen=True, slots=True)
class Panel:
    """All that the sign-up part of an entry's page needs. `refusal`: why nobody new may sign up from here now."""

    entry_id: int
    title: str
    signed_in: bool
    people: tuple[tuple[str, str], ...]  # (value, words) of those who may still be signed up
    selected: str
    mine: tuple[Own, ...]
    refusal: Refusal | None
    full: bool
    ahead: int  # already waiting
    needs_review: bool
    most_companions: int
    unit: str
    leaving: str  # until when whoever signs up now may leave
    phone: str
    walk_in: bool
    error: str = ""  # why the last try was refused, with the way out
    fresh: int = 0  # the sign-up just made
    companions: int = 0
    starts_at: datetime | None = None
    asks: str = ""  # that it is meant for others than who is selected
    asked: bool = False  # and they have just pressed
    to_confirm: tuple[tuple[str, str], ...] = ()  # (value, words) of those whose group the community may be asked about
    instead: tuple[str, str] | None = None  # (value, name) of somebody whom it fits
    still: bool = False  # the page says it all above: the bar need not follow the thumb

    @property
    def latest(self) -> Own | None:
        """The sign-up just made, else the last one that is still so, else the last."""
        made = [o for o in self.mine if o.id == self.fresh]
        return next(iter(made or [o for o in reversed(self.mine) if o.live] or reversed(self.mine)), None)

    @property
    def action(self) -> str:
        return "加入候补" if self.full else "提交报名" if self.needs_review else "确认报名"

    @property
    def counted(self) -> str:
        """The word after a number: places for people are 位."""
        return "位" if self.unit == "人" else self.unit

    @property
    def note(self) -> str:
        """What to know before the button is pressed."""
        if self.full:
            return f"已经满了，前面 {self.ahead} 人在等，有人退出按先后递补"
        return f"{'主办方审核后通知您，' if self.needs_review else ''}{self.leaving}"


_other = aliased(SignUp)
#: Place in the queue: how many wait with a number not greater than this one's.
_NUMBER = (
    select(func.count())
    .where(_other.entry_id == SignUp.entry_id, _other.status == WAITING, _other.queue_no <= SignUp.queue_no)
    .correlate(SignUp)
    .scalar_subquery()
)
_OWN = (
    select(
        SignUp.id, SignUp.entry_id, SignUp.status, SignUp.relative_id, SignUp.places, SignUp.accept_by,
        SignUp.refusal_reason, SignUp.created_at, SignUp.decided_at,
        Relative.name.label("relative"), _NUMBER.label("number"),
        SignUp.caller_name,
    )
    .outerjoin(Relative, Relative.id == SignUp.relative_id)
    .where(SignUp.resident_id == bindparam("resident_id"), SignUp.entry_id == bindparam("entry_id"))
    .where(SignUp.status.in_((*ACTIVE, *ENDED_SHOWN)))
    .order_by(SignUp.id)
)  # fmt: skip


def place_number(sign_up: SignUp) -> int | None:
    """Place in the queue from 1, or None when it does not wait (S2). One statement."""
    if sign_up.status != WAITING:
        return None
    with scope.system("counting who is ahead"):
        return db.session.scalar(select(_NUMBER).where(SignUp.id == sign_up.id))


def own(resident_id: int, entry_id: int) -> list[Own]:
    """The resident's sign-ups of one entry, live or ended with something to tell, oldest first. One statement."""
    return [_own(row) for row in reads.own_rows(_OWN, resident_id=resident_id, entry_id=entry_id)]


def _own(row: Any) -> Own:
    return Own(
        row.id, row.entry_id, row.status, row.relative or "我", row.relative_id, row.places,
        row.number if row.status == WAITING else None, row.accept_by, row.refusal_reason, row.created_at,
        row.decided_at,
        caller_name=row.caller_name,
    )  # fmt: skip


def panel(entry: Entry, viewer: Viewer | None, now: datetime, selected: str = "") -> Panel:
    """What the sign-up part of the entry's page shows. Own sign-ups, the household, and while there is a
    rule for who does not come, that and what was counted.

    selected: whom they chose; else whom it fits best. The own-community window is judged by the viewer's home centre;
    the database judges again when it counts.
    """
    resident = viewer if viewer is not None and viewer.audience == "resident" else None
    mine = own(resident.id, entry.id) if resident else []
    refusal = _refusal(entry, resident, now)
    household = eligibility.household(resident.id) if resident and refusal is None else []
    taken = {str(o.relative_id or "me") for o in mine if o.live}
    barred = eligibility.refusals(entry, resident.id, household, now) if resident else {}
    paused = no_shows.paused(resident.id, now) if resident and household else {}
    barred = _by_value(paused, resident.id if resident else 0, household) | barred
    people = [one for one in household if one.value not in taken and one.value not in barred]
    if household and not people and barred:
        refusal = min(barred.values(), key=_how_far)
    best = eligibility.best(entry, people, household, now)
    chosen = next((one for one in people if one.value == selected), best)
    made = Panel(
        entry_id=entry.id, title=entry.title, signed_in=resident is not None,
        people=tuple((one.value, one.text) for one in people), selected=chosen.value if chosen else "",
        mine=tuple(_latest(entry, mine, now)), refusal=refusal,
        full=entry.capacity is not None and (entry.waiting > 0 or entry.taken >= entry.capacity),
        ahead=entry.waiting, needs_review=entry.needs_review, most_companions=entry.max_companions, unit=entry.unit,
        leaving=rules.leaving_text(rules.leave_until(entry, now), now), phone=entry.call_phone,
        walk_in=entry.walk_in, starts_at=entry.first_start,
        to_confirm=tuple((one.value, one.text) for one in household if _may_be_asked(barred.get(one.value))),
    )  # fmt: skip
    return _asking(made, entry, chosen, best, household, now) if chosen else made


def _by_value(by_key: Mapping[str, Refusal], resident_id: int, household: list[Person]) -> dict[str, Refusal]:
    keys = {one.value: eligibility.key_of(resident_id, one.value) for one in household}
    return {value: by_key[key] for value, key in keys.items() if key in by_key}


def _how_far(why: Refusal) -> int:
    """What somebody can do something about stands before what only time ends."""
    code = why.code.removeprefix("group_")
    return STANDINGS.index(code) if code in STANDINGS else len(STANDINGS)


def _may_be_asked(refusal: Refusal | None) -> bool:
    return refusal is not None and refusal.code in ("group_unconfirmed", "group_refused")


def _asking(
    made: Panel, entry: Entry, chosen: Person, best: Person | None, household: list[Person], now: datetime
) -> Panel:
    """The question of a panel whose chosen person it does not fit."""
    if eligibility.fits(entry, chosen, household, now) is not False:
        return made
    better = best if best and best is not chosen and eligibility.fits(entry, best, household, now) else None
    asks = question(eligibility.aim_of(entry), chosen, better)
    return replace(made, asks=asks, instead=(better.value, better.name) if better else None)


def _refusal(entry: Entry, resident: Viewer | None, now: datetime) -> Refusal | None:
    """Whoever is not signed in is judged as a neighbour would be: the own-community window asks who they are first."""
    refusal = rules.may_sign_up(entry, None, "/", now)
    if refusal is None or refusal.code not in ("own_first", "no_home"):
        return refusal
    if resident is None:
        return None
    home = resident.home_centre
    with scope.system("the path of a public entry's centre"):
        inside = home is not None and _is_inside(home.id, entry.centre_id)
    return None if inside else rules.may_sign_up(entry, "/0/" if home else None, "/1/", now)


def _is_inside(centre_id: int, above_id: int) -> bool:
    path = db.session.scalar(select(Centre.path).where(Centre.id == centre_id)) or ""
    return f"/{above_id}/" in path


def _latest(entry: Entry, mine: list[Own], now: datetime) -> list[Own]:
    """One row a person: the live one, else the last that ended; with why it cannot be left any more."""
    by_person: dict[int | None, Own] = {}
    for row in mine:
        if row.live or not (row.relative_id in by_person and by_person[row.relative_id].live):
            by_person[row.relative_id] = row
    return [_seen(entry, o, now) for o in by_person.values()]


def _seen(entry: Entry, o: Own, now: datetime) -> Own:
    """A sign-up with what is true of it at this moment."""
    leaving = rules.leaving_text(rules.leave_until(entry, o.created_at, o.decided_at), now)
    return replace(
        o,
        withdraw_refusal=rules.may_withdraw(entry, o.status, o.created_at, now, o.decided_at) if o.live else None,
        leaving=leaving, reminding=rules.reminding_text(entry, now),
        next_text=next_text(entry, o.status, leaving, o.accept_by, o.reason, now),
        settled=_settled(entry, o, now),
    )  # fmt: skip


def _settled(entry: Entry, o: Own, now: datetime) -> bool:
    over = entry.last_end is not None and now >= entry.last_end
    late = o.status == OFFERED and o.accept_by is not None and now >= o.accept_by
    return over or late or (o.status == WAITING and not rules.may_move_up(entry, now))


def next_text(entry: Any, status: str, leaving: str, accept_by: datetime | None, reason: str, now: datetime) -> str:
    """What comes next for a sign-up, or what became of it, in one sentence; entry: one, or its columns."""
    if status in ACTIVE and entry.last_end is not None and now >= entry.last_end:
        return "活动已经结束"
    if status == CONFIRMED:
        return leaving
    if status == WAITING:
        return rules.waiting_text(entry, now)
    if status == OFFERED:
        return rules.offer_text(accept_by, now)
    return f"原因：{reason}" if status == REFUSED else NEXT.get(status, "")


#: An entry as the rules look at it, and beside it one's sign-up under names of its own.
_MINE = (
    select(
        Entry.id, Entry.title, Entry.place, Entry.weekly, Entry.status, Entry.first_start, Entry.last_end,
        Entry.changed_at,
        Entry.sign_up_from, Entry.sign_up_until, Entry.own_first_until, Entry.withdraw_until,
        SignUp.status.label("mine"), SignUp.created_at.label("signed_up_at"), SignUp.decided_at, SignUp.accept_by,
        SignUp.refusal_reason,
        Relative.name.label("relative"), _NUMBER.label("number"),
    )
    .join(Entry, Entry.id == SignUp.entry_id)
    .outerjoin(Relative, Relative.id == SignUp.relative_id)
    .where(SignUp.resident_id == bindparam("resident_id"))
    .order_by(Entry.first_start.desc(), SignUp.id.desc())
    .limit(100)
)  # fmt: skip
_COMING = _MINE.where(SignUp.status.in_(ACTIVE), or_(Entry.last_end.is_(None), Entry.last_end > bindparam("now")))
_SESSIONS = (
    select(EntrySession.entry_id, EntrySession.starts_at, EntrySession.ends_at)
    .where(EntrySession.entry_id.in_(bindparam("ids", expanding=True)))
    .order_by(EntrySession.starts_at)
)


def mine(resident_id: int, now: datetime, coming: bool = False) -> list[tuple[Any, list[Any]]]:
    """Sign-ups of a resident beside their entries (see _MINE), newest entry first, at most 100, with the entry's
    sessions in order (S9). Two statements. coming: only live ones of what is not over.
    """
    values = {"now": now} if coming else {}
    found = reads.own_rows(_COMING if coming else _MINE, resident_id=resident_id, **values)
    sessions: dict[int, list[Any]] = {row.id: [] for row in found}
    for session in reads.own_rows(_SESSIONS, ids=list(sessions)) if found else ():
        sessions[session.entry_id].append(session)
    return [(row, sessions[row.id]) for row in found]


def personal(resident_id: int) -> list[dict[str, Any]]:
    """The resident's own sign-ups as plain data for the export (P8)."""
    statement = select(SignUp, Entry.title, Relative.name).join(Entry, Entry.id == SignUp.entry_id)
    statement = statement.outerjoin(Relative, Relative.id == SignUp.relative_id)
    with scope.system("export of own data"):
        rows = db.session.execute(statement.where(SignUp.resident_id == resident_id).order_by(SignUp.id)).all()
    said = remarks.about(MACHINE.name, (s.id for s, *_ in rows))
    return [
        {
            "活动": title, "报名人": relative or "本人", "人数": s.places, "状态": LABELS[s.status],
            "报名时间": clock.stamp(s.created_at), "备注": s.note, "未通过原因": s.refusal_reason,
            "工作人员登记的姓名": s.caller_name, "办理说明": said.get(s.id, []),
        }
        for s, title, relative in rows
    ]  # fmt: skip


def signed_up_at(resident_id: int, centre_id: int, since: datetime) -> bool:
    """Whether a resident has signed up since then, by their own act, for an activity of this very centre."""
    own = select(SignUp.id).where(
        SignUp.resident_id == resident_id, SignUp.centre_id == centre_id, SignUp.created_by == "",
        SignUp.created_at > since,
    )  # fmt: skip
    return db.session.scalar(own.limit(1)) is not None


_DATES = (
    select(
        Entry.id, EntrySession.id.label("session_id"), Entry.version, Entry.title, Entry.place, Entry.status,
        EntrySession.starts_at, EntrySession.ends_at,
        func.max(case((SignUp.status.in_((CONFIRMED, PENDING)), 1), else_=0)).label("live"),
    )
    .join(Entry, Entry.id == EntrySession.entry_id)
    .join(SignUp, SignUp.entry_id == Entry.id)
    .where(SignUp.resident_id == bindparam("resident_id"), SignUp.status.not_in((WAITING, OFFERED)))
    .where(EntrySession.ends_at > bindparam("since"))
    .group_by(EntrySession.id, Entry.id)
    .order_by(EntrySession.starts_at)
    .limit(500)
)  # fmt: skip
_DROPPED_DATES = following.DROPPED_DATES.where(
    DroppedSession.ends_at > bindparam("since"),
    exists().where(SignUp.entry_id == Entry.id, SignUp.resident_id == bindparam("resident_id")),
)


def dates(resident_id: int, since: datetime) -> list[Dated]:
    """The sessions of what a resident (or a relative of theirs) has a place in, and of what was given up or cancelled
    and is in their phone still, or was taken out of its series. Two statements.
    """
    dropped = [following.off(row) for row in reads.own_rows(_DROPPED_DATES, resident_id=resident_id, since=since)]
    return dropped + [
        Dated(
            f"entry-{row.id}-{row.session_id}", row.version, row.starts_at, row.ends_at, row.title, row.place,
            f"/s/{row.id}", row.status == ENTRY_CANCELLED or not row.live,
        )
        for row in reads.own_rows(_DATES, resident_id=resident_id, since=since)
    ]  # fmt: skip
