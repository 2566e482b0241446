"""Many accounts in one press: what is taken and why not, slips once, nothing in the clear (SPEC P11)."""

from __future__ import annotations

import io
import re
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select

from portal.core import clock, exports, pdf, pdf_spool, registry
from portal.core.access import Actor
from portal.core.audit import AuditLog
from portal.core.db import db
from portal.core.outbox import Outbox
from portal.people import account_table, passwords
from portal.people.actions import account_plan
from portal.people.models import StaffAccount
from portal.people.paper import account_slips
from tests.core import printed
from tests.factories import HASHER, NOW, Town
from tests.people.conftest import one, rows

HERE, SECRET = "/staff/accounts/import", re.compile(r"[2-9a-z]{4}(?:-[2-9a-z]{4}){2}")
HEAD = "用户名,姓名,手机,角色,单位,部门"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "hasher", HASHER)


@pytest.fixture
def district(client: FlaskClient, town: Town, as_staff: Any) -> FlaskClient:
    signed: FlaskClient = as_staff(client, town.staff["D"])
    return signed


def table(*lines: str) -> str:
    return "\n".join((HEAD, *lines))


def look(client: FlaskClient, text: str, do: str = "look") -> Any:
    return client.post(HERE, data={"rows": text, "do": do}, content_type="multipart/form-data")


def judged(page: str) -> dict[int, str]:
    """What the page says of each line."""
    found = re.findall(r'data-label="行">(\d+)</td>(.*?)</tr>', page, re.S)
    return {int(line): re.sub(r"<[^>]+>|\s+", " ", words) for line, words in found}


def press(client: FlaskClient, text: str) -> str:
    """Made; the address of the page that follows."""
    answer = look(client, text, "make")
    assert answer.status_code == 303, answer.text
    return str(answer.location)


GOOD = table(
    ",陈一,19900000101,管理员,甲一社区,", "hong-li,李红,199-0000-0102,经办人,B,", ",林二,19900000103,经办,,政法办",
    ",黄三,19900000104,督查员,甲街道党群服务中心,", ",周四,19900000105,operator,甲一社区,",
)  # fmt: skip


def test_the_page_says_of_each_line_what_comes_of_it(district: FlaskClient, town: Town) -> None:
    answer = look(district, table(
        ",陈一,19900000101,管理员,甲一社区,", ",,19900000102,经办人,甲一社区,", ",林3,19900000103,经办人,甲一社区,",
        ",黄三,1990,经办人,甲一社区,", ",周四,,经办人,甲一社区,", ",吴五,19900000106,主任,甲一社区,",
        ",郑六,19900000107,,甲一社区,", ",王七,19900000108,经办人,丙社区,", ",冯八,19900000109,经办人,,",
        ",陈九,19900000110,经办人,,文体局", "a1-op,褚十,19900000111,经办人,甲一社区,", "x,卫甲,19900000112,经办人,甲一社区,",
        ",陈一,19900000101,经办人,甲一社区,", ",蒋乙,19900000113,经办人,甲一社区,政法办", ",沈丙,19900000114,经办人,政法办,",
    ))  # fmt: skip
    assert answer.status_code == 200
    said = judged(answer.text)
    for line, why in {
        3: "没有写姓名",
        4: "不要有数字",
        5: "11 位数字",
        6: "没有写手机",
        7: "看不懂角色“主任”",
        8: "没有写角色",
        9: "没有“丙社区”",
        10: "没有写单位或部门",
        11: "没有“文体局”这个部门",
        12: "已经有人用了（A1经办的账户）",
        13: "小写字母",
        14: "已经有了：第 2 行",
        15: "政法办不在“甲一社区”",
    }.items():
        assert why in said[line] and "不建" in said[line], line
    assert "a1-01" in said[2] and "系统起的" in said[2]
    assert "政法办" in said[16] and "zfb-01" in said[16]
    assert "2 个可以建，13 个不建" in answer.text
    assert len(rows(select(StaffAccount))) == len(town.staff) + len(town.operator) + len(town.inspector) - 2


