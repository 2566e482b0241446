"""Pictures that people upload: decoded, turned upright, made small and written anew, so that nothing else gets in.

EXIF (with the place a photo was taken at), animation and anything hidden in the file stay outside. The name is the
hash of the content: the same picture twice is one file, and a browser may keep it for ever.
"""

import hashlib
import io
import os
import re
import warnings
from pathlib import Path

from flask import current_app
from PIL import Image, ImageOps, UnidentifiedImageError

from portal.core.db import let_go
from portal.core.errors import Invalid

MAX_EDGE = 1200  # pixels
MAX_PIXELS = 40_000_000  # what phones take today, with room; more is a decompression bomb or a poster for print
QUALITY = 82
FORMATS = ("JPEG", "PNG", "WEBP")
ACCEPT = "image/jpeg,image/png,image/webp"
_NAME = re.compile(r"[0-9a-f]{32}\.jpg")


class PictureRefused(Invalid):
    message = "这张图片打不开。"
    advice = "请换一张 JPG、PNG 或 WebP 格式的图片。"


def folder() -> Path:
    return Path(current_app.config["DATA_DIR"]) / "uploads"


def save_picture(data: bytes, field: str | None = None) -> str:
    """Write the picture as JPEG with edges of at most 1200 px; returns its name for the database.

    JPEG, not WebP: phones of 2018 open our pages too. Raises PictureRefused, beside the form's `field`.
    """
    let_go()
    try:
        made = _encode(_open(data))
    except PictureRefused as refused:
        refused.field = field
        raise
    name = f"{hashlib.sha256(made).hexdigest()[:32]}.jpg"
    target = folder() / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(f".{os.getpid()}.part")
        unfinished.write_bytes(made)
        unfinished.replace(target)  # never half a file under its name
    return name


def _too_large() -> str:
    return f"这张图片太大（超过 {MAX_PIXELS // 10_000} 万像素）。"


def _open(data: bytes) -> Image.Image:
    if not data:
        raise PictureRefused("图片是空的。")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > MAX_PIXELS:
                raise PictureRefused(_too_large(), advice="请缩小后再上传。")
            picture.draft("RGB", (MAX_EDGE, MAX_EDGE))  # lets the JPEG decoder skip most of the work
            upright = ImageOps.exif_transpose(picture)
            upright.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise PictureRefused(_too_large(), advice="请缩小后再上传。") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise PictureRefused() from None
    return upright


def _encode(picture: Image.Image) -> bytes:
    picture.thumbnail((MAX_EDGE, MAX_EDGE))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        picture = Image.new("RGB", clear.size, "white")
        picture.paste(clear, mask=clear.getchannel("A"))
    stream = io.BytesIO()
    # A fresh image: whatever the file carried beside its pixels is left behind.
    clean = Image.new("RGB", picture.size)
    clean.paste(picture.convert("RGB"))
    clean.save(stream, "JPEG", quality=QUALITY, progressive=True, optimize=True)
    return stream.getvalue()


def known(name: str | None) -> str:
    """`name` when it is the name of a stored picture, else ''. A form may only point at what we wrote ourselves."""
    return name if name and _NAME.fullmatch(name) and (folder() / name).is_file() else ""


def remove(name: str) -> None:
    """Delete a stored file; twice is the same as once."""
    (folder() / Path(name).name).unlink(missing_ok=True)
