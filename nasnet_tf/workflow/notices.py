"""What is arranged before TensorFlow and JAX are imported, whoever imports them first: they share
GPUs with other processes, and TensorFlow keeps its notices off standard error.

It prints them from C++, before it has read TF_CPP_MIN_LOG_LEVEL.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import os
import sys

from nasnet_tf import gpus

__all__ = ["prepare", "without_notices"]


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as it would be found anyway, and has it loaded in silence. It may be looked
    for before somebody imports it.
    """

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                with without_notices():
                    load(module)
                    gpus.leave_to_keras(module)

            spec.loader.exec_module = exec_module
        return spec


def prepare() -> None:
    """From now on TensorFlow is imported without a word, and a GPU's memory is shared."""
    gpus.set_defaults()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" not in sys.modules and not any(
        isinstance(finder, _Finder) for finder in sys.meta_path
    ):
        sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def without_notices():
    """Sends what the whole process writes on standard error nowhere; Python's exceptions pass."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