def test_one_press_makes_them_and_the_passwords_are_on_paper_only(
    app: Flask, district: FlaskClient, town: Town, now: datetime
) -> None:
    assert "5 个可以建" in look(district, GOOD).text
    url = press(district, GOOD)
    assert "0 个好了，一共 5 个" in district.get(url).text
    spool = Path(app.config["DATA_DIR"]) / "cache" / "pdf"
    waiting = "".join(path.read_text() for path in (spool / "waiting").iterdir())
    assert "sealed" in waiting and "陈一" not in waiting and not SECRET.search(waiting)
    assert printed.make_all(district) == 1
    page = district.get(url)
    assert "5 个账户建好了" in page.text and page.headers["Cache-Control"] == "no-store"
    answer = district.get(f"{url}.pdf")
    assert answer.headers["Cache-Control"] == "private, no-store" and "inline" in answer.headers["Content-Disposition"]
    words = "".join(printed.text_of(answer.data))
    made = {a.username: a for a in rows(select(StaffAccount).where(StaffAccount.must_change))}
    assert set(made) == {"a1-01", "a1-02", "hong-li", "zfb-01", "a-01"}
    assert made["zfb-01"].department_id == town.department.id and made["a-01"].role == "inspector"
    found = SECRET.findall(words)
    assert len(set(found)) == 5
    for name in ("陈一", "李红", "林二", "黄三", "周四"):
        assert name in words
    codes = printed.codes_in(printed.picture(answer.data, 1))
    assert len(codes) == 5 and set(codes) == {f"{app.config['BASE_URL']}/staff/login"}
    stored = str([vars(row) for model in (StaffAccount, AuditLog, Outbox) for row in rows(select(model))])
    files = b"".join(path.read_bytes() for path in Path(app.config["DATA_DIR"]).rglob("*") if path.is_file())
    assert not any(secret in stored or secret.encode() in files for secret in found)
    line = rows(select(AuditLog).where(AuditLog.verb == "open"))
    assert len(line) == 5 and {(each.actor_name, bool(each.address)) for each in line} == {("D管理员", True)}
    with clock.frozen(now + timedelta(hours=1)):
        fresh = app.test_client()
        entered = [fresh.post("/staff/login", data={"username": "hong-li", "password": p}).status_code for p in found]
    assert entered.count(303) == 1


def test_nobody_else_sees_them_and_they_are_gone_when_one_says_so(
    app: Flask, district: FlaskClient, town: Town, as_staff: Any
) -> None:
    url = press(district, GOOD)
    printed.make_all(district)
    other = as_staff(app.test_client(), town.staff["A"])
    assert [other.get(u).status_code for u in (url, f"{url}.pdf")] == [404, 404]
    assert other.post(f"{url}/forget").status_code == 404
    assert district.get(f"{url}.pdf").status_code == 200
    district.post(f"{url}/forget")
    gone = district.get(url)
    assert gone.status_code == 404 and "最多留 10 分钟" in gone.text and "重印密码条" in gone.text


def test_a_worker_that_was_stopped_goes_on_with_the_same_passwords(
    app: Flask, district: FlaskClient, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_slips, "BATCH", 2)
    url = press(district, GOOD)
    real, calls = passwords.hash_password, list[str]()

    def stopped(password: str) -> str:
        calls.append(password)
        if len(calls) == 4:
            raise SystemExit
        return real(password)

    monkeypatch.setattr(passwords, "hash_password", stopped)
    with app.app_context():
        spool = pdf_spool.spool(exports.maker(app))
    with pytest.raises(SystemExit):
        spool.make_next()
    assert "2 个好了，一共 5 个" in district.get(url).text
    monkeypatch.setattr(passwords, "hash_password", real)
    printed.make_all(district)
    assert "5 个账户建好了" in district.get(url).text
    first = one(select(StaffAccount).where(StaffAccount.username == "a1-01"))
    words = "".join(printed.text_of(district.get(f"{url}.pdf").data))
    assert any(HASHER.verify(first.password_hash, secret) for secret in [calls[0]]) and calls[0] in words
    assert len(rows(select(AuditLog).where(AuditLog.verb == "open"))) == 5


