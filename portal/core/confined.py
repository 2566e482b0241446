"""Work on what strangers send, in a child process with limits of time, processor and memory (SPEC Q8).

The child imports the module it is asked for without the application, so it starts in a fifth of a second and holds
neither secrets nor a connection. Run as a script it is the child.
"""

import os
import pickle
import resource
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

PORTAL = Path(__file__).resolve().parent.parent


class Exceeded(Exception):
    """The child did not answer within its limits."""


def call(module: str, function: str, *arguments: Any, seconds: float, memory: int) -> Any:
    """What `function` of `module` returns, or raises. arguments: plain values. memory: bytes of address space.

    Raises Exceeded. Not within a transaction that writes: others would wait for it.
    """
    command = [sys.executable, "-I", __file__, module, function, str(seconds), str(memory)]
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603 our own interpreter and script; what was sent goes through a pipe
            command,
            input=pickle.dumps(arguments),
            capture_output=True,
            env=environment,
            timeout=seconds + 5,
            check=False,
        )
        made, result = pickle.loads(done.stdout)  # noqa: S301 written by our own code below
    except (subprocess.TimeoutExpired, EOFError, pickle.UnpicklingError) as error:
        raise Exceeded(f"{module}.{function}") from error
    if not made:
        raise result
    return result


def _main(module: str, function: str, seconds: float, memory: int) -> None:
    for folder in (PORTAL, *PORTAL.iterdir()):  # features without their __init__, which would start the application
        package = ModuleType("portal" if folder == PORTAL else f"portal.{folder.name}")
        package.__path__ = [str(folder)]
        sys.modules[package.__name__] = package
    work = getattr(import_module(module), function)
    arguments = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 from our own process
    whole = max(1, round(seconds))
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer = pickle.dumps((True, work(*arguments)))
    except MemoryError:
        return  # says nothing: its limit
    except Exception as error:
        answer = pickle.dumps((False, error))
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
