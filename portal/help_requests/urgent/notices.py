"""The wording of every message about urgent requests (SPEC M3). None says what it is about, where, or who: whoever
looks over a shoulder learns that something goes on."""

from portal.core import clock
from portal.core.words import Words
from portal.help_requests.urgent import rules
from portal.help_requests.urgent.models import Alarm


def progress(alarm: Alarm) -> Words:
    """To whoever asked for help."""
    return Words("urgent.progress", "您的求助有新进展", "请保持电话畅通，点开看进展。", urgent=True)


def duty(centre: str) -> Words:
    """To a duty telephone, as a text and as a call."""
    return Words(
        "duty", "紧急求助", f"{centre}有人紧急求助，还没有人接。请马上打开工作台接警，或打电话给中心。", urgent=True
    )


def overdue(alarm: Alarm) -> Words:
    by = clock.stamp(alarm.report_by) if alarm.report_by else ""
    said = f"应在 {by} 前写明经过和结果，还没有写。请现在补上。"
    return Words("work.urgent", f"{alarm.centre.label}的紧急求助没有写报告", said)


def overdue_above(alarm: Alarm) -> Words:
    said = f"{alarm.taken_by or '还没有人'}经办。请督促，或直接补上。"
    return Words("work.urgent", f"{alarm.centre.label}的紧急求助超过{clock.said(rules.REPORT)}没有报告", said)


def lifted(alarm: Alarm) -> Words:
    said = "原来的单位或同事暂时办不了，请接着办。"
    return Words("work.urgent", f"转来{alarm.centre.label}的紧急求助", said)
