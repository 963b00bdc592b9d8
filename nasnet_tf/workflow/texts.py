"""A search on a text: the data, the children, the network at the end."""

from __future__ import annotations

from nasnet_tf.workflow import prescreen, sources
from nasnet_tf.workflow.table import Shown
from nasnet_tf.workflow.wording import outcome


class TextSearch:
    """A search on a text. Arguments as `nasnet_tf.workflow.pictures.PictureSearch`."""

    recipe, examples = "language", "windows"
    shown = Shown(
        "val_perplexity", "validation perplexity", "reward, 80 / perplexity squared", False
    )
    size, facts = None, {}

    def __init__(self, options, space):
        self.options, self.space, self.data = options, space, sources.read_text(options)

    @staticmethod
    def defaults(options, space) -> dict:
        """See `PictureSearch.defaults`."""
        options.refuse(
            (*prescreen.OF_PICTURES, "child_image_size", "child_kernels"),
            "is for pictures; recurrent cells of one base cost the same",
        )
        if options.strategy == "one-shot":
            raise ValueError(
                "the strategy one-shot shares the weights of cells for pictures; search a text with"
                " another `strategy`."
            )
        prescreen.check_early(options)
        sizes = {"child_cells": 1, "child_filters": 32, "num_cells": 2, "filters": 128}
        return {"child_batch_size": 50, **sizes, **sources.text_defaults(options)}

    def whole(self):
        """The text that the network at the end is trained on."""
        return self.data

    def child(self):
        """Arguments of the hypermodel of the children."""
        data = self.data
        size = {"num_cells": self.options.child_cells, "filters": self.options.child_filters}
        named = {"class_names": data.vocabulary, "level": data.level}
        return {"steps": data.steps, "words": data.classes, **size, **named}

    child_shape, whole_pictures = None, {}  # texts are not made smaller
    is_judged_at_the_end = False

    def some(self, most, shape=None):
        """Windows of the training and validation parts for the children: at most so many, or all
        there are.
        """
        import numpy as np

        rng, found = np.random.default_rng(self.options.seed), []
        few = None if most is None else max(most // 4, 1)
        for part, count in (("train", most), ("validation", few)):
            x, y = self.data.windows(part)
            chosen = rng.permutation(len(x))[:count]
            found += [x[chosen], y[chosen]]
        return found

    def final_seconds(self, genotype, seconds):
        """Not known of texts: see `PictureSearch.final_seconds`."""
        return None

    epoch_seconds = final_seconds

    def prescreen(self, x, scored):
        """Nothing: recurrent cells of one base cost the same."""
        return {}

    def tested(self, result):
        """How the network at the end does, for the page."""
        return {"test": f"{outcome(result)}, looked at once"}
