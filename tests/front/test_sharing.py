"""A page passed on: how it looks as a card in a group, ready words, what a centre says of itself (SPEC N1, N3)."""

from __future__ import annotations

import io
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from portal.catalogue import pictures
from portal.catalogue.public import month_snapshot
from portal.core.attachments import Attachment
from tests.factories import NOW, Make, Town
from tools import share_pictures

START, HOURS = NOW + timedelta(hours=5), timedelta(hours=2)


@pytest.fixture(autouse=True)
def _cold() -> None:
    month_snapshot.forget()


class Meta(HTMLParser):
    """What a page says of itself in its head."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        name = said.get("property") or said.get("name")
        if tag == "meta" and name:
            assert name not in self.found, f"{name} is said twice"
            self.found[name] = said.get("content") or ""


def meta(client: FlaskClient, url: str) -> dict[str, str]:
    answer = client.get(url)
    assert answer.status_code == 200
    page = Meta()
    page.feed(answer.text)
    return page.found


def picture(client: FlaskClient, said: dict[str, str]) -> Image.Image:
    """The card's picture, fetched as a group's server does."""
    address = said["og:image"]
    assert address.startswith("https://portal.example/")
    with client.get(address.removeprefix("https://portal.example")) as answer:
        assert answer.status_code == 200 and answer.mimetype in {"image/png", "image/jpeg"}
        return Image.open(io.BytesIO(answer.data))


def test_every_drawing_has_a_picture_of_today() -> None:
    drawings = share_pictures.drawings()
    assert set(drawings) == {name for name, _words in pictures.WORDS} | {pictures.OTHER}
    for name, drawing in drawings.items():
        with Image.open(share_pictures.STATIC / "share" / f"{name}.png") as found:
            assert found.size == (share_pictures.SIDE, share_pictures.SIDE)
            assert found.info[share_pictures.NOTE] == share_pictures.mark(drawing), "python -m tools.share_pictures"


def test_an_activitys_card(client: FlaskClient, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"], [(START, START + HOURS)], title='义诊 "免费" <b>')
    said = meta(client, f"/services/{entry.id}")
    assert said["og:title"] == '义诊 "免费" <b>' and said["og:url"] == f"https://portal.example/s/{entry.id}"
    assert "11月25日" in said["og:description"] and "一楼大厅" in said["og:description"]
    assert "/share/health.png" in said["og:image"] and picture(client, said).size == (600, 600)


def test_a_cover_is_the_cards_picture(client: FlaskClient, town: Town, make: Make) -> None:
    name = "0" * 32 + ".jpg"
    entry = make.entry(town.centres["A1"], [(START, START + HOURS)], cover=name)
    assert meta(client, f"/services/{entry.id}")["og:image"] == f"https://portal.example/pictures/{name}"


@pytest.mark.parametrize("url", ["/c/A1", "/c/A1/share"])
def test_a_centres_card(client: FlaskClient, session: Any, town: Town, make: Make, url: str) -> None:
    make.entry(town.centres["A1"], [(START, START + HOURS)])
    said = meta(client, url)
    assert said["og:title"] == "甲一社区党群服务中心" and said["og:url"] == "https://portal.example/c/A1"
    assert "1 项服务" in said["og:description"] and "甲一路4号" in said["og:description"]
    assert "今天" not in said["og:description"], "groups keep a card for months"
    assert picture(client, said).size == (600, 600)
    a1 = town.centres["A1"]
    session.add(
        Attachment(
            subject_kind="centre",
            subject_id=a1.id,
            centre_id=a1.id,
            file="0" * 32 + ".jpg",
            caption="",
            created_at=NOW,
        )
    )
    a1.updated_at = NOW + HOURS
    session.commit()
    assert meta(client, url)["og:image"] == "https://portal.example/pictures/" + "0" * 32 + ".jpg"


def test_ready_words_for_a_group(client: FlaskClient, session: Any, town: Town, make: Make) -> None:
    for number in range(10):
        make.entry(
            town.centres["A1"],
            [(START + number * HOURS / 2, START + number * HOURS / 2 + HOURS)],
            title=f"第{number}场",
        )
    make.entry(town.centres["A1"], [(START, START + HOURS)], title="不办了", status="cancelled")
    make.entry(town.centres["A1"], [(START + timedelta(days=9), START + timedelta(days=9) + HOURS)], title="下下周")
    page = client.get("/c/A1/share").text
    words = page.partition('<pre id="share-text"')[2].partition("</pre>")[0]
    assert "今天到周日有 10 项活动" in words and "第7场（一楼大厅）" in words and "还有 2 项" in words
    assert "不办了" not in words and "下下周" not in words and "https://portal.example/c/A1" in words
    assert "甲一路4号" in words and "0755-8420 0003" in words
    assert 'data-copy="share-text"' in page and "/c/A1/qr.png" in page
    town.centres["A1"].address = town.centres["A1"].phone = ""
    session.commit()
    words = client.get("/c/A1/share").text.partition('<pre id="share-text"')[2].partition("</pre>")[0]
    assert "地址" not in words and "电话" not in words


def test_one_tap_marks_all_words_without_a_script(app: Flask) -> None:
    css = (share_pictures.STATIC / "portal.css").read_text("utf-8")
    (rule,) = [line for line in css.splitlines() if line.startswith(".copybox pre")]
    assert "-webkit-user-select: all" in rule  # by this name every browser knows it


def test_a_centre_that_is_closed_down_is_not_passed_on(client: FlaskClient, session: Any, town: Town) -> None:
    town.centres["A1"].active = False
    session.commit()
    assert client.get("/c/A1/share").status_code == client.get("/c/NOPE/share").status_code == 404


def test_a_centre_says_what_is_known_of_it(client: FlaskClient, session: Any, town: Town) -> None:
    a1 = town.centres["A1"]
    a1.responsible, a1.updated_at = "", NOW + HOURS
    session.commit()
    facts = client.get("/c/A1").text.partition('<dl class="facts">')[2]
    assert "面积" not in facts and "负责人" not in facts and "功能" not in facts
    a1.responsible, a1.area_m2, a1.functions, a1.updated_at = "林主任", 860, ["书吧", "舞蹈室"], NOW + 2 * HOURS
    session.commit()
    facts = client.get("/c/A1").text.partition('<dl class="facts">')[2]
    assert "860 平方米" in facts and "林主任" in facts and "书吧、舞蹈室" in facts
    assert 'href="/c/A1/share"' in client.get("/c/A1").text
