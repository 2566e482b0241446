"""Staff on rooms: the plan of a day and a week, what is needed today, booking for a caller (SPEC V2, V6)."""

from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, abort, flash, request, url_for
from werkzeug.wrappers import Response

from portal.core import access, clock, pages, registry
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.venues import room_queries
from portal.venues.actions import approval
from portal.venues.errors import SlotTaken
from portal.venues.rules import Span, eligibility, timeline
from portal.venues.staff import booking_queries, forms, plan_queries
from portal.venues.staff.plan_queries import House
from portal.venues.states import TONES

bp = Blueprint("venues_staff", __name__, url_prefix="/staff/venues")

registry.nav("venues", "场地", "room", "venues_staff.plan", Permission.VIEW, 35)
registry.audit_word(**{
    "booking": "场地预约", "booking_series": "固定使用", "venue_closure": "场地停用", "venue_note": "场地备注",
    "booking.add": "登记预约", "booking.approve": "批准预约", "booking.refuse": "不批准预约",
    "booking.hand_up": "移交上级审批", "booking.prefer": "改给候补的", "booking.cancel": "取消预约",
    "booking.move": "改预约时间或场地", "booking.accept": "替本人确认", "booking.decline": "替本人放弃",
    "booking.withdraw": "替本人退订", "booking.check_in": "登记到场", "booking.series": "排固定使用",
    "booking.end_series": "结束固定使用", "venue.close": "停用场地", "venue.lift": "恢复场地",
    "venue.note": "记场地备注", "venue.solve_note": "处理场地备注", "from": "开始", "to": "结束",
})  # fmt: skip

TWO_YEARS = timedelta(days=730)


# What the pages of this blueprint share -------------------------------------------------------------------------------


def came_from(fallback: str) -> str:
    """Where the form says it stands, if that is inside."""
    return access.safe_next(request.form.get("next"), fallback)


def chosen_house(houses: list[House]) -> House | None:
    """The centre of ?centre=, else one's own if it has rooms. 404 for one that is not below."""
    code = request.args.get("centre", "")
    if code:
        return next((h for h in houses if h.code == code), None) or abort(404)
    own = access.signed_in().centre_id
    return next((h for h in houses if h.id == own), None)


def may_write() -> bool:
    """Whether buttons are shown; the views themselves ask again."""
    actor = access.actor()
    return actor.can(Permission.VENUES) and actor.department_id is None


def room_choices() -> list[tuple[int, str, str]]:
    return plan_queries.room_choices(access.signed_in().centre_path)


# The plan -------------------------------------------------------------------------------------------------------------


@bp.get("", endpoint="plan")
@access.staff(Permission.VIEW)
def show_plan() -> Response:
    """Rooms × hours of one centre on a day, or rooms × days of a week, and what the people on duty need to know."""
    now = clock.now()
    today = clock.today(now)
    houses = plan_queries.houses(access.signed_in().centre_path)
    house = chosen_house(houses)
    weekly = bool(request.args.get("week"))
    day = forms.typed_day(request.args.get("week") if weekly else request.args.get("day"), today)
    if weekly and request.args.get("week") == "1":
        day = forms.typed_day(request.args.get("day"), today)
    shared: dict[str, Any] = {
        "houses": houses, "house": house, "day": day, "today": today, "now": now, "may": may_write(),
        "early": eligibility.EARLY, "monday": day - timedelta(days=day.weekday()),
        "weekly": weekly, "one_day": timedelta(days=1),
    }  # fmt: skip
    if house is None:
        return pages.page("venues/staff/plan.html", rooms=[], **shared)
    rooms = room_queries.of_centre(house.id)
    if weekly:
        return pages.page(
            "venues/staff/plan.html", rooms=rooms, week=plan_queries.week_plan(rooms, shared["monday"]), **shared
        )
    plan = plan_queries.day_plan(rooms, day, now)
    notes = [note for row in plan.rows for note in row.notes]
    coming = [b for b in plan.bookings if b.ends_at > now or day != today]
    return pages.page(
        "venues/staff/plan.html", rooms=rooms, plan=plan, notes=notes, coming=coming,
        step=timedelta(minutes=timeline.STEP), over=len(plan.bookings) - len(coming),
        names={r.id: r.name for r in rooms}, **shared,
    )  # fmt: skip


