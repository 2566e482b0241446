"""Pages of teams: who sees which, what is masked, what a member does on the phone, calendar and paper (SPEC H7, P6, P8)."""

from __future__ import annotations

from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import select

from portal.core import pdf
from portal.core.audit import AuditLog
from portal.core.db import writing
from portal.people.actions import resident_records
from portal.teams import queries, views_roster
from portal.teams.models import OPEN, Shift, Team, TeamMember
from tests.factories import NOW, Town
from tests.teams.conftest import TODAY, by_name, shift

ANSWERS = {"A1": 200, "A": 200, "D": 200, "A2": 404, "B1": 404, "A1S": 404, "ZFB": 404, "D-LOOK": 403}


@pytest.mark.parametrize("key", ANSWERS)
def test_who_sees_a_team(session: Any, town: Town, team: Team, client: Any, as_staff: Any, key: str) -> None:
    as_staff(client, town.staff[key])
    row = by_name(team, "居民甲")
    session.rollback()
    for page in (f"{team.id}", f"{team.id}/roster", f"{team.id}/pattern", f"members/{row.id}"):
        answer = client.get(f"/staff/teams/{page}")
        assert answer.status_code == ANSWERS[key]
        assert ("13800000001" in answer.text) == (page.startswith("members") and answer.status_code == 200)
    listed = client.get("/staff/teams").text
    assert ("甲一服务队" in listed) == (ANSWERS[key] == 200)


def test_team_and_members_are_kept_by_pages(session: Any, town: Town, client: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["A1"])
    a1 = str(town.centres["A1"].id)
    made = {"centre": a1, "name": "海风队"}
    assert client.post("/staff/teams", data=made).status_code == 303
    again = client.post("/staff/teams", data=made)
    assert again.status_code == 422 and "本中心已有同名的服务队" in again.text
    foreign = client.post("/staff/teams", data={"centre": str(town.centres["B1"].id), "name": "外队"})
    assert foreign.status_code == 422 and "请从列表里选一项" in foreign.text
    session.rollback()
    number = session.scalar(select(Team.id))
    person = {
        "name": "王晓燕", "phone": "138 0000 0002", "role": "member", "kind": "party", "skills": ["care", "drive"],
        "staff_id": "", "since": "2026年12月1日",
    }  # fmt: skip
    assert client.post(f"/staff/teams/{number}", data=person).status_code == 303
    bad = client.post(f"/staff/teams/{number}", data=person | {"role": "king", "skills": ["fly"], "phone": "12"})
    assert bad.status_code == 422 and bad.text.count("请从列表里选") >= 2 and "手机号应是 11 位" in bad.text
    session.rollback()
    row = session.scalars(select(TeamMember)).one()
    assert (row.phone, row.skills, row.since.isoformat()) == ("13800000002", ["care", "drive"], "2026-12-01")
    page = client.get(f"/staff/teams/{number}").text
    assert "13800000002" not in page and "138****0002" in page
    assert "138 0000 0002" in client.post(f"/staff/teams/members/{row.id}/phone").text
    session.rollback()
    assert "unmask" in session.scalars(select(AuditLog.verb)).all()
    assert (
        "离队日期不能早于入队" in client.post(f"/staff/teams/members/{row.id}/leave", data={"until": "2026-11-20"}).text
    )
    assert client.post(f"/staff/teams/members/{row.id}/leave", data={"until": "x"}).status_code == 422
    assert client.post(f"/staff/teams/members/{row.id}/leave", data={"until": "2026-12-09"}).status_code == 303
    assert client.post(f"/staff/teams/members/{row.id}/return").status_code == 303


