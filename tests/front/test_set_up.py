"""A district sets itself up by its pages alone, from what `flask init` leaves (SPEC P10, C4)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from portal.catalogue.models import APPROVED, IN_REVIEW, Category, Entry
from portal.centres.models import Centre, Department
from portal.core.db import db
from portal.people.models import StaffAccount
from tests.factories import Town

PASSWORD = "seven-green-boats"


@pytest.fixture
def admin(app: Flask, town: Town, session: Any) -> FlaskClient:
    """The first manager of an installation that has no accounts and no departments."""
    session.execute(delete(StaffAccount))
    session.execute(delete(Department))
    session.commit()
    result = app.test_cli_runner().invoke(args=["init"])
    found = re.search(r"一次性密码：(\S+)", result.output)
    assert found, result.output
    return signed_in(app, "admin", found[1])


def signed_in(app: Flask, username: str, one_time: str) -> FlaskClient:
    """With the one-time password, and then one's own."""
    client = app.test_client()
    assert client.post("/staff/login", data={"username": username, "password": one_time}).location == "/staff/password"
    assert client.post("/staff/password", data={"new": PASSWORD, "again": PASSWORD}).location == "/staff"
    return client


def option(page: str, label: str) -> str:
    """The value of the choice that says `label`."""
    found = re.search(rf'<option[^>]*value="(\d+)"[^>]*>\s*(?:　)*{re.escape(label)}', page)
    assert found, label
    return found[1]


def account(admin: FlaskClient, username: str, name: str, place: str, department: str = "") -> str:
    """Made on the page; the one-time password."""
    page = admin.get("/staff/accounts/new").text
    answer = admin.post("/staff/accounts/new", data={
        "username": username, "name": name, "phone": "19900000080", "role": "operator", "centre": option(page, place),
        "department": option(page, department) if department else "",
    })  # fmt: skip
    found = re.search(r'id="secret">([^<]+)<', answer.text)
    assert found, answer.text
    return found[1]


def test_a_departments_plan_reaches_communities_from_an_empty_installation(app: Flask, admin: FlaskClient) -> None:
    admin.post("/staff/departments", data={"name": "文体局", "phone": "0755-84200077"})
    once = account(admin, "wtj", "林文", "大鹏新区党群服务中心", "文体局")
    theirs = signed_in(app, "wtj", once)
    category = db.session.scalars(select(Category.id).where(Category.name == "社会公益服务")).one()
    db.session.rollback()
    plan = {
        "month": "2026-12", "title": "新年音乐会", "category_id": category, "sessions": "12月19日 19:00-21:00",
        "place": "文化广场", "audience": "全体居民", "mode": "walk_in", "unit": "人", "content": "合唱和民乐",
        "contact": "林文", "phone": "0755-84200077", "do": "send",
    }  # fmt: skip
    made = theirs.post("/staff/catalogue/new?month=2026-12", data=plan)
    assert made.status_code == 303, made.text
    row = db.session.scalars(select(Entry).where(Entry.title == "新年音乐会")).one()
    number = row.id
    assert (row.status, row.department.name if row.department else "") == (IN_REVIEW, "文体局")
    assert "新年音乐会" in admin.get("/staff/catalogue?month=2026-12&state=mine").text
    homes = db.session.scalars(
        select(Centre.id).where(Centre.name.in_(("葵涌社区党群服务中心", "鹏城社区党群服务中心")))
    )
    chosen = list(homes)
    db.session.rollback()
    assert len(chosen) == 2
    done = admin.post(f"/staff/catalogue/allot/{number}", data={"centre": chosen})
    assert "分到了 2 个社区" in admin.get(done.location).text
    rows = db.session.scalars(select(Entry).where(Entry.title == "新年音乐会", Entry.status == APPROVED)).all()
    assert {row.centre_id for row in rows} == set(chosen)
    assert {row.department.name for row in rows if row.department} == {"文体局"}
