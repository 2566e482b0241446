"""Activities and centres in the words of schema.org on their pages: true, complete, public, safe (SPEC N1, C10)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.catalogue.actions import changing, entry_values, urgent
from portal.catalogue.models import Entry
from portal.catalogue.timetext.parts import Span
from portal.centres.models import OpeningException
from portal.core.attachments import Attachment
from tests.factories import NOW, Make, Town

START, HOURS = NOW + timedelta(days=8), timedelta(hours=2)
SCHEMA = "https://schema.org/"


class Scripts(HTMLParser):
    """What a browser takes for data of schema.org, and whatever else it takes for a script of the page itself."""

    def __init__(self) -> None:
        super().__init__()
        self.data: list[str] = []
        self.inline = 0
        self.here = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "script":
            self.here = said.get("type") == "application/ld+json"
            self.inline += not self.here and "src" not in said

    def handle_endtag(self, tag: str) -> None:
        self.here = self.here and tag != "script"

    def handle_data(self, data: str) -> None:
        if self.here:
            self.data.append(data)


def linked(client: FlaskClient, url: str) -> dict[str, Any]:
    page = Scripts()
    page.feed(client.get(url).text)
    assert page.inline == 0 and len(page.data) == 1
    found: dict[str, Any] = json.loads(page.data[0])
    return found


def test_an_activity_is_an_event(client: FlaskClient, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"], [(START, START + HOURS)], title="八段锦", taken=12, organiser="健身队")
    said = linked(client, f"/services/{entry.id}")
    assert said["@context"] == "https://schema.org" and said["@type"] == "Event" and said["name"] == "八段锦"
    assert said["startDate"] == "2026-12-03T10:00:00+08:00" and said["endDate"] == "2026-12-03T12:00:00+08:00"
    assert said["eventStatus"] == f"{SCHEMA}EventScheduled" and "previousStartDate" not in said
    assert said["maximumAttendeeCapacity"] == 30 and said["remainingAttendeeCapacity"] == 18
    assert (
        said["offers"]["price"] == "0.00" and said["offers"]["priceCurrency"] == "CNY" and said["isAccessibleForFree"]
    )
    assert said["offers"]["availability"] == f"{SCHEMA}InStock" and said["organizer"]["name"] == "健身队"
    here = said["location"]["containedInPlace"]
    assert said["location"]["name"] == "一楼大厅" and here["address"]["streetAddress"] == "甲一路4号"
    assert here["geo"]["latitude"] == pytest.approx(22.63) and here["telephone"] == "+86-755-84200003"
    assert said["url"].startswith("http") and said["url"].endswith(f"/services/{entry.id}")


def test_places_are_those_of_this_moment(client: FlaskClient, session: Any, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"], [(START, START + HOURS)], capacity=2)
    assert linked(client, f"/services/{entry.id}")["remainingAttendeeCapacity"] == 2
    entry.taken, entry.version = 2, entry.version + 1  # as a sign-up does: the revision stays
    session.commit()
    said = linked(client, f"/services/{entry.id}")
    assert said["remainingAttendeeCapacity"] == 0 and said["offers"]["availability"] == f"{SCHEMA}SoldOut"


def test_families_are_not_counted_as_people(client: FlaskClient, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"], [(START, START + HOURS)], capacity=10, unit="家庭", fee=1250)
    said = linked(client, f"/services/{entry.id}")
    assert "remainingAttendeeCapacity" not in said and "maximumAttendeeCapacity" not in said
    assert said["offers"]["price"] == "12.50" and said["isAccessibleForFree"] is False


def test_a_series_names_each_of_its_dates(client: FlaskClient, town: Town, make: Make) -> None:
    spans = [(START + timedelta(days=7 * n), START + timedelta(days=7 * n) + HOURS) for n in range(3)]
    said = linked(client, f"/services/{make.entry(town.centres['A1'], spans).id}")
    assert said["@type"] == "EventSeries" and said["startDate"][:10] == "2026-12-03"
    assert [event["startDate"][:10] for event in said["subEvent"]] == ["2026-12-03", "2026-12-10", "2026-12-17"]
    assert len({event["@id"] for event in said["subEvent"]}) == 3
    assert all(event["location"] and event["eventStatus"] for event in said["subEvent"])


def move(session: Any, town: Town, entry: Entry, *starts: Any) -> Any:
    spans = tuple(Span(start, start + HOURS) for start in starts)
    asked = changing.ask_change(
        town.actor("D"), entry, replace(entry_values.values_of(entry), sessions=spans), "场地调整", NOW
    )
    session.commit()
    return asked


def test_a_date_that_was_moved_says_when_it_was(client: FlaskClient, session: Any, town: Town, make: Make) -> None:
    week, day = timedelta(days=7), timedelta(days=1)
    entry = make.entry(town.centres["A1"], [(START, START + HOURS), (START + week, START + week + HOURS)])
    move(session, town, entry, START + day, START + week)
    moved, stays = linked(client, f"/services/{entry.id}")["subEvent"]
    assert moved["eventStatus"] == f"{SCHEMA}EventRescheduled"
    assert moved["startDate"][:10] == "2026-12-04" and moved["previousStartDate"] == "2026-12-03T10:00:00+08:00"
    assert stays["eventStatus"] == f"{SCHEMA}EventScheduled" and "previousStartDate" not in stays


def test_a_dropped_date_makes_no_other_a_moved_one(client: FlaskClient, session: Any, town: Town, make: Make) -> None:
    week = timedelta(days=7)
    entry = make.entry(town.centres["A1"], [(START + n * week, START + n * week + HOURS) for n in range(3)])
    move(session, town, entry, START, START + week)
    said = linked(client, f"/services/{entry.id}")["subEvent"]
    assert [event["eventStatus"] for event in said] == [f"{SCHEMA}EventScheduled"] * 2


def test_a_move_at_once_counts_until_it_is_undone(client: FlaskClient, session: Any, town: Town, make: Make) -> None:
    soon = NOW + timedelta(hours=6)
    entry = make.entry(town.centres["A1"], [(soon, soon + HOURS)])
    values = replace(entry_values.values_of(entry), sessions=(Span(soon + HOURS, soon + 2 * HOURS),))
    asked = changing.ask_change(town.actor("A1"), entry, values, "老师堵车", NOW)
    session.commit()
    assert linked(client, f"/services/{entry.id}")["previousStartDate"] == "2026-11-25T16:00:00+08:00"
    urgent.undo_change(town.actor("D"), asked, "不用改", NOW)
    session.commit()
    said = linked(client, f"/services/{entry.id}")
    assert said["eventStatus"] == f"{SCHEMA}EventScheduled" and said["startDate"] == "2026-11-25T16:00:00+08:00"


def test_a_cancelled_activity_is_cancelled_at_its_time(
    client: FlaskClient, session: Any, town: Town, make: Make
) -> None:
    entry = make.entry(town.centres["A1"], [(START, START + HOURS)])
    changing.cancel_entry(town.actor("D"), entry, "台风", NOW)
    session.commit()
    said = linked(client, f"/services/{entry.id}")
    assert said["eventStatus"] == f"{SCHEMA}EventCancelled" and said["startDate"][:10] == "2026-12-03"
    assert said["offers"]["availability"] == f"{SCHEMA}OutOfStock"


def test_places_that_nobody_can_take_are_not_in_stock(client: FlaskClient, town: Town, make: Make) -> None:
    soon = [(START, START + HOURS)]
    closed = make.entry(town.centres["A1"], soon, sign_up_until=NOW - HOURS)
    over = make.entry(town.centres["A1"], [(NOW - 2 * HOURS, NOW - HOURS)])
    come = make.entry(town.centres["A1"], soon, walk_in=True, capacity=None)
    said = [linked(client, f"/services/{entry.id}")["offers"]["availability"] for entry in (closed, over, come)]
    assert said == [f"{SCHEMA}OutOfStock", f"{SCHEMA}OutOfStock", f"{SCHEMA}InStock"]


def test_words_that_people_type_stay_data(client: FlaskClient, session: Any, town: Town, make: Make) -> None:
    bad = '</script><script>alert(1)</script><!--<script>"&\u2028'
    town.centres["A1"].intro = bad
    entry = make.entry(town.centres["A1"], [(START, START + HOURS)], title=bad, content=bad, place=bad, organiser=bad)
    session.commit()
    said = linked(client, f"/services/{entry.id}")
    assert said["name"] == said["description"] == said["location"]["name"] == said["organizer"]["name"] == bad
    assert linked(client, "/c/A1")["description"] == bad


def test_only_what_is_public_is_said(client: FlaskClient, town: Town, make: Make) -> None:
    entry = make.entry(
        town.centres["A1"], [(START, START + HOURS)], check_note="只有甲一知道", return_reason="只有甲一知道"
    )
    text = json.dumps(linked(client, f"/services/{entry.id}"), ensure_ascii=False)
    assert "只有甲一知道" not in text and "陈社工" not in text  # who is to be asked stands on the page, not in data


def test_a_centre_is_an_office_with_its_hours(client: FlaskClient, session: Any, town: Town) -> None:
    a1 = town.centres["A1"]
    a1.intro = "就在菜场对面"
    session.add_all(
        (
            OpeningException(centre_id=a1.id, day=date(2026, 12, 5), opens=None, closes=None, reason="检修"),
            OpeningException(centre_id=a1.id, day=date(2026, 11, 1), opens=None, closes=None, reason="过去了"),
            Attachment(
                subject_kind="centre",
                subject_id=a1.id,
                centre_id=a1.id,
                file="0" * 32 + ".jpg",
                caption="",
                created_at=NOW,
            ),
        )
    )
    session.commit()
    said = linked(client, "/c/A1")
    assert said["@type"] == "GovernmentOffice" and said["name"] == "甲一社区党群服务中心"
    assert (
        said["address"]["streetAddress"] == "甲一路4号" and said["parentOrganization"]["name"] == "甲街道党群服务中心"
    )
    (hours,) = said["openingHoursSpecification"]
    assert hours["opens"] == "09:00" and hours["closes"] == "21:00" and len(hours["dayOfWeek"]) == 7
    (closed,) = said["specialOpeningHoursSpecification"]
    assert closed["validFrom"] == "2026-12-05" and closed["opens"] == closed["closes"] == "00:00"
    assert said["image"][0].endswith("/pictures/" + "0" * 32 + ".jpg") and said["description"] == "就在菜场对面"
    assert "甲一负责人" not in json.dumps(said, ensure_ascii=False)


def test_what_a_centre_does_not_know_is_left_out(client: FlaskClient, session: Any, town: Town) -> None:
    a1 = town.centres["A1"]
    a1.address, a1.phone, a1.latitude = "", "", None
    session.commit()
    said = linked(client, "/c/A1")
    assert not said.keys() & {"address", "telephone", "geo", "image", "description", "specialOpeningHoursSpecification"}
