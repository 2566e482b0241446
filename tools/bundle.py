"""`make bundle`: one file that sets up a server without network: code, wheels, Debian packages, install.sh, upgrade.sh.

Made on a Debian or Ubuntu machine with network, without root: package lists, mirrors and indexes are those of this
machine's own apt and pip. ARCH=arm64 make bundle for another architecture; SUITES=trixie for one Debian only.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
SUITES = {"bookworm": "3.11", "trixie": "3.13"}  # Debian 12 and 13, and the Python of each
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # Debian's name and that of wheels
OLDEST_GLIBC = 36  # 2.36, of Debian 12
SCRIPTS = ("install.sh", "upgrade.sh", "lib.sh", "settings.example")


class Refused(Exception):
    """The bundle cannot be made; the text says why."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"· {text}", flush=True)


def run(*command: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> str:
    """What a program printed. Raises Refused with its last lines when it failed."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n    ".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise Refused(f"'{' '.join(command[:4])} …' failed:\n    {tail}")
    return done.stdout


def release_name() -> str:
    """The commit's time (UTC) and hash, so that names sort as releases follow one another."""
    format_ = ("--date=format-local:%Y%m%d%H%M", "--format=%cd-%h")
    return run("git", "show", "--no-patch", *format_, "HEAD", env=os.environ | {"TZ": "UTC0"}).strip()


# --- Debian packages -------------------------------------------------------------------------------------------------


def mirrors(texts: list[str]) -> dict[str, str]:
    """'debian' and 'debian-security' → address, the first of each that these apt sources name."""
    found: dict[str, str] = {}
    for text in texts:
        for line in text.splitlines():
            if line.startswith(("deb ", "URIs:")):
                for address in re.findall(r"\S+://\S+|file:/\S+", line):
                    name = address.rstrip("/").rpartition("/")[2]
                    found.setdefault(name, address.rstrip("/"))
    return {name: found[name] for name in ("debian", "debian-security") if name in found}


def sources(suite: str, known: dict[str, str]) -> str:
    """The sources.list of a suite. Raises Refused without a mirror."""
    if "debian" not in known:
        raise Refused("No Debian mirror (…/debian) is named in /etc/apt; MIRROR=address names one.")
    keys = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    lines = [f"deb {keys} {known['debian']} {suite} main", f"deb {keys} {known['debian']} {suite}-updates main"]
    if "debian-security" in known:
        lines.append(f"deb {keys} {known['debian-security']} {suite}-security main")
    else:
        say("no debian-security mirror is named in /etc/apt: packages come without security updates")
    return "\n".join(lines) + "\n"


def own_apt(folder: Path, suite: str, arch: str) -> dict[str, str]:
    """The environment of an apt that knows nothing installed, so that everything needed is fetched."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    etc = Path("/etc/apt")
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    known = mirrors([file.read_text() for file in files if file.is_file()])
    if os.environ.get("MIRROR"):
        known["debian"] = os.environ["MIRROR"].rstrip("/")
    (folder / "sources.list").write_text(sources(suite, known))
    settings = {
        "Dir::State": folder, "Dir::State::lists": folder / "lists", "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache", "Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferencesparts": "-", "APT::Architecture": arch, "APT::Install-Recommends": "0",
        "APT::Sandbox::User": "", "Acquire::Languages": "none", "Acquire::Retries": "3", "Debug::NoLocking": "1",
    }  # fmt: skip
    lines = [f'{name} "{value}";' for name, value in settings.items()]
    (folder / "apt.conf").write_text(
        "\n".join([*lines, f'#clear APT::Architectures; APT::Architectures {{"{arch}";}};'])
    )
    return os.environ | {"APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C"}


def packages() -> list[str]:
    """What deploy/packages.txt names."""
    lines = (ROOT / "deploy" / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def fetch_debs(suite: str, arch: str, target: Path) -> None:
    """All of packages() and what they depend on, as a small apt repository in `target`."""
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        env = own_apt(Path(folder), suite, arch)
        run("apt-get", "update", env=env)
        run("apt-get", "install", "--yes", "--download-only", "--no-install-recommends", *packages(), env=env)
        for file in sorted((Path(folder) / "cache" / "archives").glob("*.deb")):
            shutil.move(file, target / file.name.replace("%3a", "-"))
    index = run("dpkg-scanpackages", "--multiversion", ".", env=os.environ | {"LC_ALL": "C"}, cwd=target)
    (target / "Packages.gz").write_bytes(gzip.compress(index.encode(), mtime=0))
    say(f"{suite}: {len(list(target.glob('*.deb')))} Debian packages")


# --- Python packages -------------------------------------------------------------------------------------------------


def platforms(machine: str) -> list[str]:
    """pip's --platform for every glibc that the older Debian's can stand for."""
    old = [f"manylinux2014_{machine}", *([f"manylinux2010_{machine}", f"manylinux1_{machine}"] * (machine == "x86_64"))]
    return [f"manylinux_2_{minor}_{machine}" for minor in range(OLDEST_GLIBC, 16, -1)] + old


def fetch_wheels(python: str, machine: str, target: Path) -> None:
    """The pinned wheels for one Python into target/wheels, and their hashes as target/requirements-PYTHON.txt."""
    pins = ROOT / "requirements.txt"
    with tempfile.TemporaryDirectory() as folder:
        where = [f"--platform={name}" for name in platforms(machine)]
        run(
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *where, "--dest", folder,
            "--requirement", str(pins),
        )  # fmt: skip
        wheels = sorted(Path(folder).glob("*.whl"))
        (target / f"requirements-{python}.txt").write_text(hashed(pins.read_text(), wheels))
        (target / "wheels").mkdir(exist_ok=True)
        for wheel in wheels:
            shutil.move(wheel, target / "wheels" / wheel.name)
    say(f"Python {python}: {len(wheels)} wheels")


def hashed(pins: str, wheels: list[Path]) -> str:
    """The pins, each with the SHA-256 of its wheel. Raises Refused when a pin has none."""
    found = {}
    for wheel in wheels:
        distribution, number, *_ = parse_wheel_filename(wheel.name)
        found[f"{distribution}=={number}"] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lines = []
    for pin in (line.strip() for line in pins.splitlines() if line.strip() and not line.startswith("#")):
        name, _, version = pin.partition("==")
        digest = found.get(f"{canonicalize_name(name)}=={version}")
        if digest is None:
            raise Refused(f"No wheel was found for {pin}.")
        lines.append(f"{pin} --hash=sha256:{digest}\n")
    return "".join(lines)


# --- One file --------------------------------------------------------------------------------------------------------


def checksums(folder: Path) -> str:
    """What `sha256sum --check` reads: every file below `folder`."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(folder)}\n" for f in files)


