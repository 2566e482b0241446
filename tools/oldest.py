"""`make lint`: nothing younger than Python 3.11.2, which Debian 12 has. Prints each place and what to use instead.

mypy knows what came with 3.12 where there are types; it knows no patch releases, and one of them (`tarfile`'s filter,
3.11.4) once made every restore on Debian 12 fail. So names and arguments are looked up here, in all our code. Syntax
that is younger stops ruff (target-version).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("portal", "jobs", "migrations", "tools", "tests", "bench")
# From the "Changed in version" and "New in version" notes of the library reference.
NAMES = {
    "3.11.4": (
        "tarfile.data_filter", "tarfile.tar_filter", "tarfile.fully_trusted_filter", "tarfile.FilterError",
        "tarfile.OutsideDestinationError", "tarfile.AbsolutePathError",
    ),
    "3.12": (
        "itertools.batched", "math.sumprod", "typing.override", "typing.TypeAliasType", "collections.abc.Buffer",
        "types.get_original_bases", "calendar.Month", "calendar.Day", "inspect.markcoroutinefunction",
        "inspect.BufferFlags", "os.path.splitroot", "os.path.isjunction", "logging.getHandlerByName",
        "random.binomialvariate", "sys.monitoring", "asyncio.eager_task_factory", "threading.setprofile_all_threads",
        "threading.settrace_all_threads", "sqlite3.LEGACY_TRANSACTION_CONTROL",
    ),
    "3.13": (
        "copy.replace", "os.process_cpu_count", "warnings.deprecated", "queue.ShutDown", "base64.z85encode",
        "mimetypes.guess_file_type", "glob.translate", "typing.TypeIs", "typing.ReadOnly", "dbm.sqlite3",
        "re.PatternError", "types.CapsuleType",
    ),
}  # fmt: skip
# By the name of what is called, whatever it is called on.
ARGUMENTS = {
    "3.11.4": ("extractall(filter)", "extract(filter)", "unpack_archive(filter)"),
    "3.11.10": ("getaddresses(strict)", "parseaddr(strict)"),
    "3.12": (
        "rmtree(onexc)",
        "NamedTemporaryFile(delete_on_close)",
        "relative_to(walk_up)",
        "glob(case_sensitive)",
        "rglob(case_sensitive)",
    ),
    "3.13": ("add_argument(deprecated)", "glob(recurse_symlinks)", "rglob(recurse_symlinks)"),
}
SINCE = {name: version for version, names in NAMES.items() for name in names}
SINCE_ARGUMENT = {name: version for version, names in ARGUMENTS.items() for name in names}


def younger(source: str) -> Iterator[tuple[int, str, str]]:
    """Line, name and version of everything in the source that Python 3.11.2 does not have."""
    tree = ast.parse(source)
    modules = {  # what a name of this file means
        alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield from _known(SINCE, f"{node.module}.{alias.name}", node.lineno)
        elif isinstance(node, ast.Attribute):
            name = _dotted(node)
            first, _, rest = name.partition(".")
            yield from _known(SINCE, f"{modules.get(first, first)}.{rest}", node.lineno)
        elif isinstance(node, ast.Call):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for keyword in node.keywords:
                yield from _known(SINCE_ARGUMENT, f"{function}({keyword.arg})", node.lineno)


def _known(table: dict[str, str], name: str, line: int) -> Iterator[tuple[int, str, str]]:
    if name in table:
        yield line, name, table[name]


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def main() -> int:
    """Look at all our code; the exit code."""
    found = 0
    for file in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        for line, name, version in younger(file.read_text(encoding="utf-8")):
            print(f"{file.relative_to(ROOT)}:{line}: {name} came with Python {version}; Debian 12 has 3.11.2")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
