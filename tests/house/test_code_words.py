"""The words of the code (docs/glossary.md): field terms for modules, "room" for real rooms, no name nobody uses."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PORTAL = sorted((ROOT / "portal").rglob("*.py"))
PRODUCT = sorted([*PORTAL, *(ROOT / "jobs").rglob("*.py"), *(ROOT / "tools").rglob("*.py"), ROOT / "wsgi.py"])
TEMPLATES = sorted((ROOT / "portal" / "templates").rglob("*.html"))
NAME = re.compile(r"[A-Za-z_]\w*")

# The private words that modules once had, and where to look now. None of them names a module, a package or a test again.
REPLACED = {
    "answering": "on_behalf",
    "arriving": "check_in",
    "board": "month_snapshot, room_snapshot",
    "closing": "closures",
    "deciding": "approval",
    "finding": "search",
    "guard": "overlap_constraint",
    "holds": "activity_holds, room_holds",
    "listing": "month_snapshot",
    "managing": "rooms",
    "noting": "duty_notes",
    "offering": "service_types",
    "offers": "alternatives",
    "queue": "job_queue, waiting_list",
    "resend": "form_recovery",
    "rows": "entry_values",
    "searching": "search",
    "sources": "registry",
    "staff_face": "staff/",
    "staff_queries": "staff/queries",
}
# `facts` of a centre are facts; what is known of a venue's time is its occupancy.
REPLACED_IN = {"portal/venues/facts.py": "occupancy", "portal/catalogue/rooms.py": "room_holds"}

# Tests that keep an old word for a reason.
TESTS_NAMED = {
    "tests/catalogue/staff/test_board.py": "the staff's board of a month, as its page calls it",
    "tests/feedback/test_answering.py": "residents answer what they were asked; nobody does it on their behalf",
}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def text(file: Path) -> str:
    return file.read_text()


def test_no_module_is_named_by_a_private_word() -> None:
    parts = {p for file in PRODUCT for p in (file, file.parent)}
    found = {name(p): REPLACED[p.stem] for p in parts if p.stem in REPLACED}
    found |= {path: now for path, now in REPLACED_IN.items() if (ROOT / path).exists()}
    for file in (ROOT / "tests").rglob("test_*.py"):
        if file.stem.removeprefix("test_") in REPLACED and name(file) not in TESTS_NAMED:
            found[name(file)] = REPLACED[file.stem.removeprefix("test_")]
    assert not found, "these have a field term now"


def test_prose_names_modules_that_exist() -> None:
    """A file or a dotted module that a docstring, a comment or a template speaks of is there."""
    files = {p.name for p in ROOT.rglob("*.py") if ".venv" not in p.parts}
    gone = []
    for file in [*PRODUCT, *TEMPLATES]:
        gone += [f"{name(file)}: {said}" for said in re.findall(r"\b[a-z_]+\.py\b", text(file)) if said not in files]
        dotted = re.findall(r"\bportal((?:\.[a-z_]+){2,})\b", text(file))
        gone += [f"{name(file)}: portal{said}" for said in dotted if not _is_there(said.split(".")[1:])]
    assert not gone


def _is_there(parts: list[str]) -> bool:
    """The longest part that is a package or module; what follows it is one name inside, or nothing."""
    here = ROOT / "portal"
    for number, part in enumerate(parts):
        if (here / part).is_dir():
            here = here / part
            continue
        module = here / f"{part}.py"
        rest = parts[number + 1 :] if module.exists() else parts[number:]
        inside = module if module.exists() else here / "__init__.py"
        return not rest or (len(rest) <= 2 and re.search(rf"\b{rest[0]}\b", text(inside)) is not None)
    return True


# In these packages nobody books anything: a room can only be a feature by its old nickname.
WITHOUT_ROOMS = ("core", "people", "notices", "operations")
REAL_ROOMS = re.compile(r"centre or a room|# rooms, their bookings|building, unit and room|with room; more is")
NICKNAME = re.compile(
    r"\brooms? (?:registers?|registered|hangs?|knows?|says? so)\b|\b(?:upper|lower|higher) rooms?\b"
    r"|\brooms (?:above|below)\b(?! `)|\bknows no room|\b[Tt]he locks? of this room|[Rr]efusals of this room"
)


def test_a_room_is_a_real_room() -> None:
    """A feature is a feature, a package is a package; somebody can sit down in a room."""
    found = []
    for file in [*PRODUCT, *TEMPLATES]:
        prose = _prose(file) if file.suffix == ".py" else "\n".join(re.findall(r"\{#.*?#\}", text(file), re.DOTALL))
        plain = file.is_relative_to(ROOT / "jobs") or any(f"portal/{p}/" in name(file) for p in WITHOUT_ROOMS)
        for line in prose.splitlines():
            if NICKNAME.search(line) or (plain and re.search(r"\brooms?\b", line) and not REAL_ROOMS.search(line)):
                found.append(f"{name(file)}: {line.strip()[:100]}")
    assert not found


def _prose(file: Path) -> str:
    """Docstrings and comments."""
    tree = ast.parse(text(file))
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    said = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]
    return "\n".join([*said, *re.findall(r"#.*", text(file))])


# Dead names -----------------------------------------------------------------------------------------------------------

# Registered by their decorator (a page, a command, an effect, a deadline, a source of the registry, a cleaning up).
BY_DECORATOR = re.compile(
    r"^(\w*bp|face|staff)\.|command|^event\.|^(outbox|registry|hooks|job_queue|access|free|panes|member_page)\."
)
# Named by nobody in the product, and why they stay: path:name -> reason.
NAMED_BY_NOBODY = {
    "portal/cases/actions.py:stop_clock": "a case with several clocks: help requests and tasks stop one before the end",
}


def test_every_public_name_is_used_in_the_product() -> None:
    """A function or class of portal that only its own lines and tests name is dead: use it or delete both."""
    words = Counter(word for file in [*PRODUCT, *_migrations(), *TEMPLATES] for word in NAME.findall(text(file)))
    dead = []
    for file in PORTAL:
        for node in ast.parse(text(file)).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if any(BY_DECORATOR.search(ast.unparse(d)) for d in node.decorator_list):
                continue
            lines = text(file).splitlines()[node.lineno - 1 : node.end_lineno]
            own = NAME.findall("\n".join(lines)).count(node.name)
            if words[node.name] <= own and f"{name(file)}:{node.name}" not in NAMED_BY_NOBODY:
                dead.append(f"{name(file)}:{node.name}")
    assert not dead
    assert not [entry for entry in NAMED_BY_NOBODY if not (ROOT / entry.split(":")[0]).exists()]


def _migrations() -> list[Path]:
    return sorted((ROOT / "migrations").rglob("*.py"))
