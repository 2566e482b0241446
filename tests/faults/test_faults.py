"""`make faults`: kill -9 of every process, no room on the disk, nothing can be written, the clock set back; in the middle
of 200 mixed writes each. Nothing half-stored, nothing told twice, recovery without a hand.

Disks are small file systems in memory, which only root may mount; the clock is libfaketime's.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.stand import WRITES, People, Stand, check, settle
from tests.jobs.test_kill import wait_until
from tests.notices import gateway_server
from tests.servers import PostgresServer, database_kind

pytestmark = pytest.mark.faults
POSTGRESQL = database_kind() == "postgresql"
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


@contextmanager
def portal(folder: Path, home: Path, postgres: PostgresServer | None, **env: str) -> Iterator[Stand]:
    """Everything running, with `home` for its data; what the processes said is shown when a test fails."""
    home.mkdir(exist_ok=True)
    with gateway_server.running() as gateway:
        url = postgres.create(f"faults_{os.getpid()}_{time.monotonic_ns()}") if postgres else ""
        stand = Stand(home, folder, gateway, postgres, url)
        for process in stand.processes.values():
            process.env = process.env | env
        try:
            stand.start()
            yield stand
        except BaseException:
            for log in sorted(folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()[-4000:]}")
            raise
        finally:
            stand.close()


@pytest.fixture
def postgres() -> Iterator[PostgresServer | None]:
    """A server of its own, which keeps what it promised (fsync), because it will be killed."""
    if not POSTGRESQL:
        yield None
        return
    server = PostgresServer(("fsync=on", "synchronous_commit=on"))
    server.start()
    yield server
    server.discard()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 256 MB; not below pytest's own folder, which each other run of pytest closes to PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="portal-disk-"))
    folder.chmod(0o755)
    command = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@pytest.mark.parametrize("name", ["web", "worker", "schedule", "redis", "postgresql"])
def test_kill_nine(tmp_path: Path, postgres: PostgresServer | None, name: str) -> None:
    if name == "postgresql" and not POSTGRESQL:
        pytest.skip("SQLite has no server")
    with portal(tmp_path, tmp_path / "home", postgres) as stand:
        people = People(stand)
        people.start()
        for number in (40, 90, 140):
            people.wait_for(number)
            stand.kill(name)
        people.join()
        settle(stand)
        check(stand, people)


def fill(folder: Path) -> Path:
    """Not a byte is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return ballast


def test_a_full_disk(tmp_path: Path, postgres: PostgresServer | None, small_disk: Path) -> None:
    """SQLite: the database's disk; PostgreSQL: that of uploads, kept documents and metrics."""
    with portal(tmp_path, small_disk / "home", postgres) as stand:
        people = People(stand)
        people.start()
        people.wait_for(10)  # SQLite's log still grows; later it is written over in place
        ballast = fill(small_disk)
        wait_until(lambda: "disk" in stand.failing(), "the health page says so")
        if not POSTGRESQL:
            wait_until(lambda: people.writing.answers[503] > 0, "a write that is refused")
            before = people.written
            time.sleep(2)
            assert people.written <= before + 8 and set(people.writing.answers) <= {303, 503, 0}
        assert stand.get("/services") == 200  # who looks can go on
        ballast.unlink()
        people.join()
        settle(stand)
        check(stand, people)
        assert "disk" not in stand.failing()


def test_a_read_only_file_system(tmp_path: Path, postgres: PostgresServer | None, small_disk: Path) -> None:
    """It is so when the portal starts, as after a crash, and is made writable later; nobody restarts the portal."""
    if POSTGRESQL:
        pytest.skip("see test_a_database_that_takes_nothing")
    with portal(tmp_path, small_disk / "home", postgres) as stand:
        people = People(stand)
        people.start()
        people.wait_for(60)
        for process in stand.processes.values():
            process.end(signal.SIGKILL)
        remount(small_disk, "ro")
        stand.processes["web"].start()
        wait_until(lambda: stand.get("/healthz") == 200, "the web process")
        assert stand.failing()[:1] in (["database"], ["disk"])
        wait_until(lambda: people.writing.answers[503] > 0, "a write that is refused")
        remount(small_disk, "rw")
        stand.processes["worker"].start()
        stand.processes["schedule"].start()
        people.join()
        settle(stand)
        check(stand, people)


def remount(folder: Path, how: str) -> None:
    """Once nobody writes there any more."""
    command = ["mount", "-o", f"remount,{how}", str(folder)]
    wait_until(lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0, f"a remount {how}")


@pytest.mark.skipif(not POSTGRESQL, reason="PostgreSQL's own way")
def test_a_database_that_takes_nothing(tmp_path: Path, postgres: PostgresServer) -> None:
    """As a standby after a fail-over, or a server whose owner has stopped writes because its disk is full."""
    with portal(tmp_path, tmp_path / "home", postgres) as stand:
        people = People(stand)
        people.start()
        people.wait_for(60)
        with postgres.connect() as admin:
            admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            admin.execute("SELECT pg_reload_conf()")
            wait_until(lambda: people.writing.answers[503] > 0, "a write that is refused")
            assert stand.get("/services") == 200
            assert stand.failing()[0] == "database"
            admin.execute("SET default_transaction_read_only = off")
            admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
            admin.execute("SELECT pg_reload_conf()")
        people.join()
        settle(stand)
        check(stand, people)


@pytest.mark.skipif(not POSTGRESQL, reason="PostgreSQL's own way")
def test_a_full_disk_of_the_database(tmp_path: Path, postgres: PostgresServer, small_disk: Path) -> None:
    """Its tables lie on a disk without room; its log has some."""
    (small_disk / "tables").mkdir()
    if postgres.user:
        shutil.chown(small_disk / "tables", postgres.user)
        small_disk.chmod(0o755)
    with postgres.connect() as admin:
        admin.execute(f"CREATE TABLESPACE small LOCATION '{small_disk / 'tables'}'")
        admin.execute("ALTER DATABASE template1 SET TABLESPACE small")
    with portal(tmp_path, tmp_path / "home", postgres) as stand:
        people = People(stand)
        people.start()
        people.wait_for(40)
        ballast = fill(small_disk)
        wait_until(lambda: people.writing.answers[503] > 0 or not people.is_alive(), "a write that is refused")
        assert people.is_alive(), "the tables did not grow"
        assert stand.get("/services") == 200
        ballast.unlink()
        people.join()
        settle(stand)
        check(stand, people)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed: apt-get install faketime")
def test_the_clock_is_set_back_an_hour(tmp_path: Path, postgres: PostgresServer | None) -> None:
    """Of all the portal's processes at once, as NTP may do it; what was meant for at once does not wait for the hour."""
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    faked = {
        "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    with portal(tmp_path, tmp_path / "home", postgres, **faked) as stand:
        people = People(stand)
        people.start()
        people.wait_for(WRITES // 2)
        clock.write_text("-1h\n")
        people.join()
        settle(stand)
        check(stand, people)
        latest = "SELECT min(created_at), max(created_at) FROM sign_up"
        first, last = (str(moment) for moment in stand.rows(latest)[0])
        assert first[:13] != last[:13]  # the clock did go back
