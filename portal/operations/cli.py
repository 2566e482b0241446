"""Commands for operators (contract: send-notices, tick, backup, restore)."""

from datetime import datetime
from pathlib import Path

import click
from flask import Blueprint

from portal.core import clock, scope
from portal.operations import backup, work
from portal.people import audit_proof

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
        backup.restore(file, clock.now())
    except backup.BackupError as error:
        raise click.ClickException(str(error)) from error
    click.echo("已恢复，所有人要重新登录。如果程序比备份新，请再运行 db upgrade。")


@bp.cli.command("audit-check")
@click.option(
    "--backup", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with what this backup's manifest says too (one made from this database).",
)  # fmt: skip
@click.option("--accept-lost-key", is_flag=True, help="Vouch for lines whose key is lost for good; itself recorded.")
def audit_check(file: Path | None, accept_lost_key: bool) -> None:
    """Prove the audit log's chain; exit code 1 names the line that does not hold."""
    try:
        others = [backup.audit_anchor(backup.read_manifest(file))] if file else []
    except backup.BackupError as error:
        raise click.ClickException(str(error)) from error
    now = clock.now()
    with scope.system("audit-check"):
        if accept_lost_key:
            audit_proof.accept_lost_key(now)
        proof = audit_proof.prove(now, [anchor for anchor in others if anchor is not None])
    if proof.broken is not None:
        raise click.ClickException(f"操作记录第 {proof.broken} 条{proof.why}。请保全数据库，与最近的备份对照。")
    click.echo(f"操作记录完整：共 {proof.count} 条，最后是第 {proof.upto} 条，末尾 {proof.head}。")
