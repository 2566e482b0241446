"""A plan saved as CSV: UTF-8 or what Excel in China writes, commas, tabs or semicolons (SPEC C7)."""

import csv
import io
import re

from portal.core.tables.grid import MAX_COLUMNS, MAX_ROWS_READ, Sheet, Unreadable, cell_text, trimmed

_NO_TABLE = "这不是 Excel 文件（.xlsx、.xls、.et、.csv）；请用 Excel 或 WPS 打开，另存为 .xlsx 格式后再上传"
_OTHER = re.compile(r"\s*(?:%PDF|<(?:!doctype|html|\?xml|table|head|meta)|\{\\rtf|From: |MIME-Version)", re.IGNORECASE)
_BINARY = re.compile("[\x00-\x08\x0e-\x1f]")  # pictures and archives; many of them can be decoded
# Before a sign that would begin a formula, programs that write CSV put an apostrophe.
_GUARD = re.compile(r"^'(?=[=+\-@＝＋－＠\t\r\n])")


def csv_sheet(data: bytes) -> Sheet:
    """The one sheet of a CSV file. Raises Unreadable when it is no table in words."""
    text = _decoded(data)
    if text is None or _BINARY.search(text) or _OTHER.match(text):
        raise Unreadable(_NO_TABLE)
    head = "\n".join(text.split("\n")[:20])
    delimiter = max(",\t;，", key=head.count)
    rows = []
    limit = csv.field_size_limit(len(text) + 1)  # of the whole process
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)):
            if number >= MAX_ROWS_READ:
                break
            rows.append([cell_text(_GUARD.sub("", cell)) for cell in row[:MAX_COLUMNS]])
    finally:
        csv.field_size_limit(limit)
    return Sheet("", False, trimmed(rows))


def _decoded(data: bytes) -> str | None:
    """By its mark, else UTF-8, else GB 18030, which holds GBK and GB 2312; None when it is none of them."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None
