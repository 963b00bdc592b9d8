"""`auto`: pictures or a text in, the best network that the time allows out."""

from __future__ import annotations

import dataclasses
import functools
import time
from dataclasses import dataclass

from nasnet_tf.signatures import passes_on
from nasnet_tf.workflow import sources
from nasnet_tf.workflow.catalogue import NAMED
from nasnet_tf.workflow.notices import prepare
from nasnet_tf.workflow.options import MINUTES, RunOptions, SearchOptions
from nasnet_tf.workflow.results import SearchResult
from nasnet_tf.workflow.searching import run_search
from nasnet_tf.workflow.values import COUNT, FLAG, option

__all__ = ["AutoOptions", "auto", "run_auto"]

_MINUTES = 60.0
_MEGABYTE, _BESIDES = 10**6, 10**5  # bytes; of these a file has so many besides its weights
_WEIGHT = 4  # bytes
_OF_PICTURES = ("init", "input_range", "max_parameters", "max_multiply_adds", "max_latency_ms",
                "max_megabytes")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AutoOptions(RunOptions):
    """What a hands-off run is asked."""

    minutes: float | None = option(MINUTES, "How long in all.  [default: 60]")
    max_parameters: int | None = option(COUNT, "Of the network that comes out.")
    max_multiply_adds: int | None = option(COUNT, "Of that network, for one image.")
    max_latency_ms: float | None = option(MINUTES, "Of that network, for one image, measured here.")
    max_megabytes: float | None = option(MINUTES, "Of the file of that network, model.keras.")
    init: str | None = option(
        str,
        "Weights to begin with, imagenet or a saved .keras, where they help, which is measured; or"
        " a cell to try first, such as best.json of another search.",
    )
    input_range: str | None = option(
        ("-1..1", "0..1", "0..255"),
        "Of the pixels that the network of `init` was trained on, where it does not say so itself.",
    )
    resume: bool = option(FLAG, "Go on with a run that was interrupted.", False)
    overwrite: bool = option(FLAG, "Delete what a run wrote to the folder and begin again.", False)


@dataclass(frozen=True, kw_only=True)
class _Asked(SearchOptions):
    """The options of the search, with what only a hands-off run knows."""

    weights: str | None = None
    input_range: str | None = None
    max_megabytes: float | None = None

    @property
    def is_hands_off(self) -> bool:
        return True


@passes_on(AutoOptions, without=("data",))
def auto(data, *, verbose: int = 1, progress=None, **options) -> SearchResult:
    """The best network for the data that the time allows: cells are tried, published ones first;
    the best is scaled up and trained, or a network that begins with weights where that is better.

    The test part of the data is looked at once, at the end. Everything is written to a folder,
    RUNS_DIR/NAME, where the best network so far lies from the first minute on.

    Args:
        data, verbose, progress: as of `nasnet_tf.search`.
        **options: see `nasnet_tf.workflow.AutoOptions`; `nasnet-tf auto --help` lists them.
    Returns: a `SearchResult`: model, accuracy, genotype, trials, folder, facts.
    Raises: TypeError, ValueError for what cannot be, before anything is begun.
    """
    from nasnet_tf.workflow.progress import progress_of

    return run_auto(AutoOptions(data=data, **options), progress_of(verbose, progress))


def run_auto(options: AutoOptions, make_stages, began: float | None = None) -> SearchResult:
    """The run that the options ask for.
    Arguments as `nasnet_tf.workflow.searching.run_search`.
    """
    from nasnet_tf.workflow.hands_off import HandsOffTraining, Init
    from nasnet_tf.workflow.plan import Planned

    began = time.monotonic() if began is None else began
    prepare()
    asked = _asked(options)
    if asked.space == "recurrent":
        return run_search(asked, make_stages, began)
    init = None if asked.weights is None else Init(asked)

    def planned(budget):
        return Planned(make_stages(budget), has_init=init is not None)

    return run_search(asked, planned, began, functools.partial(HandsOffTraining, init=init))


def _asked(options):
    """The options of the search."""
    if not options.resume:
        options = options.filled(minutes=_MINUTES)
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    if sources.is_text(options.data):
        options.refuse(_OF_PICTURES, "is for pictures")
        left = {name: value for name, value in given.items() if name not in _OF_PICTURES}
        return SearchOptions(space="recurrent", **left)
    is_cell = options.init is not None and (
        options.init in NAMED or str(options.init).endswith(".json")
    )
    beginning = {"init": None, "weights": None, "init" if is_cell else "weights": options.init}
    return _Asked(**{**given, **beginning, "max_parameters": _most_parameters(options)})


def _most_parameters(options):
    """The parameters that both limits allow; None where there are none."""
    if options.max_megabytes is None:
        return options.max_parameters
    weights = (options.max_megabytes * _MEGABYTE - _BESIDES) // _WEIGHT
    if weights < 1:
        least = (_BESIDES + _WEIGHT) / _MEGABYTE
        raise ValueError(
            f"`max_megabytes` is {options.max_megabytes:g}; a file has {least:.1f} besides its"
            " weights, give more."
        )
    return int(min(weights, options.max_parameters or weights))
