"""A district of 418 centres: no staff page is heavy, and no long box has to be scrolled through (SPEC Q2, Q3)."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from bench.wide import BYTES, CENTRES, widen
from portal.centres.models import Centre
from portal.core.db import db
from tests.factories import NOW
from tests.house import world as worlds
from tests.house.test_access_matrix import routes, url
from tests.house.world import World

LONG = 60  # options; a day has 48 half hours
FILES = (".pdf", ".png", ".csv", ".xlsx", ".zip", ".ics")


@pytest.fixture
def world(town: Any, make: Any, session: Any) -> World:
    found = worlds.build(town, make)
    widen(NOW)
    session.commit()
    assert db.session.scalar(select(func.count(Centre.id))) == CENTRES
    session.rollback()
    return found


class Boxes(HTMLParser):
    """The select boxes of a page: how they are marked, how many options they have, how many under headings."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self.grouped = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "select":
            self.found.append({"name": said.get("name"), "typed": "data-find" in said, "options": 0, "grouped": 0})
        elif tag == "optgroup":
            self.grouped = True
        elif tag == "option":
            self.found[-1]["options"] += 1
            self.found[-1]["grouped"] += self.grouped

    def handle_endtag(self, tag: str) -> None:
        if tag == "optgroup":
            self.grouped = False


@pytest.mark.once
def test_pages_are_light_and_boxes_can_be_typed_into(app: Flask, world: World, as_staff: Any) -> None:
    client = as_staff(app.test_client(), world.town.staff["D"])
    heavy, plain, seen = [], [], 0
    for rule, method, _ in routes(app, "staff"):
        if method != "GET" or rule.rule.endswith(FILES):
            continue
        answer = client.get(url(app, rule, world))
        if answer.status_code != 200 or answer.mimetype != "text/html":
            continue
        seen += 1
        heavy += [(rule.rule, len(answer.data))] if len(answer.data) > BYTES else []
        boxes = Boxes()
        boxes.feed(answer.text)
        long = [box for box in boxes.found if box["options"] > LONG]
        plain += [(rule.rule, box) for box in long if not box["typed"] or box["grouped"] < box["options"] // 2]
    assert not heavy
    assert not plain, "a long box is drawn by ui.centres, or has data-find and headings"
    assert seen > 60
