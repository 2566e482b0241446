"""The wording of this feature's own messages. Other features keep theirs in their notices.py (SPEC M3)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    title: str
    body: str


LEFT = "（这位居民已注销，内容已删除）"  # in place of what staff were told of somebody who has left

# Event of an account -> what its holder reads; {by} is who did it.
_TO_HOLDER = {
    "created": Wording("账户已开通", "{by}为您开通了账户。首次登录要先改密码。"),
    "reset": Wording("密码已被重置", "{by}重置了您的密码，原来的登录已全部退出。如果您没有要求，请马上告诉上级。"),
    "second_factor_reset": Wording(
        "两步验证已被重置",
        "{by}重置了您的两步验证，登录已全部退出，请登录后重新设置。不是您要求的，请马上告诉上级。",
    ),
    "disabled": Wording("账户已停用", "{by}停用了您的账户。有疑问请联系上级管理员。"),
    "enabled": Wording("账户已恢复", "{by}恢复了您的账户。"),
    "handed_over": Wording("账户已交接", "{by}办理了管理员变动：密码已更换，原来的登录已全部退出。"),
    "role_changed": Wording("权限有变动", "{by}调整了您的权限，下次打开页面时生效。"),
    "transferred": Wording("账户已调动", "{by}把您的账户调到了另一个单位，下次打开页面时生效。"),
    "password_changed": Wording("密码已修改", "您的密码刚被修改，其他登录已退出。如果不是您本人，请马上告诉上级。"),
}
_UNKNOWN = Wording("账户有变动", "{by}对您的账户做了一项操作，详情见操作记录。")
EVENTS = tuple(_TO_HOLDER)
_DEEDS = {
    "created": "开通了账户", "reset": "重置了密码", "disabled": "停用了账户", "enabled": "恢复了账户",
    "handed_over": "办理了管理员变动", "role_changed": "调整了权限", "transferred": "调动了账户",
    "password_changed": "修改了密码", "second_factor_reset": "重置了两步验证",
}  # fmt: skip


CODES_FULL = Wording(
    "登录验证码已暂停发送",
    "这一小时（或这一天）发出的验证码到了上限，可能有人恶意刷短信。没有登录的居民暂时收不到验证码，"
    "请准备接听电话代办；系统管理员可以查看 /readyz 和短信网关。",
)


def read_out(centre: str, phone: str, when: str) -> Wording:
    call = f"请马上打电话 {phone}，" if phone else "请马上"
    return Wording(
        "有人用电话要了登录码",
        f"{when}，{centre}工作人员应您来电读了登录码。不是您打的电话，{call}并在“登录的设备”里让别人退出。",
    )


def account_to_holder(event: str, by_name: str) -> Wording:
    found = _TO_HOLDER.get(event, _UNKNOWN)
    return Wording(found.title, found.body.format(by=by_name or "上级管理员"))


def account_to_superior(event: str, holder: str, centre: str) -> Wording:
    deed = _DEEDS.get(event, "变动了账户")
    body = f"{centre}的“{holder}”也收到了通知，这一步已写入操作记录。如果不是您做的，请马上修改自己的密码。"
    return Wording(f"您已为{holder}{deed}", body)


def unread(number: int) -> str:
    return f"{number} 条未读消息"


def failed(number: int) -> Wording:
    return Wording(f"{number} 条短信没有发出", "试了几次都没有成功，请看原因；必要时打电话告知。")


def audit_broken(row: int, why: str) -> tuple[str, str]:
    """Title and body for the managers at the top. why: what does not hold, as the proof says it."""
    return "操作记录被改动过", f"第 {row} 条{why}。请保全数据库并联系维护人员。"
