"""/staff/venues/rooms: what rooms there are and what they ask of those who book them (SPEC V1)."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, abort, flash, request, url_for

from portal.centres import picking, profile
from portal.centres import queries as centres
from portal.centres import rules as centre_rules
from portal.centres.models import Centre
from portal.core import access, clock, incoming, pages, uploads
from portal.core.access import Permission
from portal.core.errors import DomainError, Stale
from portal.core.forms import PhotoForm
from portal.venues import room_queries, rules
from portal.venues.actions import import_csv
from portal.venues.actions import rooms as room_actions
from portal.venues.actions.rooms import RoomFacts, Week
from portal.venues.models import Venue
from portal.venues.room_queries import STATES
from portal.venues.staff.room_forms import GROUPS, CaptionForm, CopyForm, RoomForm, minutes_text

bp = Blueprint("venues_rooms", __name__, url_prefix="/staff/venues/rooms")
LIMITS = (("周", "hours_per_week"), ("月", "bookings_per_month"))


def _room(venue_id: int) -> Venue:
    """A room of the viewer's own subtree; anybody else's does not exist (Q4)."""
    venue = room_queries.get(venue_id)
    if venue is None or not room_actions.may_manage(access.actor(), venue.centre):
        abort(404)
    return venue


def _homes() -> list[centres.Choice]:
    """Centres of the viewer's subtree in which rooms may be opened; a department owns none."""
    actor = access.actor()
    if actor.department_id is not None:
        return []
    return centres.choices(actor.centre_path)


def _home(homes: list[centres.Choice]) -> Centre:
    """The centre a new room belongs to: the one asked for, else the viewer's own."""
    wanted = incoming.whole_number(request.values.get("centre", ""))
    chosen = next((c.id for c in homes if c.id == (wanted or access.actor().centre_id)), None)
    return (centres.get(chosen) if chosen is not None else None) or abort(404)


def _filter() -> room_queries.RoomFilter:
    args = request.args
    state = args.get("state", "")
    return room_queries.RoomFilter(
        centre_id=incoming.whole_number(args.get("centre", "")), kind=args.get("kind", "")[:20],
        state=state if state in STATES else "", q=args.get("q", "").strip()[:40],
        page=incoming.whole_number(args.get("page", "")) or 1,
    )  # fmt: skip


@bp.get("")
@access.staff(Permission.VENUES)
def list_() -> Response:
    """The rooms of one's own subtree, forty a page."""
    actor, wanted, homes = access.actor(), _filter(), _homes()
    path = actor.centre_path if homes else "-"
    found = room_queries.rooms(path, wanted, clock.now())
    rooms, of_centres = room_queries.totals(path)
    return pages.page(
        "venues/staff/rooms.html", found=found, wanted=wanted, homes=homes,
        home_groups=picking.of(homes), kinds=profile.current().venues.kinds,
        tabs=[(text, pages.with_args(state=key), wanted.state == key) for key, text in STATES.items()],
        rooms=rooms, of_centres=of_centres, may_add=bool(homes),
        lengths=_lengths,
    )  # fmt: skip


def _lengths(venue: Venue) -> str:
    """The rules of a room in one line."""
    said = [f"{minutes_text(venue.shortest)}–{minutes_text(venue.longest)}", f"提前 {venue.ahead_days} 天内"]
    said += [f"留空 {venue.buffer} 分钟"] if venue.buffer else []
    said += [f"{rules.release_text(venue.release)}未到释放"] if venue.release else []
    return " · ".join(said)


@bp.context_processor
def helpers() -> dict[str, Any]:
    return {"room_summary": _summary}


def _summary(group: str, form: RoomForm, opening: str) -> str:
    """What a folded group says without being opened."""

    def said(name: str) -> str:
        return {str(c.value): str(c.label) for c in form[name].choices}.get(str(form[name].data), "")

    if group == "功能和设备":
        found = [*(form.functions.data or ()), *(form.equipment.data or ())]
        return "、".join(found[:6]) + (" 等" if len(found) > 6 else "") or "还没有选"
    if group == "介绍和使用须知":
        lines = len((form.terms_of_use.data or "").split("\n")) if form.terms_of_use.data else 0
        return f"须知 {lines} 条" if lines else "还没有写"
    if group == "开放时间":
        return "这个场地另定" if form.own_hours.data == "yes" else f"按中心：{opening}" if opening else "按中心开放时间"
    if group == "预约规则":
        return f"{said('who_may')}；{said('shortest')}到 {said('longest')}，提前 {said('ahead_days')}内"
    if group == "限额、退订和候补":
        limits = [f"每人每{unit} {said(name)}" for unit, name in LIMITS if form[name].data]
        return f"{'、'.join(limits) or '不限次数'}；{said('cancel')}可退订"
    if group == "联系人和地址":
        return form.phone.data or form.link.data or "用中心的电话和地址"
    return "已写" if form.staff_notes.data else ""


# One room -------------------------------------------------------------------------------------------------------------


def _hint(centre: Centre) -> Week:
    """The centre's own hours as a week: what a room's own hours begin from."""
    weekly = centres.weekly_hours(centre.id)
    return {day: [(h.opens, h.closes) for h in hours] for day, hours in weekly.items()}


