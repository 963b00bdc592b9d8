"""A search on pictures: the data, the children, the network at the end."""

from __future__ import annotations

from nasnet_tf.workflow import prescreen, sizes, sources
from nasnet_tf.workflow.catalogue import cost_arguments, cost_of, reward_of
from nasnet_tf.workflow.table import Shown

# of the training images, to judge children by; the network at the end trains on more of them
_VALIDATION = 0.2
_SIZES = {"child_cells": 1, "child_filters": 8, "num_cells": 2, "filters": 16}


class PictureSearch:
    """A search on pictures.

    Args:
        options: what was asked, with this class's `defaults`.
        space: what is searched.
    Raises: ValueError for what cannot be, before anything is begun.
    """

    recipe, examples = "short", "images"

    def __init__(self, options, space):
        self.options, self.space = options, space
        self.data = sources.read_pictures(options, validation=_VALIDATION)
        one = space.decode(space.first)
        for size in ((options.num_cells, options.filters), self.child_size):
            cost_of(one, **cost_arguments(self.data, *size))
        prescreen.check(options, self.data, space)
        self.size = prescreen.final_size(self.data, options)
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
            _SIZES,
            f"is nothing that networks of the space {options.space} have: their size is their own",
        )
        return {"child_batch_size": 64}

    @property
    def child_size(self):
        """N and F of the children."""
        return self.options.child_cells, self.options.child_filters

    def whole(self):
        """The pictures that the network at the end is trained on."""
        return sources.read_pictures(self.options)

    def child(self):
        """Arguments of the hypermodel of the children."""
        data, (cells, filters) = self.data, self.child_size
        pixels = {"mean": data.mean, "std": data.std, "class_names": data.class_names}
        return {
            "input_shape": data.input_shape,
            "classes": data.classes,
            "num_cells": cells,
            "filters": filters,
            "stem": None,
            **pixels,
            "batch_norm_momentum": 0.9,
            "batch_norm_epsilon": 1e-5,
            "soft": prescreen.soft_limit(data, self.options),
        }

    def some(self, most):
        """Training and validation images for the children: at most so many, or all there are, of
        the training and validation parts.
        """
        import numpy as np

        data, rng = self.data, np.random.default_rng(self.options.seed)
        train = rng.permutation(len(data.x_train))[:most]
        count = None if most is None else max(most // 4, 1)
        validation = rng.permutation(len(data.x_validation))[:count]
        # pictures that are files are read here
        x, x_validation = np.asarray(data.x_train[train]), np.asarray(data.x_validation[validation])
        return x, data.y_train[train], x_validation, data.y_validation[validation]

    def final_seconds(self, genotype, seconds, few):
        """Seconds that the network at the end takes for as many steps as do it good, on all cores;
        None where that is not known.

        Args:
            seconds: that the genotype's child took.
            few: the images that it was trained on.
        """
        epoch = self.epoch_seconds(genotype, seconds, few)
        return epoch and sizes.seconds_to_train(len(self.data.x_train), epoch)

    def epoch_seconds(self, genotype, seconds, few):
        """Seconds that the network at the end takes for an epoch on one core; None where that is
        not known. Arguments as of `final_seconds`.
        """
        options, images = self.options, len(self.data.x_train)
        both = self.child_size, (options.num_cells, options.filters)
        child, final = (cost_of(genotype, **cost_arguments(self.data, *size)) for size in both)
        if child is None or final is None:
            return None
        times = sizes.times(final.multiply_adds, child.multiply_adds)
        return times * images * seconds / (options.child_epochs * few)

    def prescreen(self, x, scored):
        """See `nasnet_tf.workflow.prescreen.prescreen`."""
        return prescreen.prescreen(self.data, self.options, x, scored)

    def tested(self, result):
        """How the network at the end does, for the page."""
        accuracy = f"{result['accuracy']:.4f} on {result['images']} images, looked at once"
        return {"test accuracy": accuracy}
