"""The community's staff confirm or refuse what residents say of themselves (SPEC S3)."""

from flask import Response, request, url_for

from portal.centres import profile
from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.signup.eligibility import actions, queries
from portal.signup.eligibility.states import MACHINE, TONES
from portal.signup.views_staff import bp


@bp.get("/groups", endpoint="groups")
@access.staff(Permission.SIGN_UPS)
def claims() -> Response:
    """Whom the community is asked about, with what for; below, what was decided."""
    return _page()


def _page(error: DomainError | None = None, where: int = 0) -> Response:
    viewer, page = access.signed_in(), pages.page_number()
    rows, more = queries.desk(viewer.centre_path, page)
    return pages.page(
        "signup/staff_groups.html", error=error, where=where, rows=rows, more=more, page=page,
        groups=profile.group_words, labels=MACHINE.labels, tones=TONES, typed=request.form.get("reason", ""),
    )  # fmt: skip


def _refused(error: DomainError, claim_id: int) -> Response:
    return _page(error, claim_id)


def _done(said: str, claim_id: int) -> Response:
    return pages.said(said, url_for("signup_staff.groups"))


@bp.post("/groups/<int:claim_id>", endpoint="decide_group")
@access.staff(Permission.SIGN_UPS)
@pages.act(_refused, _done)
def decide(claim_id: int) -> str:
    """Yes, or no with the reason that the resident reads."""
    yes = request.form.get("do") == "confirm"
    reason = request.form.get("reason", "").strip()[:200]
    row = actions.decide(access.actor(), claim_id, yes, reason, clock.now())
    who = row.relative.name if row.relative else row.resident.name
    return f"已{'确认' if yes else '回复不确认'}{who}，马上通知本人。"
