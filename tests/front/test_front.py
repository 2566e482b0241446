"""Home, a centre's page, the elder version, my services, waiting for me."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, literal, select, union_all

from portal.catalogue.public import month_snapshot
from portal.core import registry
from portal.core.attachments import Attachment
from portal.core.db import packed
from tests import factories


@pytest.fixture(autouse=True)
def _cold() -> None:
    month_snapshot.forget()


def text(client: FlaskClient, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def test_a_newcomer_is_asked_for_the_community_once(client: FlaskClient, town: factories.Town) -> None:
    page = text(client, "/")
    assert "您住在哪个社区" in page and "甲一社区" in page and "测试区" not in page
    answer = client.post("/my-centre", data={"centre": str(town.centres["A1"].id)})
    assert answer.status_code == 303
    page = text(client, "/")
    assert "甲一社区党群服务中心" in page and "您住在哪个社区" not in page
    assert "您住在哪个社区" in text(client, "/?choose=1")


def test_choosing_nothing_says_so(client: FlaskClient, town: Any) -> None:
    client.post("/my-centre", data={"centre": ""})
    assert "请先选一个社区" in text(client, "/")


def test_a_centres_page_tells_hours_phone_and_services(client: FlaskClient, town: Any, make: Any) -> None:
    start = factories.NOW.replace(hour=7)
    make.entry(town.centres["A1S"], [(start, start.replace(hour=9))], title="站里的活动")
    page = text(client, "/c/A1")
    assert "开放中" in page and "9:00–21:00" in page and "tel:075584200003" in page
    assert "站里的活动" in page and "甲一小区" in page and "甲街道" in page
    assert "站里的活动" not in text(client, "/c/B1")


def test_a_centres_photos_are_on_its_page(client: FlaskClient, town: Any, session: Any) -> None:
    a1 = town.centres["A1"].id
    session.add(Attachment(
        subject_kind="centre", subject_id=a1, centre_id=a1, file="0" * 32 + ".jpg", caption="二楼书吧",
        created_at=factories.NOW,
    ))  # fmt: skip
    session.commit()
    page = text(client, "/c/A1")
    assert "二楼书吧" in page and f"/pictures/{'0' * 32}.jpg" in page


def test_the_scanned_centre_is_remembered(client: FlaskClient, town: Any) -> None:
    text(client, "/c/B1")
    assert "乙一社区党群服务中心" in text(client, "/")


def test_an_unknown_centre_is_a_page_with_a_way_out(client: FlaskClient, town: Any) -> None:
    page = text(client, "/c/NOPE", 404)
    assert "回首页" in page and 'href="tel:110"' in page


def test_elder_version_is_five_doors(client: FlaskClient, town: Any) -> None:
    text(client, "/c/A1")
    answer = client.post("/elder", data={"on": "1", "next": "/"})
    assert answer.headers["Location"] == "/"
    page = text(client, "/")
    assert (
        'class="elder"' in page
        and page.count('class="door"') + page.count('class="door ') == 5
        and "<strong>打电话找我们</strong><span>0755-" in page
    )
    client.post("/elder", data={"on": "0", "next": "/"})
    assert 'class="elder"' not in text(client, "/")


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_elder_switch_stays_inside(client: FlaskClient, town: Any, target: str) -> None:
    assert client.post("/elder", data={"on": "1", "next": target}).headers["Location"] == "/"


def test_elder_choice_of_a_resident_is_stored(client: FlaskClient, town: Any, as_resident: Any, session: Any) -> None:
    as_resident(client, town.residents[0])
    client.post("/elder", data={"on": "1", "next": "/"})
    session.rollback()
    assert town.residents[0].elder_mode is True


def test_help_has_a_telephone(client: FlaskClient, town: Any) -> None:
    assert "选择社区" in text(client, "/help/phone")
    text(client, "/c/A1")
    assert "/help/phone" in text(client, "/help")
    page = text(client, "/help/phone")
    assert "tel:075584200003" in page and "甲街道" in page and "tel:12345" in page
    urgent = text(client, "/help/urgent")
    assert all(f"tel:{n}" in urgent for n in ("110", "119", "120"))


def test_me_needs_a_resident_and_comes_back(client: FlaskClient, town: Any, as_resident: Any) -> None:
    answer = client.get("/me")
    assert answer.status_code == 303 and answer.headers["Location"].endswith("/login?next=/me")
    page = text(as_resident(client, town.residents[0]), "/me")
    assert "还没有报名" in page and "居民甲" in page


def test_an_expired_session_answers_htmx_with_a_redirect(client: FlaskClient, town: Any) -> None:
    answer = client.get("/me", headers={"HX-Request": "true"})
    assert answer.status_code == 401 and answer.headers["HX-Redirect"].endswith("/login?next=/me")


def _two_things(_actor: Any, now: Any) -> list[registry.Waits]:
    def line(row: dict[str, Any]) -> registry.Waiting:
        due, tone = (now.replace(day=20), "red") if row["late"] else (None, "neutral")
        return registry.Waiting("catalogue", row["title"], "d", now, "/staff", due=due, tone=tone)

    rows = union_all(
        select(literal("不急的事").label("title"), literal(0).label("late")), select(literal("超时的事"), literal(1))
    ).subquery()
    found = select(packed(title=rows.c.title, late=rows.c.late))
    return [registry.Waits("catalogue", select(func.count()).select_from(rows).scalar_subquery(), lambda: found, line)]


def test_a_further_feature_asks_nothing_more(
    app: Any, town: Any, as_staff: Any, count_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The left column is one statement and the inbox one more, however many features come."""
    client = as_staff(app.test_client(), town.staff["A1"])

    def asked(path: str, sources: dict[str, Any]) -> list[str]:
        monkeypatch.setattr(registry, "waiting_sources", sources)
        with count_queries() as seen:
            text(client, path)
        return [s for s in seen if not s.startswith(("BEGIN", "PRAGMA"))]

    now, none = dict(registry.waiting_sources), dict[str, Any]()
    more = now | {f"t{i}": _two_things for i in range(20)}
    for path, most in (("/staff/sessions", 1), ("/staff", 2)):
        assert len(asked(path, now)) - len(asked(path, none)) <= most
        assert len(asked(path, more)) == len(asked(path, now))
    assert len(asked("/staff", more)) <= 4


def test_staff_inbox_shows_the_most_pressing_first(
    client: FlaskClient, town: Any, as_staff: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "waiting_sources", {"t": _two_things})
    page = text(as_staff(client, town.staff["A1"]), "/staff")
    assert page.index("超时的事") < page.index("不急的事") and "其中 1 项已超时" in page
    assert "2<span" in page.replace(" ", "")  # the count beside 待我处理


def test_the_staff_face_is_not_for_residents(client: FlaskClient, town: Any, as_resident: Any) -> None:
    answer = as_resident(client, town.residents[0]).get("/staff")
    assert answer.status_code == 303 and "/staff/login" in answer.headers["Location"]


@pytest.mark.parametrize("path", ["/staff/nowhere", "/staff/catalogue/999999", "/nowhere"])
def test_an_address_that_leads_nowhere_says_so_to_staff(
    client: FlaskClient, town: Any, as_staff: Any, path: str
) -> None:
    as_staff(client, town.staff["A1"])
    answer = client.get(path)
    assert answer.status_code == 404 and "没有找到" in answer.get_data(as_text=True)
