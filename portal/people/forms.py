"""Forms of residents and staff. Every message is a sentence; optional fields say so in the page."""

from collections.abc import Iterable
from typing import Any

from wtforms import (
    BooleanField,
    FileField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, Optional, Regexp
from wtforms.widgets import CheckboxInput, ListWidget, TextInput

from portal.centres import rules as centre_rules
from portal.centres.picking import Groups
from portal.core import clock
from portal.core.access import ROLE_LABELS, Role
from portal.core.forms import FULL_WIDTH, Form, MobileField, at_most, strip
from portal.core.incoming import whole_number
from portal.people import rules

RELATIONS = ("父亲", "母亲", "配偶", "子女", "公婆或岳父母", "祖父母或外祖父母", "兄弟姐妹", "邻居或朋友")


class Checkboxes(SelectMultipleField):
    """Several choices as big boxes."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def pre_validate(self, form: Any) -> None:
        if not {c.value for c in self.choices or ()}.issuperset(self.data or ()):
            raise ValidationError("请从列表里选。")


def picks(pairs: Iterable[tuple[str, str]], group: str | None = None) -> list[SelectChoice]:
    """(value, text) pairs as WTForms wants them; group: their heading in the select box."""
    return [SelectChoice(value=value, label=text, optgroup=group) for value, text in pairs]


class Choose(SelectField):
    """A select box whose refusal is one Chinese sentence; an empty choice is the validators' business."""

    def pre_validate(self, form: Any) -> None:
        if self.data:
            self.invalid_choice_message = "请从列表里选一项。"
            super().pre_validate(form)


class ChooseCentre(Choose):
    """A centre in groups; where there are many the box can be typed into."""

    def offer(self, groups: Groups, first: str = "") -> None:
        """groups: of `centres.picking`; first: the words of an empty first line."""
        offered = [choice for heading, items in groups for choice in picks(items, heading or None)]
        self.choices = [*picks([("", first)] if first else []), *offered]
        self.render_kw = {"data-find": True}


class Pick(Choose, RadioField):
    """The same as round buttons."""


class YearField(IntegerField):
    """A four-digit year; what was typed stays when it is no number. A field of text, for a field of numbers takes no
    full-width digits."""

    widget = TextInput()

    def process_formdata(self, valuelist: list[str]) -> None:
        raw = (strip(valuelist[0]) or "").translate(FULL_WIDTH).removesuffix("年") if valuelist else ""
        self.data = None
        if not raw:
            return
        self.data = whole_number(raw, 9999)
        if self.data is None:
            raise ValueError("出生年份填 4 位数字，例如 1956。")

    def pre_validate(self, form: Any) -> None:
        if self.data is not None and not 1900 <= self.data <= clock.today().year:
            raise ValidationError("出生年份填 4 位数字，例如 1956。")


def person_name_rules() -> list[Any]:
    return [
        InputRequired("请填写姓名。"),
        at_most(rules.LONGEST_NAME, "姓名", 1),
        Regexp(rules.NAME, message="姓名里不要有数字和符号。"),
    ]


class PhoneForm(Form):
    phone = MobileField("手机号", [InputRequired("请填写手机号。")], filters=[strip])


class CodeForm(Form):
    code = StringField("验证码", [InputRequired("请填写短信里的 6 位数字。")], filters=[strip])

    def validate_code(self, field: StringField) -> None:
        digits = (field.data or "").translate(FULL_WIDTH).replace(" ", "")
        if len(digits) != 6 or not digits.isdecimal():
            raise ValidationError("验证码是短信里的 6 位数字。")


class SpokenForm(PhoneForm):
    code = StringField("登录码", [InputRequired("请填工作人员读的 8 位数字。")], filters=[strip])

    def validate_code(self, field: StringField) -> None:
        digits = (field.data or "").translate(FULL_WIDTH).replace(" ", "")
        if len(digits) != rules.SPOKEN_DIGITS or not digits.isdecimal():
            raise ValidationError(f"登录码是工作人员读的 {rules.SPOKEN_DIGITS} 位数字。")


class HomeForm(Form):
    """Who a resident is and where at home."""

    name = StringField("姓名", person_name_rules(), filters=[strip])
    # Read by nobody but who must come (SPEC H4, H5): whoever asks for no help at home need not give it.
    address = StringField("住址", [Optional(), at_most(120, "住址")], filters=[strip])
    home = Choose("所在社区", [InputRequired("请选择您住的社区。")])

    def offer_homes(self, homes: dict[str, list[tuple[str, str]]]) -> None:
        self.home.choices = picks([("", "请选择您住的社区")])
        for above, items in homes.items():
            self.home.choices += picks(items, above or "其他")


class ConsentForm(Form):
    agree = BooleanField("我已看过并同意《个人信息使用说明》", [InputRequired("请先看说明，同意后再勾选。")])


class RegisterForm(HomeForm, ConsentForm):
    """The first time: also the privacy notice."""


class ProfileForm(HomeForm):
    birth_year = YearField("出生年份", [Optional()])
    groups = Checkboxes("我是", [Optional()])


class RelativeForm(Form):
    name = StringField("姓名", person_name_rules(), filters=[strip])
    relation = Choose(
        "他（她）是您的", [InputRequired("请选择关系。")], choices=picks([("", "请选择"), *((r, r) for r in RELATIONS)])
    )
    birth_year = YearField("出生年份", [Optional()])
    phone = MobileField("手机号", [Optional()], filters=[strip])


class EraseForm(Form):
    sure = BooleanField("我明白注销以后不能恢复", [InputRequired("请先勾选，表示您明白注销以后不能恢复。")])


ROLE_CHOICES = [(r.value, ROLE_LABELS[r]) for r in Role]

# Staff ----------------------------------------------------------------------------------------------------------------


class StaffLoginForm(Form):
    username = StringField("用户名", [InputRequired("请填写用户名。"), Length(max=80, message="用户名太长。")])
    password = PasswordField("密码", [InputRequired("请填写密码。"), Length(max=256, message="密码太长。")])


class SecondStepForm(Form):
    """Six digits of the app, or a recovery code."""

    code = StringField("两步验证码", [InputRequired("请填手机里的 6 位数字，或一个备用码。")], filters=[strip])


class ProofForm(Form):
    """Who sits there?"""

    password = PasswordField("密码", [InputRequired("请填写密码。"), Length(max=256, message="密码太长。")])


class ProofCodeForm(ProofForm, SecondStepForm):
    """The same where the second factor is on."""


class FirstPasswordForm(Form):
    """After signing in with a one-time password, which was typed a moment ago and is not asked for again."""

    new = PasswordField("新密码", [InputRequired("请填写新密码。"), Length(max=256, message="密码太长。")])
    again = PasswordField("再写一遍新密码", [InputRequired("请再写一遍新密码。")])

    def validate_again(self, field: PasswordField) -> None:
        if field.data != self.new.data:
            raise ValidationError("两次写的新密码不一样。")


class PasswordForm(FirstPasswordForm):
    old = PasswordField("现在的密码", [InputRequired("请填写现在的密码。"), Length(max=256, message="密码太长。")])


class LetInForm(PhoneForm):
    """Whom staff let in: as registered, so that a number alone gives nobody a name."""

    name = StringField("姓名", person_name_rules(), filters=[strip])
    known = BooleanField("我认得这位居民，已经核对过是本人", [InputRequired("请先核对是本人，再勾选。")])


class PasswordCodeForm(PasswordForm, SecondStepForm):
    """The same where the second factor is on."""


class HolderForm(Form):
    """The person who holds an account."""

    name = StringField("姓名", person_name_rules(), filters=[strip])
    phone = MobileField("手机号", [InputRequired("请填写手机号，重置密码等事会通知到这里。")], filters=[strip])


class PlaceForm(Form):
    """Where an account belongs."""

    centre = ChooseCentre("所属阵地", [InputRequired("请选择阵地。")])
    department = Choose("职能部门", [Optional()])


class AccountForm(HolderForm, PlaceForm):
    username = StringField("用户名", [InputRequired("请填写用户名。"), Length(max=80, message="用户名太长。")])
    role = Pick("角色", [InputRequired("请选择角色。")], choices=picks(ROLE_CHOICES))


class BulkForm(Form):
    """Many people at once: a file, or its lines in the page."""

    file = FileField("表格文件", [Optional()])
    rows = TextAreaField("粘贴或修改", [Optional(), Length(max=100_000, message="内容太多，请用文件上传。")])


class DepartmentForm(Form):
    """A department of the district: what it is called, and whom others ring."""

    name = StringField("名称", [InputRequired("请填写部门名称。"), at_most(60, "名称")], filters=[strip])
    phone = StringField("办公电话", [Optional(), at_most(30, "电话")], filters=[strip])

    def validate_phone(self, field: StringField) -> None:
        field.data = (field.data or "").translate(FULL_WIDTH)
        if problem := centre_rules.phone_problem(field.data):
            raise ValidationError(problem)


class RoleForm(Form):
    role = Pick("角色", [InputRequired("请选择角色。")], choices=picks(ROLE_CHOICES))
