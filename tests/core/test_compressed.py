"""Static files go over the wire squeezed, fresh and with the headers they need."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import brotli
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.core import compressed

pytestmark = pytest.mark.once

CSS = "body { color: #111; }\n" * 200


def _app(folder: Path) -> Flask:
    static = folder / "static"
    static.mkdir(exist_ok=True)
    (static / "page.css").write_text(CSS)
    (static / "photo.png").write_bytes(b"\x89PNG" + bytes(2000))
    app = Flask("shop", static_folder=str(static), static_url_path="/static")
    app.config["DATA_DIR"] = folder / "var"
    compressed.init_app(app)
    return app


def _get(client: FlaskClient, path: str, accepted: str = "identity", **headers: str) -> TestResponse:
    """An answer read to its end, so that its file is closed."""
    with client.get(path, headers={"Accept-Encoding": accepted, **headers}) as answer:
        assert answer.data is not None
        return answer


@pytest.fixture
def shop(tmp_path: Path) -> FlaskClient:
    return _app(tmp_path).test_client()


@pytest.mark.parametrize(("accepted", "sent"), [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("identity", None)])
def test_the_browser_gets_the_smallest_form_it_takes(shop: FlaskClient, accepted: str, sent: str | None) -> None:
    answer = _get(shop, "/static/page.css?v=1", accepted)
    assert answer.status_code == 200
    assert answer.headers.get("Content-Encoding") == sent
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[sent]
    assert unpack(answer.data).decode() == CSS
    assert (len(answer.data) < len(CSS) / 10) == (sent is not None)
    assert answer.mimetype == "text/css"
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert "max-age=2592000" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_unchanged_files_are_not_sent_again(shop: FlaskClient) -> None:
    first = _get(shop, "/static/page.css")
    again = _get(shop, "/static/page.css", **{"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert not again.data


def test_pictures_are_left_as_they_are(shop: FlaskClient) -> None:
    answer = _get(shop, "/static/photo.png", "gzip, br")
    assert answer.headers.get("Content-Encoding") is None


@pytest.mark.parametrize("path", ["/static/none.css", "/static/../var/x", "/static/%2e%2e/var/x", "/static/"])
def test_nothing_else_can_be_fetched(shop: FlaskClient, path: str) -> None:
    assert _get(shop, path).status_code == 404


def test_a_changed_file_is_never_served_in_its_old_form(tmp_path: Path) -> None:
    _app(tmp_path)
    changed = tmp_path / "static" / "page.css"
    changed.write_text(CSS.replace("#111", "#222"))
    os.utime(changed, (0, 0))  # as unpacked from an archive: not younger than what was squeezed before
    app = Flask("shop", static_folder=str(tmp_path / "static"), static_url_path="/static")
    app.config["DATA_DIR"] = tmp_path / "var"
    compressed.init_app(app)
    answer = _get(app.test_client(), "/static/page.css", "br")
    assert b"#222" in brotli.decompress(answer.data)


def test_copies_of_before_go_after_a_day(tmp_path: Path) -> None:
    store = tmp_path / "var" / "cache" / "static"
    for name, age in (("old", 3 * 86400), ("recent", 3600)):
        (store / name).mkdir(parents=True)
        os.utime(store / name, (time.time() - age,) * 2)
    _app(tmp_path)
    assert not (store / "old").exists()
    assert (store / "recent").exists()
    assert not list(store.glob("making-*"))


def test_without_room_for_copies_the_files_go_out_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "static"
    root.mkdir()
    (root / "a.css").write_text("a{}" * 500)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no room")

    monkeypatch.setattr(compressed.shutil, "copytree", full)
    assert compressed._folder(root, tmp_path / "store") == root
    assert not list((tmp_path / "store").iterdir())
    monkeypatch.undo()
    assert (compressed._folder(root, tmp_path / "store") / "a.css.br").is_file()
