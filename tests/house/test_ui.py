"""The macros pages are built from: errors beside the field, typed text kept, states in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import render_template, render_template_string
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, RadioField, SelectChoice, StringField
from wtforms.validators import DataRequired, Length

from tests.house.test_css import _app

pytestmark = pytest.mark.once


KINDS = [SelectChoice("a", "居民"), SelectChoice("b", "党员")]


class Registration(FlaskForm):
    phone = StringField("手机号", [DataRequired("请写手机号。"), Length(11, 11, "手机号应是 11 位数字。")])
    kind = RadioField(
        "您是", [DataRequired("请选一项。")], choices=[SelectChoice("a", "居民"), SelectChoice("b", "党员")]
    )
    nickname = StringField("称呼", description="社工怎么称呼您")
    consent = BooleanField("我同意", [DataRequired("不同意就不能登记。")])


@pytest.fixture
def page() -> Iterator[Any]:
    app = _app()
    with app.test_request_context("/", method="POST"):
        yield render_template_string


def _wrong() -> Registration:
    form = Registration(MultiDict({"phone": "199<0000"}), meta={"csrf": False})
    assert not form.validate()
    return form


def test_an_error_stands_beside_its_field_and_the_typed_text_stays(page: Any) -> None:
    html = page("{{ ui.field(form.phone, '用来通知您', {'inputmode': 'tel'}) }}", form=_wrong())
    assert 'value="199&lt;0000"' in html
    assert 'aria-describedby="phone-hint phone-err"' in html
    assert 'aria-invalid="true"' in html
    assert 'id="phone-err"' in html
    assert "手机号应是 11 位数字。" in html
    assert 'id="phone-hint">用来通知您' in html
    assert 'inputmode="tel"' in html
    assert "必填" in html


def test_a_field_that_may_stay_empty_says_so_in_words(page: Any) -> None:
    html = page("{{ ui.field(form.nickname) }}", form=_wrong())
    assert "选填" in html
    assert "社工怎么称呼您" in html
    assert "aria-invalid" not in html


def test_choices_are_a_named_group_and_a_tick_keeps_its_error(page: Any) -> None:
    html = page("{{ ui.choices(form.kind) }}{{ ui.field(form.consent) }}", form=_wrong())
    assert html.count('type="radio"') == 2
    assert "<legend>您是" in html
    assert "请选一项。" in html
    assert html.index('for="consent"') < html.index("不同意就不能登记。")


def test_the_summary_leads_to_each_wrong_field(page: Any) -> None:
    html = page("{{ ui.errors(form) }}", form=_wrong())
    assert "还有 3 处要改" in html
    for name in ("phone", "kind", "consent"):
        assert f'href="#{name}"' in html


def test_forms_carry_the_token_only_when_they_post(page: Any) -> None:
    post = page("{% call ui.form('/x', {'target': '#row'}) %}{% endcall %}")
    assert 'name="csrf_token"' in post
    assert 'hx-post="/x" hx-target="#row"' in post
    assert "csrf_token" not in page("{% call ui.form('/x', method='get') %}{% endcall %}")


def test_a_card_escapes_what_people_typed(page: Any) -> None:
    html = page("{{ ui.card('/services/1', 5, '周六', '<b>包汤圆', '9:00', [('余 2 位', 'gold')]) }}")
    assert "&lt;b&gt;包汤圆" in html
    assert '<span class="tag gold">余 2 位</span>' in html
    assert len(html) < 320, "twenty cards travel with each list page"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("47, 80", "还有 47 位"),
        ("2, 15, '组'", "还有 2 组"),
        ("0, 60", "已满"),
        ("none, none", "名额不限"),
        ("none, none, '位', true", "直接到场"),
    ],
)
def test_places_are_told_in_words(page: Any, arguments: str, words: str) -> None:
    assert words in page(f"{{{{ ui.places({arguments}) }}}}")


def test_for_whom_is_asked_only_when_there_is_a_choice(page: Any) -> None:
    one = page("{{ ui.whom([('me', '我')]) }}")
    assert "<select" not in one
    assert 'type="hidden" name="for" value="me"' in one
    two = page("{{ ui.whom([('me', '我'), ('7', '妈妈')], 7) }}")
    assert '<option value="7" selected>' in two


def test_the_elder_version_is_another_composition() -> None:
    centre = {"code": "c1", "name": "示例中心", "short_name": "示例", "mark": "示", "phone": "0755-8420 0001"}
    with _app().test_request_context("/me"):
        usual = render_template("resident.html", viewer=None, home_centre=centre, tab="me")
        elder = render_template("resident.html", viewer=None, home_centre=centre, tab="me", elder=True)
    assert 'class="tabs"' in usual
    assert 'aria-current="page"' in usual
    assert '<html lang="zh-CN" class="elder">' in elder
    assert 'class="tabs"' not in elder
    assert "回首页" in elder
    assert 'href="tel:075584200001"' in elder


def test_the_staff_column_counts_what_waits() -> None:
    nav = [{"label": "待我处理", "url": "/staff", "icon": "inbox", "count": 9, "active": True}]
    with _app().test_request_context("/staff"):
        html = render_template("staff.html", viewer={"name": "示例"}, nav=nav)
    assert '<a href="/staff" aria-current="page">' in html
    assert '9<span class="vh"> 件待办</span>' in html
