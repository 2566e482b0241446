"""Next month's list at every stage of its way, so that each level finds something to do (SPEC C4-C7)."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select

from portal.catalogue.actions import drafting, entry_values, handing_in, importing, reviewing
from portal.catalogue.actions.plan_rows import rows_of
from portal.catalogue.models import IN_REVIEW, Entry
from portal.centres.models import Centre
from portal.core import clock, scope
from portal.core.access import Actor
from portal.core.db import db, writing
from portal.demo import plans, workbook
from portal.demo.stage import DISTRICT, Stage, communities, parent_code, subdistricts

# Last three digits of subdistrict + community -> how far its list has come. Those not named have nothing yet.
DRAFTS, SENT, PASSED, RETURNED, APPROVED, COPIED = "drafts", "sent", "passed", "returned", "approved", "copied"
STAGES = {
    "009001": DRAFTS, "009002": SENT, "009003": SENT, "009004": RETURNED, "009005": DRAFTS, "009006": SENT,
    "009008": PASSED, "009009": APPROVED, "010001": APPROVED, "010002": DRAFTS, "010004": SENT, "010005": PASSED,
    "010006": PASSED, "010007": COPIED, "011001": SENT, "011002": RETURNED, "011003": PASSED, "011004": APPROVED,
    "011005": DRAFTS, "011007": SENT, "011008": PASSED, "011009": DRAFTS,
}  # fmt: skip
ROWS = 7


@dataclass
class Plot:
    stage: Stage
    known: dict[str, list[plans.Idea]]
    diary: plans.Diary = field(default_factory=plans.Diary)

    def ago(self, days: float, clock_time: str) -> datetime:
        return self.stage.before(days, clock_time, self.stage.now)

    def draft(self, actor: Actor, centre: Centre, ideas: list[plans.Idea], days: float) -> list[Entry]:
        month = self.stage.following
        rows = [plans.values(self.stage, centre, idea, month, self.diary) for idea in ideas]
        return [drafting.draft_entry(actor, r, self.ago(days, "9:40"), centre=centre) for r in rows if r is not None]


def build(stage: Stage) -> None:
    """Draw up the following month as far as its story goes."""
    plot = Plot(stage, plans.ideas())
    with writing(), scope.system("demo"):
        _stations(plot)
    with writing(), scope.system("demo"):
        for number, code in enumerate(communities(stage)):
            _community(plot, code, STAGES.get(code[-6:], ""), number)
    with writing(), scope.system("demo"):
        for code in subdistricts(stage):
            _subdistrict(plot, code)
    with writing(), scope.system("demo"):
        _district(plot)
    with writing(), scope.system("demo"):
        _tables(plot)
        _odds_and_ends(plot)


def _stations(plot: Plot) -> None:
    """Two stations' rows are taken into their community's list, three still wait there."""
    stage = plot.stage
    for code in ("440307010002S01", "440307011009S01", "440307009005S01", "440307011009S06", "440307010004S01"):
        actor = stage.boss(code)
        for entry in plot.draft(actor, stage.centre(code), plot.known[code], 6):
            reviewing.offer(actor, entry, plot.ago(5, "10:15"))
            if code in ("440307010002S01", "440307011009S01"):
                reviewing.approve(stage.boss(parent_code(code)), entry, plot.ago(4, "14:30"))


def _ideas(plot: Plot, code: str, number: int) -> list[plans.Idea]:
    pool = plot.known["*"]
    return [pool[(number * 3 + i * 5) % len(pool)] for i in range(ROWS - 2)] + plot.known[code][:2]


def _community(plot: Plot, code: str, how_far: str, number: int) -> None:
    stage = plot.stage
    actor, centre = stage.boss(code), stage.centre(code)
    if not how_far:
        return
    if how_far == COPIED:
        drafting.copy_month(actor, centre, stage.month, stage.following, plot.ago(1, "11:05"))
        return
    ideas = _ideas(plot, code, number)
    plot.draft(actor, centre, ideas[:3] if code.endswith("009001") else ideas, 4)
    if how_far != DRAFTS:
        handing_in.submit_issue(actor, centre, stage.following, plot.ago(3, "16:20"))


def _waiting(stage: Stage, below: str, at: str) -> list[Entry]:
    wanted = select(Entry).where(
        Entry.month == stage.following, Entry.status == IN_REVIEW, Entry.waits_at_id == stage.centres[at],
        Entry.centre_id == stage.centres[below],
    )  # fmt: skip
    return list(db.session.scalars(wanted.order_by(Entry.id)))


def _subdistrict(plot: Plot, code: str) -> None:
    """First review as far as it has come; one row goes back to its community."""
    stage = plot.stage
    actor = stage.boss(code)
    for community in communities(stage, code):
        how_far = STAGES.get(community[-6:], "")
        rows = _waiting(stage, community, code)
        if how_far == RETURNED and code == subdistricts(stage)[0]:
            reason = "写明集合点，并写清雨天安排"
            reviewing.return_entry(actor, rows.pop(), reason, "place", plot.ago(2, "10:40"))
        if how_far in (PASSED, RETURNED, APPROVED):
            reviewing.approve_all(actor, rows, plot.ago(2, "15:00"))
    own = plot.draft(actor, stage.centre(code), plot.known[code][:3], 2)
    if own and code != subdistricts(stage)[1]:
        handing_in.submit_issue(actor, stage.centre(code), stage.following, plot.ago(1, "17:10"))


def _district(plot: Plot) -> None:
    """Second review: three lists are through, a row is returned, a department's plan waits, another is placed."""
    stage = plot.stage
    actor, centre = stage.boss(DISTRICT), stage.centre(DISTRICT)
    for code in communities(stage):
        how_far = STAGES.get(code[-6:], "")
        rows = _waiting(stage, code, DISTRICT)
        if how_far == RETURNED and rows:
            reason = "与上月重复，请更新内容"
            reviewing.return_entry(actor, rows[0], reason, "content", plot.ago(1, "9:50"))
        if how_far == APPROVED:
            reviewing.approve_all(actor, rows, plot.ago(1, "16:30"))
    for entry in plot.draft(actor, centre, plot.known[DISTRICT][1:4], 2):
        reviewing.offer(actor, entry, plot.ago(1, "9:00"))
    for username, code in (("zfb", "ZFB"), ("wtj", "WTJ"), ("qtb", "QTB")):
        made = plot.draft(stage.staff[username], centre, plot.known[code], 3)
        for entry in made if username != "qtb" else []:
            reviewing.offer(stage.staff[username], entry, plot.ago(2, "11:30"))
        if username == "zfb":
            homes = [stage.centre(c) for c in communities(stage)[:2]]
            reviewing.allot(actor, made[0], homes, plot.ago(1, "10:10"))


