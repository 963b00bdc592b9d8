"""What the networks of all systems share: they are saved as their genotype and the arguments they
were built with.
"""

from __future__ import annotations

import json

import keras
from keras import layers

from nasnet_tf.contracts.genotype import from_json
from nasnet_tf.layers.operations import CellLayer, check_channels_last
from nasnet_tf.layers.parts import dense
from nasnet_tf.saved import Sealed
from nasnet_tf.signatures import checked

__all__ = [
    "FROZEN",
    "GenotypeModel",
    "arguments",
    "build_optimizer",
    "check",
    "classified",
    "freeze",
    "frozen",
    "image_shape",
    "images",
    "normalized",
    "policy",
    "shared",
]


def build_optimizer(model) -> None:
    """Makes the variables of the optimizer of a compiled `model`, unless they are there."""
    optimizer = model.optimizer
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)


class GenotypeModel(Sealed, keras.Model):
    """Base of a network: a `keras.Model` from `inputs` to `outputs` that knows its genotype and is
    saved as what it was built with.

    Which of its layers are trained (`trainable`, `freeze_batch_norms`) is saved, too.

    Args:
        config: the arguments of the subclass, all of them, by name; those but "genotype" are plain
            data.

    Attributes: `genotype`; `class_names`, None if none were given.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = checked(cls.__init__)

    def __init__(self, inputs, outputs, config):
        super().__init__(inputs=inputs, outputs=outputs, name=config["name"])
        self.genotype = config["genotype"]
        self.class_names = config.get("class_names")
        self.dtype_policy = policy(config.get("dtype"))  # compile() scales the loss by it
        self._config = {**config, "dtype": self.dtype_policy}

    @property
    def class_names(self):
        """The names of the classes in order, or None. What is given here is saved with the
        model.
        """
        return self._class_names

    @class_names.setter
    def class_names(self, names):
        self._class_names = None if names is None else tuple(names)

    def get_config(self):
        self._check_not_quantized()
        config = {
            **self._config,
            "genotype": json.loads(self.genotype.to_json()),
            "class_names": self.class_names,
        }
        config["dtype"] = keras.dtype_policies.serialize(self.dtype_policy)
        plain = {
            key: list(value) if isinstance(value, tuple) else value for key, value in config.items()
        }
        return plain | frozen(self)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        if "genotype" not in config:  # a model cut out of one, saved layer by layer
            return super().from_config(config, custom_objects)
        given = {name: value for name, value in config.items() if name != FROZEN}
        model = cls(**{**given, "genotype": from_json(json.dumps(config["genotype"]))})
        freeze(model, config.get(FROZEN))
        return model

    def make_train_function(self, force=False):
        """As Keras makes it, the optimizer's variables before: made in the first step, they let
        TensorFlow trace that step twice.

        So do metrics that are compiled by name; `keras.metrics.SparseCategoricalAccuracy()` has its
        variables before.
        """
        build_optimizer(self)
        return super().make_train_function(force)

    def quantize(self, mode=None, config=None, filters=None, **kwargs):
        """Refused: Keras quantizes `Dense` layers, so of a network's multiply-adds less than a
        hundredth.

        Raises: ValueError.
        """
        raise ValueError(_NOT_QUANTIZED)

    def _check_not_quantized(self):
        """By way of a model around this one Keras reaches the layers themselves, whose file could
        not be loaded.
        """
        if any(
            isinstance(layer.dtype_policy, keras.dtype_policies.QuantizedDTypePolicy)
            for layer in self._flatten_layers(False)
        ):
            raise ValueError(_NOT_QUANTIZED)


_NOT_QUANTIZED = (
    "quantize() is refused for networks of nasnet_tf: Keras can quantize Dense layers only, which"
    " leaves the convolutions of the cells, nearly all of the network, as they are, and the saved"
    ' file could not be loaded. Train and save in float32 or with dtype="mixed_bfloat16", and'
    ' quantize what you deploy: model.export("folder") writes a SavedModel, which converters such'
    " as LiteRT's and OpenVINO's quantize as a whole."
)
FROZEN = "frozen"  # key in the configuration of a model


def frozen(model) -> dict:
    """{"frozen": what of `model` is not trained, by path}, for its configuration; nothing if all of
    it is trained.
    """
    paths = dict(_paths(model))
    still = [path for path, layer in paths.items() if not layer.trainable]
    norms = [
        path
        for path, layer in paths.items()
        if isinstance(layer, CellLayer) and layer.freeze_batch_norms
    ]
    return {FROZEN: {"layers": still, "batch_norms": norms}} if still or norms else {}


def freeze(model, frozen: dict | None) -> None:
    """Freezes in a new `model` what was `frozen` in another with the same layers, if anything."""
    if frozen is None:
        return
    for path, layer in _paths(model):  # a layer sets those it holds, which come after it
        layer.trainable = path not in frozen["layers"]
    for path, layer in _paths(model):
        if isinstance(layer, CellLayer):
            layer.freeze_batch_norms = path in frozen["batch_norms"]


def _paths(layer, path=""):
    """(path, layer) for the layer itself, whose path is `path`, and all layers in it, each after
    the one that holds it.
    """
    yield path, layer
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        yield from _paths(inner, f"{path}/{inner.name}")


def arguments(given) -> dict:
    """The arguments of a network's `__init__`, by name, of its `locals()` at the beginning."""
    return {key: value for key, value in given.items() if key not in ("self", "__class__")}


