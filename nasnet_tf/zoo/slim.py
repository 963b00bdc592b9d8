"""Weights by the variable names of the original TF-slim code, which serve as the names of roles for every other source too.

Source: tensorflow/models research/slim/nets/nasnet (nasnet.py, nasnet_utils.py).
"""

from __future__ import annotations

import numpy as np

from nasnet_tf.cell import Cell
from nasnet_tf.layers import AuxiliaryHead, FactorizedReduction
from nasnet_tf.network import Network
from nasnet_tf.operations import ConvNorm
from nasnet_tf.plan import stage_cells

_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_BOOKKEEPING = ("global_step", "Momentum", "RMSProp", "ExponentialMovingAverage")


def load_slim_weights(model: Network, weights: dict[str, np.ndarray]) -> Network:
    """Gives every variable of `model` the array that the original code stores under its name.

    The auxiliary head's arrays are passed over if the model has no such head, and so are an optimizer's. A classifier with one class
    more than the model's is one with a background class at 0, which is dropped.

    Args:
        weights: {slim variable name: array}, such as "cell_0/1x1/weights".
    Returns: the model.
    Raises: ValueError, before anything is changed, if an array is missing, left over or of another shape.
    """
    variables = slim_variables(model)
    missing = sorted(set(variables) - set(weights))
    left_over = sorted(n for n in set(weights) - set(variables) if not n.startswith("aux_") and not any(w in n for w in _BOOKKEEPING))
    if missing or left_over:
        raise ValueError(
            f"these weights are of another network: {len(missing)} arrays are missing{_first(missing)}, "
            f"{len(left_over)} have no place{_first(left_over)}; compare genotype, N, stem and include_top."
        )
    arrays = {name: _without_background(name, np.asarray(weights[name]), variable) for name, variable in variables.items()}
    wrong = [f"{n} is {arrays[n].shape}, expected {tuple(v.shape)}" for n, v in variables.items() if arrays[n].shape != tuple(v.shape)]
    if wrong:
        raise ValueError(f"{len(wrong)} arrays have another shape: {wrong[0]}; compare filters, classes and stem_filters.")
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return model


def slim_variables(model: Network) -> dict:
    """The variables of `model` by their names in the original code; operations that code lacks are named after themselves."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, Cell):
            _cell(found, layer)
        elif isinstance(layer, AuxiliaryHead):
            number = sum(stage_cells(model.get_config()["num_cells"])[:2]) - 1
            scope = f"aux_{number}/aux_logits"
            _conv_norm(found, layer.projection, f"{scope}/proj", f"{scope}/aux_bn0")
            _conv_norm(found, layer.convolution, f"{scope}/Conv", f"{scope}/aux_bn1")
            _dense(found, layer.dense, f"{scope}/FC")
        elif layer.name == "stem":
            _conv_norm(found, layer, *(("l1_stem_3x3", "l1_stem_bn") if model.get_config()["stem"] == "cifar" else ("conv0", "conv0_bn")))
        elif layer.name == "predictions":
            _dense(found, layer, "final_layer/FC")
    return found


def _cell(found, cell):
    _conv_norm(found, cell.base, f"{cell.name}/1x1", f"{cell.name}/beginning_bn")
    if isinstance(cell.previous, FactorizedReduction):
        _factorized(found, cell.previous, cell.name)
    elif cell.previous:
        _conv_norm(found, cell.previous, f"{cell.name}/prev_1x1", f"{cell.name}/prev_bn")
    for edge, operation in enumerate(cell.operations):
        scope = f"{cell.name}/comb_iter_{edge // 2}/{('left', 'right')[edge % 2]}"
        for number, part in enumerate((p for p in operation.parts if isinstance(p, ConvNorm)), start=1):
            size = "x".join(map(str, part.part.kernel_size))
            if part.part.separable:
                _conv_norm(found, part, f"{scope}/separable_{size}_{number}", f"{scope}/bn_sep_{size}_{number}")
            elif operation.operation == "identity" or "pool" in operation.operation:
                _conv_norm(found, part, f"{scope}/1x1", f"{scope}/bn_1")
            else:
                _conv_norm(found, part, f"{scope}/{operation.operation}_{number}", f"{scope}/bn_{operation.operation}_{number}")
    for number, part in enumerate(cell.combines):
        if part:
            _conv_norm(found, part, f"{cell.name}/comb_iter_{number}/combine_1x1", f"{cell.name}/comb_iter_{number}/combine_bn")
    for state, part in zip(cell.cell.concat, cell.outputs, strict=True):
        scope = f"{cell.name}/cell_output/reduction_{state}"
        if isinstance(part, FactorizedReduction):
            _factorized(found, part, scope)
        elif part:
            _conv_norm(found, part, f"{scope}/path_conv", f"{scope}/path_bn")
    if cell.shortcut:
        _conv_norm(found, cell.shortcut, f"{cell.name}/residual_1x1", f"{cell.name}/residual_bn")


def _conv_norm(found, layer, convolution, norm):
    if layer.part.separable:
        found[f"{convolution}/depthwise_weights"] = layer.convolution.depthwise_kernel
        found[f"{convolution}/pointwise_weights"] = layer.convolution.pointwise_kernel
    else:
        found[f"{convolution}/weights"] = layer.convolution.kernel
    _norm(found, layer.norm, norm)


def _factorized(found, layer, scope):
    if layer.even:
        found[f"{scope}/path1_conv/weights"] = layer.even.kernel
    found[f"{scope}/path2_conv/weights"] = layer.odd.kernel
    _norm(found, layer.norm, f"{scope}/final_path_bn")


def _norm(found, layer, scope):
    found.update({f"{scope}/{name}": getattr(layer, name) for name in _NORM})


def _dense(found, layer, scope):
    found.update({f"{scope}/weights": layer.kernel, f"{scope}/biases": layer.bias})


def _without_background(name, array, variable):
    classes = variable.shape[-1]
    return array[..., 1:] if "/FC/" in name and array.shape[-1:] == (classes + 1,) else array


def _first(names):
    return f" ({names[0]}{', ...' if len(names) > 1 else ''})" if names else ""
