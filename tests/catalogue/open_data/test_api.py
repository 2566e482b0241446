"""/api/v1: what is answered is what is described, in pages, for every site, refusals in two languages (SPEC C10)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.catalogue.open_data import api, api_views
from portal.catalogue.public import month_snapshot
from portal.core import problems
from tests.factories import NOW, Make, Town

START, HOURS = NOW + timedelta(hours=5), timedelta(hours=2)
KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


@pytest.fixture(autouse=True)
def _cold() -> None:
    month_snapshot.forget()


def faults(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str = "$") -> list[str]:
    """Where `value` is not as `schema` says: the part of JSON Schema that the document uses."""
    if "$ref" in schema:
        target = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return faults(value, target, document, at)
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    fits = any(isinstance(value, KINDS[k]) and (k == "boolean" or not isinstance(value, bool)) for k in kinds)
    if not fits:
        return [f"{at}: {value!r} is no {kinds}"]
    found = []
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value]
        found += [f"{at}.{name} is not described" for name in value if name not in known]
        for name in value.keys() & known.keys():
            found += faults(value[name], known[name], document, f"{at}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            found += faults(item, schema["items"], document, f"{at}[{number}]")
    elif isinstance(value, str):
        found += _faults_of_text(value, schema, at)
    elif value is not None and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{at}: {value} is too small or too large")
    return found


def _faults_of_text(value: str, schema: dict[str, Any], at: str) -> list[str]:
    wrong = "enum" in schema and value not in schema["enum"]
    wrong |= "pattern" in schema and re.search(schema["pattern"], value) is None
    if schema.get("format") == "date-time":
        wrong |= datetime.fromisoformat(value).tzinfo is None
    elif schema.get("format") == "uri":
        wrong |= not urlsplit(value).netloc
    return [f"{at}: {value!r} is not as {schema}"] if wrong else []


@pytest.fixture
def document(client: FlaskClient, town: Town) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/openapi.json").get_json()
    return found


def answer(client: FlaskClient, document: dict[str, Any], url: str) -> dict[str, Any]:
    """The answer to `url`, when it is as the document says."""
    response = client.get(url)
    said = document["paths"][urlsplit(url).path]["get"]["responses"][str(response.status_code)]["content"]
    assert [response.mimetype] == list(said)
    found: dict[str, Any] = response.get_json()
    assert faults(found, said[response.mimetype]["schema"], document) == []
    return found


def test_the_document_is_whole(app: Flask, document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1") and document["info"]["title"] and document["info"]["version"]
    urls = {rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/v1")}
    assert set(document["paths"]) == urls - {"/api/v1/openapi.json", "/api/v1/<path:rest>"}
    ids = [path["get"]["operationId"] for path in document["paths"].values()]
    assert len(set(ids)) == len(ids)
    for path in document["paths"].values():
        for parameter in path["get"]["parameters"]:
            assert parameter["in"] == "query" and parameter["schema"]["type"] and parameter["description"]
    refs = set(re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(document)))
    assert refs == set(document["components"]["schemas"])


def test_the_check_notices_what_is_not_described(document: dict[str, Any]) -> None:
    wrong = {"month": "2026-13", "count": -1, "services": [{}], "more": 1}
    found = faults(wrong, {"$ref": "#/components/schemas/ServicePage"}, document)
    for fault in (
        "$.next is missing",
        "$.more is not",
        "$.month: '2026-13'",
        "$.count: -1",
        "$.services[0].id is missing",
    ):
        assert any(said.startswith(fault) for said in found), fault


def test_services_are_as_described(client: FlaskClient, town: Town, make: Make, document: dict[str, Any]) -> None:
    make.entry(town.centres["A1"], [(START, START + HOURS)], title="八段锦", taken=4)
    make.entry(
        town.centres["A1S"],
        [(START, START + HOURS)],
        title="取消的",
        status="cancelled",
        capacity=None,
        walk_in=True,
        weekly={"label": "每周三"},
    )
    make.entry(town.centres["B1"], [(START, START + HOURS)], title="草稿", status="draft", published_at=None)
    found = answer(client, document, "/api/v1/services?centre=A1")
    assert found["count"] == 2 and found["month"] == "2026-11" and found["next"] is None
    one, two = found["services"]
    assert (one["title"], one["free"], one["centre_code"], one["status"]) == ("八段锦", 26, "A1", "published")
    assert (two["free"], two["weekly"], two["centre_code"], two["status"]) == (None, "每周三", "A1S", "cancelled")
    assert one["sessions"] == [{"start": "2026-11-25T15:00:00+08:00", "end": "2026-11-25T17:00:00+08:00"}]
    assert not one.keys() & {"contact", "phone", "taken", "check_note"}
    assert answer(client, document, "/api/v1/services?category=charity")["count"] == 0
    assert answer(client, document, "/api/v1/services?category=popular")["count"] == 2
    assert answer(client, document, "/api/v1/services?month=2026-12")["services"] == []


def test_centres_are_as_described(client: FlaskClient, session: Any, town: Town, document: dict[str, Any]) -> None:
    a1 = town.centres["A1"]
    a1.area_m2, a1.functions, town.centres["A1S"].latitude = 1200, ["书吧"], None
    town.centres["B2"].active = False
    session.commit()
    found = answer(client, document, "/api/v1/centres")
    codes = [centre["code"] for centre in found["centres"]]
    assert found["count"] == len(codes) == 7 and codes.index("A1S") == codes.index("A1") + 1 and codes[0] == "D"
    said = {centre["code"]: centre for centre in found["centres"]}
    assert said["A1"]["parent"] == "A" and said["D"]["parent"] is None and said["A1S"]["latitude"] is None
    assert said["A1"]["area_m2"] == 1200 and said["A1"]["functions"] == ["书吧"]
    assert said["A1"]["hours"] == ["每天 9:00–21:00"] and "responsible" not in said["A1"]
    assert client.get(urlsplit(said["A1"]["feed"]).path).status_code == 200
    below = answer(client, document, "/api/v1/centres?centre=A1")
    assert [centre["code"] for centre in below["centres"]] == ["A1", "A1S"]


@pytest.mark.parametrize(("name", "count"), [("services", 5), ("centres", 8)])
def test_lists_lead_from_page_to_page(
    client: FlaskClient, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    for number in range(5):
        make.entry(town.centres["A1"], [(START, START + HOURS)], title=f"第{number}场")
    monkeypatch.setattr(api, "PAGE", 2)
    monkeypatch.setattr("portal.catalogue.open_data.queries.PLACES", 2)
    seen: list[Any] = []
    following: str | None = f"/api/v1/{name}"
    while following:
        response = client.get(following.removeprefix("https://portal.example"))
        data = response.get_json()
        assert data["count"] == count and 0 < len(data[name]) <= 2
        links = {rel: url for url, rel in re.findall(r'<([^>]+)>; rel="(\w+)"', response.headers["Link"])}
        assert links.get("next") == data["next"] and ("prev" in links) == bool(seen)
        assert links["last"].endswith(f"page={(count + 1) // 2}")
        seen += [str(thing) for thing in data[name]]
        following = data["next"]
    assert len(set(seen)) == len(seen) == count


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/api/v1/services?month=12", 400),
        ("/api/v1/services?centre=NOPE", 404),
        ("/api/v1/centres?page=0", 400),
        ("/api/v1/services?category=nope", 404),
        ("/api/v1/centres?centre=NOPE", 404),
        ("/api/v1/centres?page=x", 400),
    ],
)
def test_refusals_say_why_in_two_languages(
    client: FlaskClient, document: dict[str, Any], url: str, status: int
) -> None:
    said = answer(client, document, url)
    assert said["status"] == client.get(url).status_code == status
    assert re.search("[一-鿿]", said["detail"]) and said["detail_en"].isascii() and said["error"] == said["detail_en"]


def test_what_goes_wrong_elsewhere_is_told_the_same_way(
    client: FlaskClient, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any) -> None:
        raise OSError(28, "no space left")

    wrong = {404: client.get("/api/v1/nothing"), 405: client.delete("/api/v1/services")}
    monkeypatch.setattr(api_views, "_page", busy)
    wrong[503] = client.get("/api/v1/services")
    for status, said in wrong.items():
        assert (said.status_code, said.mimetype) == (status, problems.MIMETYPE)
        assert said.get_json()["status"] == status and re.search("[一-鿿]", said.get_json()["title"])
    assert wrong[503].headers["Retry-After"] and wrong[503].headers["Access-Control-Allow-Origin"] == "*"


def test_every_site_may_read_and_none_may_sign_in(client: FlaskClient, town: Town) -> None:
    other = {"Origin": "https://elsewhere.example"}
    for url in ("/api/v1/services", "/api/v1/centres", "/api/v1/openapi.json", "/api/v1/services?month=12"):
        for said in (client.get(url, headers=other), client.head(url, headers=other)):
            assert said.headers["Access-Control-Allow-Origin"] == "*"
            assert "Link" in said.headers["Access-Control-Expose-Headers"]
            assert "Access-Control-Allow-Credentials" not in said.headers and "Set-Cookie" not in said.headers
    asked = client.options("/api/v1/services", headers=other | {"Access-Control-Request-Method": "GET"})
    assert asked.status_code == 200 and "If-None-Match" in asked.headers["Access-Control-Allow-Headers"]
    assert asked.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert "Access-Control-Allow-Origin" not in client.get("/services", headers=other).headers


@pytest.mark.parametrize("url", ["/api/v1/services", "/api/v1/centres", "/api/v1/openapi.json"])
def test_what_has_not_changed_is_not_sent_again(client: FlaskClient, town: Town, url: str) -> None:
    tag = client.get(url).headers["ETag"]
    again = client.get(url, headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"") and again.headers["Access-Control-Allow-Origin"] == "*"
