"""/centres and the printed map: the nearest first, groups, search, numbers that agree (SPEC N4)."""

import json
import math
import re
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert

from portal.centres import drawing, profile, queries
from portal.centres.models import Centre, OpeningException, OpeningHours
from portal.core import clock, pdf
from portal.core.db import db
from portal.front import atlas, documents
from tests.core.printed import text_of
from tests.factories import Town

NINE = datetime(2026, 12, 3, 1, 0, tzinfo=UTC)  # a Thursday, 9:00 in Shanghai


@pytest.fixture
def placed(town: Town) -> Town:
    """The communities along a road, a kilometre apart; the root stays unknown."""
    for number, code in enumerate(("A", "A1", "A2", "B", "B1")):
        centre = town.centres[code]
        centre.latitude, centre.longitude = 22.6 + 0.009 * number, 114.47
    db.session.commit()
    return town


def _page(client: FlaskClient, **args: Any) -> str:
    answer = client.get("/centres", query_string=args)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def _labels(page: str) -> list[str]:
    return re.findall(r'class="to" href="[^"]+">(?:<span class="no">\d+</span>)?<strong>([^<]+)', page)


def test_every_centre_stands_once_under_its_branch(client: FlaskClient, placed: Town) -> None:
    page = _page(client)
    active = [c.label for c in placed.centres.values() if c.active]
    assert sorted(_labels(page)) == sorted(active)
    summaries = re.findall(r"<summary><strong>([^<]+)", page)
    assert placed.centres["A"].label in summaries and placed.centres["B"].label in summaries


def test_the_visitors_own_and_the_two_next_to_it_come_first(client: FlaskClient, placed: Town) -> None:
    client.get(f"/c/{placed.centres['A1'].code}")
    page = _page(client)
    near = page[page.index('id="near"') : page.index("</section>", page.index('id="near"'))]
    assert _labels(near)[0] == placed.centres["A1"].label
    assert set(_labels(near)[1:]) == {placed.centres["A"].label, placed.centres["A2"].label}
    assert "1.0 公里" in near and "hidden" not in near[:40]


def test_search_finds_a_branch_a_name_and_a_road(client: FlaskClient, placed: Town) -> None:
    branch = placed.centres["A"]
    below = {c.label for c in placed.centres.values() if c.active and c.path.startswith(branch.path)}
    assert set(_labels(_page(client, q=branch.label))) == below
    placed.centres["B1"].address = "望海路 8 号"
    db.session.commit()
    assert _labels(_page(client, q="望海路")) == [placed.centres["B1"].label]
    nothing = _page(client, q="没有这个")
    assert "没有这个名字的服务点" in nothing and "12345" in nothing


def test_a_branch_has_its_map_with_the_numbers_of_its_list(client: FlaskClient, placed: Town) -> None:
    page = _page(client, area=placed.centres["A"].code)
    drawn = re.findall(r"<text x=[^>]+>(\d+)</text>", page)
    listed = re.findall(r'<span class="no">(\d+)</span>', page)
    assert drawn and set(drawn) <= set(listed)
    assert client.get("/centres?area=nowhere").status_code == 404
    assert client.get(f"/centres?area={placed.centres['A1'].code}").status_code == 404  # a leaf is no branch


def test_open_or_not_is_said_as_the_centres_own_page_says_it(town: Town) -> None:
    """One rule: what the list reads for all at once equals what each page reads for itself, at every hour."""
    a1, a2, b = (town.centres[code] for code in ("A1", "A2", "B"))
    for centre in (a1, a2, b):
        db.session.query(OpeningHours).filter_by(centre_id=centre.id).delete()
    db.session.execute(insert(OpeningHours), [
        {"centre_id": a1.id, "weekday": day, "opens": 540, "closes": 720, "note": ""} for day in range(7)
    ] + [{"centre_id": a1.id, "weekday": 3, "opens": 840, "closes": 1080, "note": ""},
         {"centre_id": a2.id, "weekday": 4, "opens": 600, "closes": 660, "note": "晚间延时"}])  # fmt: skip
    today = clock.today(NINE)
    db.session.add_all([
        OpeningException(centre_id=a2.id, day=today, opens=None, closes=None, reason="停电"),
        OpeningException(centre_id=b.id, day=today, opens=600, closes=700, reason="开放日"),
    ])  # fmt: skip
    db.session.commit()
    for hour in range(24):
        now = NINE.replace(hour=hour)
        together = queries.openings(now)
        for centre in (a1, a2, b):
            own = queries.opening(centre.id, now)
            if centre.id in together:
                assert together[centre.id] == own, (centre.label, hour)
            else:
                assert own.next_text == "开放时间请电话咨询"


