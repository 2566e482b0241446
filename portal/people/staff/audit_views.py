"""The audit page: who, when, from where, what before and after (SPEC P9)."""

from typing import Any

from flask import Response, request

from portal.centres import picking
from portal.centres import queries as centres
from portal.core import access, audit, clock, exports, incoming, pages, registry
from portal.core.access import Permission
from portal.core.text import csv_table
from portal.people import audit_proof, queries, rules
from portal.people.staff import queries as staff_queries
from portal.people.staff.account_views import number, year_and
from portal.people.staff.views import face


def _wanted(actor: access.Actor, problems: list[str]) -> staff_queries.AuditFilter:
    centre = centres.get(number("centre") or 0)
    path = centre.path if centre is not None and centres.is_inside(centre, actor.centre_path) else ""
    if request.args.get("centre") and not path:
        problems.append("没有这个阵地，下面是您能看到的全部记录。")
    first, last = incoming.days_asked(problems)
    return staff_queries.AuditFilter(
        who=request.args.get("who", "").strip()[:40], what=request.args.get("what", "").strip()[:40],
        verb=request.args.get("verb", "")[:60], object_type=request.args.get("object", "")[:40],
        object_id=number("id"), first=first, last=last, path=path, before_id=number("before"),
    )  # fmt: skip


def word(code: str) -> str:
    return registry.audit_words.get(code, code)


def _changes(row: audit.AuditLog) -> list[rules.Change]:
    after = row.after and {name: value for name, value in row.after.items() if name not in (audit.REMARK, audit.SEAL)}
    return rules.changes(row.before, after, registry.audit_words)


@face.get("/audit", endpoint="audit")
@access.staff(Permission.AUDIT)
def audit_page() -> Any:
    actor = access.actor()
    problems: list[str] = []
    wanted = _wanted(actor, problems)
    rows = staff_queries.audit_rows(actor, wanted)
    more = len(rows) > staff_queries.PER_PAGE
    rows = rows[: staff_queries.PER_PAGE]
    proof = audit_proof.last()
    verbs, kinds = staff_queries.audit_words(actor, proof)
    return pages.page(
        "people/staff/audit.html", rows=rows, wanted=wanted, problems=problems, word=word, changes=_changes,
        proof=proof, who=queries.doers(rows), said=staff_queries.audit_remarks(rows),
        verbs=verbs, kinds=kinds, centres=picking.of(centres.choices(actor.centre_path)),
        older=rows[-1].id if more else None,
        when=lambda at: year_and(at, clock.now()), now=clock.now(),
    )  # fmt: skip


@face.get("/audit.csv")
@access.staff(Permission.AUDIT, slow=True)
def audit_csv() -> Response:
    """The filtered lines for a spreadsheet."""
    actor, wanted = access.actor(), _wanted(access.actor(), [])
    rows = staff_queries.audit_count(actor, wanted, exports.ROWS_AT_ONCE + 1)
    return exports.answer(audit_table, actor, wanted.as_data(), rows, "audit.csv")


@registry.exporter
def audit_table(actor: access.Actor, asked: dict[str, Any]) -> bytes:
    """The newest lines of a filter, as CSV; formulas in names are defused. asked: AuditFilter.as_data()."""
    rows = staff_queries.audit_rows(actor, staff_queries.AuditFilter.of(asked), staff_queries.EXPORT_LIMIT)
    who, said = queries.doers(rows), staff_queries.audit_remarks(rows)
    lines: list[list[Any]] = [["编号", "时间", "谁", "网络地址", "做了什么", "对象", "对象编号", "说明", "改动"]]
    for row in rows[: staff_queries.EXPORT_LIMIT]:
        diff = "；".join(f"{c.label}：{c.old or '无'} → {c.new or '无'}" for c in _changes(row))
        at = clock.local(row.at).strftime("%Y-%m-%d %H:%M:%S")
        lines.append([
            row.id, at, who[row.id], row.address, word(row.verb), word(row.object_type), row.object_id or "",
            "；".join(filter(None, (row.summary, said.get(row.id)))), diff,
        ])  # fmt: skip
    return csv_table(lines).encode()
