"""The layers of a NASNet of `keras.applications`: their names, their order and their roles.

Observed with Keras 3.15: the order is that of `model.layers`, of every file Keras writes, and of
how it reads the files it published.
"""

from __future__ import annotations

import re

from nasnet_tf.zoo.source import Layer, SourceError, Stored, shortened

_TOP = {"conv0": "stem_conv1", "conv0_bn": "stem_bn1", "final_layer/FC": "predictions"}
_SCOPES = {  # within a cell; {kind} is normal or reduction
    "1x1": "{kind}_conv_1",
    "beginning_bn": "{kind}_bn_1",
    "prev_1x1": "adjust_conv_projection",
    "prev_bn": "adjust_bn",
    "path1_conv": "adjust_conv_1",
    "path2_conv": "adjust_conv_2",
    "final_path_bn": "adjust_bn",
}
_ARRAYS = {  # of each kind of layer, in Keras' order: the last part of the role, and the dimensions
    "convolution": {"weights": 4},
    "separable": {"depthwise_weights": 4, "pointwise_weights": 4},
    "norm": {"gamma": 1, "beta": 1, "moving_mean": 1, "moving_variance": 1},
    "dense": {"weights": 2, "biases": 1},
}


def _separable(time, *branches):
    """Branches side by side: their convolutions, then their batch norms."""
    convolutions = [
        f"comb_iter_{block}/{side}/separable_{size}_{time}" for block, side, size in branches
    ]
    return convolutions + [scope.replace("separable", "bn_sep") for scope in convolutions]


_NORMAL_BRANCHES = (
    (0, "left", "5x5"),
    (0, "right", "3x3"),
    (1, "left", "5x5"),
    (1, "right", "3x3"),
    (4, "left", "3x3"),
)
_NORMAL = _separable(1, *_NORMAL_BRANCHES) + _separable(2, *_NORMAL_BRANCHES)
_FIRST, _SECOND, _LAST = (
    ((0, "left", "5x5"), (0, "right", "7x7")),
    ((1, "right", "7x7"),),
    ((2, "right", "5x5"), (4, "left", "3x3")),
)
_REDUCTION = _separable(1, *_FIRST) + _separable(2, *_FIRST)
_REDUCTION += [
    scope
    for time in (1, 2)
    for branches in (_SECOND, _LAST)
    for scope in _separable(time, *branches)
]

# The layers with weights of each kind of cell, in order.
CELLS = {
    "stem_0": ["1x1", "beginning_bn", *_REDUCTION],
    "stem_1": ["path1_conv", "path2_conv", "1x1", "beginning_bn", "final_path_bn", *_REDUCTION],
    "reduction": ["1x1", "prev_1x1", "beginning_bn", "prev_bn", *_REDUCTION],
    # with N = 1: the stem has as many channels, 2F, as the reduction cell
    "second": ["1x1", "beginning_bn", *_REDUCTION],
    "first": ["path1_conv", "path2_conv", "1x1", "final_path_bn", "beginning_bn", *_NORMAL],
    "normal": ["prev_1x1", "1x1", "prev_bn", "beginning_bn", *_NORMAL],
}


def scopes(num_cells: int, include_top: bool = True) -> list[str]:
    """The scope of every layer with weights, such as "cell_0/1x1", in the order of
    `model.layers`.
    """
    cells = [("cell_stem_0", "stem_0"), ("cell_stem_1", "stem_1")]
    for stage in range(3):
        cells += (
            [(f"reduction_cell_{stage - 1}", "second" if num_cells == stage == 1 else "reduction")]
            if stage
            else []
        )
        cells += [
            (f"cell_{stage * num_cells + i}", "normal" if i else "first") for i in range(num_cells)
        ]
    body = [f"{cell}/{scope}" for cell, kind in cells for scope in CELLS[kind]]
    return ["conv0", "conv0_bn", *body, *(["final_layer/FC"] if include_top else [])]


