"""`flask import-services`, `import-plan`, `publish`, `print-list`: the contract's commands of this feature."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click
from flask import Flask

from portal.catalogue import rules
from portal.catalogue.actions import importing, publishing, service_types
from portal.catalogue.actions.plan_rows import PreviewRow, rows_of
from portal.catalogue.categories import leaf_categories
from portal.catalogue.models import PlanImport
from portal.catalogue.paper import printing
from portal.catalogue.timetext.parts import errors
from portal.centres import queries as centre_queries
from portal.core import clock, pdf, scope
from portal.core.access import Actor, system_actor
from portal.core.db import db, writing
from portal.core.errors import DomainError

READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _month(_context: object, _parameter: object, value: str) -> str:
    if not clock.is_month(value):
        raise click.BadParameter("月份请按 2026-12 的样子填写。")
    return value


@click.command("import-services")
@click.argument("file", type=READABLE)
def import_services(file: Path) -> None:
    """Add services on offer from a CSV file: category,subcategory,name,source."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        with writing(), scope.system("import-services"):
            result = service_types.import_services(text, system_actor("命令行"), clock.now())
    except UnicodeDecodeError:
        raise click.ClickException("文件不是 UTF-8 编码，请另存为“CSV UTF-8”后再导入。") from None
    except service_types.ServicesRefused as refusal:
        for problem in refusal.problems[:50]:
            click.echo(f"第 {problem.line} 行：{problem.reason}", err=True)
        raise click.ClickException(f"{len(refusal.problems)} 处错误，一行也没有导入。") from None
    click.echo(f"服务项目新增 {result.added}，未变 {result.unchanged}，指南新增 {result.guides}。")
    if result.categories:
        click.echo(f"新建类别：{'、'.join(result.categories)}")


@click.command("import-plan")
@click.argument("file", type=READABLE)
@click.option("--centre", "code", required=True, help="Code of the centre whose list it is.")
@click.option("--month", required=True, callback=_month, help="YYYY-MM")
@click.option("--commit", "commit", is_flag=True, help="Take the good rows in; without it only the preview is shown.")
@click.option("--anyway", is_flag=True, help="The list is for this centre although its title names another one.")
@click.option("--category", "category", help="Name of the category of rows that say none and resemble nothing.")
def import_plan(file: Path, code: str, month: str, commit: bool, anyway: bool, category: str | None) -> None:
    """Read a plan (.xlsx, .xls, .et, .csv), show what was understood and, with --commit, take the good rows in."""
    actor, now = system_actor("命令行"), clock.now()
    try:
        with writing(), scope.system("import-plan"):
            centre = centre_queries.by_code(code)
            if centre is None:
                raise click.ClickException(f"没有编码为 {code} 的阵地。")
            upload = importing.preview_plan(actor, centre, month, file.name, file.read_bytes(), now)
            if category is not None:
                _set_category(actor, upload, category, now)
            _show(upload)
            if anyway:
                importing.answer_question(actor, upload, now)
            if commit and upload.question:
                raise click.ClickException(f"{upload.question}没错的话，请加 --anyway 再导入。")
            taken = importing.take_in_plan(actor, upload, None, now) if commit else []
            if commit:
                _show_left(upload)
            else:
                db.session.rollback()  # a look leaves nothing behind
    except DomainError as refusal:
        raise click.ClickException(refusal.message + refusal.advice) from None
    click.echo(
        f"已导入 {len(taken)} 条为草稿。" if commit else "以上是预览，还没有导入；加 --commit 导入没有错误的行。"
    )


def _set_category(actor: Actor, upload: PlanImport, name: str, now: datetime) -> None:
    """The category of the rows that have none. Raises ClickException for an unknown one."""
    known = next((c.id for c in leaf_categories() if c.name == name), None)
    if known is None:
        raise click.ClickException(f"没有“{name}”这个类别；有：{'、'.join(c.name for c in leaf_categories())}。")
    numbers = [row.number for row in rows_of(upload) if not row.values.category_id and row.state != "taken"]
    if numbers:
        importing.set_for_rows(actor, upload, numbers, importing.Choice(category_id=known), now)


