"""The network that a search delivers: the found cell scaled up and trained in the time that is
left, or the child as it is if that is better.
"""

from __future__ import annotations

import dataclasses
import json
import time

from nasnet_tf.files import read_json, replacing, write_json
from nasnet_tf.workflow import fitting, growing
from nasnet_tf.workflow.catalogue import stem_for
from nasnet_tf.workflow.folder import CHOICE
from nasnet_tf.workflow.sizes import Size, SizeChooser

__all__ = ["FinalTraining"]

# of the steps that are enough: with these the training goes on, and does not begin anew at another
# size
_ALL_THERE_IS = 0.5
_SAVING = 0.03  # of the time
_FEW_EPOCHS = 30  # of whole pictures, with which small ones first are better
_DEFAULT_EPOCHS = 30
_NO_CHILD = "there is no trained child to hold it against"
_NO_TIME = "no time was left to train another network"
_NOTHING = None, None, 0  # was trained: no model, no size, no epochs


class FinalTraining:
    """The end of a search.

    Args:
        found: the genotype.
        child: the best `Child`, or None where its weights are not to be had.
        data: what to train on.
        recipe: the name of the recipe.
        options: `SearchOptions`.
        folder: for the state of the training.
        stages: take the reports.
        drawing: seconds that it takes to draw the pictures of the search, which come last.
        grows: whether a training by the clock begins with small pictures.
        usable: the `BestSoFar`, which gets the network while it is trained; None where there is
            none.
    """

    def __init__(
        self, found, child, data, recipe, options, folder, stages, drawing, grows=False,
        usable=None,
    ):  # fmt: skip
        from nasnet_tf.training import RECIPES

        self.found, self.child, self.data, self.options = found, child, data, options
        self.folder, self.stages, self.drawing, self.usable = folder, stages, drawing, usable
        epochs = options.epochs or (None if stages.budget.is_limited else _DEFAULT_EPOCHS)
        named = RECIPES[recipe]
        rate = getattr(found, "learning_rate", named.learning_rate)
        self.recipe = dataclasses.replace(named, epochs=epochs, learning_rate=rate)
        self.sizes = SizeChooser(found, data, child, options, named.batch_size)
        self.notes = [] if child is not None else [_NO_CHILD]
        self.trained_on, self.sections = data, []  # of the page: (title, HTML)
        self._steps = None  # that the size to be tried is expected to get
        self.grows = grows and self.by_clock and growing.half(data.input_shape) is not None

    @property
    def parts(self):
        """Of the data that the network is scored on, as often as it is."""
        return ("validation", "test")

    @property
    def by_clock(self):
        """Whether the time decides how long the training is."""
        return self.recipe.epochs is None

    def deliver(self, out) -> dict:
        """Trains, saves the better network as `out`, and returns what is delivered, how it does and
        why it was chosen.
        """
        model, size, epochs = self._trained()
        self.stages.begin("testing")
        scores, delivered = self._compared(model)
        if delivered == "child":
            model, size = self.child.model, self.child.size
        seen = self.data if delivered == "child" else self.trained_on
        tested = self._tested(model, seen)
        result = {"model": str(out), **tested, "parameters": model.count_params()}
        with replacing(out) as temporary:
            self._to_save(model).save(temporary)
        result |= {"delivered": delivered, **size._asdict(), "epochs": epochs}
        return {**result, "validation": scores, "why": "; ".join(self.notes)}

    def _to_save(self, model):
        """What is saved of the network."""
        return model

    def _tested(self, model, data) -> dict:
        """How the network does that is delivered."""
        from nasnet_tf import training

        return training.scores(model, data)

    def _compared(self, model):
        """(the scores of the network and of the child on the validation part, which is better)."""
        from nasnet_tf import training

        name, sign = ("perplexity", -1) if hasattr(self.data, "windows") else ("accuracy", 1)
        scores = {}
        if model is not None:
            scores["final network"] = training.scores(model, self.trained_on, "validation")[name]
        if self.child is not None:
            scores["child"] = self.child.scores[name]
        delivered = max(scores, key=lambda kind: sign * scores[kind])
        said = "the network trained at the end is delivered"
        if delivered == "child":
            said = f"the child of {self.child.trial} is delivered as it was trained"
        each = ", ".join(f"{value:.4f} of the {kind}" for kind, value in scores.items())
        self.notes.append(f"{said}: validation {name} {each}")
        return scores, delivered

    def forget(self):
        """Deletes the state of the training, once all has been written."""
        from nasnet_tf import training

        training.forget(self.folder)
        growing.forget_small(self.folder)
        (self.folder / CHOICE).unlink(missing_ok=True)

    def _trained(self):
        """(the model that was trained, or None where that could not be; its size; its epochs)."""
        resumed = self._interrupted_size()
        if resumed is not None:
            sizes = [resumed]
        else:
            sizes = self._fitting() if self.by_clock else [self.sizes.requested]
        try:
            while sizes:
                found, sizes = self._try(sizes, resumed is not None)
                if found is not None:
                    return found
        except ArithmeticError as error:
            if self.child is None:
                raise
            self.notes.append(f"the training at the end failed: {error}")
            return _NOTHING
        self.notes.append(_NO_TIME)
        return _NOTHING

    def _try(self, sizes, resume):
        """(the model, its size and its epochs, or None if it is too slow; the sizes to try
        then).
        """
        from nasnet_tf.training import TooSlow

        size, *smaller = sizes
        try:
            model, history = self._train(size, smaller, resume)
            return (model, size, len(history["loss"])), []
        except TooSlow as slow:
            if not (slow.steps and smaller):
                return None, []
            possible = self.sizes.within(smaller, size, slow.steps)
            why = f"for {size} there is time for {slow.steps:.0f} steps only"
            self._say_smaller(possible[0], why)
            self._steps = slow.steps * self.sizes.cost(size) / self.sizes.cost(possible[0])
            return None, possible

    def _fitting(self):
        """The sizes that the time may be enough for, the most costly first."""
        from nasnet_tf.training.trainers import is_native

        sizes, ends = self.sizes.candidates(), self._last_step()
        if self.child is not None and is_native(self.found, self.recipe):
            return sizes if ends > time.monotonic() else []  # its first steps tell how fast it is
        possible = self.sizes.fitting(sizes, ends)
        if self.child is not None and possible and possible[0] != sizes[0]:
            steps = self.sizes.steps(sizes[0], ends)
            why = f"for {sizes[0]} there is time for about {steps:.0f} steps"
            self._say_smaller(possible[0], why)
        return possible

    def _say_smaller(self, size, why):
        self.notes.append(f"{why}, so the network is {size}")
        self.stages.say(self.notes[-1])

    def _train(self, size, smaller, resume):
        """Trains the network of that size, unless that takes so long that a smaller one would be
        better. (model, history).
        """
        self.stages.begin("training")
        if not resume:
            self._note_choice(size)
        given = {"seed": self.options.seed, "folder": self.folder}
        small, in_whole = None, resume and growing.in_whole(self.folder)
        begun = resume and growing.was_begun(self.folder)
        if not in_whole and (begun or not resume and self._begins_small(smaller)):
            last = self._last_step()
            self.stages.say("the training begins with pictures of half the side")
            small = growing.begin(
                lambda data, recipe: self._network(data, recipe, size, resume),
                self.data,
                self.recipe,
                self.stages,
                resume=resume,
                then=self.stages.budget.ends - last,
                callbacks=self._pace(smaller, resume, growing.STEPS, growing.last_step(last)),
                **given,
            )
        grown = small is not None or in_whole and growing.was_begun(self.folder)
        return fitting.train_network(
            lambda data, recipe: self._network(data, recipe, size, resume, small),
            growing.judged_on_some(self.data) if grown else self.data,
            self.recipe,
            self.stages,
            resume=in_whole,
            callbacks=[*([] if grown else self._pace(smaller, resume)), *self._kept()],
            parts=self.parts,
            scored=self.data,
            then=self.drawing,
            **(growing.IN_WHOLE if grown else {}),
            **given,
        )

    def _begins_small(self, smaller):
        """Whether the training begins with small pictures: where it would see whole ones for few
        epochs. One that goes on though there are smaller networks gets the steps for that.
        """
        steps = self._steps
        if steps is None:
            steps = _ALL_THERE_IS * self.sizes.enough if smaller else 0
        return self.grows and steps < _FEW_EPOCHS * self.sizes.epoch

    def _network(self, data, recipe, size, resume, small=None):
        from nasnet_tf.training import network_for

        given = {name: value for name, value in size._asdict().items() if value is not None}
        if hasattr(self.data, "input_shape"):  # small pictures have the stem of whole ones
            given["stem"] = stem_for(self.found, self.data.input_shape)
        model = network_for(self.found, data, recipe, **given)
        if small is not None:
            growing.take_weights(model, small)
            return model
        is_child = self.child is not None and size == self.child.size
        if self.by_clock and not resume and is_child:
            model.set_weights(self.child.model.get_weights())
            self.notes.append("the training at the end begins with the child's weights")
        return model

    def _kept(self):
        """The callback that keeps the network usable."""
        return [] if self.usable is None else [self.usable.callback()]

    def _pace(self, smaller, resume, times=1.0, last=None):
        """The callback that ends a training which is too slow."""
        from nasnet_tf.training import Pace

        if not self.by_clock or self.child is None or resume:
            return []
        enough = times * _ALL_THERE_IS * self.sizes.enough if smaller else 0
        return [Pace(enough, last or self._last_step(), times)]

    def _last_step(self):
        """When the last step of the training must be done, about."""
        from nasnet_tf.training import examples

        budget, evaluated = self.stages.budget, 0.0
        if self.child is not None:
            count = 2 * examples(self.data, "validation") + examples(self.data, "test")
            evaluated = self.child.seconds * count
        return budget.ends - self.drawing - evaluated - _SAVING * budget.seconds

    def _note_choice(self, size):
        from nasnet_tf.training import forget

        forget(self.folder)
        growing.forget_small(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / CHOICE, {**self._begun(), **size._asdict()})

    def _begun(self):
        return {"genotype": json.loads(self.found.to_json()), "epochs": self.recipe.epochs}

    def _interrupted_size(self):
        """The size of the network whose training was interrupted, None if there is none that could
        go on.
        """
        try:
            choice = read_json(self.folder / CHOICE)
            same = all(choice[name] == value for name, value in self._begun().items())
            size = Size(choice["num_cells"], choice["filters"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        begun = growing.in_whole(self.folder) or growing.was_begun(self.folder)
        return size if same and begun else None
