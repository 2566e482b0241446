"""`make run`: database, demo, then web, worker, scheduler and Redis together, until Ctrl-C.

Everything it writes is in the data directory (PORTAL_DATA_DIR, default `var/`). DATABASE_URL and REDIS_URL
switch to servers; PORT and PORTAL_HOST say where to listen; DEMO=0 leaves an empty database empty.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 15


class Refused(Exception):
    """Something stands in the way; the text says what, and what to do."""


def say(text: str) -> None:
    """One short line of progress. A closed terminal is no reason to fall over."""
    with contextlib.suppress(OSError):
        print(f"· {text}", flush=True)


def check_libraries() -> None:
    """WeasyPrint loads these when it is imported; say so before five processes fail with a traceback each."""
    wanted = {
        "libpango-1.0.so.0": "libpango-1.0-0",
        "libpangoft2-1.0.so.0": "libpangoft2-1.0-0",
        "libharfbuzz-subset.so.0": "libharfbuzz-subset0",
    }
    missing = []
    for library, package in wanted.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    if missing:
        raise Refused(f"Missing for printing PDF. Install: apt-get install {' '.join(missing)}")


def port_is_free(host: str, port: int) -> bool:
    """True when this machine lets us listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        # A listener on another address of this machine would not stop the bind: ask as a client too.
        with socket.socket() as client:
            client.settimeout(0.3)
            return client.connect_ex(("127.0.0.1", port)) != 0


def web_port(host: str) -> int:
    """PORT, or 8000. Raises Refused when it is no port or somebody listens there."""
    raw = os.environ.get("PORT", "8000")
    if not raw.isdigit() or not 0 < int(raw) < 65536:
        raise Refused(f"PORT={raw} is not a port number (1-65535).")
    port = int(raw)
    if port < 1024 and os.geteuid() != 0:
        raise Refused(f"Port {port} needs root. Take a higher one: make run PORT=8000")
    if not port_is_free(host, port):
        raise Refused(f"Port {port} is in use by another program. Take another one: make run PORT={port + 1}")
    return port


def lan_address() -> str:
    """This machine's first address in its network, for a phone to open; empty when it has none."""
    if shutil.which("hostname") is None:
        return ""
    found = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    return next((a for a in found if "." in a and not a.startswith("127.")), "")


def redis_answer(port: int, *command: str) -> list[str]:
    """The lines of an answer of the Redis on this port; empty when none answers."""
    wire = f"*{len(command)}\r\n" + "".join(f"${len(c.encode())}\r\n{c}\r\n" for c in command)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as client:
            client.sendall(wire.encode())
            return client.recv(65536).decode(errors="replace").split("\r\n")
    except OSError:
        return []


def own_redis(directory: Path) -> int:
    """A port for our own Redis, whose data lives in `directory`; a left-over one of ours is stopped first."""
    if shutil.which("redis-server") is None:
        raise Refused("redis-server is missing. Install: apt-get install redis-server (or set REDIS_URL)")
    directory.mkdir(parents=True, exist_ok=True)
    first = int(os.environ.get("REDIS_PORT", "6390"))
    for port in range(first, first + 20):
        # Two servers appending to one file would ruin it, so one that survived a killed run has to go.
        if str(directory) in redis_answer(port, "CONFIG", "GET", "dir"):
            say(f"stopping the Redis that an earlier run left on port {port}")
            redis_answer(port, "SHUTDOWN")
            time.sleep(0.5)
        if port_is_free("127.0.0.1", port):
            if port != first:
                say(f"port {first} is taken, so our Redis listens on {port}")
            return port
    raise Refused(f"No free port for Redis between {first} and {first + 19}. Set REDIS_PORT or REDIS_URL.")


