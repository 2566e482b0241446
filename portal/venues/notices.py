"""The wording of every message about bookings, in one place (SPEC M3). Plain words; what happens next; until when."""

from datetime import datetime

from portal.core import clock
from portal.core.words import Words
from portal.venues import rules
from portal.venues.models import APPROVED, PENDING, Booking, BookingSeries, Venue
from portal.venues.rules import eligibility


def when(row: Booking) -> str:
    """'12月13日（周日）8:30–11:00'."""
    return clock.span(row.starts_at, row.ends_at)


def where(venue: Venue) -> str:
    """'葵涌社区 三楼会议室（二楼 203）'."""
    return f"{venue.centre.label} {venue.name}" + (f"（{venue.place}）" if venue.place else "")


def whom(row: Booking) -> str:
    return row.relative.name if row.relative else "您"


def by_staff(row: Booking) -> str:
    return f"（由{row.created_by}代为登记）" if row.created_by else ""


def call(venue: Venue) -> str:
    phone = venue.phone or venue.centre.phone
    return f"有事请打电话 {phone}。" if phone else ""


def arrive(venue: Venue) -> str:
    release = rules.release_text(venue.release)
    return f"到了请扫门口的二维码签到{f'；开始 {release}还没有人来，就让给别人' if release else ''}。"


def leaving(row: Booking) -> str:
    return f"{clock.stamp(eligibility.deadline(row.venue, row))} 前可自行退订。"


def there(row: Booking) -> str:
    """'12月13日（周日）8:30–11:00，葵涌社区 三楼会议室（二楼 203）'."""
    return f"{when(row)}，{where(row.venue)}"


def _words(row: Booking, kind: str, title: str, said: str, *, urgent: bool = False, sms: bool = True) -> Words:
    """Nearly every title ends with the room."""
    return Words(kind, f"{title}：{row.venue.name}", said, urgent=urgent, sms=sms)


def approved(row: Booking) -> Words:
    said = f"{there(row)}，{whom(row)}已订上{by_staff(row)}。{arrive(row.venue)}来不了请退订，{leaving(row)}"
    return _words(row, "booking.approved", "已订上", said)


def received(row: Booking) -> Words:
    centre = row.waits_at or row.centre
    until = f"最晚 {clock.stamp(row.decide_by)} 答复" if row.decide_by else "审批后答复"
    said = f"{there(row)}。{centre.label}{until}，时间先为{whom(row)}留着。"
    return _words(row, "booking.received", "已收到预约", said, sms=False)


def queued(row: Booking, number: int) -> Words:
    turn = f"{whom(row)}排第 {number} 位，有人退订就按先后递补，轮到了马上通知。不想等可以随时退出。"
    return _words(row, "booking.waiting", "已候补", f"{there(row)}。{turn}", sms=False)


def handed_up(row: Booking) -> Words:
    centre = row.waits_at or row.centre
    until = f"，最晚 {clock.stamp(row.decide_by)} 答复" if row.decide_by else ""
    said = f"{there(row)}。现在由{centre.label}审批{until}，时间一直为您留着。"
    return _words(row, "booking.received", "预约已转给上级审批", said, sms=False)


def moved_up(row: Booking) -> Words:
    said = f"有了空位，{whom(row)}已订上。{there(row)}。来不了请尽快退订。{leaving(row)}"
    return _words(row, "place.moved_up", "候补成功", said, urgent=True)


def offered(row: Booking) -> Words:
    until = clock.stamp(row.accept_by) if row.accept_by else "开始"
    said = f"{there(row)}。{whom(row)}还要吗？请在 {until} 前打开确认，过时给下一位。"
    return Words("place.offered", f"轮到您了：{row.venue.name}有空位", said, urgent=True)


def passed_over(row: Booking) -> Words:
    said = f"{when(row)}已批准给另一份预约。{whom(row)}还在候补，有人退订就通知；也可以看看别的时间和场地。"
    return Words("booking.waiting", f"{row.venue.name}这个时间批给了别人", said, sms=False)


def refused(row: Booking) -> Words:
    said = f"{when(row)}，原因：{row.reason}。可以看看别的时间和场地。{call(row.venue)}"
    return _words(row, "booking.refused", "没有批准", said)


def lapsed(row: Booking, was: str) -> Words:
    if was == PENDING:
        said = f"{when(row)}的预约到开始时还没有人审批，很抱歉让您白等。{call(row.venue)}"
        return _words(row, "booking.lapsed", "没有来得及审批", said, urgent=True)
    why = "没有等到空位" if was == "waiting" else "没有在期限前确认，空位给了下一位"
    return _words(row, "booking.lapsed", "候补结束", f"{when(row)}，{why}。可以看看别的时间和场地。", sms=False)


def cancelled(row: Booking) -> Words:
    gone = f"{there(row)}用不了了，{whom(row)}不用来。原因：{row.reason}。"
    said = f"{gone}打开可以看到别的时间和场地。{call(row.venue)}"
    return _words(row, "change.cancelled", "预约取消", said, urgent=True)


def moved(row: Booking, before: str) -> Words:
    """before: '12月13日（周日）8:30–11:00 三楼会议室'."""
    said = f"原来{before}，改到{there(row)}。原因：{row.reason}。不方便可以退订。{call(row.venue)}"
    return _words(row, "change.changed", "预约有变动", said, urgent=True)


def withdrawn(row: Booking) -> Words:
    why = f"原因：{row.reason}。" if row.reason else ""
    said = f"{when(row)}，工作人员已为{whom(row)}退订。{why}{call(row.venue)}"
    return _words(row, "booking.withdrawn", "已退订", said)


def released(row: Booking) -> Words:
    lost = f"{when(row)}，开始 {rules.release_text(row.venue.release)}没有签到，场地已让给别人。"
    return _words(
        row, "booking.released", "预约已释放", f"{lost}如果您在现场，请找工作人员。{call(row.venue)}", urgent=True
    )


def reminder(row: Booking, rule: str, now: datetime) -> Words:
    later = clock.today(now) < clock.local(row.starts_at).date()
    lead = "快开始了" if rule == "hours" else "明天见" if later else "今天见"
    leave = f"来不了请退订，{leaving(row)}" if rule == "day" and row.status == APPROVED else ""
    return _words(row, f"reminder.{rule}", lead, f"{there(row)}，{whom(row)}已订。{arrive(row.venue)}{leave}")


def _asked(row: Booking) -> str:
    return f"{when(row)}，{row.title}，{clock.stamp(row.created_at)} 提出。"


def overdue(row: Booking) -> Words:
    return _words(row, "work.booking", "场地预约没有按时审批", f"{_asked(row)}现在请你们审批。")


def handed_to_you(row: Booking, reason: str) -> Words:
    """The level below asks the level above to decide."""
    why = f"原因：{reason}。" if reason else ""
    return _words(row, "work.booking", f"{row.centre.label}请你们审批", f"{_asked(row)}{why}现在请你们审批。")


def series_ended(row: Booking, series: BookingSeries) -> Words:
    """Row: one of its dates, which carries the reason."""
    said = f"{series.title}，以后的日期都取消了。原因：{row.reason}。"
    return Words("work.booking", f"固定预约取消了：{series.venue.name}", said)


def to_staff(row: Booking, what: str) -> Words:
    """A booking of the house itself changed: its own centre hears of it."""
    said = f"{when(row)}，{row.title}。{row.reason}".rstrip("。")
    return _words(row, "work.booking", what, f"{said}。")
