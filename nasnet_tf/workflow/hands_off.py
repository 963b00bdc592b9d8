"""The end of a hands-off run: ways to train and to begin are held against each other, probabilities
are calibrated, and the test says how sure it is.
"""

from __future__ import annotations

import dataclasses
import time
from typing import NamedTuple

import numpy as np

from nasnet_tf.files import read_json, write_json
from nasnet_tf.workflow import fitting
from nasnet_tf.workflow.final import FinalTraining
from nasnet_tf.workflow.plan import COMPARED, COMPARING
from nasnet_tf.workflow.sizes import Size, score_child

__all__ = ["HandsOffTraining", "Init"]

_PLAIN, _INIT = "plain", "weights of init"
# what may become better than plain where a network learns its images by heart
_RECIPES = {"mixup": {"mixup": 0.2}, "strong changes": {"augmentation": "adaptive"}}
_DECISION, _FOLDER = "compared.json", "compared"


class Init:
    """A network that begins with the weights that `init` names.

    Args:
        options: with data, `init`, `input_range` and limits.
    Raises: ValueError for what cannot be, before anything is begun.
    """

    def __init__(self, options):
        from nasnet_tf.workflow.beginnings import beginning
        from nasnet_tf.workflow.training import TrainOptions

        shared = ("data", "skip_broken", "data_dir", "seed", "image_size", "input_range")
        given = {name: getattr(options, name) for name in shared}
        asked = TrainOptions(init=options.weights, **given)
        self._begin = beginning(asked)
        self.data = self._begin.data(asked)
        self._begin.check(self.data)
        self._check_limits(options)

    @property
    def recipe(self):
        """By the clock."""
        from nasnet_tf.training import RECIPES

        return dataclasses.replace(RECIPES[self._begin.recipe], epochs=None)

    def network(self, data, recipe):
        return self._begin.network(data, recipe)

    def _check_limits(self, options):
        limits = options.max_parameters, options.max_multiply_adds, options.max_latency_ms
        if limits == (None, None, None):
            return
        from nasnet_tf.scores.latency import latency_of
        from nasnet_tf.systems.costs import cost_of, counted_arguments

        network = self.network(self.data, self.recipe)
        config = network.get_config()
        size = {name: config[name] for name in counted_arguments(network.genotype)}
        measures = {
            "parameters": network.count_params,
            "multiply_adds": lambda: cost_of(network.genotype, **size).multiply_adds,
            "latency_ms": lambda: latency_of(network),
        }
        for (name, measure), limit in zip(measures.items(), limits, strict=True):
            if limit is not None and (found := measure()) > limit:
                raise ValueError(
                    f"the network of `init` has {name.replace('_', ' ')} {found:,.6g}, more than"
                    f" `max_{name}={limit}` allows; leave one of both out."
                )


class _Entrant(NamedTuple):
    """One of those that are held against each other, by the validation images.

    Args:
        loss: once calibrated: of few images it says more than the accuracy.
        model: the network.
    """

    loss: float
    accuracy: float
    model: object


def _in_words(entrant):
    if entrant is None:
        return "failed"
    return f"validation loss {entrant.loss:.3f}, accuracy {entrant.accuracy:.4f}"


