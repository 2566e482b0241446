"""What of a table of people becomes accounts, what does not, and why: said before anything is made (SPEC P11)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from wtforms import ValidationError

from portal.centres.models import Centre
from portal.centres.queries import inside
from portal.core.access import Actor, Role
from portal.core.db import db
from portal.core.forms import mobile
from portal.core.text import fold
from portal.people import queries, rules
from portal.people.account_table import ROLES, TypedAccount
from portal.people.actions.staff_accounts import AccountValues
from portal.people.models import StaffAccount

MOST_NAMED = 3  # places of one name that a refusal lists


@dataclass(frozen=True, slots=True)
class PlannedAccount:
    """A line, and the account that it will become, or the reason why it will not. where: the place as shown."""

    typed: TypedAccount
    where: str = ""
    values: AccountValues | None = None
    problem: str = ""
    proposed: bool = False  # the username is ours


@dataclass
class _Places:
    """Centres and departments that the actor gives accounts to, by each of their names."""

    centres: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)  # id, code, full name
    departments: dict[str, tuple[int, int, str, str]] = field(default_factory=dict)  # id, its centre, code, name

    @classmethod
    def of(cls, actor: Actor) -> "_Places":
        found = cls()
        wanted = select(Centre.id, Centre.code, Centre.name, Centre.short_name).where(Centre.active)
        if actor.department_id is None:
            for number, code, name, short in db.session.execute(wanted.where(*inside(actor.centre_path or "/"))):
                for key in {_key(code), _key(name), _key(short)} - {""}:
                    found.centres.setdefault(key, []).append((number, code, name))
        for d in queries.departments(actor):
            for key in (_key(d.code), _key(d.name)):
                found.departments[key] = (d.id, d.centre_id, d.code, d.name)
        return found


@dataclass
class _Taken:
    """Usernames, and who works where, of accounts that are there and of the lines before."""

    usernames: dict[str, str] = field(default_factory=dict)  # to whose it is
    people: dict[tuple[str, int, int | None], str] = field(default_factory=dict)  # phone and place, to whose it is

    @classmethod
    def now(cls) -> "_Taken":
        found, row = cls(), StaffAccount
        there = select(row.username, row.name, row.phone, row.centre_id, row.department_id)
        for username, name, phone, centre_id, department_id in db.session.execute(there):
            found.usernames[username] = f"{name}的账户"
            if phone:
                found.people[phone, centre_id, department_id] = f"账户 {username}（{name}）"
        return found

    def add(self, values: AccountValues, line: int) -> None:
        self.usernames[values.username] = f"第 {line} 行"
        self.people[values.phone, values.centre_id, values.department_id] = f"第 {line} 行"


def plan(actor: Actor, lines: Iterable[TypedAccount]) -> list[PlannedAccount]:
    """Each line judged, in order. A fixed number of statements."""
    places, taken = _Places.of(actor), _Taken.now()
    return [_planned(typed, places, taken) for typed in lines]


def taken_in(rows: Sequence[PlannedAccount]) -> list[PlannedAccount]:
    """The lines that become accounts."""
    return [row for row in rows if row.values is not None]


def _planned(typed: TypedAccount, places: _Places, taken: _Taken) -> PlannedAccount:
    try:
        number, department_id, code, where = _place(typed, places)
        phone, role = _person(typed)
    except ValueError as refused:  # ValidationError of a phone is one
        return PlannedAccount(typed, problem=str(refused))
    before = taken.people.get((phone, number, department_id))
    if before:
        return PlannedAccount(typed, where, problem=f"这个人在这里已经有了：{before}。")
    username = rules.username(typed.username) or _proposed(code, taken.usernames)
    problem = rules.username_problem(username) or ""
    if username in taken.usernames:
        problem = f"用户名 {username} 已经有人用了（{taken.usernames[username]}），请换一个，或者空着由系统起。"
    if problem:
        return PlannedAccount(typed, where, problem=problem)
    values = AccountValues(username, typed.name, phone, number, role, department_id)
    taken.add(values, typed.line)
    return PlannedAccount(typed, where, values, proposed=not typed.username)


def _person(typed: TypedAccount) -> tuple[str, Role]:
    """Telephone and role. Raises ValueError with the reason."""
    if problem := rules.name_problem(typed.name):
        raise ValueError(problem)
    if not typed.phone:
        raise ValueError("没有写手机，重置密码等事要通知到本人。")
    role = ROLES.get(fold(typed.role).replace(" ", ""))
    if role is None:
        said = f"看不懂角色“{typed.role}”" if typed.role else "没有写角色"
        raise ValueError(f"{said}，请写管理员、经办人或督查员。")
    try:
        return mobile(typed.phone), role
    except ValidationError as wrong:
        raise ValueError(str(wrong)) from wrong


def _place(typed: TypedAccount, places: _Places) -> tuple[int, int | None, str, str]:
    """The centre's id, the department's, the code and the name of whichever it is. Raises ValueError."""
    centre, department = _key(typed.place), _key(typed.department)
    if centre and not department and centre not in places.centres and centre in places.departments:
        centre, department = "", centre  # a department in the column of the centres
    if department:
        return _department(typed, centre, department, places)
    if not centre:
        raise ValueError("没有写单位或部门。")
    found = places.centres.get(centre, [])
    if len(found) > 1:
        names = "、".join(f"{name}（{code}）" for _, code, name in found[:MOST_NAMED])
        raise ValueError(f"有 {len(found)} 个单位都叫“{typed.place}”：{names}，请写编码。")
    if not found:
        raise ValueError(f"您管理的范围里没有“{typed.place}”，请写全称、简称或编码。")
    number, code, name = found[0]
    return number, None, code, name


def _department(typed: TypedAccount, centre: str, department: str, places: _Places) -> tuple[int, int, str, str]:
    found = places.departments.get(department)
    if found is None:
        raise ValueError(f"没有“{typed.department or typed.place}”这个部门，请先在“职能部门”里建好。")
    number, home, code, name = found
    if centre and home not in [place[0] for place in places.centres.get(centre, [])]:
        raise ValueError(f"{name}不在“{typed.place}”，单位可以空着。")
    return home, number, code, name


def _proposed(code: str, usernames: dict[str, Any]) -> str:
    """'440307009001-01': the place's code and the next number that is free."""
    stem = re.sub(r"[^a-z0-9]", "", code.lower())[:30] or "user"
    number = 1
    while f"{stem}-{number:02d}" in usernames:
        number += 1
    return f"{stem}-{number:02d}"


def _key(name: str) -> str:
    return re.sub(r"\s", "", fold(name))
