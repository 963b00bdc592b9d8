"""The operations of a cell as Keras layers: ReLU-convolution-batch norm, pooling, and `Operation`,
any of the set by name.

Channels last: inputs are (batch, height, width, channels). graph/operations.py says what each
operation is made of, parts.py how a graph is computed.

Source: Zoph et al. 2017, arXiv 1707.07012, section 3 and appendix A.4.
"""

from __future__ import annotations

import contextlib
import math
import zlib

import keras
import numpy as np
from keras import layers

from nasnet_tf.graph import OPERATION_SPECS, ConvSpec, Graph, PoolSpec, ReductionSpec, Value, Window
from nasnet_tf.layers.parts import Bound, pooled

PACKAGE = "nasnet_tf"


def check_channels_last() -> None:
    """Raises ValueError if Keras is set to channels first, which would build another network
    without a word.
    """
    found = keras.config.image_data_format()
    if found != "channels_last":
        raise ValueError(
            f"Keras's image_data_format is {found!r}; networks and layers of nasnet_tf take images"
            " as (batch, height, width, channels) only: call"
            ' keras.config.set_image_data_format("channels_last") first, or change it in'
            " ~/.keras/keras.json."
        )


class CellLayer(layers.Layer):
    """A layer with the numbers every part of a cell shares.

    Args:
        batch_norm_momentum, batch_norm_epsilon: of every batch norm inside.
        weight_decay: weight of the L2 loss as the paper counts it (`nasnet_tf.layers.parts.l2`); on
            all kernels, not on batch norms.
        freeze_batch_norms: batch norms use their averages and learn nothing, even while the layer
            is trained; for fine-tuning. An attribute that can be set, too.
    Raises: ValueError if Keras is set to channels first.

    Attributes:
        own: names of the arguments that a subclass adds and keeps as attributes; its configuration
            has them.
    """

    own: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        batch_norm_momentum=0.9,
        batch_norm_epsilon=1e-5,
        weight_decay=0.0,
        freeze_batch_norms=False,
        **kwargs,
    ):
        check_channels_last()
        super().__init__(**kwargs)
        self.batch_norm_momentum = batch_norm_momentum
        self.batch_norm_epsilon = batch_norm_epsilon
        self.weight_decay = weight_decay
        self._moves = None
        self.freeze_batch_norms = freeze_batch_norms

    @property
    def freeze_batch_norms(self):
        """Settable; see the argument of that name."""
        return self._freeze_batch_norms

    @freeze_batch_norms.setter
    def freeze_batch_norms(self, frozen):
        self._freeze_batch_norms = bool(frozen)
        for variable in self._trainable_variables:
            if variable.name.endswith((".gamma", ".beta")):
                variable.trainable = self.trainable and not frozen

    def move(self, variable, value):
        """Gives an average of this layer its new value. A layer that computes twice only notes the
        value, see `Cell`.
        """
        if self._moves is None:
            variable.assign(value)
        else:
            self._moves.append((variable, value))

    def save_own_variables(self, store):
        """All weights as one float32 array: a file of a few large arrays is read several times as
        fast as one of many small ones.
        """
        variables = self._own_variables()
        if variables:
            store["weights"] = np.concatenate(
                [np.ravel(keras.ops.convert_to_numpy(v)).astype("float32") for v in variables]
            )
            store["layout"] = np.uint32(_layout(variables))

    def load_own_variables(self, store):
        variables = self._own_variables()
        if not variables:
            return
        if "layout" not in store or int(np.asarray(store["layout"])) != _layout(variables):
            raise ValueError(
                f"the weights of layer {self.name!r} are of another cell; compare genotype, N, F"
                " and stem."
            )
        weights, end = (
            np.asarray(store["weights"]),
            np.cumsum([math.prod(v.shape) for v in variables]),
        )
        for variable, part in zip(variables, np.split(weights, end[:-1]), strict=True):
            _assign(variable, part.reshape(variable.shape))

    def _own_variables(self):
        return self._trainable_variables + self._non_trainable_variables

    def get_config(self):
        names = ("batch_norm_momentum", "batch_norm_epsilon", "weight_decay", "freeze_batch_norms")
        return {**super().get_config(), **{name: getattr(self, name) for name in names + self.own}}


def _assign(variable, values):
    """`variable.assign(values)`; a TensorFlow variable takes an array at once, in half the time."""
    (variable.value if keras.backend.backend() == "tensorflow" else variable).assign(values)


def _layout(variables):
    """A checksum of the names and shapes of `variables`, in order."""
    return zlib.crc32(";".join(f"{v.name}:{tuple(v.shape)}" for v in variables).encode())


