"""Files of a plugin, written to a folder and read as a fresh Python would have them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from harness.method import Method
from harness.sources.method_source import MethodSource, method_source

PLUGIN = '''"""A method under construction."""
from harness.method import Method
from harness.spec import MethodOptions
{imports}


class Mine(Method[MethodOptions]):
    options_class = MethodOptions
    {attributes}

    def begin_task(self, model, generator):
        {body}
        raise NotImplementedError
'''


def plugin(imports: str = "", body: str = "pass", attributes: str = "pass") -> str:
    return PLUGIN.format(imports=imports, body=body, attributes=attributes)


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def read_source(*roots: Path, of: str = "my_method:Mine") -> MethodSource:
    """A plugin's source as a fresh Python would have it that finds its files in those folders."""
    with imported(*roots, module=of.partition(":")[0]) as module:
        return method_source(getattr(module, of.partition(":")[2]), Method)


class imported:
    """A module of those folders, imported anew; all that came from them is forgotten afterwards."""

    def __init__(self, *roots: Path, module: str = "my_method") -> None:
        self.roots, self.name = [str(root) for root in roots], module

    def __enter__(self) -> ModuleType:
        self.before, self.modules, self.bytecode = list(sys.path), set(sys.modules), sys.dont_write_bytecode
        sys.path[:0] = self.roots
        sys.dont_write_bytecode = True  # else a file of the same size and second is taken for the one before
        importlib.invalidate_caches()
        return importlib.import_module(self.name)

    def __exit__(self, *_: object) -> None:
        sys.path[:], sys.dont_write_bytecode = self.before, self.bytecode
        loaded = {name: sys.modules[name] for name in set(sys.modules) - self.modules}
        # All are looked at before the first goes: a package without a file of its own finds its path by its parent.
        for name in [name for name, module in loaded.items() if self._is_ours(module)]:
            del sys.modules[name]

    def _is_ours(self, module: ModuleType) -> bool:
        homes = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        return any(home and home.startswith(root) for home in homes for root in self.roots)
