"""One's own no-shows and the appeal; staff's decisions (SPEC S8)."""

from flask import Blueprint, Response, request, url_for
from wtforms import BooleanField, HiddenField, StringField
from wtforms.validators import InputRequired

from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.forms import Form
from portal.core.incoming import whole_number
from portal.signup.no_shows import actions, queries, rules, states

bp = Blueprint("no_shows", __name__)


@bp.get("/me/no-shows")
@access.resident
def own() -> Response:
    """报名没到: the rule, what was counted, how to appeal."""
    return _own()


def _own(error: DomainError | None = None, no_show_id: int = 0) -> Response:
    rule, now = queries.policy(), clock.now()
    rows = queries.own(access.signed_in().id)
    return pages.page(
        "signup/no_shows/mine.html", rows=rows, rule=rule, now=now, labels=states.LABELS, tones=states.TONES,
        error=error, where=no_show_id, words=request.form.get("words", ""), most=rules.MOST_WORDS,
        open_={r.id for r in rows if rule.on and r.status == "counted" and now < r.counted_at + rule.appeal},
    )  # fmt: skip


@bp.post("/me/no-shows/<int:no_show_id>/appeal")
@access.resident
@pages.act(_own)
def appeal(no_show_id: int) -> Response:
    """One form: why it should not count."""
    actions.appeal(access.actor(), no_show_id, request.form.get("words", ""), clock.now())
    return pages.said("申诉交上去了，工作人员看过以后告诉您结果。", url_for("no_shows.own"))


@bp.get("/staff/no-shows")
@access.staff(Permission.SIGN_UPS)
def appeals() -> Response:
    """Appeals that wait for an answer."""
    return _appeals()


def _appeals(error: DomainError | None = None, no_show_id: int = 0) -> Response:
    return pages.page(
        "signup/no_shows/appeals.html", rows=queries.appeals(), rule=queries.policy(), error=error, where=no_show_id,
        words=request.form.get("reason", ""), now=clock.now(),
    )  # fmt: skip


@bp.post("/staff/no-shows/<int:no_show_id>")
@access.staff(Permission.SIGN_UPS)
@pages.act(_appeals)
def decide(no_show_id: int) -> Response:
    """不算 or 维持, with a reason that the person reads."""
    excused = request.form.get("answer") == "excuse"
    actions.decide(access.actor(), no_show_id, excused, request.form.get("reason", ""), clock.now())
    return pages.said("已答复，结果会告诉对方。", url_for("no_shows.appeals"))


class RuleForm(Form):
    active = BooleanField("启用“报名没到”的规定")
    version = HiddenField()


for _name, _figure in rules.FIGURES.items():
    _field = StringField(
        _figure.label, [InputRequired(message=f"请填{_figure.label}。")], description=_figure.bounds,
        render_kw={"inputmode": "numeric", "maxlength": 4, "autocomplete": "off"},
    )  # fmt: skip
    setattr(RuleForm, _name, _field)


@bp.route("/staff/no-shows/rule", methods=["GET", "POST"])
@access.staff(Permission.VIEW)
def rule() -> Response:
    """The district's rule: seen by all staff, set at the top of the tree (S8)."""
    actor, kept, now = access.actor(), queries.set_rule(), queries.policy()
    days = {f"{name}_days": getattr(now, name).days for name in ("within", "pause", "appeal")}
    shown = {**days, "most": now.most} if now.appeal else {}
    form = RuleForm(active=now.on, version=kept.version if kept is not None else 0, **shown)
    if form.validate_on_submit():
        figures = {name: whole_number(form[name].data, 9999) for name in rules.FIGURES}
        version = whole_number(form.version.data, 2**31 - 1) or 0
        try:
            after = actions.set_rule(actor, form.active.data, figures, version, clock.now())
        except DomainError as error:
            pages.refused(error, form)
        else:
            said = "已启用，活动页面上居民看得到。" if after.on else "已停用，以前记下的不再影响报名。"
            return pages.said(said, url_for(".rule"))
    return pages.page(
        "signup/no_shows/rule.html", status=422 if form.is_submitted() else 200, form=form, rule=now,
        may_set=actions.may_set(actor), figures=rules.FIGURES,
    )  # fmt: skip
