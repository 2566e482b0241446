"""What is unchanged is not sent again, and what is sent is compressed."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import Any

import pytest

from portal.core import clock

PAGES = ["/services", "/venues", "/centres", "/help/phone", "/c/A1", "/api/v1/services"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_a_browser_has_is_answered_by_304(client: Any, town: Any, path: str) -> None:
    first = client.get(path)
    tag = first.headers["ETag"]
    again = client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert "private" in again.headers["Cache-Control"]
    other = client.get(path, headers={"If-None-Match": 'W/"another"'})
    assert (other.status_code, other.data[:200]) == (200, first.data[:200])


def test_a_changed_page_is_sent(client: Any, town: Any, session: Any) -> None:
    tag = client.get("/c/A1").headers["ETag"]
    town.centres["A1"].phone, town.centres["A1"].updated_at = "0755-8420 9999", clock.now() + timedelta(seconds=1)
    session.commit()
    changed = client.get("/c/A1", headers={"If-None-Match": tag})
    assert changed.status_code == 200 and "9999" in changed.get_data(as_text=True)


def test_two_people_never_share_a_page(client: Any, app: Any, town: Any, make: Any, as_resident: Any) -> None:
    one, two = make.resident(town.centres["A1"]), make.resident(town.centres["A1"])
    first = as_resident(app.test_client(), one).get("/me")
    second = as_resident(app.test_client(), two).get("/me", headers={"If-None-Match": first.headers["ETag"]})
    assert second.status_code == 200


def test_pages_travel_compressed_where_the_browser_can(client: Any, town: Any) -> None:
    plain = client.get("/services")
    packed = client.get("/services", headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed.headers["Vary"]
    assert packed.headers["ETag"] == plain.headers["ETag"]
    assert len(packed.data) < len(plain.data) / 2
    assert gzip.decompress(packed.data)[:300] == plain.data[:300]
    refused = client.post("/my-centre", headers={"Accept-Encoding": "gzip"})
    assert refused.status_code == 303 and "Content-Encoding" not in refused.headers, "not worth it"


def test_a_refused_form_has_no_tag(client: Any, town: Any) -> None:
    assert "ETag" not in client.post("/login", data={}).headers
