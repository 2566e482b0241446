"""The look keeps its promises (SPEC Q2, Q5): contrast, sizes, weight, old phones, nothing the CSP forbids."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from flask import Flask, render_template
from flask_wtf import CSRFProtect

from portal.core import assets, pages

pytestmark = pytest.mark.once

PORTAL = Path(__file__).parents[2] / "portal"
SHEETS = ("portal.css", "staff.css", "atlas.css")
TEMPLATES = sorted(p for p in (PORTAL / "templates").rglob("*.html") if "print" not in p.parts)


def _text(name: str) -> str:
    return re.sub(r"/\*.*?\*/", "", (PORTAL / "static" / name).read_text("utf-8"), flags=re.S)


def _rules() -> Iterator[tuple[str, dict[str, str]]]:
    """Every rule of both sheets, also those inside @media, as (one selector, declarations)."""
    for sheet in SHEETS:
        for selectors, body in re.findall(r"([^{};]+)\{([^{}]*)\}", _text(sheet)):
            pairs = (part.split(":", 1) for part in body.split(";") if ":" in part)
            declared = {name.strip(): value.strip() for name, value in pairs}
            for selector in selectors.split(","):
                yield selector.strip(), declared


RULES = list(_rules())
ROOTS = [body for selector, body in RULES if selector == ":root"]
VARIABLES = {k: v for body in reversed(ROOTS) for k, v in body.items() if k.startswith("--")}


def _colour(value: str) -> str | None:
    """'#rrggbb' of a declared colour; None where it comes from elsewhere (inherit, transparent, an image)."""
    for name in re.findall(r"var\((--[\w-]+)\)", value):
        value = value.replace(f"var({name})", VARIABLES[name])
    found = re.search(r"#([0-9a-f]{6})\b", value)
    return f"#{found[1]}" if found and "url(" not in value else None


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two '#rrggbb' colours."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


BACKGROUNDS = {
    re.sub(r"::?[\w-]+(\([^)]*\))?", "", selector): colour
    for selector, body in RULES
    if (colour := _colour(body.get("background", body.get("background-color", ""))))
    and not re.search(r":(hover|active|focus)|::", selector)
}


def _behind(selector: str) -> set[str]:
    """What the text of this selector stands on: the nearest declared box around it, else paper and card."""
    parts = re.sub(r"::?[\w-]+(\([^)]*\))?", "", selector).split(" ")
    while parts:
        if (box := BACKGROUNDS.get(" ".join(parts))) is not None:
            return {box}
        parts.pop()
    return {VARIABLES["--paper"], VARIABLES["--card"]}


def test_the_measure_itself() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#9a6a12", "#fdf3dd") < 4.5, "too pale a gold must be caught"


def test_every_declared_pair_of_colours_is_readable() -> None:
    seen = 0
    for selector, body in RULES:
        text = _colour(body.get("color", ""))
        if text is None:
            continue
        own = _colour(body.get("background", body.get("background-color", "")))
        for behind in {own} if own else _behind(selector):
            seen += 1
            assert contrast(text, behind) >= 4.5, f"{selector}: {text} on {behind}"
    assert seen > 80


def test_edges_of_fields_and_buttons_are_visible() -> None:
    for behind in ("--card", "--paper"):
        assert contrast(VARIABLES["--edge"], VARIABLES[behind]) >= 3


def test_nothing_is_smaller_than_16_pixels() -> None:
    for selector, body in RULES:
        size = body.get("font-size", "")
        if size.endswith("rem"):
            assert float(size[:-3]) >= 1, f"{selector}: {size}"
        elif size.endswith("px"):
            assert float(size[:-2]) >= 16, f"{selector}: {size}"
        else:
            assert size in {"", "100%", "125%", "11pt"}, f"{selector}: {size}"


def test_lines_have_air() -> None:
    given = [(s, b.get("line-height", "")) for s, b in RULES]
    heights = {s: float(h) for s, h in given if re.fullmatch(r"[\d.]+", h)}
    assert heights["body"] >= 1.5
    assert min(heights.values()) >= 1.3, heights


def test_targets_are_large_enough() -> None:
    tap = {s: float(b["--tap"][:-3]) for s, b in RULES if "--tap" in b}
    assert tap[":root"] * 16 >= 44
    assert tap["html.elder"] * 20 >= 60
    sizes = {"var(--tap)": tap[":root"], "var(--bar)": float(VARIABLES["--bar"].removesuffix("rem"))}
    for target in (".btn", ".chip", ".pill", ".rowlink", ".choice", ".tabs li a", ".side li a"):
        size = next(b["min-height"] for s, b in RULES if s == target and "min-height" in b)
        assert (sizes.get(size) or float(size.removesuffix("rem"))) >= 2.75, f"{target}: {size}"


@pytest.mark.parametrize(
    ("name", "raw", "packed"),
    [
        ("portal.css", 45_000, 10_000),
        ("staff.css", 14_000, 4_000),
        ("atlas.css", 3_000, 1_200),
        ("portal.js", 4_400, 2_300),
        ("atlas.js", 2_600, 1_400),
    ],
)
def test_weight(name: str, raw: int, packed: int) -> None:
    content = (PORTAL / "static" / name).read_bytes()
    assert len(content) <= raw
    assert len(gzip.compress(content, 9)) <= packed
    assert content.count(b"\n") <= 500


@pytest.mark.parametrize("sheet", SHEETS)
def test_old_phones_understand_the_sheet(sheet: str) -> None:
    css = _text(sheet)
    css = css.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    young = r":has\(|@container|&|@layer|@import|https?:|:is\(|:where\("
    assert not re.search(young, css)
    assert not re.search(r"(?<!grid-)(?<!-)\bgap:", css), "flex gap is younger than many phones; use margins"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: str(p.relative_to(PORTAL / "templates")))
def test_templates_keep_to_the_csp(path: Path) -> None:
    html = re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"), flags=re.S)
    assert not re.search(r"\sstyle\s*=|<style\b", html, re.I), "styles belong to the sheet"
    assert not re.search(r"<[a-z][^>]*\son[a-z]+\s*=", html, re.I), "no on* handlers"
    assert not re.search(r"<script\b(?![^>]*\bsrc=)", html, re.I), "no inline script"
    assert not re.search(r"javascript:|hx-on|hx-vals=.js:", html, re.I)


def _app() -> Flask:
    app = Flask("portal", root_path=str(PORTAL))
    app.config.update(SECRET_KEY="test", MAX_CONTENT_LENGTH=8 << 20, MAX_FORM_LENGTH=256 << 10)
    CSRFProtect(app)
    env = app.jinja_env
    env.trim_blocks = env.lstrip_blocks = True
    env.filters.update(pages.FILTERS)
    env.globals["asset"] = assets.addresses(str(PORTAL / "static"), "/static")
    env.globals["ui"] = env.get_template("ui.html").module
    return app


@cache
def _icons() -> dict[str, str]:
    return dict(_app().jinja_env.globals["ui"].ICONS)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: str(p.relative_to(PORTAL / "templates")))
def test_every_icon_exists(path: Path) -> None:
    text = path.read_text("utf-8")
    named = set(re.findall(r"\bicon\('([\w-]+)'\)", text)) | set(re.findall(r"icon_name='([\w-]+)'", text))
    assert named <= set(_icons())


def test_the_style_guide_shows_the_real_parts() -> None:
    with _app().test_request_context("/"):
        html = render_template("styleguide.html", viewer=None)
    defined = set(re.findall(r"\.([a-z][\w-]*)", "".join(_text(s) for s in SHEETS)))
    used = {name for names in re.findall(r'class="([^"]*)"', html) for name in names.split()}
    assert used - defined - {"plain"} == set(), "a class without a rule (plain is the button as it is)"
    assert all(f'd="{path}"' in html for path in _icons().values())


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 413, 429, 500, 503])
def test_error_pages_say_why_and_what_to_do(status: int) -> None:
    with _app().test_request_context("/"):
        html = render_template(f"errors/{status}.html", message="名额刚刚满了。", advice="可以候补。")
        bare = render_template(f"errors/{status}.html")
    assert "名额刚刚满了。" in html
    assert "可以候补。" in html
    assert 'href="tel:120"' in bare
    assert 'href="/"' in bare
    assert "csrf" not in bare.lower(), "an error page must not need a session"
