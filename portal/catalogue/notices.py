"""Wording of the messages to staff about the monthly list. The sentence on a changed activity is changing.sentence."""

from collections.abc import Sequence
from datetime import datetime

from portal.catalogue import bulk_rules
from portal.catalogue.models import Entry, EntryChange
from portal.centres.models import Centre
from portal.core import clock
from portal.core.words import Words

KIND = "catalogue"
DEADLINE = "deadline"
FOLLOW, FOLLOWS_LINK = "follow", "/me/follows"
NAMED = 3  # activities that a message names; the others are a number


def month_link(month: str) -> str:
    return f"/staff/catalogue?month={month}"


def late_link(month: str) -> str:
    return f"/staff/catalogue/late?month={month}"


def entry_link(entry_id: int) -> str:
    return f"/staff/catalogue/{entry_id}"


def import_link(import_id: int) -> str:
    return f"/staff/catalogue/imports/{import_id}"


def change_link(change_id: int) -> str:
    return f"/staff/catalogue/changes/{change_id}"


def _name(entry: Entry) -> str:
    return f"{clock.month_name(entry.month)}清单“{entry.title}”"


def offered(entry: Entry) -> Words:
    if entry.department is not None and entry.centre_id == entry.author_centre_id:
        body = f"{entry.department.name}送来 {_name(entry)}，请分到社区。"
        return Words(KIND, f"有一条计划等您分配：{entry.title}", body, entry_link(entry.id))
    body = f"{entry.centre.label}送来 {_name(entry)}，请审核。"
    return Words(KIND, f"有一条服务等您审核：{entry.title}", body, entry_link(entry.id))


def submitted(centre: Centre, month: str, count: int) -> Words:
    body = f"{centre.label}已上交{clock.month_name(month, with_year=True)}服务清单，{count} 条，请逐条审核。"
    return Words(KIND, f"{centre.label}交了{clock.month_name(month)}清单", body, month_link(month))


def plan_arrived(department: str, month: str, count: int) -> Words:
    body = f"{department}交来{clock.month_name(month, with_year=True)}计划，{count} 条，请分到社区。"
    return Words(KIND, f"{department}交了{clock.month_name(month)}计划", body, f"{month_link(month)}&state=mine")


def lifted(centre: Centre, month: str, count: int) -> Words:
    body = f"{centre.label}暂无值班账户，{count} 条待审核的服务已转到您这里，请逐条审核。"
    return Words(KIND, f"{centre.label}的{clock.month_name(month)}清单请您审核", body, month_link(month))


def returned(entry: Entry, who: str, reason: str) -> Words:
    body = f"{who}退回了 {_name(entry)}：{reason}。改好后点“改好送回”，会直接回到退回的单位。"
    return Words(KIND, f"退回：{entry.title}", body, entry_link(entry.id))


def returned_many(rows: Sequence[Entry], who: str, reason: str) -> Words:
    if len(rows) == 1:
        return returned(rows[0], who, reason)
    names = "、".join(f"“{row.title}”" for row in rows[:5]) + ("等" if len(rows) > 5 else "")
    body = f"{who}退回了 {len(rows)} 条（{names}）：{reason}。改好后点“改好送回”，会直接回到退回的单位。"
    return Words(KIND, f"退回 {len(rows)} 条服务", body, f"{month_link(rows[0].month)}&state=returned")


def taken_back(who: str, kind: str, month: str, count: int) -> Words:
    word = bulk_rules.KINDS[kind]
    body = f"{who}刚才{word}的{clock.month_name(month)}服务有 {count} 条撤回了，请以清单里现在的状态为准。"
    return Words(KIND, f"{word}的 {count} 条服务撤回了", body, month_link(month))


def corrected(entry: Entry, who: str) -> Words:
    body = f"{who}在审核时更正了 {_name(entry)}，改了什么可以在这一条的经过里看到。"
    return Words(KIND, f"已更正：{entry.title}", body, entry_link(entry.id))


def allotted(entry: Entry, department: str) -> Words:
    when = f"（{clock.stamp(entry.first_start)}）" if entry.first_start else ""
    body = f"{department}的“{entry.title}”{when}已分配到您的{clock.month_name(entry.month)}清单，请安排场地和人手。"
    return Words(KIND, f"新分配：{entry.title}", body, entry_link(entry.id))


def published(month: str, count: int) -> Words:
    body = f"{clock.month_name(month, with_year=True)}清单有 {count} 条服务已发布，居民现在可以看到并报名。"
    return Words(KIND, f"{clock.month_name(month)}清单已发布", body, month_link(month))


