"""Who has handed in a month's list, who has not, and 催一下 for one or many (SPEC C5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, flash, request, url_for
from werkzeug.wrappers import Response

from portal.catalogue import cutoffs, month_rules
from portal.catalogue.actions import urging
from portal.catalogue.actions.guides import centre_inside
from portal.catalogue.models import Issue
from portal.catalogue.staff import choices, queries
from portal.catalogue.staff.month_views import asked_month, bp, number, own_centre
from portal.centres import picking, profile
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import access, clock, pages
from portal.core.access import Actor, Permission
from portal.core.errors import DomainError
from portal.core.incoming import record_id
from portal.core.text import fold

PAGE_SIZE = 50
MISSING, LATE, IN_TIME, OPEN = "missing", "late", "in_time", "open"
TABS = (("", "全部"), (MISSING, "没交"), (LATE, "迟交"), (IN_TIME, "按时交"), (OPEN, "还不用交"))


@dataclass(frozen=True)
class Line:
    """A centre that files a list. state: of TABS; may_urge: by this viewer, today."""

    centre: Centre
    issue: Issue | None
    late: queries.Late | None
    state: str
    unbound: bool  # it was not here yet when the time was over
    may_urge: bool
    urged: Any


@dataclass(frozen=True)
class Shown:
    """What is looked for: a tab, words of a centre's name, code or number, a centre with all below it."""

    month: str
    centre: Centre
    state: str = ""
    q: str = ""

    @classmethod
    def asked(cls, actor: Actor, now: datetime) -> "Shown":
        state = request.values.get("state", "")
        return cls(
            asked_month(now), centre_inside(actor, number("centre")) or own_centre(actor),
            state if state in dict(TABS) else "", request.values.get("q", "").strip()[:40],
        )  # fmt: skip

    def args(self, **changes: Any) -> dict[str, Any]:
        """Query arguments of this list, without the empty ones."""
        named = {"month": self.month, "centre": self.centre.id, "state": self.state, "q": self.q} | changes
        return {name: value for name, value in named.items() if value}

    def has(self, centre: Centre) -> bool:
        said = fold(f"{centre.name} {centre.short_name} {centre.code} {centre.phone}")
        return all(word in said for word in fold(self.q).split())


def _lines(actor: Actor, shown: Shown, now: datetime) -> list[Line]:
    """Every centre of the tree that files a list, whatever words or tab: the late ones first."""
    path, dates = shown.centre.path, cutoffs.of(shown.month)
    overdue = {line.centre.id: line for line in queries.late(shown.month, now, path)}
    issues, urges = queries.issues(shown.month, path), urging.urges(shown.month)
    found = []
    for centre in choices.filing_centres(path):
        issue, late, last = issues.get(centre.id), overdue.get(centre.id), urges.get(centre.id)
        handed = issue is not None and issue.submitted_at is not None
        state = (LATE if handed else MISSING) if late is not None else IN_TIME if handed else OPEN
        asks = state == MISSING and urging.may_urge_below(actor, centre)
        may = asks and month_rules.may_urge(last.at if last is not None else None, now)
        cutoff = dates.get(centre.level)
        unbound = cutoff is not None and not month_rules.counts(cutoff, centre.created_at)
        found.append(Line(centre, issue, late, state, unbound, may, last))
    order = [MISSING, LATE, OPEN, IN_TIME]
    return sorted(found, key=lambda line: order.index(line.state))


@bp.get("/staff/catalogue/late")
@access.staff(Permission.VIEW)
def late() -> Response:
    """Which centre has handed in, which has not, since when, and its phone number."""
    actor, now = access.actor(), clock.now()
    shown = Shown.asked(actor, now)
    every = _lines(actor, shown, now)
    named = [line for line in every if shown.has(line.centre)]
    found = [line for line in named if shown.state in ("", line.state)]
    last = max(1, -(-len(found) // PAGE_SIZE))
    page = min(pages.page_number(), last)
    dates = cutoffs.of(shown.month)
    filing = [dates[lv.code] for lv in profile.current().levels if lv.files_list and lv.code in dates]
    return pages.page(
        "catalogue/staff/late.html", rows=found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], shown=shown,
        tabs=_tabs(shown, _count(named)), month=shown.month, centre=shown.centre, now=now,
        count=_count(every), page=page, pages=last, found=len(found),
        cutoff=next(iter(filing), None), may_set=cutoffs.may_set(actor), urgeable=sum(line.may_urge for line in found),
        groups=picking.above_others(centres.choices(actor.centre_path)),
        whole=shown.centre.id == actor.centre_id and not shown.q,
    )  # fmt: skip


def _count(lines: Sequence[Line]) -> dict[str, int]:
    return {code: sum(line.state == code or not code for line in lines) for code, _ in TABS}


def _tabs(shown: Shown, count: dict[str, int]) -> list[tuple[str, str, bool, int]]:
    return [
        (label, url_for(".late", **shown.args(state=code)), code == shown.state, count[code])
        for code, label in TABS if count[code] or code in ("", shown.state)
    ]  # fmt: skip


@bp.post("/staff/catalogue/late/<int:centre_id>/urge")
@access.staff(Permission.REVIEW)
def urge(centre_id: int) -> Response:
    """催一下: one late centre, once a day."""
    actor, now = access.actor(), clock.now()
    centre, shown = centre_inside(actor, centre_id) or abort(404), Shown.asked(actor, now)
    here = url_for(".late", **_kept(shown))
    try:
        urging.urge(actor, centre, shown.month, now)
    except DomainError as refusal:
        return pages.sorry(refusal, here)
    return pages.said(f"已经催了{centre.label}，消息发给了那里的人。", here)


@bp.post("/staff/catalogue/late/urge")
@access.staff(Permission.REVIEW)
def urge_many() -> Response:
    """催一下 for the ticked ones, or for all that are looked for and have not handed in."""
    actor, now = access.actor(), clock.now()
    shown = Shown.asked(actor, now)
    here = url_for(".late", **_kept(shown))
    if request.form.get("all"):
        asked = [line.centre for line in _lines(actor, shown, now) if line.may_urge and shown.has(line.centre)]
    else:
        ticked = set(request.form.getlist("row", type=record_id))
        asked = [centre for centre in choices.filing_centres(actor.centre_path) if centre.id in ticked]
    if not asked:
        flash("没有可以催的：请先勾选没交清单的阵地，一天催一次。", "gold")
        return pages.see_other(here)
    left = urging.urge_many(actor, asked, shown.month, now)
    told = len(asked) - len(left)
    if told:
        flash(f"已经催了 {told} 个阵地，消息发给了那里的人。", "green")
    if left:
        flash(f"{len(left)} 个没有催：{_reasons(left)}", "gold")
    return pages.see_other(here)


def _kept(shown: Shown) -> dict[str, Any]:
    """The list as it was looked at, and its page."""
    return shown.args(page=pages.page_number() if pages.page_number() > 1 else None)


def _reasons(left: Sequence[tuple[Centre, DomainError]], most: int = 5) -> str:
    said = "".join(f"{centre.label}：{why.message}" for centre, why in left[:most])
    return said if len(left) <= most else f"{said}等。"
