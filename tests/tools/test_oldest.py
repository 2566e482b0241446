"""What Debian 12's Python 3.11.2 does not have is found by `make lint`."""

from __future__ import annotations

import pytest

from tools import oldest

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("source", "name", "version"),
    [
        ("archive.extractall(folder, filter='data')", "extractall(filter)", "3.11.4"),
        ("import tarfile\ntarfile.data_filter(m, d)", "tarfile.data_filter", "3.11.4"),
        ("import tarfile as t\nx = t.FilterError", "tarfile.FilterError", "3.11.4"),
        ("from itertools import batched", "itertools.batched", "3.12"),
        ("import shutil\nshutil.rmtree(f, onexc=g)", "rmtree(onexc)", "3.12"),
        ("from warnings import deprecated", "warnings.deprecated", "3.13"),
        ("import os\nos.process_cpu_count()", "os.process_cpu_count", "3.13"),
    ],
)
def test_found(source: str, name: str, version: str) -> None:
    assert [found[1:] for found in oldest.younger(source)] == [(name, version)]


@pytest.mark.parametrize(
    "source",
    [
        "archive.extractall(folder)",
        "query.filter(x)",
        "from itertools import pairwise",
        "import tarfile\ntarfile.open(f)",
    ],
)
def test_left_alone(source: str) -> None:
    assert not list(oldest.younger(source))


def test_our_code_runs_there() -> None:
    assert oldest.main() == 0
