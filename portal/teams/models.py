"""Service teams (综合服务队), their members, and who has which shift (SPEC H7)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import JSON, CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.centres.models import Centre
from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped
from portal.people.models import Resident, StaffAccount

# TeamMember.role
CAPTAIN, CONTACT, LEADER, MEMBER = "captain", "contact", "leader", "member"
# Shift.status; the machine is in states.py.
OPEN, FILLED, OFFERED = "open", "filled", "offered"
# Parts of a day; from when to when is the profile's ([teams.parts]).
AM, PM, EVENING, NIGHT = "am", "pm", "evening", "night"
PARTS = (AM, PM, EVENING, NIGHT)


class Team(CentreScoped, Base):
    """A team of one centre."""

    __tablename__ = "team"
    __table_args__ = (UniqueConstraint("centre_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship(foreign_keys="Team.centre_id")
    members: Mapped[list[TeamMember]] = relationship(back_populates="team", order_by="TeamMember.id")


class TeamMember(CentreScoped, Base):
    """Somebody who serves in a team: half-open from `since` to `until`, the first day on which he no longer does.

    staff_id or resident_id: the account with which he opens /m; who has neither and signs in with the member's number
    is him too. centre_id: the team's. skills: of the profile's. code: of the calendar's secret address.
    """

    __tablename__ = "team_member"
    __table_args__ = (
        CheckConstraint("role IN ('captain','contact','leader','member')", name="role"),
        CheckConstraint("staff_id IS NULL OR resident_id IS NULL", name="one_account"),
        CheckConstraint("until IS NULL OR until >= since", name="order"),
        Index("ix_team_member_team", "team_id", "id"),
        Index("ix_team_member_staff", "staff_id"),
        Index("ix_team_member_resident", "resident_id"),
        Index("ix_team_member_phone", "phone"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    name: Mapped[str] = mapped_column(String(40))
    phone: Mapped[str] = mapped_column(String(20), default="")
    role: Mapped[str] = mapped_column(String(10), default=MEMBER)
    kind: Mapped[str] = mapped_column(String(20))  # of the profile: 组织员, 主任助理, 社工 …
    skills: Mapped[list[str]] = mapped_column(JSON, default=list)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff_account.id"))
    resident_id: Mapped[int | None] = mapped_column(ForeignKey("resident.id"))
    since: Mapped[date] = mapped_column(Date)
    until: Mapped[date | None] = mapped_column(Date)
    code: Mapped[str | None] = mapped_column(String(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)

    team: Mapped[Team] = relationship(back_populates="members")
    centre: Mapped[Centre] = relationship(foreign_keys="TeamMember.centre_id")
    staff: Mapped[StaffAccount | None] = relationship()
    resident: Mapped[Resident | None] = relationship()

    def serves(self, day: date) -> bool:
        """Whether he is a member on that day."""
        return self.since <= day and (self.until is None or day < self.until)


class ShiftPattern(CentreScoped, Base):
    """How many are needed each week: weekday 0 Monday … 6 Sunday. role '': whoever of the team."""

    __tablename__ = "shift_pattern"
    __table_args__ = (
        CheckConstraint("need BETWEEN 1 AND 9", name="need"),
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        UniqueConstraint("team_id", "weekday", "part", "role"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    weekday: Mapped[int]
    part: Mapped[str] = mapped_column(String(10))
    role: Mapped[str] = mapped_column(String(10), default="")
    need: Mapped[int]


class Shift(CentreScoped, Base):
    """One place in the roster: a day, a part of it, for one person. slot: 1, 2 … where several are needed.

    told: of the present gap, 0 nobody yet, 1 the contact person, 2 the captain too. No sign of coming or going: a
    roster is no attendance sheet.
    """

    __tablename__ = "shift"
    __table_args__ = (
        CheckConstraint("(status = 'open') = (member_id IS NULL)", name="filled"),
        UniqueConstraint("team_id", "day", "part", "role", "slot"),  # what is needed is counted once
        UniqueConstraint("member_id", "day", "part"),  # nobody twice at one moment
        Index("ix_shift_open", "day", sqlite_where=text("status = 'open'"), postgresql_where=text("status = 'open'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    day: Mapped[date] = mapped_column(Date)
    part: Mapped[str] = mapped_column(String(10))
    role: Mapped[str] = mapped_column(String(10), default="")
    slot: Mapped[int] = mapped_column(default=1)
    member_id: Mapped[int | None] = mapped_column(ForeignKey("team_member.id"))
    status: Mapped[str] = mapped_column(String(10), default=OPEN)
    told: Mapped[int] = mapped_column(default=0)

    team: Mapped[Team] = relationship()
    member: Mapped[TeamMember | None] = relationship()
