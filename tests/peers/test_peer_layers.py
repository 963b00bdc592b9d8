"""Keras' checks of a layer, of every layer, network, metric and initializer of ours that can stand
in a saved model.
"""

import keras
import numpy as np
import pytest
from layer_checks import check_layer, check_saving, check_serialization

from nasnet_tf import spaces
from nasnet_tf.genotype import NASNET_A, NASBench201
from nasnet_tf.layers import AuxiliaryHead, DropPath, FactorizedReduction
from nasnet_tf.layers.initializers import VarianceScaling
from nasnet_tf.layers.operations import PACKAGE, ConvNorm, Operation, Pool
from nasnet_tf.network import Network
from nasnet_tf.systems import networks
from nasnet_tf.systems.cells.layer import Cell
from nasnet_tf.systems.dna.network import EdgeConvolution, VertexSum
from nasnet_tf.systems.hierarchical.network import MotifCell
from nasnet_tf.systems.nas_bench_201.network import EdgesCell, ResidualReduction
from nasnet_tf.systems.recurrent.network import Perplexity, TreeCell, Vocabulary

networks.import_all()
EIGHT = np.random.default_rng(0).random((2, 8, 8, 3), "float32")
WIDE = np.random.default_rng(1).random((2, 8, 8, 8), "float32")
WORDS = np.array([[1, 2, 0], [4, 3, 3]], "int32")
ARCH = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"


def space_point(name):
    space = spaces.get(name)()
    return space.decode(space.first)


def recurrent(**options):
    """A `TreeCell` as it is used: in Keras' recurrent layer."""
    return keras.layers.RNN(
        TreeCell(space_point("recurrent"), 4, weight_decay=1e-4, **options), **options
    )


# make, inputs, shape of the output, trained weights, other weights, and what else is not as usual
LAYERS = {
    "ConvNorm": (
        lambda **o: ConvNorm(4, (3, 3), (2, 2), weight_decay=1e-4, **o),
        EIGHT,
        (2, 4, 4, 4),
        3,
        2,
        {"losses": 1},
    ),
    "ConvNorm, separable": (
        lambda **o: ConvNorm(4, (3, 3), separable=True, **o),
        EIGHT,
        (2, 8, 8, 4),
        4,
        2,
        {},
    ),
    "ConvNorm, valid": (
        lambda **o: ConvNorm(4, (3, 3), padding="valid", **o),
        EIGHT,
        (2, 6, 6, 4),
        3,
        2,
        {},
    ),
    "Pool": (lambda **o: Pool("max", 3, 2, **o), EIGHT, (2, 4, 4, 3), 0, 0, {}),
    "Pool, zero padded": (
        lambda **o: Pool("avg", 3, 2, zero_padding=True, **o),
        EIGHT,
        (2, 4, 4, 3),
        0,
        0,
        {},
    ),
    "Operation": (lambda **o: Operation("sep_conv_3x3", 4, 2, **o), EIGHT, (2, 4, 4, 4), 8, 4, {}),
    "FactorizedReduction": (lambda **o: FactorizedReduction(4, **o), EIGHT, (2, 4, 4, 4), 4, 2, {}),
    "DropPath": (
        lambda **o: DropPath(0.3, **o),
        EIGHT,
        (2, 8, 8, 3),
        0,
        0,
        {"seeds": 1, "masks": True},
    ),
    "DropPath, scheduled": (
        lambda **o: DropPath(0.3, 10, seed=1, **o),
        EIGHT,
        (2, 8, 8, 3),
        0,
        1,
        {"seeds": 1, "masks": True},
    ),
    "AuxiliaryHead": (lambda **o: AuxiliaryHead(5, (2, 2), **o), EIGHT, (2, 5), 8, 4, {}),
    "Cell": (lambda **o: Cell(NASNET_A.normal, 2, **o), [WIDE, EIGHT], (2, 8, 8, 12), 46, 24, {}),
    "Cell, with drop path": (
        lambda **o: Cell(
            NASNET_A.reduction,
            2,
            2,
            drop_path_rate=0.3,
            drop_path_steps=4,
            gradient_checkpointing=True,
            **o,
        ),
        [WIDE, EIGHT],
        (2, 4, 4, 8),
        46,
        25,
        {"seeds": 1},
    ),
    "EdgesCell": (
        lambda **o: EdgesCell(NASBench201.from_arch(ARCH), **o),
        WIDE,
        (2, 8, 8, 8),
        6,
        4,
        {},
    ),
    "ResidualReduction": (lambda **o: ResidualReduction(4, **o), EIGHT, (2, 4, 4, 4), 7, 4, {}),
    "MotifCell": (
        lambda **o: MotifCell(space_point("hierarchical"), 4, **o),
        WIDE,
        None,
        None,
        None,
        {},
    ),
    "EdgeConvolution": (
        lambda **o: EdgeConvolution(4, (3, 3), 2, **o),
        EIGHT,
        (2, 4, 4, 4),
        1,
        0,
        {},
    ),
    "VertexSum": (lambda **o: VertexSum("bn_relu", **o), [WIDE, EIGHT], (2, 8, 8, 8), 2, 2, {}),
    "TreeCell": (
        recurrent,
        np.ones((2, 3, 5), "float32"),
        (2, 4),
        2,
        0,
        {"losses": 2, "masks": True},
    ),
    "Vocabulary": (lambda **o: Vocabulary(7, 4, **o), WORDS, (2, 3, 4), 2, 0, {}),
}
IN_SHORT = ["ConvNorm", "DropPath, scheduled", "Vocabulary"]
LISTED = [
    name if name in IN_SHORT else pytest.param(name, marks=pytest.mark.slow) for name in LAYERS
]


