"""Initial values drawn by NumPy: a seed gives the same network on every backend, and nothing of the
backend is called to draw a kernel.
"""

from __future__ import annotations

import functools
import math
import random
import statistics

import keras
import numpy as np


@keras.saving.register_keras_serializable("nasnet_tf")
class VarianceScaling(keras.initializers.Initializer):
    """Values of variance `scale` / fan: a normal cut at two standard deviations, or uniform.

    Args:
        scale: 2 as slim's arg_scope has it for every kernel, depthwise ones included.
        mode: "fan_out" (height * width * last axis) or "fan_avg" (the mean of that and height *
            width * last but one axis).
        distribution: "truncated_normal" or "uniform".
        seed: None draws one from Python's generator, which `keras.utils.set_random_seed` seeds; one
            object draws one set of values.
    Source: the fans and the spread of `keras.initializers.VarianceScaling`.
    """

    def __init__(self, scale=2.0, mode="fan_out", distribution="truncated_normal", seed=None):
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.seed = random.randint(1, 2**31 - 1) if seed is None else seed

    def __call__(self, shape, dtype=None):
        rng, (*window, inputs, outputs) = np.random.default_rng(self.seed), shape
        fan = math.prod(window) * (outputs if self.mode == "fan_out" else (inputs + outputs) / 2)
        variance = self.scale / max(1.0, fan)
        draw = _truncated_normal if self.distribution == "truncated_normal" else _uniform
        return _of(draw(rng, shape, variance), dtype)

    def get_config(self):
        names = ("scale", "mode", "distribution", "seed")
        return {name: getattr(self, name) for name in names}


def zeros(shape, dtype=None):
    """All zeros."""
    return _of(np.zeros(shape, np.float32), dtype)


def ones(shape, dtype=None):
    """All ones."""
    return _of(np.ones(shape, np.float32), dtype)


# By their names in a `nasnet_tf.graph.WeightSpec`: functions that make a new one.
INITIALIZERS = {
    "kernel": VarianceScaling,
    "classifier": functools.partial(VarianceScaling, 1.0, "fan_avg", "uniform"),
    "zeros": lambda: zeros,
    "ones": lambda: ones,
}


def _of(values, dtype):
    """A variable takes a NumPy array as it is, which is quicker than a tensor; NumPy has no
    bfloat16.
    """
    if dtype in (None, "float32"):
        return values
    return keras.ops.convert_to_tensor(values, dtype=dtype)


_CUT_DEVIATION = 0.87962566103423978  # of a standard normal that is cut at 2


@functools.cache
def _quantiles(exact=4097):
    """65,536 equally likely values of a normal cut at 2; a 16 bit number picks one, in a quarter of
    the time of drawing it.
    """
    normal = statistics.NormalDist()
    low, high = normal.cdf(-2), normal.cdf(2)
    known = [normal.inv_cdf(low + (high - low) * i / (exact - 1)) for i in range(exact)]
    chances = (np.arange(65536) + 0.5) / 65536
    return np.interp(chances, np.linspace(0, 1, exact), known).astype("float32")


def _truncated_normal(rng, shape, variance):
    values = _quantiles().take(rng.integers(0, 65536, math.prod(shape), dtype=np.uint16))
    values *= np.float32(math.sqrt(variance) / _CUT_DEVIATION)
    return values.reshape(shape)


def _uniform(rng, shape, variance):
    limit = np.float32(math.sqrt(3 * variance))
    return rng.random(shape, dtype=np.float32) * (2 * limit) - limit
