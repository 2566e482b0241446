"""Refusals of teams and rosters."""

from portal.core.errors import DomainError, Invalid, constraint


class NoSuchTeam(DomainError):
    status = 404
    message = "没有这个服务队。"


class NoSuchMember(DomainError):
    status = 404
    message = "没有这位队员。"


class NoSuchShift(DomainError):
    status = 404
    message = "没有这个班。"


class TeamNameTaken(Invalid):
    message = "本中心已有同名的服务队。"
    field = "name"


class BadChoice(Invalid):
    message = "请从列表里选。"


class AccountTaken(Invalid):
    message = "这个账户已经是本队的队员。"
    field = "staff_id"


class CannotServe(Invalid):
    """A member who has left, or whose role the shift does not want."""

    message = "这位队员那天不在队，或不是这个班要的角色。"


class TwiceAtOnce(DomainError):
    message = "这位队员那个时段已经有班了。"
    advice = "请换一位，或先空出另一个班。"


class TakenBy(DomainError):
    """Two took one shift: the second hears who was first."""

    message = "这个班刚刚被别人接走了。"


class ShiftBegun(DomainError):
    message = "这个班已经开始了，不能再改。"


class LeftBeforeJoining(Invalid):
    message = "离队日期不能早于入队日期。"
    field = "until"


constraint("uq_team_centre_id_name", TeamNameTaken())
constraint("team.centre_id, team.name", TeamNameTaken())
constraint("uq_shift_member_id_day_part", TwiceAtOnce())
constraint("shift.member_id, shift.day, shift.part", TwiceAtOnce())
