"""Forms of the staff's pages about bookings. What was typed stays; each message stands beside its field."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from itertools import groupby
from typing import Any

from wtforms import (
    Field,
    HiddenField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Optional
from wtforms.widgets import CheckboxInput, ListWidget, NumberInput, TimeInput

from portal.centres.picking import Groups
from portal.centres.rules import clock_text
from portal.core import clock
from portal.core.forms import FULL_WIDTH, Day, Form, MobileField, at_most, strip
from portal.core.incoming import whole_number
from portal.venues import rules
from portal.venues.rules import Span, day_words
from portal.venues.rules.eligibility import Wish

MOST_PEOPLE = 9999
BY_PHONE, INSIDE = "caller", "inside"
AROUND, CANCEL = "around", "cancel"


class Clock(Field):
    """A time of day as minutes after midnight: 9:00, 9：00, 0900, 24:00."""

    widget = TimeInput()
    data: int | None

    def process_formdata(self, valuelist: list[str]) -> None:
        raw = (valuelist[0] if valuelist else "").strip().translate(FULL_WIDTH).replace("：", ":")
        self.raw_data, self.data = valuelist, None
        if not raw:
            return
        found = re.fullmatch(r"(\d{1,2}):?(\d{2})(:00)?", raw)
        minutes = int(found[1]) * 60 + int(found[2]) if found else 9999
        if found is None or int(found[2]) > 59 or minutes > 1440:
            raise ValueError("没有这个时间，请按 9:00 的样子填写。")
        self.data = minutes

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return clock_text(self.data % 1440).zfill(5) if self.data is not None else ""  # the picker knows no 24:00


class People(Field):
    """How many people come; 1 when nothing is typed."""

    widget = NumberInput()
    data: int | None

    def process_formdata(self, valuelist: list[str]) -> None:
        raw = (valuelist[0] if valuelist else "").translate(FULL_WIDTH).strip().removesuffix("人")
        self.raw_data, self.data = valuelist, 1
        if not raw:
            return
        self.data = whole_number(raw, MOST_PEOPLE)
        if not self.data:
            raise ValueError("人数请填 1 以上的整数，例如 20。")

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return str(self.data or "")


class Room(SelectField):
    """A room of one's own subtree, grouped by centre."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, coerce=lambda raw: whole_number(str(raw)) or 0, **kwargs)

    def offer(self, rooms: Iterable[tuple[int, str, str]]) -> None:
        """rooms: (id, name, centre), in the order shown."""
        self.choices = [SelectChoice(value=key, label=name, optgroup=centre) for key, name, centre in rooms]
        self.render_kw = {"data-find": True}

    @property
    def groups(self) -> Groups:
        """The same rooms for `ui.centres`, which draws the box without this form."""
        each = groupby(self.choices, key=lambda choice: choice.optgroup)
        return [(centre, [(str(room.value), room.label) for room in rooms]) for centre, rooms in each]

    def pre_validate(self, form: Any) -> None:
        self.invalid_choice_message = "请从列表里选一个场地。"
        super().pre_validate(form)


class Weekdays(SelectMultipleField):
    """Days of the week as boxes; data is a list of numbers, 0 Monday."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        choices = [SelectChoice(n, f"周{word}") for n, word in enumerate(clock.WEEKDAYS)]
        super().__init__(*args, choices=choices, coerce=_weekday, **kwargs)
        # Said of the whole; a validator would mark every box, and browsers would ask for each.
        self.flags.required = True

    def pre_validate(self, form: Any) -> None:
        if not self.data:
            raise ValidationError("请至少选一天。")
        if not set(self.data) <= set(range(7)):
            raise ValidationError("请从周一到周日里选。")


def _weekday(raw: Any) -> int:
    number = whole_number(str(raw), 6)
    return -1 if number is None else number


def _text(label: str, most: int, needed: str = "") -> StringField:
    first = DataRequired(needed) if needed else Optional()
    return StringField(label, [first, at_most(most, label)], filters=[strip])


class SpanForm(Form):
    """A room and a time in it."""

    venue_id = Room("场地", [InputRequired("请选一个场地。")])
    day = Day("日期", [InputRequired("请选日期。")])
    start = Clock("开始", [InputRequired("请填开始时间。")])
    end = Clock("结束", [InputRequired("请填结束时间。")])

    @property
    def span(self) -> Span:
        """The typed span; reversed ones are the rules' business. Call only after validation."""
        day, start, end = self.day.data, self.start.data, self.end.data
        assert day is not None and start is not None and end is not None
        return Span(rules.moment(day, start), rules.moment(day, end or 1440))  # 0:00 is midnight at the end of the day

    def put(self, span: Span) -> None:
        """Show this time."""
        self.day.data = day = clock.local(span.start).date()
        self.start.data, self.end.data = (day_words.minutes_after(day, at) for at in (span.start, span.end))


