"""Forms of the pages on which staff manage rooms. Lengths are chosen, not typed; what was typed stays."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from wtforms import (
    BooleanField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Optional

from portal.centres import profile, typed_hours
from portal.centres.rules import Hours
from portal.core import clock
from portal.core.forms import FULL_WIDTH, Form, at_most, strip
from portal.core.incoming import whole_number
from portal.people.forms import Checkboxes, picks
from portal.venues.actions import rooms as room_actions
from portal.venues.actions.rooms import PART_LABELS, RESPONSIBLE, WHO, RoomFacts, Week
from portal.venues.models import Venue

DAYS = tuple(f"day{number}" for number in range(7))
WORDS_MAX, WORD_LENGTH = 20, 12
NO_LIMIT = 0  # in a select box; stored as None
LENGTHS = (15, 20, 30, 45, 60, 90, 120, 150, 180, 240, 300, 360, 480, 600, 720, 1440)


def minutes_text(minutes: int) -> str:
    """'45 分钟', '1.5 小时', '2 天'."""
    if minutes >= 1440 and minutes % 1440 == 0:
        return f"{minutes // 1440} 天"
    if minutes >= 60 and minutes % 30 == 0:
        return f"{minutes / 60:g} 小时"
    return f"{minutes} 分钟"


class Whole(IntegerField):
    """A whole number from 1; says in Chinese what is wrong."""

    def __init__(self, label: str, most: int, unit: str, **kwargs: Any) -> None:
        super().__init__(label, [Optional()], **kwargs)
        self.most, self.unit = most, unit

    def process_formdata(self, valuelist: list[str]) -> None:
        if not valuelist:
            return
        raw = (strip(valuelist[0]) or "").translate(FULL_WIDTH).removesuffix(self.unit).strip()
        self.data = None
        if not raw:
            return
        self.data = whole_number(raw, self.most)
        if not self.data:
            self.data = None
            raise ValueError(f"请填 1 到 {self.most} 之间的整数。")


class Number(SelectField):
    """A number chosen from a list; one that is stored but not in it stays choosable."""

    def __init__(self, label: str, values: Iterable[int], text: Any, zero: str = "", **kwargs: Any) -> None:
        self.text, self.zero = text, zero
        self.values = list(values)
        super().__init__(label, coerce=int, choices=self._offered(), **kwargs)

    def said(self, value: int) -> str:
        return self.zero if value == 0 and self.zero else str(self.text(value))

    def _offered(self) -> list[SelectChoice]:
        return [SelectChoice(value=v, label=self.said(v)) for v in self.values]

    def know(self, value: int | None) -> None:
        """Add a stored value that is not among the choices, in its place."""
        if value is not None and value not in self.values:
            self.values = sorted([*self.values, value])
            self.choices = self._offered()

    def process_formdata(self, valuelist: list[str]) -> None:
        if valuelist:
            self.data = whole_number(valuelist[0].strip(), 1_000_000)

    def pre_validate(self, form: Any) -> None:
        if self.data not in self.values:
            raise ValidationError("请从列表里选一项。")


class Pick(RadioField):
    """Yes or no, or one of a few, in words."""

    def __init__(self, label: str, choices: dict[str, str], **kwargs: Any) -> None:
        super().__init__(label, choices=picks(choices.items()), **kwargs)

    def pre_validate(self, form: Any) -> None:
        if self.data not in {c.value for c in self.choices or ()}:
            raise ValidationError("请选一项。")


class Kind(SelectField):
    def pre_validate(self, form: Any) -> None:
        if self.data not in {c.value for c in self.choices or ()}:
            raise ValidationError("请从列表里选一项。")


def _line(label: str, most: int) -> StringField:
    return StringField(label, [Optional(), at_most(most)], filters=[strip])


def _text(label: str, most: int) -> TextAreaField:
    return TextAreaField(label, [Optional(), at_most(most)], filters=[strip])


def _hours(hours: int) -> str:
    return f"{hours} 小时"


BOOLEANS = ("bookable", "needs_approval", "waiting_list")
NO_LIMITS = ("hours_per_week", "bookings_per_month")
GROUPS = (
    ("功能和设备", ("functions", "functions_more", "equipment", "equipment_more", "area_m2")),
    ("介绍和使用须知", ("intro", "terms_of_use")),
    ("开放时间", ("own_hours", *DAYS)),
    (
        "预约规则",
        ("bookable", "who_may", "step", "shortest", "longest", "buffer", "notice", "ahead_days", "approve_hours"),
    ),
    ("限额、退订和候补", ("hours_per_week", "bookings_per_month", "cancel", "release", "waiting_list")),
    ("联系人和地址", ("contact", "phone", "link", "address", "responsible", "partner")),
    ("值班提示和次序", ("staff_notes", "position")),
)


class RoomForm(Form):
    """A room's facts, rules and hours. `seen` is the revision the form was filled with."""

    seen = HiddenField()
    name = StringField("名称", [InputRequired("请写场地的名称。"), at_most(60)], filters=[strip])
    kind = Kind("类型")
    place = _line("位置", 60)
    capacity = Whole("最多人数", 100_000, "人")
    needs_approval = Pick("要不要审批", {"yes": "要，由本中心审批", "no": "不要，空着就能订上"})
    bookable = Pick("在哪里订", {"yes": "在这里网上预约", "no": "不在这里订，只登网址或电话"})
    link = _line("网址", 300)
    functions = Checkboxes("可以做什么")
    functions_more = _line("另加的用途", 120)
    equipment = Checkboxes("设备")
    equipment_more = _line("另加的设备", 120)
    area_m2 = Whole("面积（平方米）", 1_000_000, "平方米")
    intro = _text("介绍", 600)
    terms_of_use = _text("使用须知", 1000)
    own_hours = Pick("开放时间", {"no": "按中心开放时间", "yes": "这个场地另定"})
    day0, day1, day2, day3, day4, day5, day6 = (_line(f"周{clock.WEEKDAYS[n]}", 120) for n in range(7))
    who_may = Pick("谁可以订", WHO)
    step = Number("时间间隔", (15, 30, 60), minutes_text)
    shortest = Number("每次最短", LENGTHS[:9], minutes_text)
    longest = Number("每次最长", LENGTHS[2:], minutes_text)
    buffer = Number("两场之间留空", (0, 10, 15, 20, 30, 45, 60), minutes_text, "不留")
    notice = Number("至少提前", (0, 30, 60, 120, 240, 720, 1440, 2880, 4320), minutes_text, "随时可订")
    ahead_days = Number("最多提前", (1, 3, 7, 14, 21, 30, 60, 90, 180), "{} 天".format)
    approve_hours = Number("审批时限", (2, 4, 8, 12, 24, 48, 72), _hours)
    hours_per_week = Number("每人每周最多", (0, 1, 2, 3, 4, 6, 8, 10, 12, 20), _hours, "不限")
    bookings_per_month = Number("每人每月最多", (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20), "{} 次".format, "不限")
    cancel = Number(
        "退订截止", (0, 30, 60, 120, 240, 720, 1440, 2880, 4320), lambda m: f"开始前 {minutes_text(m)}", "开始前都可以"
    )
    release = Number("没人来", (0, 10, 15, 20, 30, 45, 60), lambda m: f"开始 {m} 分钟后让出", "一直留着")
    waiting_list = Pick("候补", {"yes": "订满了可以候补", "no": "不设候补"})
    contact = _line("联系人", 40)
    phone = _line("电话", 30)
    address = _line("地址", 200)
    responsible = Pick("谁来管", RESPONSIBLE)
    partner = _line("共建单位", 80)
    staff_notes = _text("值班提示", 600)
    position = Whole("排列次序", 999, "")

    def __init__(self, stored: RoomFacts, week: Week | None, hint: Week, **kwargs: Any) -> None:
        """stored: what the form shows first; hint: the centre's hours, to begin from when the room's own are chosen."""
        super().__init__(data=_shown(stored, week, hint), **kwargs)
        words = profile.current().venues
        kinds = words.kinds if stored.kind in words.kinds else words.kinds | {stored.kind: stored.kind}
        self.kind.choices = picks(kinds.items())
        self.functions.choices = picks((w, w) for w in words.functions)
        self.equipment.choices = picks((w, w) for w in words.equipment)
        for field in self:
            if isinstance(field, Number):
                field.know(getattr(stored, field.name) or 0)
        # Where it is booked elsewhere, nobody counts heads here.
        self.capacity.flags.required = self.bookable.data == "yes"
        self.week: dict[int, list[tuple[int, int]]] = {}

    def validate_phone(self, field: StringField) -> None:
        field.data = (field.data or "").translate(FULL_WIDTH)
        if field.data and not re.fullmatch(r"[\d\-+ ()转]{5,30}", field.data):
            raise ValidationError("电话只写数字和横线，例如 0755-84200001。")

    def validate_link(self, field: StringField) -> None:
        if field.data and not is_link(field.data):
            raise ValidationError("网址要以 https:// 或 http:// 开头。")

    def validate_functions_more(self, field: StringField) -> None:
        check_words(room_actions.divided(field.data))

    validate_equipment_more = validate_functions_more

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        good = bool(super().validate(*args, **kwargs))
        if self.own_hours.data == "yes":
            good &= self._read_week()
        if not good:
            return False
        found = room_actions.problems(self.facts(), self.hours())
        for name, sentence in found.items():
            self._fields[name].errors = [*self._fields[name].errors, sentence]
        return not found

    def _read_week(self) -> bool:
        good = True
        for number, name in enumerate(DAYS):
            field = self._fields[name]
            try:
                hours = typed_hours.read_day(field.data or "")
                if any(h.note for h in hours):
                    raise typed_hours.Unclear("这里只写时间，不用写说明。")
                self.week[number] = [(h.opens, h.closes) for h in hours]
            except typed_hours.Unclear as unclear:
                field.errors, good = [*field.errors, str(unclear)], False
        return good

    def hours(self) -> Week | None:
        """The room's own hours; None: those of the centre."""
        return self.week if self.own_hours.data == "yes" else None

    def facts(self) -> RoomFacts:
        values = {name: self._fields[name].data for name in room_actions.NAMES}
        values |= {name: values[name] == "yes" for name in BOOLEANS}
        values |= {name: values[name] or None for name in NO_LIMITS}
        for name in room_actions.LISTS:
            more = room_actions.divided(self._fields[f"{name}_more"].data)
            values[name] = tuple(dict.fromkeys([*(values[name] or ()), *more]))
        texts = ("intro", "terms_of_use", "staff_notes")
        values |= {name: (values[name] or "").replace("\r\n", "\n") for name in texts}
        empty = {k: "" for k, v in values.items() if v is None and isinstance(getattr(_PLAIN, k), str)}
        return RoomFacts(**values | empty | {"position": values["position"] or 0})


