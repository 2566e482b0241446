"""core.qr: every drawing of a code can be read back."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
import zxingcpp
from PIL import Image

from portal.core import pdf, qr
from tests.core import printed

pytestmark = pytest.mark.once

SHORT = "https://fuwu.example.gov.cn/s/1024"


@pytest.mark.parametrize("text", [SHORT, "https://fuwu.example.gov.cn/c/440307011009S08", "葵涌社区", "A" * 300])
def test_png_reads_back(text: str) -> None:
    image = Image.open(BytesIO(qr.qr_png(text, 4)))
    assert [found.text for found in zxingcpp.read_barcodes(image)] == [text]


def test_a_thousand_short_addresses_read_back_small() -> None:
    for number in range(1000, 2000, 13):
        text = f"https://fuwu.example.gov.cn/s/{number}"
        assert [found.text for found in zxingcpp.read_barcodes(Image.open(BytesIO(qr.qr_png(text, 2))))] == [text]


def test_smallest_symbol_then_most_correction() -> None:
    assert len(qr.matrix("x" * 17)) == 21  # version 1 holds 17 bytes at level L
    assert len(qr.matrix("x" * 18)) == 25
    assert len(qr.matrix(SHORT)) == 29
    # 7 bytes fit into version 1 even at level H: the format bits (row 8) tell the level.
    assert qr.matrix("x" * 7)[8] != qr.matrix("x" * 17)[8]


@pytest.mark.parametrize("text", ["", "x" * 3000])
def test_impossible_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="QR code"):
        qr.matrix(text)


def test_a_qr_link_in_a_template_becomes_a_code_and_a_link() -> None:
    box = "display:block;width:30mm;height:30mm;margin:20mm"
    made = pdf.render(pdf.single(f'<html lang="zh-CN"><body><a href="qr:{SHORT}" style="{box}"></a></body></html>'))
    assert printed.codes_in(printed.picture(made)) == [SHORT]
    assert printed.links_of(made) == [SHORT]


def test_the_svg_draws_every_dark_module_and_says_what_it_is() -> None:
    text = "otpauth://totp/x?secret=ABC&issuer=y"
    drawn = qr.qr_svg(text, 'a "code"')
    boxes = [tuple(map(int, found)) for found in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", drawn)]
    dark = {(x + n - qr.QUIET_ZONE, y - qr.QUIET_ZONE) for x, y, length in boxes for n in range(length)}
    assert dark == {(x, y) for y, row in enumerate(qr.matrix(text)) for x, cell in enumerate(row) if cell}
    assert 'aria-label="a &quot;code&quot;"' in drawn
