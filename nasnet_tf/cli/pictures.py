"""`nasnet-tf search` where a space's networks read pictures: the data, the children, the network at
the end.
"""

from __future__ import annotations

from nasnet_tf.cli import options, prejudge, texts
from nasnet_tf.cli.run import Shown
from nasnet_tf.systems import system_of
from nasnet_tf.systems.costs import cost_of

# of the training images, to judge children by; the network at the end trains on more of them
_VALIDATION = 0.2


class Pictures:
    """A search on pictures.

    Args:
        source, config, data_dir: what was asked; what `config` leaves open is filled in.
        space: what is searched.
    Raises: ValueError for what cannot be, before anything is begun.
    """

    sizes = {"child_cells": 1, "child_filters": 8, "num_cells": 2, "filters": 16}
    recipe, examples = "short", "images"

    def __init__(self, source, config, data_dir, space):
        from nasnet_tf import data as datasets

        texts.refuse(
            config,
            source,
            f"the space {config['space']} is searched on pictures; add --space recurrent",
        )
        one = space.decode(space.first)
        if one.sized:
            options.refuse(
                config,
                self.sizes,
                f"is nothing that networks of the space {config['space']} have: their size is"
                " their own",
            )
        options.fill(config, {"child_batch_size": 64, **({} if one.sized else self.sizes)})
        given = dict(
            image_size=config["image_size"],
            seed=config["seed"],
            data_dir=data_dir,
            skip_broken=bool(config.get("skip_broken")),
        )
        self.config, self.space = config, space
        self.whole = lambda: datasets.load(source, **given)
        self.data = datasets.load(source, validation=_VALIDATION, **given)
        for sizes in (("num_cells", "filters"), ("child_cells", "child_filters")):
            cost_of(one, **options.size(self.data, *(config[name] for name in sizes)))
        prejudge.check(config, self.data, space)
        self.size, self.facts = prejudge.final_size(self.data, config), prejudge.facts(config)
        target = config["target_multiply_adds"]
        self.reward = system_of(one).reward
        plain = target is None and self.reward is None
        self.shown = Shown() if plain else Shown(reward="reward", target=target)

    def child(self):
        """The hypermodel of the children."""
        from nasnet_tf.tuners import CellHyperModel

        config, data = self.config, self.data
        return CellHyperModel(
            data.input_shape,
            data.classes,
            space=self.space,
            num_cells=config["child_cells"],
            filters=config["child_filters"],
            stem=None,
            mean=data.mean,
            std=data.std,
            class_names=data.class_names,
            batch_norm_momentum=0.9,
            batch_norm_epsilon=1e-5,
            reward=self.reward,
            soft=prejudge.soft_limit(data, config),
        )

    def some(self):
        """Training and validation images for the children: at most so many, of the training and
        validation parts.
        """
        import numpy as np

        data, most, rng = (
            self.data,
            self.config["child_images"],
            np.random.default_rng(self.config["seed"]),
        )
        train = rng.permutation(len(data.x_train))[:most]
        validation = rng.permutation(len(data.x_validation))[: max(most // 4, 1)]
        x, x_validation = (
            np.asarray(data.x_train[train]),
            np.asarray(data.x_validation[validation]),
        )  # pictures that are files are read here
        return x, data.y_train[train], x_validation, data.y_validation[validation]

    def judges(self, x, scored):
        """Arguments of a tuner about what is decided before and while a child is trained; see
        `prejudge.judges`.
        """
        return prejudge.judges(self.data, self.config, x, scored)

    def tested(self, result):
        """How the network at the end does, for the page."""
        return {
            "test accuracy": (
                f"{result['accuracy']:.4f} on {result['images']} images, looked at once"
            )
        }
