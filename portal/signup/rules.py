"""Who may take a place, who gets the next one and until when (SPEC S1-S5). Pure functions, no database.

The waiting list is strictly first come, first served. When the first in the queue wants more places than are free,
nobody overtakes it, not even a smaller party; staff may still decide by hand, which is recorded under their name.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol

from portal.catalogue import bulk_rules
from portal.catalogue.windows import GRACE, Windows, closes_at, opens_at, withdraw_deadline
from portal.core import clock, deadlines
from portal.core.words import Refusal

Place = Literal["pending", "confirmed", "waiting"]

SHORTEST_OFFER = timedelta(hours=2)  # to ask the family and answer
LOW_LEAD = timedelta(hours=48)  # low enrolment is told so long before the start …
LOW_WINDOW_LEAD = timedelta(hours=24)  # … and so long before sign-up closes, whichever is earlier
LOW_SHARE = 0.3  # of the capacity
PUBLISHED, CANCELLED = "published", "cancelled"


class EntryFacts(Windows, Protocol):
    """What the rules look at; catalogue's Entry has it all."""

    status: str
    capacity: int | None
    unit: str
    walk_in: bool
    needs_review: bool
    max_companions: int
    changed_at: datetime | None
    taken: int
    waiting: int


def over_at(entry: EntryFacts) -> datetime | None:
    """From this moment on no place moves: the first start, or the window's end of a series that is joined later."""
    moments = [m for m in (entry.first_start, entry.sign_up_until) if m is not None]
    latest = max(moments, default=None)
    return min(latest, entry.last_end) if latest and entry.last_end else latest


def may_sign_up(
    entry: EntryFacts, home_path: str | None, centre_path: str, now: datetime, wanted: int = 1
) -> Refusal | None:
    """Why somebody of the home centre at `home_path` may not sign up for `wanted` places now; None when they may."""
    return (
        _open_at_all(entry, now) or _in_window(entry, now) or _own_first(entry, home_path, centre_path, now)
        or _party(entry, wanted)
    )  # fmt: skip


def cancelled(entry: EntryFacts) -> Refusal | None:
    """Said wherever somebody wants to take part in what does not take place."""
    why = Refusal("cancelled", "这个活动已经取消了。", "可以看看同类的其他活动。")
    return why if entry.status == CANCELLED else None


def _open_at_all(entry: EntryFacts, now: datetime) -> Refusal | None:
    if refusal := cancelled(entry):
        return refusal
    if entry.status != PUBLISHED:
        return Refusal("gone", "这个活动现在不接受报名。", "可以看看同类的其他活动。")
    if entry.last_end and now >= entry.last_end:
        return Refusal("over", "这个活动已经结束了。", "可以看看还有名额的其他活动。")
    if entry.walk_in:
        return Refusal("walk_in", "这个活动不用报名，到时间直接去就可以。")
    return None


def _in_window(entry: EntryFacts, now: datetime) -> Refusal | None:
    closing = closes_at(entry)
    if entry.first_start and now >= entry.first_start and not (closing and now < closing):
        return Refusal("started", "活动已经开始，不能再报名了。", "想临时参加，请打电话问主办方。")
    if closing is not None and now >= closing:
        return Refusal(
            "closed", f"报名已在 {clock.stamp(closing)} 截止。", "想补报，请打电话问主办方，或看看同类的其他活动。"
        )
    opening = opens_at(entry)
    if opening is not None and now < opening:
        return Refusal("not_yet", f"{clock.stamp(opening)} 开始报名。", "到时候再来，打开这一页就能报。", until=opening)
    return None


def _own_first(entry: EntryFacts, home_path: str | None, centre_path: str, now: datetime) -> Refusal | None:
    until = entry.own_first_until
    if until is None or now >= until or (home_path or "").startswith(centre_path):
        return None
    when = clock.stamp(until)
    if not home_path:
        return Refusal("no_home", f"{when} 前先照顾本社区居民。", "请先到“我的资料”选好您所在的社区。", until=until)
    return Refusal("own_first", "现在先由主办社区的居民报名。", f"{when} 起大家都可以报，到时候再来。", until=until)


def _party(entry: EntryFacts, wanted: int) -> Refusal | None:
    if not 1 <= wanted <= 1 + entry.max_companions:
        most = f"每次最多带 {entry.max_companions} 人。" if entry.max_companions else "这个活动每次只能报一个名额。"
        return Refusal("companions", most, "人数改少一些，或者分别报名。", "companions")
    if entry.capacity is not None and wanted > entry.capacity:
        most = f"一共只有 {entry.capacity} 个名额。"
        return Refusal("companions", most, "人数改少一些再报。", "companions")
    return None


def decide_place(entry: EntryFacts, wanted: int) -> Place:
    """Where a new sign-up for `wanted` places begins. Free places belong to the queue first (see the top)."""
    if entry.capacity is not None and (entry.waiting > 0 or entry.taken + wanted > entry.capacity):
        return "waiting"
    return "pending" if entry.needs_review else "confirmed"


def next_in_line(queue: Iterable[tuple[int, int]], free: int | None) -> list[int]:
    """Ids that move up, in order. queue: (id, places) by queue number; free: None when unlimited."""
    chosen = []
    for sign_up_id, places in queue:
        if free is not None:
            if places > free:
                break  # nobody overtakes
            free -= places
        chosen.append(sign_up_id)
    return chosen


