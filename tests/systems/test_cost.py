"""Parameters and multiply-adds from the plan alone, against built networks, the original graph and
the papers.
"""

import math

import pytest

from nasnet_tf.cost import Cost, cost
from nasnet_tf.genotype import NASNET_A, PNASNET_5, Block, Cell, Genotype

MOBILE = dict(num_cells=4, filters=44, stem="imagenet", input_shape=(224, 224, 3), classes=1000)
LARGE = dict(
    num_cells=6,
    filters=168,
    stem="imagenet",
    input_shape=(331, 331, 3),
    classes=1000,
    stem_filters=96,
)

# Of the original TF-slim graph, run under TF 2.12: trainable without, with the auxiliary head.
SLIM = [
    (MOBILE, 1000, 5_289_978, 7_701_218),
    (MOBILE, 1001, 5_291_035, 7_703_044),
    (LARGE, 1000, 88_753_150, 93_320_934),
    (LARGE, 1001, 88_757_183, 93_325_736),
    (dict(), 10, 3_346_538, 4_978_036),
    (dict(), 100, 3_415_748, 5_116_456),
]
IDS = [
    f"{name}-{classes}"
    for name, (_, classes, *_) in zip(
        ("mobile", "mobile", "large", "large", "cifar", "cifar"), SLIM, strict=True
    )
]


@pytest.mark.parametrize("arguments, classes, trainable, _", SLIM, ids=IDS)
def test_nasnet_a_has_the_trainable_parameters_of_the_original_graph(
    arguments, classes, trainable, _
):
    assert cost(NASNET_A, **{**arguments, "classes": classes}).trainable == trainable


@pytest.mark.parametrize("arguments, classes, _, trainable", SLIM, ids=IDS)
def test_nasnet_a_with_auxiliary_head_has_the_trainable_parameters_of_the_original_graph(
    arguments, classes, _, trainable
):
    assert (
        cost(NASNET_A, **{**arguments, "classes": classes}, auxiliary_head=True).trainable
        == trainable
    )


@pytest.mark.parametrize(
    "arguments, parameters",
    [(MOBILE, 5_326_716), (LARGE, 88_949_818), ({}, 3_383_786)],
    ids=["mobile", "large", "cifar"],
)
def test_nasnet_a_has_the_parameters_of_the_original_graph(arguments, parameters):
    assert cost(NASNET_A, **arguments).parameters == parameters


@pytest.mark.parametrize(
    "arguments, parameters", [(MOBILE, 4_269_716), (LARGE, 84_916_818)], ids=["mobile", "large"]
)
def test_nasnet_a_without_top_has_the_parameters_of_keras_applications(arguments, parameters):
    assert cost(NASNET_A, **arguments, include_top=False).parameters == parameters


@pytest.mark.parametrize(
    "arguments, multiply_adds",
    [
        (MOBILE, 563_638_816),
        (LARGE, 23_783_414_658),
        ({}, 544_333_312),
        (dict(num_cells=2), 232_185_344),
        (dict(num_cells=2, filters=24), 136_390_272),
    ],
    ids=["mobile", "large", "cifar", "cifar N=2", "cifar N=2 F=24"],
)
def test_nasnet_a_has_the_multiply_adds_of_the_original_graph(arguments, multiply_adds):
    assert cost(NASNET_A, **arguments).multiply_adds == multiply_adds


@pytest.mark.parametrize(
    "arguments, trainable",
    [
        (
            dict(num_cells=(4, 3, 3), filters=216, stem="imagenet", stem_filters=96, classes=1000),
            86_057_668,
        ),
        (
            dict(
                num_cells=(3, 2, 2),
                filters=54,
                stem="imagenet",
                stem_cell_filters=(13, 27),
                classes=1000,
            ),
            5_064_487,
        ),
        (dict(num_cells=(3, 2, 2), filters=48), 3_189_082),
    ],
    ids=["large", "mobile", "cifar"],
)
def test_pnasnet_5_has_the_trainable_parameters_of_its_specification(arguments, trainable):
    assert cost(PNASNET_5, **arguments).trainable == trainable


@pytest.mark.parametrize("n, f, classes", [(1, 1, 2), (2, 24, 10), (7, 96, 10), (6, 96, 100)])
def test_nasnet_a_on_cifar_follows_the_closed_form(n, f, classes):
    stem = 3 * f

    def separable(k, channels, filters):
        return k * k * channels + channels * filters + k * k * filters + filters**2 + 4 * filters

    def normal(c, p, filters):
        return (c + p) * filters + 4 * filters + 10 * filters**2 + 174 * filters

    def reduction(c, p, filters):
        return (c + p) * filters + 4 * filters + 10 * filters**2 + 334 * filters

    expected = 27 * stem + 2 * stem
    # Cell_0 reads the raw stem as p: three separable convolutions, and four projections more than
    # any other cell.
    expected += (
        stem * f
        + 2 * f
        + separable(5, f, f)
        + 2 * separable(3, stem, f)
        + separable(5, stem, f)
        + separable(3, f, f)
        + 4 * (stem * f + 2 * f)
    )
    h, p = 6 * f, stem
    for stage in range(3):
        filters = f * 2**stage
        if stage:
            expected += reduction(h, p, filters)
            h, p = 4 * filters, h
        for _ in range(n - (stage == 0)):
            expected += normal(h, p, filters)
            h, p = 6 * filters, h
    expected += 24 * f * classes + classes
    assert cost(NASNET_A, n, f, classes=classes).trainable == expected


