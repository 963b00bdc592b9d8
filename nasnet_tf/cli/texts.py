"""`nasnet-tf search` where a space's networks read text: the data, the children, the network at the
end; and options about texts.
"""

from __future__ import annotations

import click

from nasnet_tf.cli import options, prejudge
from nasnet_tf.cli.run import Shown

_OPTIONS = (
    click.option(
        "--level",
        type=click.Choice(["word", "character"]),
        help="Of a text: what is predicted.  [default: word]",
    ),
    click.option(
        "--vocabulary",
        type=click.IntRange(min=2),
        help="Of a text: how many words are told apart.  [default: 10000]",
    ),
    click.option(
        "--steps",
        type=options.POSITIVE,
        help="Of a text: words from the start of a window to its end.  [default: 35]",
    ),
)
_DEFAULTS = {"level": "word", "vocabulary": 10_000, "steps": 35}
_OF_PICTURES = (
    "prejudge",
    "target_multiply_adds",
    "soft_weight",
    "max_latency_ms",
    "max_parameters",
    "max_multiply_adds",
)


def of_text(command):
    """Gives a command the options about how a text is read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def refuse(config, source, why):
    """Raises ValueError for options about texts, and for a text, where pictures are wanted."""
    from nasnet_tf.data.text import is_text

    options.refuse(
        config, _DEFAULTS, "is for a text, which recurrent cells are searched and trained on"
    )
    if is_text(source):
        raise ValueError(f"{source} is a text, but {why}.")


def read(source, config, vocabulary=None):
    """The text in the file `source`, read as `config` says; what it leaves open is filled in.
    `vocabulary` is that of a trained network.
    """
    from nasnet_tf.data import load_text
    from nasnet_tf.data.text import is_text

    if not is_text(source):
        raise ValueError(
            f"{source} is no text file; recurrent cells are searched and trained on one, such as"
            " text.txt."
        )
    options.refuse(config, ("image_size", "data_dir", "skip_broken"), "is for pictures")
    options.fill(config, _DEFAULTS)
    return load_text(
        source,
        level=config["level"],
        most=config["vocabulary"],
        steps=config["steps"],
        vocabulary=vocabulary,
    )


class Texts:
    """A search on a text. Arguments as `nasnet_tf.cli.pictures.Pictures`."""

    defaults = {
        "child_batch_size": 50,
        "child_cells": 1,
        "child_filters": 32,
        "num_cells": 2,
        "filters": 128,
    }
    recipe, examples = "language", "windows"
    shown = Shown(
        "val_perplexity", "validation perplexity", "reward, 80 / perplexity squared", False
    )
    size, facts = None, {}

    def __init__(self, source, config, data_dir, space):
        options.refuse(
            config, _OF_PICTURES, "is for pictures; recurrent cells of one base cost the same"
        )
        if config["strategy"] == "one-shot":
            raise ValueError(
                "the strategy one-shot shares the weights of cells for pictures; search a text with"
                " another --strategy."
            )
        options.refuse({"data_dir": data_dir}, ["data_dir"], "is for pictures")
        prejudge.check_early(config)
        options.fill(config, self.defaults)
        self.config, self.space, self.data = config, space, read(source, config)

    def whole(self):
        """The text that the network at the end is trained on."""
        return self.data

    def child(self):
        """The hypermodel of the children."""
        from nasnet_tf.tuners import LanguageHyperModel

        size = dict(num_cells=self.config["child_cells"], filters=self.config["child_filters"])
        named = dict(class_names=self.data.vocabulary, level=self.data.level)
        return LanguageHyperModel(
            self.data.steps, self.data.classes, space=self.space, **size, **named
        )

    def some(self):
        """Windows of the training and validation parts for the children: at most so many."""
        import numpy as np

        most, rng, found = (
            self.config["child_images"],
            np.random.default_rng(self.config["seed"]),
            [],
        )
        for part, count in (("train", most), ("validation", max(most // 4, 1))):
            x, y = self.data.windows(part)
            chosen = rng.permutation(len(x))[:count]
            found += [x[chosen], y[chosen]]
        return found

    def judges(self, x, scored):
        """Arguments of a tuner about what is decided while a child is trained."""
        return prejudge.early(self.config)

    def tested(self, result):
        """How the network at the end does, for the page."""
        return {"test": f"{options.outcome(result)}, looked at once"}
