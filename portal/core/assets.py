"""Addresses of static files with a mark of their content, so that phones may keep them for a month."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path


def addresses(folder: str, url_path: str) -> Callable[[str], str]:
    """A function from a file's name under `folder` to its address. Each file is read once per process:
    `url_for` and a hash on every page would cost more than the rest of the page's head."""

    @cache
    def asset(name: str) -> str:
        content = (Path(folder) / name).read_bytes()
        return f"{url_path}/{name}?v={hashlib.sha256(content).hexdigest()[:8]}"

    return asset