STATES = {"ready": "可导入", "bad": "有错误", "duplicate": "已在清单中", "taken": "已导入"}


def _show(upload: PlanImport) -> None:
    found = rows_of(upload)
    centres = {centre.id: centre.label for centre in centre_queries.subtree(upload.centre)}
    for row in found:
        where = centres.get(row.centre_id, "") if row.centre_id != upload.centre_id else ""
        cells = (row.values.title, row.category_text, row.when_text, row.values.place, row.capacity_text)
        line = " | ".join(cell or "—" for cell in (*([where] if where else []), *cells))
        click.echo(f"第 {row.excel_row} 行 [{STATES[row.state]}] {line}（{len(row.values.sessions)} 场）")
        _show_problems(row)
        if row.unused:
            click.echo(f"    没用上的文字：{'；'.join(row.unused)}")
    for note in upload.notes:
        click.echo(f"备注：{note.removeprefix('备注').lstrip('：: ')}")
    if upload.question:
        click.echo(f"请先确认：{upload.question}")
    good = sum(row.state == "ready" for row in found)
    click.echo(f"共 {len(found)} 行，可导入 {good} 行，有错误 {sum(row.state == 'bad' for row in found)} 行。")


def _show_problems(row: PreviewRow) -> None:
    for problem in row.problems:
        label = rules.LABELS.get(problem.field, "")
        kind = "错误" if problem.severity == "error" else "注意"
        click.echo(f"    {kind}：{label}{'：' if label else ''}{problem.message}")


def _show_left(upload: PlanImport) -> None:
    """Which rows stayed out, and why."""
    left = [row for row in rows_of(upload) if row.state != "taken"]
    for row in left:
        click.echo(f"没有导入：第 {row.excel_row} 行“{row.values.title}”（{STATES[row.state]}）")
        _show_problems(replace(row, problems=tuple(errors(row.problems))))


@click.command("publish")
@click.option("--month", required=True, callback=_month, help="YYYY-MM")
def publish(month: str) -> None:
    """Publish what is approved in a month and before, also before the 1st; twice publishes nothing twice."""
    with scope.system("publish"):
        count = publishing.publish_in_batches(month, clock.now(), force=True)
    click.echo(f"发布 {count} 条。")


@click.command("print-list")
@click.option("--month", required=True, callback=_month, help="YYYY-MM")
@click.option("--centre", "code", required=True, help="Code of a centre; the list holds everything below it, too.")
@click.option("-o", "file", required=True, type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option("--paper", type=click.Choice(("a4", "a3")), default="a4", help="a4: the list, a3: the poster.")
@click.option("--large", is_flag=True, help="The A4 list in type of 18 points and more, for old eyes.")
def print_list(month: str, code: str, file: Path, paper: str, large: bool) -> None:
    """Write the published list of a month as PDF: a centre's, a subdistrict's, or the district's book."""
    if large and paper != "a4":
        raise click.ClickException("长辈版只有 A4，请去掉 --paper a3 或 --large。")
    with scope.system("print-list"):
        centre = centre_queries.by_code(code)
        if centre is None:
            raise click.ClickException(f"没有编码为 {code} 的阵地。")
        document = printing.list_document(centre, month, clock.now())
        db.session.rollback()  # nothing is held while pages are laid out
    if document is None:
        raise click.ClickException(f"{centre.label}{clock.month_name(month, True)}的清单还没有公布，公布以后再印。")
    try:
        file.write_bytes(pdf.render(printing.print_job(document, "big" if large else paper)))
    except pdf.PdfFailed as failure:
        raise click.ClickException(f"{failure.message}{failure.advice}（{failure.reason}）") from None
    except OSError as error:
        raise click.ClickException(f"写不了 {file}：{error.strerror}。") from None
    click.echo(f"已写好 {file}：{len(document.parts)} 个中心。")


def register(app: Flask) -> None:
    for command in (import_services, import_plan, publish, print_list):
        app.cli.add_command(command)