def _show(
    venue: Venue | None, centre: Centre, form: RoomForm, status: int = 200, *, photo: PhotoForm | None = None,
    differences: list[tuple[str, Any, Any]] | None = None,
) -> Response:  # fmt: skip
    coming = room_queries.still_to_come(venue.id, clock.now()) if venue is not None else (0, [])
    opening = centre_rules.week_text(centres.weekly_hours(centre.id))
    return pages.page(
        "venues/staff/room.html", status=status, venue=venue, centre=centre, form=form, groups=GROUPS,
        photo=photo or PhotoForm(formdata=None), accept=uploads.ACCEPT, most=room_actions.PHOTOS.most, coming=coming[0],
        bookings=coming[1], opening="；".join(f"{days} {text}" for days, text in opening), differences=differences,
        home_groups=picking.of(_homes()) if venue is None else [], usual=_usual(centre, form) if venue is None else [],
        like=request.values.get("like", "") if venue is None else "",
    )  # fmt: skip


def _usual(centre: Centre, form: RoomForm) -> list[tuple[str, str, bool]]:
    """Chips: begin with one of the rooms that centres usually have."""
    names = import_csv.usual_rooms()
    return [(name, url_for(".new", centre=centre.id, type=name), form.name.data == name) for name in names]


def _stored(venue: Venue, **kwargs: Any) -> RoomForm:
    form = RoomForm(room_actions.facts_of(venue), room_actions.week_of(venue), _hint(venue.centre), **kwargs)
    if kwargs:
        form.seen.data = str(venue.revision)
    return form


def _start() -> tuple[RoomFacts, Week | None]:
    """What a new room begins with: a usual kind of room, another room's facts, or nothing but defaults."""
    like = incoming.whole_number(request.values.get("like", ""))
    if like:
        venue = _room(like)
        facts = replace(room_actions.facts_of(venue), name="", place="", position=0)
        return facts, room_actions.week_of(venue)
    usual = import_csv.usual_rooms()
    return usual.get(request.values.get("type", ""), RoomFacts("")), None


@bp.route("/new", methods=["GET", "POST"])
@access.staff(Permission.VENUES)
def new() -> Response:
    """A new room; a name and a number of people are enough."""
    centre = _home(_homes())
    facts, week = _start()
    if request.method == "GET":
        return _show(None, centre, RoomForm(facts, week, _hint(centre), formdata=None))
    form = RoomForm(facts, week, _hint(centre))
    if not form.validate():
        return _show(None, centre, form, 422)
    try:
        venue = room_actions.add_room(access.actor(), centre, form.facts(), form.hours(), clock.now())
    except DomainError as refusal:
        return _show(None, centre, form, pages.refused(refusal, form).status)
    return pages.said(f"“{venue.name}”已建好，居民现在就能看到。", url_for(".edit", venue_id=venue.id))


@bp.get("/<int:venue_id>")
@access.staff(Permission.VENUES)
def edit(venue_id: int) -> Response:
    venue = _room(venue_id)
    return _show(venue, venue.centre, _stored(venue, formdata=None))


@bp.post("/<int:venue_id>")
@access.staff(Permission.VENUES)
def save(venue_id: int) -> Response:
    venue = _room(venue_id)
    form = _stored(venue)
    if not form.validate():
        return _show(venue, venue.centre, form, 422)
    seen = incoming.whole_number(form.seen.data or "") or 0
    try:
        changed = room_actions.edit_room(access.actor(), venue.id, form.facts(), form.hours(), clock.now(), seen=seen)
    except DomainError as refusal:
        return _refused(venue, form, refusal)
    return pages.said(_saved(venue, changed), url_for(".edit", venue_id=venue.id))


def _refused(venue: Venue, form: RoomForm, refusal: DomainError) -> Response:
    """What was typed stays. After somebody else's change it is shown beside theirs, and saving again is deliberate."""
    if not isinstance(refusal, Stale):
        return _show(venue, venue.centre, form, pages.refused(refusal, form).status)
    pages.refused(refusal)
    form.seen.data = str(venue.revision)
    theirs = room_actions.differences(venue, form.facts(), form.hours())
    return _show(venue, venue.centre, form, refusal.status, differences=theirs)


def _saved(venue: Venue, changed: list[str]) -> str:
    if not changed:
        return "没有改动。"
    said = f"已保存：{'、'.join(room_actions.LABELS[name] for name in changed)}。"
    rules = {"hours", *room_actions.PARTS["rules"], "capacity"}
    coming = room_queries.still_to_come(venue.id, clock.now())[0] if rules & set(changed) else 0
    return said + (f"已经订了的 {coming} 次照旧，不受影响。" if coming else "")


def _impossible(error: DomainError, venue_id: int) -> Response:
    venue = _room(venue_id)
    form = _stored(venue, formdata=None)
    form.refuse(error)
    return _show(venue, venue.centre, form, error.status)


def _done(said: str, venue_id: int) -> Response:
    return pages.said(said, url_for(".edit", venue_id=venue_id))


