"""A search on pictures: the data, the children, the network at the end."""

from __future__ import annotations

import math

from nasnet_tf.workflow import prescreen, sizes, sources, studies
from nasnet_tf.workflow.catalogue import cost_arguments, cost_of, reward_of, stem_for
from nasnet_tf.workflow.table import Shown

# of the training images, to judge children by; the network at the end trains on more of them
_VALIDATION = 0.2
_SIZES = {"child_cells": 1, "child_filters": 8, "num_cells": 2, "filters": 16}
_JUDGED = 0.75  # validation images for a training image of a child that is judged once


class PictureSearch:
    """A search on pictures.

    Args:
        options: what was asked, with this class's `defaults`.
        space: what is searched.
    Raises: ValueError for what cannot be, before anything is begun.
    """

    recipe, examples = "short", "images"

    def __init__(self, options, space):
        self.space = space
        self.data = sources.read_pictures(options, validation=_VALIDATION)
        if options.is_hands_off:
            options = prescreen.with_fitting_size(options, self.data, space)
        self.options = options
        one = space.decode(space.first)
        cost_of(one, **cost_arguments(self.data, *self.child_size) | self._small_pictures)
        cost_of(one, **self.size)
        prescreen.check(options, self.data, space)
        studies.check_kernels(options, space)
        self.facts = prescreen.facts(options)
        target = options.target_multiply_adds
        plain = target is None and reward_of(space) is None
        self.shown = Shown() if plain else Shown(reward="reward", target=target)

    @staticmethod
    def defaults(options, space) -> dict:
        """What is taken for options that are left open. Raises ValueError for those that do not
        suit.
        """
        sources.refuse_text(
            options, f"the space {options.space} is searched on pictures; add `space='recurrent'`"
        )
        if not space.decode(space.first).sized:
            return {"child_batch_size": 64, **_SIZES}
        options.refuse(
            (*_SIZES, "child_image_size"),
            f"is nothing that networks of the space {options.space} have: their size is their own",
        )
        return {"child_batch_size": 64}

    @property
    def size(self) -> dict:
        """Arguments of `cost_of` for the network at the end."""
        return prescreen.final_size(self.data, self.options)

    @property
    def is_judged_at_the_end(self) -> bool:
        """Whether what a child reached before the end of its training does not matter."""
        decides = studies.settings_of(self.options.strategy, self.options)
        return reward_of(self.space) is None and not (self.options.stop_early or decides)

    @property
    def child_size(self):
        """N and F of the children."""
        return self.options.child_cells, self.options.child_filters

    @property
    def child_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the pictures that children see."""
        *sides, channels = self.data.input_shape
        asked = self.options.child_image_size
        if asked is not None and asked < max(sides):
            return (asked, asked, channels)
        sized = self.space.decode(self.space.first).sized
        small = sizes.half(sides)
        if asked is not None or sized or small is None:
            return self.data.input_shape
        return (*small, channels)

    def whole(self):
        """The pictures that the network at the end is trained on."""
        return sources.read_pictures(self.options)

    def child(self):
        """Arguments of the hypermodel of the children."""
        data, (cells, filters) = self.data, self.child_size
        pixels = {"mean": data.mean, "std": data.std, "class_names": data.class_names}
        return {
            **self._small_pictures,
            "classes": data.classes,
            "num_cells": cells,
            "filters": filters,
            **pixels,
            "batch_norm_momentum": 0.9,
            "batch_norm_epsilon": 1e-5,
            "soft": prescreen.soft_limit(data, self.options),
            "native": self.options.child_kernels or True,
        }

    @property
    def whole_pictures(self) -> dict:
        """Arguments of `child` for pictures of the data's size."""
        return {"input_shape": self.data.input_shape}

    @property
    def _small_pictures(self):
        """Arguments of a child's network: the stem is that of the network at the end."""
        stem = stem_for(self.space.decode(self.space.first), self.data.input_shape)
        return {"input_shape": self.child_shape, "stem": stem}

    def some(self, most, shape=None):
        """Training and validation images for the children: at most so many, or all there are, of
        the training and validation parts.

        Args:
            shape: of the images; None takes them as they are.
        """
        import numpy as np

        from nasnet_tf.data.images import resize

        data, rng = self.data, np.random.default_rng(self.options.seed)
        train = rng.permutation(len(data.x_train))[:most]
        share = _JUDGED * (1 if self.is_judged_at_the_end else 1 / self.options.child_epochs)
        count = None if most is None else max(round(share * most), 1)
        validation = rng.permutation(len(data.x_validation))[:count]
        # pictures that are files are read here
        both = np.asarray(data.x_train[train]), np.asarray(data.x_validation[validation])
        if shape is not None and tuple(shape) != tuple(data.input_shape):
            both = tuple(resize(images, shape[:2]) for images in both)
        x, x_validation = both
        return x, data.y_train[train], x_validation, data.y_validation[validation]

    def final_seconds(self, genotype, seconds):
        """Seconds that the network at the end takes for as many steps as do it good, on all cores;
        None where that is not known.

        Args:
            seconds: that the genotype's child took.
        """
        epoch = self.epoch_seconds(genotype, seconds)
        return epoch and sizes.seconds_to_train(len(self.data.x_train), epoch)

    def epoch_seconds(self, genotype, seconds, small=False):
        """Seconds that the network at the end takes for an epoch on one core; None where that is
        not known. Arguments as of `final_seconds`.
        """
        options, images = self.options, len(self.data.x_train)
        child = cost_of(genotype, **cost_arguments(self.data, *self.child_size))
        final = cost_of(genotype, **self.size)
        if child is None or final is None:
            return None
        few = min(options.child_images, images)
        shape = self.child_shape if small else self.data.input_shape
        pixels = math.prod(shape) / math.prod(self.child_shape)
        times = pixels * sizes.times(final.multiply_adds, child.multiply_adds)
        return times * images * seconds / (options.child_epochs * few)

    def prescreen(self, x, scored):
        """See `nasnet_tf.workflow.prescreen.prescreen`."""
        return prescreen.prescreen(self.data, self.options, x, scored)

    def tested(self, result):
        """How the network at the end does, for the page."""
        accuracy = f"{result['accuracy']:.4f} on {result['images']} images, looked at once"
        if "interval" in result:
            low, high = result["interval"]
            accuracy += f"; on all such images {low:.4f} to {high:.4f} (95 % interval)"
        facts = {"test accuracy": accuracy}
        if "calibration_error" in result:
            before, after = (result["calibration_error"][when] for when in ("before", "after"))
            facts["probabilities"] = (
                f"{after:.1%} off on average, {before:.1%} before their calibration on the"
                f" validation images (temperature {result['temperature']:.2f})"
            )
        return facts
