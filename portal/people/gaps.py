"""What the list of centres says of accounts: where nobody works who takes part in the month's list (SPEC N2, P3)."""

from flask import url_for
from sqlalchemy import ColumnElement, and_, exists

from portal.centres import profile
from portal.centres.models import Centre
from portal.people.models import StaffAccount

LABEL = "账户"


def without_account() -> ColumnElement[bool]:
    """Centres of a level that draws up or reviews the list, without one account in use."""
    levels = [level.code for level in profile.current().levels if level.files_list or level.review]
    in_use = exists().where(StaffAccount.centre_id == Centre.id, StaffAccount.disabled_at.is_(None))
    return and_(Centre.level.in_(levels), ~in_use)


def where_to_open_one(centre_id: int) -> str:
    """The form of a new account for this centre."""
    return url_for("people_staff.new_account", centre=centre_id)
