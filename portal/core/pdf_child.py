"""The process that makes one PDF. Run by `portal.core.pdf` as a script, never imported.

Reads a job (JSON) on stdin, writes the PDF to stdout; on failure it writes one line to stderr and exits with 1.
A fresh process per document keeps WeasyPrint's memory and any crash of its C libraries out of the web workers.
"""

import gc
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class Late(ModuleType):
    """Stands for a module until something of it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*values: Any, **named: Any) -> Any:
            sys.modules.pop(self.__name__, None)
            return getattr(importlib.import_module(self.__name__), name)(*values, **named)

        return call


if __name__ == "__main__":
    gc.disable()  # until everything is imported: nothing of it is ever garbage
    # Importing `portal` itself would start half the application; only its folder is wanted.
    here = Path(__file__).resolve().parent
    for name, path in (("portal", here.parent), ("portal.core", here)):
        package = ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    # WeasyPrint imports fontTools' subsetter for machines without libharfbuzz-subset: 0.1 s for nothing here.
    for name in ("fontTools.subset", "fontTools.varLib.instancer"):
        sys.modules[name] = Late(name)
    from portal.core import pdf_press

    status = pdf_press.main()
    sys.stderr.flush()
    os._exit(status)  # taking thousands of boxes apart one by one would only cost time
