"""Drawing up, changing and correcting one row; its own page; templates, copies, cover pictures."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from portal.catalogue.actions import drafting, entry_values, reviewing
from portal.catalogue.models import APPROVED, IN_REVIEW, RETURNED, Entry, Template
from portal.catalogue.staff import sessions_field
from portal.core import clock, uploads

NEW = "/staff/catalogue/new?month=2026-12"


def typed(town: Any, **changes: Any) -> dict[str, Any]:
    """What somebody fills into the form."""
    return {
        "month": "2026-12",
        "title": "冬至包汤圆",
        "category_id": town.categories["party"].id,
        "sessions": "12月22日 14:30-17:00",
        "place": "一楼大厅",
        "audience": "全体居民",
        "mode": "limited",
        "capacity": "60",
        "unit": "人",
        "content": "一起包汤圆",
        "organiser": "",
        "contact": "陈社工",
        "phone": "0755-84200001",
        "do": "save",
    } | changes


def only(session: Any, title: str) -> Entry:
    session.rollback()
    return session.scalars(select(Entry).where(Entry.title == title)).one()


def test_a_new_row_from_words(client: Any, town: Any, session: Any, as_staff: Any) -> None:
    as_staff(client, town.operator["A1"])
    done = client.post(NEW, data=typed(town, sessions="每周五19:30-21:00", fee="2.50", max_companions="2"))
    assert done.status_code == 303
    row = only(session, "冬至包汤圆")
    assert (row.status, row.centre.code, row.capacity, row.fee, row.max_companions) == ("draft", "A1", 60, 250, 2)
    assert [clock.local(s.starts_at).day for s in row.sessions] == [4, 11, 18, 25]
    assert row.weekly["label"] == "每周五 19:30–21:00"
    assert "每周五 19:30–21:00" in client.get(done.location).text


def test_a_superior_draws_up_for_a_centre_below_only(client: Any, town: Any, session: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["A"])
    client.post(NEW, data=typed(town, title="代编", centre=town.centres["A1"].id))
    assert only(session, "代编").centre.code == "A1"
    client.post(NEW, data=typed(town, title="不归我", centre=town.centres["B1"].id))
    assert only(session, "不归我").centre.code == "A"


@pytest.mark.parametrize(("change", "message"), [
    ({"title": ""}, "请填写服务名称。"),
    ({"category_id": ""}, "请选择类别。"),
    ({"sessions": "12月32日 9:00-10:00"}, "12月"),
    ({"sessions": "12月5日 11:00-9:00"}, "结束时间"),
    ({"sessions": "1月5日 9:00-10:00"}, "不在2026年12月内"),
    ({"capacity": ""}, "请填写名额"),
    ({"capacity": "0"}, "名额应在 1 到"),
    ({"capacity": "很多"}, "整数"),
    ({"max_companions": "40"}, "应在 0 到 9 之间"),
    ({"fee": "-1"}, "费用应在 0 到"),
    ({"sign_up_until": "2026-12-31T10:00"}, "报名截止不能晚于活动结束"),
    ({"sign_up_until": "下周"}, "没有这个时间"),
    ({"title": "长" * 61}, "最多 60 个字"),
])  # fmt: skip
def test_a_mistake_is_said_beside_the_field_and_nothing_is_lost(
    client: Any, town: Any, session: Any, as_staff: Any, change: dict[str, str], message: str
) -> None:
    as_staff(client, town.staff["A1"])
    refused = client.post(NEW, data=typed(town, content="打字打了很久", **change))
    assert refused.status_code == 422
    assert message in refused.text
    assert "打字打了很久" in refused.text
    name, value = next(iter(change.items()))
    assert f'id="{name}-err"' in refused.text
    assert not value or value in refused.text
    session.rollback()
    assert session.scalars(select(Entry)).all() == []


def test_the_preview_says_what_was_understood(client: Any, town: Any, session: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["A1"])
    live = client.get("/staff/catalogue/understand?month=2026-12&sessions=12月5日、12日 9:30-11:00").text
    assert "看懂了 2 场" in live
    assert "12月12日（周六）9:30–11:00" in live
    page = client.post(NEW, data=typed(town, sessions="12月5日、12日 9:30-11:00", do="preview"))
    assert page.status_code == 200
    assert live in page.text
    assert "没有看到日期" in client.get("/staff/catalogue/understand?month=2026-12&sessions=下午三点").text
    session.rollback()
    assert session.scalars(select(Entry)).all() == []


def test_what_the_box_shows_reads_back_the_same(town: Any, make: Any) -> None:
    at = lambda d, h, m=0: clock.at(datetime(2026, 12, d).date(), datetime(2026, 12, d, h, m).time())  # noqa: E731
    entry = make.entry(town.centres["A1"], sessions=[(at(5, 9, 30), at(5, 11)), (at(6, 22), at(7, 1))])
    values = entry_values.values_of(entry)
    text = sessions_field.as_typed(values)
    assert text == "12月5日（周六）9:30–11:00\n12月6日（周日）22:00–次日1:00"
    assert set(sessions_field.read_sessions(text, "2026-12").spans) == set(values.sessions)


def test_saving_and_sending_at_once(client: Any, town: Any, session: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["A1"])
    refused = client.post(NEW, data=typed(town, do="send", place=""))
    assert refused.status_code == 422
    assert "请填写地点" in refused.text
    client.post(NEW, data=typed(town, do="send"))
    assert only(session, "冬至包汤圆").status == IN_REVIEW


def test_two_people_at_one_row_see_both_versions(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    entry = make.entry(town.centres["A1"], title="包汤圆", status="draft")
    loaded = entry.version
    session.commit()
    mine = typed(town, title="包汤圆", place="三楼", sessions="12月13日 8:30-11:00", version=loaded)
    drafting.edit_entry(town.actor("A1-OP"), entry, plan_values(entry, place="二楼"), make.now)
    session.commit()
    as_staff(client, town.staff["A1"])
    url = f"/staff/catalogue/{entry.id}/edit"
    stale = client.post(url, data=mine)
    assert stale.status_code == 409
    assert "A1经办" in stale.text
    assert '<td data-label="对方">二楼</td><td data-label="您">三楼</td>' in stale.text
    assert 'value="三楼"' in stale.text
    assert only(session, "包汤圆").place == "二楼"
    again = client.post(url, data=mine | {"version": loaded + 1})
    assert again.status_code == 303
    assert only(session, "包汤圆").place == "三楼"


def plan_values(entry: Entry, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(entry_values.values_of(entry), **changes)


def test_a_returned_row_is_mended_and_goes_straight_back(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    entry = make.entry(
        town.centres["A1"],
        title="净滩",
        status=RETURNED,
        returned_by_id=town.centres["A"].id,
        return_reason="写明集合点",
        return_field="place",
        waits_since=make.now,
    )
    as_staff(client, town.staff["A1"])
    url = f"/staff/catalogue/{entry.id}/edit"
    page = client.get(url).text
    assert "写明集合点" in page
    assert "改好送回" in page
    sent = client.post(url, data=typed(town, title="净滩", place="海滩停车场", do="send", version=entry.version))
    assert sent.status_code == 303
    row = only(session, "净滩")
    assert (row.status, row.waits_at_id, row.place) == (IN_REVIEW, town.centres["A"].id, "海滩停车场")


def test_the_reviewer_corrects_in_place_and_the_author_sees_what(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    entry = make.entry(
        town.centres["A1"], title="普法", status=IN_REVIEW, waits_at_id=town.centres["A"].id, waits_since=make.now
    )
    as_staff(client, town.staff["A"])
    url = f"/staff/catalogue/{entry.id}/edit"
    assert "保存更正" in client.get(url).text
    changed = typed(
        town, title="普法", sessions="12月13日 8:30-11:00", place="三楼会议室", version=entry.version, reason="写法统一"
    )
    assert client.post(url, data=changed).status_code == 303
    assert only(session, "普法").place == "三楼会议室"
    as_staff(client, town.staff["A1"])
    page = client.get(f"/staff/catalogue/{entry.id}").text
    assert "审核时更正" in page
    assert "<del>一楼大厅</del> <ins>三楼会议室</ins>" in page
    assert "写法统一" in page
    assert client.get(url).status_code == 303  # its author may not change it while it is reviewed


def test_the_page_of_a_row_shows_the_whole_way(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    entry = make.entry(town.centres["A1"], title="义诊", status="draft")
    early = make.now - timedelta(days=2)
    reviewing.offer(town.actor("A1"), entry, early)
    reviewing.return_entry(town.actor("A"), entry, "写明集合点", "place", make.now)
    session.commit()
    as_staff(client, town.inspector["D"])
    page = client.get(f"/staff/catalogue/{entry.id}").text
    for words in (
        "甲一社区编制",
        "甲街道初审",
        "测试区复审",
        "12月1日 0:00 自动发布",
        "退回的理由（地点）",
        "写明集合点",
        "送上级审核",
    ):
        assert words in page, words
    assert "<button" not in page.split("现在到哪一步")[0].split('id="main"')[1]  # nothing to press for who only looks


def test_recall_and_checked(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    entry = make.entry(
        town.centres["A1"],
        status=IN_REVIEW,
        waits_at_id=town.centres["A"].id,
        waits_since=make.now,
        check_note="请核对日期",
    )
    as_staff(client, town.staff["A1"])
    client.post(f"/staff/catalogue/{entry.id}/recall", data={"version": entry.version})
    session.rollback()
    assert session.get(Entry, entry.id).status == "draft"
    assert "核对过了" in client.get(f"/staff/catalogue/{entry.id}").text
    client.post(f"/staff/catalogue/{entry.id}/checked")
    session.rollback()
    assert session.get(Entry, entry.id).check_note == ""


def test_templates_and_copies(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    entry = make.entry(town.centres["A1"], title="四点半课堂", status=APPROVED)
    as_staff(client, town.operator["A1"])
    client.post(f"/staff/catalogue/{entry.id}/template", data={"name": "课堂"})
    session.rollback()
    kept = session.scalars(select(Template)).one()
    assert "课堂" in client.get("/staff/catalogue/templates?month=2027-01").text
    made = client.post(f"/staff/catalogue/templates/{kept.id}/use", data={"month": "2027-01"})
    assert "由模板生成" in client.get(made.location).text
    copied = client.post(
        "/staff/catalogue/copy", data={"month": "2027-01", "from_month": "2026-12", "centre": entry.centre_id}
    )
    assert "复制了 1 条" in client.get(copied.location).text
    again = client.post(
        "/staff/catalogue/copy", data={"month": "2027-01", "from_month": "2026-12", "centre": entry.centre_id}
    )
    assert "没有重复添加" in client.get(again.location).text
    empty = client.post(
        "/staff/catalogue/copy", data={"month": "2026-12", "from_month": "2026-11", "centre": entry.centre_id}
    )
    assert empty.status_code == 422
    assert "没有可以复制的服务" in empty.text
    as_staff(client, town.staff["A2"])
    assert client.post(f"/staff/catalogue/templates/{kept.id}/delete").status_code == 404
    as_staff(client, town.staff["A1"])
    assert client.post(f"/staff/catalogue/templates/{kept.id}/delete").status_code == 303
    session.rollback()
    assert session.scalars(select(Template)).all() == []


def picture(size: tuple[int, int] = (2400, 1600), kind: str = "JPEG", **more: Any) -> io.BytesIO:
    stream = io.BytesIO()
    Image.new("RGB", size, "#b4231f").save(stream, kind, **more)
    stream.seek(0)
    return stream


def test_a_cover_is_made_small_and_clean(client: Any, town: Any, app: Any, session: Any, as_staff: Any) -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    as_staff(client, town.staff["A1"])
    client.post(NEW, data=typed(town, cover_file=(picture(exif=exif), "../../照片.jpg")))
    row = only(session, "冬至包汤圆")
    shown = client.get(f"/pictures/{row.cover}")
    assert (shown.status_code, shown.mimetype) == (200, "image/jpeg")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    sent = shown.data
    shown.close()
    image = Image.open(io.BytesIO(sent))
    assert max(image.size) == uploads.MAX_EDGE
    assert b"taken at home" not in sent
    assert dict(image.getexif()) == {}
    for name in ("../portal.db", "x.jpg", row.cover.replace(".jpg", ".png")):
        assert client.get(f"/pictures/{name}").status_code == 404


def test_residents_see_the_cover(client: Any, town: Any, make: Any, app: Any) -> None:
    with app.app_context():
        name = uploads.save_picture(picture((40, 30)).getvalue())
    entry = make.entry(town.centres["A1"], cover=name)
    assert f'src="/pictures/{name}"' in client.get(f"/services/{entry.id}").text


def test_what_is_no_picture_is_refused_and_a_good_one_survives_other_mistakes(
    client: Any, town: Any, session: Any, as_staff: Any
) -> None:
    as_staff(client, town.staff["A1"])
    bad = client.post(NEW, data=typed(town, cover_file=(io.BytesIO(b"<svg onload=alert(1)>"), "a.jpg")))
    assert bad.status_code == 422
    assert "这张图片打不开" in bad.text
    kept = client.post(NEW, data=typed(town, title="", cover_file=(picture(), "a.jpg")))
    assert kept.status_code == 422
    name = kept.text.split('name="cover" value="')[1].split('"')[0]
    client.post(NEW, data=typed(town, cover=name))
    assert only(session, "冬至包汤圆").cover == name
    client.post(NEW, data=typed(town, title="别的", cover="../../etc/passwd"))
    assert only(session, "别的").cover == ""


def test_a_decompression_bomb_is_an_error(app: Any) -> None:
    with app.app_context(), pytest.raises(uploads.PictureRefused, match="太大"):
        uploads.save_picture(picture((9000, 9000), "PNG").getvalue())
