"""Modules that have moved: an old name still imports, since .keras files of release 0.1 name the
modules of their layers.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys

__all__ = ["MOVED", "install"]

# By the old name, without "nasnet_tf.". To be deleted with release 0.3.
MOVED = {
    "cell": "systems.cells.layer",
    "initializers": "layers.initializers",
    "model": "layers.model",
    "networks": "systems.networks",
    "networks.dna": "systems.dna.network",
    "networks.hierarchical": "systems.hierarchical.network",
    "networks.layerwise": "systems.layerwise.network",
    "networks.nas_bench_201": "systems.nas_bench_201.network",
    "networks.recurrent": "systems.recurrent.network",
    "operations": "layers.operations",
    "parts": "layers.parts",
    "plan": "systems.cells.plan",
}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module by its old name and fills it with the names of the new one."""

    def find_spec(self, fullname, path=None, target=None):
        old = fullname.removeprefix("nasnet_tf.")
        if old == fullname or old not in MOVED:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=old == "networks")

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        new = importlib.import_module(
            f"nasnet_tf.{MOVED[module.__name__.removeprefix('nasnet_tf.')]}"
        )
        vars(module).update(
            {name: value for name, value in vars(new).items() if not name.startswith("__")}
        )


def install() -> None:
    """Makes the old names importable, also where an older checkout has left empty folders."""
    sys.meta_path.insert(0, _Finder())
