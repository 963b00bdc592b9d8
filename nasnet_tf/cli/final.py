"""The network that a search delivers: the found cell scaled up and trained in the time that is
left, or the child as it is if that is better.
"""

from __future__ import annotations

import dataclasses
import json
import time
from typing import NamedTuple

from nasnet_tf.cli.run import CHOICE
from nasnet_tf.files import read_json, write_json
from nasnet_tf.systems.costs import cost_of

_EPOCHS, _STEPS = (
    10,
    2000,
)  # with fewer epochs and fewer steps than these a network is too large for its time
_BACKWARD = 3.0  # times the time of a forward pass that a step of training takes
_TRACES = 8.0  # times the time of the first prediction that it takes to begin a training
# of the steps that are enough: with these the training goes on, and does not begin anew at another
# size
_ALL_THERE_IS = 0.5
_DEFAULT_EPOCHS = 30
_NO_CHILD = "there is no trained child to hold it against"
_NO_TIME = "no time was left to train another network"


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


def judged(model, trial, size, data) -> Child:
    """The child with how it does on the validation part of `data`."""
    from nasnet_tf import training

    began = time.monotonic()
    each = training.seconds_to_score(model, data, ("validation",)) / max(
        training.examples(data, "validation"), 1
    )
    traced = time.monotonic() - began
    return Child(model, trial, size, training.scores(model, data, "validation"), traced, each)


