"""/staff/guides/words: what residents call things, beside the words that every profile knows (SPEC C9)."""

from flask import url_for
from werkzeug.wrappers import Response
from wtforms import HiddenField, TextAreaField
from wtforms.validators import Length

from portal.catalogue import synonyms, words
from portal.catalogue.staff.month_views import bp
from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.forms import Form
from portal.core.incoming import whole_number


class SynonymsForm(Form):
    text = TextAreaField(
        "本区的说法", [Length(max=synonyms.MOST_TEXT, message=f"太长了，最多 {synonyms.MOST_TEXT} 个字。")],
        description="一行一组，意思相同的词用空格分开。居民打其中一个，写着另一个的活动也找得到。",
        render_kw={"rows": 12},
    )  # fmt: skip
    version = HiddenField()


@bp.route("/staff/guides/words", methods=["GET", "POST"])
@access.staff(Permission.VIEW)
def synonyms_page() -> Response:
    """Seen by all, set at the top of the tree."""
    actor, kept = access.actor(), synonyms.current()
    form = SynonymsForm(text=kept.text, version=kept.version)
    if form.validate_on_submit():
        version = whole_number(form.version.data, 2**31 - 1) or 0
        try:
            count = synonyms.set_list(actor, form.text.data or "", version, clock.now())
        except DomainError as error:
            pages.refused(error, form)
        else:
            return pages.said(f"已保存，共 {count} 组。居民现在搜索就用得上。", url_for(".synonyms_page"))
    return pages.page(
        "catalogue/staff/synonyms.html", status=422 if form.is_submitted() else 200, form=form, kept=kept,
        may_set=synonyms.may_set(actor), general=[[w for w in line if w[:1] != "@"] for line in words.LINES],
    )  # fmt: skip
