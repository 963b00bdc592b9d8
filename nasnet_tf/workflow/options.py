"""The options of a search, and those about data. The command line has the same."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

from nasnet_tf.strategies import STRATEGIES
from nasnet_tf.workflow.catalogue import SPACES
from nasnet_tf.workflow.values import COUNT, FLAG, FOLDER, SWITCH, Options, Range, option

__all__ = ["DataOptions", "RunOptions", "SearchOptions", "SourceOptions", "child_images"]

MINUTES, SEARCH_MINUTES = Range(float, 0, min_open=True), 10.0
CHILD_IMAGES, FEWEST_IMAGES, _IMAGES_A_MINUTE = 2000, 50, 400
SOFT_WEIGHT = -0.07
_COST = MINUTES
SEED = Range(int, 0, 2**31 - 1)
# Where things are and what to do with what is there: no part of what was searched.
_NOT_KEPT = ("name", "runs_dir", "resume", "retry_failed", "overwrite", "data_dir")


@dataclass(frozen=True, kw_only=True)
class SourceOptions(Options):
    """Data.

    Args:
        data: digits, an .npz file, a folder of class folders, tfds:NAME or a text file; a data set
            or text of `nasnet_tf.data`; or arrays, ((x_train, y_train), (x_test, y_test)).
    """

    data: object
    skip_broken: bool | None = option(
        FLAG, "Leave pictures out that cannot be read, and say so, rather than stop."
    )
    data_dir: str | None = option(FOLDER, "Where TensorFlow Datasets keeps its files.")
    seed: int = option(SEED, "Of everything random.", 0)


@dataclass(frozen=True, kw_only=True)
class DataOptions(SourceOptions):
    """Data, and how they are read."""

    level: str | None = option(
        ("word", "character"), "Of a text: what is predicted.  [default: word]"
    )
    vocabulary: int | None = option(
        Range(int, 2), "Of a text: how many words are told apart.  [default: 10000]"
    )
    steps: int | None = option(
        COUNT, "Of a text: words from the start of a window to its end.  [default: 35]"
    )
    image_size: int | None = option(COUNT, "Side in pixels; pictures are resized to it.")


@dataclass(frozen=True, kw_only=True)
class RunOptions(DataOptions):
    """Data, and where the results go."""

    name: str | None = option(str, "Of the folder the results go to.  [default: that of the data]")
    runs_dir: str = option(FOLDER, default="runs")


@dataclass(frozen=True, kw_only=True)
class SearchOptions(RunOptions):
    """What a search is asked."""

    minutes: float | None = option(
        MINUTES, "How long in all.  [default: 10, if no `max_trials` is given]"
    )
    max_trials: int | None = option(
        COUNT, "How many cells to try; without `warm_start` as many again at random."
    )
    strategy: str = option(
        (*STRATEGIES, "one-shot"), "How to search; auto suits the space.", "auto"
    )
    space: str = option(tuple(SPACES), "What may be found.", "nasnet")
    resume: bool = option(
        FLAG, "Go on with a search that was interrupted, or give it a larger budget.", False
    )
    retry_failed: bool = option(FLAG, "With `resume`, run all trials again that failed.", False)
    overwrite: bool = option(
        FLAG, "Delete what a search wrote to the folder and begin again.", False
    )
    baseline: bool = option(SWITCH, "Try random cells too, to compare with.", True)
    warm_start: bool | None = option(
        SWITCH,
        "Begin with published cells that the space has and a few random ones, and learn from them;"
        " otherwise as many random ones are tried beside the search.  [default: with auto]",
    )
    init: str | None = option(
        str, "A cell to try first: best.json of another search, or the name of a published one."
    )
    blocks: int | None = option(
        COUNT, "B, blocks a cell.  [default: the paper's, where `space` has blocks]"
    )
    child_cells: int | None = option(
        COUNT, "N of the networks a cell is judged by; of a text, layers.  [default: 1]"
    )
    child_filters: int | None = option(
        COUNT, "F of these networks; of a text, units.  [default: 8; 32]"
    )
    child_epochs: int = option(COUNT, "How long at most these networks are trained.", 3)
    child_images: int | None = option(
        COUNT,
        "On how many images, or windows of a text, at most.  [default: 2000; 400 a minute"
        " with `minutes` below 5]",
    )
    child_image_size: int | None = option(
        COUNT,
        "Side in pixels of the pictures they are trained on: small ones order cells much as whole"
        " ones do.  [default: half of the side, from 24 pixels on]",
    )
    child_kernels: str | None = option(
        ("cpu", "jax", "keras"),
        "What trains them: kernels compiled once for all networks, of the processor or by JAX, or"
        " Keras, which compiles each.  [default: the faster kernels here]",
    )
    finalists: int | None = option(
        COUNT,
        "How many of the best cells are trained at the size of the network at the end before one is"
        " taken.  [default: 2 to 4, as `minutes` allow]",
    )
    num_cells: int | None = option(
        COUNT, "N of the network that is trained at the end.  [default: 2]"
    )
    filters: int | None = option(COUNT, "F of that network.  [default: 16; of a text 128]")
    epochs: int | None = option(
        COUNT, "How long that network is trained.  [default: what is left of `minutes`, else 30]"
    )
    share_epochs: int = option(
        COUNT,
        "one-shot: passes over the images with shared weights, or half of the search's time.",
        30,
    )
    child_batch_size: int | None = option(COUNT, "[default: 64; of a text 50]")
    workers: int | None = option(
        COUNT,
        "How many of them train side by side.  [default: one a core, the baseline's among them]",
    )
    engine: str = option(("local", "ray"), "Where they are trained.", "local")
    address: str | None = option(
        str, "Of the Ray cluster, such as auto.  [default: one is started here]"
    )
    gpus_per_trial: float = option(Range(float, 0), "With ray; may be less than 1.", 0.0)
    max_parameters: int | None = option(
        COUNT, "Of the network trained at the end; larger ones are not tried."
    )
    max_multiply_adds: int | None = option(
        COUNT, "Of the network trained at the end, for one image."
    )
    max_latency_ms: float | None = option(
        _COST, "Of the network trained at the end, for one image, measured here."
    )
    target_multiply_adds: int | None = option(
        COUNT, "Search by accuracy * (multiply-adds / this) ^ weight."
    )
    soft_weight: float | None = option(
        Range(float, None, 0, max_open=True), f"That weight, below 0.  [default: {SOFT_WEIGHT}]"
    )
    prejudge: str | None = option(
        ("parameters", "synflow", "naswot"), "Of 4 cells train the best by this score."
    )
    stop_early: bool = option(
        FLAG, "Stop networks that fall behind the median of those before.", False
    )

    def config(self) -> dict:
        """What config.json keeps: what may not change while a search goes on, and the budget."""
        kept = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in (*_NOT_KEPT, "data")
        }
        return {"data": self.source, **kept}

    @property
    def source(self) -> str:
        """The data in words: what a user typed, or the name of the set."""
        if isinstance(self.data, str | os.PathLike):
            return os.fspath(self.data)
        return getattr(self.data, "name", "arrays")

    @property
    def is_hands_off(self) -> bool:
        """Whether the run decides what a user does not: networks become as small as limits ask, and
        where the validation images do not tell cells apart, none is searched.
        """
        return False

    @property
    def has_no_budget(self) -> bool:
        """Whether neither the time nor the trials are limited."""
        return self.minutes is None and self.max_trials is None

    def with_budget(self, before: dict):
        """These options with a budget, a number of images for the children and a beginning.

        Args:
            before: config.json of the search that goes on, {} of one that begins.
        """
        given = self.filled(child_images=before.get("child_images"))
        if before:  # a search of release 0.1 has no word of it
            kept = ("warm_start", "child_image_size")
            given = given.filled(**{name: before.get(name) for name in kept})
        else:
            given = given.filled(warm_start=given.strategy == "auto")
        if self.has_no_budget and before:
            given = given.filled(
                **{name: before.get(name) for name in ("minutes", "max_trials", "epochs")}
            )
        elif self.has_no_budget:
            given = given.filled(minutes=SEARCH_MINUTES)
        return given.filled(child_images=child_images(given.minutes))


def child_images(minutes: float | None) -> int:
    """On how many images children are trained unless it is said: on fewer where there is little
    time, so that some are tried at all.
    """
    if minutes is None:
        return CHILD_IMAGES
    return min(max(int(_IMAGES_A_MINUTE * minutes), FEWEST_IMAGES), CHILD_IMAGES)
