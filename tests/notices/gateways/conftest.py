"""Providers and templates for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notices.gateways import providers

TEMPLATES = """
sign = "大鹏党群"
[sms.login_code]
id = "100"
parameters = ["code", "minutes"]
[sms.default]
id = "200"
parameters = ["title", "text"]
longest = 20
[voice.default]
id = "300"
parameters = { what = "title" }
[wechat.default]
id = "400"
parameters = { thing1 = "title", thing2 = "text", time3 = "time" }
longest = 20
"""


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> str:
    file: Path = tmp_path_factory.mktemp("templates") / "templates.toml"
    file.write_text(TEMPLATES)
    return str(file)


@pytest.fixture(params=["tencent", "aliyun"])
def provider(request: Any, app: Any, templates: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[providers.Provider]:
    """Each provider in turn, with the app sending through it."""
    with providers.running(request.param) as found:
        for name, value in providers.settings(found, templates).items():
            monkeypatch.setitem(app.config, name, value)
        yield found
