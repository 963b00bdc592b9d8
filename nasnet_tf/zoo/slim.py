"""The variables of a network by their names in the original TF-slim code, which are the names of roles for every source of weights.

Source: tensorflow/models research/slim/nets/nasnet (nasnet.py, nasnet_utils.py).
"""

from __future__ import annotations

from nasnet_tf.cell import Cell
from nasnet_tf.layers import AuxiliaryHead
from nasnet_tf.network import Network
from nasnet_tf.parts import ConvNorm, FactorizedReduction
from nasnet_tf.plan import stage_cells

_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


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
            _conv_norm(
                found, layer.part, *(("l1_stem_3x3", "l1_stem_bn") if model.get_config()["stem"] == "cifar" else ("conv0", "conv0_bn"))
            )
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
        scope = f"{cell.name}/comb_iter_{number}"
        if isinstance(part, ConvNorm):
            _conv_norm(found, part, f"{scope}/combine_1x1", f"{scope}/combine_bn")
        elif part:
            found.update({f"{scope}/combine_norm/gamma": part.gamma, f"{scope}/combine_norm/beta": part.beta})
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
        found[f"{convolution}/depthwise_weights"] = layer.depthwise_kernel
        found[f"{convolution}/pointwise_weights"] = layer.pointwise_kernel
    else:
        found[f"{convolution}/weights"] = layer.kernel
    _norm(found, layer.norm, norm)


def _factorized(found, layer, scope):
    if layer.even is not None:
        found[f"{scope}/path1_conv/weights"] = layer.even
    found[f"{scope}/path2_conv/weights"] = layer.odd
    _norm(found, layer.norm, f"{scope}/final_path_bn")


def _norm(found, layer, scope):
    found.update({f"{scope}/{name}": getattr(layer, name) for name in _NORM})


def _dense(found, layer, scope):
    found.update({f"{scope}/weights": layer.kernel, f"{scope}/biases": layer.bias})
