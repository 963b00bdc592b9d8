"""The operations and the layers with state, against NumPy."""

import keras
import numpy as np
import pytest
from reference import NORM, convolved, depthwise, normed, relu, shuffled, windows

from nasnet_tf.genotype import OPERATION_NAMES
from nasnet_tf.layers import AuxiliaryHead, DropPath, FactorizedReduction
from nasnet_tf.layers.operations import ConvNorm, Operation, Pool

SIZES = [(8, 8), (7, 7), (6, 9), (1, 1), (2, 5)]


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def same(layer):
    """The layer after a trip through its configuration."""
    return type(layer).from_config(layer.get_config())


def parts(layer):
    """{name: array} of the weights of each operation in `layer`, in order."""
    return [
        {name: np.asarray(w) for name, w in layer.bound.named(site).items()}
        for site in layer.bound.graph.sites
    ]


def only(layer):
    (part,) = parts(layer)
    return part


def kernels(part):
    return [array for name, array in part.items() if "kernel" in name]


def close(one, two):
    np.testing.assert_allclose(np.asarray(one, "float64"), two, rtol=1e-4, atol=1e-4)


# ---- every operation ----


@pytest.mark.parametrize("strides, filters", [(1, 3), (1, 8), (2, 3), (2, 1)])
@pytest.mark.parametrize("name", OPERATION_NAMES)
def test_every_operation_runs_at_any_size_to_the_shape_it_promises(name, strides, filters):
    layer = Operation(name, filters, strides)
    for height, width in SIZES:
        y = layer(images(2, height, width, 3))
        assert (
            tuple(y.shape)
            == (2, -(-height // strides), -(-width // strides), filters)
            == layer.compute_output_shape((2, height, width, 3))
        )
        assert np.isfinite(y).all()


@pytest.mark.parametrize("name", OPERATION_NAMES)
def test_every_operation_promises_a_shape_where_the_size_is_unknown(name):
    assert Operation(name, 4, 2).compute_output_shape((None, None, 7, 3)) == (None, None, 4, 4)


@pytest.mark.parametrize("name", OPERATION_NAMES)
def test_every_operation_comes_back_from_its_configuration(name):
    layer = Operation(
        name,
        5,
        2,
        zero_padding=True,
        batch_norm_momentum=0.5,
        batch_norm_epsilon=0.1,
        weight_decay=0.2,
        dtype="mixed_bfloat16",
    )
    assert same(layer).get_config() == layer.get_config()


@pytest.mark.parametrize("name", OPERATION_NAMES)
def test_every_operation_comes_back_from_its_configuration_with_the_same_weights(name):
    layer = shuffled(_built(Operation(name, 5, 2), 3))
    copy = _built(same(layer), 3)
    copy.set_weights(layer.get_weights())
    close(copy(images(1, 6, 5, 3)), np.asarray(layer(images(1, 6, 5, 3))))


@pytest.mark.parametrize("name", OPERATION_NAMES)
def test_every_operation_learns(name):
    import tensorflow as tf

    layer = _built(Operation(name, 4), 3)  # other channels: no operation is without weights
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(images(4, 6, 6, 3), training=True) * images(4, 6, 6, 4, seed=1))
    gradients = tape.gradient(loss, [w.value for w in layer.trainable_weights])
    assert gradients and all(g is not None and np.abs(g).max() > 0 for g in gradients)


def test_an_unknown_operation_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match="no operation 'sep_conv_9x9'; there are identity, .*sep_conv_7x7"
    ):
        Operation("sep_conv_9x9", 4)


def test_identity_that_changes_nothing_is_nothing():
    layer = Operation("identity", 3)
    x = images(2, 4, 4, 3)
    assert np.array_equal(layer(x), x)
    assert not layer.weights


@pytest.mark.parametrize("strides, filters", [(2, 3), (1, 5), (2, 5)])
def test_identity_that_must_fit_is_a_projection(strides, filters):
    layer = shuffled(_built(Operation("identity", filters, strides), 3))
    part = only(layer)
    x = images(2, 5, 4, 3)
    close(layer(x), normed(convolved(relu(x), kernels(part)[0], (strides, strides)), part))


