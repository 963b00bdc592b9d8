"""The kernels beside Keras' operations; that each way back is the transpose of its way there; that
memory is never given out twice.
"""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasnet_tf.graph import Window
from nasnet_tf.graph.windows import windows_of
from nasnet_tf.native import convolutions, depthwise, kernels, memory, windows
from nasnet_tf.native.calls import Call
from nasnet_tf.native.tiles import COLUMNS, ROWS

IMAGES = 3
sides, strides = st.integers(1, 9), st.integers(1, 3)
shapes = st.fixed_dictionaries(
    dict(
        size=st.tuples(sides, sides),
        kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
        strides=strides,
        dilation=st.just(1),
        padding=st.sampled_from(["same", "valid"]),
        channels=st.integers(1, 9),
        filters=st.integers(1, 9),
    )
)


def maps(channels, size, seed=0):
    return np.random.default_rng(seed).normal(size=(IMAGES, *size, channels)).astype("float32")


def last(x):
    """(images, height, width, channels) as kernels take it."""
    return np.ascontiguousarray(x.transpose(3, 1, 2, 0)).reshape(x.shape[-1], -1)


def blank(channels, size):
    return np.full((channels, size[0] * size[1] * IMAGES), np.nan, "float32")


def run(kernel, *arguments, extent, unit=1, threads=3):
    """The parts of a call that several threads would compute, one after the other."""
    for part in Call(kernel, arguments, extent, unit, 1 << 30).parts(threads):
        for of_part, with_part in part:
            of_part(*with_part)


def convolve(x, w, spans, y, threads=3):
    pixelwise = convolutions.by_pixels(spans, y.shape[1])
    extent, unit = (y.shape[1], COLUMNS) if pixelwise else (len(y), ROWS)
    run(convolutions.convolve, x, w, spans, pixelwise, y, extent=extent, unit=unit, threads=threads)


def convolve_backward(w, spans, dy, dx, add):
    pixelwise = convolutions.by_pixels(spans, dx.shape[1])
    extent, unit = (dx.shape[1], COLUMNS) if pixelwise else (len(dx), ROWS)
    arguments = w, spans, pixelwise, dy, dx, add
    run(convolutions.convolve_backward, *arguments, extent=extent, unit=unit)


def assert_transposed(there, back, x, y_size):
    """<there(x), y> is <x, back(y)>, whether the gradient is written or added."""
    y = np.random.default_rng(1).normal(size=y_size).astype("float32")
    expected = np.vdot(there(x), y)
    written, added = np.full_like(x, np.nan), np.ones_like(x)
    back(y.copy(), written, False)
    back(y.copy(), added, True)
    assert np.vdot(x, written) == pytest.approx(expected, rel=1e-3, abs=1e-3)
    np.testing.assert_allclose(added, written + 1, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=20)
@given(shapes)
def test_a_convolution_is_keras_and_its_ways_back_are_transposed(shape):
    size, kernel, channels, filters = (
        shape["size"],
        shape["kernel"],
        shape["channels"],
        shape["filters"],
    )
    seen = windows_of(Window(kernel, (shape["strides"],) * 2, shape["padding"]), size)
    if min(seen.out) < 1:
        return
    x, w = (
        maps(channels, size),
        np.random.default_rng(2).normal(size=(*kernel, channels, filters)).astype("float32"),
    )
    expected = np.asarray(keras.ops.conv(x, w, shape["strides"], shape["padding"]))
    assert seen.out == expected.shape[1:3]
    spans, flat, gradients = (
        windows.spans(seen, IMAGES),
        w.reshape(-1, channels, filters),
        np.empty_like(w).reshape(-1, channels, filters),
    )

    def there(x):
        y = blank(filters, seen.out)
        convolve(x, flat, spans, y)
        return y

    np.testing.assert_allclose(there(last(x)), last(expected), rtol=1e-3, atol=1e-3)
    assert_transposed(
        there,
        lambda y, to_x, add: convolve_backward(flat, spans, y, to_x, add),
        last(x),
        last(expected).shape,
    )
    of_weights = convolutions.convolve_weights_backward, last(x), spans, last(expected)
    whole = np.empty_like(gradients)
    run(*of_weights, whole, extent=channels, threads=1)
    run(*of_weights, gradients, extent=channels)
    np.testing.assert_array_equal(gradients, whole)
    whole = blank(filters, seen.out)
    convolve(last(x), flat, spans, whole, threads=1)
    np.testing.assert_array_equal(there(last(x)), whole)
    assert np.vdot(gradients, flat) == pytest.approx(
        np.vdot(expected, expected), rel=1e-3
    )  # linear in the weights too