class BookForm(SpanForm):
    """Book for a caller, or for the house itself."""

    who = RadioField(
        "给谁订",
        [InputRequired("请选给谁订。")],
        choices=[SelectChoice(BY_PHONE, "居民"), SelectChoice(INSIDE, "中心内部用")],
        default=BY_PHONE,
    )
    phone = MobileField("手机号", [Optional()], filters=[strip])
    name = _text("姓名", 40)
    relative = _text("替谁订", 40)
    title = _text("做什么用", 80, "请写一句做什么用。")
    people = People("人数")
    needs = _text("要准备的设备", 120)

    def validate(self, extra_validators: Any = None) -> bool:
        """Also asks for a number where somebody books for themselves: an empty optional field is not looked at."""
        good = bool(super().validate(extra_validators))
        if self.who.data == BY_PHONE and not self.phone.data and not self.phone.errors:
            self.phone.errors = ["请填来电人的手机号；中心自己用请选“中心内部用”。"]
            return False
        return good

    def wish(self) -> Wish:
        """What is asked for. Call only after validation."""
        span, people, title = self.span, self.people.data or 1, self.title.data or ""
        return Wish(self.venue_id.data, span.start, span.end, people, title, needs=self.needs.data or "")


class MoveForm(SpanForm):
    """Another time or room for a booking, and why."""

    reason = TextAreaField("原因", [DataRequired("请写明原因，预约人会看到。"), at_most(300, "原因")], filters=[strip])


class SeriesForm(Form):
    """Every Tuesday from … until …."""

    venue_id = Room("场地", [InputRequired("请选一个场地。")])
    title = _text("做什么用", 80, "请写一句做什么用。")
    weekdays = Weekdays("星期几")
    first_day = Day("从哪天起", [InputRequired("请选第一天。")])
    last_day = Day("到哪天止", [InputRequired("请选最后一天。")])
    start = Clock("开始", [InputRequired("请填开始时间。")])
    end = Clock("结束", [InputRequired("请填结束时间。")])
    people = People("人数")


class ClosureForm(Form):
    """A room, or a whole centre, is not given out for a while."""

    where = SelectField("停用哪里", [InputRequired("请选场地或整个中心。")])
    first_day = Day("从", [InputRequired("请选开始的日期。")])
    start = Clock("开始时间", [Optional()])
    last_day = Day("到", [InputRequired("请选结束的日期。")])
    end = Clock("结束时间", [Optional()])
    reason = _text("原因", 80, "请写明停用的原因，居民会看到。")
    booked = RadioField(
        "里面已订的",
        choices=[SelectChoice(AROUND, "绕开已订的，照常使用"), SelectChoice(CANCEL, "取消并通知预约人")],
        default=AROUND,
    )
    seen = HiddenField()

    @property
    def span(self) -> Span:
        """From the first day's beginning to the last day's end unless hours are given. Call only after validation."""
        first, last = self.first_day.data, self.last_day.data
        assert first is not None and last is not None
        return Span(rules.moment(first, self.start.data or 0), rules.moment(last, self.end.data or 1440))


class NoteForm(Form):
    """A word for colleagues about a room."""

    venue_id = Room("场地", [InputRequired("请选一个场地。")])
    body = TextAreaField("备注", [DataRequired("请写一句情况。"), at_most(300, "备注")], filters=[strip])


def typed_day(raw: str | None, fallback: date) -> date:
    """A date of an address; whatever is no date is the fallback."""
    try:
        found = date.fromisoformat(raw or "")
    except ValueError:
        return fallback
    return found if abs((found - fallback).days) < 3660 else fallback


def typed_moment(raw: str | None) -> datetime | None:
    """'2026-12-03T09:00' on Shanghai's clock as UTC; None for anything else."""
    try:
        found = datetime.fromisoformat(raw or "")
    except ValueError:
        return None
    if found.tzinfo is not None or not 2000 < found.year < 2200:
        return None
    return rules.moment(found.date(), found.hour * 60 + found.minute)
