"""What every named operation and combination of a cell is made of.

Sources: Zoph et al. 2017, arXiv 1707.07012, section 3 and appendix A.4, and the authors' TF-slim
    code (slim/nets/nasnet/nasnet_utils.py); for operations that slim does not have (1x3-3x1,
    1x7-7x1, dilated, 3x3, 1x1), Google's AmoebaNet code on the same base class
    (tpu/models/official/amoeba_net); for dilated separable convolutions the code of DARTS
    (cnn/operations.py), for the plain 3x3 that of NAS-Bench-201.
"""

from __future__ import annotations

from nasnet_tf.graph.specs import ConvSpec, NormSpec, PoolSpec

__all__ = ["COMBINATION_SPECS", "OPERATION_SPECS"]


def _pool(kind, size):
    def specs(channels, filters, strides):
        fit = () if channels == filters else (ConvSpec(filters, relu=False),)
        return (PoolSpec(kind, size, strides), *fit)

    return specs


def _separable(size):
    def specs(channels, filters, strides):  # always applied twice (section 3)
        first = ConvSpec(filters, (size, size), (strides, strides), separable=True)
        return (first, ConvSpec(filters, (size, size), separable=True))

    return specs


def _dilated_separable(size):
    def specs(channels, filters, strides):  # once, unlike the other separable ones
        return (ConvSpec(filters, (size, size), (strides, strides), dilation=2, separable=True),)

    return specs


def _bottleneck(share, *kernels, dilation=1):
    """Convolutions at `share` of the filters between two 1x1; no bottleneck where that would leave
    no filter.
    """

    def specs(channels, filters, strides):
        narrow = int(filters * share)
        width = narrow or filters
        inner = []
        for kernel in kernels:
            strided = tuple(strides if side > 1 or kernel == (3, 3) else 1 for side in kernel)
            inner.append(ConvSpec(width, kernel, strided, dilation))
        return (ConvSpec(narrow), *inner, ConvSpec(filters)) if narrow else tuple(inner)

    return specs


def _plain(size):
    def specs(channels, filters, strides):
        return (ConvSpec(filters, (size, size), (strides, strides)),)

    return specs


def _identity(channels, filters, strides):
    if channels == filters and strides == 1:
        return ()
    return _plain(1)(channels, filters, strides)


# (channels in, filters, strides) -> specs. A new operation is a row here and a name in
# systems/cells/cell.py.
OPERATION_SPECS = {
    "identity": _identity,
    "conv_1x3_3x1": _bottleneck(3 / 8, (1, 3), (3, 1)),
    "conv_1x7_7x1": _bottleneck(1 / 4, (1, 7), (7, 1)),
    "dil_conv_3x3": _bottleneck(1 / 4, (3, 3), dilation=2),
    "avg_pool_3x3": _pool("avg", 3),
    "max_pool_3x3": _pool("max", 3),
    "max_pool_5x5": _pool("max", 5),
    "max_pool_7x7": _pool("max", 7),
    "conv_1x1": _plain(1),
    "conv_3x3": _bottleneck(1 / 4, (3, 3)),
    "sep_conv_3x3": _separable(3),
    "sep_conv_5x5": _separable(5),
    "sep_conv_7x7": _separable(7),
    "dil_sep_conv_3x3": _dilated_separable(3),
    "dil_sep_conv_5x5": _dilated_separable(5),
    "nor_conv_3x3": _plain(3),
}

# What follows each combination: filters -> spec, or None. A concatenation is twice as wide and
# projected back.
COMBINATION_SPECS = {
    "add": lambda filters: None,
    "concatenate": lambda filters: ConvSpec(filters),
    "add_layer_norm": lambda filters: NormSpec("layer", filters),
    "add_instance_norm": lambda filters: NormSpec("instance", filters),
}
