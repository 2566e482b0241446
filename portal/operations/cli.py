"""Commands for operators (contract: send-notices, tick, backup, restore)."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import click
from flask import Blueprint, current_app

from portal.core import clock, scope
from portal.operations import backup, drill, replay, sealed, work
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


@contextmanager
def _one_line() -> Iterator[None]:
    """What cannot be done is one line and exit code 1."""
    try:
        yield
    except backup.BackupError as error:
        raise click.ClickException(str(error)) from error


@bp.cli.command("backup")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def backup_command(file: Path | None) -> None:
    """Write database, uploads and kept documents to FILE (a tar with checksums; encrypted when a key is set).

    Without FILE: the night's backup into PORTAL_BACKUP_DIR, unless it has been made already.
    """
    if file is None:
        _night_backup()
        return
    with _one_line():
        manifest = backup.write(file, clock.now())
    size = file.stat().st_size / 1_048_576
    click.echo(f"已备份：{file}，{size:.1f} MB，数据库和 {len(manifest['members']) - 1} 个文件。")


def _night_backup() -> None:
    """What the scheduler does at half past two; for a timer beside it. Exit code 1 when the night has none."""
    if not current_app.config["BACKUP_DIR"]:
        raise click.UsageError("请写上文件名，或设置 PORTAL_BACKUP_DIR（每夜备份的目录）。")
    work.run_daily(work.NIGHT_BACKUP, clock.now())
    found = work.daily_results()[work.NIGHT_BACKUP.name]
    if not found["done"]:
        click.echo("另一个进程正在备份。")
    elif found["ok"]:
        click.echo(str(found["said"]))
    else:
        raise click.ClickException(f"今夜的备份没有做成：{found['said']}")


@bp.cli.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--keep-sessions", is_flag=True, help="Sign nobody out: nobody could come in since FILE was made.")
def restore_command(file: Path, yes: bool, keep_sessions: bool) -> None:
    """Replace everything by the content of FILE and sign everybody out."""
    with _one_line():
        manifest = backup.read_manifest(file)
        backup.refuse_foreign(manifest)
        signed_out = "" if keep_sessions else "，所有人要重新登录"
        if not yes:
            click.confirm(f"现有数据会被 {manifest['made_at']} 的备份整个替换{signed_out}。继续吗？", abort=True)
        done = backup.restore(file, clock.now(), keep_sessions=keep_sessions)
    click.echo(f"已恢复{signed_out}。如果程序比备份新，请再运行 db upgrade。")
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


@bp.cli.command("backup-key")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup_key(file: Path) -> None:
    """Make a key for encrypted backups in FILE (mode 600); PORTAL_BACKUP_KEY_FILE names it. Keep a copy elsewhere."""
    try:
        sealed.make_key(file)
    except OSError as error:
        raise click.ClickException(f"不能新建 {file}（{error.strerror}）；已有的密钥不会被替换。") from error
    click.echo(f"密钥已写入 {file}（编号 {sealed.name_of(sealed.read_key(file))}）。")
    click.echo("请另抄一份放在别处：没有它，加密的备份谁也打不开。再设置 PORTAL_BACKUP_KEY_FILE 并重新启动。")


@bp.cli.command("restore-drill")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--max-age", "hours", default=26, show_default=True, help="Hours; an older newest backup is a failure.")
def restore_drill(file: Path | None, hours: int) -> None:
    """Bring FILE (or the night's newest backup) back into a scratch database and compare every table."""
    with _one_line():
        if file is None and not current_app.config["BACKUP_DIR"]:
            with tempfile.TemporaryDirectory() as folder:
                fresh = Path(folder) / backup.file_name(clock.now())
                backup.write(fresh, clock.now())
                done = drill.run(fresh, clock.now())
        else:
            done = drill.run(file or _newest(), clock.now())
    for name, before, after, same in done.tables:
        click.echo(f"{name:<28} {before:>9} {after:>9}  {'一致' if before == after and same else '不一致'}")
    old = file is None and done.rpo > timedelta(hours=hours)
    click.echo(f"{done.source.name}：{len(done.tables)} 张表，{done.files} 个文件")
    click.echo(f"RPO {done.rpo.total_seconds() / 3600:.1f} 小时（现在出事会丢掉这么久的数据）")
    click.echo(f"RTO {done.rto:.1f} 秒（从备份文件到核对完的数据库）")
    if not done.equal:
        raise click.ClickException("恢复出来的和备份时的不一致，这个备份靠不住。")
    if old:
        raise click.ClickException(f"最新的备份已经超过 {hours} 小时，每夜的备份没有做成。")
    click.echo("演练成功：逐表行数和校验值都一致。")


def _newest() -> Path:
    folder = Path(current_app.config["BACKUP_DIR"])
    found = backup.kept(folder)
    if not found:
        raise backup.BackupError(f"{folder} 里还没有备份。")
    return found[-1]


@bp.cli.command("audit-check")
@click.option(
    "--backup", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with what this backup's manifest says too (one made from this database).",
)  # fmt: skip
@click.option("--accept-lost-key", is_flag=True, help="Vouch for lines whose key is lost for good; itself recorded.")
def audit_check(file: Path | None, accept_lost_key: bool) -> None:
    """Prove the audit log's chain; exit code 1 names the line that does not hold."""
    with _one_line():
        others = [backup.audit_anchor(backup.read_manifest(file))] if file else []
    now = clock.now()
    with scope.system("audit-check"):
        if accept_lost_key:
            audit_proof.accept_lost_key(now)
        proof = audit_proof.prove(now, [anchor for anchor in others if anchor is not None])
    if proof.broken is not None:
        raise click.ClickException(f"操作记录第 {proof.broken} 条{proof.why}。请保全数据库，与最近的备份对照。")
    click.echo(f"操作记录完整：共 {proof.count} 条，最后是第 {proof.upto} 条，末尾 {proof.head}。")