def check(config, cls, *counts) -> None:
    """Raises ValueError unless the genotype is a `cls` and the arguments of these names are whole
    numbers of at least 1.
    """
    genotype = config["genotype"]
    if not isinstance(genotype, cls):
        raise ValueError(f"genotype is a {type(genotype).__name__}; give a {cls.__name__}.")
    for name in counts:
        if not isinstance(config[name], int) or config[name] < 1:
            raise ValueError(f"{name} is {config[name]!r}; give a whole number of at least 1.")


def shared(config) -> dict:
    """The arguments that all layers of a network of pictures share. Batch norms suit short
    trainings unless the configuration says otherwise.
    """
    momentum, epsilon = config["batch_norm_momentum"], config["batch_norm_epsilon"]
    return dict(
        weight_decay=config["weight_decay"],
        batch_norm_momentum=0.9 if momentum is None else momentum,
        batch_norm_epsilon=1e-5 if epsilon is None else epsilon,
        dtype=policy(config["dtype"]),
    )


def classified(x, config):
    """(batch, classes): a dense layer on the mean of x over its pixels."""
    x = layers.GlobalAveragePooling2D(name="global_pool", dtype=policy(config["dtype"]))(x)
    return dense(
        config["classes"], config["classifier_activation"], config["weight_decay"], "predictions"
    )(x)


def policy(dtype):
    """The dtype policy of that name, or of what `get_config` made of it; None is the global one."""
    return keras.dtype_policies.get(keras.config.dtype_policy() if dtype is None else dtype)


def images(input_shape, mean, std):
    """(the input of a network, the images normalized). Without mean and std they are not
    normalized.
    """
    check_channels_last()
    inputs = keras.Input(image_shape(input_shape), name="image")
    return inputs, normalized(inputs, mean, std)


def image_shape(input_shape) -> tuple:
    """The shape as a tuple. Raises ValueError unless it is (height, width, channels)."""
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[-1] not in (1, 2, 3, 4):
        raise ValueError(
            f"input_shape is {shape}; give (height, width, channels), channels last, such as (32,"
            " 32, 3)."
        )
    return shape


def normalized(x, mean, std):
    """x less `mean` and divided by `std`, one number a channel each; x if both are None."""
    if (mean is None) != (std is None):
        raise ValueError("give both mean and std, one number a channel each, or neither.")
    if mean is None:
        return x
    return layers.Normalization(
        mean=list(mean), variance=[s * s for s in std], dtype="float32", name="normalization"
    )(x)