def put_code(folder: Path, release: str) -> None:
    """What is committed, the scripts that an operator starts, and the release's name."""
    run("git", "archive", "--format=tar", "--output", str(folder / "code.tar"), "HEAD")
    for name in SCRIPTS:
        shutil.copy(ROOT / "deploy" / name, folder / name)
    (folder / "RELEASE").write_text(release + "\n")


def build() -> Path:
    """Make the bundle; the file."""
    for program in ("apt-get", "dpkg-scanpackages", "git", "tar"):
        if shutil.which(program) is None:
            raise Refused(f"Missing: {program} (apt-get install apt dpkg-dev git tar)")
    arch = os.environ.get("ARCH") or run("dpkg", "--print-architecture").strip()
    chosen = (os.environ.get("SUITES") or " ".join(SUITES)).split()
    if arch not in MACHINES or not set(chosen) <= SUITES.keys():
        raise Refused(f"Known: ARCH of {', '.join(MACHINES)}; SUITES of {', '.join(SUITES)}.")
    if run("git", "status", "--porcelain", "--untracked-files=no"):
        say("what is not committed does not come along")
    release = release_name()
    target = ROOT / "dist" / f"portal-{release}-{arch}.tar"
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        folder = Path(work) / f"portal-{release}"
        folder.mkdir()
        put_code(folder, release)
        for suite in chosen:
            fetch_wheels(SUITES[suite], MACHINES[arch], folder)
            fetch_debs(suite, arch, folder / "debs" / suite)
        (folder / "SHA256SUMS").write_text(checksums(folder))
        run("tar", "--create", "--file", str(target), "--owner=0", "--group=0", "--sort=name", "-C", work, folder.name)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    target.with_name(target.name + ".sha256").write_text(f"{digest}  {target.name}\n")
    say(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1_048_576:.0f} MB, SHA-256 {digest}")
    return target


def main() -> int:
    """Build, with every expected refusal as one line."""
    try:
        build()
    except Refused as refused:
        print(f"✗ {refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
