"""`flask init`: what a new installation needs before anybody can sign in."""

from datetime import datetime

import click

from portal.centres import actions as centre_actions
from portal.centres import profile
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import clock, registry, scope
from portal.core.access import Role, system_actor
from portal.core.db import db, writing
from portal.people import actions_staff, queries, rules
from portal.people.actions_staff import AccountValues, OneTime
from portal.people.refusals import UsernameRefused


def top_centre(now: datetime) -> Centre:
    """The centre of the first manager. A new installation gets the profile's tree, or at least its top."""
    current = profile.current()
    found = centres.by_code(current.root_staff_centre)
    if found is None:
        file = current.folder / "units.csv"
        level = next((lv.code for lv in current.levels if lv.review), current.levels[0].code)
        one = f"code,name,level,kind,parent_code\n{current.root_staff_centre},{current.name},{level},{level},\n"
        text = file.read_text(encoding="utf-8-sig") if file.exists() else one
        result = centre_actions.import_centres(text, current, system_actor("命令行"), now)
        click.echo(f"阵地：新增 {result.added}")
        found = centres.by_code(current.root_staff_centre)
    if found is None:
        raise click.ClickException(f"没有编码为 {current.root_staff_centre} 的阵地，请先 import-centres。")
    return found


def first_manager(username: str, now: datetime) -> OneTime | None:
    """The first account, or None when there are accounts already."""
    if queries.has_staff():
        return None
    centre = top_centre(now)
    values = AccountValues(username=username, name="首任管理员", phone="", centre_id=centre.id, role=Role.MANAGER)
    return actions_staff.open_account(system_actor("命令行"), values, now)


@click.command("init")
@click.option("--username", default="admin", show_default=True, help="Username of the first manager.")
def init(username: str) -> None:
    """Load the profile and categories, make the first district manager, print its one-time password."""
    now = clock.now()
    try:
        current = profile.current()
        click.echo(f"部署配置：{current.name}（{current.code}）")
        with writing(), scope.system("init"):
            if not queries.has_staff():
                top_centre(now)  # before the features' own steps: what they bring belongs to it
            for step in registry.init_steps.values():
                click.echo(step(now))
                db.session.flush()
            made = first_manager(username, now)
            label = (made.account.username, made.account.centre.name) if made else ("", "")
    except (LookupError, UsernameRefused) as error:
        raise click.ClickException(str(error)) from None
    if made is None:
        click.echo("已有工作人员账户，没有再建。")
        return
    click.echo(f"第一个管理员：{label[0]}（{label[1]}）")
    click.echo(f"一次性密码：{made.password}")
    click.echo(f"{clock.lasting(rules.INITIAL_LIFE)}内有效，只显示这一次；登录后必须修改。")