def layer_name(scope: str, num_cells: int) -> str:
    """The name of the layer of a scope in `keras.applications`."""
    if scope in _TOP:
        return _TOP[scope]
    cell, scope = scope.split("/", 1)
    kind = "normal" if re.fullmatch(r"cell_\d+", cell) else "reduction"
    number = int(cell.rsplit("_", 1)[1])
    if kind == "normal":
        block = str(number if number < num_cells else number + 1)
    else:
        block = f"stem_{number + 1}" if "stem" in cell else f"reduce_{(number + 1) * num_cells}"
    separable = re.fullmatch(r"comb_iter_(\d)/(left|right)/(bn_sep|separable)_\dx\d_([12])", scope)
    if not separable:
        return f"{_SCOPES[scope].format(kind=kind)}_{block}"
    iteration, side, what, time = separable.groups()
    branch = f"{side}{int(iteration) + 1}"
    if (kind, branch) == ("reduction", "left5"):
        branch = "left4"  # a misprint in Keras
    return f"separable_conv_{time}_{'bn_' if what == 'bn_sep' else ''}{kind}_{branch}_{block}"


def by_role(layers: list[Layer]) -> tuple[dict[str, Stored], tuple[str, ...]]:
    """The arrays of a NASNet's layers by role, and the names of layers that are no part of it.

    Layers are matched by name if they have the names of `keras.applications`, else by their order
    within each kind of layer.

    Raises: SourceError if it is another network.
    """
    layers = [layer for layer in layers if layer.arrays]
    named, foreign = _by_name(layers)
    if named and not foreign:
        return named, ()
    ordered = _by_order(layers)
    if ordered:
        return ordered, ()
    if named:
        return named, foreign
    names = [layer.name or "without a name" for layer in layers]
    raise SourceError(
        f"is no NASNet of keras.applications: of its {len(layers)} layers with"
        f" weights{shortened(names)}, neither names nor order are those of one (72 N + 100 layers,"
        " and the classifier)."
    )


def _by_name(layers):
    # Files of an early port lack "right" in one name.
    names = {
        re.sub(
            r"^(separable_conv_[12]_(?:bn_)?reduction)_1_", r"\1_right1_", layer.name or ""
        ): layer
        for layer in layers
    }
    num_cells = sum(bool(re.fullmatch(r"normal_conv_1_\d+", name)) for name in names) // 3
    if not num_cells or len(names) < len(layers):
        return {}, ()
    expected = {layer_name(scope, num_cells): scope for scope in scopes(num_cells)}
    found = {}
    for name in expected.keys() & names.keys():
        found.update(_roles(expected[name], names[name]))
    return found, tuple(sorted(names.keys() - expected.keys()))


def _by_order(layers):
    num_cells = max(1, (len(layers) - 98) // 72)
    order = next(
        (order for top in (False, True) if len(order := scopes(num_cells, top)) == len(layers)),
        None,
    )
    if order is None:
        return {}
    queues = {kind: [] for kind in (*_ARRAYS, None)}
    for layer in layers:
        queues[_kind_of(layer)].append(layer)
    if {kind: len(queue) for kind, queue in queues.items() if queue} != _counts(order):
        return {}
    queues = {kind: iter(queue) for kind, queue in queues.items()}
    return {
        role: array
        for scope in order
        for role, array in _roles(scope, next(queues[_kind(scope)])).items()
    }


def _roles(scope, layer):
    roles = _ARRAYS[_kind(scope)]
    if len(layer.arrays) != len(roles):
        raise SourceError(
            f"holds {len(layer.arrays)} arrays of layer {layer.name}, where a NASNet has"
            f" {len(roles)}: {', '.join(roles)}."
        )
    return {f"{scope}/{role}": array for role, array in zip(roles, layer.arrays, strict=True)}


def _kind(scope):
    if scope.endswith("/FC"):
        return "dense"
    last = scope.rsplit("/", 1)[-1]
    return (
        "norm" if "bn" in last else "separable" if last.startswith("separable") else "convolution"
    )


def _kind_of(layer):
    dimensions = [len(array.shape) for array in layer.arrays]
    return next(
        (kind for kind, arrays in _ARRAYS.items() if list(arrays.values()) == dimensions), None
    )


def _counts(order):
    kinds = [_kind(scope) for scope in order]
    return {kind: kinds.count(kind) for kind in set(kinds)}
