"""Forms of the staff face. Field names are those of `rules.EntryValues`, so a Problem finds its field by name."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask_wtf.file import FileField
from wtforms import (
    BooleanField,
    DateTimeLocalField,
    DecimalField,
    HiddenField,
    IntegerField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import (
    URL,
    DataRequired,
    InputRequired,
    Length,
    NumberRange,
    Optional,
    StopValidation,
    ValidationError,
)

from portal.catalogue import rules
from portal.catalogue.actions.room_holds import Room
from portal.catalogue.models import Category, ServiceType
from portal.catalogue.rules import EntryValues
from portal.catalogue.staff import sessions_field
from portal.catalogue.timetext.parts import Problem, errors
from portal.centres import profile
from portal.core import clock
from portal.core.forms import Form, MonthField, at_most, strip
from portal.core.incoming import whole_number
from portal.people.forms import Checkboxes, Choose, ChooseCentre, Pick, picks

LIMITED, UNLIMITED, WALK_IN = "limited", "unlimited", "walk_in"
MODES = [(LIMITED, "限人数，要报名"), (UNLIMITED, "不限人数，要报名"), (WALK_IN, "直接到场，不用报名")]
ELSEWHERE = "其他地点（自己写）"
# Where a problem of a column is shown when the form has no field of that name.
SHOWN_AT = {"walk_in": "mode", "weekly": "sessions", "cover": "cover_file", "groups": "audience", "month": "sessions"}


def _text(label: str, most: int, *, required: str = "", hint: str = "", **attrs: Any) -> StringField:
    checks: list[Any] = [DataRequired(required)] if required else [Optional()]
    checks.append(at_most(most))
    return StringField(label, checks, filters=[strip], description=hint, render_kw=attrs or None)


class MomentField(DateTimeLocalField):
    """A moment on Shanghai's clock; data is aware."""

    def __init__(self, label: str, hint: str = "", **kwargs: Any) -> None:
        formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"]
        super().__init__(label, [Optional()], format=formats, description=hint, **kwargs)

    def process_data(self, value: datetime | None) -> None:
        self.data = clock.local(value).replace(tzinfo=None) if value is not None else None

    def process_formdata(self, valuelist: list[str]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError("没有这个时间，请按 2026-12-03 15:00 的样子填写。") from None

    @property
    def moment(self) -> datetime | None:
        return self.data.replace(tzinfo=clock.SHANGHAI) if self.data else None


def grouped(rows: Iterable[tuple[str, int, str]], first: str) -> list[SelectChoice]:
    """(group, id, name) rows as choices under the headings of their groups, after an empty first one."""
    named = [SelectChoice(value=str(value), label=name, optgroup=group) for group, value, name in rows]
    return [SelectChoice(value="", label=first), *named]


def category_choices(categories: Iterable[Category]) -> list[SelectChoice]:
    """Categories under the names of their parents."""
    return grouped(((c.parent.name if c.parent is not None else "其他", c.id, c.name) for c in categories), "请选择")


def _number(value: str) -> int | None:
    return int(value) if value and value not in ("0", "None") else None


class RoomChoice(Choose):
    """The rooms of the row's own centre; whoever changes the centre chooses anew."""

    def pre_validate(self, form: Any) -> None:
        if self.data and self.data not in form.rooms:
            raise ValidationError("这个场地不能用于这份清单，请重新选。")


class NeededWhenLimited:
    """A number of places is needed exactly when there is a limit; the label says so."""

    field_flags = {"needed": "限人数时必填"}

    def __call__(self, form: Any, field: Any) -> None:
        if field.raw_data and field.raw_data[0].strip():
            return
        field.errors = []
        raise StopValidation("请填写名额；不限人数请选“不限人数”。" if form.mode.data == LIMITED else "")


class RowForm(Form):
    """What every row needs; also used to mend a row of an Excel plan."""

    rooms: dict[int, Room] = {}  # by id, set by `offer_rooms`
    title = _text("服务名称", rules.TITLE_MAX, required="请填写服务名称。", hint="居民看到的名字")
    category_id = Choose("类别", coerce=_number, validators=[DataRequired("请选择类别。")])
    sessions = TextAreaField(
        "时间", [at_most(2000, "时间")], filters=[strip],
        description="照平常写，一行一个，例如：12月13日 8:30-11:00，或 每周五19:30-21:00",
        render_kw={"rows": 3},
    )  # fmt: skip
    venue_id = RoomChoice(
        "场地", coerce=_number, validators=[Optional()], choices=[SelectChoice(value="", label=ELSEWHERE)],
        description="选了就为活动订下这些时间，别人不能再订；草稿要到送审时才订",
    )  # fmt: skip
    place = _text("地点", rules.PLACE_MAX, hint="例如：二楼书吧；户外请写集合点")
    audience = _text("服务对象", rules.AUDIENCE_MAX, required="请填写服务对象，例如“全体居民”。")
    mode = Pick("名额", [InputRequired("请选择名额方式。")], choices=picks(MODES), default=LIMITED)
    capacity = IntegerField(
        "名额数",
        [NeededWhenLimited(), NumberRange(1, rules.CAPACITY_MAX, f"名额应在 1 到 {rules.CAPACITY_MAX} 之间。")],
        render_kw={"inputmode": "numeric"},
    )
    unit = Choose("单位", choices=picks((u, u) for u in rules.UNITS), default="人")
    content = TextAreaField(
        "服务内容", [at_most(rules.CONTENT_MAX)], filters=[strip],
        description="一两句话说清做什么、要带什么、下雨怎么办", render_kw={"rows": 4},
    )  # fmt: skip
    organiser = _text("主办单位", rules.ORGANISER_MAX, hint="不填就是本中心")
    contact = _text("联系人", 40)
    phone = _text("联系电话", 30, hint="不填就显示本中心的电话", inputmode="tel")

    def offer(self, categories: Iterable[Category]) -> None:
        """Fill the choices of the category select, under the names of their groups."""
        self.category_id.choices = category_choices(categories)

    def offer_rooms(self, rooms: Iterable[Room]) -> None:
        """Fill the choices of the room select: the rooms this row may name, under their centres."""
        self.rooms = {room.id: room for room in rooms}
        named = (
            (room.centre_label, room.id, f"{room.name}（{room.capacity} 人）" if room.capacity else room.name)
            for room in self.rooms.values()
        )
        self.venue_id.choices = grouped(named, ELSEWHERE)

    def load(self, values: EntryValues) -> None:
        """Fill in a row (only when the form was not sent)."""
        for name in ("title", "place", "audience", "content", "organiser", "contact", "phone", "capacity", "unit"):
            self[name].data = getattr(values, name)
        self.category_id.data = values.category_id or None
        self.venue_id.data = values.venue_id if values.venue_id in self.rooms else None
        if self.venue_id.data:
            self.place.data = ""  # the words are only for other places
        self.sessions.data = sessions_field.as_typed(values)
        self.mode.data = WALK_IN if values.walk_in else LIMITED if values.capacity is not None else UNLIMITED

    def typed(self, month: str, moved: bool = False) -> sessions_field.Typed:
        return sessions_field.read_sessions(self.sessions.data or "", month, moved)

    def put(self, problems: Iterable[Problem]) -> None:
        """Show errors beside their fields."""
        for problem in errors(problems):
            field = self._fields.get(SHOWN_AT.get(problem.field, problem.field))
            if field is None:
                self.form_errors.append(problem.message)
            elif problem.message not in field.errors:
                field.errors = [*field.errors, problem.message]

    def read(self, month: str, moved: bool = False) -> sessions_field.Typed | None:
        """Validate all fields and the words of the times. None when something is wrong (said beside the field)."""
        sound = self.validate_on_submit()
        typed = self.typed(month, moved)
        self.put(typed.problems)
        return typed if sound and typed.ok else None

    def values(self, month: str, typed: sessions_field.Typed, base: EntryValues | None = None) -> EntryValues:
        """The row as typed; what this form does not ask for is taken from `base`."""
        named: dict[str, Any] = {f: getattr(base, f) for f in EntryValues.__dataclass_fields__} if base else {}
        for name in ("title", "place", "audience", "content", "organiser", "contact", "phone"):
            named[name] = self[name].data or ""
        room = self.rooms.get(self.venue_id.data or 0)
        named |= {"venue_id": room.id, "place": room.name} if room is not None else {"venue_id": None}
        named |= {
            "month": month, "category_id": self.category_id.data or 0, "unit": self.unit.data,
            "capacity": self.capacity.data if self.mode.data == LIMITED else None,
            "walk_in": self.mode.data == WALK_IN,
        }  # fmt: skip
        if base is not None and base.audience != named["audience"]:
            named["groups"] = rules.groups_in(named["audience"])
        if base is None or set(typed.spans) != set(base.sessions):
            named |= {"sessions": typed.spans, "weekly": typed.weekly}
        return EntryValues(**named)


class StoredForm(RowForm):
    """A row that may be there already. version: the revision of it that the form was filled with."""

    version = HiddenField()

    @property
    def loaded_version(self) -> int | None:
        return whole_number(self.version.data)


class EntryForm(StoredForm):
    """The whole row."""

    cover = HiddenField()
    month = HiddenField()
    centre = HiddenField()
    service_type_id = Choose(
        "对应百项服务", coerce=_number, validators=[Optional()], description="不选就按名称自动对应",
    )  # fmt: skip
    groups = Checkboxes("适合人群", [Optional()], description="居民按人群筛选用；不勾就按“服务对象”的文字判断")
    needs_review = BooleanField("报名要审核", description="勾上后，每个报名由您确认才算成功")
    max_companions = IntegerField(
        "每人可带几位同行", default=0, render_kw={"inputmode": "numeric"},
        validators=[Optional(), NumberRange(0, rules.COMPANIONS_MAX, f"应在 0 到 {rules.COMPANIONS_MAX} 之间。")],
    )  # fmt: skip
    own_first_until = MomentField("本社区优先到", "这之前只有本社区居民能报")
    groups_first_until = MomentField("适合人群优先到", "这之前只有上面勾的人群能报")
    groups_only = BooleanField("只限适合人群", description="勾上后，别的人不能报；有的人群要由社区确认一次")
    sign_up_from = MomentField("报名开始", "不填就是发布后马上开始")
    sign_up_until = MomentField("报名截止")
    withdraw_until = MomentField("自行退出截止")
    fee = DecimalField(
        "费用（元）", [Optional(), NumberRange(0, 10000, "费用应在 0 到 10000 元之间。")], default=0,
        render_kw={"inputmode": "decimal"},
    )  # fmt: skip
    cover_file = FileField("封面图")
    remove_cover = BooleanField("不要现在的封面图")
    reason = StringField(
        "更正说明", [Optional(), Length(max=200)], filters=[strip], description="给编制单位看，例如：统一地点写法"
    )

    def offer(self, categories: Iterable[Category], services: Iterable[ServiceType] = ()) -> None:
        super().offer(categories)
        named = ((s.category.name, s.id, s.name) for s in services)
        self.service_type_id.choices = grouped(named, "按名称自动对应")
        self.groups.choices = picks(profile.current().groups.items())

    def load(self, values: EntryValues) -> None:
        super().load(values)
        for name in (
            "service_type_id", "needs_review", "max_companions", *rules.WINDOWS, "groups_only", "cover",
        ):  # fmt: skip
            self[name].process_data(getattr(values, name))
        self.groups.data = list(values.groups)
        self.fee.data = Decimal(values.fee) / 100

    def values(self, month: str, typed: sessions_field.Typed, base: EntryValues | None = None) -> EntryValues:
        row = super().values(month, typed, base)
        named: dict[str, Any] = {n: self[n].moment for n in rules.WINDOWS}
        named |= {
            "service_type_id": self.service_type_id.data, "groups": tuple(self.groups.data or ()),
            "needs_review": self.needs_review.data, "groups_only": self.groups_only.data,
            "max_companions": self.max_companions.data or 0,
            "fee": int(((self.fee.data or Decimal(0)) * 100).to_integral_value()),
            "cover": "" if self.remove_cover.data else self.cover.data or "",
        }  # fmt: skip
        if not self.groups.data:
            named["groups"] = rules.groups_in(row.audience)
        return replace(row, **named)

    @property
    def has_terms(self) -> bool:
        """Whether anything but the usual is said of signing up and fees, or is wrong there."""
        windows = (self[name] for name in rules.WINDOWS)
        said = any(f.data or f.errors for f in (*windows, self.max_companions, self.fee))
        typed = self.needs_review.data or self.groups_only.data or self.own_first_until.raw_data
        return bool(said or typed or self.service_type_id.errors)


class ChangeForm(StoredForm):
    """A change after publication: the row, and why."""

    reason = TextAreaField(
        "变更的原因", [DataRequired("请写明原因，会告诉每位已报名的人。"), at_most(200)],
        filters=[strip], render_kw={"rows": 2},
    )  # fmt: skip


class ReasonForm(Form):
    """One sentence why; for returning. `why_form` asks in other words."""

    reason = TextAreaField(
        "理由", [DataRequired("请写明理由，对方才知道怎么改。"), at_most(500)],
        filters=[strip], render_kw={"rows": 3},
    )  # fmt: skip
    field = Choose("哪一处要改", validators=[Optional()], choices=picks([("", "整条")]))


def why_form(missing: str) -> ReasonForm:
    """The reason of another step than a return; missing: what is said when it is left out."""
    form = ReasonForm()
    form.reason.validators = [DataRequired(missing), at_most(500)]
    return form


RETURN_FIELDS = ("title", "category_id", "sessions", "place", "audience", "capacity", "content", "organiser", "phone")


def return_form() -> ReasonForm:
    form = ReasonForm()
    form.field.choices = picks([("", "整条"), *((name, rules.LABELS[name]) for name in RETURN_FIELDS)])
    return form


class BulkForm(ReasonForm):
    """What is said once for many rows: why they go back, or their category or place."""

    reason = TextAreaField(
        "理由", [DataRequired(), at_most(500)], filters=[strip], render_kw={"rows": 3, "autofocus": True}
    )
    category = Choose("类别", coerce=_number, validators=[Optional()])
    place = _text("地点", rules.PLACE_MAX)


def bulk_form(categories: Sequence[tuple[int, str]]) -> BulkForm:
    """The one form of all bulk steps; each page shows the fields that its step asks for."""
    form = BulkForm()
    form.field.choices = picks([("", "整条"), *((name, rules.LABELS[name]) for name in RETURN_FIELDS)])
    form.category.choices = picks([("", "请选择"), *((str(number), name) for number, name in categories)])
    # Either stands only on the page of the step that cannot go without it.
    form.category.flags.required = form.place.flags.required = True
    return form


class UploadForm(Form):
    """An Excel plan for a centre and month."""

    month = MonthField("月份", [DataRequired("请选择月份。")], render_kw={"type": "month"})
    centre = ChooseCentre("哪个阵地的清单", coerce=_number, validators=[DataRequired("请选择阵地。")])
    file = FileField("计划表", [InputRequired("请选择一个 Excel 文件。")])


class RowsForm(Form):
    """What is said once for many rows of a plan; what is left empty stays as it is in each."""

    category_id = Choose("类别", coerce=_number, validators=[Optional()])
    centre_id = ChooseCentre("阵地", coerce=_number, validators=[Optional()])
    place = _text("地点", rules.PLACE_MAX)
    contact = _text("联系人", 40)
    phone = _text("联系电话", 30, inputmode="tel")


class CopyForm(Form):
    """From which month a centre's list is copied."""

    from_month = Choose("复制哪个月", validators=[InputRequired("请选择月份。")])
    centre = ChooseCentre("哪个阵地", coerce=_number, validators=[DataRequired("请选择阵地。")])


class GuideForm(Form):
    """A guide: nothing to sign up for, only the way (C3)."""

    title = _text("名称", 60, required="请填写名称。", hint="例如：哪里可以办老年优待证")
    category_id = Choose("类别", coerce=_number, validators=[DataRequired("请选择类别。")])
    summary = _text("一句话说明", 200)
    phone = _text("电话", 30, inputmode="tel")
    link = StringField(
        "网址", [Optional(), Length(max=300), URL(message="网址应以 http:// 或 https:// 开头。")], filters=[strip],
        render_kw={"inputmode": "url"},
    )  # fmt: skip
    address = _text("地址", 120)
    steps = TextAreaField("怎么办", [Length(max=2000)], filters=[strip], description="一行一步", render_kw={"rows": 5})
    materials = TextAreaField("要带什么", [Length(max=1000)], filters=[strip], render_kw={"rows": 3})
    time_limit = _text("多久办好", 60, hint="例如：当场办结")
    fee = _text("费用", 60, hint="例如：免费")
    external = BooleanField(
        "市场平台（如跑腿、外卖、快递）", description="页面会写明：价格和服务由双方商定，本平台只指路"
    )
    position = IntegerField(
        "排序", [Optional(), NumberRange(0, 9999, "应是 0 到 9999 的数。")], default=0,
        description="数字小的排在前面", render_kw={"inputmode": "numeric"},
    )  # fmt: skip


GUIDE_FIELDS = (
    "title", "category_id", "summary", "phone", "link", "address", "steps", "materials", "time_limit", "fee",
    "external", "position",
)  # fmt: skip
