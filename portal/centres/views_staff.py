"""/staff/centres: the list, a centre's own facts and its poster (SPEC N1, N3)."""

from flask import Blueprint, Response, abort, request, url_for

from portal.centres import actions, documents, facts, posters, profile, queries, rules, staff_list
from portal.centres.forms import CentreForm
from portal.centres.models import Centre
from portal.core import access, clock, incoming, pages, pdf_spool, uploads
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.forms import PhotoForm

bp = Blueprint("centres_staff", __name__, url_prefix="/staff/centres")
PAGE_SIZE = 50


def _own(centre_id: int) -> Centre:
    """A centre of the viewer's own subtree; anybody else's does not exist (Q4)."""
    centre = queries.get(centre_id)
    actor = access.actor()
    # A department is attached to a centre but owns no part of the tree.
    if centre is None or actor.department_id is not None or not queries.is_inside(centre, actor.centre_path):
        abort(404)
    return centre


@bp.get("")
@access.staff(Permission.VIEW)
def list_() -> Response:
    """One's own centre and everything below, with what is still missing; found by words, subdistrict, page."""
    actor = access.actor()
    every = staff_list.listed(actor) if actor.centre_id is not None else []
    q = request.args.get("q", "").strip()[:40]
    below = incoming.whole_number(request.args.get("below"))
    only, page = request.args.get("missing") == "1", pages.page_number()
    chosen = staff_list.found(every, q, below, only)
    return pages.page(
        "centres/staff_list.html",
        rows=chosen[(page - 1) * PAGE_SIZE : page * PAGE_SIZE],
        q=q,
        below=below,
        only=only,
        page=page,
        first=(page - 1) * PAGE_SIZE + 1,
        count=len(chosen),
        more=len(chosen) > page * PAGE_SIZE,
        total=len(every),
        gaps=sum(1 for row in every if row.gaps),
        groups=staff_list.groups(every),
        labels={row.id: row.label for row in every},
        top=min((row.depth for row in every), default=0),
        levels={lv.code: lv.short for lv in profile.current().levels},
        may_import=actions.may_import(actor),
        may_edit=actor.can(Permission.CENTRES),
        may=actor.can,
        visitor=actor.department_id is not None,
    )


def _show(centre: Centre, form: CentreForm, photo: PhotoForm, status: int = 200) -> Response:
    actor, now = access.actor(), clock.now()
    editable = facts.may_edit(actor, centre)
    return pages.page(
        "centres/staff_edit.html" if editable else "centres/staff_show.html", status=status, centre=centre, form=form,
        photo=photo, photos=facts.PHOTOS.of(centre.id), opening=queries.opening(centre.id, now), editable=editable,
        week=rules.week_text(queries.weekly_hours(centre.id)), most=facts.PHOTOS.most, accept=uploads.ACCEPT,
        specials=facts.specials_from(centre.id, clock.today(now)), level=profile.current().level(centre.level),
    )  # fmt: skip


def _filled(centre: Centre) -> CentreForm:
    """The form as the database says, whatever was posted."""
    form = CentreForm(formdata=None)
    specials = facts.specials_from(centre.id, clock.today())
    form.fill(centre, queries.weekly_hours(centre.id), specials, facts.stamp(centre))
    return form


@bp.get("/<int:centre_id>")
@access.staff(Permission.VIEW)
def edit(centre_id: int) -> Response:
    centre = _own(centre_id)
    return _show(centre, _filled(centre), PhotoForm(formdata=None))


@bp.post("/<int:centre_id>")
@access.staff(Permission.CENTRES)
def save(centre_id: int) -> Response:
    centre, form, actor = _own(centre_id), CentreForm(), access.actor()
    if not form.validate():
        return _show(centre, form, PhotoForm(formdata=None), 422)
    try:
        changed = facts.edit(
            actor, centre, form.facts(), form.week, form.specials, clock.now(), seen=form.seen.data or ""
        )
    except DomainError as refusal:
        return _show(centre, form, PhotoForm(formdata=None), pages.refused(refusal, form).status)
    said = "、".join(facts.LABELS[name] for name in changed)
    return pages.said(
        f"已保存：{said}。居民现在就能看到。" if changed else "没有改动。", url_for(".edit", centre_id=centre.id)
    )


@bp.post("/<int:centre_id>/photos")
@access.staff(Permission.CENTRES, files=True)
def add_photo(centre_id: int) -> Response:
    centre, form = _own(centre_id), PhotoForm()
    upload = request.files.get("photo")
    if not form.validate():
        return _show(centre, _filled(centre), form, 422)
    try:
        data = upload.read() if upload is not None else b""
        facts.add_photo(access.actor(), centre, data, form.caption.data or "", clock.now())
    except DomainError as refusal:
        status = pages.refused(refusal, form).status
        return _show(centre, _filled(centre), form, status)
    return pages.said("照片已放上本中心的页面。", url_for(".edit", centre_id=centre.id, _anchor="photos"))


@bp.post("/<int:centre_id>/photos/<int:photo_id>/remove")
@access.staff(Permission.CENTRES)
def remove_photo(centre_id: int, photo_id: int) -> Response:
    centre = _own(centre_id)
    photo = facts.PHOTOS.find(centre.id, photo_id) or abort(404)
    facts.remove_photo(access.actor(), centre, photo, clock.now())
    return pages.said("照片已删除。", url_for(".edit", centre_id=centre.id, _anchor="photos"))


@bp.get("/<int:centre_id>/poster.pdf")
@access.staff(Permission.VIEW)
def poster(centre_id: int) -> Response:
    """The centre's QR poster for its door and notice board (A4)."""
    centre = _own(centre_id)
    job = documents.centre_poster(posters.posters([centre], clock.today())[0])
    return pdf_spool.answer(job, f"{centre.label}海报.pdf")