@pytest.mark.parametrize("name", LISTED)
def test_a_layer_is_what_keras_asks_of_every_layer(name, tmp_path):
    make, inputs, shape, trainable, others, options = LAYERS[name]
    if shape is None:  # as the genotype says
        layer = make()
        layer(inputs)
        shape = layer.compute_output_shape(inputs.shape)
        trainable, others = len(layer.trainable_weights), len(layer.non_trainable_weights)
    check_layer(make, inputs, shape, trainable, others, **options)
    check_saving(make, inputs, tmp_path)


def test_every_layer_of_ours_that_can_be_saved_is_among_them():
    registered = [
        value
        for name, value in keras.saving.get_custom_objects().items()
        if name.startswith(f"{PACKAGE}>")
    ]
    layers = {
        value.__name__
        for value in registered
        if issubclass(value, keras.layers.Layer) and not issubclass(value, keras.Model)
    }
    checked = {name.partition(",")[0] for name in LAYERS}
    assert layers == checked


@pytest.mark.parametrize(
    "one", [VarianceScaling(1.5, seed=3), Perplexity()], ids=lambda one: type(one).__name__
)
def test_what_else_stands_in_a_saved_model_comes_back(one):
    check_serialization(one)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(spaces.SPACES))
def test_a_network_of_every_space_comes_back_from_its_configuration(name):
    genotype = space_point(name)
    shape = (8,) if getattr(genotype, "reads", "images") == "text" else (16, 16, 3)
    check_serialization(
        networks.build(genotype, num_cells=1, filters=4, classes=3, input_shape=shape)
    )


@pytest.mark.slow
def test_a_network_with_all_it_can_have_comes_back_from_its_configuration():
    check_serialization(
        Network(
            NASNET_A,
            num_cells=(1, 1, 0),
            filters=4,
            classes=3,
            stem="imagenet",
            input_shape=(96, 96, 3),
            auxiliary_head=True,
            drop_path_rate=0.3,
            drop_path_steps=9,
            dropout_rate=0.1,
            residual=True,
            weight_decay=1e-4,
            mean=[1.0] * 3,
            std=[2.0] * 3,
            class_names=["a", "b", "c"],
            dtype="mixed_bfloat16",
            trainable=False,
        )  # fmt: skip
    )
