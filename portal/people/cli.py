"""`flask init`: what is needed before anybody can sign in. `import-accounts`: many. `sign-out`: who goes now."""

from datetime import datetime
from pathlib import Path

import click

from portal.centres import actions as centre_actions
from portal.centres import profile
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import audit, clock, pdf, registry, scope, sessions
from portal.core.access import Role, system_actor
from portal.core.db import db, writing
from portal.core.errors import Invalid
from portal.core.tables import reading
from portal.people import account_table, queries, rules
from portal.people.actions import account_plan, staff_accounts
from portal.people.actions.staff_accounts import AccountValues, OneTime
from portal.people.paper import account_slips
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
    return staff_accounts.open_account(system_actor("命令行"), values, now)


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


@click.command("import-accounts")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--slips", type=click.Path(dir_okay=False, path_type=Path), help="Write the slips as a PDF, not the words."
)
def import_accounts(file: Path, slips: Path | None) -> None:
    """Open accounts for the people of a table (.csv, .xlsx): 用户名 (optional), 姓名, 手机, 角色, 单位 or 部门.

    A line that cannot be used is named with its reason, and the others are taken. Prints their one-time passwords.
    """
    now, actor = clock.now(), system_actor("命令行")
    try:
        rows = account_plan.plan(actor, account_table.read(account_table.chosen(reading.read(file.read_bytes()))))
    except Invalid as refusal:
        raise click.ClickException(f"{refusal.message}{refusal.advice}") from None
    bad = [(row.typed.line, row.problem) for row in rows if row.problem]
    with scope.system("import-accounts"):
        made, left = account_slips.give(actor, account_slips.to_open(rows), now)
    for line, why in sorted([*bad, *((each.line, each.why) for each in left)]):
        click.echo(f"第 {line} 行没有建：{why}", err=True)
    if not made:
        raise click.ClickException("一个账户也没有建。")
    if slips is not None:
        slips.touch(mode=0o600)
        slips.write_bytes(pdf.render(account_slips.paper(made, actor, now)))
    else:
        for slip in made:
            click.echo(f"{slip.username}\t{slip.password}\t{slip.name}\t{slip.where}\t{slip.role}")
    said = f"密码条在 {slips}" if slips else "一次性密码只显示这一次"
    click.echo(f"建好 {len(made)} 个账户，{said}，{clock.lasting(rules.INITIAL_LIFE)}内有效。")


@click.command("sign-out")
@click.option("--staff", "username", help="Username of one staff account.")
@click.option("--resident", "phone", help="Telephone number of one resident.")
@click.option("--everybody", is_flag=True, help="All residents and all staff.")
def sign_out(username: str | None, phone: str | None, everybody: bool) -> None:
    """End the logins of one person or of everybody, at once; for a lost telephone, or when a cookie was stolen."""
    if sum(bool(given) for given in (username, phone, everybody)) != 1:
        raise click.ClickException("请用 --staff 用户名、--resident 手机号 或 --everybody 中的一个。")
    now = clock.now()
    with writing(), scope.system("sign-out"):
        kind, number = ("web_session", None) if everybody else _whose(username, phone)
        if number is None:
            count = sessions.end_everything(now, "operator")
        else:
            count = sessions.end_all("staff" if username else "resident", number, now, "operator")
        if not username:
            for lock in registry.lockers.values():
                lock(number)
        audit.record(system_actor("命令行"), "end_session", kind, number, now, summary=f"运维人员结束 {count} 处登录")
    click.echo(f"已结束 {count} 处登录。")


def _whose(username: str | None, phone: str | None) -> tuple[str, int | None]:
    """Kind and number of the person, for the audit log. Raises ClickException."""
    account = queries.account_by_username(rules.username(username)) if username else None
    if account is not None:
        return "staff_account", account.id
    person = queries.resident_by_phone(phone) if phone else None
    if person is None:
        raise click.ClickException("没有这个账户。")
    return "resident", person.id
