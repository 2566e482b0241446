"""Forms: Chinese messages, typed text kept, one place for the fields that many forms share."""

import re
from datetime import date
from typing import Any

import phonenumbers
from flask_wtf import FlaskForm
from wtforms import Field, FileField, StringField, ValidationError
from wtforms.meta import DefaultMeta
from wtforms.validators import InputRequired, Length, Optional
from wtforms.widgets import DateInput

from portal.core import clock
from portal.core.errors import DomainError


class Form(FlaskForm):
    """Base of all forms. `refuse` puts a DomainError beside its field, so nothing typed is lost."""

    class Meta:
        locales = ("zh",)

        def get_translations(self, form: Any) -> Any:
            # WTForms' own Chinese; Flask-WTF would ask for Flask-Babel and fall back to English.
            return DefaultMeta.get_translations(self, form)

    def refuse(self, error: DomainError) -> None:
        field = self._fields.get(error.field or "")
        text = f"{error.message}{error.advice}"
        if field is None:
            self.form_errors.append(text)
        else:
            field.errors = [*field.errors, text]


def strip(value: str | None) -> str | None:
    """Filter: outer white space (also full-width) never matters."""
    return value.strip().strip("\u3000") if isinstance(value, str) else value


def at_most(count: int, what: str = "", least: int = -1) -> Length:
    """No more than `count` characters (and no fewer than `least`); every form says so in the same words."""
    return Length(least, count, f"{what}最多 {count} 个字。")


def mobile(raw: str) -> str:
    """A mainland mobile number as 11 digits. Raises ValidationError with a sentence."""
    digits = re.sub(r"[\s\-()（）]", "", raw.translate(FULL_WIDTH))
    try:
        number = phonenumbers.parse(digits, "CN")
    except phonenumbers.NumberParseException:
        raise ValidationError("手机号应是 11 位数字，例如 138 开头。") from None
    national = str(number.national_number)
    if number.country_code != 86 or not re.fullmatch(r"1[3-9]\d{9}", national):
        raise ValidationError("手机号应是 11 位数字，例如 138 开头。")
    return national


FULL_WIDTH = str.maketrans("０１２３４５６７８９＋－", "0123456789+-")


class MobileField(StringField):
    """Accepts spaces, dashes, +86 and full-width digits; data is 11 digits after validation."""

    data: str | None

    def pre_validate(self, form: Any) -> None:
        if self.data:
            self.data = mobile(self.data)


class LooseDateField(Field):
    """A date typed as 2026-12-03, 2026/12/3, 2026年12月3日 or 20261203."""

    def process_formdata(self, valuelist: list[str]) -> None:
        raw = (valuelist[0] if valuelist else "").strip().translate(FULL_WIDTH)
        self.raw_data, self.data = valuelist, None
        if not raw:
            return
        match = re.fullmatch(r"(\d{4})\D?(\d{1,2})\D?(\d{1,2})\D?", raw)
        try:
            self.data = date(*map(int, match.groups())) if match else None
        except ValueError:
            self.data = None
        if self.data is None:
            raise ValueError("没有这一天，请按 2026-12-03 的样子填写。")


FIRST_YEAR, LAST_YEAR = 2000, 2199


class Day(LooseDateField):
    """A date; the browser's own picker, and every usual way of typing it."""

    widget = DateInput()

    def process_formdata(self, valuelist: list[str]) -> None:
        super().process_formdata(valuelist)
        if self.data is not None and not FIRST_YEAR <= self.data.year <= LAST_YEAR:
            self.data = None
            raise ValueError("年份不对，请看看日期。")

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return self.data.isoformat() if self.data else ""


class MonthField(StringField):
    def pre_validate(self, form: Any) -> None:
        if self.data and not clock.is_month(self.data):
            raise ValidationError("月份请按 2026-12 的样子填写。")


class PhotoForm(Form):
    photo = FileField("照片", [InputRequired("请选择一张照片。")])
    caption = StringField("照片说明", [Optional(), at_most(60)], filters=[strip])
