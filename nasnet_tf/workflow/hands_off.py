"""The end of a hands-off run: a beginning with weights is held against one without, probabilities
are calibrated, and the test says how sure it is.
"""

from __future__ import annotations

import dataclasses
import time

from nasnet_tf.files import read_json, write_json
from nasnet_tf.workflow import fitting
from nasnet_tf.workflow.final import FinalTraining
from nasnet_tf.workflow.plan import COMPARING
from nasnet_tf.workflow.sizes import Size, score_child

__all__ = ["HandsOffTraining", "Init", "compared_until"]

_SHARE = 0.12  # of the time that is left, for each of two beginnings
_SCRATCH, _INIT = "without weights", "with the weights of init"
_DECISION, _FOLDERS = "beginning.json", {_SCRATCH: "scratch", _INIT: "init"}


def compared_until(search_ends: float, total: float) -> float:
    """When two beginnings have been compared, in seconds, of a search that ended at
    `search_ends`.
    """
    return search_ends + 2 * _SHARE * (total - search_ends)


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


class HandsOffTraining(FinalTraining):
    """As `FinalTraining`.

    Args:
        init: an `Init` to hold the network against, or None.
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
        if self.init is not None and self._winner() == _INIT:
            return self._fine_tuned()
        return super()._trained()

    def _winner(self):
        """Which beginning is better: both are trained for equally long."""
        try:
            return read_json(self.folder / _DECISION)["winner"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self.stages.begin(COMPARING)
        seconds = _SHARE * self._left()
        scores = {_SCRATCH: self._score(_SCRATCH, seconds), _INIT: self._score(_INIT, seconds)}
        winner = max(scores, key=lambda name: -1.0 if scores[name] is None else scores[name])
        each = ", ".join(
            f"{name} {'failed' if score is None else f'{score:.4f}'}"
            for name, score in scores.items()
        )
        self.notes.append(f"after {seconds:.0f} s of training each, validation accuracy {each}")
        self.stages.say(self.notes[-1])
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / _DECISION, {"winner": winner, "scores": scores})
        return winner

    def _left(self):
        return max(self._last_step() - time.monotonic(), 1.0)

    def _score(self, name, seconds):
        """The validation accuracy of a beginning after so many seconds; None if it failed."""
        from nasnet_tf import training

        of_init = name == _INIT
        size = None if of_init else self._likely_size()
        data, recipe = (self.init.data, self.init.recipe) if of_init else (self.data, self.recipe)

        def network(data, recipe):
            if of_init:
                return self.init.network(data, recipe)
            return self._network(data, recipe, size, resume=True)

        folder = self.folder / _FOLDERS[name]
        training.forget(folder)
        try:
            model, _ = fitting.train_network(
                network, data, recipe, self.stages, seed=self.options.seed, folder=folder,
                parts=("validation",), seconds=seconds,
            )  # fmt: skip
        except ArithmeticError:
            return None
        finally:
            training.forget(folder)
        if of_init:
            return training.scores(model, data, "validation")["accuracy"]
        found = score_child(model, "the comparison of beginnings", size, data)
        if self.child is None or found.scores["accuracy"] > self.child.scores["accuracy"]:
            self.child = self.sizes.child = found
        return found.scores["accuracy"]

    def _likely_size(self):
        """The size that the network at the end will have, about."""
        sizes = self.sizes.candidates()
        return (self.sizes.fitting(sizes, self._last_step()) or sizes[-1:])[0]

    def _fine_tuned(self):
        """(the network with the weights of `init`, trained; its size; its epochs)."""
        from nasnet_tf.training.checkpoint import STATE

        self.stages.begin("training")
        self.trained_on, folder = self.init.data, self.folder / _FOLDERS[_INIT]
        model, history = fitting.train_network(
            self.init.network, self.init.data, self.init.recipe, self.stages,
            seed=self.options.seed, folder=folder, resume=(folder / STATE).is_file(),
            callbacks=self._kept(), parts=self.parts, then=self.drawing,
        )  # fmt: skip
        return model, Size(None, None), len(history["loss"])

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

        for name in _FOLDERS.values():
            training.forget(self.folder / name)
        (self.folder / _DECISION).unlink(missing_ok=True)
        super().forget()
