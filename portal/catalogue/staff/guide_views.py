"""/staff/guides: life guide and policy advice, kept up to date (SPEC C3)."""

from flask import abort, request, url_for
from werkzeug.wrappers import Response

from portal.catalogue.actions import guides as guide_actions
from portal.catalogue.actions.guides import may_keep_guide
from portal.catalogue.models import Guide
from portal.catalogue.public import queries
from portal.catalogue.staff import choices, coverage, forms
from portal.catalogue.staff.month_views import bp, own_centre
from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.db import db
from portal.core.errors import DomainError


@bp.get("/staff/guides")
@access.staff(Permission.VIEW)
def guides() -> Response:
    """All guides by category, with what is missing first."""
    actor, now = access.actor(), clock.now()
    category, q = request.args.get("category", "")[:32], request.args.get("q", "").strip()[:40]
    found = choices.guide_rows(actor, category, q)
    offer = coverage.coverage(choices.default_month(now), own_centre(actor).path, by_centre=False)
    groups: dict[str, list[Guide]] = {}
    for guide in found:
        groups.setdefault(guide.category.name, []).append(guide)
    tops = queries.guide_tops()
    chips = [("全部", url_for(".guides", q=q or None), not category)]
    chips += [(c.name, url_for(".guides", category=c.code, q=q or None), c.code == category) for c in tops]
    return pages.page(
        "catalogue/staff/guides.html", groups=list(groups.items()), offer=offer, chips=chips, q=q, category=category,
        keeps=guide_actions.kept_by(actor, found), total=len(found),
        hidden=sum(1 for g in found if not g.active), may_add=may_keep_guide(actor, None),
        missing=[(c.category.name, c.missing) for c in offer.categories if c.category.kind == "guide" and c.missing],
    )  # fmt: skip


def _form(guide: Guide | None = None) -> forms.GuideForm:
    form = forms.GuideForm(obj=guide)
    form.category_id.choices = forms.category_choices(choices.guide_categories())
    return form


def _save(form: forms.GuideForm, guide: Guide | None) -> Response | None:
    """The answer after saving; None with the errors beside their fields."""
    if not form.validate_on_submit():
        return None
    values = {name: form[name].data for name in forms.GUIDE_FIELDS}
    values = {k: ("" if v is None and k != "position" else v or 0 if k == "position" else v) for k, v in values.items()}
    try:
        kept = guide_actions.save_guide(access.actor(), guide, values, clock.now())
    except DomainError as error:
        pages.refused(error, form)
        return None
    return pages.said(f"“{kept.title}”保存了。", url_for(".guides"))


@bp.route("/staff/guides/new", methods=["GET", "POST"])
@access.staff(Permission.GUIDES)
def new_guide() -> Response:
    form = _form()
    if not form.is_submitted():
        form.title.data = request.args.get("title", "")[:60]
    answer = _save(form, None) if form.is_submitted() else None
    return answer or pages.page(
        "catalogue/staff/guide.html", status=422 if form.is_submitted() else 200, form=form, guide=None
    )


def _guide_or_404(guide_id: int) -> Guide:
    """A guide this viewer may keep; others do not exist here."""
    found = db.session.get(Guide, guide_id)
    if found is None or not may_keep_guide(access.actor(), found):
        abort(404)
    return found


@bp.route("/staff/guides/<int:guide_id>", methods=["GET", "POST"])
@access.staff(Permission.GUIDES)
def guide(guide_id: int) -> Response:
    found = _guide_or_404(guide_id)
    form = _form(found)
    answer = _save(form, found) if form.is_submitted() else None
    status = 422 if form.is_submitted() else 200
    return answer or pages.page("catalogue/staff/guide.html", status=status, form=form, guide=_guide_or_404(guide_id))


@bp.post("/staff/guides/<int:guide_id>/show")
@access.staff(Permission.GUIDES)
def show_guide(guide_id: int) -> Response:
    found = _guide_or_404(guide_id)
    shown = request.form.get("show") == "1"
    guide_actions.show_guide(access.actor(), found, shown, clock.now())
    return pages.said(
        f"“{found.title}”{'恢复显示了' if shown else '停用了，居民看不到，随时可以恢复'}。", url_for(".guides")
    )