_PLAIN = RoomFacts("")


def _shown(stored: RoomFacts, week: Week | None, hint: Week) -> dict[str, Any]:
    """What is stored, as the fields show it."""
    words = profile.current().venues
    values: dict[str, Any] = {name: getattr(stored, name) for name in room_actions.NAMES}
    for name, offered in (("functions", words.functions), ("equipment", words.equipment)):
        values[name] = [w for w in values[name] if w in offered]
        values[f"{name}_more"] = "、".join(w for w in getattr(stored, name) if w not in offered)
    values |= {name: "yes" if values[name] else "no" for name in BOOLEANS}
    values |= {name: values[name] or NO_LIMIT for name in NO_LIMITS}
    values |= {"own_hours": "no" if week is None else "yes", "position": stored.position or None}
    shown = hint if week is None else week
    return values | {name: _typed(shown.get(number, ())) for number, name in enumerate(DAYS)}


def _typed(spans: Iterable[tuple[int, int]]) -> str:
    return typed_hours.write_day(Hours(opens, closes) for opens, closes in spans)


def check_words(found: list[str]) -> None:
    """Raises ValidationError for words too long or too many."""
    long = next((w for w in found if len(w) > WORD_LENGTH), None)
    if long:
        raise ValidationError(f"“{long}”太长，每项最多 {WORD_LENGTH} 个字，用顿号隔开。")
    if len(found) > WORDS_MAX:
        raise ValidationError(f"最多写 {WORDS_MAX} 项。")


def is_link(text: str) -> bool:
    """An address of the web, and nothing a browser would run."""
    try:
        parts = urlsplit(text)
    except ValueError:  # 'http://['
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not re.search(r"\s", text)


class CaptionForm(Form):
    caption = _line("照片说明", 60)
    first = BooleanField("放在最前面")


class CopyForm(Form):
    """Which parts of a room's rules go to which other rooms."""

    parts = Checkboxes("套用什么", choices=picks(PART_LABELS.items()), default=["rules", "hours"])
    to = Checkboxes("套用到本中心的", choices=[])
    more = Checkboxes("套用到别的阵地的", choices=[])

    def offer(self, own: Iterable[Venue], others: Iterable[Venue]) -> None:
        for field, rooms in ((self.to, own), (self.more, others)):
            field.choices = picks((str(room.id), room.name) for room in rooms)

    def chosen(self) -> list[int]:
        return [int(i) for i in (*(self.to.data or ()), *(self.more.data or ()))]
