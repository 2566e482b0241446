"""Settings: where data goes, and keys that are made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal import settings

pytestmark = pytest.mark.once


def test_an_installed_package_never_writes_among_the_packages(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3" / "site-packages"
    packages.mkdir(parents=True)
    with pytest.raises(SystemExit, match="PORTAL_DATA_DIR is not set"):
        settings.data_folder({}, packages)
    assert settings.data_folder({"PORTAL_DATA_DIR": str(tmp_path)}, packages) == tmp_path
    assert settings.data_folder({}, settings.ROOT) == settings.ROOT / "var"
    assert not list(packages.iterdir())


def test_keys_are_made_once_and_for_nobody_else(tmp_path: Path) -> None:
    first = settings.from_environment({"PORTAL_DATA_DIR": str(tmp_path)})
    again = settings.from_environment({"PORTAL_DATA_DIR": str(tmp_path)})
    assert first["AUDIT_KEYS"] == again["AUDIT_KEYS"] and first["SECRET_KEY"] == again["SECRET_KEY"]
    assert {first["SECRET_KEY"]}.isdisjoint(first["AUDIT_KEYS"])
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {
        "audit_key": 0o600, "secret_key": 0o600,
    }  # fmt: skip


def test_a_key_file_elsewhere_may_hold_older_keys_too(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("new\n\nold \n")
    env = {"PORTAL_DATA_DIR": str(tmp_path), "PORTAL_AUDIT_KEY_FILE": str(file)}
    assert settings.from_environment(env)["AUDIT_KEYS"] == ("new", "old")
    file.write_text("\n")
    with pytest.raises(SystemExit, match="holds no key"):
        settings.from_environment(env)
