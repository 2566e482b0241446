"""The servers of the tests keep their promises; else a green run on "PostgreSQL" would mean nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis as redis_client
import sqlalchemy as sa

from tests.servers import PostgresServer, RedisServer, free_port

ROOT = Path(__file__).resolve().parents[2]


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # Killed but not yet collected by its parent counts as gone.
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.once
def test_postgres_survives_a_kill_with_its_rows() -> None:
    server = PostgresServer(options=())
    try:
        server.start()
        engine = sa.create_engine(server.create("shop"), poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL synchronous_commit = on"))
            connection.execute(sa.text("CREATE TABLE place (name text)"))
            connection.execute(sa.text("INSERT INTO place VALUES ('葵涌')"))
        server.kill()
        assert not server.answers()
        server.start()
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT name FROM place")) == "葵涌"
    finally:
        server.discard()
    assert not server.home.exists()


def test_redis_keeps_what_it_was_told_over_a_kill(redis_server: RedisServer) -> None:
    client = redis_client.Redis.from_url(redis_server.url)
    client.set("bell", "rung")
    client.close()
    redis_server.kill()
    assert not redis_server.answers()
    redis_server.start()
    with redis_client.Redis.from_url(redis_server.url) as again:
        assert again.get("bell") == b"rung"
        redis_server.flush()
        assert again.get("bell") is None


def test_a_taken_port_is_left_for_another() -> None:
    first, second = RedisServer(), RedisServer()
    try:
        first.start()
        second.port = first.port
        # The answer on the taken port is the first one's; only its own living process may count.
        second.start()
        assert second.port != first.port
        assert second.answers()
    finally:
        first.discard()
        second.discard()


def test_servers_end_with_a_killed_test_process() -> None:
    code = (
        "import sys, time; from tests.servers import RedisServer, PostgresServer\n"
        "a, b = RedisServer(), PostgresServer(); a.start(); b.start()\n"
        "print(a.process.pid, b.process.pid, a.home, b.home, flush=True); time.sleep(600)"
    )
    tester = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert tester.stdout is not None
    one, two, *homes = tester.stdout.readline().split()
    tester.kill()
    tester.wait()
    tester.stdout.close()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (_alive(int(one)) or _alive(int(two))):
        time.sleep(0.05)
    assert not _alive(int(one))
    assert not _alive(int(two))
    for home in homes:
        subprocess.run(["rm", "-rf", home], check=True)


def test_free_port_can_be_listened_on() -> None:
    assert 1024 < free_port() < 65536