def test_papers_that_others_wait_for_come_between(
    app: Flask, district: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of accounts are made in turns; each turn's end is the end of the line, and nothing in it is in the clear."""
    monkeypatch.setattr(account_slips, "BATCH", 2)
    monkeypatch.setattr(account_slips, "TURN_SECONDS", 0)
    hashed, real = [], passwords.hash_password
    monkeypatch.setattr(passwords, "hash_password", lambda password: (hashed.append(password), real(password))[1])
    monkeypatch.setitem(registry.exporters, "test.paper", lambda _actor, _args: b"paper")
    url = press(district, GOOD)
    with app.app_context():
        spool = pdf_spool.spool(exports.maker(app))
    ticket = spool.line()[0][1]
    someone = asdict(Actor("staff", 1, "甲"))
    done = []
    for turn in range(3):
        spool.ask(f"other{turn}", {"export": "test.paper", "actor": someone, "args": {}})
        assert spool.make_next()
        done.append((len(hashed), [name for _, name in spool.line()]))
        job = (spool.waiting / f"{ticket}.json").read_text() if turn < 2 else ""
        assert not any(secret in job for secret in hashed)
        assert spool.make_next() or turn == 2
    assert done == [(2, ["other0", ticket]), (4, ["other1", ticket]), (5, ["other2"])]
    assert all(spool.file(f"other{turn}").read_bytes() == b"paper" for turn in range(3))
    assert "5 个账户建好了" in district.get(url).text
    words = "".join(printed.text_of(district.get(f"{url}.pdf").data))
    assert len(set(hashed)) == 5 and all(secret in words for secret in hashed)


def test_it_is_said_when_nobody_works(district: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    url = press(district, GOOD)
    monkeypatch.setattr(pdf_spool, "STUCK_SECONDS", -1)
    answer = district.get(url)
    assert answer.status_code == 503 and "没有做成" in answer.text and "系统管理员" in answer.text


def test_what_changed_since_is_named(district: FlaskClient, town: Town) -> None:
    url = press(district, GOOD)
    district.post("/staff/accounts/new", data={
        "username": "hong-li", "name": "抢先", "phone": "19900000120", "role": "operator", "department": "",
        "centre": str(town.centres["B"].id),
    })  # fmt: skip
    printed.make_all(district)
    page = district.get(url).text
    assert "4 个账户建好了" in page and "1 个没有建" in page and "已经有人用了" in judged(page)[3]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "xlsx"])
def test_files_as_offices_save_them(district: FlaskClient, encoding: str) -> None:
    lines = ["大鹏新区账户表,,,,,", *GOOD.splitlines()]
    if encoding == "xlsx":
        book, stream = openpyxl.Workbook(), io.BytesIO()
        for line in lines:
            book.active.append(line.split(","))  # type: ignore[union-attr]
        book.save(stream)
        data = stream.getvalue()
    else:
        data = "\r\n".join(lines).encode(encoding)
    sent = {"file": (io.BytesIO(data), "账户.xlsx"), "rows": "", "do": "make"}  # a file is looked at first, always
    answer = district.post(HERE, data=sent, content_type="multipart/form-data")
    assert answer.status_code == 200 and "5 个可以建" in answer.text
    assert set(judged(answer.text)) == {3, 4, 5, 6, 7}  # as the spreadsheet numbers them
    kept = re.search(r"<textarea[^>]*>(.*?)</textarea>", answer.text, re.S)
    assert kept and "hong-li\t李红" in kept[1]


@pytest.mark.parametrize(("text", "said"), [
    ("", "没有找到表头"), ("陈一,19900000101,管理员,甲一社区", "没有找到表头"), ("姓名,手机\n陈一,1", "缺少这些列：角色、单位"),
    (HEAD, "表头下面没有内容"), ("\n".join([HEAD] + [",陈一,19900000101,管理员,甲一社区,"] * 501), "一次最多 500 人"),
    ("长" * 100_001, "请用文件上传"),
])  # fmt: skip
def test_a_table_that_is_none_is_said_and_kept(district: FlaskClient, text: str, said: str) -> None:
    answer = look(district, text, "make")
    assert answer.status_code == 422 and said in answer.text
    assert text[:20] in answer.text


def test_ones_own_tree_only(client: FlaskClient, town: Town, as_staff: Any) -> None:
    as_staff(client, town.staff["A"])
    said = judged(look(client, GOOD).text)
    assert "没有“B”" in said[3] and "没有“政法办”" in said[4] and "a1-01" in said[2]
    as_staff(client, town.operator["A1"])
    assert look(client, GOOD).status_code == 403