# Booking for somebody -------------------------------------------------------------------------------------------------


def _form() -> forms.BookForm:
    form = forms.BookForm()
    form.venue_id.offer(room_choices())
    return form


@bp.get("/book")
@access.staff(Permission.VENUES)
def book() -> Response:
    """An empty form, with the room and the time that were pressed in the plan."""
    form = _form()
    form.venue_id.data = whole_number(request.args.get("venue")) or 0
    start = forms.typed_moment(request.args.get("start"))
    if start is not None:
        form.put(Span(start, start + timedelta(hours=1)))
    else:
        form.day.data = forms.typed_day(request.args.get("day"), clock.today())
    form.people.data = 1
    return _book_page(form)


def _book_page(
    form: forms.BookForm, status: int = 0, instead: Any = None, error: DomainError | None = None
) -> Response:
    room = room_queries.get(form.venue_id.data) if form.venue_id.data else None
    free = None
    if room is not None and isinstance(form.day.data, date) and abs(form.day.data - clock.today()) <= TWO_YEARS:
        free = booking_queries.free_on(room, form.day.data, clock.now())
    return pages.page(
        "venues/staff/book.html", status=status, form=form, room=room, free=free, instead=instead, error=error,
        typed=[(k, v) for k, v in request.form.items() if k not in {"csrf_token", "venue_id", "day", "start", "end"}],
    )  # fmt: skip


@bp.post("/book", endpoint="book_for")
@access.staff(Permission.VENUES)
def book_for() -> Response:
    """Somebody phones or walks in, or the house needs a room itself; approved at once."""
    form, now = _form(), clock.now()
    if not form.validate():
        return _book_page(form, 422)
    inside = form.who.data == forms.INSIDE
    wish = form.wish()
    try:
        row = approval.book_for(
            access.actor(), wish, "" if inside else form.phone.data or "", form.name.data or "", now,
            "" if inside else form.relative.data or "",
        )  # fmt: skip
    except SlotTaken as taken:
        error = pages.refused(taken)
        return _book_page(form, instead=instead_of(wish.venue_id, wish.span, wish.people, now), error=error)
    except DomainError as error:
        return _book_page(form, pages.refused(error, form).status)
    flash(f"已订上：{row.venue.name} {clock.span(row.starts_at, row.ends_at)}。", "ok")
    return pages.see_other(url_for(".booking", booking_id=row.id))


def instead_of(
    venue_id: int, span: Span, people: int, now: datetime, but: tuple[int, ...] = ()
) -> booking_queries.Elsewhere | None:
    """Other times and rooms for a time that is taken."""
    room = room_queries.get(venue_id)
    return booking_queries.elsewhere(room, span, people, now, but) if room is not None else None


def wall_span(span: Span) -> dict[str, str]:
    """A span as the fields day, start, end of a form; an end at midnight is 24:00."""
    start, end = clock.local(span.start), clock.local(span.end)
    midnight = end.date() > start.date() and not (end.hour or end.minute)
    return {"day": start.date().isoformat(), "start": f"{start:%H:%M}", "end": "24:00" if midnight else f"{end:%H:%M}"}


@bp.context_processor
def helpers() -> dict[str, Any]:
    """What the templates of this blueprint say in one way."""
    return {
        "phone_of": plan_queries.phone,
        "wall_span": wall_span,
        "who": plan_queries.who,
        "label_of": plan_queries.label,
        "closure_words": booking_queries.closure_words,
        "tones": TONES,
    }