class GraphLayer(CellLayer):
    """A layer that computes a graph: subclasses say which by `wire`.

    Inputs: a tensor, or a list of tensors, (batch, height, width, channels) each. Returns: a tensor
        of four axes.

    Attributes: `bound`, a `nasnet_tf.layers.parts.Bound` once it is built.
    """

    def wire(self, graph: Graph, *inputs: Value) -> Value:
        """Adds to the graph what the layer computes of `inputs`; returns its output."""
        raise NotImplementedError

    def build(self, input_shape):
        with short_names():
            self.bound = Bound(self, self._graph(input_shape))

    def _graph(self, input_shape):
        shapes = [input_shape] if isinstance(input_shape[-1], int | None) else input_shape
        graph = Graph(*(Value(shape[-1], shape[1:3]) for shape in shapes))
        graph.output = self.wire(graph, *graph.inputs)
        return graph

    def call(self, inputs, training=None):
        return self.bound(
            *(inputs if isinstance(inputs, list | tuple) else [inputs]), training=training
        )

    def compute_output_shape(self, input_shape):
        made = self._graph(input_shape).output
        batch = input_shape[0] if isinstance(input_shape[-1], int | None) else input_shape[0][0]
        return (batch, *made.size, made.channels)


@keras.saving.register_keras_serializable(PACKAGE)
class ConvNorm(GraphLayer):
    """ReLU, convolution without bias, batch norm.

    Args: as `nasnet_tf.graph.ConvSpec`, and those of `CellLayer`.
    Returns: (batch, height / strides, width / strides, filters), rounded up for "same" padding.
    """

    def __init__(
        self,
        filters,
        kernel_size=(1, 1),
        strides=(1, 1),
        dilation=1,
        separable=False,
        relu=True,
        padding="same",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.spec = ConvSpec(
            filters, tuple(kernel_size), tuple(strides), dilation, separable, relu, padding
        )

    def wire(self, graph, x):
        return graph.part("convolution", self.spec, x.channels)(x)

    def get_config(self):
        return {**super().get_config(), **self.spec._asdict()}


@keras.saving.register_keras_serializable(PACKAGE)
class Pool(layers.Layer):
    """Maximum or average over `size` x `size` pixels; the border is padded and not counted.

    Args:
        kind: "max" or "avg".
        zero_padding: count the border as zeros, as the reduction cells of `keras.applications` do.
    Returns: (batch, height / strides, width / strides, channels), rounded up.
    """

    def __init__(self, kind, size, strides=1, zero_padding=False, **kwargs):
        check_channels_last()
        super().__init__(**kwargs)
        self.spec, self.zero_padding = PoolSpec(kind, size, strides), zero_padding
        self._window = Window((size, size), (strides, strides))

    def call(self, x):
        return pooled(x, self.spec.kind, self._window, self.zero_padding)

    def compute_output_shape(self, input_shape):
        batch, *size, channels = input_shape
        return (batch, *self._window.out(size), channels)

    def get_config(self):
        return {**super().get_config(), **self.spec._asdict(), "zero_padding": self.zero_padding}


@keras.saving.register_keras_serializable(PACKAGE)
class Operation(GraphLayer):
    """One of the operations by name, from any number of channels to `filters`.

    Args:
        operation: a name of `nasnet_tf.genotype.OPERATION_NAMES`, such as "sep_conv_5x5".
        strides: 1 or 2.
        zero_padding: see `Pool`; holds for strided pools only.
    Returns: (batch, height / strides, width / strides, filters), rounded up.
    """

    own = ("operation", "filters", "strides", "zero_padding")

    def __init__(self, operation, filters, strides=1, zero_padding=False, **kwargs):
        if operation not in OPERATION_SPECS:
            raise ValueError(f"no operation {operation!r}; there are {', '.join(OPERATION_SPECS)}.")
        super().__init__(**kwargs)
        self.operation, self.filters = operation, filters
        self.strides, self.zero_padding = strides, zero_padding

    def wire(self, graph, x):
        operation = graph.operation(
            "operation", self.operation, x.channels, self.filters, self.strides, self.zero_padding
        )
        return operation(x)


@keras.saving.register_keras_serializable(PACKAGE)
class FactorizedReduction(GraphLayer):
    """Halves height and width without losing every fourth pixel's neighbours.

    Two 1x1 convolutions of half the filters, one of the even pixels, one of the odd ones; together
    one batch norm.

    Args:
        relu: apply ReLU first.
    Returns: (batch, height / 2, width / 2, filters), rounded up.
    """

    def __init__(self, filters, relu=True, **kwargs):
        super().__init__(**kwargs)
        self.spec = ReductionSpec(filters, relu)

    def wire(self, graph, x):
        return graph.part("reduction", self.spec, x.channels)(x)

    def get_config(self):
        return {**super().get_config(), **self.spec._asdict()}


def short_names():
    """Variables made inside have names that do not begin with the layer's, so that those of all
    cells are alike.

    TensorFlow makes a kernel for every name it has not seen, which takes longer than making the
    variable. Keras' own paths stay whole.
    """
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.name_scope("")
