"""The variables of a network by their names in the original TF-slim code, which name the roles of
arrays in every source of weights.

Source: tensorflow/models research/slim/nets/nasnet (nasnet.py, nasnet_utils.py).
"""

from __future__ import annotations

from nasnet_tf.graph import NormSpec, ReductionSpec
from nasnet_tf.layers import AuxiliaryHead
from nasnet_tf.systems.cells.layer import Cell
from nasnet_tf.systems.cells.network import Network
from nasnet_tf.systems.stages import stage_cells

# By the name of a weight in an operation.
_NAMES = {
    "kernel": "{convolution}/weights",
    "depthwise_kernel": "{convolution}/depthwise_weights",
    "pointwise_kernel": "{convolution}/pointwise_weights",
    "even_kernel": "{scope}/path1_conv/weights",
    "odd_kernel": "{scope}/path2_conv/weights",
    **{name: f"{{norm}}/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")},
}


def slim_variables(model: Network) -> dict:
    """The variables of `model` by their names in the original code; operations that it does not
    have are named by their own names.
    """
    found = {}
    for layer in model.layers:
        if isinstance(layer, Cell):
            _cell(found, layer)
        elif isinstance(layer, AuxiliaryHead):
            number = sum(stage_cells(model.get_config()["num_cells"])[:2]) - 1
            scope = f"aux_{number}/aux_logits"
            _operation(found, layer, "projection", f"{scope}/proj", f"{scope}/aux_bn0")
            _operation(found, layer, "convolution", f"{scope}/Conv", f"{scope}/aux_bn1")
            _dense(found, layer.dense, f"{scope}/FC")
        elif layer.name == "stem":
            is_cifar = model.get_config()["stem"] == "cifar"
            _operation(
                found,
                layer,
                "convolution",
                *(("l1_stem_3x3", "l1_stem_bn") if is_cifar else ("conv0", "conv0_bn")),
            )
        elif layer.name == "predictions":
            _dense(found, layer, "final_layer/FC")
    return found


def _cell(found, cell):
    names = _of_operations(cell) | {
        "base": ("1x1", "beginning_bn"),
        "previous": ("prev_1x1", "prev_bn"),
        "shortcut": ("residual_1x1", "residual_bn"),
    }
    for number in range(len(cell.cell.blocks)):
        scope = f"comb_iter_{number}"
        names[f"combine_{number + 2}"] = f"{scope}/combine_1x1", f"{scope}/combine_bn"
    for state in cell.cell.concat:
        scope = f"cell_output/reduction_{state}"
        names[f"output_{state}"] = f"{scope}/path_conv", f"{scope}/path_bn"
    for site in cell.bound.graph.sites:
        _operation(found, cell, site, *(f"{cell.name}/{name}" for name in names[site]))


def _of_operations(cell):
    """{site: (name of the convolution, name of the norm)} of the operations of the blocks."""
    names = {}
    for number, block in enumerate(cell.cell.blocks):
        for side, operation in (("left", block.operation_1), ("right", block.operation_2)):
            scope, site = f"comb_iter_{number}/{side}", f"{side}_{number + 2}"
            found = [name for name in cell.bound.graph.sites if name.startswith(f"{site}.")]
            for place, name in enumerate(found, start=1):
                spec = cell.bound.graph.sites[name].spec
                size = "x".join(map(str, spec.kernel_size))
                if spec.separable:
                    names[name] = (
                        f"{scope}/separable_{size}_{place}",
                        f"{scope}/bn_sep_{size}_{place}",
                    )
                elif operation == "identity" or "pool" in operation:
                    names[name] = f"{scope}/1x1", f"{scope}/bn_1"
                else:
                    names[name] = f"{scope}/{operation}_{place}", f"{scope}/bn_{operation}_{place}"
    return names


def _operation(found, layer, site, convolution, norm):
    """Adds the weights of an operation. Those of a factorized reduction and of a norm of each image
    are named by their scope.
    """
    spec, scope = layer.bound.graph.sites[site].spec, convolution.rpartition("/")[0]
    if isinstance(spec, ReductionSpec):
        norm = f"{scope}/final_path_bn"
    elif isinstance(spec, NormSpec):
        norm = f"{scope}/combine_norm"
    for name, variable in layer.bound.named(site).items():
        found[_NAMES[name].format(convolution=convolution, norm=norm, scope=scope)] = variable


def _dense(found, layer, scope):
    found.update({f"{scope}/weights": layer.kernel, f"{scope}/biases": layer.bias})