def _tables(plot: Plot) -> None:
    """葵涌社区's Excel plan is uploaded and not yet confirmed; an older one was given up, 新大's was taken in."""
    stage = plot.stage
    month = stage.following
    name = f"{clock.month_name(month, with_year=True)}服务清单"
    kuichong, data = stage.staff["kuichong"], workbook.plan(month, "葵涌社区", "陈社工 0755-84200004")
    centre = stage.centre("440307009001")
    old = importing.preview_plan(kuichong, centre, month, f"葵涌社区{name}（旧）.xlsx", data, plot.ago(2, "9:00"))
    importing.lay_aside_plan(kuichong, old, plot.ago(2, "9:10"))
    importing.preview_plan(kuichong, centre, month, f"葵涌社区{name}.xlsx", data, plot.ago(1, "10:25"))
    nanlong, home = stage.staff["nanlong"], stage.centre("440307011005")
    data = workbook.plan(month, "南隆社区", "何社工 0755-84200026")
    taken = importing.preview_plan(nanlong, home, month, f"南隆社区{name}.xlsx", data, plot.ago(2, "14:00"))
    rows = rows_of(taken)
    known = [r.values for r in rows if r.ok and not r.values.weekly]
    for row, other in zip((r for r in rows if not r.ok), known, strict=False):
        # Mended in the preview: at its own place, on the day of another row.
        values = replace(row.values, sessions=other.sessions, weekly=None)
        importing.mend_plan_row(nanlong, taken, row.number, values, plot.ago(2, "14:20"))
    importing.take_in_plan(nanlong, taken, [r.number for r in rows], plot.ago(2, "14:30"))


def _odds_and_ends(plot: Plot) -> None:
    """A draft thrown away, a template kept, a returned row that was mended and sent back."""
    stage = plot.stage
    tuyang, centre = stage.staff["tuyang"], stage.centre("440307009005")
    idea = plot.known["*"][20]
    gone, *_ = plot.draft(tuyang, centre, [idea], 2)
    drafting.drop_entry(tuyang, gone, plot.ago(1, "9:30"), "老师请假")
    kept = select(Entry).where(Entry.centre_id == centre.id, Entry.month == stage.month).order_by(Entry.id)
    weekly = next((e for e in db.session.scalars(kept) if e.weekly), None)
    if weekly is not None:
        drafting.save_template(tuyang, weekly, weekly.title, plot.ago(3, "9:00"))
    wangmu, district = stage.staff["wangmu"], stage.staff["dapeng"]
    rows = _waiting(stage, "440307010006", DISTRICT)
    if rows:
        entry = rows[-1]
        reviewing.return_entry(district, entry, "联系电话缺失或有误", "phone", plot.ago(1, "10:00"))
        mended = replace(entry_values.values_of(entry), contact="王母社区值班室")
        drafting.edit_entry(wangmu, entry, mended, plot.ago(1, "14:00"))
        reviewing.resubmit(wangmu, entry, plot.ago(1, "14:05"))
