"""core.pdf_spool: no request prints, the line is short and one for all, what was made is a file (SPEC Q7)."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.core import pdf, pdf_spool
from portal.core.pdf_spool import Spool
from tests.core.printed import fetched, make_all, text_of
from tests.factories import Make, Town

pytestmark = pytest.mark.once


def sheet(words: str = "一") -> pdf.PrintJob:
    return pdf.single(f'<html lang="zh-CN"><body><p>{words}</p></body></html>')


def job(words: str = "一") -> dict[str, Any]:
    return sheet(words).as_data()


def older(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "pdf")


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was printed, without printing."""
    jobs: list[dict[str, Any]] = []
    monkeypatch.setattr(pdf, "render", lambda data: jobs.append(data) or b"%PDF-")
    return jobs


@pytest.fixture
def working() -> Iterator[Callable[[Spool], threading.Event]]:
    """Workers in threads; the event ends one."""
    ends, threads = [], []

    def start(spool: Spool) -> threading.Event:
        ends.append(threading.Event())
        threads.append(threading.Thread(target=spool.work, args=(ends[-1],)))
        threads[-1].start()
        return ends[-1]

    yield start
    for ended, thread in zip(ends, threads, strict=True):
        ended.set()
        thread.join(30)


def until(true: Callable[[], bool]) -> None:
    ended = time.monotonic() + 30
    while not true():
        assert time.monotonic() < ended
        time.sleep(0.02)


# Pages ---------------------------------------------------------------------------------------------------------------


