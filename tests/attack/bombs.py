"""Small files that become large."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

NS = "http://schemas.openxmlformats.org"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"
CELL = '<c t="inlineStr"><is><t>a</t></is></c>'
HEAD = "<row>" + "".join(f'<c t="inlineStr"><is><t>{w}</t></is></c>' for w in ("活动名称", "时间", "地点")) + "</row>"


def workbook(rows: str, before: str = "") -> bytes:
    """An xlsx whose one sheet has these rows. before: what stands before its root element."""
    kinds = (("workbook", "sheet.main"), ("worksheets/sheet1", "worksheet"))
    types = "".join(f'<Override PartName="/xl/{p}.xml" ContentType="{SHEET}.{t}+xml"/>' for p, t in kinds)
    files = {
        "[Content_Types].xml": f'<Types xmlns="{NS}/package/2006/content-types"><Default Extension="rels" ContentType='
        f'"application/vnd.openxmlformats-package.relationships+xml"/>{types}</Types>',
        "_rels/.rels": _relation("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{NS}/spreadsheetml/2006/main" xmlns:r="{NS}/officeDocument/2006/'
        'relationships"><sheets><sheet name="s" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relation("worksheet", "worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": f'{before}<worksheet xmlns="{NS}/spreadsheetml/2006/main"><sheetData>{rows}'
        "</sheetData></worksheet>",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return stream.getvalue()


def _relation(kind: str, target: str) -> str:
    return (
        f'<Relationships xmlns="{NS}/package/2006/relationships"><Relationship Id="r1" '
        f'Type="{NS}/officeDocument/2006/relationships/{kind}" Target="{target}"/></Relationships>'
    )


def workbooks() -> list[bytes]:
    """Hundreds of thousands of rows, of cells, of attributes, of nested elements; entities; and zeros."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    zeros = io.BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"\0" * (100 * 1024**2))
    return [
        workbook(HEAD + f"<row>{CELL}</row>" * 380_000),
        workbook(f"{HEAD}<row>{CELL * 450_000}</row>"),
        workbook(HEAD + "<row " + " ".join(f'a{n}="1"' for n in range(300_000)) + "/>"),
        workbook(HEAD + "<a>" * 500_000 + "</a>" * 500_000),
        workbook(HEAD, f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>'),
        zeros.getvalue(),
    ]


def picture(side: int = 30_000) -> bytes:
    """A PNG of side × side black points."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    line = b"\0" * (side // 8 + 1)
    data = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