class HandsOffTraining(FinalTraining):
    """As `FinalTraining`.

    Args:
        init: an `Init`, a network with weights that takes part in the comparison, or None.
    """

    def __init__(self, *arguments, init=None, **named):
        super().__init__(*arguments, **named)
        self.init = init if self.by_clock else None

    @property
    def parts(self):
        return ("validation", *super().parts)  # once more, for the temperature

    def deliver(self, out) -> dict:
        from nasnet_tf.report.page import rows_table

        result, plan = super().deliver(out), self.stages.table()
        self.sections.append(("The plan, and what it took", rows_table(plan)))
        return {**result, "plan": plan}

    def _trained(self):
        winner = self._winner()
        if winner == _INIT:
            return self._fine_tuned()
        self.recipe = self._recipe(winner)
        return super()._trained()

    def _recipe(self, name):
        """The recipe of an entrant that begins without weights."""
        return dataclasses.replace(self.recipe, **_RECIPES.get(name, {}))

    def _entrants(self):
        """What is held against each other."""
        recipes = _RECIPES if self.stages.compares_recipes and self.by_clock else ()
        return [_PLAIN, *recipes, *([] if self.init is None else [_INIT])]

    def _winner(self):
        """The entrant that is best, by what was decided before, or after all were trained for
        equally long.
        """
        try:
            return read_json(self.folder / _DECISION)["winner"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        entrants = self._entrants()
        if len(entrants) == 1:
            return entrants[0]
        self.stages.begin(COMPARING)
        seconds, size, found = COMPARED * self._left() / len(entrants), self._likely_size(), {}
        for name in entrants:
            found[name] = self._entrant(name, seconds, size)
            self.stages.say(f"compared: {name}, {_in_words(found[name])}")
        winner = min(found, key=lambda name: found[name].loss if found[name] else np.inf)
        said = "; ".join(f"{name}: {_in_words(each)}" for name, each in found.items())
        self.notes.append(f"of these, each trained for {seconds:.0f} s, {winner} is best: {said}")
        if found[winner] is not None:
            self._take(winner, found[winner], size)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / _DECISION, {"winner": winner})
        return winner

    def _take(self, winner, entrant, size):
        """The winner, unless it has the weights of `init`, is the best child if it is better."""
        if winner == _INIT:
            return
        child = score_child(entrant.model, f"the comparison ({winner})", size, self.data)
        if self.child is None or child.scores["accuracy"] > self.child.scores["accuracy"]:
            self.child = self.sizes.child = child

    def _left(self):
        return max(self._last_step() - time.monotonic(), 1.0)

    def _entrant(self, name, seconds, size):
        """An `_Entrant` after so many seconds of training, of that size where it begins without
        weights; None where that failed.
        """
        from nasnet_tf import training
        from nasnet_tf.training.calibration import calibrated_loss

        of_init = name == _INIT
        data, recipe = (self.init.data, self.init.recipe) if of_init else (self.data, None)
        folder = self.folder / _FOLDER

        def network(data, recipe):
            if of_init:
                return self.init.network(data, recipe)
            return self._network(data, recipe, size, resume=True)

        training.forget(folder)
        try:
            model, _ = fitting.train_network(
                network, data, recipe or self._recipe(name), self.stages, seed=self.options.seed,
                folder=folder, parts=("validation",), seconds=seconds, callbacks=self._kept(),
            )  # fmt: skip
        except ArithmeticError:
            return None
        finally:
            training.forget(folder)
        probabilities, labels = training.predict(model, data.x_validation), data.y_validation
        accuracy = float((probabilities.argmax(1) == labels).mean())
        return _Entrant(calibrated_loss(probabilities, labels), accuracy, model)

    def _likely_size(self):
        """The size that the network at the end will have, about."""
        sizes = self.sizes.candidates()
        return (self.sizes.fitting(sizes, self._last_step()) or sizes[-1:])[0]

    def _fine_tuned(self):
        """(the network with the weights of `init`, trained; its size; its epochs)."""
        from nasnet_tf.training.checkpoint import STATE

        self.stages.begin("training")
        self.trained_on, folder = self.init.data, self.folder / _FOLDER
        model, history = fitting.train_network(
            self.init.network, self.init.data, self.init.recipe, self.stages,
            seed=self.options.seed, folder=folder, resume=(folder / STATE).is_file(),
            callbacks=self._kept(), parts=self.parts, then=self.drawing,
        )  # fmt: skip
        return model, Size(None, None), len(history["loss"])

    def _to_save(self, model):
        """The network without the state of its optimizer, which is as large."""
        bare = type(model).from_config(model.get_config())
        bare.set_weights(model.get_weights())
        return bare

    def _tested(self, model, data):
        """Calibrates the network, and looks at the test images once."""
        from nasnet_tf import training
        from nasnet_tf.report import classes as tables
        from nasnet_tf.training.calibration import calibration_error, warmer
        from nasnet_tf.training.scoring import report_of

        temperature, labels = training.calibrate(model, data), data.y_test
        probabilities = training.predict(model, data.x_test)
        before = warmer(probabilities, 1 / temperature)
        result = report_of(probabilities, labels, data.class_names)
        errors = [calibration_error(each, labels) for each in (before, probabilities)]
        names, each = data.class_names, result["classes"]
        self.sections += [
            ("Classes", tables.classes_table(each)),
            ("What is taken for what", tables.confusions_table(each, result["confusion"])),
            ("Worst pictures", tables.worst_pictures(data.x_test, labels, probabilities, names)),
        ]
        return {
            **result,
            "interval": list(training.interval(result["accuracy"], len(labels))),
            "temperature": temperature,
            "calibration_error": dict(zip(("before", "after"), errors, strict=True)),
        }

    def forget(self):
        from nasnet_tf import training

        training.forget(self.folder / _FOLDER)
        (self.folder / _DECISION).unlink(missing_ok=True)
        super().forget()
