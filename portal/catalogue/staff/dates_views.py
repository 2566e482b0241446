"""The dates of a month, on a page: until when each level does its part (SPEC C5)."""

from collections.abc import Sequence
from datetime import datetime

from flask import abort, request, url_for
from werkzeug.wrappers import Response

from portal.catalogue import cutoffs
from portal.catalogue.month_rules import REMIND_DAYS, Part, span
from portal.catalogue.staff.month_views import bp
from portal.core import access, clock, pages
from portal.core.access import Permission

TYPED = "%Y-%m-%dT%H:%M"


@bp.route("/staff/catalogue/dates", methods=["GET", "POST"])
@access.staff(Permission.VIEW)
def dates() -> Response:
    """Seen by all, set at the top; next month's unless another one is asked for."""
    actor, now = access.actor(), clock.now()
    asked = request.values.get("month", "")
    month = asked if clock.is_month(asked) else clock.add_months(clock.month_of(now), 1)
    parts = cutoffs.parts(month)
    if request.method == "POST" and not cutoffs.may_set(actor):
        abort(403)
    if request.method != "POST":
        return _page(month, parts, {code: _typed(at) for code, at in cutoffs.of(month).items()})
    typed = {part.code: request.form.get(part.code, "").strip() for part in parts}
    read = {part.code: _read(typed[part.code], part.usual) for part in parts}
    problems = {code: "请按 2026-12-22 18:00 的样子填写。" for code, at in read.items() if at is None}
    if not problems:
        try:
            changed = cutoffs.set_dates(actor, month, {code: at for code, at in read.items() if at is not None}, now)
        except cutoffs.DatesRefused as refusal:
            pages.refused(refusal)
            problems = dict(refusal.problems)
        else:
            said = (
                f"已保存：{'，'.join(changed)}。提醒和迟交名单都按新日期，要做的人会收到消息。"
                if changed
                else "日期没有改动。"
            )
            return pages.said(said, url_for(".dates", month=month))
    return _page(month, parts, typed, problems)


def _read(typed: str, usual: datetime) -> datetime | None:
    """A moment on Shanghai's clock; the usual one for an empty field; None when it is none."""
    if not typed:
        return usual
    for form in (TYPED, "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"):
        try:
            return datetime.strptime(typed, form).replace(tzinfo=clock.SHANGHAI)
        except ValueError:
            continue
    return None


def _typed(at: datetime) -> str:
    return clock.local(at).strftime(TYPED)


def _page(month: str, parts: Sequence[Part], typed: dict[str, str], problems: dict[str, str] | None = None) -> Response:
    first, last = span(month)
    here = clock.month_of(clock.now())
    return pages.page(
        "catalogue/staff/dates.html", status=422 if problems else 200, month=month, steps=parts, typed=typed,
        problems=problems or {}, may_set=cutoffs.may_set(access.actor()), remind=REMIND_DAYS, last=last,
        dates=cutoffs.of(month), least=_typed(first), most=_typed(last),
        months=sorted({month, *(clock.add_months(here, n) for n in range(4))}),
    )  # fmt: skip
