"""A cell as one Keras layer.

Source: Zoph et al. 2017, arXiv 1707.07012, section 3; wiring of the authors' nasnet_utils.py (NasNetABaseCell).
"""

from __future__ import annotations

import json

import keras
from keras import ops

from nasnet_tf import genotype, parts
from nasnet_tf.layers import DropPath
from nasnet_tf.operations import PACKAGE, CellLayer, short_names
from nasnet_tf.parts import halved
from nasnet_tf.plan import Normalization, Reduction, plan_cell


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
        gradient_checkpointing: in training, keep the cell's inputs only and compute its inside again for the gradients.
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
        gradient_checkpointing=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.cell = genotype.check(cell)
        self.filters, self.strides, self.adapt = filters, strides, adapt
        self.drop_path_rate, self.drop_path_steps = drop_path_rate, drop_path_steps
        self.residual, self.zero_padded_pools = residual, zero_padded_pools
        self.gradient_checkpointing = gradient_checkpointing

    def build(self, input_shape):
        with short_names():
            self._build(*(shape[-1] for shape in input_shape))

    def _build(self, h, p):
        plan = plan_cell(self.cell, self.filters, self.strides, self.adapt, h, p, self.residual)
        self.base = self._part("base", plan.base, h)
        self.previous = self._part("previous", plan.previous, p)
        channels = [self.filters, h if self.adapt == "share" else self.filters] + [self.filters] * len(self.cell.blocks)
        edges = [e for b in self.cell.blocks for e in ((b.input_1, b.operation_1), (b.input_2, b.operation_2))]
        self.operations = [self._operation(edge, name, state, channels[state]) for edge, (state, name) in enumerate(edges)]
        self.combines = [self._part(f"combine_{block}", part, 2 * self.filters) for block, part in enumerate(plan.combines, start=2)]
        concat = zip(self.cell.concat, plan.outputs, strict=True)
        self.outputs = [self._part(f"output_{state}", part, channels[state]) for state, part in concat]
        self.shortcut = self._part("shortcut", plan.residual, h)
        self._dropped = {edge: site for site, edge in enumerate(e for e, (_, name) in enumerate(edges) if name != "identity")}
        self.drop_path = None
        if self.drop_path_rate and self._dropped:
            self.drop_path = DropPath(self.drop_path_rate, self.drop_path_steps, dtype=self.dtype_policy, name="drop_path")
            self.drop_path.build((None, 1))

    def _part(self, name, part, channels):
        if part is None:
            return None
        if isinstance(part, Normalization):
            return parts.Normalization(self, name, part)
        return (parts.FactorizedReduction if isinstance(part, Reduction) else parts.ConvNorm)(self, name, part, channels)

    def _operation(self, edge, name, state, channels):
        site = f"{('left', 'right')[edge % 2]}_{edge // 2 + 2}"
        strides = self.strides if state < 2 else 1
        return parts.Operation(self, site, name, channels, self.filters, strides, self.zero_padded_pools)

    def call(self, inputs, training=None):
        masks = [self._masks(inputs[0])] if training and self.drop_path else []
        if training and self.gradient_checkpointing:
            return self._compute_twice(*inputs, *masks)
        return self._compute(training, *inputs, *masks)

    def _compute_twice(self, *inputs):
        """`_compute` in training; what moves the averages of its batch norms is handed out, so that they move once."""
        moved = []

        def compute(*inputs):
            self._moves = []
            try:
                out = self._compute(True, *inputs)
                moved[:] = [variable for variable, _ in self._moves]
                return out, *(value for _, value in self._moves)
            finally:
                self._moves = None

        out, *values = keras.remat(compute)(*inputs)
        for variable, value in zip(moved, values, strict=True):
            variable.assign(value)
        return out

    def _compute(self, training, h, p, masks=None):
        def fit(layer, x):
            return x if layer is None else layer(x, training)

        def operate(edge, state):
            x = self.operations[edge](states[state], training)
            return x if masks is None or edge not in self._dropped else x * masks[self._dropped[edge]]

        states = [self.base(h, training), fit(self.previous, p)]
        for number, block in enumerate(self.cell.blocks):
            one, two = operate(2 * number, block.input_1), operate(2 * number + 1, block.input_2)
            both = ops.concatenate([one, two], axis=-1) if block.combine == "concatenate" else one + two
            states.append(fit(self.combines[number], both))
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
        names = (
            "filters",
            "strides",
            "adapt",
            "drop_path_rate",
            "drop_path_steps",
            "residual",
            "zero_padded_pools",
            "gradient_checkpointing",
        )
        return {**super().get_config(), "cell": json.dumps(self.cell.to_data()), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config):
        cell = genotype.Cell.from_data(json.loads(config["cell"]))
        return cls(**{**config, "cell": cell})
