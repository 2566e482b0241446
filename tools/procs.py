"""Start the processes of the Procfile that are named on the command line, together, by honcho.

As `honcho start`, but a terminal that was closed does not end it half-way: it stops its processes first.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from honcho.environ import expand_processes, parse_procfile
from honcho.manager import Manager
from honcho.printer import Message, Printer

ROOT = Path(__file__).resolve().parent.parent


class PatientPrinter(Printer):
    """Honcho's printer; lines that nobody can see any more are dropped."""

    def write(self, message: Message) -> None:
        """Print one line of a process."""
        with contextlib.suppress(OSError):
            super().write(message)


def main(names: list[str]) -> int:
    """Run until one ends or a signal comes; the exit code of the first that ended."""
    known = parse_procfile((ROOT / "Procfile").read_text(encoding="utf-8")).processes
    manager = Manager(PatientPrinter(sys.stdout))
    chosen = {name: known[name] for name in names}
    for process in expand_processes(chosen, port=int(os.environ.get("PORT", "8000"))):
        # Honcho counts ports up from process to process; here only the web listens and all know its port.
        env = os.environ | process.env | {"PORT": os.environ.get("PORT", "8000")}
        manager.add_process(process.name, process.cmd, env=env, cwd=str(ROOT))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    manager.loop()
    return int(manager.returncode or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