def flask(*arguments: str, env: dict[str, str], progress: bool = False) -> str:
    """Run one command of the portal; its output. progress: what it says meanwhile is shown.

    Raises Refused with the last lines when it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=None if progress else subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n    ".join((done.stderr or done.stdout or "its messages are above").strip().splitlines()[-6:])
        raise Refused(f"'flask --app wsgi {' '.join(arguments)}' failed:\n    {tail}")
    return done.stdout


def content(url: str) -> str:
    """'' nothing to lose or show, 'half' a demo whose loading was stopped, 'full' anything else.

    Raises Refused when the server does not answer.
    """
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("centre"):
                return ""
            if sa.inspect(connection).has_table("setting"):
                mark = connection.scalar(sa.text("SELECT value FROM setting WHERE key = 'demo'"))
                loaded = json.loads(mark) if isinstance(mark, str) else mark
                if loaded is not None and not loaded.get("done"):
                    return "half"
            return "full" if connection.scalar(sa.text("SELECT 1 FROM centre LIMIT 1")) is not None else ""
    except sa.exc.OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        shown = engine.url.render_as_string(hide_password=True)
        raise Refused(f"The database {shown} does not answer: {reason}") from error


def prepare_database(config: dict[str, Any], env: dict[str, str]) -> str:
    """Migrate, load the demo into an empty database, and give back what the demo said about logins."""
    url = str(config["SQLALCHEMY_DATABASE_URI"])
    given = bool(os.environ.get("DATABASE_URL"))
    mark = "-" + hashlib.sha256(url.encode()).hexdigest()[:8] if given else ""
    logins = Path(config["DATA_DIR"]) / f"demo-logins{mark}.txt"
    found = content(url)  # first of all: the server answers, or one clear line
    if found == "half":
        put_aside(url, given)
    say("bringing the database up to date")
    flask("db", "upgrade", env=env)
    if found != "full":
        if os.environ.get("DEMO", "1") == "0":
            return "The database is empty (DEMO=0). Begin with: .venv/bin/python -m flask --app wsgi init"
        say("loading the demo (a fictitious month; once only)")
        from portal.people.passwords import one_time

        # Written down first: whenever this is stopped, a portal that is full has its logins.
        password = one_time()
        write_privately(logins, f"All demo accounts have the password  {password}\n")
        write_privately(logins, flask("demo", "--password", password, env=env, progress=True))
    return logins.read_text() if logins.exists() else ""


def put_aside(url: str, given: bool) -> None:
    """A demo that was stopped half-way is worth nothing: its file moves aside. Raises Refused for a server's."""
    file = Path(sa.make_url(url).database or "")
    if given or not file.is_file():
        shown = sa.make_url(url).render_as_string(hide_password=True)
        raise Refused(f"The demo in {shown} was stopped half-way. Empty that database, then run this again.")
    say(f"the demo was stopped half-way: its file is now {file.name}.half, a new one is loaded")
    file.replace(file.with_name(f"{file.name}.half"))
    for ending in ("-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


def write_privately(path: Path, text: str) -> None:
    """For our own user only."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def environment(config: dict[str, Any], port: int, host: str) -> tuple[dict[str, str], list[str]]:
    """The variables for all processes, and the names of the processes to start."""
    data = Path(config["DATA_DIR"])
    shutil.rmtree(data / "metrics", ignore_errors=True)  # counts of processes that are no more
    outside = lan_address() if host in {"0.0.0.0", "::"} else ""  # noqa: S104 compared, not bound
    env = dict(os.environ)
    env.update(
        PORT=str(port),
        PORTAL_HOST=host,
        PORTAL_DATA_DIR=str(data),
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        PYTHONUNBUFFERED="1",
    )
    # The address in the QR codes has to open on the phone that scans the screen.
    env.setdefault("PORTAL_BASE_URL", f"http://{outside or '127.0.0.1'}:{port}")
    processes = ["web", "worker", "scheduler"]
    if os.environ.get("REDIS_URL"):
        server = sa.make_url(os.environ["REDIS_URL"])
        if not server.drivername.startswith("unix"):
            check_redis_server(server)
    else:
        redis_port = own_redis(data / "redis")
        env.update(REDIS_PORT=str(redis_port), REDIS_DIR=str(data / "redis"))
        env["REDIS_URL"] = f"redis://127.0.0.1:{redis_port}/0"
        processes.append("redis")
    return env, processes


def check_redis_server(server: sa.URL) -> None:
    """Raises Refused when nothing listens at REDIS_URL."""
    place = (server.host or "127.0.0.1", server.port or 6379)
    try:
        socket.create_connection(place, timeout=3).close()
    except OSError as error:
        why = error.strerror or error
        raise Refused(f"REDIS_URL: nothing answers at {place[0]}:{place[1]} ({why}).") from error


def start(processes: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Honcho in a session of its own: a signal of the terminal reaches it once, through us."""
    command = [sys.executable, "-m", "tools.procs", *processes]
    if shutil.which("setpriv"):
        # Should this process be killed outright, the others must not stay behind.
        command = ["setpriv", "--pdeathsig", "TERM", "--", *command]
    return subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True)


