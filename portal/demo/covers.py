"""Cover pictures of the demo: drawn here, coast and hills in the colour of the service's drawing. Nobody is in them."""

import io
import random
from math import sin

from flask import current_app
from PIL import Image, ImageDraw, ImageFilter

SIZE = (960, 540)
TWICE = 2  # drawn larger and made smaller: soft edges
# By kind of drawing: the sky above, the sky at the horizon, the hills.
TINTS: dict[str, tuple[str, str, str]] = {
    "elder": ("#f7d9b0", "#fdf3e1", "#b9683a"), "children": ("#9fd3ee", "#f4fbfd", "#3f8f6b"),
    "health": ("#bfe3d0", "#f6fbf4", "#2f7f63"), "ocean": ("#8cc6e4", "#eef8fb", "#1f6a8f"),
    "green": ("#c9e4ad", "#f8fbef", "#4d7f2e"), "reading": ("#e6d7bd", "#fbf6ec", "#7d5a36"),
    "festival": ("#f6b9a0", "#fff1e2", "#b23a2c"), "craft": ("#d9cdea", "#f8f5fc", "#6d5596"),
    "science": ("#a9c4ea", "#f1f6fd", "#345b96"), "party": ("#f3b7ab", "#fff3ea", "#a52a22"),
    "law": ("#c4cddc", "#f5f7fa", "#475a78"), "other": ("#dcd6c8", "#faf8f3", "#6f6553"),
}  # fmt: skip


def draw(kind: str, number: int) -> bytes:
    """A PNG: the same number gives the same picture."""
    dice = random.Random(number)  # noqa: S311 where hills stand, no secret
    high, low, hill = TINTS.get(kind, TINTS["other"])
    width, height = SIZE[0] * TWICE, SIZE[1] * TWICE
    sky = Image.linear_gradient("L").resize((width, height))
    picture = Image.composite(Image.new("RGB", (width, height), low), Image.new("RGB", (width, height), high), sky)
    pen = ImageDraw.Draw(picture)
    at, size = width * dice.uniform(0.12, 0.3), height * 0.11
    pen.ellipse((at - size, height * 0.2 - size, at + size, height * 0.2 + size), fill="#fffdf6")
    for step in range(4):  # from afar to near: each range of hills darker and lower
        shade = Image.blend(Image.new("RGB", (1, 1), low), Image.new("RGB", (1, 1), hill), 0.25 + 0.2 * step)
        base, swing = height * (0.55 + 0.1 * step), height * (0.1 - 0.015 * step)
        one, two = dice.uniform(0.002, 0.004), dice.uniform(0.006, 0.009)
        start = dice.uniform(0, 9)
        ridge = [
            (x, base - swing * sin(start + x * one) - swing / 3 * sin(start * 2 + x * two))
            for x in range(0, width + 16, 16)
        ]
        pen.polygon([(0, height), *ridge, (width, height)], fill=shade.getpixel((0, 0)))
    picture = picture.resize(SIZE, Image.Resampling.LANCZOS)
    _put(picture, kind)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _put(picture: Image.Image, kind: str) -> None:
    """The kind's drawing on a light disc, as it stands on the cards."""
    with Image.open(f"{current_app.static_folder}/share/{kind}.png") as found:
        drawing = found.convert("RGB").resize((264, 264), Image.Resampling.LANCZOS)
    disc = Image.new("L", (264 * TWICE, 264 * TWICE))
    ImageDraw.Draw(disc).ellipse((4, 4, 264 * TWICE - 4, 264 * TWICE - 4), fill=255)
    place = (SIZE[0] - 264 - 72, (SIZE[1] - 264) // 2)
    glow = Image.new("L", SIZE)
    ImageDraw.Draw(glow).ellipse((place[0] - 6, place[1] + 2, place[0] + 270, place[1] + 278), fill=90)
    picture.paste("#3a2f22", mask=glow.filter(ImageFilter.GaussianBlur(12)).point(lambda v: v // 2))
    picture.paste(drawing, place, disc.resize((264, 264), Image.Resampling.LANCZOS))
