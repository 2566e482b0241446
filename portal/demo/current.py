"""This month's list, all its way from the stations to publication, by the actions everybody uses (SPEC C4, C5)."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from portal.catalogue.actions import drafting, entry_values, handing_in, publishing, reviewing
from portal.catalogue.models import IN_REVIEW, Entry
from portal.centres.models import Centre
from portal.core import scope
from portal.core.access import Actor
from portal.core.db import db, writing
from portal.demo import plans
from portal.demo.stage import DISTRICT, Stage, communities, parent_code, stations, subdistricts

COMMON = 9  # rows of the common pool in each community's list, beside its own
RETURNS = (
    ("写明集合点", "place"), ("服务对象不清，请写明年龄", "audience"), ("与上月重复，请更新内容", "content"),
)  # fmt: skip


def build(stage: Stage, say: Callable[[str], None]) -> int:
    """Draw up, review and publish. Returns how many rows are public."""
    known, diary = plans.ideas(), plans.Diary()
    with writing(), scope.system("demo"):
        for code in stations(stage):
            _offers(stage, code, known.get(code, []), diary)
    with writing(), scope.system("demo"):
        for number, code in enumerate(communities(stage)):
            _community(stage, code, _chosen(stage, known, code, number), diary)
    say("各社区的清单已送到街道")
    with writing(), scope.system("demo"):
        for code in subdistricts(stage):
            _subdistrict(stage, code, known[code], diary)
    with writing(), scope.system("demo"):
        _district(stage, known, diary)
    say("街道初审、新区复审完成")
    with writing(), scope.system("demo"):
        return publishing.publish_month(stage.month, stage.published_at, stage.staff["dapeng"], force=True)


def _draft(
    stage: Stage, actor: Actor, centre: Centre, ideas: Iterable[plans.Idea], diary: plans.Diary, days: float
) -> list[Entry]:
    made = []
    for number, idea in enumerate(ideas):
        row = plans.values(stage, centre, idea, stage.month, diary)
        if row is not None:
            at = min(stage.before(days, "9:30") + timedelta(minutes=7 * number), stage.now)
            made.append(drafting.draft_entry(actor, row, at, centre=centre))
    return made


def _offers(stage: Stage, code: str, ideas: list[plans.Idea], diary: plans.Diary) -> None:
    """A station's rows go to its community, which takes them into its list."""
    actor, community = stage.boss(code), stage.boss(parent_code(code))
    for entry in _draft(stage, actor, stage.centre(code), ideas, diary, 15):
        reviewing.offer(actor, entry, stage.before(14, "11:20"))
        reviewing.approve(community, entry, stage.before(12, "15:10"))


def _chosen(stage: Stage, known: dict[str, list[plans.Idea]], code: str, number: int) -> list[plans.Idea]:
    """A community's own rows and some of the common ones, other ones next door."""
    pool = known["*"]
    weekly, dated = [i for i in pool if i.weekly], [i for i in pool if not i.weekly]
    some = stage.dice.sample(dated, COMMON - 2)
    return [weekly[number % len(weekly)], weekly[(number + 3) % len(weekly)], *some, *known.get(code, [])]


def _community(stage: Stage, code: str, ideas: list[plans.Idea], diary: plans.Diary) -> None:
    actor, centre = stage.boss(code), stage.centre(code)
    _draft(stage, actor, centre, ideas, diary, 12)
    when = stage.before(stage.dice.choice((9, 10, 10, 11)), "16:40")
    handing_in.submit_issue(actor, centre, stage.month, when)


def _waiting(centre: Centre) -> list[Entry]:
    wanted = select(Entry).where(Entry.status == IN_REVIEW, Entry.waits_at_id == centre.id).order_by(Entry.id)
    return list(db.session.scalars(wanted))


def _subdistrict(stage: Stage, code: str, ideas: list[plans.Idea], diary: plans.Diary) -> None:
    """First review: two rows come back with a reason and are mended, one is corrected; then its own rows."""
    actor, centre = stage.boss(code), stage.centre(code)
    rows = _waiting(centre)
    picked = stage.dice.sample(rows, 3)
    for entry, (reason, field) in zip(picked[:2], RETURNS, strict=False):
        content = f"{entry.content}请提前十分钟到{entry.place}集合签到。"
        _return_and_mend(stage, actor, entry, reason, field, (8, 7, "9"), content=content)
    mended = replace(entry_values.values_of(picked[2]), contact="街道值班室", phone=centre.phone)
    reviewing.correct(actor, picked[2], mended, stage.before(7, "10:05"), reason="统一由街道值班室接听")
    reviewing.approve_all(actor, rows, stage.before(6, "15:30"))
    _draft(stage, actor, centre, ideas, diary, 6)
    handing_in.submit_issue(actor, centre, stage.month, stage.before(5, "17:00"))


def _return_and_mend(
    stage: Stage, actor: Actor, entry: Entry, reason: str, field: str, when: tuple[int, int, str], **mended: Any
) -> None:
    """when: days before publication of the return and of the mending, and the hour of that."""
    author = stage.boss(stage.code_of(entry.author_centre_id))
    returned, days, hour = when
    reviewing.return_entry(actor, entry, reason, field, stage.before(returned, "10:20"))
    values = replace(entry_values.values_of(entry), **mended)
    drafting.edit_entry(author, entry, values, stage.before(days, f"{hour}:15"))
    reviewing.resubmit(author, entry, stage.before(days, f"{hour}:20"))


def _district(stage: Stage, known: dict[str, list[plans.Idea]], diary: plans.Diary) -> None:
    actor, centre = stage.boss(DISTRICT), stage.centre(DISTRICT)
    rows = _waiting(centre)
    late = stage.dice.choice(rows)
    _return_and_mend(stage, actor, late, "表述不准确，请修改", "title", (4, 3, "11"), title=f"{late.title}（第二期）")
    for username, code in (("zfb", "ZFB"), ("wtj", "WTJ"), ("qtb", "QTB"), ("ygl", "YGL")):
        _department(stage, username, known[code], diary)
    reviewing.approve_all(actor, _waiting(centre), stage.before(2, "16:00"))
    for entry in _draft(stage, actor, centre, known[DISTRICT], diary, 4):
        reviewing.offer(actor, entry, stage.before(3, "9:00"))


def _department(stage: Stage, username: str, ideas: list[plans.Idea], diary: plans.Diary) -> None:
    """A department hands its plan to the district, which places each row in one community."""
    actor, district = stage.staff[username], stage.boss(DISTRICT)
    for idea in ideas:
        for code in stage.dice.sample(communities(stage), 3):
            home = stage.centre(code)
            visit = replace(idea, title=f"{idea.title}（{home.label}站）", place=f"{home.label}{idea.place}")
            for entry in _draft(stage, actor, stage.centre(DISTRICT), [visit], diary, 9):
                reviewing.offer(actor, entry, stage.before(8, "11:00"))
                reviewing.allot(district, entry, [home], stage.before(5, "10:30"))
