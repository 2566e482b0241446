"""`check-gateways`: every fault of the settings in one go, before a message is lost over it (SPEC M2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portal.notices import gateways, kinds
from portal.notices.gateways import templates as files
from tests.notices.gateways import providers

KINDS = {kind.code: kind.rings for kind in kinds.to_residents()}


@pytest.fixture
def config(app: Any) -> dict[str, Any]:
    return {**app.config, **providers.settings(providers.Provider("tencent", "https://sms.example"))}


def written(folder: Path, text: str) -> str:
    file = folder / "t.toml"
    file.write_text(text)
    return str(file)


def test_the_command_says_what_is_connected_and_what_is_wrong(app: Any, monkeypatch: Any, templates: str) -> None:
    run = app.test_cli_runner().invoke
    assert run(args=["check-gateways"]).exit_code == 0
    for name, value in providers.settings(providers.Provider("aliyun", "https://sms.example"), templates).items():
        monkeypatch.setitem(app.config, name, value)
    done = run(args=["check-gateways"])
    assert done.exit_code == 0 and "短信：已接通" in done.output and "语音：没有接" in done.output
    monkeypatch.setitem(app.config, "TEMPLATES_FILE", "")
    done = run(args=["check-gateways"])
    assert done.exit_code == 1 and "[sms.login_code]" in done.output and "[sms.change]" in done.output


def test_a_kind_that_nobody_wrote_a_template_for(config: dict[str, Any], tmp_path: Path) -> None:
    config["TEMPLATES_FILE"] = written(tmp_path, '[sms.login_code]\nid = "1"\nparameters = ["code"]\n')
    found = gateways.faults(config, KINDS)
    assert any("[sms.change]" in fault for fault in found) and not any("login_code" in fault for fault in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sms.x", "t.toml"),
        ("sign = 7", "sign: is a word"),
        ("[sms.default]\nid = '1'", "sign: is not set"),
        ("[fax.default]\nid = '1'", "[fax]"),
        ("[sms.default]\nparameters = ['title']", "needs an id"),
        ("[sms.default]\nid = '1'\nparameters = ['titel']", "unknown field titel"),
        ("[sms.default]\nid = '1'\nparameters = ['code']", "only in login_code"),
        ("[sms.default]\nid = '1'\nparmeters = ['title']", "unknown key parmeters"),
        ("[sms.default]\nid = '1'\nlongest = 'x'", "longest"),
        ("[sms.default]\nid = '1'\n[sms.sing_up]\nid = '2'", "sing_up: no such kind"),
        ("[sms.default]\nid = '1'\n[sms.login_code]\nid = '2'\nparameters = ['minutes']", "no parameter code"),
    ],
)
def test_slips_in_the_file_are_named(config: dict[str, Any], tmp_path: Path, text: str, said: str) -> None:
    config["TEMPLATES_FILE"] = written(tmp_path, text)
    assert any(said in fault for fault in gateways.faults(config, KINDS))


@pytest.mark.parametrize("name", ["SMS_KEY_ID", "SMS_KEY_SECRET", "SMS_APP_ID"])
def test_a_missing_setting_is_named(config: dict[str, Any], templates: str, name: str) -> None:
    config |= {"TEMPLATES_FILE": templates, name: ""}
    assert any(f"PORTAL_{name} " in fault for fault in gateways.faults(config, KINDS))


def test_an_unknown_provider_stops_the_start(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="PORTAL_SMS_PROVIDER is telex"):
        gateways.configured({**config, "SMS_PROVIDER": "telex"})


def test_a_finer_kind_takes_its_own_template_then_its_kinds_then_the_default(tmp_path: Path) -> None:
    known = files.load(written(tmp_path, "".join(f"[sms.{k}]\nid = '{k}'\n" for k in ("default", "sign_up")) +
                               '[sms."sign_up.lost"]\nid = "lost"\n'))  # fmt: skip
    found = {kind: known.of("sms", kind) for kind in ("sign_up.lost", "sign_up.won", "booking.won")}
    assert [t.id for t in found.values() if t] == ["lost", "sign_up", "default"]
