"""What every network has that is made of a lowered graph, whatever computes it: its weights as they
are at first, how images become numbers, and what is to be trained.
"""

from __future__ import annotations

import inspect

import numpy as np

from nasnet_tf.lowered.fitting import BareModel
from nasnet_tf.lowered.graph import LoweredGraph
from nasnet_tf.systems import SYSTEMS, system_of


class ImageModel(BareModel):
    """A network of images that no framework builds.

    Args:
        genotype: of a system of images that is `native`.
        weight_decay, mean, std, **arguments: of its Keras network (`systems.networks.build`), as
            far as its graph takes them. From the same state of Python's random numbers the initial
            weights are those of the Keras network.
        label_smoothing: share of the target that is spread over all classes.
        initial: {path: initial value} of all weights, instead of random numbers.
    Attributes: graph, a `LoweredGraph`; initial, the values of the trained weights and of the
        others, each as a flat vector.
    Raises: NotImplementedError for a genotype, a node or an argument that has no native operation.
    """

    learning_rate = 0.05

    def __init__(
        self, genotype, *, weight_decay=0.0, mean=None, std=None, label_smoothing=0.0, initial=None,
        **arguments,
    ):  # fmt: skip
        system = system_of(genotype)
        if not system.native or system.graph is None:
            names = [name for name, each in SYSTEMS.items() if each.native and each.graph]
            raise NotImplementedError(
                f"a network of {type(genotype).__name__} is not trained natively; those of"
                f" {', '.join(names)} are."
            )
        accepted = inspect.signature(system.graph).parameters
        for name in [name for name in arguments if name not in accepted]:
            if arguments.pop(name):
                raise NotImplementedError(f"a native network of {genotype.schema} has no {name}.")
        self.graph = LoweredGraph(system.graph(genotype, **arguments))
        self.mean = np.asarray(0.0 if mean is None else mean, "float32")
        self.std = np.asarray(1.0 if std is None else std, "float32")
        self.initial = self.graph.initial() if initial is None else self.graph.filled(initial)
        self.weight_decay, self.label_smoothing = weight_decay, label_smoothing

    def check_shape(self, images) -> None:
        """Raises ValueError unless these are images of the network's size."""
        shape = (*self.graph.image.size, self.graph.image.channels)
        if np.shape(images)[1:] != shape:
            raise ValueError(
                f"the images are {np.shape(images)}; this network takes (images,"
                f" {', '.join(map(str, shape))})."
            )

    def evaluate(self, images, labels=None, batch_size=64, callbacks=()) -> tuple[float, float]:
        """(loss, accuracy) by the moving averages of the batch norms. Arguments as `step`; or an
        iterable of batches of images in pixels and labels.
        """
        totals = self._evaluated(images, labels, batch_size, callbacks)
        return totals.loss, totals.accuracy

    def _logs(self, totals):
        return {"accuracy": totals.accuracy, "loss": totals.loss}


def labels_of(labels) -> np.ndarray:
    """(images,): class indices, given as (images,) or (images, 1), as int64."""
    return np.asarray(labels).reshape(-1).astype("int64")
