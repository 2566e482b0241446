"""A table that somebody sent is read in the confined child, before any transaction that writes (SPEC Q8)."""

from typing import Any

from portal.core import confined
from portal.core.db import let_go
from portal.core.errors import Invalid
from portal.core.tables import workbook
from portal.core.tables.grid import Unreadable
from portal.core.text import megabytes

SECONDS = 20  # of a file of 2,000 rows on a slow machine: five or six
MEMORY = 1024**3  # bytes


class TableRefused(Invalid):
    """The file as a whole cannot be used; the message says what to do instead."""

    field = "file"


def read(data: bytes, *arguments: Any, by: str = "portal.core.tables.workbook.open_sheets") -> Any:
    """What `by` ('module.function', pure, of data and arguments) makes of a file; its sheets if nothing is said.

    Lets the session's connection go, so nothing may have been written. Raises TableRefused.
    """
    if len(data) > workbook.MAX_BYTES:
        raise TableRefused(f"文件超过 {megabytes(workbook.MAX_BYTES)}。", advice="请去掉图片和多余的工作表后再上传。")
    let_go()
    module, _, function = by.rpartition(".")
    try:
        return confined.call(module, function, data, *arguments, seconds=SECONDS, memory=MEMORY)
    except Unreadable as unreadable:
        raise TableRefused(unreadable.message) from unreadable
    except confined.Exceeded as exceeded:
        said = f"这个文件读了 {SECONDS} 秒还没有读完，已经停下。"
        raise TableRefused(said, advice="请把表格复制到一个新的 Excel 文件里再上传。") from exceeded
