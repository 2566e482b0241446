"""Kinds of messages: their Chinese label, and which of them a resident may switch off on the phone (SPEC M3).

Whatever is switched off still stands in the inbox: only the text message is not sent.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from portal.core import deadlines


@dataclass(frozen=True, slots=True)
class Kind:
    """keep_minutes: how long a text message is worth sending at all; None: for ever.

    rings: what is urgent of it is also told by a call to those who wish so. staff: only staff are told, in the portal.
    own_link: its text may end with an address by which the addressee acts without signing in; nobody else reads it.
    """

    code: str
    label: str
    note: str = ""
    switchable: bool = False
    keep_minutes: int | None = None
    own_link: bool = False
    rings: bool = False
    staff: bool = False

    @property
    def said(self) -> str:
        """The note, with what the rules say."""
        return self.note.format(reminders=deadlines.reminders_text())


LOGIN_CODE = "login_code"
TABLE = (
    Kind(LOGIN_CODE, "登录验证码", keep_minutes=10),
    Kind("account", "账户安全"),
    Kind("sign_up", "报名结果", "报上了、没报上、审核结果", switchable=True),
    Kind("booking", "场地预约", "订上了、没订上、审批结果", switchable=True),
    Kind("place", "候补有位", "候补轮到您，要在期限内确认，所以不能关"),
    Kind("reminder", "活动和场地提醒", "{reminders}提醒一次", switchable=True, keep_minutes=12 * 60),
    Kind("change", "活动和场地变动", "改时间、换地点、取消，免得您白跑，所以不能关", rings=True),
    Kind("evaluation", "服务评价", "用完服务请您评一评", switchable=True, own_link=True),
    Kind("call_back", "回访", "您提的意见怎么处理的，要告诉您，所以不能关", own_link=True),
    Kind("help", "求助进展", "您的求助到了哪一步，要告诉您，所以不能关", own_link=True),
    Kind("follow", "关注更新", "您关注的中心和类别有新活动", switchable=True),
    Kind("team", "服务队", "您是队员的话，值班和派单要告诉您，所以不能关"),
    Kind("catalogue", "清单审核", staff=True),
    Kind("deadline", "截止提醒", staff=True),
    Kind("work", "工作提醒", staff=True),
    Kind("system", "系统消息", staff=True),
)
_BY_CODE = {kind.code: kind for kind in TABLE}
CODES = frozenset(_BY_CODE)


def of(code: str) -> Kind:
    """The kind of `code`. A finer code such as 'sign_up.confirmed' belongs to 'sign_up'.

    An unknown one is a plain message that cannot be switched off: losing it would be worse than a dull label.
    """
    return _BY_CODE.get(code) or _BY_CODE.get(code.split(".", 1)[0]) or Kind(code, "通知")


def label(code: str) -> str:
    return of(code).label


def is_secret(code: str) -> bool:
    """Whether its text lets whoever reads it sign in."""
    return of(code).code == LOGIN_CODE


def without_link(code: str, text: str) -> str:
    """The text as staff may read it: an address that acts in somebody's name is left out."""
    return re.sub(r"\s*https?://\S+$", " （链接只给本人）", text) if of(code).own_link else text


def switchable() -> list[Kind]:
    """What residents may switch off on the phone: of what nobody says anything yet there is no switch."""
    told = [code for source in _told for code in source()]
    return [kind for kind in TABLE if kind.switchable and (kind.code in told or not _told)]


def fixed() -> list[Kind]:
    """What always comes, and its note says why."""
    return [kind for kind in TABLE if kind.note and not kind.switchable]


_told: list[Callable[[], frozenset[str]]] = []


def told_by(source: Callable[[], frozenset[str]]) -> None:
    """fn() -> the codes of all kinds that some wording belongs to."""
    _told[:] = [source]


def to_residents() -> list[Kind]:
    """What residents are told, login codes too: each may leave by a gateway."""
    return [kind for kind in TABLE if not kind.staff]
