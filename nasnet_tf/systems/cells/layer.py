"""A cell as one Keras layer.

Source: Zoph et al. 2017, arXiv 1707.07012, section 3; wiring of the authors' nasnet_utils.py
    (NasNetABaseCell).
"""

from __future__ import annotations

import json

import keras
from keras import ops

from nasnet_tf.layers import DropPath
from nasnet_tf.layers.operations import PACKAGE, GraphLayer
from nasnet_tf.systems.cells import cell as cells
from nasnet_tf.systems.cells.graph import cell_graph


@keras.saving.register_keras_serializable(PACKAGE)
class Cell(GraphLayer):
    """Applies a genotype's cell to the outputs of the two cells before it.

    Inputs: [h, p], the previous cell's output (batch, H, W, any) and the one before that, (batch,
        H, W, any), or (batch, 2H, 2W, any) if `adapt` is "reduce". At the first cell of a network p
        is h.
    Returns: (batch, H / strides, W / strides, filters * len(cell.concat)), rounded up.

    Args:
        cell: a `nasnet_tf.genotype.Cell`.
        filters: width of every block.
        strides: 2 for a reduction cell, else 1.
        adapt: how p becomes state 1: "project" (1x1 convolution), "reduce" (factorized reduction),
            "keep" (as it is, `filters` wide) or "share" (p is h as it is: first cell).
        drop_path_rate, drop_path_steps: see `nasnet_tf.layers.DropPath`; on every operation but
            identity.
        residual: add h to the output, through a 1x1 convolution where shapes differ (tried in the
            paper, section 4.2).
        zero_padded_pools: strided pools count the border as zeros, as `keras.applications` does.
        gradient_checkpointing: in training, keep the cell's inputs only and compute its inside
            again for the gradients.
    """

    own = (
        "filters",
        "strides",
        "adapt",
        "drop_path_rate",
        "drop_path_steps",
        "residual",
        "zero_padded_pools",
        "gradient_checkpointing",
    )

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
        self.cell = cells.check_cell(cell)
        self.filters, self.strides, self.adapt = filters, strides, adapt
        self.drop_path_rate, self.drop_path_steps = drop_path_rate, drop_path_steps
        self.residual, self.zero_padded_pools = residual, zero_padded_pools
        self.gradient_checkpointing = gradient_checkpointing

    def wire(self, graph, h, p):
        sizes = self.filters, self.strides, self.adapt
        options = dict(residual=self.residual, zero_padded_pools=self.zero_padded_pools)
        return cell_graph(graph, self.cell, *sizes, h, p, **options)

    def build(self, input_shape):
        super().build(input_shape)
        self.drop_path = None
        if self.drop_path_rate and self.bound.graph.paths:
            self.drop_path = DropPath(
                self.drop_path_rate, self.drop_path_steps, dtype=self.dtype_policy, name="drop_path"
            )
            self.drop_path.build((None, 1))

    def call(self, inputs, training=None):
        masks = [self._masks(inputs[0])] if training and self.drop_path else []
        if training and self.gradient_checkpointing:
            return self._compute_twice(*inputs, *masks)
        return self._compute(training, *inputs, *masks)

    def _compute(self, training, h, p, masks=None):
        return self.bound(h, p, training=training, masks=masks)

    def _compute_twice(self, *inputs):
        """`_compute` in training; what moves the averages of its batch norms is handed out, so that
        they move once.
        """
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

    def _masks(self, h):
        """(paths, batch, 1, 1, 1): what each path of each example is multiplied by. One draw a
        cell.
        """
        paths, batch = self.bound.graph.paths, ops.shape(h)[0]
        drawn = self.drop_path(
            ops.ones((paths * batch, 1), dtype=self.compute_dtype), training=True
        )
        return ops.reshape(drawn, (paths, batch, 1, 1, 1))

    def get_config(self):
        return {**super().get_config(), "cell": json.dumps(self.cell.to_data())}

    @classmethod
    def from_config(cls, config):
        cell = cells.Cell.from_data(json.loads(config["cell"]))
        return cls(**{**config, "cell": cell})
