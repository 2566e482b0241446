"""Opens an uploaded table without trusting it, by what it is and not by its name (SPEC C7)."""

from portal.core.tables.csv_text import csv_sheet
from portal.core.tables.grid import Sheet, Unreadable
from portal.core.text import megabytes

MAX_BYTES = 8 * 1024 * 1024
_SAVE_ANEW = "请用 Excel 或 WPS 打开，另存为 .xlsx 格式后再上传"
_BROKEN = f"这个文件打不开，可能没有下载完整或已经损坏；{_SAVE_ANEW}"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def open_sheets(data: bytes) -> list[Sheet]:
    """All sheets of an .xlsx, .xls, .et or .csv file in their order.

    Raises Unreadable, with what to do instead, for anything that is not a healthy table of at most MAX_BYTES:
    password, broken file, zip bomb, XML with a DTD, a picture that is called a table.
    """
    if not data:
        raise Unreadable("这个文件是空的，请重新选择要上传的 Excel 文件")
    if len(data) > MAX_BYTES:
        raise Unreadable(f"文件超过 {megabytes(MAX_BYTES)}；请去掉图片和多余的工作表后再上传")
    try:
        if data.startswith(_OLE):
            from portal.core.tables.ole import ole_sheets  # a second library, for old files only

            return ole_sheets(data)
        if data.startswith(b"PK"):
            from portal.core.tables.xlsx import xlsx_sheets

            return xlsx_sheets(data)
        return [csv_sheet(data)]
    except Unreadable:
        raise
    except Exception as broken:  # the libraries raise whatever a broken file leads them to
        raise Unreadable(_BROKEN) from broken
