"""What members see elsewhere: the next shift on my services, what the login page says of /m (SPEC H7, S9)."""

from datetime import datetime

from sqlalchemy import and_, or_, select

from portal.core import clock, registry, scope
from portal.core.db import db
from portal.core.registry import Mine
from portal.people.models import Resident
from portal.teams import notices, queries
from portal.teams.models import Shift, Team, TeamMember


@registry.mine
def next_shift(resident_id: int, now: datetime, coming: bool) -> list[Mine]:
    """The next shift of a member, which leads to /m; of a member without one the way there. One statement.

    Not on home: there only what everybody has.
    """
    if coming:
        return []
    today = clock.today(now)
    phone = select(Resident.phone).where(Resident.id == resident_id).scalar_subquery()
    unlinked = and_(TeamMember.resident_id.is_(None), TeamMember.staff_id.is_(None), TeamMember.phone == phone)
    wanted = select(TeamMember, Team.name, Shift).join(Team, Team.id == TeamMember.team_id)
    wanted = wanted.outerjoin(Shift, and_(Shift.member_id == TeamMember.id, Shift.day >= today))
    wanted = wanted.where(or_(TeamMember.resident_id == resident_id, unlinked), queries.serving(today))
    with scope.system("one's own places in teams"):
        row = db.session.execute(wanted.order_by(Shift.day.is_(None), Shift.day, Shift.id).limit(1)).first()
    if row is None:
        return []
    _, team, shift = row
    start = queries.policy().part(shift.part).span(shift.day)[0] if shift is not None else None
    when = notices.when(shift) if shift is not None else "未来没有排班"
    state, more = "值班" if shift is not None else "队员", "派给您的事和值班都在这里"
    return [Mine("upcoming", "我的队务", when, team, state, "blue", more, "/m", start)]


@registry.errand
def about_to(path: str) -> registry.Errand | None:
    """What signing in at /m is for."""
    return registry.Errand("看派给您的事和您的值班") if path.rstrip("/") == "/m" else None
