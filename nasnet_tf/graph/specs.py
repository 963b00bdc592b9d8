"""The operations on a feature map that networks are made of, without the feature map.

Sources: Zoph et al. 2017, arXiv 1707.07012, section 3 and appendix A.4; the authors' TF-slim code
(slim/nets/nasnet/nasnet_utils.py).
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ConvSpec", "DepthwiseSpec", "NormSpec", "PoolSpec", "ReductionSpec", "channels_after"]


class ConvSpec(NamedTuple):
    """ReLU (unless `relu` is False), convolution without bias, batch norm."""

    filters: int
    kernel_size: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilation: int = 1
    separable: bool = False
    relu: bool = True
    # or "valid", or pixels above and to the left: see `nasnet_tf.graph.Window`
    padding: str | tuple[int, int] = "same"


class DepthwiseSpec(NamedTuple):
    """Depthwise convolution without bias, batch norm."""

    kernel_size: tuple[int, int] = (3, 3)


class PoolSpec(NamedTuple):
    """Maximum or average over `size` x `size` pixels; the border is not counted ("same" as
    TensorFlow means it).
    """

    kind: str  # "max" or "avg"
    size: int
    strides: int = 1


class ReductionSpec(NamedTuple):
    """Factorized reduction: two 1x1 convolutions of every second pixel, the second one pixel on;
    then batch norm.
    """

    filters: int
    relu: bool = True


class NormSpec(NamedTuple):
    """Layer norm over an image's pixels and channels, or instance norm over its pixels; gain and
    bias a channel.
    """

    kind: str  # "layer" or "instance"
    filters: int


def channels_after(spec, channels: int) -> int:
    """How many channels the result of `spec` has on a feature map of so many."""
    return channels if isinstance(spec, PoolSpec | DepthwiseSpec) else spec.filters
