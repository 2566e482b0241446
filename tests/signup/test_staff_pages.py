"""The staff's desk of sign-ups: decided in place, callers, papers; nothing of another tree (SPEC S3, S5, S10, P6, P8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import select

from portal.catalogue.models import Entry, EntryChange
from portal.core import clock, pdf_spool
from portal.core.audit import AuditLog
from portal.core.db import writing
from portal.people.actions import resident_records as people
from portal.people.models import Resident
from portal.signup import actions, staff_actions
from portal.signup.models import SignUp
from tests.core.printed import fetched
from tests.factories import NOW, Make, Town
from tests.signup import counts

HTMX = {"HX-Request": "true"}
SignIn = Callable[[FlaskClient, Any], FlaskClient]


@pytest.fixture
def entry(town: Town, make: Make) -> Entry:
    return make.entry(town.centres["A1"], capacity=3, title="智能手机课堂", needs_review=True)


@pytest.fixture
def rows(session: Any, town: Town, entry: Entry) -> list[SignUp]:
    found = [actions.sign_up(town.resident_actor(n), entry.id, None, 0, NOW) for n in range(4)]
    session.commit()
    return found


def statuses(session: Any, rows: list[SignUp]) -> list[str]:
    session.rollback()
    return [r.status for r in rows]


def test_list_of_ones_own_subtree(
    session: Any, town: Town, make: Make, rows: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    make.entry(town.centres["B1"], title="隔壁街道的活动")
    make.entry(town.centres["A2"], title="直接到场的义诊", walk_in=True)
    session.rollback()
    page = as_staff(client, town.staff["A"]).get("/staff/sign-ups").text
    assert "智能手机课堂" in page
    assert "3 / 3 人" in page
    assert "3 份待审核" in page
    assert "隔壁街道的活动" not in page
    assert "直接到场的义诊" not in page


@pytest.mark.parametrize(
    ("show", "there"), [("pending", True), ("full", True), ("low", False), ("past", False), ("odd", True)]
)
def test_filters(town: Town, rows: list[SignUp], client: FlaskClient, as_staff: SignIn, show: str, there: bool) -> None:
    as_staff(client, town.staff["A1"])
    assert ("智能手机课堂" in client.get(f"/staff/sign-ups?show={show}").text) == there
    assert "智能手机课堂" in client.get("/staff/sign-ups?q=手机").text
    assert "智能手机课堂" not in client.get("/staff/sign-ups?q=100%25").text


def test_list_costs_the_same_for_one_and_for_thirty(
    session: Any, town: Town, make: Make, client: FlaskClient, as_staff: SignIn, count_queries: Callable[[], Any]
) -> None:
    as_staff(client, town.staff["A"])
    seen = []
    for more in (1, 29):
        session.rollback()
        for _ in range(more):
            make.entry(town.centres["A1"])
        with count_queries() as statements:
            assert client.get("/staff/sign-ups").status_code == 200
        seen.append(len(statements))
    assert seen[0] == seen[1] <= 16  # the frame, what waits for everybody, and one for the list


def test_decided_in_place(
    session: Any, town: Town, entry: Entry, rows: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1-OP"])
    base = f"/staff/sign-ups/{entry.id}"
    page = client.get(base).text
    assert "199****0000" in page
    assert "19900000000" not in page
    assert "候补第 1 位" in page
    answer = client.post(f"{base}/{rows[0].id}/accept", headers=HTMX)
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<div id="board">')
    assert client.post(f"{base}/{rows[1].id}/refuse", data={"reason": "不在服务对象范围内"}).status_code == 303
    assert statuses(session, rows) == ["confirmed", "refused", "pending", "pending"]
    again = client.post(f"{base}/{rows[1].id}/accept")  # somebody else was quicker
    assert again.status_code == 409
    assert client.post(f"{base}/{rows[0].id}/withdraw", data={"reason": "来电"}).status_code == 303
    assert statuses(session, rows)[0] == "withdrawn"


def test_refusing_without_a_reason_is_said_beside_the_row(
    session: Any, town: Town, entry: Entry, rows: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    answer = client.post(f"/staff/sign-ups/{entry.id}/{rows[0].id}/refuse", data={"reason": " "}, headers=HTMX)
    assert answer.status_code == 422
    assert f'id="why{rows[0].id}-err"' in answer.text
    assert "请写明原因" in answer.text
    assert statuses(session, rows)[0] == "pending"


def test_a_row_of_another_entry_is_not_found(
    session: Any, town: Town, make: Make, rows: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    other = make.entry(town.centres["A1"])
    as_staff(client, town.staff["A1"])
    for path in ("accept", "refuse", "withdraw", "phone"):
        assert client.post(f"/staff/sign-ups/{other.id}/{rows[0].id}/{path}").status_code == 404
    assert statuses(session, rows)[0] == "pending"


PATHS = ("", "/roster.pdf", "/sign-ups.csv")
POSTS = ("/add", "/extend", "/merge", "/cancel", "/sign-ups.csv")


@pytest.mark.parametrize("who", ["A2", "B", "A1S"])
def test_neighbours_parents_children_see_nothing(
    session: Any, town: Town, entry: Entry, rows: list[SignUp], client: FlaskClient, as_staff: SignIn, who: str
) -> None:
    as_staff(client, town.staff[who])
    base = f"/staff/sign-ups/{entry.id}"
    for path in PATHS:
        assert client.get(base + path).status_code == 404
    for path in (*POSTS, *(f"/{rows[0].id}/{p}" for p in ("accept", "refuse", "withdraw", "phone"))):
        assert client.post(base + path, data={"phone": "19900000099"}).status_code == 404
    assert statuses(session, rows) == ["pending"] * 3 + ["waiting"]


def test_inspector_reads_and_decides_nothing(
    session: Any, town: Town, entry: Entry, rows: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.inspector["D"])
    base = f"/staff/sign-ups/{entry.id}"
    page = client.get(base)
    assert page.status_code == 200
    assert "通过</button>" not in page.text
    for path in ("/roster.pdf", "/sign-ups.csv"):
        assert client.get(base + path).status_code == 403
    for path in (*POSTS, *(f"/{rows[0].id}/{p}" for p in ("accept", "refuse", "withdraw", "phone"))):
        assert client.post(base + path).status_code == 403
    assert statuses(session, rows) == ["pending"] * 3 + ["waiting"]


def test_seeing_a_phone_is_recorded(
    session: Any, town: Town, entry: Entry, rows: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    answer = client.post(f"/staff/sign-ups/{entry.id}/{rows[0].id}/phone")
    assert "199 0000 0000" in answer.text
    assert "199****0001" in answer.text  # the others stay masked
    session.rollback()
    line = session.scalars(select(AuditLog).where(AuditLog.verb == "unmask")).one()
    assert (line.actor_name, line.object_id) == ("A1管理员", town.residents[0].id)


def test_a_caller(session: Any, town: Town, make: Make, client: FlaskClient, as_staff: SignIn) -> None:
    entry = make.entry(town.centres["A1"], capacity=1)
    as_staff(client, town.staff["A1-OP"])
    base = f"/staff/sign-ups/{entry.id}/add"
    form = {"phone": "199 0000 0088", "name": "赵大姐", "relative": "赵爷爷", "places": "1", "note": "腿脚不便"}
    assert client.post(base, data=form).status_code == 303
    page = client.get(f"/staff/sign-ups/{entry.id}").text
    assert all(word in page for word in ("赵爷爷", "赵大姐 代报", "A1经办 登记", "腿脚不便"))
    second = client.post(base, data={"phone": "19900000089", "name": "钱大哥"}, headers=HTMX)
    assert "候补第 1 位" in second.text
    assert counts(session, entry) == (1, 1)


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"phone": "12345", "name": "赵大姐"}, 422, "11 位数字"),
        ({"phone": "19900000088", "name": ""}, 422, "请写上来电人的姓名"),
        ({"phone": "19900000088", "name": "赵大姐", "places": "两"}, 422, "人数请填数字"),
        ({"phone": "19900000088", "name": "赵" * 41}, 422, "最多 40 个字"),
        ({"phone": "19900000088", "name": "赵大姐", "places": "99"}, 409, "人数不对"),
    ],
)
def test_odd_callers_are_said_in_place_and_kept(
    session: Any,
    town: Town,
    entry: Entry,
    client: FlaskClient,
    as_staff: SignIn,
    form: dict[str, str],
    status: int,
    said: str,
) -> None:
    session.rollback()
    as_staff(client, town.staff["A1"])
    answer = client.post(f"/staff/sign-ups/{entry.id}/add", data=form)
    assert answer.status_code == status
    assert said in answer.text
    assert f'value="{form["phone"]}"' in answer.text
    assert not session.scalars(select(Resident).where(Resident.phone == "19900000088")).all()
    assert not session.scalars(select(SignUp)).all()


def test_extending(session: Any, town: Town, make: Make, client: FlaskClient, as_staff: SignIn) -> None:
    entry = make.entry(town.centres["A1"], sign_up_until=NOW + timedelta(hours=2))
    as_staff(client, town.staff["A1"])
    base = f"/staff/sign-ups/{entry.id}/extend"
    for day, hour, said in (
        ("2026-11-31", "18:00", "没有这个时间"), ("2026-11-30", "25:00", "没有这个时间"), ("2026-11-01", "18:00", "已经过去"),
        ("2027-01-01", "18:00", "不能晚于"),
    ):  # fmt: skip
        answer = client.post(base, data={"day": day, "clock": hour})
        assert said in answer.text
        assert answer.status_code == 422
    assert client.post(base, data={"day": "2026-12-12", "clock": "18:00"}).status_code == 303
    session.rollback()
    assert clock.stamp(entry.sign_up_until) == "12月12日 18:00"


def test_merging_asks_everybody_and_asks_to_cancel(
    session: Any, town: Town, make: Make, entry: Entry, rows: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    target = make.entry(town.centres["A1"], title="手机提高班", capacity=10)
    as_staff(client, town.staff["A1"])
    base = f"/staff/sign-ups/{entry.id}"
    assert "手机提高班" in client.get(base).text
    assert client.post(f"{base}/merge", data={"target": "x"}).status_code == 422
    assert client.post(f"{base}/merge", data={"target": str(target.id)}).status_code == 303
    session.rollback()
    asked = session.scalars(select(SignUp).where(SignUp.entry_id == target.id)).all()
    assert [a.status for a in asked] == ["offered"] * 4
    change = session.scalars(select(EntryChange)).one()
    assert (change.kind, change.status, change.entry_id) == ("cancel", "asked", entry.id)
    assert counts(session, target) == (4, 0)


def test_cancelling_needs_a_reason(
    session: Any, town: Town, entry: Entry, rows: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["D"])
    base = f"/staff/sign-ups/{entry.id}"
    assert client.post(f"{base}/cancel", data={"reason": ""}).status_code == 422
    assert client.post(f"{base}/cancel", data={"reason": "台风"}).status_code == 303
    session.rollback()
    assert entry.status == "cancelled"


def test_a_printed_roster_does_not_outlive_an_erasure(
    session: Any, town: Town, entry: Entry, rows: list[SignUp], client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1-OP"])
    assert fetched(client, f"/staff/sign-ups/{entry.id}/roster.pdf").status_code == 200
    made = pdf_spool.spool().made
    assert [file for file in made.iterdir() if file.name.startswith("p-")]
    session.rollback()
    with writing():
        people.erase_resident(town.resident_actor(0), town.residents[0], NOW)
    assert not [file for file in made.iterdir() if file.name.startswith("p-")]


def test_papers(session: Any, town: Town, make: Make, client: FlaskClient, as_staff: SignIn) -> None:
    entry = make.entry(town.centres["A1"], title="剪纸课", max_companions=2)
    actions.sign_up(town.resident_actor(0), entry.id, None, 2, NOW)
    staff_actions.add_by_staff(town.actor("A1"), entry.id, "19900000088", "=1+1", "", 1, NOW)
    session.commit()
    as_staff(client, town.staff["A1-OP"])
    base = f"/staff/sign-ups/{entry.id}"
    paper = fetched(client, f"{base}/roster.pdf")
    assert paper.mimetype == "application/pdf"
    assert paper.headers["Cache-Control"] == "private, no-store"
    text = "".join(page.extract_text() for page in PdfReader(BytesIO(paper.data)).pages)
    assert all(word in text for word in ("剪纸课", "居民甲", "0000"))
    assert "19900000000" not in text
    filed = fetched(client, f"{base}/roster.pdf?kind=attendance").data
    assert "签到记录" in "".join(page.extract_text() for page in PdfReader(BytesIO(filed)).pages)
    table = client.get(f"{base}/sign-ups.csv").text
    assert "199****0000" in table
    assert "'=1+1" in table  # a name never becomes a formula
    assert "导出（完整电话，有记录）" in client.get(base).text
    full = client.post(f"{base}/sign-ups.csv").text
    assert "19900000000" in full
    session.rollback()
    assert session.scalars(select(AuditLog).where(AuditLog.summary.contains("导出完整电话"))).one()


def test_roster_of_one_date_of_many(
    session: Any, town: Town, make: Make, client: FlaskClient, as_staff: SignIn
) -> None:
    start = NOW + timedelta(days=8)
    dates = [(start + timedelta(days=7 * n), start + timedelta(days=7 * n, hours=1)) for n in range(5)]
    entry = make.entry(town.centres["A1"], sessions=dates)
    ids = [s.id for s in entry.sessions]
    as_staff(client, town.staff["A1"])
    base = f"/staff/sign-ups/{entry.id}"
    assert f'<option value="{ids[3]}">' in client.get(base).text
    with clock.frozen(dates[1][1]):  # the second is just over: the next one is offered
        page = as_staff(client, town.staff["A1"]).get(base).text
    as_staff(client, town.staff["A1"])
    assert f'<option value="{ids[2]}" selected>' in page
    assert page.count("（已过）</option>") == 2
    text = PdfReader(BytesIO(fetched(client, f"{base}/roster.pdf?session={ids[3]}").data)).pages[0].extract_text()
    assert clock.span(*dates[3]) in text.replace("\n", "")
    assert fetched(client, f"{base}/roster.pdf?session=99999").status_code == 404
