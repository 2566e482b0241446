"""Forms of the staff's centre pages. What was typed stays; each message stands beside its field."""

from datetime import date
from typing import Any

from wtforms import DecimalField, FileField, HiddenField, IntegerField, StringField, TextAreaField, ValidationError
from wtforms.validators import InputRequired, Length, Optional

from portal.centres import rules, typed_hours
from portal.centres.facts import Facts
from portal.centres.models import Centre
from portal.centres.rules import Hours
from portal.centres.typed_hours import Special
from portal.core import clock
from portal.core.forms import FULL_WIDTH, Form, at_most, strip

WEEK = tuple(f"day{number}" for number in range(7))


class Number(DecimalField):
    """A decimal number; says in Chinese what is wrong."""

    def process_formdata(self, valuelist: list[str]) -> None:
        try:
            super().process_formdata([v.translate(FULL_WIDTH).strip() for v in valuelist])
        except ValueError:
            raise ValueError("请填数字，例如 22.5963。") from None


class Whole(IntegerField):
    """A whole number; says in Chinese what is wrong."""

    def process_formdata(self, valuelist: list[str]) -> None:
        try:
            super().process_formdata([v.translate(FULL_WIDTH).strip() for v in valuelist])
        except ValueError:
            raise ValueError("请填整数，例如 650。") from None


def _day(number: int) -> StringField:
    return StringField(
        f"周{clock.WEEKDAYS[number]}", [Optional(), Length(max=120, message="太长了。")], filters=[strip]
    )


class CentreForm(Form):
    """A centre's own facts. `seen` is the stamp of what the form was filled with."""

    seen = HiddenField()
    address = StringField("地址", [Optional(), at_most(200, "地址")], filters=[strip])
    phone = StringField("电话", [Optional(), at_most(30, "电话")], filters=[strip])
    responsible = StringField("负责人", [Optional(), at_most(40, "负责人")], filters=[strip])
    area_m2 = Whole("面积（平方米）", [Optional()])
    latitude = Number("纬度", [Optional()], places=None)
    longitude = Number("经度", [Optional()], places=None)
    functions = StringField("功能", [Optional(), Length(max=300, message="太长了，写主要的。")], filters=[strip])
    intro = TextAreaField("简介", [Optional(), at_most(600, "简介")], filters=[strip])
    day0, day1, day2, day3, day4, day5, day6 = (_day(number) for number in range(7))
    exceptions = TextAreaField("特别的日子", [Optional()], filters=[strip])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.week: dict[int, list[Hours]] = {}
        self.specials: list[Special] = []
        self.today: date = clock.today()

    def fill(self, centre: Centre, week: dict[int, list[Hours]], specials: list[Special], seen: str) -> None:
        """Show what is stored."""
        for name in ("address", "phone", "responsible", "area_m2", "latitude", "longitude", "intro"):
            self._fields[name].data = getattr(centre, name)
        self.functions.data, self.seen.data = "、".join(centre.functions or ()), seen
        for number, name in enumerate(WEEK):
            self._fields[name].data = typed_hours.write_day(week.get(number, []))
        self.exceptions.data = typed_hours.write_specials(specials)

    def validate_phone(self, field: StringField) -> None:
        field.data = (field.data or "").translate(FULL_WIDTH)
        if problem := rules.phone_problem(field.data):
            raise ValidationError(problem)

    def validate_area_m2(self, field: IntegerField) -> None:
        _no(field.data is not None and rules.area_problem(field.data))

    def validate_latitude(self, field: DecimalField) -> None:
        _no(field.data is not None and rules.latitude_problem(float(field.data)))

    def validate_longitude(self, field: DecimalField) -> None:
        _no(field.data is not None and rules.longitude_problem(float(field.data)))

    def validate_functions(self, field: StringField) -> None:
        _no(rules.functions_problem(self.function_names()))

    def function_names(self) -> tuple[str, ...]:
        return rules.function_names(self.functions.data or "")

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        good = bool(super().validate(*args, **kwargs)) & self._both_or_none()
        for number, name in enumerate(WEEK):
            good &= self._read(name, lambda text, n=number: self.week.__setitem__(n, typed_hours.read_day(text)))
        return good & self._read("exceptions", self._read_specials)

    def _both_or_none(self) -> bool:
        """Half a place is none; Optional() would keep an inline check from running on the empty field."""
        for field, other in ((self.latitude, self.longitude), (self.longitude, self.latitude)):
            if field.data is None and other.data is not None and not field.errors:
                field.errors = [f"填了{other.label.text}，也请填{field.label.text}，地图上才有这个点。"]
                return False
        return True

    def _read_specials(self, text: str) -> None:
        self.specials = typed_hours.read_specials(text, self.today)

    def _read(self, name: str, take: Any) -> bool:
        field = self._fields[name]
        try:
            take(field.data or "")
        except typed_hours.Unclear as unclear:
            field.errors = [*field.errors, str(unclear)]
            return False
        return True

    def facts(self) -> Facts:
        def number(field: DecimalField) -> float | None:
            return None if field.data is None else float(field.data)

        return Facts(
            address=self.address.data or "", phone=self.phone.data or "", latitude=number(self.latitude),
            longitude=number(self.longitude), area_m2=self.area_m2.data, functions=self.function_names(),
            responsible=self.responsible.data or "", intro=self.intro.data or "",
        )  # fmt: skip


def _no(problem: str | bool) -> None:
    if problem:
        raise ValidationError(str(problem))


class ImportForm(Form):
    file = FileField("表格文件", [InputRequired("请选择文件。")])
