"""Pages of orders: dispatch, the member's buttons, the paper order without a login, the visit's link; who sees what."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

from pypdf import PdfReader
from sqlalchemy import select

from portal.core import clock, pdf
from portal.core.db import writing
from portal.help_requests.models import HelpOrder, HelpReading
from portal.help_requests.orders import documents, queries
from portal.teams.models import Team
from tests.factories import NOW, Town
from tests.help_requests.conftest import PLACE, WORDS, fresh
from tests.help_requests.orders.conftest import END, START, Ordered, again, carry
from tests.teams.conftest import by_name

WHEN = {"day": clock.local(START).date().isoformat(), "from": "14:00", "to": "16:00"}
PHONE = "有号码"


def test_dispatch(session: Any, town: Town, team: Team, filed: Any, app: Any, as_staff: Any) -> None:
    row = filed("accepted").id
    url, a1 = f"/staff/help/{row}/send", as_staff(app.test_client(), town.staff["A1"])
    page = a1.get(url, query_string=WHEN).text
    assert "有空的 4 人" in page and "这次不派的 1 人" in page and "不在班，当天没有排他" in page
    assert page.count("btn primary") == 1 and PLACE not in page
    odd = a1.get(url, query_string=WHEN | {"from": "25:00"})
    assert odd.status_code == 422 and "上门时间要在现在以后" in odd.text
    no_why = a1.post(url, data=WHEN | {"member": by_name(team, "只有名").id})
    assert no_why.status_code == 422 and "请写理由" in no_why.text
    assert a1.post(url, data=WHEN | {"member": "x"}).status_code == 422
    for key in ("B", "B1", "A2"):
        assert as_staff(app.test_client(), town.staff[key]).get(url).status_code == 404
    assert as_staff(app.test_client(), town.staff["D-LOOK"]).get(url).status_code == 403
    sent = a1.post(url, data=WHEN | {"member": by_name(team, PHONE).id})
    assert sent.status_code == 303 and fresh(row).status == "assigned"
    board = a1.get(f"/staff/help?open={row}").text
    assert "等队员确认" in board and "换人去" in board and "队员答应了" in board
    order = session.scalars(select(HelpOrder)).one()
    assert a1.post(f"/staff/help/orders/{order.id}/agreed").status_code == 303
    assert again(order).status == "confirmed"
    assert a1.post(f"/staff/help/orders/{order.id}/cancel").status_code == 303
    assert fresh(row).status == "accepted"
    assert a1.post(f"/staff/help/orders/{order.id}/cancel").status_code == 303  # said on the page it leads to


def test_the_member_on_the_phone(
    session: Any, town: Town, ordered: Ordered, app: Any, as_resident: Any, as_staff: Any
) -> None:
    order = ordered("居民甲")
    me = as_resident(app.test_client(), town.residents[3])
    base = f"/m/orders/{order.id}"
    page = me.get("/m").text
    assert "我去" in page and WORDS not in page and PLACE not in page and (town.residents[0].phone or "x") not in page
    early = me.post(f"{base}/address")
    assert early.status_code == 409 and PLACE not in early.text and "先点“我去”" in early.text
    for stranger in (as_resident(app.test_client(), town.residents[0]), as_staff(app.test_client(), town.staff["A1"])):
        for step in ("yes", "no", "go", "arrive", "well", "finish", "address"):
            assert stranger.post(f"{base}/{step}").status_code == 404
    assert app.test_client().post(f"{base}/yes").status_code == 303  # to sign in
    assert me.post(f"{base}/yes").status_code == 303
    assert WORDS in me.get("/m").text and PLACE not in me.get("/m").text
    shown = me.post(f"{base}/address")
    assert PLACE in shown.text and "no-store" in shown.headers["Cache-Control"]
    for step in ("go", "arrive", "well"):
        assert me.post(f"{base}/{step}").status_code == 303
    assert me.post(f"{base}/finish", data={"words": "字" * 301}).status_code == 422
    assert me.post(f"{base}/finish", data={"words": "送到了"}).status_code == 303
    assert fresh(order.request_id).done_words == "送到了" and "现在没有派给您的事" in me.get("/m").text
    assert len(session.scalars(select(HelpReading.id)).all()) == 2
    over = me.post(f"{base}/go")
    assert over.status_code == 409 and "已办" in over.text


def test_the_paper_order_needs_no_login(session: Any, town: Town, team: Team, ordered: Ordered, app: Any) -> None:
    order = ordered("只有名")
    anybody, url = app.test_client(), f"/m/paper/{order.token}"
    page = anybody.get(url)
    assert page.status_code == 200 and "出发" in page.text and "no-store" in page.headers["Cache-Control"]
    for private in (PLACE, WORDS, town.residents[0].phone or "x", town.residents[0].name):
        assert private not in page.text
    assert anybody.get(url + "x").status_code == 404 and anybody.post(f"{url}/burn").status_code == 404
    assert anybody.post(f"{url}/arrive").status_code == 409  # not before going
    for step in ("go", "arrive", "well", "finish"):
        assert anybody.post(f"{url}/{step}").status_code == 303
    assert "办好了" in anybody.get(url).text and fresh(order.request_id).done_words == "已经办好"
    late = ordered("只有名", number=1)
    with clock.frozen(END + timedelta(days=2)):
        old = f"/m/paper/{late.token}"
        assert "过期了" in anybody.get(old).text and anybody.post(f"{old}/go").status_code == 409


def test_paper_is_printed_on_purpose(session: Any, town: Town, ordered: Ordered, app: Any, as_staff: Any) -> None:
    """The sheet has the address, so asking for it is a reading that is noted; nobody else gets it."""
    order = ordered("只有名")
    a1, url = as_staff(app.test_client(), town.staff["A1"]), f"/staff/help/orders/{order.id}"
    assert a1.get(f"{url}.pdf").status_code == 303
    asked = a1.post(f"{url}/print")
    assert asked.status_code == 303 and asked.location.endswith(".pdf")
    assert a1.get(f"{url}.pdf").status_code in (200, 202)
    assert as_staff(app.test_client(), town.staff["A1-OP"]).get(f"{url}.pdf").status_code == 303
    assert (
        as_staff(app.test_client(), town.staff["A"]).post(f"{url}/print").status_code == 403
    )  # above: not accepted by it
    assert as_staff(app.test_client(), town.staff["B1"]).post(f"{url}/print").status_code == 404
    session.rollback()
    assert sorted(session.scalars(select(HelpReading.field))) == ["address", "phone"]
    row = again(order)
    sheet = documents.sheet_of(row, NOW, "http://localhost/m/paper/x", queries.printed(row), "代办", "李四")
    reader = PdfReader(io.BytesIO(pdf.render(documents.order_sheet(sheet))))
    text = reader.pages[0].extract_text().replace("\n", "")
    assert len(reader.pages) == 1 and PLACE in text and "只有名" in text and "不要拍照" in text


def test_the_visit_by_its_link(session: Any, town: Town, ordered: Ordered, app: Any, as_resident: Any) -> None:
    order = ordered("居民甲", "yes")
    token = order.visit.token  # type: ignore[union-attr]
    anybody, url = app.test_client(), f"/visit/{token}"
    page = anybody.get(url).text
    assert "14:00–16:00" in page and "13:00–15:00" in page
    for private in (PLACE, WORDS, town.residents[0].name, "居民甲"):
        assert private not in page
    assert anybody.post(url, data={"start": "soon"}).status_code == 409
    assert anybody.post(url, data={"start": (START - timedelta(hours=1)).isoformat()}).status_code == 303
    assert "13:00–15:00" in anybody.get(url).text and anybody.get("/visit/x").status_code == 404
    me = as_resident(app.test_client(), town.residents[0])
    assert f"/visit/{token}" in me.get(f"/help/{order.request_id}").text
    with writing():
        carry(again(order), "go")
    assert "已经出发" in anybody.get(url).text
    assert anybody.post(url, data={"start": START.isoformat()}).status_code == 409