@pytest.mark.parametrize(
    "name, size, pool", [("avg_pool_3x3", 3, np.nanmean), ("max_pool_5x5", 5, np.nanmax)]
)
def test_a_pool_that_must_fit_is_projected_without_relu(name, size, pool):
    layer = shuffled(_built(Operation(name, 5, 2), 3))
    x = images(2, 7, 6, 3)
    pooled = pool(windows(x, (size, size), (2, 2), border=np.nan), axis=(3, 4))
    projection = only(layer)
    close(layer(x), normed(convolved(pooled, kernels(projection)[0]), projection))


@pytest.mark.parametrize("name", [name for name in OPERATION_NAMES if "pool" in name])
def test_a_pool_that_fits_has_no_weights(name):
    assert not _built(Operation(name, 3, 2), 3).weights


@pytest.mark.parametrize("size", [3, 5, 7])
def test_a_separable_convolution_is_applied_twice_and_strided_once(size):
    layer = shuffled(_built(Operation(f"sep_conv_{size}x{size}", 5, 2), 3))
    expected = x = images(2, 9, 6, 3)
    for part, strides in zip(parts(layer), ((2, 2), (1, 1)), strict=True):
        deep, point = kernels(part)  # neither batch norm nor ReLU between them (section A.4)
        expected = normed(convolved(depthwise(relu(expected), deep, strides), point), part)
    close(layer(x), expected)


# Kernels, strides of each at stride 2, share of the filters (tpu/models/official/amoeba_net).
BOTTLENECKS = {
    "conv_1x3_3x1": ([(1, 3), (3, 1)], [(1, 2), (2, 1)], 3 / 8),
    "conv_1x7_7x1": ([(1, 7), (7, 1)], [(1, 2), (2, 1)], 1 / 4),
    "conv_3x3": ([(3, 3)], [(2, 2)], 1 / 4),
    "dil_conv_3x3": ([(3, 3)], [(2, 2)], 1 / 4),
}


@pytest.mark.parametrize("filters", [8, 1])
@pytest.mark.parametrize("strided", [False, True], ids=["stride 1", "stride 2"])
@pytest.mark.parametrize("name", BOTTLENECKS)
def test_a_full_convolution_works_between_two_projections(name, strided, filters):
    sizes, strides, share = BOTTLENECKS[name]
    narrow = int(filters * share)
    steps = [
        (k, s if strided else (1, 1), narrow or filters)
        for k, s in zip(sizes, strides, strict=True)
    ]
    if narrow:  # at one filter a bottleneck would have none, and there is none
        steps = [((1, 1), (1, 1), narrow), *steps, ((1, 1), (1, 1), filters)]
    layer = shuffled(_built(Operation(name, filters, 2 if strided else 1), 3))
    expected = x = images(2, 9, 6, 3)
    for part, (kernel_size, stride, width) in zip(parts(layer), steps, strict=True):
        (kernel,) = kernels(part)
        assert kernel.shape == (*kernel_size, expected.shape[-1], width)
        if name == "dil_conv_3x3" and kernel_size == (3, 3):
            expected = convolved(relu(expected), kernel, dilation=2)[:, :: stride[0], :: stride[1]]
        else:
            expected = convolved(relu(expected), kernel, stride)
        expected = normed(expected, part)
    close(layer(x), expected)


# ---- ConvNorm ----


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 4)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (1, 2), (2, 1)])
@pytest.mark.parametrize("kernel_size", [(1, 1), (3, 3), (1, 7), (5, 1)])
def test_a_convolution_is_padded_as_tensorflow_says(kernel_size, strides, size):
    layer = shuffled(_built(ConvNorm(4, kernel_size, strides), 3))
    x = images(2, *size, 3)
    close(layer(x), normed(convolved(relu(x), kernels(only(layer))[0], strides), only(layer)))
    assert tuple(layer(x).shape) == layer.compute_output_shape(x.shape)


@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
@pytest.mark.parametrize("strides", [1, 2])
def test_a_dilated_convolution_reaches_further_at_either_stride(strides, size):
    layer = shuffled(_built(ConvNorm(4, (3, 3), (strides, strides), dilation=2), 3))
    x = images(2, *size, 3)
    expected = convolved(relu(x), kernels(only(layer))[0], dilation=2)[:, ::strides, ::strides]
    close(layer(x), normed(expected, only(layer)))


