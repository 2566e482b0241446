"""Write requirements.txt and requirements-dev.txt: the exact versions installed now, with all they pull in.

The names come from setup.cfg (install_requires, extras_require.dev); the versions are those installed here.
Run after an upgrade that passed the tests: `make pins`.
"""

from __future__ import annotations

import configparser
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEAD = "# Written by `make pins`; names and lower bounds are in setup.cfg.\n"


def closure(wanted: list[Requirement]) -> dict[str, str]:
    """Canonical name → version of the wanted distributions and everything they need here."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    todo = [(r, extra) for r in wanted for extra in ("", *r.extras)]
    while todo:
        requirement, extra = todo.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        distribution = metadata.distribution(name)
        found[name] = distribution.version
        for line in distribution.requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                todo += [(needed, inner) for inner in ("", *needed.extras)]
    return found


def wanted(section: str, option: str) -> list[Requirement]:
    """The requirements that setup.cfg names."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return [Requirement(line) for line in config[section][option].split("\n") if line.strip()]


def write(file: Path, pins: dict[str, str], *, head: str = HEAD) -> None:
    """One sorted pin per line."""
    file.write_text(head + "".join(f"{name}=={pins[name]}\n" for name in sorted(pins)), encoding="utf-8")
    print(f"{file.name}: {len(pins)} pins")


def main() -> None:
    """Both files; the second holds only what the first does not."""
    product = closure(wanted("options", "install_requires"))
    tools = closure(wanted("options.extras_require", "dev"))
    write(ROOT / "requirements.txt", product)
    extra = {name: version for name, version in tools.items() if name not in product}
    write(ROOT / "requirements-dev.txt", extra, head=HEAD + "-r requirements.txt\n")


if __name__ == "__main__":
    main()
