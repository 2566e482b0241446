"""`make run` says what stands in the way in one line, and keeps its data safe; the bootstrap says what is missing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.servers import RedisServer, free_port
from tools import run

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.once


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_is_refused_with_the_way_out(host: str, taken_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", str(taken_port))
    with pytest.raises(run.Refused, match=f"Port {taken_port} is in use.*make run PORT={taken_port + 1}"):
        run.web_port(host)


@pytest.mark.parametrize("raw", ["0", "65536", "-1", "80a", ""])
def test_no_port_number(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", raw)
    with pytest.raises(run.Refused, match="not a port number"):
        run.web_port("127.0.0.1")


def test_our_redis_goes_beside_a_strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = RedisServer()
    try:
        stranger.start()
        monkeypatch.setenv("REDIS_PORT", str(stranger.port))
        assert run.own_redis(tmp_path / "redis") > stranger.port
        assert stranger.answers()
    finally:
        stranger.discard()


def test_our_redis_left_over_is_stopped_before_its_file_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    left_over = RedisServer()
    try:
        left_over.start()
        monkeypatch.setenv("REDIS_PORT", str(left_over.port))
        assert run.own_redis(left_over.home) == left_over.port
        assert not left_over.answers()
    finally:
        left_over.discard()


def test_one_run_per_data_directory(tmp_path: Path) -> None:
    first = run.only_one(tmp_path)
    with pytest.raises(run.Refused, match="already runs"):
        run.only_one(tmp_path)
    first.close()
    run.only_one(tmp_path).close()


def database(path: Path, *statements: str) -> str:
    url = f"sqlite:///{path}"
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("CREATE TABLE centre (id integer)"))
        connection.execute(sa.text("CREATE TABLE setting (key text, value text)"))
        for statement in statements:
            connection.execute(sa.text(statement))
    return url


CENTRE = "INSERT INTO centre VALUES (1)"


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ((), ""),
        (("INSERT INTO setting VALUES ('other', '1')",), ""),
        ((CENTRE,), "full"),
        ((CENTRE, """INSERT INTO setting VALUES ('demo', '{"done"\\:true}')"""), "full"),
        ((CENTRE, """INSERT INTO setting VALUES ('demo', '{"done"\\:false}')"""), "half"),
    ],
)
def test_what_is_there_decides_whether_the_demo_is_loaded(
    tmp_path: Path, statements: tuple[str, ...], found: str
) -> None:
    assert run.content(f"sqlite:///{tmp_path / 'none.db'}") == ""
    assert run.content(database(tmp_path / "x.db", *statements)) == found


def test_a_demo_that_was_stopped_moves_aside(tmp_path: Path) -> None:
    url = database(tmp_path / "portal.db", CENTRE)
    (tmp_path / "portal.db-wal").write_bytes(b"")
    with pytest.raises(run.Refused, match=r"stopped half-way\. Empty that database"):
        run.put_aside(url, given=True)
    run.put_aside(url, given=False)
    assert [p.name for p in tmp_path.iterdir()] == ["portal.db.half"]


def test_ready_means_redis_and_a_worker_too(monkeypatch: pytest.MonkeyPatch) -> None:
    server, port = RedisServer(), free_port()
    env = {"PORT": "1", "REDIS_PORT": str(port)}
    assert run.works(env) == "the portal"
    monkeypatch.setattr(run, "answers", lambda _port: True)
    assert run.works(env) == "Redis"
    try:
        server.start()
        env["REDIS_PORT"] = str(server.port)
        assert run.works(env) == "the worker"
        run.redis_answer(server.port, "SADD", "rq:workers", "one")
        assert run.works(env) == ""
    finally:
        server.discard()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "DATABASE_URL",
            "postgresql://nobody:secret@127.0.0.1:1/none",
            "✗ The database postgresql+psycopg://nobody:***@",
        ),
        ("REDIS_URL", "redis://127.0.0.1:1/0", "✗ REDIS_URL: nothing answers at 127.0.0.1:1"),
        ("DATABASE_URL", "mysql://me:secret@host/x", "DATABASE_URL begins with mysql; known"),
        ("DATABASE_URL", "portal.db", "DATABASE_URL begins with portal.db; known"),
    ],
)
def test_a_server_that_is_away_is_one_clear_line(variable: str, value: str, said: str, tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    env |= {"PORTAL_DATA_DIR": str(tmp_path), "PORT": str(free_port()), "REDIS_PORT": str(free_port()), variable: value}
    done = subprocess.run(
        [sys.executable, "-m", "tools.run"], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert len(done.stderr.strip().splitlines()) == 1
    assert "secret" not in done.stdout + done.stderr


def test_without_rights_the_bootstrap_says_the_one_command(tmp_path: Path) -> None:
    """A machine where every Debian package is missing and nobody may install: id and dpkg-query say so."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    for name in ("requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in {"id": "echo 1000", "dpkg-query": "exit 1", "sudo": "exit 1", "apt-get": "exit 99"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    done = subprocess.run(
        ["sh", "tools/setup.sh", "run"], cwd=tmp_path, env={"PATH": f"{programs}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1].strip()
    assert last.startswith("sudo sh -c 'apt-get update && apt-get install -y")
    assert "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk" in last
    assert not (tmp_path / ".venv").exists()
