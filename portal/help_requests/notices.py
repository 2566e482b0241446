"""The wording of every message about help requests, in one place (SPEC M3). None says what the help is about."""

from portal.cases import policy
from portal.core import clock
from portal.core.words import Words
from portal.help_requests import help_kinds
from portal.help_requests.models import HelpRequest
from portal.help_requests.states import KIND

NEWS = "您的求助有新进展"


def _ours(body: str) -> Words:
    """To the person who asked: somebody else may hold the telephone, so the words fit any request."""
    return Words("help", NEWS, body)


def asked(row: HelpRequest) -> Words:
    return _ours(f"{row.case.waits_at.label}想问您一句，请打开看看并回答；打电话告诉我们也行。")


def refused(row: HelpRequest) -> Words:
    return _ours(f"{row.case.waits_at.label}已经答复，并写明可以怎么办，请打开看看。不同意可以申诉一次。")


def sent_on(row: HelpRequest) -> Words:
    return _ours("已经派给您身边的单位，打开可以看到在谁手里、什么时候答复。")


def accepted(row: HelpRequest) -> Words:
    return _ours(
        f"{row.taken.label if row.taken else row.case.waits_at.label}已经接单，打开可以看到谁来办、最晚什么时候。"
    )


def going(row: HelpRequest) -> Words:
    return _ours("办事的人已经出发。")


def done(row: HelpRequest) -> Words:
    days = help_kinds.policy().silence_days
    return _ours(f"已经办好，请打开点一下确认；没有解决也请告诉我们。{days} 天内没有说，就当作办完。")


def settled(row: HelpRequest) -> Words:
    return _ours("一直没有收到您的确认，先当作办完，不计入满意。还有问题请打电话。")


def _staff(row: HelpRequest, title: str, body: str) -> Words:
    """To staff: number and place, never what it is about or for whom."""
    return Words("work.help", f"{title}（求助 #{row.id}）", body)


def _due(row: HelpRequest) -> str:
    """'在 11月25日 10:00 前'."""
    return f"在 {clock.stamp(row.case.due_at)} 前" if row.case.due_at else "尽快"


def _by(row: HelpRequest) -> str:
    return f"请{_due(row)}"


def filed(row: HelpRequest) -> Words:
    return _staff(row, f"{row.centre.label}有一件求助要审核", f"{_by(row)}答复居民。")


def answered(row: HelpRequest) -> Words:
    return _staff(row, "居民补充了", f"{_by(row)}答复居民。")


def offered(row: HelpRequest, by: str) -> Words:
    """To whom it is dispatched or referred."""
    return _staff(row, f"{by}转来一件求助", "请打开看看，接单还是退回；接单以后才显示住址和电话。")


def declined(row: HelpRequest, reason: str) -> Words:
    return _staff(row, "对方没有接", f"原因：{reason or '没有写'}。期限不变，请重新安排。")


def appealed(row: HelpRequest) -> Words:
    return _staff(row, "居民申诉，请上级审核", f"{_by(row)}答复居民。")


def not_solved(row: HelpRequest) -> Words:
    return _staff(row, "居民说没有解决", f"{_by(row)}办好，第 {row.reopened} 次退回重办。")


def withdrawn(row: HelpRequest) -> Words:
    return _staff(row, "居民不用了", "不用再办，已经出发的请告诉队员。")


def lifted(row: HelpRequest) -> Words:
    return _staff(row, "转来一件求助", f"原来的单位或同事暂时办不了。期限不变，{_by(row)}办理。")


def soon(row: HelpRequest) -> Words:
    return _staff(row, "求助快到期了", f"{_by(row)}办理，已经用了 {policy.of(KIND.name).warn}% 的时间。")


def overdue(row: HelpRequest) -> Words:
    return _staff(row, "求助超时了", f"应{_due(row)}办，请现在就办。上级和居民都看得到。")


def overdue_above(row: HelpRequest) -> Words:
    at = f"{row.case.waits_at.label}{row.case.owner_name}"
    return _staff(row, f"{row.case.waits_at.label}的求助超时", f"应由{at}{_due(row)}办。请督促。")
