"""What Keras asks of every layer: that it comes back from its configuration, builds, computes what
it promises, trains and is saved.
"""

import json

import keras
import numpy as np
from keras import ops


def shapes_of(inputs):
    return keras.tree.map_structure(lambda x: tuple(x.shape), inputs)


def symbolic(inputs):
    """Keras tensors with the shapes and dtypes of `inputs`, the batch size unknown."""
    return keras.tree.map_structure(lambda x: keras.Input(x.shape[1:], dtype=str(x.dtype)), inputs)


def check_serialization(one):
    """`one` comes back from its configuration and from Keras' JSON, with the same configuration and
    attributes.
    """
    before = _attributes(one)
    serialized = json.loads(json.dumps(keras.saving.serialize_keras_object(one)))
    for there in (
        type(one).from_config(one.get_config()),
        keras.saving.deserialize_keras_object(serialized),
    ):
        assert type(there) is type(one)
        assert json.dumps(there.get_config(), sort_keys=True) == json.dumps(
            one.get_config(), sort_keys=True
        )
        assert _attributes(there) == before == _attributes(one)


def check_layer(
    make, inputs, shape, trainable, others=0, seeds=0, losses=0, masks=False, dtype="float32"
):
    """
    Args:
        make: the layer, of further arguments such as dtype.
        inputs: an array, or a list of them.
        shape, dtype: of its output.
        trainable, others: how many weights are trained, and how many are not.
        seeds: how many seed generators it has.
        losses: how many losses a call adds.
        masks: whether it passes masks on.
    """
    check_serialization(make())
    assert make().supports_masking is masks
    _check_built(make, inputs, shape, trainable, others, seeds, dtype)
    layer = make()
    output = layer(inputs)
    assert (tuple(output.shape), keras.backend.standardize_dtype(output.dtype)) == (shape, dtype)
    assert len(layer.losses) == losses
    _check_training(make, inputs, output)
    _check_mixed_precision(make, inputs)


def check_saving(make, inputs, path):
    """A model of the layer alone comes back from a file and computes the same."""
    given = symbolic(inputs)
    model = keras.Model(given, make()(given))
    model.save(path / "layer.keras")
    there = keras.saving.load_model(path / "layer.keras")
    np.testing.assert_allclose(there(inputs), model(inputs), rtol=1e-5, atol=1e-6)


def _check_built(make, inputs, shape, trainable, others, seeds, dtype):
    built, called = make(), make()
    built.build(shapes_of(inputs))
    output = called(symbolic(inputs))
    for layer in (built, called):
        assert layer.built
        found = (
            len(layer.trainable_weights),
            len(layer.non_trainable_weights),
            len(_seed_generators(layer)),
        )
        assert found == (trainable, others, seeds)
    assert (tuple(output.shape[1:]), output.dtype) == (shape[1:], dtype)
    assert tuple(called.compute_output_shape(shapes_of(inputs))) == shape


class Sum(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.sum(y_pred)


class Around(keras.Model):
    """A model that was not built from symbolic inputs."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x, training=False):
        return self.layer(x)


def _check_training(make, inputs, output):
    """One compiled training step, through a functional model and through a subclassed one."""
    given, target = symbolic(inputs), np.zeros(output.shape, "float32")
    for model in (keras.Model(given, make()(given)), Around(make())):
        model.compile("sgd", Sum(), jit_compile=keras.backend.backend() == "jax")
        model.fit(inputs, target, batch_size=len(target), epochs=1, verbose=0)


def _check_mixed_precision(make, inputs):
    """Computed dtypes are those promised; weights stay in float32."""
    layer = make(dtype="mixed_bfloat16" if keras.backend.backend() == "jax" else "mixed_float16")
    output, promised = layer(inputs), layer.compute_output_spec(_in_half(layer, inputs))
    assert keras.backend.standardize_dtype(output.dtype) == promised.dtype
    assert {weight.dtype for weight in layer.weights if "float" in weight.dtype} <= {"float32"}


def _in_half(layer, inputs):
    def spec(x):
        return keras.KerasTensor(
            x.shape, dtype=layer.compute_dtype if "float" in str(x.dtype) else str(x.dtype)
        )

    return keras.tree.map_structure(spec, inputs)


def _seed_generators(layer):
    return [
        each
        for one in layer._flatten_layers()
        for each in vars(one).values()
        if isinstance(each, keras.random.SeedGenerator)
    ]


def _attributes(one):
    return set(dir(one)) - {"__annotations__"}
