"""Following, liking, and one's dates in a phone's calendar (SPEC C9, issue 11). All of it works without a script."""

from datetime import datetime

from flask import Response, abort, request, url_for

from portal.catalogue.actions import following as actions
from portal.catalogue.public import following, month_snapshot
from portal.catalogue.public.views import bp
from portal.core import access, clock, ical, pages
from portal.core.limits import limiter

SHOWN = 12  # cards of what is to come on the page of what is followed


@bp.get("/me/follows")
@access.resident
def follows() -> Response:
    """What I follow, what is to come of it, and the address of my calendar."""
    me, now = access.signed_in(), clock.now()
    followed = following.of(me.id)
    rows = following.coming(followed, now)
    everything = month_snapshot.Filters()
    cards = [
        month_snapshot.card(row, span, now, True) for row in rows[:SHOWN] if (span := row.session_for(everything, now))
    ]
    path = following.address(me.id)
    return pages.page(
        "catalogue/public/follows.html", followed=followed, cards=cards, total=len(rows),
        address=pages.absolute(path) if path else "", path=path,
    )  # fmt: skip


@bp.post("/me/follows")
@access.resident
def follow() -> Response:
    """Follow a centre or a category, or no longer."""
    me, on, code = access.signed_in(), request.form.get("on") == "1", request.form.get("code", "")[:32]
    act = actions.follow_category if request.form.get("what") == "category" else actions.follow_centre
    name = act(me.id, code, on, clock.now())
    said = f"关注了“{name}”，有新活动会告诉您。" if on else f"不再关注“{name}”。"
    return pages.said(said, _next())


@bp.post("/services/<int:entry_id>/like")
@access.resident
def like(entry_id: int) -> Response:
    """Like an activity, or take it back."""
    on = request.form.get("on") == "1"
    actions.like(access.signed_in().id, entry_id, on, clock.now())
    return pages.said("谢谢您的赞。" if on else "赞收回了。", _next())


def _next() -> str:
    return access.safe_next(request.form.get("next"), url_for("catalogue.follows"))


@bp.post("/me/calendar")
@access.resident
def own_address() -> Response:
    """Make the address of my calendar, make another one, or end it."""
    me = access.signed_in()
    if request.form.get("do") == "end":
        actions.end_address(me.id)
        return pages.said("日历地址停用了，手机里的不会再更新。", url_for("catalogue.follows"))
    actions.new_address(me.id, clock.now())
    return pages.said("日历地址做好了，请不要发给别人。", url_for("catalogue.follows"))


@bp.get("/calendar/mine/<key>.ics")
@access.public
@limiter.limit("60 per minute")
def own_calendar(key: str) -> Response:
    """What somebody follows and has, for whoever knows the address: a calendar program signs in nowhere."""
    resident_id = following.whose(key)
    if resident_id is None:
        abort(404)
    return ical.answer(following.calendar(resident_id, clock.now()), private=True)


@bp.get("/services/<int:entry_id>.ics")
@access.public
def service_calendar(entry_id: int) -> Response:
    """One activity's dates to be saved in a phone."""
    now = clock.now()
    row = month_snapshot.one(entry_id) or abort(404)
    made = clock.at(clock.today(now), datetime.min.time())
    dated = [*following.dated([row], made), *(one for one in following.dropped_of(entry_id) if one.end > made)]
    return ical.answer(ical.book(row.title, dated, made), f"service-{row.id}.ics")
