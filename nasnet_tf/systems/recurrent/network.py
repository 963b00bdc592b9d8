"""A recurrent cell of NAS as a Keras RNN cell, and a language model of it: embedding, a few
recurrent layers, softmax.

Source: Zoph & Le 2017, arXiv 1611.01578, sections 3.4 and 4.2; shared embeddings: Press & Wolf
    2017, arXiv 1608.05859; dropout on what goes into and out of the recurrent layers, not on what
    goes from step to step: Zaremba et al. 2014, arXiv 1409.2329.
"""

from __future__ import annotations

import json

import keras
from keras import layers, ops

from nasnet_tf.layers.model import GenotypeModel, arguments, check, policy
from nasnet_tf.layers.operations import PACKAGE
from nasnet_tf.layers.parts import l2, wide
from nasnet_tf.systems.recurrent.genotype import RecurrentCell

__all__ = ["LanguageModel", "Perplexity", "TreeCell"]

_COMBINE = {"add": ops.add, "elem_mult": ops.multiply}
_ACTIVATE = {"identity": lambda x: x, "tanh": ops.tanh, "sigmoid": ops.sigmoid, "relu": ops.relu}


@keras.saving.register_keras_serializable(PACKAGE)
class TreeCell(layers.Layer):
    """One step of a `RecurrentCell`, for `keras.layers.RNN`.

    Inputs: x_t (batch, features) and the states [h_{t-1}, c_{t-1}], each (batch, units). Returns:
        h_t, [h_t, c_t].

    Args:
        cell: a `RecurrentCell`. Leaf i has columns i * units to (i + 1) * units of both kernels.
        units: width of h and c. There are base * units * (features + units) weights.
        use_bias: adds base * units weights, one to each number of U h.
        weight_decay: weight of the L2 loss on the kernels (`nasnet_tf.layers.parts.l2`).
    """

    def __init__(self, cell, units, *, use_bias=False, weight_decay=0.0, **kwargs):
        super().__init__(**kwargs)
        self.cell, self.units = cell, units
        self.use_bias, self.weight_decay = use_bias, weight_decay
        self.state_size, self.output_size = [units, units], units

    def build(self, input_shape):
        width = self.cell.base * self.units
        options = dict(initializer="glorot_uniform", regularizer=l2(self.weight_decay))
        self.kernel = self.add_weight((input_shape[-1], width), name="kernel", **options)
        self.recurrent_kernel = self.add_weight(
            (self.units, width), name="recurrent_kernel", **options
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight((width,), name="bias", initializer="zeros")

    def call(self, inputs, states, training=None):
        h, c = states
        of_x, of_h = ops.matmul(inputs, self.kernel), ops.matmul(h, self.recurrent_kernel)
        if self.bias is not None:
            of_h = of_h + self.bias
        both = (ops.split(of, self.cell.base, -1) for of in (of_x, of_h))
        leaves = list(zip(*both, strict=True))
        values, new_c = [], None
        for number, (combiner, activation) in enumerate(self.cell.nodes):
            below = self.cell.children(number)
            a, b = leaves[number] if below is None else (values[below[0]], values[below[1]])
            combined = _COMBINE[combiner](a, b)
            value = _ACTIVATE[activation](combined)
            if number == self.cell.cell_out:
                new_c = combined
            if number == self.cell.cell_in:
                combiner, activation = self.cell.inject
                value = _ACTIVATE[activation](_COMBINE[combiner](value, c))
            values.append(value)
        return values[-1], [values[-1], new_c]

    def get_initial_state(self, batch_size=None):
        """h and c before the first step: zeros."""
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype) for _ in range(2)]

    def compute_output_shape(self, input_shape, states_shape=None):
        state = (input_shape[0], self.units)
        return state, [state, state]

    def get_config(self):
        own = {"units": self.units, "use_bias": self.use_bias, "weight_decay": self.weight_decay}
        return {**super().get_config(), **own, "cell": json.loads(self.cell.to_json())}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "cell": RecurrentCell.from_json(json.dumps(config["cell"]))})


