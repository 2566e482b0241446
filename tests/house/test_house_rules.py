"""The habits of docs/architecture.md that a machine can see: sizes, who sets a status, raw SQL, words, tokens."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
CODE = sorted([*(ROOT / "portal").rglob("*.py"), *(ROOT / "jobs").rglob("*.py"), ROOT / "wsgi.py"])
TESTS = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "tools").rglob("*.py"), *(ROOT / "bench").rglob("*.py")])
TEMPLATES = sorted((ROOT / "portal" / "templates").rglob("*.html"))

FUNCTION, TEST_FUNCTION, FILE, TEMPLATE_LINE = 40, 60, 500, 160

# Raw SQL and core.reads are outside the scope guard: only where a reason is given.
RAW = {
    "portal/core/audit.py": "the chain's advisory lock",
    "portal/core/outbox.py": "inserts rows by the thousand without an object for each; reads nothing this way",
    "portal/core/reads.py": "the module itself",
    "portal/people/queries.py": "the viewer of every page, by session",
    "portal/centres/queries.py": "whether any centre has changed; centres are public",
    "portal/feedback/queries.py": "averages, which tell nobody's answer; what is still asked, by one's id",
    "portal/signup/queries.py": "one's own sign-ups, by one's id",
    "portal/signup/no_shows/queries.py": "the district's rule: nobody's rows; one's own no-shows, by one's id",
    "portal/signup/eligibility/queries.py": "one's own household and claims, by one's id",
    "portal/help_requests/models.py": "the words of an index: which rows are undone",
    "portal/front/queries.py": "whether any room has changed",
    "portal/catalogue/synonyms.py": "the district's words and the stamp of the tree, by whoever searches: nobody's rows",
    "portal/catalogue/public/following.py": "what one person follows and likes, by their own number, inside their request",
    "portal/catalogue/public/queries.py": "one public entry, categories: public rows only",
    "portal/catalogue/public/month_snapshot.py": "the public list's stamp and changed rows: public rows only",
    "portal/venues/availability/room_snapshot.py": "whether any room has changed",
    "portal/venues/public/queries.py": "whether a resident has a booking to come, by one's id",
    "portal/venues/overlap_constraint.py": "the net against overlaps: a constraint or a trigger",
    "portal/cases/models.py": "where partial indexes hold",
    "portal/venues/models.py": "where partial indexes hold, and the net on the table itself",
    "portal/catalogue/staff/queries.py": "which months any list has rows of; tells nothing else",
    "portal/signup/queries_staff.py": "how many are pending per entry, by the index of those alone; the entry's scope decides",
    "portal/operations/backup.py": "the version of the schema",
    "portal/operations/drill.py": "a scratch database is made and dropped",
    "portal/operations/fingerprint.py": "every row of every table, whatever it is called",
    "portal/operations/health.py": "SELECT 1",
    "portal/help_requests/urgent/models.py": "where the partial index holds",
    "portal/help_requests/urgent/poll.py": "whether anything is open anywhere; tells nothing else",
    "portal/help_requests/urgent/queries.py": "what rings at one's own centre, by its number: nothing private",
    "portal/help_requests/queries.py": "whether somebody has asked for help, by their own number",
    "portal/demo/story.py": "SQLite's synchronous setting while the demo is made",
}
# `.status` of something that is no row with transitions.
STATUS_OF_OTHERS = {"answer", "response"}
# Sets a first status by an upsert of a table without a machine; the reason stands beside the line.
NO_MACHINE = {"portal/catalogue/paper/printing.py": "printed documents: asked, ready, failed; no person decides"}


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree(file)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize(("files", "most"), [(CODE, FUNCTION), (TESTS, TEST_FUNCTION)], ids=["code", "tests"])
def test_functions_and_files_stay_small(files: list[Path], most: int) -> None:
    long = [
        f"{name(file)}:{f.name} {lines}"
        for file in files
        for f in functions(file)
        if (lines := (f.end_lineno or 0) - f.lineno + 1) > most
    ]
    assert not long
    assert not [f"{name(f)} {n}" for f in files if (n := len(f.read_text().splitlines())) > FILE]


def test_only_a_transition_sets_a_status() -> None:
    """`x.status = …`, setattr(x, "status") and update().values(status=…) belong to core.states alone."""
    found = []
    for file in CODE:
        if name(file) in {"portal/core/states.py", *NO_MACHINE}:
            continue
        for node in ast.walk(tree(file)):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                if not isinstance(target, ast.Attribute) or target.attr != "status":
                    continue
                if getattr(target.value, "id", "") not in STATUS_OF_OTHERS:
                    found.append(f"{name(file)}:{node.lineno}")
            if isinstance(node, ast.Call) and _calls(node, "values") and any(k.arg == "status" for k in node.keywords):
                found.append(f"{name(file)}:{node.lineno}")
            if isinstance(node, ast.Call) and _calls(node, "setattr") and '"status"' in ast.unparse(node):
                found.append(f"{name(file)}:{node.lineno}")
    assert not found


def _calls(node: ast.Call, what: str) -> bool:
    return what in (getattr(node.func, "attr", ""), getattr(node.func, "id", ""))


def test_raw_sql_stands_where_a_reason_is_given() -> None:
    found = set()
    for file in CODE:
        inside_index = {
            id(n)
            for call in ast.walk(tree(file))
            if isinstance(call, ast.Call) and _calls(call, "Index")
            for n in ast.walk(call)
        }
        for node in ast.walk(tree(file)):
            raw = isinstance(node, ast.Call) and _is_raw(node) and id(node) not in inside_index
            if raw or (isinstance(node, ast.Attribute) and node.attr == "__table__"):
                found.add(name(file))
    assert found <= RAW.keys() | {"portal/core/protection.py", "portal/core/db.py"}, found - RAW.keys()
    # A reason that is no longer needed goes.
    assert not [f for f in RAW if not (ROOT / f).exists()]


def _is_raw(node: ast.Call) -> bool:
    called = ast.unparse(node.func)
    return called in {"text", "sa.text", "db.text", "reads.row", "sqlalchemy.text"} or called.endswith(
        "exec_driver_sql"
    )


def test_core_reads_is_asked_for_by_few() -> None:
    users = {name(f) for f in CODE if re.search(r"core\.reads|from portal\.core import .*\breads\b", f.read_text())}
    assert users <= RAW.keys(), users - RAW.keys()


# Exempt by role: a page (its address and template say it), a form, a table, the words of a message, the demo.
UNDOCUMENTED = re.compile(r".*views\w*\.py|.*/\w*forms\.py|.*/(models|notices|wording)\.py|portal/demo/.*")
# An effect is named by its topic; what installs a module is told by the module's own docstring.
BY_TOPIC, INSTALLS = "outbox.handler", {"init_app", "register"}


def test_public_functions_say_what_they_do() -> None:
    """Writes, rules, reads and what they stand on, in whatever file. One-line readers whose name and types say
    everything are let through."""
    silent = []
    for file in CODE:
        if UNDOCUMENTED.fullmatch(name(file)):
            continue
        for node in tree(file).body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_") or node.name in INSTALLS:
                continue
            if ast.get_docstring(node) or any(ast.unparse(d).startswith(BY_TOPIC) for d in node.decorator_list):
                continue
            if len(node.body) > 1 or not isinstance(node.body[0], ast.Return):
                silent.append(f"{name(file)}:{node.name}")
    assert not silent


# What a pure module never imports itself; setup.cfg names the modules.
IMPURE = {"flask", "flask_sqlalchemy", "flask_wtf", "redis", "rq", "sqlalchemy", "werkzeug", "wtforms"}


def test_the_contract_of_pure_modules_names_all_of_them() -> None:
    """import-linter keeps pure what setup.cfg lists; a module that says it is pure stands there, with all it forbids."""
    contract = configparser.ConfigParser()
    contract.read(ROOT / "setup.cfg")
    pure = contract["importlinter:contract:rules"]
    assert set(pure["forbidden_modules"].split()) >= IMPURE
    listed = [re.compile(m.replace(".", r"\.").replace("*", r"\w+")) for m in pure["source_modules"].split()]
    says = re.compile(r"\bpure\b(?! SQL)", re.IGNORECASE)
    missing = []
    for file in CODE:
        module = name(file).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if says.search(ast.get_docstring(tree(file)) or "") and not any(m.fullmatch(module) for m in listed):
            missing.append(module)
    assert not missing


# Templates ------------------------------------------------------------------------------------------------------------


def test_templates_can_be_read() -> None:
    """A line shows one thing: no more than 160 characters, 120 where it can be."""
    found = []
    for file in TEMPLATES:
        lines = enumerate(file.read_text().splitlines(), 1)
        found += [f"{name(file)}:{number} {len(line)}" for number, line in lines if len(line) > TEMPLATE_LINE]
    assert not found


def test_every_form_that_posts_carries_the_token() -> None:
    form = re.compile(r"<form\b[^>]*method=\"post\"[^>]*>(.*?)</form>", re.DOTALL | re.IGNORECASE)
    missing = []
    for file in TEMPLATES:
        for found in form.finditer(file.read_text()):
            if not re.search(r"csrf|hidden_tag|ui\.token", found[1]):
                missing.append(f"{name(file)}: {found[0][:80]}")
    assert not missing


def test_nothing_is_called_safe_without_a_reason() -> None:
    """`|safe` and Markup switch escaping off: the reason stands on the same line or the one above."""
    found = []
    for file in [*TEMPLATES, *CODE]:
        lines = file.read_text().splitlines()
        for number, line in enumerate(lines):
            off = re.search(r"\|\s*safe\b|autoescape false|\bMarkup\((?!\"|')", line)
            if off and not re.search(r"#", line + (lines[number - 1] if number else "")):
                found.append(f"{name(file)}:{number + 1}")
    assert not found


def test_no_inline_script_style_or_handler() -> None:
    """The policy forbids them (core.headers); print templates are laid out by our own press and may hold a style."""
    bad = re.compile(
        r"\sstyle=|<style|<script(?![^>]*\ssrc=)|\son[a-z]+=\"|javascript:|hx-on|hx-vals='js:", re.IGNORECASE
    )
    pages = [f for f in TEMPLATES if "print" not in f.relative_to(ROOT / "portal" / "templates").parts]
    found = [f"{name(f)}: {m[0]}" for f in pages if (m := bad.search(f.read_text()))]
    assert not found


def test_scripts_evaluate_nothing() -> None:
    found = []
    for file in (ROOT / "portal" / "static").glob("*.js"):
        if re.search(r"\beval\(|new Function|innerHTML|document\.write|insertAdjacentHTML", file.read_text()):
            found.append(name(file))
    assert not found