@bp.post("/<int:venue_id>/retire")
@access.staff(Permission.VENUES)
@pages.act(_impossible, _done)
def retire(venue_id: int) -> str:
    venue = room_actions.retire_room(access.actor(), _room(venue_id).id, clock.now())
    return f"“{venue.name}”已撤下，居民看不到了；过去的预约都留着。"


@bp.post("/<int:venue_id>/restore")
@access.staff(Permission.VENUES)
@pages.act(_impossible, _done)
def restore(venue_id: int) -> str:
    venue = room_actions.restore_room(access.actor(), _room(venue_id).id, clock.now())
    return f"“{venue.name}”恢复使用，居民又能看到了。"


# Photos ---------------------------------------------------------------------------------------------------------------


def _at_photos(said: str, venue_id: int, tone: str = "green") -> Response:
    flash(said, tone)
    return pages.see_other(url_for(".edit", venue_id=venue_id, _anchor="photos"))


@bp.post("/<int:venue_id>/photos")
@access.staff(Permission.VENUES, files=True)
def add_photo(venue_id: int) -> Response:
    venue, form = _room(venue_id), PhotoForm()
    upload = request.files.get("photo")
    if not form.validate():
        return _show(venue, venue.centre, _stored(venue, formdata=None), 422, photo=form)
    try:
        data = upload.read() if upload is not None else b""
        room_actions.add_photo(access.actor(), venue.id, data, form.caption.data or "", clock.now())
    except DomainError as refusal:
        status = pages.refused(refusal, form).status
        return _show(venue, venue.centre, _stored(venue, formdata=None), status, photo=form)
    return _at_photos("照片已放上场地的页面。", venue_id)


def _picture(venue_id: int, picture_id: int) -> int:
    if picture_id not in {p.id for p in _room(venue_id).photos}:
        abort(404)
    return picture_id


@bp.post("/<int:venue_id>/photos/<int:picture_id>")
@access.staff(Permission.VENUES)
def edit_photo(venue_id: int, picture_id: int) -> Response:
    form, photo_id = CaptionForm(), _picture(venue_id, picture_id)
    if not form.validate():
        wrong = "；".join(str(e) for found in form.errors.values() for e in found)
        return _at_photos(f"照片说明没有保存：{wrong}", venue_id, "red")
    caption, first = form.caption.data or "", bool(form.first.data)
    room_actions.edit_photo(access.actor(), venue_id, photo_id, caption, first, clock.now())
    return _at_photos("照片说明已保存。", venue_id)


@bp.post("/<int:venue_id>/photos/<int:picture_id>/remove")
@access.staff(Permission.VENUES)
def remove_photo(venue_id: int, picture_id: int) -> Response:
    room_actions.remove_photo(access.actor(), venue_id, _picture(venue_id, picture_id), clock.now())
    return _at_photos("照片已删除。", venue_id)


# The same rules elsewhere ---------------------------------------------------------------------------------------------


@bp.route("/<int:venue_id>/copy", methods=["GET", "POST"])
@access.staff(Permission.VENUES)
def copy(venue_id: int) -> Response:
    """Give other rooms the rules of this one: what is the same is typed once."""
    venue = _room(venue_id)
    if not venue.bookable:
        abort(404)
    others = room_queries.others(venue, access.actor().centre_path)
    form = CopyForm(formdata=None) if request.method == "GET" else CopyForm()
    own = [v for v in others if v.centre_id == venue.centre_id]
    others = [v for v in others if v.centre_id != venue.centre_id]
    form.offer(own, others)
    if request.method == "GET":
        return _copy_page(venue, own, others, form)
    if not form.validate():
        return _copy_page(venue, own, others, form, 422)
    try:
        changed = room_actions.copy_rules(access.actor(), venue.id, form.chosen(), form.parts.data or (), clock.now())
    except DomainError as refusal:
        return _copy_page(venue, own, others, form, pages.refused(refusal, form).status)
    return pages.said(f"已把“{venue.name}”的规则套用到 {len(changed)} 个场地；已经订了的照旧。", url_for(".list_"))


MOST_OTHERS = 60  # rooms of other centres that are listed at once


def _copy_page(venue: Venue, own: list[Venue], others: list[Venue], form: CopyForm, status: int = 200) -> Response:
    week = room_actions.week_words(room_actions.week_of(venue))
    own_path = access.actor().centre_path
    homes = {v.centre.path: (v.centre.path, str(v.centre_id), v.centre.label) for v in others}
    where = centres.get(incoming.whole_number(request.values.get("centre", "")))
    at = where.path if where is not None and len(others) > MOST_OTHERS else ""
    shown = [v for v in others if v.centre.path.startswith(at)][:MOST_OTHERS]
    return pages.page(
        "venues/staff/room_copy.html", status=status, venue=venue, own=own, others=shown, form=form, every=len(others),
        homes=picking.below(own_path, homes.values()) if len(others) > MOST_OTHERS else [], where=where if at else None,
        week=week, lengths=_lengths, chosen=set(form.to.data or ()) | set(form.more.data or ()),
    )  # fmt: skip
