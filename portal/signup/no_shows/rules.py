"""What follows when somebody signs up and does not come (SPEC S8). Pure functions, no database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal.core import clock
from portal.core.words import Refusal

SETTLES = timedelta(days=1)  # after the roster was gone through: what staff overlooked can still be put right
MOST_WORDS = 200  # of an appeal


@dataclass(frozen=True, slots=True)
class Policy:
    """The district's rule: `most` times within `within` mean no signing up on the portal for `pause`.

    appeal: how long after somebody was told an appeal is taken. on: whether the rule holds at all.
    """

    on: bool
    most: int
    within: timedelta
    pause: timedelta
    appeal: timedelta

    @property
    def text(self) -> str:
        """The rule in one sentence, as residents read it before they sign up."""
        return (
            f"报了名没有来、也没提前退出，记一次。{clock.lasting(self.within)}内满 {self.most} 次，"
            f"{clock.lasting(self.pause)}内不能在网上报名，打电话报名不受影响。"
        )

    @property
    def said(self) -> str:
        """For the audit log: '未启用', or the rule."""
        return f"{self.text}{self.appeal_text}" if self.on else "未启用"

    @property
    def appeal_text(self) -> str:
        """How to appeal."""
        return f"记错了、有特殊情况，收到通知后 {clock.lasting(self.appeal)}内可以申诉，工作人员看过以后告诉您结果。"


OFF = Policy(False, 1, timedelta(0), timedelta(0), timedelta(0))


def policy(raw: Mapping[str, Any]) -> Policy:
    """The table [no_show] of a profile; without one the rule is off. Raises KeyError when a figure is missing."""
    if not raw:
        return OFF
    days = {name: timedelta(days=raw[f"{name}_days"]) for name in ("within", "pause", "appeal")}
    return Policy(bool(raw["on"]), int(raw["most"]), **days)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the rule that the district sets: its words and bounds, both included."""

    label: str
    unit: str
    least: int
    most: int

    @property
    def bounds(self) -> str:
        return f"{self.least}–{self.most} {self.unit}"


FIGURES = {
    "most": Figure("满几次", "次", 2, 10), "within_days": Figure("在多少天内", "天", 7, 365),
    "pause_days": Figure("停网上报名多少天", "天", 1, 90), "appeal_days": Figure("可以申诉的天数", "天", 3, 30),
}  # fmt: skip


def bad_figure(values: Mapping[str, int | None]) -> tuple[str, str]:
    """The first figure outside its bounds and the sentence about it; ('', '') when there is none."""
    for name, figure in FIGURES.items():
        value = values.get(name)
        if value is None or not figure.least <= value <= figure.most:
            return name, f"{figure.label}请填 {figure.bounds}。"
    return "", ""


def paused_until(counted: Iterable[datetime], rule: Policy) -> datetime | None:
    """Until when this person may not sign up by themselves; None: they never had to wait. counted: when each was."""
    moments = sorted(counted)
    last = [
        moment
        for n, moment in enumerate(moments)
        if n + 1 >= rule.most and moment - moments[n + 1 - rule.most] <= rule.within
    ]
    return last[-1] + rule.pause if last else None


def sign_up_refusal(counted: Iterable[datetime], rule: Policy, now: datetime) -> Refusal | None:
    """Why this person may not sign up by themselves now; None when they may."""
    until = paused_until(counted, rule) if rule.on else None
    if until is None or now >= until:
        return None
    why = f"最近 {rule.most} 次报了名没有来，{clock.stamp(until)} 前不能在网上报名。"
    return Refusal("no_show", why, "想参加请打电话问主办方；记错了可以在“我的服务”里的“报名没到”申诉。", until=until)


def appeal_refusal(told_at: datetime, rule: Policy, now: datetime, words: str) -> Refusal | None:
    """Why this appeal cannot be taken; None when it can."""
    if now >= told_at + rule.appeal:
        last = clock.stamp(told_at + rule.appeal)
        return Refusal("late", f"申诉的时间到 {last} 为止，已经过了。", "有特殊情况请打电话给主办方。")
    if not words.strip():
        return Refusal("words", "请写为什么。", "比如：当天来了，没签上。", "words")
    if len(words.strip()) > MOST_WORDS:
        return Refusal("words", f"最多 {MOST_WORDS} 个字。", "写要紧的几句就行。", "words")
    return None