def may_move_up(entry: EntryFacts, now: datetime) -> bool:
    """Places move until the start; afterwards a freed place stays empty."""
    end = over_at(entry)
    return entry.status == PUBLISHED and (end is None or now < end)


def leave_until(entry: EntryFacts, signed_up_at: datetime, decided_at: datetime | None = None) -> datetime | None:
    """Until when this person may leave by tap: the entry's deadline, or the start once something was changed after
    they signed up (S4, C8); in any case GRACE from when they signed up or got their place, as far as it has not begun
    by then. None: any time.

    decided_at: when they were passed or moved up from the queue, which may be after the deadline.
    """
    deadline, start = withdraw_deadline(entry), entry.first_start
    changed = entry.changed_at is not None and entry.changed_at >= signed_up_at
    if deadline is None or (changed and start is None):
        return None
    since = max(signed_up_at, decided_at or signed_up_at)
    grace = since + GRACE
    if start is not None and since < start:
        grace = min(grace, start)
    return max(deadline, grace, start) if changed and start else max(deadline, grace)


def leaving_text(until: datetime | None, now: datetime) -> str:
    """'12月12日 20:00 前可自行退出'; past that moment, what to do instead (S4)."""
    if until is None:
        return "来不了请提前退出，把名额让给别人"
    return f"{clock.stamp(until)} {'前可自行退出' if now < until else '以后不能自己退出了，来不了请打电话告诉主办方'}"


def reminding_text(entry: EntryFacts, now: datetime) -> str:
    """'开始前一天和前 2 小时会提醒': what still comes before the first session; '' once it has begun (S5)."""
    if entry.first_start is None or now >= entry.first_start:
        return ""
    left = deadlines.reminders_left(entry.first_start, now)
    return f"开始{left}会提醒" if left else "快开始了，不再另外提醒"


def waiting_text(entry: EntryFacts, now: datetime) -> str:
    """What whoever waits may still hope for (S2)."""
    if may_move_up(entry, now):
        return "有人退出按先后递补，轮到了马上通知"
    return "活动已经开始，没有轮到，不用再等了"


def offer_text(accept_by: datetime | None, now: datetime) -> str:
    """Until when an offered place is kept."""
    if accept_by is not None and now >= accept_by:
        return "确认的时间已经过了，名额给了下一位"
    return f"请在 {clock.stamp(accept_by) if accept_by else '活动开始'} 前确认，过时名额给下一位"


def may_withdraw(
    entry: EntryFacts, status: str, signed_up_at: datetime, now: datetime, decided_at: datetime | None = None
) -> Refusal | None:
    """Why a resident may not leave by themselves any more; the waiting list may always be left (S2, S4, C8)."""
    if status in ("waiting", "offered"):
        return None
    deadline = leave_until(entry, signed_up_at, decided_at)
    if deadline is None or now < deadline:
        return None
    when = clock.stamp(deadline)
    return Refusal("late", f"{when} 以后不能自己退出了。", "来不了请打电话告诉主办方，好把名额让给别人。")


def low_alert_at(first_start: datetime, sign_up_until: datetime | None) -> datetime:
    """When too few sign-ups become the organiser's business: 48 h before the start or 24 h before the window ends."""
    alert = first_start - LOW_LEAD
    return alert if sign_up_until is None else min(alert, sign_up_until - LOW_WINDOW_LEAD)


def is_low(entry: EntryFacts, now: datetime) -> bool:
    """Fewer than 30 % of the places are taken although the alert's time has come and it has not begun."""
    start = entry.first_start
    if start is None or entry.capacity is None or entry.walk_in or entry.status != PUBLISHED:
        return False
    return low_alert_at(start, entry.sign_up_until) <= now < start and entry.taken < entry.capacity * LOW_SHARE


def extension_limit(entry: EntryFacts, until: datetime, now: datetime) -> Refusal | None:
    """Sign-up may be extended to a moment that is to come and not before it closes, at most to the end of all."""
    if until <= now:
        return Refusal("past", "新的截止时间已经过去了。", "请选一个将来的时间。")
    closing = closes_at(entry)
    if closing is not None and until < closing:
        return Refusal("earlier", f"现在是 {clock.stamp(closing)} 截止。", "请选更晚的时间；想提前截止，请申请变更。")
    end = entry.last_end or entry.first_start
    if end is not None and until > end:
        return Refusal("after", "截止时间不能晚于活动结束。", f"最晚到{clock.stamp(end)}。")
    return None


def settles_at(starts: Iterable[datetime], decided_at: datetime) -> datetime:
    """When a decision about many sign-ups takes effect and people are told: once it cannot be taken back any more.

    starts: of the activity's sessions. Until then nothing moves, so that nobody hears yes and then no, and no place
    goes to the queue and is asked back. Of what begins soon it takes effect at once: the answer is worth more there.
    """
    soon = any(decided_at <= start < decided_at + SHORTEST_OFFER for start in starts)
    return decided_at if soon else bulk_rules.take_back_until(decided_at)


def settles_text(settles: datetime, now: datetime) -> str:
    """'14:32 生效并通知本人，在那以前可以撤回'; when it cannot be taken back, that it goes out now."""
    hour = clock.hour(settles)
    return f"{hour} 生效并通知本人，在那以前可以撤回" if now < settles else "马上生效并通知本人，不能撤回"


def can_take_all(free: int | None, parties: Sequence[int]) -> bool:
    """Whether every party of a merged activity finds its places in the other one."""
    return free is None or sum(parties) <= free
