"""Staff let a resident in whom they know: a code on this page alone, to be read out (SPEC P1)."""

from typing import Any

from portal.core import access, clock, db, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.people import forms, rules
from portal.people.actions import spoken_codes
from portal.people.staff.views import face


@face.route("/let-in", methods=["GET", "POST"])
@access.staff(Permission.LET_IN)
def let_in() -> Any:
    form = forms.LetInForm()
    status = 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            row, code = spoken_codes.read_out(access.actor(), form.phone.data or "", form.name.data or "", clock.now())
        except DomainError as refusal:
            if refusal.status == 403:
                raise
            db.keep_on_refusal()
            form.refuse(refusal)
            status = refusal.status
        else:
            half = rules.SPOKEN_DIGITS // 2
            answer = pages.page(
                "people/staff/let_in_code.html", code=f"{code[:half]} {code[half:]}", until=row.expires_at,
                name=form.name.data, tail=(form.phone.data or "")[-4:],
            )  # fmt: skip
            answer.headers["Cache-Control"] = "no-store"
            return answer
    return pages.page("people/staff/let_in.html", status=status, form=form)
