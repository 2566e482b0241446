"""What the manual of a community's officer says, from the deployment's own levels and the rules' own words."""

from collections.abc import Mapping
from datetime import datetime

from portal.catalogue import cutoffs, windows
from portal.centres import profile, queries
from portal.centres.models import Centre
from portal.centres.profile import Level
from portal.core import clock, pages
from portal.front.documents import Manual, Moment


def manual_of(centre: Centre, now: datetime) -> Manual:
    """For the next month's list, as a centre of the level that draws up lists sees it. Three statements."""
    month = clock.add_months(clock.month_of(now), 1)
    upper = queries.ancestors(centre)
    asked = upper[-1] if upper else centre
    call = queries.telephones([asked])[asked.id]
    return Manual(
        centre=centre.label,
        network=f"{profile.current().name}党群服务阵地",
        month_name=clock.month_name(month),
        month=_month(month, cutoffs.of(month)),
        days=(*DAYS, ("居民要退出", f"{OWN}{windows.usual_text(windows.withdraw_deadline)}；{LATER}")),
        above=asked.label,
        phone=call.number,
        url=pages.absolute("/staff/login"),
        issued_on=clock.today(now),
    )


OWN, LATER = "居民自己能退到", "过了就请他打电话，由您办理。"
DAYS = (
    ("每天先看“待我处理”", "要您办的都在里面，最急的排最前；左边的数字就是还有几件。"),
    ("报名审核", "“报名”里逐个通过；不通过要写原因，居民会收到。"),
    ("场地预约", "“场地”里同意或换一间；过了期限没办，会交给上级。"),
    ("有变化马上改", "在清单里点“变更”或“取消”，系统会通知已报名的人；不用自己打电话。"),
    ("打了低分的", "“评价回访”里打电话问一问，写上结果；不方便办的交给上级。"),
    ("不会用手机的居民", "替他报名、订场地，或在“帮居民登录”里读验证码给他。"),
    ("活动当天", "在活动的报名页打印签到表；没报名就来的，写在空行里。"),
)


def _month(month: str, dates: Mapping[str, datetime]) -> tuple[Moment, ...]:
    levels = profile.current().levels
    files = next((level for level in levels if level.files_list), None)
    found = [
        Moment(
            "每月中旬",
            "编下个月的清单",
            "“服务清单”里从 Excel 导入，或复制上月；平时用的计划表直接传就行。",
        ),
    ]
    if files is not None:
        found.append(Moment(_until(files, dates), "交上去", "清单页上面点“交…审核”；有要改的，红字写着改哪里。"))
    for level in (level for level in reversed(levels) if level.review and level is not files):
        found.append(
            Moment(_until(level, dates), f"{level.short}{level.review}", "退回来的在“待我处理”，改好再交，不用重写。")
        )
    found.append(Moment(f"{clock.month_name(month)}1日", "发布", "到点自动公开，居民扫码就能看、能报。"))
    found.append(Moment("发布当天", "贴出去", "“服务清单”里打印 A3 海报，贴在公告栏；再把文字发到居民微信群。"))
    return tuple(found)


def _until(level: Level, dates: Mapping[str, datetime]) -> str:
    cutoff = dates.get(level.code)
    return f"{clock.stamp(cutoff)} 前" if cutoff is not None else "随后"