def test_a_valid_convolution_loses_its_border():
    layer = shuffled(_built(ConvNorm(4, (3, 3), (2, 2), relu=False, padding="valid"), 3))
    x = images(2, 9, 8, 3)
    inner = np.stack([[x[:, i : i + 3, j : j + 3] for j in (0, 2, 4)] for i in (0, 2, 4, 6)])
    expected = np.einsum("hwbijc,ijcf->bhwf", inner, kernels(only(layer))[0])
    close(layer(x), normed(expected, only(layer)))
    assert layer.compute_output_shape((2, 9, 8, 3)) == (2, 4, 3, 4)


def test_without_relu_negative_pixels_count():
    layer = shuffled(_built(ConvNorm(4, relu=False), 3))
    x = -np.abs(images(1, 2, 2, 3))
    close(layer(x), normed(convolved(x, kernels(only(layer))[0]), only(layer)))


def test_in_training_batch_norm_uses_the_batch():
    layer = _built(ConvNorm(4), 3)
    y = np.asarray(layer(images(8, 5, 5, 3), training=True))
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-3)


def keras_norm(layer):
    """Keras' own batch norm with the weights and the numbers of the one in `layer`."""
    norm = keras.layers.BatchNormalization(
        momentum=layer.batch_norm_momentum, epsilon=layer.batch_norm_epsilon
    )
    own = only(layer)
    norm.build((None, None, None, len(own["gamma"])))
    norm.set_weights([own[name] for name in NORM])
    return norm


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_that_of_keras(training):
    layer = shuffled(
        _built(ConvNorm(4, relu=False, batch_norm_momentum=0.25, batch_norm_epsilon=0.5), 3)
    )
    norm, x = keras_norm(layer), images(8, 5, 5, 3)
    close(
        layer(x, training=training),
        np.asarray(
            norm(convolved(x, kernels(only(layer))[0]).astype("float32"), training=training)
        ),
    )
    for name in ("moving_mean", "moving_variance"):
        close(only(layer)[name], np.asarray(getattr(norm, name)))


def test_a_frozen_batch_norm_neither_learns_nor_looks_at_the_batch():
    layer = shuffled(_built(ConvNorm(4), 3))
    before, x = layer.get_weights(), images(8, 5, 5, 3)
    layer.freeze_batch_norms = True
    assert np.array_equal(layer(x, training=True), layer(x))
    assert all(
        np.array_equal(one, two) for one, two in zip(before, layer.get_weights(), strict=True)
    )
    assert [w.name for w in layer.trainable_weights] == ["convolution.kernel"]
    layer.freeze_batch_norms = False
    assert len(layer.trainable_weights) == 3


def test_the_batch_norm_of_a_frozen_layer_uses_its_averages():
    layer = shuffled(_built(ConvNorm(4), 3))
    layer.trainable = False
    assert np.array_equal(layer(images(8, 5, 5, 3), training=True), layer(images(8, 5, 5, 3)))


@pytest.mark.parametrize("separable", [False, True])
def test_l2_loss_is_half_of_the_decay_times_the_sum_of_squares(separable):
    layer = shuffled(_built(ConvNorm(4, (3, 3), separable=separable, weight_decay=0.3), 3))
    squares = sum((kernel.astype("float64") ** 2).sum() for kernel in kernels(only(layer)))
    assert float(sum(layer.losses)) == pytest.approx(0.3 * squares / 2, rel=1e-5)


def test_without_weight_decay_there_is_no_loss():
    assert _built(ConvNorm(4), 3).losses == []


def test_kernels_start_with_a_variance_of_two_by_fan_out():
    kernel = kernels(only(_built(ConvNorm(512, (3, 3)), 64)))[0]
    assert kernel.std() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.02)


