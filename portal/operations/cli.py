"""Commands for operators (contract: send-notices, tick, backup, restore)."""

from datetime import datetime
from pathlib import Path

import click
from flask import Blueprint

from portal.core import clock
from portal.operations import backup, replay, work

bp = Blueprint("operations_commands", __name__, cli_group=None)


def _moment(_context: object, _parameter: object, text: str | None) -> datetime | None:
    """An ISO time; without an offset it is Shanghai's clock."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("请按 2026-12-01T00:00 的样子写（不写时区就是北京时间）。") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=clock.SHANGHAI)


@bp.cli.command("send-notices")
def send_notices() -> None:
    """Carry out what waits in the outbox and send what waits in the gateways, once."""
    click.echo(work.sweep(clock.now()).words())


@bp.cli.command("tick")
@click.option("--now", "moment", callback=_moment, help="ISO time to act at; without an offset: Shanghai.")
def tick(moment: datetime | None) -> None:
    """Everything that is due: deadlines, reminders, publication; then the messages they cause."""
    now = moment or clock.now()
    with clock.frozen(now):
        jobs, swept = work.tick(now)
    for name, count in jobs.items():
        click.echo(f"{name.removeprefix('portal.')}：{'失败，见日志' if count < 0 else count}")
    click.echo(swept.words())
    if any(count < 0 for count in jobs.values()):
        raise SystemExit(1)


@bp.cli.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup_command(file: Path) -> None:
    """Write database, uploads and kept documents to FILE (a tar with checksums)."""
    try:
        manifest = backup.write(file, clock.now())
    except backup.BackupError as error:
        raise click.ClickException(str(error)) from error
    size = file.stat().st_size / 1_048_576
    click.echo(f"已备份：{file}，{size:.1f} MB，数据库和 {len(manifest['members']) - 1} 个文件。")


@bp.cli.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore_command(file: Path, yes: bool) -> None:
    """Replace everything by the content of FILE and sign everybody out."""
    try:
        manifest = backup.read_manifest(file)
        backup.refuse_foreign(manifest)
        if not yes:
            click.confirm(f"现有数据会被 {manifest['made_at']} 的备份整个替换，所有人要重新登录。继续吗？", abort=True)
        done = backup.restore(file, clock.now())
    except backup.BackupError as error:
        raise click.ClickException(str(error)) from error
    click.echo("已恢复，所有人要重新登录。如果程序比备份新，请再运行 db upgrade。")
    count = done[backup.ERASED_AGAIN]
    if count is None:
        click.echo("备份比程序旧，还没有重做备份之后的注销：请先运行 db upgrade，再运行 erase-again。")
    else:
        click.echo(f"备份之后注销的 {count} 人已重新注销。")


@bp.cli.command("erase-again")
def erase_again() -> None:
    """Erase again whoever left after the backup that was restored, and write the database anew without leftovers."""
    count, rebuilt = replay.thoroughly(clock.now())
    click.echo(f"重新注销 {count} 人。")
    if not rebuilt:
        raise click.ClickException("数据库正忙，没有整理完；请停下服务再运行一次。")
    click.echo("数据库已整理，空闲页里没有旧内容。")
