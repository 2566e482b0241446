"""`flask import-centres FILE.csv`."""

from pathlib import Path

import click
from flask import Flask

from portal.centres import actions, profile
from portal.core import clock, scope
from portal.core.access import system_actor
from portal.core.db import writing


@click.command("import-centres")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--profile", "code", default=None, help="Deployment whose levels apply (default: PORTAL_PROFILE).")
def import_centres(file: Path, code: str | None) -> None:
    """Add or update centres from a CSV file: code,name,level,kind,parent_code,note."""
    try:
        chosen = profile.load(code) if code else profile.current()
        text = file.read_text(encoding="utf-8-sig")
        with writing(), scope.system("import-centres"):
            result = actions.import_centres(text, chosen, system_actor("命令行"), clock.now())
    except UnicodeDecodeError:
        raise click.ClickException("文件不是 UTF-8 编码，请另存为“CSV UTF-8”后再导入。") from None
    except LookupError as error:
        raise click.ClickException(str(error)) from None
    except actions.ImportRefused as refusal:
        for problem in refusal.problems[:50]:
            click.echo(f"第 {problem.line} 行：{problem.reason}", err=True)
        raise click.ClickException(f"{len(refusal.problems)} 处错误，一行也没有导入。") from None
    click.echo(f"新增 {result.added}，更新 {result.changed}，未变 {result.unchanged}。")


def register(app: Flask) -> None:
    app.cli.add_command(import_centres)
