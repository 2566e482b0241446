"""`flask import-venues FILE.csv`."""

from pathlib import Path

import click
from flask import Flask

from portal.core import clock, scope
from portal.core.access import system_actor
from portal.core.db import writing
from portal.venues.actions import import_csv


@click.command("import-venues")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_venues(file: Path) -> None:
    """Add rooms and outside places from a CSV file (columns: see `portal/profiles/dapeng/venues.csv`)."""
    try:
        rows = import_csv.read_venues(file.read_text(encoding="utf-8-sig"))
        with writing(), scope.system("import-venues"):
            added, unchanged = import_csv.import_venues(rows, system_actor("命令行"), clock.now())
    except UnicodeDecodeError:
        raise click.ClickException("文件不是 UTF-8 编码，请另存为“CSV UTF-8”后再导入。") from None
    except import_csv.VenuesRefused as refusal:
        for problem in refusal.problems[:50]:
            click.echo(f"第 {problem.line} 行：{problem.reason}", err=True)
        raise click.ClickException(f"{len(refusal.problems)} 处错误，一行也没有导入。") from None
    click.echo(f"场地新增 {added}，未变 {unchanged}。")


def register(app: Flask) -> None:
    app.cli.add_command(import_venues)