def test_the_number_of_statements_is_the_same_for_many(client: FlaskClient, placed: Town, count_queries: Any) -> None:
    with count_queries() as few:
        _page(client)
    parent = placed.centres["A"]
    for n in range(40):
        db.session.add(Centre(
            code=f"Z{n}", name=f"甲新{n}社区党群服务中心", short_name=f"甲新{n}社区", level=placed.centres["A1"].level,
            kind="community", parent_id=parent.id, path=f"{parent.path}{9000 + n}/", depth=parent.depth + 1,
            latitude=22.6 + n / 1000, longitude=114.5, created_at=NINE, updated_at=NINE, functions=[],
        ))  # fmt: skip
    db.session.commit()
    with count_queries() as many:
        page = _page(client)
    assert len(many) == len(few)
    assert "甲新39社区" in page


@pytest.mark.once
@pytest.mark.parametrize("code", profile.codes())
def test_each_outline_is_a_border(code: str) -> None:
    """The file that a deployment ships becomes one closed path in the picture."""
    file = Path(profile.FOLDER) / code / "outline.geojson"
    assert json.loads(file.read_text(encoding="utf-8"))["features"], "the four districts ship theirs"
    rings = profile.outline(code)
    longest = max(rings, key=len)
    picture = drawing.draw([longest[0], longest[len(longest) // 2]], rings)
    assert picture is not None and picture.path.count("M") == picture.path.count("Z") >= 1
    numbers = [int(n) for n in re.findall(r"-?\d+", picture.path)]
    assert all(-1 <= x <= 1001 for x in numbers[::2]) and all(-1 <= y <= picture.height + 1 for y in numbers[1::2])


@pytest.mark.once
def test_dots_keep_their_distance_and_their_order() -> None:
    points = [(300.0 + n, 300.0) for n in range(20)] + [(300.0, 300.0)] * 3
    moved = drawing.apart(points, 30, 600)
    assert min(math.dist(a, b) for a, b in combinations(moved, 2)) > 29
    assert max(math.dist(a, b) for a, b in zip(points, moved, strict=True)) < 200
    assert drawing.apart(points, 0, 600) == points


@pytest.mark.once
def test_names_cover_neither_each_other_nor_the_dots() -> None:
    kind = drawing.Type(letter=26, line=34, radius=14)
    dots = tuple(drawing.Dot(n, 300 + 70 * (n % 4), 200 + 60 * (n // 4)) for n in range(1, 13))
    words = dict.fromkeys((1, 5, 9), "葵涌街道")
    found = drawing.labels(drawing.Drawing(600, "", dots), words, kind)
    boxes = [(x - 104 if left else x, x if left else x + 104, y) for x, y, left in ((f.x, f.y, f.left) for f in found)]
    assert len(boxes) == 3
    for one, other in combinations(boxes, 2):
        assert one[1] <= other[0] or other[1] <= one[0] or abs(one[2] - other[2]) >= 34
    for start, end, y in boxes:
        assert not any(start < d.x < end and y - 26 < d.y < y for d in dots)


@pytest.mark.once
def test_a_place_far_outside_is_left_out_and_two_are_needed() -> None:
    border = (((114.3, 22.5), (114.6, 22.5), (114.6, 22.7), (114.3, 22.7)),)
    inside, near, far = (114.4, 22.6), (114.62, 22.6), (113.9, 22.5)
    picture = drawing.draw([far, inside, None, near], border)
    assert picture is not None and [dot.number for dot in picture.dots] == [2, 4]
    assert drawing.draw([inside, None], border) is None
    flat = drawing.draw([(114.3, 22.6), (114.6, 22.6)], ())
    assert flat is not None and flat.height == 500


def test_paper_says_the_numbers_of_the_map(placed: Town) -> None:
    rows = atlas.rows_of(queries.places(), NINE)
    told = atlas.sheet(rows, atlas.groups(rows), clock.today(NINE), "http://x/centres")
    for paper in ("a4", "a3"):
        words = "".join(text_of(pdf.render(documents.atlas(told, paper))))
        assert "党群服务导图" in words and "第1页" in words
        for row in rows:
            assert row.place.label in words
    assert {dot.number for dot in told.dots} == {r.number for _, lines in told.groups for r in lines if r.number}
