"""A cell as one Keras layer.

Source: Zoph et al. 2017, arXiv 1707.07012, section 3; wiring of the authors' nasnet_utils.py (NasNetABaseCell).
"""

from __future__ import annotations

import json

import keras
from keras import ops

from nasnet_tf import genotype
from nasnet_tf.layers import DropPath, FactorizedReduction
from nasnet_tf.operations import PACKAGE, CellLayer, ConvNorm, Operation, halved
from nasnet_tf.plan import Reduction, plan_cell


@keras.saving.register_keras_serializable(PACKAGE)
class Cell(CellLayer):
    """Applies a genotype's cell to the outputs of the two cells before it.

    Inputs: [h, p], the previous cell's output (batch, H, W, any) and the one before that, (batch, H, W, any), or
        (batch, 2H, 2W, any) if `adapt` is "reduce". At the first cell of a network p is h.
    Returns: (batch, H / strides, W / strides, filters * len(cell.concat)), rounded up.

    Args:
        cell: a `nasnet_tf.genotype.Cell`.
        filters: width of every block.
        strides: 2 for a reduction cell, else 1.
        adapt: how p becomes state 1: "project" (1x1 convolution), "reduce" (factorized reduction), "keep" (as it is, `filters`
            wide) or "share" (p is h as it is: first cell).
        drop_path_rate, drop_path_steps: see `nasnet_tf.layers.DropPath`; on every operation but identity.
        residual: add h to the output, through a 1x1 convolution where shapes differ (tried in the paper, section 4.2).
        zero_padded_pools: strided pools count the border as zeros, as `keras.applications` does.
    """

    def __init__(
        self,
        cell,
        filters,
        strides=1,
        adapt="project",
        drop_path_rate=0.0,
        drop_path_steps=None,
        residual=False,
        zero_padded_pools=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.cell = genotype.check(cell)
        self.filters, self.strides, self.adapt = filters, strides, adapt
        self.drop_path_rate, self.drop_path_steps = drop_path_rate, drop_path_steps
        self.residual, self.zero_padded_pools = residual, zero_padded_pools

    def build(self, input_shape):
        h, p = (shape[-1] for shape in input_shape)
        plan = plan_cell(self.cell, self.filters, self.strides, self.adapt, h, p, self.residual)
        self.base = self._part(plan.base, h)
        self.previous = self._part(plan.previous, p)
        channels = [self.filters, h if self.adapt == "share" else self.filters] + [self.filters] * len(self.cell.blocks)
        edges = [e for b in self.cell.blocks for e in ((b.input_1, b.operation_1), (b.input_2, b.operation_2))]
        self.operations = [self._operation(name, state, channels[state]) for state, name in edges]
        self.combines = [self._part(part, 2 * self.filters) for part in plan.combines]
        self.outputs = [self._part(part, channels[state]) for part, state in zip(plan.outputs, self.cell.concat, strict=True)]
        self.shortcut = self._part(plan.residual, h)
        self._dropped = {edge: site for site, edge in enumerate(e for e, (_, name) in enumerate(edges) if name != "identity")}
        self.drop_path = None
        if self.drop_path_rate and self._dropped:
            self.drop_path = DropPath(self.drop_path_rate, self.drop_path_steps, dtype=self.dtype_policy)
            self.drop_path.build((None, 1))

    def _part(self, part, channels):
        if part is None:
            return None
        layer = (FactorizedReduction if isinstance(part, Reduction) else ConvNorm)(**part._asdict(), **self.settings)
        layer.build((None, None, None, channels))
        return layer

    def _operation(self, name, state, channels):
        strides = self.strides if state < 2 else 1
        layer = Operation(name, self.filters, strides, zero_padding=self.zero_padded_pools, **self.settings)
        layer.build((None, None, None, channels))
        return layer

    def call(self, inputs, training=None):
        h, p = inputs

        def fit(layer, x):
            return x if layer is None else layer(x, training=training)

        masks = self._masks(h) if training and self.drop_path else None

        def operate(edge, state):
            x = self.operations[edge](states[state], training=training)
            return x if masks is None or edge not in self._dropped else x * masks[self._dropped[edge]]

        states = [self.base(h, training=training), fit(self.previous, p)]
        for number, block in enumerate(self.cell.blocks):
            one, two = operate(2 * number, block.input_1), operate(2 * number + 1, block.input_2)
            if block.combine == "add":
                states.append(one + two)
            else:
                states.append(fit(self.combines[number], ops.concatenate([one, two], axis=-1)))
        out = ops.concatenate([fit(layer, states[s]) for layer, s in zip(self.outputs, self.cell.concat, strict=True)], axis=-1)
        return out + fit(self.shortcut, h) if self.residual else out

    def _masks(self, h):
        """(paths, batch, 1, 1, 1): what each path of each example is multiplied by. One draw a cell."""
        paths, batch = len(self._dropped), ops.shape(h)[0]
        drawn = self.drop_path(ops.ones((paths * batch, 1), dtype=self.compute_dtype), training=True)
        return ops.reshape(drawn, (paths, batch, 1, 1, 1))

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape[0]
        return (batch, halved(height, self.strides), halved(width, self.strides), self.filters * len(self.cell.concat))

    def get_config(self):
        names = ("filters", "strides", "adapt", "drop_path_rate", "drop_path_steps", "residual", "zero_padded_pools")
        return {**super().get_config(), "cell": json.dumps(self.cell.to_data()), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config):
        cell = genotype.Cell.from_data(json.loads(config["cell"]))
        return cls(**{**config, "cell": cell})
