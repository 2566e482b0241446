"""The pages of a request: filed, reviewed, accepted, done, confirmed; with what one typed kept through the login."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.feedback.models import CallBack, Evaluation
from portal.help_requests.models import HelpRequest
from portal.notices.models import InboxMessage
from tests.factories import Town
from tests.help_requests.conftest import PLACE, WORDS, Filed, deliver, fresh


def newest(session: Any) -> HelpRequest:
    session.rollback()
    row: HelpRequest = session.scalars(select(HelpRequest).order_by(HelpRequest.id.desc())).first()
    return row


def test_the_whole_chain(
    client: FlaskClient, town: Town, session: Any, as_resident: Any, as_staff: Any, now: Any
) -> None:
    """Two fields and one press; the subdistrict sends it on in place; the community accepts and does it."""
    as_resident(client, town.residents[0])
    page = client.get("/help").text
    assert "甲街道先看" in page and "明天 10:00 前" in page
    answer = client.post("/help", data={"kind": "agency", "what": WORDS, "place": PLACE, "for": "me"})
    assert answer.status_code == 303
    row = newest(session)
    page = client.get(answer.location).text
    assert "已经发出" in page and "甲街道" in page and "明天 10:00 前" in page
    staff = client.application.test_client()
    as_staff(staff, town.staff["A"])
    page = staff.get(f"/staff/help?open={row.id}").text
    assert WORDS in page and "未备案" in page and PLACE not in page and "还剩" in page
    assert staff.post(f"/staff/help/{row.id}/dispatch", data={"to": town.centres["A1"].id}).status_code == 303
    assert "甲一社区" in client.get(f"/help/{row.id}").text
    as_staff(staff, town.staff["A1"])
    assert f"open={row.id}" in staff.get("/staff/help").text
    assert staff.post(f"/staff/help/{row.id}/accept").status_code == 303
    page = staff.post(f"/staff/help/{row.id}/read/address").text
    assert PLACE in page
    for step in ("go", "arrive"):
        assert staff.post(f"/staff/help/{row.id}/{step}").status_code == 303
    assert staff.post(f"/staff/help/{row.id}/finish", data={"reason": "药送到了"}).status_code == 303
    page = client.get(f"/help/{row.id}").text
    assert "办好了吗" in page and "药送到了" in page and "A1管理员 看了住址" in page
    assert client.post(f"/help/{row.id}/confirm", data={"stars": "1"}).status_code == 303
    row = fresh(row.id)
    assert row.status == "confirmed" and not row.by_default
    assert session.scalars(select(CallBack).join(Evaluation)).one().centre_id == town.centres["A1"].id
    deliver()
    told = session.execute(
        select(InboxMessage.title, InboxMessage.body).where(InboxMessage.audience == "resident")
    ).all()
    assert {title for title, _ in told} == {"您的求助有新进展"}
    assert not any("药" in body or "代办" in body for _, body in told)


def test_what_was_typed_survives_the_login(
    client: FlaskClient, town: Town, session: Any, as_resident: Any, now: Any
) -> None:
    answer = client.post("/help", data={"kind": "errand", "what": WORDS, "day": "2026-11-26"})
    assert answer.status_code == 303 and "/login" in answer.location and "药" not in answer.location
    assert "发出求助" in client.get(answer.location).text
    as_resident(client, town.residents[0])
    page = client.get("/help").text
    assert WORDS in page and 'value="errand" checked' in page and 'value="2026-11-26" checked' in page


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"what": WORDS}, "请点一下要哪一种帮忙"), ({"kind": "agency"}, "请说说要帮什么"),
        ({"kind": "agency", "what": "长" * 301}, "现在有 301 个字"),
        ({"kind": "agency", "what": WORDS, "day": "2026-11-01"}, "请选今天"),
        ({"kind": "agency", "what": WORDS, "day": "other", "other_day": "x"}, "请选今天以后"),
        ({"kind": "agency", "what": WORDS, "for": "99"}, "没有"),
    ],
)  # fmt: skip
def test_odd_forms_are_said_beside_the_field(
    client: FlaskClient, town: Town, as_resident: Any, now: Any, data: dict[str, str], said: str
) -> None:
    as_resident(client, town.residents[0])
    answer = client.post("/help", data=data)
    assert answer.status_code == 422 and said in answer.text and data.get("what", "") in answer.text


def test_the_elder_version_needs_no_words(
    client: FlaskClient, town: Town, session: Any, as_resident: Any, now: Any
) -> None:
    client.set_cookie("elder", "1")
    town.residents[0].elder_mode = True
    session.commit()
    as_resident(client, town.residents[0])
    assert "来家里照看" in client.get("/help").text
    assert "发出求助" in client.get("/help?kind=care").text
    assert client.post("/help", data={"kind": "care", "elder": "1"}).status_code == 303
    assert newest(session).words == "来家里照看"


@pytest.mark.parametrize(
    "status", ["received", "asking", "refused", "dispatched", "accepted", "going", "done", "confirmed", "withdrawn"]
)
def test_every_status_has_its_page(
    client: FlaskClient, town: Town, filed: Filed, as_resident: Any, as_staff: Any, status: str, now: Any
) -> None:
    row = filed(status)
    as_resident(client, town.residents[0])
    assert client.get(f"/help/{row.id}").status_code == 200
    assert "求助" in client.get("/me").text
    for key in ("A", "A1", "D"):
        staff = client.application.test_client()
        as_staff(staff, town.staff[key])
        assert staff.get(f"/staff/help?open={row.id}&show=away").status_code == 200
        assert staff.get("/staff").status_code == 200
    for key in ("B", "B1", "A2"):
        staff = client.application.test_client()
        as_staff(staff, town.staff[key])
        assert staff.get(f"/staff/help?open={row.id}").status_code == 404
        assert staff.post(f"/staff/help/{row.id}/accept").status_code == 404
    as_resident(client, town.residents[1])
    assert client.get(f"/help/{row.id}").status_code == 404