def stop(child: subprocess.Popen[bytes]) -> None:
    """Ask all processes to end, and insist after STOP_SECONDS."""
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def answers(port: int) -> bool:
    """True when the portal answers, be it that a Host rule (PORTAL_TRUSTED_HOSTS) refuses this address."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def works(env: dict[str, str]) -> str:
    """'' once pages are answered, Redis does and a worker has said that it is there; else what is missing."""
    if not answers(int(env["PORT"])):
        return "the portal"
    if "REDIS_PORT" not in env:  # a Redis elsewhere answered before anything was started
        return ""
    if "+PONG" not in redis_answer(int(env["REDIS_PORT"]), "PING"):
        return "Redis"
    return "" if len(redis_answer(int(env["REDIS_PORT"]), "SMEMBERS", "rq:workers")) > 2 else "the worker"


def wait_until_it_works(env: dict[str, str], child: subprocess.Popen[bytes], ended: list[int]) -> str:
    """'' once everything works, else what did not within START_SECONDS, or when we were asked to end."""
    deadline, missing = time.monotonic() + START_SECONDS, "the portal"
    while missing and time.monotonic() < deadline and not ended and child.poll() is None:
        time.sleep(0.1)
        missing = works(env)
    return missing


def announce(env: dict[str, str], logins: str, seconds: float) -> None:
    """Where to look and how to sign in."""
    local = f"http://127.0.0.1:{env['PORT']}/"
    lines = [f"The portal is ready after {seconds:.1f} s:  {local}"]
    if not env["PORTAL_BASE_URL"].startswith(local.rstrip("/")):
        lines.append(f"On a phone in the same network:  {env['PORTAL_BASE_URL']}/")
    lines.append(f"Staff sign in at  {local}staff/login")
    lines += [*logins.strip().splitlines(), "Ctrl-C ends everything."]
    with contextlib.suppress(OSError):
        print("\n" + "\n".join(f"  {line}" for line in lines) + "\n", flush=True)


def only_one(data: Path) -> IO[str]:
    """A lock for as long as this process lives. Raises Refused when another run holds it."""
    handle = (data / "run.lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise Refused(f"The portal already runs with {data}. Stop that one first (Ctrl-C).") from error
    return handle


def run() -> int:
    """Start everything, wait for the end; the exit code."""
    began = time.monotonic()
    os.umask(0o077)
    check_libraries()
    # Only now: the portal's own imports need those libraries.
    from portal.settings import from_environment

    config = from_environment()
    host = os.environ.get("PORTAL_HOST", "0.0.0.0")  # noqa: S104 a phone in the same network should open it
    Path(config["DATA_DIR"]).chmod(0o700)  # telephone numbers: for nobody else on this machine
    lock = only_one(Path(config["DATA_DIR"]))
    port = web_port(host)
    env, processes = environment(config, port, host)
    logins = prepare_database(config, env)
    web_port(host)  # again: while the demo was loading another portal may have begun, and two would share the port
    say(f"starting {', '.join(processes)}")
    # A list and not threading.Event: its lock, taken again by a handler, would lock the main thread out.
    ended: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: ended.append(received))
    child = start(processes, env)
    try:
        missing = wait_until_it_works(env, child, ended)
        if not missing:
            announce(env, logins, time.monotonic() - began)
            terminal = sys.stdout.isatty()
            while child.poll() is None and not ended:
                time.sleep(0.2)
                if terminal and not sys.stdout.isatty():  # the window was closed; make keeps its SIGHUP to itself
                    ended.append(signal.SIGHUP)
        elif not ended and child.poll() is None:
            raise Refused(f"{missing[0].upper()}{missing[1:]} did not answer within {START_SECONDS} s; see above.")
    finally:
        stop(child)
        lock.close()
    if ended:
        say("everything has ended")
        return 0
    raise Refused("A process ended by itself, so all were stopped; its last messages are above.")


def main() -> int:
    """Run, with every expected refusal as one line instead of a traceback."""
    try:
        return run()
    except Refused as refused:
        print(f"✗ {refused}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
