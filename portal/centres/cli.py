"""`flask import-centres FILE` and `flask export-centres FILE`."""

from pathlib import Path

import click
from flask import Flask

from portal.centres import actions, exporting, profile
from portal.core import clock, scope
from portal.core.access import system_actor
from portal.core.db import writing
from portal.core.tables.reading import TableRefused


@click.command("import-centres")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--profile", "code", default=None, help="Deployment whose levels apply (default: PORTAL_PROFILE).")
def import_centres(file: Path, code: str | None) -> None:
    """Add or update centres from a table (.csv in UTF-8 or GBK, .xlsx): code,name,level,kind,parent_code,note,
    phone,address,latitude,longitude,area_m2,hours,off_peak,responsible,functions. An empty cell changes nothing."""
    try:
        chosen = profile.load(code) if code else profile.current()
        sent = actions.read_file(file.read_bytes())
        with writing(), scope.system("import-centres"):
            result = actions.import_table(sent, chosen, system_actor("命令行"), clock.now())
    except LookupError as error:
        raise click.ClickException(str(error)) from None
    except TableRefused as refusal:
        raise click.ClickException(f"{refusal.message}{refusal.advice}") from None
    except actions.ImportRefused as refusal:
        for problem in refusal.problems[:50]:
            click.echo(f"第 {problem.line} 行：{problem.reason}", err=True)
        raise click.ClickException(f"{len(refusal.problems)} 处错误，一行也没有导入。") from None
    click.echo(f"新增 {result.added}，更新 {result.changed}，未变 {result.unchanged}。")


@click.command("export-centres")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
def export_centres(file: Path) -> None:
    """Write all centres as the table that import-centres reads: .csv in UTF-8, or .xlsx in the words of the form."""
    if file.suffix.lower() not in (".csv", ".xlsx"):
        raise click.ClickException("文件名要以 .csv 或 .xlsx 结尾。")
    with scope.system("export-centres"):
        made = exporting.csv_file() if file.suffix.lower() == ".csv" else exporting.workbook()
    file.write_bytes(made)
    click.echo(f"已写入 {file}。")


def register(app: Flask) -> None:
    app.cli.add_command(import_centres)
    app.cli.add_command(export_centres)