def test_multiply_adds_are_kernels_times_the_pixels_of_their_outputs():
    one = Cell((Block(0, "conv_1x1", 0, "identity"),), (2,))
    at_8 = 9 * 12 + 12 * 4 + 4 * 4  # 3x3 stem on one channel; base and conv_1x1 of the normal cell
    at_8 += (
        4 * 8 + 12 * 8
    )  # base of the first reduction cell; its p, the stem, at the size it reads
    at_4 = 2 * 8 * 8  # its strided conv_1x1 and strided identity
    at_4 += 8 * 16 + 4 * 16  # base of the second; its p, 8 x 8 until its factorized reduction
    at_2 = 2 * 16 * 16
    whole = cost(Genotype(one, one), (1, 0, 0), 4, input_shape=(8, 8, 1), classes=3)
    assert whole.multiply_adds == 64 * at_8 + 16 * at_4 + 4 * at_2 + 16 * 3


def test_cost_is_three_numbers_by_name():
    assert Cost._fields == ("trainable", "parameters", "multiply_adds")


# ---- against built networks ----


def counted(network):
    trainable = sum(math.prod(w.shape) for w in network.trainable_weights)
    return trainable, trainable + sum(math.prod(w.shape) for w in network.non_trainable_weights)


SHAPES = [
    dict(num_cells=1, filters=1),
    dict(num_cells=1, filters=3, residual=True, input_shape=(9, 7, 1)),
    dict(num_cells=(2, 1, 1), filters=2, classes=3),
    dict(num_cells=(1, 0, 0), filters=5, stem_filters=4, input_shape=(8, 8, 4)),
    dict(num_cells=1, filters=2, auxiliary_head=True, input_shape=(13, 16, 3)),
    dict(num_cells=1, filters=2, include_top=False, stem_filters=2),
    dict(num_cells=1, filters=4, stem="imagenet", input_shape=(33, 47, 3)),
    dict(
        num_cells=1,
        filters=8,
        stem="imagenet",
        stem_filters=5,
        residual=True,
        input_shape=(64, 64, 3),
    ),
    dict(num_cells=1, filters=4, stem="imagenet", auxiliary_head=True, input_shape=(80, 97, 3)),
    dict(
        num_cells=(1, 1, 2),
        filters=5,
        stem="imagenet",
        stem_cell_filters=(1, 3),
        input_shape=(64, 64, 3),
    ),
    dict(num_cells=(1, 0, 1), filters=3, residual=True),
    dict(num_cells=1, filters=2, residual=True, include_top=False),
]


@pytest.mark.parametrize(
    "seed, arguments",
    [
        pytest.param(i, a, marks=[pytest.mark.slow] if i in (0, 7, 9, 11) else [])
        for i, a in enumerate(SHAPES)
    ],
    ids=range(12),
)
def test_the_closed_form_counts_the_parameters_of_the_built_network(
    seed, arguments, random_genotype
):
    from nasnet_tf.network import Network

    genotype = random_genotype(seed, most=4)
    expected = cost(genotype, **arguments)
    assert counted(Network(genotype, **arguments)) == (expected.trainable, expected.parameters)


def test_the_closed_form_counts_a_network_that_skips_the_reduction():
    from nasnet_tf.network import Network

    network = Network(NASNET_A, num_cells=1, filters=2, skip_reduction=True)
    assert counted(network)[0] == cost(NASNET_A, 1, 2, skip_reduction=True).trainable


@pytest.mark.parametrize(
    "seed, arguments",
    [(3, SHAPES[1]), pytest.param(5, SHAPES[6], marks=pytest.mark.slow)],
    ids=["cifar", "imagenet"],
)
def test_the_closed_form_counts_the_multiply_adds_of_the_graph(seed, arguments, random_genotype):
    tf = pytest.importorskip("tensorflow")
    from nasnet_tf.network import Network

    genotype = _without_dilation(
        random_genotype(seed)
    )  # these run at stride 1, see ConvNorm, but are counted as strided
    network = Network(genotype, **arguments)
    image = tf.TensorSpec((1, *arguments["input_shape"]), tf.float32)
    graph = tf.function(lambda x: network(x, training=False)).get_concrete_function(image).graph
    found = 0
    for node in graph.get_operations():
        if node.type in ("Conv2D", "DepthwiseConv2dNative"):
            _, height, width, _ = node.outputs[0].shape
            found += height * width * math.prod(node.inputs[1].shape)
        elif node.type == "MatMul":
            found += math.prod(node.inputs[1].shape)
    assert found == cost(genotype, **arguments).multiply_adds


def _without_dilation(genotype):
    def cell(c):
        names = [
            (b.operation_1.replace("dil_", ""), b.operation_2.replace("dil_", "")) for b in c.blocks
        ]
        return c._replace(
            blocks=tuple(
                b._replace(operation_1=one, operation_2=two)
                for b, (one, two) in zip(c.blocks, names, strict=True)
            )
        )

    return Genotype(cell(genotype.normal), cell(genotype.reduction))
