"""The wording of messages about no-shows (SPEC M3, S8)."""

from portal.catalogue.models import Entry
from portal.core.words import Words
from portal.signup.no_shows.models import EXCUSED, NoShow
from portal.signup.no_shows.rules import Policy


def _whom(row: NoShow) -> str:
    return row.relative.name if row.relative else "您"


def counted(entry: Entry, row: NoShow, rule: Policy) -> Words:
    """Told a day after the roster was gone through."""
    return Words("sign_up.no_show", f"《{entry.title}》报了名没有来",
                 f"{_whom(row)}报了《{entry.title}》，名单上记的是没有来。{rule.text}{rule.appeal_text}")  # fmt: skip


def decided(row: NoShow) -> Words:
    """The answer to an appeal."""
    done = "不算，已经撤销" if row.status == EXCUSED else "没有通过，还是记一次"
    return Words("sign_up.no_show_answer", f"《{row.entry.title}》的申诉有结果了",
                 f"{_whom(row)}的申诉{done}。原因：{row.answer}。")  # fmt: skip