@settings(deadline=None, max_examples=30)
@given(shapes, st.integers(1, 2))
def test_a_depthwise_convolution_is_keras_and_its_ways_back_are_transposed(shape, dilation):
    size, kernel, channels = shape["size"], shape["kernel"], shape["channels"]
    stride = 1 if dilation > 1 else shape["strides"]
    seen = windows_of(Window(kernel, (stride,) * 2, "same", dilation), size)
    x, w = (
        maps(channels, size),
        np.random.default_rng(2).normal(size=(*kernel, channels, 1)).astype("float32"),
    )
    expected = np.asarray(keras.ops.depthwise_conv(x, w, stride, "same", dilation_rate=dilation))
    unrolled, back = (
        windows.unrolled_spans(seen, IMAGES),
        windows.unrolled_spans(seen, IMAGES, backward=True),
    )
    flat = w.reshape(-1, channels)
    gradients = np.empty_like(flat)

    def there(x):
        y = blank(channels, seen.out)
        run(depthwise.depthwise, x, flat, unrolled, y, False, extent=channels)
        return y

    np.testing.assert_allclose(there(last(x)), last(expected), rtol=1e-3, atol=1e-3)
    assert_transposed(
        there,
        lambda y, to_x, add: run(depthwise.depthwise, y, flat, back, to_x, add, extent=channels),
        last(x),
        last(expected).shape,
    )
    arguments = last(x), unrolled, last(expected), gradients
    run(depthwise.depthwise_weights_backward, *arguments, extent=channels)
    assert np.vdot(gradients, flat) == pytest.approx(np.vdot(expected, expected), rel=1e-3)


def test_a_dilated_convolution_is_strided_after_dilation():
    x = maps(2, (7, 6))
    w = np.random.default_rng(2).normal(size=(3, 3, 2, 1)).astype("float32")
    expected = np.asarray(keras.ops.depthwise_conv(x, w, 1, "same", dilation_rate=2))[:, ::2, ::2]
    y, unrolled = (
        blank(2, (4, 3)),
        windows.unrolled_spans(windows_of(Window((3, 3), (2, 2), "same", 2), (7, 6)), IMAGES),
    )
    depthwise.depthwise(last(x), w.reshape(-1, 2), unrolled, y, False, 0, 2)
    np.testing.assert_allclose(y, last(expected), rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(st.tuples(sides, sides), st.sampled_from([2, 3, 5, 7]), st.integers(1, 2), st.integers(1, 3))
def test_pools_are_keras_and_their_ways_back_are_transposed(size, side, stride, channels):
    seen = windows_of(Window((side, side), (stride, stride)), size)
    x, spans = (
        maps(channels, size),
        windows.spans(windows_of(Window((side, side), (stride, stride)), size), IMAGES),
    )
    shares = windows.inverse_counts(seen, IMAGES)

    def average(x):
        y = blank(channels, seen.out)
        run(kernels.average_pool, x, spans, shares, y, extent=channels)
        return y

    expected = last(np.asarray(keras.ops.average_pool(x, side, stride, "same")))
    np.testing.assert_allclose(average(last(x)), expected, rtol=1e-4, atol=1e-5)
    assert_transposed(
        average,
        lambda y, to_x, add: run(
            kernels.average_pool_backward, spans, shares, y, to_x, add, extent=channels
        ),
        last(x),
        expected.shape,
    )
    argmax, highest = np.empty(expected.shape, "uint8"), blank(channels, seen.out)
    run(kernels.max_pool, last(x), spans, highest, argmax, extent=channels)
    np.testing.assert_array_equal(
        highest, last(np.asarray(keras.ops.max_pool(x, side, stride, "same")))
    )
    to_x = np.empty_like(last(x))
    arguments = argmax, spans, np.ones_like(highest), to_x, False
    run(kernels.max_pool_backward, *arguments, extent=channels)
    assert to_x.sum() == highest.size and set(last(x)[to_x > 0]) == set(highest.ravel())


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 4), (3, 3)])
@pytest.mark.parametrize("first", [0, 1])
def test_every_second_pixel(size, first):
    x = maps(2, size)
    padded = np.pad(x, ((0, 0), (0, 2), (0, 2), (0, 0)))[:, first::2, first::2][
        :, : -(-size[0] // 2), : -(-size[1] // 2)
    ]
    y = blank(2, padded.shape[1:3])
    convolve(
        last(x),
        np.eye(2, dtype="float32")[None],
        windows.spans(windows_of(Window(strides=(2, 2), padding=(-first, -first)), size), IMAGES),
        y,
    )
    np.testing.assert_array_equal(y, last(padded))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 200), st.booleans()), max_size=60), st.randoms())
def test_buffers_do_not_overlap(wishes, random):
    allocator, held = memory.Allocator(), []
    for size, gives in wishes:
        if gives and held:
            allocator.free(held.pop(random.randrange(len(held))))
        held.append(allocator.allocate(size))
        ordered = sorted(held)
        assert all(one.end <= other.start for one, other in zip(ordered, ordered[1:], strict=False))
        assert ordered[-1].end <= allocator.size
    for buffer in held:
        allocator.free(buffer)
    assert allocator.allocate(allocator.size or 1).start == 0


def test_kernels_compile_where_nothing_can_be_kept(monkeypatch):
    def njit(cache=False, **options):
        def decorate(function):
            if cache:
                raise RuntimeError("cannot cache function: no locator available")
            return ("compiled", function, options)

        return decorate

    monkeypatch.setattr(kernels.numba, "njit", njit)
    assert kernels.compiled(len) == ("compiled", len, kernels._OPTIONS)