def test_a_roster_by_selects(session: Any, town: Town, team: Team, client: Any, as_staff: Any) -> None:
    with writing():
        one, two, gone = shift(team, 2), shift(team, 2, slot=2), shift(team, 4)
    who = by_name(team, "队员0").id
    as_staff(client, town.staff["A1-OP"])
    url = f"/staff/teams/{team.id}/roster"
    session.rollback()
    both = client.post(url, data={f"s{one.id}": who, f"s{two.id}": who})
    assert both.status_code == 409 and "那个时段已经有班了" in both.text
    assert client.post(url, data={f"s{one.id}": who, f"s{two.id}": "", f"s{gone.id}": "x"}).status_code == 303
    assert client.post(f"{url}/add", data={"day": one.day.isoformat(), "part": "night"}).status_code == 303
    for bad in ({f"s{one.id}": "abc"}, {"s99999": ""}):
        assert client.post(url, data=bad).status_code in (404, 422)
    session.rollback()
    rows = session.execute(select(Shift.part, Shift.slot, Shift.member_id).order_by(Shift.id)).all()
    assert [tuple(r) for r in rows] == [("am", 1, who), ("am", 2, None), ("night", 1, None)]
    assert "缺 2 个班" in client.get("/staff/teams").text and "7 天内有 2 个班缺人" in client.get("/staff").text


def test_the_member_on_the_phone(
    session: Any, town: Town, team: Team, client: Any, as_resident: Any, as_staff: Any, app: Any
) -> None:
    with writing():
        me = by_name(team, "居民甲")
        me.resident_id, me.phone = None, town.residents[0].phone or ""  # known by the number alone
        mine, theirs = shift(team, 2, who=me), shift(team, 3, who=by_name(team, "居民乙"), status="offered")
    assert client.get("/m").status_code == 303  # the way to sign in
    stranger = as_resident(app.test_client(), town.residents[3])
    assert "您还不是服务队的队员" in stranger.get("/m").text
    assert stranger.post(f"/m/shifts/{mine.id}/offer").status_code == 404
    as_resident(client, town.residents[0])
    page = client.get("/m").text
    assert "想换班" in page and "我来接" in page and "居民乙的班" in page
    assert client.post(f"/m/shifts/{mine.id}/offer").status_code == 303
    assert "还没有人接" in client.get("/m").text
    captain = as_staff(app.test_client(), town.staff["A1"])
    assert captain.post(f"/m/shifts/{mine.id}/take").status_code == 303
    late = client.post(f"/m/shifts/{mine.id}/take-back")
    assert late.status_code == 409
    assert client.post(f"/m/shifts/{theirs.id}/take").status_code == 303
    session.rollback()
    assert session.get(TeamMember, me.id).resident_id == town.residents[0].id
    assert client.post("/m/calendar").status_code == 303
    session.rollback()
    address = next(line for line in client.get("/m").text.split() if "/m/calendar/" in line)
    path = "/m/calendar/" + address.split("/m/calendar/")[1].split("<")[0]
    found = app.test_client().get(path)
    events = Calendar.from_ical(found.data).walk("VEVENT")
    assert [str(e["summary"]) for e in events] == ["甲一服务队值班"] and "no-store" in found.headers["Cache-Control"]
    assert app.test_client().get(path[:-6] + "ab.ics").status_code == 404
    with writing():
        resident_records.erase_resident(town.resident_actor(0), town.residents[0], NOW)
    session.refresh(theirs)
    session.refresh(me)
    assert theirs.status == OPEN and (me.name, me.phone, me.until) == ("已注销队员", "", TODAY)
    assert app.test_client().get(path).status_code == 404


def test_paper_for_the_door(session: Any, town: Town, team: Team) -> None:
    """One sheet for a month of names, and no number of a member's."""
    import io

    from pypdf import PdfReader

    for n in range(31):
        shift(team, n, "pm", by_name(team, "居民甲"))
        shift(team, n, "night", by_name(team, "队员0") if n % 9 else None)
    session.commit()
    data = pdf.render(views_roster.documents.door_roster(views_roster._document(team, TODAY, 31, NOW)))
    reader = PdfReader(io.BytesIO(data))
    text = reader.pages[0].extract_text()
    assert len(reader.pages) == 1 and "甲一服务队值班表" in text and text.count("居民甲") == 31
    assert "13800000001" not in text and queries.policy().part("night").hours == "22:00–次日 8:00"
