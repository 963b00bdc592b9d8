"""What networks of all kinds of genotype share: saved as their genotype and the arguments they were built with."""

from __future__ import annotations

import json

import keras
from keras import layers

from nasnet_tf import genotype as genotypes
from nasnet_tf.parts import dense
from nasnet_tf.saved import Sealed

__all__ = ["GenotypeModel", "arguments", "check", "classified", "images", "policy", "shared"]


class GenotypeModel(Sealed, keras.Model):
    """Base of a network: a `keras.Model` from `inputs` to `outputs` that knows its genotype and is saved as what it was built with.

    Args:
        config: the arguments of the subclass, all of them, by name; those but "genotype" are plain data.

    Attributes: `genotype`; `class_names`, None if nobody gave any.
    """

    def __init__(self, inputs, outputs, config, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, name=config["name"], **kwargs)
        self.genotype = config["genotype"]
        self.class_names = None if config.get("class_names") is None else tuple(config["class_names"])
        self.dtype_policy = policy(config.get("dtype"))  # compile() scales the loss by it
        self._config = {**config, "dtype": self.dtype_policy}

    def get_config(self):
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in self._config.items()}
        own = {"genotype": json.loads(self.genotype.to_json()), "dtype": keras.dtype_policies.serialize(self.dtype_policy)}
        return {**plain, **own}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        if "genotype" not in config:  # a model cut out of one, saved layer by layer
            return super().from_config(config, custom_objects)
        return cls(**{**config, "genotype": genotypes.from_json(json.dumps(config["genotype"]))})


def arguments(given) -> dict:
    """The arguments of a network's `__init__`, by name, of its `locals()` at the beginning."""
    return {key: value for key, value in given.items() if key not in ("self", "__class__")}


def check(config, kind, *counts) -> None:
    """Raises ValueError unless the genotype is a `kind` and the arguments of these names are whole numbers of at least 1."""
    if not isinstance(config["genotype"], kind):
        raise ValueError(f"genotype is a {type(config['genotype']).__name__}; give a {kind.__name__}.")
    for name in counts:
        if not isinstance(config[name], int) or config[name] < 1:
            raise ValueError(f"{name} is {config[name]!r}; give a whole number of at least 1.")


def shared(config) -> dict:
    """The arguments that all layers of a network of pictures share. Batch norms are those of short trainings where nothing is asked."""
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
    return dense(config["classes"], config["classifier_activation"], config["weight_decay"], "predictions")(x)


def policy(dtype):
    """The dtype policy of that name, or of what `get_config` made of it; None is the global one."""
    return keras.dtype_policies.get(keras.config.dtype_policy() if dtype is None else dtype)


def images(input_shape, mean, std):
    """(the input of a network, the images normalized). With neither mean nor std they are taken as they come."""
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[-1] not in (1, 2, 3, 4):
        raise ValueError(f"input_shape is {shape}; give (height, width, channels), channels last, such as (32, 32, 3).")
    if (mean is None) != (std is None):
        raise ValueError("give both mean and std, one number a channel each, or neither.")
    inputs = keras.Input(shape, name="image")
    if mean is None:
        return inputs, inputs
    scale = layers.Normalization(mean=list(mean), variance=[s * s for s in std], dtype="float32", name="normalization")
    return inputs, scale(inputs)
