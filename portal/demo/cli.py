"""`flask demo`."""

import time

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from portal.core import clock
from portal.core.errors import DomainError
from portal.people import rules

SHOWN = (
    ("dapeng", "大鹏新区", "管理员：复审、发布、看全区"),
    ("dapeng-dc", "大鹏新区", "督查员：只看"),
    ("zfb", "政法办", "职能部门：报计划"),
    ("jd-kuichong", "葵涌街道", "管理员：初审"),
    ("jd-dapeng", "大鹏街道", "管理员：初审"),
    ("jd-nanao", "南澳街道", "管理员：初审"),
    ("kuichong", "葵涌社区", "管理员：编清单、导入 Excel（有一份等确认）"),
    ("pengcheng", "鹏城社区", "管理员：并入大鹏所城服务站的服务"),
    ("xichong", "西涌社区", "管理员：下有八个居民小组"),
    ("suocheng", "大鹏所城服务站", "经办人：报计划"),
)
RESIDENT = "199 0000 0001"


@click.command("demo")
@click.option("--password", default="", help="Password of all demo accounts (default: a new random one, printed once).")
@with_appcontext
def demo(password: str) -> None:
    """Load a lively, fictitious month around today into an empty database, and print the logins."""
    from portal.demo import places, story

    began = time.monotonic()
    problem = rules.password_problem(password, "", "") if password else None
    if problem:
        raise click.ClickException(problem)
    password = password or places.new_password()
    try:
        known = story.loaded()
        if known is None:
            story.load(password, clock.now(), lambda words: _say(words, began))
    except DomainError as refusal:
        raise click.ClickException(f"{refusal.message}{refusal.advice}") from None
    if known is not None:
        click.echo(f"演示数据已经在了（{known['month']}），没有再装。密码只在第一次显示过。")
        return
    click.echo(logins(password))


@click.command("demo-alarm")
@with_appcontext
def demo_alarm() -> None:
    """Let an urgent request of the demo's first resident ring on every open staff page of the community and above."""
    from portal.demo import story, urgent

    try:
        loaded = story.loaded()
    except DomainError as refusal:
        raise click.ClickException(f"{refusal.message}{refusal.advice}") from None
    if loaded is None:
        raise click.ClickException("这里没有演示数据，不响。")
    urgent.ring(clock.now())
    click.echo("响了：打开的工作台 2 秒内会弹出来。接了、派了人就停；不接三分钟后邻近社区和新区也响。")


def _say(words: str, began: float) -> None:
    """Progress goes to the error stream: what is printed on the other one is kept by `make run`."""
    click.echo(f"  {time.monotonic() - began:5.1f} s  {words}", err=True)


def logins(password: str) -> str:
    """Where to go and who may sign in, as the demo prints it."""
    base = current_app.config["BASE_URL"]
    lines = [
        "演示数据：人物和电话都是虚构的。 Demo data: nobody in it exists.", "",
        f"居民 Resident   {base}/login   手机号 {RESIDENT}",
        f"               登录验证码不会真的发短信，用 dapeng 登录后在 {base}/staff/messages 看（消息出口）",
        f"工作人员 Staff  {base}/staff/login   以下账户的密码都是  {password}", "",
    ]  # fmt: skip
    lines += [f"  {user:<12} {place}{'　' * (9 - len(place))} {what}" for user, place, what in SHOWN]
    return "\n".join([*lines, "", "其余 25 个社区、四个部门也各有账户：用 dapeng 登录后在“账户”里看。"])


def register(app: Flask) -> None:
    app.cli.add_command(demo)
    app.cli.add_command(demo_alarm)
