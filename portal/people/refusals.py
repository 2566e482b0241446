"""What people are told when signing in or changing accounts is refused (DESIGN habit 10)."""

from datetime import datetime

from portal.core import clock, errors
from portal.core.errors import DomainError, Invalid
from portal.people import rules


def seconds_until(moment: datetime, now: datetime) -> int:
    """Whole seconds, at least one."""
    return max(1, int((moment - now).total_seconds() + 0.999))


def when(moment: datetime, now: datetime) -> str:
    """'42 秒后', or '18:05 以后' when it is longer than two minutes."""
    seconds = seconds_until(moment, now)
    return f"{seconds} 秒后" if seconds <= 120 else f"{clock.hour(moment)} 以后"


class CodeTooSoon(DomainError):
    status = 429
    message = "验证码发得太频繁了。"
    field = "phone"


class CodesFull(CodeTooSoon):
    message = "现在要验证码的人太多，短信已经暂停。"


class CodeWrong(Invalid):
    message = "验证码不对。"
    field = "code"


class CodeExpired(Invalid):
    message = "这个验证码已经失效。"
    advice = "请点“重新发送”，用新收到的那一条。"
    field = "code"


class PhoneTaken(Invalid):
    message = "这个号码已经登记在另一个人名下。"
    advice = "如果是您的号码，请退出后直接用它登录；弄错了请到社区党群服务中心更正。"
    field = "phone"


class CallerNameMissing(Invalid):
    message = "这个号码不在本中心登记的居民里。"
    advice = "请写上来电人的姓名。"
    field = "name"


class LookupsFull(DomainError):
    status = 429
    message = "您登记的手机号太多了。"
    field = "phone"


class NameMissing(Invalid):
    message = "请先填写姓名。"
    advice = "填一次，以后都不用再填。"
    field = "name"


class NoSuchPerson(Invalid):
    message = "没有找到这位家人。"
    advice = "请先到“我的资料”里添加家人。"
    field = "for"


class HomeUnknown(Invalid):
    message = "请选择您住的社区。"
    field = "home"


class NotKnownHere(Invalid):
    message = "没有在本中心认得的居民里找到，或者姓名和登记的不一样。"
    advice = "请问清登记的手机号和姓名；住在别处的，请来电人打自己社区的电话。"
    field = "phone"


class SpokenTooOften(DomainError):
    status = 429
    message = "读登录码的次数到上限了。"
    field = "phone"


class SpokenWrong(Invalid):
    message = "登录码不对，或者已经过时、用过了。"
    advice = "请让工作人员再读一遍；过时了请再打一次电话。"
    field = "code"


class LoginRefused(Invalid):
    message = "用户名或密码不对。"
    advice = "忘记密码请联系本中心管理员或上级重置。"


class LoginThrottled(DomainError):
    status = 429
    message = "连续输错次数太多，为保护账户已暂停登录。"


class InitialExpired(Invalid):
    advice = "请联系本中心管理员或上级再重置一次。"

    def __init__(self) -> None:
        super().__init__(f"初始密码只在 {clock.lasting(rules.INITIAL_LIFE)}内有效，已经过期。")


class InitialUsed(Invalid):
    message = "一次性密码只能用一次，这个已经用过了。"
    advice = "请联系本中心管理员或上级再重置一次，登录后马上改成自己的密码。"


class PasswordRefused(Invalid):
    field = "new"


class SecondFactorWrong(Invalid):
    message = "两步验证码不对，或者已经用过。"
    advice = "请看手机里现在的 6 位数字；手机时间要准。手机不在身边，可以填一个备用码。"
    field = "code"


class SecondFactorOn(DomainError):
    message = "两步验证已经开着。"
    advice = "要换手机，请先关闭，再重新设置。"


class SecondFactorOff(DomainError):
    message = "还没有开两步验证。"
    advice = "请先设置。"


class UsernameTaken(Invalid):
    message = "这个用户名已经有人用了。"
    advice = "请换一个；如果是刚才重复提交，账户已经建好，到列表里重置密码即可。"
    field = "username"


class UsernameRefused(Invalid):
    field = "username"


class DepartmentClosed(Invalid):
    message = "这个部门已经停用。"
    advice = "请换一个，或先在“职能部门”里恢复它。"
    field = "department"


class NotYourself(DomainError):
    message = "不能停用自己的账户，也不能改自己的角色。"
    advice = "请由本中心另一位管理员或上级来做。"


class OutOfReach(DomainError):
    status = 404
    message = "没有这个账户。"


errors.constraint("uq_staff_account_username", UsernameTaken())
errors.constraint("staff_account.username", UsernameTaken())
errors.constraint("uq_resident_phone", PhoneTaken())
errors.constraint("resident.phone", PhoneTaken())
