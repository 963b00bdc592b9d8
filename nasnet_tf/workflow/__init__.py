"""What the command `nasnet-tf` does, as functions: a search from data to a trained network,
training, evaluation, prediction, comparisons. Nothing is imported before it is needed.
"""

from __future__ import annotations

import importlib

_HOME = {
    "AutoOptions": "automating",
    "CompareOptions": "comparing",
    "EvaluateOptions": "evaluating",
    "InfoOptions": "describing",
    "PredictOptions": "predicting",
    "SearchOptions": "options",
    "SearchResult": "results",
    "Stages": "progress",
    "TrainOptions": "training",
    "TrainResult": "results",
    "auto": "automating",
    "compare": "comparing",
    "evaluate": "evaluating",
    "info": "describing",
    "predict": "predicting",
    "search": "searching",
    "status": "state",
    "train": "training",
}

__all__ = list(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