def test_who_has_not_come_gets_new_ones(
    app: Flask, district: FlaskClient, town: Town, now: datetime, as_staff: Any
) -> None:
    url = press(district, GOOD)
    printed.make_all(district)
    old = SECRET.findall("".join(printed.text_of(district.get(f"{url}.pdf").data)))
    later = now + timedelta(hours=25)
    with clock.frozen(later):
        as_staff(district, town.staff["D"])
        page = district.get("/staff/accounts/slips").text
        assert page.count("已过期") == 5 and page.count("checked") == 5
        refused = district.post("/staff/accounts/slips", data={})
        assert refused.status_code == 422 and "还没有勾选" in refused.text
        chosen = [str(a.id) for a in rows(select(StaffAccount).where(StaffAccount.username.in_(("a1-01", "hong-li"))))]
        again = district.post("/staff/accounts/slips", data={"account": [*chosen, str(town.staff["B1"].id)]}).location
        printed.make_all(district)
        assert "2 个账户换了新的一次性密码" in district.get(again).text
        new = SECRET.findall("".join(printed.text_of(district.get(f"{again}.pdf").data)))
        assert len(new) == 2 and not set(new) & set(old)
        entered = [
            app.test_client().post("/staff/login", data={"username": "hong-li", "password": p}).status_code
            for p in (*new, *old)
        ]
    assert entered.count(303) == 1
    assert len(rows(select(AuditLog).where(AuditLog.verb == "reset"))) == 2


def test_five_hundred_lines_are_judged_with_the_same_statements(app: Flask, town: Town) -> None:
    counts, actor = [], town.actor("D")
    for number in (5, 500):
        lines = [f",陈{'一二三四五六七八九十'[i % 10]},1990{i:07d},经办人,甲一社区," for i in range(number)]
        typed = account_table.read(account_table.pasted(table(*lines)))
        seen: list[str] = []

        def note(*args: Any, seen: list[str] = seen) -> None:
            seen.append(args[2])

        event.listen(db.engine, "before_cursor_execute", note)
        found = account_plan.plan(actor, typed)
        event.remove(db.engine, "before_cursor_execute", note)
        assert len(account_plan.taken_in(found)) == number
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 4


def test_the_command_names_what_it_leaves(app: Flask, town: Town, tmp_path: Path) -> None:
    file, slips = tmp_path / "accounts.csv", tmp_path / "slips.pdf"
    file.write_bytes(table(",陈一,19900000101,manager,A1,", ",林二,199,经办人,甲一社区,").encode("gb18030"))
    db.session.rollback()
    result = app.test_cli_runner().invoke(args=["import-accounts", str(file)])
    assert result.exit_code == 0, result.output
    assert "a1-01\t" in result.output and "第 3 行没有建：手机号应是 11 位数字" in result.output
    secret = SECRET.search(result.output)
    assert secret
    made = one(select(StaffAccount).where(StaffAccount.username == "a1-01"))
    assert passwords.matches(made.password_hash, secret[0]) and made.must_change
    again = app.test_cli_runner().invoke(args=["import-accounts", str(file)])
    assert again.exit_code == 1 and "这个人在这里已经有了" in again.output and "一个账户也没有建" in again.output
    file.write_text(table(",黄三,19900000104,经办人,A2,"))
    db.session.rollback()
    result = app.test_cli_runner().invoke(args=["import-accounts", str(file), "--slips", str(slips)])
    assert result.exit_code == 0 and not SECRET.search(result.output)
    assert slips.stat().st_mode & 0o077 == 0 and "黄三" in "".join(printed.text_of(slips.read_bytes()))


def test_long_names_stay_on_their_slip(app: Flask, town: Town) -> None:
    slip = account_slips.documents.Slip(
        "欧阳" * 20, "测试区某某某某社区某某花园党群服务站", "管理员", "a" * 40, "k7mf-2qxd-h9tw"
    )
    with app.app_context():
        data = pdf.render(account_slips.paper([slip] * 9, town.actor("D"), NOW))
    assert len(printed.text_of(data)) == 2