@keras.saving.register_keras_serializable(PACKAGE)
class Vocabulary(layers.Layer):
    """Words as vectors, and with `reverse` vectors as logits of words: their products with the
    vectors of all words, plus a bias.

    Args:
        words: how many there are.
        units: length of a vector.
        tied: whether the logits use the same vectors; else vectors of their own.
    """

    def __init__(self, words, units, *, tied=True, weight_decay=0.0, **kwargs):
        super().__init__(**kwargs)
        self.words, self.units, self.tied, self.weight_decay = words, units, tied, weight_decay

    def build(self, input_shape=None):
        # Cells multiply what they read: small numbers, as usual, give next to nothing and learn
        # slowly.
        vectors = keras.initializers.RandomUniform(-1.0, 1.0)
        options = dict(shape=(self.words, self.units), regularizer=l2(self.weight_decay))
        self.vectors = self.add_weight(name="vectors", initializer=vectors, **options)
        self.outputs = self.vectors
        if not self.tied:
            self.outputs = self.add_weight(name="outputs", initializer="glorot_uniform", **options)
        self.bias = self.add_weight(shape=(self.words,), name="bias", initializer="zeros")

    def call(self, x, reverse=False):
        if not reverse:
            vectors = ops.cast(self.vectors, self.compute_dtype)
            return ops.take(vectors, ops.cast(x, "int32"), axis=0)
        dtype = wide(self.compute_dtype)
        x, outputs, bias = (ops.cast(each, dtype) for each in (x, self.outputs, self.bias))
        return ops.matmul(x, ops.transpose(outputs)) + bias

    def compute_output_shape(self, input_shape, reverse=False):
        return (*input_shape[:-1], self.words) if reverse else (*input_shape, self.units)

    def compute_output_spec(self, x, reverse=False):
        dtype = wide(self.compute_dtype) if reverse else self.compute_dtype
        return keras.KerasTensor(self.compute_output_shape(x.shape, reverse), dtype=dtype)

    def get_config(self):
        names = ("words", "units", "tied", "weight_decay")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(PACKAGE)
class Perplexity(keras.metrics.SparseCategoricalCrossentropy):
    """exp of the mean cross-entropy of a word, in nats: among how many equally likely words the
    model would be choosing.
    """

    def __init__(self, name="perplexity", **kwargs):
        super().__init__(name=name, **kwargs)

    def result(self):
        return ops.exp(super().result())


@keras.saving.register_keras_serializable(PACKAGE)
class LanguageModel(GenotypeModel):
    """A language model of a `RecurrentCell`: each word's probabilities given those before it in its
    window.

    Inputs: numbers of words (batch, steps). Returns: (batch, steps, classes) float32, of the word
        after each.

    Args:
        genotype: a `RecurrentCell`.
        num_cells: recurrent layers, one above the other. The paper has 2.
        filters: units of each layer, and the length of a word's vector.
        input_shape: (steps,); (None,) takes any number.
        classes: words of the vocabulary.
        class_names: the words, in the order of their numbers.
        level: "word" or "character": what a word of the vocabulary is; kept with the model for
            those who prepare its texts.
        tied: the classifier shares the vectors of the words.
        dropout_rate: on the vectors and on what each layer gives.
        use_bias: of the cells.
        others: as `nasnet_tf.systems.cells.network.Network`.
    """

    def __init__(
        self,
        genotype,
        *,
        num_cells=2,
        filters=200,
        input_shape=(None,),
        classes=10_000,
        class_names=None,
        level="word",
        tied=True,
        dropout_rate=0.0,
        use_bias=False,
        classifier_activation="softmax",
        weight_decay=0.0,
        dtype=None,
        name="network",
    ):
        config = arguments(locals())
        check(config, RecurrentCell, "num_cells", "filters", "classes")
        if len(input_shape) != 1:
            raise ValueError(
                f"input_shape is {tuple(input_shape)}; a language model reads (steps,), such as"
                " (35,) or (None,)."
            )
        shared = dict(dtype=policy(dtype))
        inputs = keras.Input(tuple(input_shape), dtype="int32", name="words")
        vocabulary = Vocabulary(
            classes, filters, tied=tied, weight_decay=weight_decay, name="vocabulary", **shared
        )
        x = vocabulary(inputs)
        for number in range(num_cells):
            x = _dropped(x, dropout_rate, number, shared)
            options = dict(use_bias=use_bias, weight_decay=weight_decay, **shared)
            cell = TreeCell(genotype, filters, name="tree", **options)
            x = layers.RNN(cell, return_sequences=True, name=f"cell_{number}", **shared)(x)
        logits = vocabulary(_dropped(x, dropout_rate, num_cells, shared), reverse=True)
        last = layers.Activation(classifier_activation, dtype=logits.dtype, name="predictions")
        super().__init__(inputs, last(logits), config)

    def training_metrics(self):
        """What is measured in training besides the loss."""
        return [Perplexity()]


def _dropped(x, rate, number, shared):
    return layers.Dropout(rate, name=f"dropout_{number}", **shared)(x) if rate else x
