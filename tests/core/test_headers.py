"""What a browser is told besides the page (ASVS 3.4.1, 4.1.1, 5.4.2, 13.4.4)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.core import headers


@pytest.mark.parametrize("https", [True, False])
def test_behind_https_browsers_come_by_https_for_a_year(https: bool) -> None:
    app = Flask(__name__)
    app.config["HTTPS"] = https
    app.add_url_rule("/", view_func=lambda: "x")
    headers.init_app(app)
    told = [app.test_client().get(path).headers.get("Strict-Transport-Security") for path in ("/", "/nowhere")]
    assert told == (["max-age=31536000; includeSubDomains"] * 2 if https else [None, None])


def test_text_says_what_it_is(client: FlaskClient, town: Any, make: Any, as_staff: Any) -> None:
    entry_id = make.entry(town.centres["A1"]).id
    staff = as_staff(client, town.staff["A1"])
    kinds = {}
    for address in ("/", "/nowhere", "/healthz", "/static/portal.css", "/calendar/A1.ics", "/api/v1/services",
                    f"/staff/sign-ups/{entry_id}/sign-ups.csv", f"/services/{entry_id}/qr.png"):  # fmt: skip
        with staff.get(address) as answer:
            kinds[answer.mimetype] = answer.headers["Content-Type"]
    assert set(kinds) == {
        "text/html",
        "text/plain",
        "text/css",
        "text/calendar",
        "text/csv",
        "application/json",
        "image/png",
    }
    assert (
        not [  # said once: a second one is no header any more
            kind
            for mimetype, kind in kinds.items()
            if mimetype.startswith("text/") and kind.count("charset=utf-8") != 1
        ]
    )


def test_no_trace(client: FlaskClient) -> None:
    assert client.open("/", method="TRACE", headers={"X-Secret": "told"}).status_code == 405


def test_no_other_site_may_read(client: FlaskClient, town: Any) -> None:
    """Every address without arguments but the public interface, which says nothing of whoever asks (test_api)."""
    addresses = {rule.rule for rule in client.application.url_map.iter_rules() if not rule.arguments}
    others = sorted(address for address in addresses if not address.startswith("/api/v1/"))
    assert len(others) > 60
    for address in (*others, "/c/A1", "/c/A1/feed.atom", "/calendar/A1.ics"):
        answer = client.get(address, headers={"Origin": "https://evil.example"})
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")], address
        assert "cross-origin" not in answer.headers.get("Cross-Origin-Resource-Policy", ""), address


def test_a_download_has_a_name_of_ours_and_stays_in_no_cache(
    client: FlaskClient, town: Any, make: Any, as_staff: Any
) -> None:
    entry_id = make.entry(town.centres["A1"], title='剪"纸;课/x=../y').id
    answer = as_staff(client, town.staff["A1"]).get(f"/staff/sign-ups/{entry_id}/sign-ups.csv")
    plain, _, encoded = answer.headers["Content-Disposition"].partition("; filename*=UTF-8''")
    assert plain == f'attachment; filename="sign-ups-{entry_id}.csv"'
    assert encoded == "%E5%89%AA%22%E7%BA%B8%3B%E8%AF%BE%2Fx%3D..%2Fy.csv"
    assert answer.headers["Cache-Control"] == "private, no-store"
