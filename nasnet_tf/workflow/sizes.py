"""How large the network at the end of a search is: as large as its time can train."""

from __future__ import annotations

import time
from typing import NamedTuple

from nasnet_tf.cores import cores
from nasnet_tf.workflow.catalogue import cost_arguments, cost_of

__all__ = ["Child", "Size", "SizeChooser", "score_child"]

# with fewer epochs and fewer steps than these a network is too large for its time; with more than
# the others it does not become much better (benchmarks/README.md)
_EPOCHS, _STEPS = 60, 10_000
_GOOD_EPOCHS, _GOOD_STEPS = 30, 6000
_BACKWARD = 3.0  # times the time of a forward pass that a step of training takes
_TRACES = 8.0  # times the time of the first prediction that it takes to begin a training
_GROWTH = 0.8  # the time of a step grows with the multiply-adds to this power
_HALVED = 24  # pixels of a side, from which pictures of half the side still show something
_CORES = 0.6  # what a further core adds to a training, for one that has a child of its own
_FILTERS = 4  # the number of filters is a multiple of this


class Size(NamedTuple):
    """N and F of a network; None for one whose size is its own."""

    num_cells: int | None
    filters: int | None

    def __str__(self):
        return "" if self.num_cells is None else f"N = {self.num_cells}, F = {self.filters}"


class Child(NamedTuple):
    """The best child, as it was trained.

    Args:
        model: a Keras model.
        trial: its trial, in words.
        size: its `Size`.
        scores: on the validation part.
        traced: seconds that its first prediction took, tracing included.
        seconds: for an example, once traced.
    """

    model: object
    trial: str
    size: Size
    scores: dict
    traced: float
    seconds: float


def seconds_to_train(images: int, epoch: float, batch_size: int = 64) -> float:
    """Seconds that a network takes for as many steps as do it good, on all cores.

    Args:
        images: of an epoch.
        epoch: seconds that it takes for one on one core.
    """
    epochs = min(_GOOD_EPOCHS, _GOOD_STEPS * batch_size / images)
    return epochs * on_all_cores(epoch)


def on_all_cores(seconds: float) -> float:
    """Seconds on all cores of what takes so many on one."""
    return seconds / (1 + _CORES * (cores() - 1))


def tested_share(data) -> float:
    """How much of an epoch the test of the network at the end takes, of pictures that children are
    judged by.
    """
    # the validation part of the network at the end is half as large, and looked at twice
    return (len(data.x_validation) + len(data.x_test)) / (_BACKWARD * len(data.x_train))


def half(sides) -> tuple[int, int] | None:
    """(height, width) of pictures of half the side of others, which begin with theirs; None where
    they would be too small to tell apart.
    """
    height, width = sides[:2]
    return (-(-height // 2), -(-width // 2)) if min(height, width) >= _HALVED else None


def times(multiply_adds: int, others: int) -> float:
    """How many times as long a step of a network takes as that of another one, by the multiply-adds
    of both.
    """
    return (multiply_adds / max(others, 1)) ** _GROWTH


def score_child(model, trial, size, data) -> Child:
    """The child with how it does on the validation part of `data`."""
    from nasnet_tf import training

    began = time.monotonic()
    seconds = training.seconds_to_score(model, data, ("validation",))
    each = seconds / max(training.examples(data, "validation"), 1)
    traced = time.monotonic() - began
    return Child(model, trial, size, training.scores(model, data, "validation"), traced, each)


class SizeChooser:
    """Sizes of a network of `genotype` for `data`, from the child's to the one that was asked for.

    Args:
        child: the best `Child`, or None.
        options: `SearchOptions`.
        batch_size: of the training.
    Attributes: epoch, the steps of one; enough, the steps of a training.
    """

    def __init__(self, genotype, data, child, options, batch_size):
        self.genotype, self.data, self.child = genotype, data, child
        self.requested = Size(options.num_cells, options.filters)
        self.smallest = Size(options.child_cells, options.child_filters)
        self.batch_size = batch_size
        self.epoch = -(-len(data.x_train) // batch_size)  # steps
        self.enough = min(_EPOCHS * self.epoch, _STEPS)

    def cost(self, size) -> int | None:
        """Multiply-adds for an example; None for a size that there is not."""
        try:
            cost = cost_of(self.genotype, **cost_arguments(self.data, *size))
        except ValueError:
            return None
        return None if cost is None else cost.multiply_adds

    def candidates(self) -> list[Size]:
        """The size that was asked for and smaller ones down to the child's, the most costly
        first.
        """
        wanted, child = self.requested, self.smallest
        if wanted.num_cells is None or self.cost(wanted) is None:
            return [wanted]
        found = {wanted: self.cost(wanted)}
        for cells in range(min(child.num_cells, wanted.num_cells), wanted.num_cells + 1):
            filters = min(child.filters, wanted.filters)
            while filters < wanted.filters:
                cost = self.cost(Size(cells, filters))
                if cost is not None and cost < found[wanted]:
                    found[Size(cells, filters)] = cost
                filters += max(_FILTERS, filters // 3 // _FILTERS * _FILTERS)
        return sorted(found, key=lambda size: -found[size])

    def fitting(self, sizes, ends) -> list[Size]:
        """Those sizes that the time until `ends` is expected to be enough for, by how fast the
        child is; the smallest where it is for none; [] where no time is left.
        """
        if self.child is None:  # nothing is known of how fast it is
            return sizes[-1:]
        if self._left(ends) <= 0:
            return []
        fitting = [size for size in sizes if self.steps(size, ends) >= self.enough]
        return fitting or sizes[-1:]

    def steps(self, size, ends) -> float:
        """How many steps of training are expected to fit the time until `ends`."""
        base = self.cost(self.child.size) or 1
        step = _BACKWARD * self.batch_size * self.child.seconds
        return self._left(ends) / (step * times(self.cost(size) or base, base))

    def _left(self, ends):
        return ends - time.monotonic() - _TRACES * self.child.traced

    def within(self, sizes, size, steps) -> list[Size]:
        """Those of the smaller `sizes` that are expected to get enough steps where `size` gets
        `steps`; the smallest where none is.
        """
        most = self.cost(size) * steps / self.enough
        return [other for other in sizes if self.cost(other) <= most] or sizes[-1:]
