"""How long an untrained network takes for one image on this machine."""

from __future__ import annotations

import statistics
import time

import keras
import numpy as np

from nasnet_tf.systems import networks
from nasnet_tf.systems.cells.genotype import Genotype

__all__ = ["latency", "latency_of"]


def latency(genotype: Genotype, *, repeats: int = 20, **network) -> float:
    """`latency_of` an untrained network. `network`: arguments of
    `nasnet_tf.systems.cells.network.Network`.
    """
    keras.backend.clear_session()
    return latency_of(networks.build(genotype, **network), repeats)


def latency_of(model: keras.Model, repeats: int = 20) -> float:
    """Milliseconds for one image: the median of so many calls of `predict_on_batch`, after the
    graph is traced.

    Other load on the machine is measured too.

    Args:
        model: of one image input of known size.
    """
    image = np.zeros((1, *model.input_shape[1:]), "float32")
    for _ in range(2):
        model.predict_on_batch(image)
    return 1000 * statistics.median(_seconds(model, image) for _ in range(repeats))


def _seconds(model, image):
    began = time.perf_counter()
    model.predict_on_batch(image)
    return time.perf_counter() - began