def followed(entries: Sequence[tuple[str, datetime | None]]) -> Words:
    """To a resident: what was published of what they follow. entries: title and first start, the nearest first."""
    named = "；".join(f"{title}（{clock.stamp(start)}）" if start else title for title, start in entries[:NAMED])
    more = f"，等 {len(entries)} 项" if len(entries) > NAMED else ""
    return Words(FOLLOW, f"您关注的有 {len(entries)} 项新活动", f"{named}{more}。", FOLLOWS_LINK)


def room_missing(entry: Entry, said: str) -> Words:
    body = f"“{entry.title}”已发布，但场地没有全部订上：{said}请尽快申请变更时间或场地，居民会收到通知。"
    return Words(KIND, f"场地没有订上：{entry.title}", body, entry_link(entry.id))


def change_asked(change: EntryChange, sentence: str) -> Words:
    body = f"{change.entry.centre.label}申请变更“{change.entry.title}”：{sentence}请尽快确认，报了名的居民在等消息。"
    return Words(KIND, f"变更待确认：{change.entry.title}", body, change_link(change.id))


def change_urgent(change: EntryChange, sentence: str) -> Words:
    body = (
        f"“{change.entry.title}”马上就要开始，{change.entry.centre.label}的变动已经生效并通知了报名的居民：{sentence}"
        "不同意的话，打开就能撤销。"
    )
    return Words(KIND, f"临时变动已生效：{change.entry.title}", body, change_link(change.id))


def change_undone(change: EntryChange, sentence: str) -> Words:
    body = f"发布单位撤销了“{change.entry.title}”的临时变动，报名的居民会收到通知：{sentence}"
    return Words(KIND, f"临时变动被撤销：{change.entry.title}", body, entry_link(change.entry_id))


def change_applied(change: EntryChange, sentence: str) -> Words:
    body = f"“{change.entry.title}”的变更已同意并通知所有已报名的居民：{sentence}"
    return Words(KIND, f"变更已生效：{change.entry.title}", body, entry_link(change.entry_id))


def change_refused(change: EntryChange) -> Words:
    body = f"“{change.entry.title}”的变更没有同意：{change.decision_reason}。活动按原安排进行。"
    return Words(KIND, f"变更未同意：{change.entry.title}", body, entry_link(change.entry_id))


def reminder(month: str, what: str, days: int, cutoff: datetime, waiting: int) -> Words:
    name = clock.month_name(month)
    if what == "review":
        body = f"还有 {waiting} 条{name}清单等您审核，{clock.stamp(cutoff)} 截止（还剩 {days} 天）。"
        return Words(DEADLINE, f"{name}清单审核还剩 {days} 天", body, month_link(month))
    if what == "plan":
        body = f"{name}还没有报计划，{clock.stamp(cutoff)} 截止（还剩 {days} 天）。这个月没有要办的，不用理会。"
        return Words(DEADLINE, f"{name}计划还剩 {days} 天", body, month_link(month))
    body = f"{name}清单还没有上交，{clock.stamp(cutoff)} 截止（还剩 {days} 天）。可以复制上月或导入计划表。"
    return Words(DEADLINE, f"{name}清单上交还剩 {days} 天", body, month_link(month))


def date_moved(month: str, what: str, old: datetime, new: datetime) -> Words:
    name = clock.month_name(month)
    body = (
        f"{clock.month_name(month, with_year=True)}的“{what}”原来到 {clock.stamp(old)}，现在改到 {clock.stamp(new)}。"
    )
    return Words(DEADLINE, f"{name}{what}改到 {clock.stamp(new)}", f"{body}提醒也按新日期。", month_link(month))


def urged(month: str, place: str, name: str, phone: str) -> Words:
    what = clock.month_name(month)
    call = f"有困难请打电话说一声：{phone}。" if phone else "有困难请打电话说一声。"
    body = f"{place}的{name}在等{what}清单。请尽快上交，好了的可以先交。{call}"
    return Words(DEADLINE, f"{place}催交{what}清单", body, month_link(month))


def late(month: str, cutoff: datetime) -> Words:
    name = clock.month_name(month)
    body = f"{name}清单应在 {clock.stamp(cutoff)} 前上交，现在已经过期，请尽快上交，仍可以审核和发布。"
    return Words(DEADLINE, f"{name}清单已过上交期限", body, month_link(month))


def late_list(month: str, names: list[str]) -> Words:
    name = clock.month_name(month)
    shown = "、".join(names[:10]) + (f"等 {len(names)} 个" if len(names) > 10 else "")
    return Words(
        DEADLINE, f"{name}清单未交 {len(names)} 个", f"{name}清单截止时还没有上交的：{shown}。", late_link(month)
    )
