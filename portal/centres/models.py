"""The tree of centres (阵地) and the departments attached to it (SPEC N1, 0)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped


class Centre(Base):
    """A node of the tree, at any level. Public facts only, so it is not scoped."""

    __tablename__ = "centre"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    short_name: Mapped[str] = mapped_column(String(40), default="")
    level: Mapped[str] = mapped_column(String(24))  # a level of the deployment profile
    kind: Mapped[str] = mapped_column(String(24))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"), index=True)
    path: Mapped[str] = mapped_column(String(200), index=True, default="")  # '/1/4/9/', ends with its own id
    depth: Mapped[int] = mapped_column(default=0)
    address: Mapped[str] = mapped_column(String(200), default="")
    latitude: Mapped[float | None] = mapped_column(Float)
    longitude: Mapped[float | None] = mapped_column(Float)
    phone: Mapped[str] = mapped_column(String(30), default="")
    area_m2: Mapped[int | None]
    functions: Mapped[list[str]] = mapped_column(JSON, default=list)
    responsible: Mapped[str] = mapped_column(String(40), default="")
    intro: Mapped[str] = mapped_column(Text, default="")
    note: Mapped[str] = mapped_column(String(200), default="")
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)

    parent: Mapped[Centre | None] = relationship(remote_side=[id])

    @property
    def ancestor_ids(self) -> list[int]:
        """Ids from the root to the parent, taken from the path."""
        return [int(i) for i in self.path.strip("/").split("/")][:-1]

    @property
    def label(self) -> str:
        return self.short_name or self.name


def label(centre: type[Centre]) -> ColumnElement[str]:
    """Centre.label in SQL, also of an alias."""
    return func.coalesce(func.nullif(centre.short_name, ""), centre.name)


class OpeningHours(Base):
    """Weekly hours: half-open [opens, closes) in minutes after midnight, Shanghai."""

    __tablename__ = "opening_hours"
    __table_args__ = (CheckConstraint("opens < closes", name="order"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    centre_id: Mapped[int] = mapped_column(ForeignKey("centre.id", ondelete="CASCADE"), index=True)
    weekday: Mapped[int]  # 0 Monday … 6 Sunday
    opens: Mapped[int]
    closes: Mapped[int]
    note: Mapped[str] = mapped_column(String(20), default="")  # 晚间延时 and other off-peak hours (错时服务)


class OpeningException(Base):
    """One day that differs: closed, or other hours."""

    __tablename__ = "opening_exception"
    __table_args__ = (UniqueConstraint("centre_id", "day"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    centre_id: Mapped[int] = mapped_column(ForeignKey("centre.id", ondelete="CASCADE"), index=True)
    day: Mapped[date]
    opens: Mapped[int | None]  # None: closed all day
    closes: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(60), default="")


class CentreSheet(CentreScoped, Base):
    """A table of centres as it was sent, kept until it is confirmed so that nothing is lost (SPEC N2)."""

    __tablename__ = "centre_sheet"

    id: Mapped[int] = mapped_column(primary_key=True)
    filename: Mapped[str] = mapped_column(String(120))
    rows: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # table.Line
    head: Mapped[dict[str, str]] = mapped_column(JSON)
    unused: Mapped[list[str]] = mapped_column(JSON)
    created_by: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    taken_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Department(Base):
    """职能部门: hands plans and answers to the centre it is attached to (the district)."""

    __tablename__ = "department"
    __table_args__ = (Index("ix_department_centre_name", "centre_id", "name", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(60))
    centre_id: Mapped[int] = mapped_column(ForeignKey("centre.id"))
    phone: Mapped[str] = mapped_column(String(30), default="")
    active: Mapped[bool] = mapped_column(default=True)

    centre: Mapped[Centre] = relationship()


class Setting(Base):
    """Small deployment facts that are changed at run time (which profile, consent text version …)."""

    __tablename__ = "setting"

    key: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
