"""The operations of a network in NumPy, which tests compare it with, and random weights."""

import numpy as np

NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def windows(x, kernel_size, strides=(1, 1), dilation=1, border=0.0, padding=None):
    """What a kernel sees: (batch, height', width', kernel height, kernel width, channels).

    `padding` is of so many pixels on each side; None is "same" as TensorFlow documents it: what is
    missing is added on both sides, the odd one behind. Pixels outside are `border`.
    """
    starts, pads = [], []
    for size, kernel, stride in zip(x.shape[1:3], kernel_size, strides, strict=True):
        reach = (kernel - 1) * dilation + 1
        if padding is None:
            count = -(-size // stride)
            missing = max((count - 1) * stride + reach - size, 0)
            pads.append((missing // 2, missing - missing // 2))
        else:
            count = (size + 2 * padding - reach) // stride + 1
            pads.append((padding, padding))
        taps = np.arange(kernel) * dilation
        starts.append(np.arange(count)[:, None] * stride + taps[None])
    x = np.pad(x.astype("float64"), ((0, 0), *pads, (0, 0)), constant_values=border)
    rows, columns = starts
    return x[:, rows[:, None, :, None], columns[None, :, None, :], :]


def convolved(x, kernel, strides=(1, 1), dilation=1, padding=None):
    seen = windows(x, kernel.shape[:2], strides, dilation, padding=padding)
    return np.einsum("bhwijc,ijcf->bhwf", seen, kernel)


def depthwise(x, kernel, strides=(1, 1)):
    return np.einsum("bhwijc,ijcm->bhwc", windows(x, kernel.shape[:2], strides), kernel)


def averaged(x, size=3):
    """The mean of the pixels around each that are in the image."""
    inside = windows(np.ones_like(x), (size, size)).sum((3, 4))
    return windows(x, (size, size)).sum((3, 4)) / inside


def highest(x, size=3):
    """The highest of the pixels around each that are in the image."""
    return windows(x, (size, size), border=-np.inf).max((3, 4))


def relu(x):
    return np.maximum(x, 0)


def normed(x, part, epsilon=1e-5):
    """Batch norm by its averages; `part` has its four arrays by name."""
    gamma, beta, mean, variance = (part[name] for name in NORM)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def part_of(weights, name):
    """The arrays of the part of that name: {"gamma": ...} of {"name.gamma": ...}."""
    start = f"{name}."
    return {key.removeprefix(start): a for key, a in weights.items() if key.startswith(start)}


def shuffled(layer, seed=1, deviation=1.0):
    """`layer` with all weights random, averages of batch norms too, so that none is without effect.

    `seed` is a number or a generator of numbers.
    """
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        if "variance" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        else:
            weight.assign(rng.normal(0, deviation, weight.shape))
    return layer


def arrays(layer):
    """{name: array} of the weights of a layer."""
    return {weight.name: np.asarray(weight) for weight in layer.weights}
