"""What installs a server (deploy/, tools/bundle.py) names only what exists; `make bundle-trial` tries it for real."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest
from flask import Flask

from tools import bundle

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "units").iterdir())
SERVICES = [file for file in UNITS if file.suffix == ".service"]
SCRIPTS = sorted([*DEPLOY.glob("*.sh"), *(ROOT / "tools").glob("*.sh")])
PYTHON = "/opt/portal/current/.venv/bin/python -m "
HARDENED = {
    "User": "portal", "NoNewPrivileges": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "ProtectSystem": "strict",
    "ProtectHome": "yes", "CapabilityBoundingSet": "", "RestrictNamespaces": "yes", "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes", "UMask": "0077", "EnvironmentFile": "/etc/portal/portal.env",
    "WorkingDirectory": "/opt/portal/current", "ReadWritePaths": "/var/lib/portal /var/backups/portal",
}  # fmt: skip

pytestmark = pytest.mark.once


def unit(file: Path) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parsed.read(file, encoding="utf-8")
    return parsed


def words(name: str) -> list[str]:
    """The words of a variable of deploy/lib.sh."""
    found = re.search(rf'^{name}="?([^"\n]*)"?', (DEPLOY / "lib.sh").read_text(), re.M)
    assert found is not None, name
    return found[1].split()


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_scripts_are_read_by_their_shell(file: Path) -> None:
    shell = "bash" if "bash" in file.read_text().splitlines()[0] else "sh"
    subprocess.run([shell, "-n", str(file)], check=True)
    assert file.name == "lib.sh" or re.search(r"^set -eu", file.read_text(), re.M)


@pytest.mark.parametrize("file", SERVICES, ids=lambda file: file.name)
def test_units_are_bounded_alike(file: Path) -> None:
    service = dict(unit(file)["Service"])
    assert {name: service.get(name) for name in HARDENED} == HARDENED


@pytest.mark.parametrize("file", SERVICES, ids=lambda file: file.name)
def test_units_start_what_exists(file: Path, app: Flask) -> None:
    command = unit(file)["Service"]["ExecStart"]
    assert command.startswith(PYTHON)
    module, *arguments = command.removeprefix(PYTHON).split()
    if module == "flask":
        assert arguments[:2] == ["--app", "wsgi"]
        assert app.test_cli_runner().invoke(args=[*arguments[2:], "--help"]).exit_code == 0
    elif module.startswith("jobs."):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
    else:
        web = next(line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("web:"))
        assert (module, arguments[-1]) == ("granian", web.split()[-1])
        # The same options as `make run`; only their values may differ.
        assert {a for a in arguments if a.startswith("--")} == set(re.findall(r"--[a-z-]+", web)) - {"--log-level"}


def test_scripts_start_the_units_that_are_there() -> None:
    assert {f"{name}.service" for name in words("services")} | set(words("timers")) == {
        file.name for file in UNITS if unit(file).has_section("Install")
    }
    for timer in (file for file in UNITS if file.suffix == ".timer"):
        assert timer.with_suffix(".service").is_file()


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("*.sh")), ids=lambda file: file.name)
def test_scripts_use_commands_and_options_that_exist(file: Path, app: Flask) -> None:
    for line in re.findall(r"(?<![\w/.-])portal ([a-z-]+[^>&|;)\n]*)", _code(file)):
        used = line.split()
        command = app.cli.commands.get(used[0])
        if command is None:
            continue  # a sentence, a user or a role called portal
        if used[0] == "db":
            assert app.test_cli_runner().invoke(args=[*used[:2], "--help"]).exit_code == 0, line
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in used if word.startswith("--")} <= options, line


def test_what_scripts_need_of_the_portal_is_found_by_the_test_above() -> None:
    found = {f.name: set(re.findall(r"\bportal (db \w+|init|backup|restore)", _code(f))) for f in DEPLOY.glob("*.sh")}
    assert found["install.sh"] == {"db upgrade", "init"}
    assert found["upgrade.sh"] == {"db heads", "db upgrade", "db check", "backup", "restore"}


def _code(file: Path) -> str:
    return "\n".join(line for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))


def test_settings_exist() -> None:
    known = set(
        re.findall(r'"((?:PORTAL_|DATABASE_|REDIS_|SECRET_)\w+)"', (ROOT / "portal" / "settings.py").read_text())
    )
    asked = re.findall(r"^([A-Z_]+)=", (DEPLOY / "settings.example").read_text(), re.M)
    written = re.findall(r"^([A-Z_]+)=", (DEPLOY / "install.sh").read_text().split("settings() {")[1], re.M)
    assert {name for name in asked if not name.startswith("TLS_")} <= known
    assert set(written) <= known
    listed = re.search(r'^asked="(.*)"', (DEPLOY / "install.sh").read_text(), re.M)
    assert listed is not None
    assert set(asked) == {"PORTAL_BASE_URL", "PORTAL_PROFILE", "TLS_CERTIFICATE", "TLS_KEY", *listed[1].split()}


def test_files_that_scripts_and_units_name_come_along() -> None:
    for name in bundle.SCRIPTS:
        assert (DEPLOY / name).is_file(), name
    for file in DEPLOY.glob("*.sh"):
        for path in re.findall(r"\bdeploy/([\w./*-]+)", file.read_text()):
            assert list(DEPLOY.glob(path)), f"{file.name}: {path}"


def test_the_bootstrap_s_packages_are_in_the_bundle() -> None:
    """tools/setup.sh and the bundle install for the same program."""
    setup = (ROOT / "tools" / "setup.sh").read_text()
    libraries = re.search(r"for package in (.*); do\n    installed", setup)
    assert libraries is not None
    assert {*libraries[1].split(), "redis-server", "python3-venv", "postgresql"} <= set(bundle.packages())


def test_every_pin_gets_the_hash_of_its_wheel(tmp_path: Path) -> None:
    wheels = [
        tmp_path / "Flask_Demo-1.0-py3-none-any.whl",
        tmp_path / "brotli-1.2.1-cp311-cp311-manylinux_2_17_x86_64.whl",
    ]
    for wheel in wheels:
        wheel.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert bundle.hashed("# words\nflask-demo==1.0\nbrotli==1.2.1\n", wheels).splitlines() == [
        f"flask-demo==1.0 --hash=sha256:{digest}",
        f"brotli==1.2.1 --hash=sha256:{digest}",
    ]
    with pytest.raises(bundle.Refused, match=r"No wheel was found for brotli==1\.2\.2"):
        bundle.hashed("brotli==1.2.2\n", wheels)


def test_mirrors_are_those_of_apt() -> None:
    old = "# deb http://no.example/debian x\ndeb [signed-by=/k.gpg] http://a.example/debian/ bookworm main\n"
    new = "Types: deb\nURIs: http://b.example/debian-security\nSuites: bookworm-security\n"
    known = bundle.mirrors([old, new])
    assert known == {"debian": "http://a.example/debian", "debian-security": "http://b.example/debian-security"}
    assert "http://b.example/debian-security trixie-security main" in bundle.sources("trixie", known)
    with pytest.raises(bundle.Refused, match="MIRROR"):
        bundle.sources("trixie", {})


def test_checksums_name_every_file(tmp_path: Path) -> None:
    (tmp_path / "debs").mkdir()
    (tmp_path / "debs" / "a.deb").write_bytes(b"abc")
    (tmp_path / "RELEASE").write_text("x\n")
    (tmp_path / "SHA256SUMS").write_text(bundle.checksums(tmp_path))
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 0
    assert len((tmp_path / "SHA256SUMS").read_text().splitlines()) == 2
    (tmp_path / "debs" / "a.deb").write_bytes(b"abd")
    assert subprocess.run(check, cwd=tmp_path, check=False, capture_output=True).returncode != 0