@pytest.mark.parametrize(
    "layer",
    [
        ConvNorm(4, (1, 7), (1, 2), relu=False, weight_decay=0.1),
        ConvNorm(4, (3, 3), dilation=2, separable=False, padding="same", batch_norm_momentum=0.5),
        ConvNorm(4, (3, 3), (2, 2), separable=True, padding="valid", batch_norm_epsilon=0.5),
        Pool("avg", 3, 2, zero_padding=True),
        FactorizedReduction(6, relu=False, weight_decay=0.1),
        DropPath(0.5, steps=10, seed=3),
        AuxiliaryHead(10, (4, 5), activation=None),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_every_layer_comes_back_from_its_configuration(layer):
    assert same(layer).get_config() == layer.get_config()


# ---- Pool ----


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 4)])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("window", [3, 5, 7])
@pytest.mark.parametrize("kind, pool", [("max", np.nanmax), ("avg", np.nanmean)])
def test_a_pool_does_not_count_the_border(kind, pool, window, strides, size):
    x = images(2, *size, 3) - 5  # all negative: a zero from outside would show
    close(
        Pool(kind, window, strides)(x),
        pool(windows(x, (window, window), (strides, strides), border=np.nan), axis=(3, 4)),
    )


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 4)])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("window", [3, 5, 7])
@pytest.mark.parametrize("kind, pool", [("max", np.max), ("avg", np.mean)])
def test_a_zero_padded_pool_counts_the_border_as_zeros(kind, pool, window, strides, size):
    x = images(2, *size, 3) - 5
    close(
        Pool(kind, window, strides, zero_padding=True)(x),
        pool(windows(x, (window, window), (strides, strides)), axis=(3, 4)),
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("window", [3, 7])
def test_a_zero_padded_maximum_is_exact_in_half_precision(window, dtype):
    x = images(2, 9, 9, 3) - 5
    half = np.asarray(keras.ops.cast(keras.ops.cast(x, dtype), "float32"))
    expected = windows(half, (window, window), (2, 2)).max((3, 4))
    assert np.array_equal(
        keras.ops.cast(Pool("max", window, 2, zero_padding=True, dtype=dtype)(half), "float32"),
        expected,
    )


def test_only_strided_pools_of_an_operation_are_zero_padded():
    x = images(1, 4, 4, 3) - 5
    assert np.array_equal(
        Operation("max_pool_3x3", 3, 1, zero_padding=True)(x), Operation("max_pool_3x3", 3, 1)(x)
    )
    assert not np.array_equal(
        Operation("max_pool_3x3", 3, 2, zero_padding=True)(x), Operation("max_pool_3x3", 3, 2)(x)
    )


# ---- FactorizedReduction ----


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (6, 3), (1, 1)])
@pytest.mark.parametrize("with_relu", [True, False])
@pytest.mark.parametrize("filters", [6, 5, 1])
def test_factorized_reduction_takes_even_and_odd_pixels(filters, with_relu, size):
    layer = shuffled(_built(FactorizedReduction(filters, relu=with_relu), 3))
    x = images(2, *size, 3)
    source = relu(x) if with_relu else x
    moved = np.pad(source, ((0, 0), (0, 1), (0, 1), (0, 0)))[
        :, 1:, 1:
    ]  # padded at the end, cropped at the start
    projections = [kernel[0, 0] for kernel in kernels(only(layer))]
    halves = [
        s[:, ::2, ::2] @ k
        for s, k in zip((source, moved)[-len(projections) :], projections, strict=True)
    ]
    close(layer(x), normed(np.concatenate(halves, axis=-1), only(layer)))
    assert (
        tuple(layer(x).shape)
        == layer.compute_output_shape(x.shape)
        == (2, -(-size[0] // 2), -(-size[1] // 2), filters)
    )


def test_factorized_reduction_has_the_weights_of_one_projection():
    assert (
        sum(np.prod(w.shape) for w in _built(FactorizedReduction(6), 10).trainable_weights)
        == 10 * 6 + 2 * 6
    )


# ---- DropPath ----


def kept(layer, examples=20_000):
    """The share of examples a layer keeps, and what it multiplies those by."""
    y = np.asarray(layer(np.ones((examples, 2, 1), "float32"), training=True))
    assert (y == y[:, :1]).all()  # an example whole or not at all
    factors = np.unique(y[y > 0])
    np.testing.assert_allclose(factors, factors[0])
    return (y[:, 0, 0] > 0).mean(), factors[0]


def test_drop_path_drops_whole_examples_and_scales_the_others():
    share, factor = kept(DropPath(0.25))
    assert share == pytest.approx(0.75, abs=0.02)
    assert factor == pytest.approx(1 / 0.75)


def test_drop_path_keeps_the_mean():
    y = np.asarray(DropPath(0.5)(np.full((20_000, 1), 3.0, "float32"), training=True))
    assert y.mean() == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("t, keep", [(0, 1.0), (25, 0.9), (50, 0.8), (100, 0.6), (1000, 0.6)])
def test_drop_path_rises_linearly_to_its_end(t, keep):
    layer = DropPath(0.4, steps=100)
    layer.build((None, 1))
    layer.step.assign(t)
    share, factor = kept(layer)
    assert factor == pytest.approx(1 / keep, rel=1e-5)
    assert share == pytest.approx(keep, abs=0.02)


def test_drop_path_counts_training_calls_only():
    layer = DropPath(0.4, steps=100)
    x = np.ones((2, 3), "float32")
    for training in (True, False, True, None, True):
        layer(x, training=training)
    assert int(layer.step) == 3


def test_drop_path_counts_in_a_graph():
    import tensorflow as tf

    layer = DropPath(0.4, steps=100)
    layer.build((None, 1))
    step = tf.function(lambda x: layer(x, training=True))
    for _ in range(5):
        step(tf.ones((2, 1)))
    assert int(layer.step) == 5


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_drop_path_counts_past_what_half_precision_can(policy):
    layer = DropPath(0.4, steps=937_500, dtype=policy)
    layer.build((None, 1))
    layer.step.assign(937_499 // 2)
    share, factor = kept(layer)
    assert int(layer.step) == 937_499 // 2 + 1
    assert layer.step.dtype == "int32"
    assert share == pytest.approx(0.8, abs=0.02)
    assert factor == pytest.approx(1 / 0.8, rel=1e-2)


@pytest.mark.parametrize("training", [False, None])
def test_at_inference_drop_path_changes_nothing(training):
    x = images(4, 3)
    assert np.array_equal(DropPath(0.9)(x, training=training), x)


def test_a_rate_of_zero_changes_nothing():
    x = images(4, 3)
    assert np.array_equal(DropPath(0.0)(x, training=True), x)


@pytest.mark.parametrize("rate", [1.0, -0.1, 2, float("nan")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(
        ValueError, match="drop path rate is .*; give a number of at least 0 and below 1"
    ):
        DropPath(rate)


@pytest.mark.parametrize("steps", [0, -5])
def test_a_schedule_without_steps_is_refused(steps):
    with pytest.raises(
        ValueError, match="drop path steps is .*; give the number of training steps, or None"
    ):
        DropPath(0.5, steps=steps)


def test_equal_seeds_drop_equal_paths():
    x = np.ones((100, 1), "float32")
    assert np.array_equal(
        DropPath(0.5, seed=7)(x, training=True), DropPath(0.5, seed=7)(x, training=True)
    )


# ---- AuxiliaryHead ----


def test_the_auxiliary_head_is_two_convolutions_and_a_classifier():
    layer = shuffled(_built(AuxiliaryHead(5, (2, 1), activation=None), (None, 8, 5, 3)))
    x = images(2, 8, 5, 3)
    source = relu(x)
    pooled = np.stack([source[:, i : i + 5].mean((1, 2)) for i in (0, 3)], 1)[
        :, :, None
    ]  # 5x5, stride 3, no border
    projection, convolution = parts(layer)
    projected = normed(pooled @ projection["kernel"][0, 0], projection)
    whole = np.einsum("bijc,ijcf->bf", relu(projected), convolution["kernel"])
    kernel, bias = layer.dense.get_weights()
    expected = relu(normed(whole, convolution)) @ kernel + bias
    np.testing.assert_allclose(layer(x), expected, rtol=1e-3, atol=1e-2)
    assert layer.compute_output_shape((2, 8, 5, 3)) == (2, 5)


def test_the_auxiliary_head_answers_in_float32():
    layer = AuxiliaryHead(5, (1, 1), dtype="mixed_float16")
    assert str(keras.backend.standardize_dtype(layer(images(1, 5, 5, 3)).dtype)) == "float32"


@pytest.mark.parametrize(
    "channels, size, classes, trainable",
    [(384, 4, 10, 1_631_498), (528, 4, 1000, 2_411_240), (2016, 6, 1000, 4_567_784)],
)
def test_the_auxiliary_head_has_the_parameters_of_the_original_graph(
    channels, size, classes, trainable
):
    layer = _built(AuxiliaryHead(classes, (size, size)), (None, None, None, channels))
    assert sum(np.prod(w.shape) for w in layer.trainable_weights) == trainable


def _built(layer, channels):
    layer.build(channels if isinstance(channels, tuple) else (None, None, None, channels))
    return layer
