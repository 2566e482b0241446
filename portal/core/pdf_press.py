"""The press: a warm process that makes PDFs. Started by `portal.core.pdf` as a script, never imported.

It has imported WeasyPrint, pikepdf and the fonts once and forks a child for each job; limits of time, processor and
memory are the child's, and a crash of a C library ends the child alone. Standard input is a socket on which each
message brings the socket of one job: on it the job comes as JSON, back goes `BEGUN`, then `MADE` and the PDF or
`FAILED` and the reason. The press ends when its owner does, or when there was nothing to do for a while.
"""

import gc
import json
import logging
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

BEGUN, MADE, FAILED = b"!", b"+", b"-"
WARM = '<html lang="zh-CN"><body><p>暖<b>机</b></p></body></html>'


def _import_layout() -> Any:
    """Import our layout without `portal` itself, which would start half the application."""
    here = Path(__file__).resolve().parent
    for name, path in (("portal", here.parent), ("portal.core", here)):
        package = ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    from portal.core import pdf_layout

    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    return pdf_layout


def _limit(seconds: float, memory: int) -> None:
    """Bound the time (by the clock and of the processor, in seconds) and address space (bytes) of this process."""
    signal.setitimer(signal.ITIMER_REAL, seconds)  # SIGALRM ends it
    whole = max(1, int(seconds))
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _work(layout: Any, channel: socket.socket) -> None:
    """One job, in the child."""
    channel.sendall(BEGUN)
    job = json.load(channel.makefile("rb"))
    # Before the limits: fontconfig, short of memory, would store an empty list of fonts for the whole machine.
    typesetter = layout.Typesetter()
    _limit(job["seconds"], job["memory"])
    # One document and the end: looking again and again for garbage among its boxes costs a third of the time.
    gc.set_threshold(100_000, 50, 100)
    try:
        answer = MADE + layout.make(typesetter, job)
    except BaseException as error:  # WeasyPrint's refusal of an address is not an Exception
        cause = error.__cause__ or error
        answer = FAILED + f"{type(error).__name__}: {cause}"[:2000].encode()
    channel.sendall(answer)


def main(idle_seconds: float) -> None:
    """Fork a child for each job until the owner is gone or nothing came for `idle_seconds`."""
    control = socket.socket(fileno=0)
    control.settimeout(idle_seconds)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner, which then ends us
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a child ended: the system buries it
    layout = _import_layout()
    layout.Typesetter().layout(WARM, ["base.css"]).write_pdf()
    gc.collect()
    gc.freeze()
    while True:
        try:
            _, handed, _, _ = socket.recv_fds(control, 1, 1)
        except TimeoutError:
            return
        if not handed:
            os.killpg(0, signal.SIGKILL)  # the owner is gone, and nobody waits for the job at hand
        if os.fork() == 0:
            try:
                control.close()
                _work(layout, socket.socket(fileno=handed[0]))
            finally:
                os._exit(0)  # taking thousands of boxes apart one by one would only cost time
        os.close(handed[0])


if __name__ == "__main__":
    main(float(sys.argv[1]))