def test_a_visitor_waits_on_a_calm_page_and_then_has_the_file(client: FlaskClient, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"], title="还没有人印过的活动")
    address = f"/services/{entry.id}/poster.pdf"
    for _ in range(2):  # nothing is made by asking
        waiting = client.get(address)
        assert waiting.status_code == 202
        assert waiting.headers["Refresh"] == "1"
        assert waiting.headers["Cache-Control"] == "no-store"
        assert "正在排版" in waiting.text
    assert make_all(client) == 1
    made = client.get(address)
    assert made.status_code == 200 and made.mimetype == "application/pdf"
    assert "还没有人印过的活动" in text_of(made.data)[0]
    again = client.get(address, headers={"If-None-Match": made.headers["ETag"]})
    assert again.status_code == 304 and not again.data
    assert again.headers["ETag"] == made.headers["ETag"]


def test_two_who_ask_at_once_cause_one_printing(
    client: FlaskClient, town: Town, make: Make, printed: list[dict[str, Any]]
) -> None:
    entry = make.entry(town.centres["A1"], title="两个人同时要的海报")
    address = f"/services/{entry.id}/poster.pdf"
    other = client.application.test_client()
    assert [who.get(address).status_code for who in (client, other)] == [202, 202]
    make_all(client)
    assert [who.get(address).status_code for who in (client, other)] == [200, 200]
    assert len(printed) == 1


def test_beyond_the_shared_line_a_page_says_when_to_come_back(
    client: FlaskClient, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_spool, "MOST_WAITING", 2)
    addresses = [f"/services/{make.entry(town.centres['A1'], title=f'第{n}张').id}/poster.pdf" for n in range(3)]
    answers = [client.application.test_client().get(address) for address in addresses]
    assert [answer.status_code for answer in answers] == [202, 202, 503]
    assert "前面还有 1 份" in answers[1].text
    assert answers[2].headers["Retry-After"] == answers[2].headers["Refresh"] == "30"
    assert "请过 30 秒再来" in answers[2].text
    assert client.get(addresses[0]).status_code == 202  # who is in the line stays in it
    assert make_all(client) == 2
    assert fetched(client, addresses[2]).status_code == 200


def test_a_document_that_fails_says_so_and_is_not_tried_for_ever(
    client: FlaskClient, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = make.entry(town.centres["A1"], title="印不出来的海报")
    tried = []

    def broken(data: dict[str, Any]) -> bytes:
        tried.append(data)
        raise pdf.PdfTooLarge("longer than 90 s")

    monkeypatch.setattr(pdf, "render", broken)
    address = f"/services/{entry.id}/poster.pdf"
    for _ in range(3):
        answer = fetched(client, address)
        assert answer.status_code == 503
        assert "<h1>没有做成</h1>" in answer.text
        assert "内容太多" in answer.text and "请缩小范围" in answer.text
    assert len(tried) == 1
    with client.application.app_context():
        (failed,) = (f for f in pdf_spool.spool().made.iterdir() if f.suffix == ".failed")
    older(failed, pdf_spool.RETRY_SECONDS + 1)
    assert client.get(address).status_code == 202


# The directory -------------------------------------------------------------------------------------------------------


def test_health_tells_that_nobody_works(client: FlaskClient, town: Town, make: Make) -> None:
    address = f"/services/{make.entry(town.centres['A1'], title='没人排版').id}/poster.pdf"
    client.get(address)
    with client.application.app_context():
        assert pdf_spool.health()["ok"] and pdf_spool.health()["due"] == 1
        (waiting,) = pdf_spool.spool().waiting.iterdir()
        older(waiting, pdf_spool.STUCK_SECONDS + 1)
        assert not pdf_spool.health()["ok"]
    answer = client.get(address)
    assert answer.status_code == 503 and "请过几分钟再试一次" in answer.text
    assert client.get("/readyz").json["printing"]["ok"] is False


def test_what_others_left_waiting_fails_nobody_else(spool: Spool) -> None:
    """The worker is back and makes it: who has just come waits a moment, as always."""
    assert spool.ask("left", job("left")) == 0
    older(spool.waiting / "left.json", pdf_spool.STUCK_SECONDS + 1)
    assert [spool.ask("mine", job()), spool.ask("mine", job())] == [1, 1]
    with pytest.raises(pdf.PdfFailed):
        spool.ask("left", job("left"))


def test_oldest_first_and_one_worker_at_a_time(
    spool: Spool, printed: list[dict[str, Any]], working: Callable[[Spool], threading.Event]
) -> None:
    for number in range(3):
        spool.ask(f"k{number}", job(f"第{number}份"))
        older(spool.waiting / f"k{number}.json", 50 - number)
    first = working(spool)
    until(lambda: len(printed) == 3)
    assert [re.findall(r"第\d份", data["parts"][0]["html"])[0] for data in printed] == ["第0份", "第1份", "第2份"]
    working(spool)
    first.set()  # or killed: the second takes over
    spool.ask("k3", job("最后一份"))
    until(lambda: spool.file("k3").exists() and spool.line() == [])  # the job goes after its document has come
    assert len(printed) == 4


def test_asked_again_in_the_moment_it_was_made(spool: Spool, printed: list[dict[str, Any]]) -> None:
    spool.file("k").write_bytes(b"%PDF-")
    spool.ask("k", job())
    assert spool.make_next() and not spool.make_next()
    assert not printed


def test_a_damaged_job_stops_nobody(spool: Spool, printed: list[dict[str, Any]]) -> None:
    (spool.waiting / "bad.json").write_bytes(b"\0" * 100)
    older(spool.waiting / "bad.json", 9)
    spool.ask("good", job())
    assert spool.make_next() and spool.make_next() and not spool.make_next()
    assert spool.file("good").exists() and len(printed) == 1
    with pytest.raises(pdf.PdfFailed):
        spool.ask("bad", job())


def test_erased_while_it_was_printed(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(_data: dict[str, Any]) -> bytes:
        spool.forget_private()
        return b"%PDF-"

    monkeypatch.setattr(pdf, "render", slow)
    spool.ask("p-k", job("张三"))
    spool.make_next()
    assert not [*spool.made.iterdir(), *spool.waiting.iterdir()]


def test_the_old_and_the_too_much_is_deleted(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    ages = {"p-new.pdf": 60, "p-old.pdf": 3600, "new.pdf": 3600, "old.pdf": 40 * 86400, "half.pdf.tmp": 3600}
    for name, age in ages.items():
        (spool.made / name).write_bytes(b"x" * 100)
        older(spool.made / name, age)
    spool.clean()
    assert {file.name for file in spool.made.iterdir()} == {"p-new.pdf", "new.pdf"}
    monkeypatch.setattr(pdf_spool, "KEEP_BYTES", 150)
    spool.clean()
    assert {file.name for file in spool.made.iterdir()} == {"p-new.pdf"}


def test_what_is_kept_is_for_our_own_user(spool: Spool) -> None:
    spool.ask("k", job())
    assert spool.waiting.stat().st_mode & 0o777 == 0o700
    assert (spool.waiting / "k.json").stat().st_mode & 0o777 == 0o600


def test_the_key_follows_words_and_style(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert sheet().key == sheet().key != sheet("二").key
    (tmp_path / "base.css").write_text("p { color: red }")
    before = sheet().key
    monkeypatch.setattr(pdf, "ASSETS", tmp_path)
    pdf._tools.cache_clear()
    assert sheet().key != before
    monkeypatch.undo()
    pdf._tools.cache_clear()
    assert sheet().key == before


def test_a_full_disk_is_said(client: FlaskClient, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pdf_spool, "_write", full)
    answer = client.get(f"/services/{make.entry(town.centres['A1'], title='磁盘满了').id}/poster.pdf")
    assert answer.status_code == 503 and "这份文件没有做成" in answer.text
