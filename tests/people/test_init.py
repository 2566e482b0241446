"""`flask init`: a new installation (SPEC contract)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import Flask
from sqlalchemy import delete, select

from portal.centres.models import Centre
from portal.core import registry
from portal.core.db import db
from portal.people import cli, queries
from portal.people.models import StaffAccount
from tests.factories import Town
from tests.people.conftest import one, rows


def run(app: Flask, *args: str) -> Any:
    db.session.rollback()
    return app.test_cli_runner().invoke(args=["init", *args])


def test_first_manager_and_its_one_time_password(app: Flask, town: Town, session: Any) -> None:
    session.execute(delete(StaffAccount))
    session.commit()
    result = run(app, "--username", "boss-1")
    assert result.exit_code == 0, result.output
    assert "大鹏新区（dapeng）" in result.output
    assert "大鹏新区党群服务中心" in result.output
    password = re.search(r"一次性密码：(\S+)", result.output)
    assert password
    row = one(select(StaffAccount))
    assert (row.username, row.role, row.must_change) == ("boss-1", "manager", True)
    assert row.centre.code == "440307DP"
    assert len(rows(select(Centre))) > 40
    client = app.test_client()
    answer = client.post("/staff/login", data={"username": "boss-1", "password": password[1]})
    assert answer.location == "/staff/password"
    again = run(app)
    assert again.exit_code == 0
    assert "没有再建" in again.output
    assert len(rows(select(StaffAccount))) == 1


def test_a_bad_username_is_said(app: Flask, town: Town, session: Any) -> None:
    session.execute(delete(StaffAccount))
    session.commit()
    result = run(app, "--username", "x")
    assert result.exit_code == 1
    assert "小写字母" in result.output
    assert not queries.has_staff()


def test_a_profile_without_a_tree_gets_its_top(app: Flask, town: Town, session: Any, now: datetime) -> None:
    kept = app.config["PROFILE"]
    app.config["PROFILE"] = "kunshan"
    try:
        centre = cli.top_centre(now)
    finally:
        app.config["PROFILE"] = kept
    assert (centre.code, centre.name) == ("320583", "昆山市")
    session.rollback()


def test_rooms_hang_in_their_own_steps(app: Flask, town: Town, now: datetime) -> None:
    def step(at: datetime) -> str:
        return f"分类：{at.year}"

    registry.on_init(step)
    try:
        assert "分类：2026" in run(app).output
    finally:
        registry.init_steps.pop(f"{step.__module__}.{step.__qualname__}")