class Final:
    """The end of a search.

    Args:
        found: the genotype.
        child: a function from the data to the best `Child`, or None where its weights are not to be
            had.
        data: what to train on.
        recipe: the name of the recipe.
        config: of the search.
        folder: for the state of the training.
        stages: `nasnet_tf.cli.progress.Stages`.
        drawing: seconds that it takes to draw the pictures of the search, which come last.
    """

    def __init__(self, found, child, data, recipe, config, folder, stages, drawing):
        from nasnet_tf.training import RECIPES

        self.found, self.child, self.data, self.config = found, child(data), data, config
        self.folder, self.stages, self.drawing = folder, stages, drawing
        epochs = config["epochs"] or (None if stages.budget.is_limited else _DEFAULT_EPOCHS)
        recipe = RECIPES[recipe]
        self.recipe = dataclasses.replace(
            recipe,
            epochs=epochs,
            learning_rate=getattr(found, "learning_rate", recipe.learning_rate),
        )
        self.asked = Size(config["num_cells"], config["filters"])
        self.steps = -(-len(data.x_train) // recipe.batch_size)
        self.enough = min(_EPOCHS * self.steps, _STEPS)
        self.notes = [] if self.child is not None else [_NO_CHILD]

    def deliver(self, out) -> dict:
        """Trains, saves the better network as `out`, and returns what is delivered, how it does and
        why it was chosen.
        """
        from nasnet_tf import training
        from nasnet_tf.files import replacing

        model, size, epochs = self._trained()
        self.stages.begin("testing")
        figure, sign = ("perplexity", -1) if hasattr(self.data, "windows") else ("accuracy", 1)
        found = {}
        if model is not None:
            found["final network"] = training.scores(model, self.data, "validation")[figure]
        if self.child is not None:
            found["child"] = self.child.scores[figure]
        delivered = max(found, key=lambda kind: sign * found[kind])
        if delivered == "child":
            model, size = self.child.model, self.child.size
            said = f"the child of {self.child.trial} is delivered as it was trained"
        else:
            said = "the network trained at the end is delivered"
        said += f": validation {figure} " + ", ".join(
            f"{value:.4f} of the {kind}" for kind, value in found.items()
        )
        result = {
            "model": str(out),
            **training.scores(model, self.data),
            "parameters": model.count_params(),
        }
        with replacing(out) as temporary:
            model.save(temporary)
        return {
            **result,
            "delivered": delivered,
            **size._asdict(),
            "epochs": epochs,
            "validation": found,
            "why": "; ".join([*self.notes, said]),
        }

    def forget(self):
        """Deletes the state of the training, once all has been written."""
        from nasnet_tf import training

        training.forget(self.folder)
        (self.folder / CHOICE).unlink(missing_ok=True)

    def _trained(self):
        """(the model that was trained, or None where that could not be; its size; its epochs)."""
        from nasnet_tf.training import TooSlow

        sizes, resumed = self._sizes(), self._before()
        if resumed is not None:
            sizes = [resumed]
        elif self.recipe.epochs is None:
            sizes = self._fitting(sizes)
            if not sizes:
                self.notes.append(_NO_TIME)
                return None, None, 0
        while True:
            size, *smaller = sizes
            try:
                model, history = self._train(size, smaller, resumed is not None)
                return model, size, len(history["loss"])
            except ArithmeticError as error:
                if self.child is None:
                    raise
                self.notes.append(f"the training at the end failed: {error}")
                return None, None, 0
            except TooSlow as slow:
                if not (slow.steps and smaller):
                    self.notes.append(_NO_TIME)
                    return None, None, 0
                most = self._cost(size) * slow.steps / self.enough
                sizes = [other for other in smaller if self._cost(other) <= most] or smaller[-1:]
                self._say_smaller(
                    sizes[0], f"for {size} there is time for {slow.steps:.0f} steps only"
                )

    def _train(self, size, smaller, resume):
        """Trains the network of that size, unless that takes so long that a smaller one would be
        better. (model, history).
        """
        from nasnet_tf import training
        from nasnet_tf.cli.train import train_network

        self.stages.begin("training")
        if not resume:
            training.forget(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(
                self.folder / CHOICE,
                {
                    "genotype": json.loads(self.found.to_json()),
                    **size._asdict(),
                    "epochs": self.recipe.epochs,
                },
            )
        by_clock = self.recipe.epochs is None
        enough = _ALL_THERE_IS * self.enough if smaller else 0
        pace = (
            [training.Pace(enough, self._last_step())]
            if by_clock and self.child is not None and not resume
            else []
        )
        made = {name: value for name, value in size._asdict().items() if value is not None}

        def make(data, recipe):
            model = training.network_for(self.found, data, recipe, **made)
            if by_clock and not resume and self.child is not None and size == self.child.size:
                model.set_weights(self.child.model.get_weights())
                self.notes.append("the training at the end begins with the child's weights")
            return model

        return train_network(
            make,
            self.data,
            self.recipe,
            self.stages,
            seed=self.config["seed"],
            folder=self.folder,
            resume=resume,
            callbacks=pace,
            parts=("validation", "test"),
            then=self.drawing,
        )

    def _last_step(self):
        """When the last step of the training must be done, about."""
        from nasnet_tf.training import examples

        budget, evaluated = self.stages.budget, 0.0
        if self.child is not None:
            evaluated = self.child.seconds * (
                2 * examples(self.data, "validation") + examples(self.data, "test")
            )
        return budget.ends - self.drawing - evaluated - 0.03 * budget.seconds

    def _before(self):
        """The size of the network whose training was interrupted, None if there is none that could
        go on.
        """
        from nasnet_tf.training.checkpoint import STATE

        try:
            choice = read_json(self.folder / CHOICE)
            same = (
                choice["genotype"] == json.loads(self.found.to_json())
                and choice["epochs"] == self.recipe.epochs
            )
            return (
                Size(choice["num_cells"], choice["filters"])
                if same and (self.folder / STATE).is_file()
                else None
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _sizes(self):
        """The size that was asked for, and where the time decides, smaller ones down to the
        child's, the most costly first.
        """
        child = Size(self.config["child_cells"], self.config["child_filters"])
        if (
            self.recipe.epochs is not None
            or self.asked.num_cells is None
            or self._cost(self.asked) is None
        ):
            return [self.asked]
        found = {self.asked: self._cost(self.asked)}
        for cells in range(min(child.num_cells, self.asked.num_cells), self.asked.num_cells + 1):
            filters = min(child.filters, self.asked.filters)
            while filters < self.asked.filters:
                cost = self._cost(Size(cells, filters))
                if cost is not None and cost < found[self.asked]:
                    found[Size(cells, filters)] = cost
                filters += max(4, filters // 3 // 4 * 4)
        return sorted(found, key=lambda size: -found[size])

    def _cost(self, size):
        """Multiply-adds for an example; None for a size that there is not."""
        try:
            cost = cost_of(
                self.found,
                num_cells=size.num_cells,
                filters=size.filters,
                stem=None,
                classes=self.data.classes,
                input_shape=self.data.input_shape,
            )
        except ValueError:
            return None
        return None if cost is None else cost.multiply_adds

    def _fitting(self, sizes):
        """Those sizes that the time is expected to be enough for, by how fast the child is; the
        smallest where it is for none.
        """
        if self.child is None:  # nothing is known of how fast it is
            return sizes[-1:]
        left = self._last_step() - time.monotonic() - _TRACES * self.child.traced
        if left <= 0:
            return []
        base = self._cost(self.child.size) or 1

        def seconds(size):
            return (
                _BACKWARD
                * self.recipe.batch_size
                * self.child.seconds
                * ((self._cost(size) or base) / base) ** 0.8
            )

        fitting = [size for size in sizes if left / seconds(size) >= self.enough] or sizes[-1:]
        if fitting[0] != sizes[0]:
            self._say_smaller(
                fitting[0],
                f"for {sizes[0]} there is time for about {left / seconds(sizes[0]):.0f} steps",
            )
        return fitting

    def _say_smaller(self, size, why):
        self.notes.append(f"{why}, so the network is {size}")
        self.stages.say(self.notes[-1])
