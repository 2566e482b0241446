"""Forms of teams and members."""

from wtforms import StringField
from wtforms.validators import InputRequired, Optional

from portal.core.forms import Day, Form, MobileField, at_most, strip
from portal.people.forms import Checkboxes, Choose, ChooseCentre, picks
from portal.teams.rules import ROLE_LABELS, Policy


class TeamForm(Form):
    centre = ChooseCentre("所属阵地", [InputRequired("请选择阵地。")])
    name = StringField("队名", [InputRequired("请填写队名。"), at_most(40, "队名")], filters=[strip])


class MemberForm(Form):
    """Somebody who serves in a team. phone: the one he signs in with, so that /m knows him."""

    name = StringField("姓名", [InputRequired("请填写姓名。"), at_most(40, "姓名")], filters=[strip])
    phone = MobileField("手机号", [Optional()])
    role = Choose("角色", [InputRequired("请选择角色。")], choices=picks(ROLE_LABELS.items()), default="member")
    kind = Choose("身份", [InputRequired("请选择身份。")])
    skills = Checkboxes("会做什么")
    staff_id = Choose("工作账户", [Optional()])
    since = Day("哪天入队", [InputRequired("请填写入队日期。")])

    def offer(self, p: Policy, accounts: list[tuple[str, str]]) -> None:
        """What may be chosen: of the deployment, and the centre's accounts."""
        self.kind.choices = picks(p.kinds.items())
        self.skills.choices = picks(p.skills.items())
        self.staff_id.choices = picks([("", "没有，或用居民手机号登录"), *accounts])


class LeaveForm(Form):
    until = Day("从哪天起不再参加", [InputRequired("请填写日期。")])
