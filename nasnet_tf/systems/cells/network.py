"""A genotype stacked into a network: the same cell N times, at widths F, 2F and 4F. A `keras.Model`
of one layer a cell.

Source: Zoph et al. 2017, arXiv 1707.07012, figure 2; exact to the authors' TF-slim code
    (slim/nets/nasnet/nasnet.py), not to
`keras.applications`, whose reduction cells count padding as zeros. Channels last.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import json

import keras
from keras import layers

from nasnet_tf.layers import AuxiliaryHead
from nasnet_tf.layers.model import GenotypeModel, arguments, image_shape, normalized, policy
from nasnet_tf.layers.operations import PACKAGE, ConvNorm, check_channels_last
from nasnet_tf.layers.parts import dense, halved
from nasnet_tf.systems.cells import published
from nasnet_tf.systems.cells.genotype import Genotype
from nasnet_tf.systems.cells.graph import BATCH_NORM
from nasnet_tf.systems.cells.layer import Cell
from nasnet_tf.systems.cells.plan import plan, stem_convolution
from nasnet_tf.systems.stages import default_stem, stage_cells

__all__ = ["Network", "plan"]

INPUT_SIZE = {"cifar": 32, "imagenet": 224}
_OF_THE_MODEL = (
    "input_shape",
    "input_tensor",
    "class_names",
    "trainable",
    "name",
)  # arguments that say nothing about its graph


@keras.saving.register_keras_serializable(PACKAGE)
class Network(GenotypeModel):
    """A network of `genotype`'s cells.

    Inputs: images (batch, height, width, channels); in pixels if `mean` and `std` are given, else
        as preprocessed by you.
    Returns: (batch, classes) float32; with `auxiliary_head` a dict of that as "predictions" and
        "auxiliary"; without `include_top` the features after the last ReLU, (batch, height',
        width', channels') or pooled (batch, channels').

    Args:
        genotype: a `Genotype`, or the name of a published one ("nasnet_a").
        num_cells: N normal cells a stage; three numbers give each stage its own. The paper's CIFAR
            nets have 6, mobile 4.
        filters: F, the width of the first stage's blocks. A multiple of 4 for the imagenet stem.
        classes: number of classes.
        stem: "cifar" (small images) or "imagenet" (the image is reduced eightfold before the first
            stage); None: by `input_shape`.
        input_shape: (height, width, channels); height and width may be None without an auxiliary
            head.
        input_tensor: a Keras tensor to take the images from, as in `keras.applications`: a
            `keras.Input`, or what layers make of one; these layers become the first of the network.
            None makes an input of `input_shape`.
        include_top, pooling, classifier_activation: as in `keras.applications`.
        auxiliary_head: second classifier on the last cell before the second reduction.
        drop_path_rate: chance to drop a path in the last cell at the end of training; linear in
            depth.
        drop_path_steps: training steps over which it rises from 0; None means it is constant.
        dropout_rate: before the classifier.
        skip_reduction: see `nasnet_tf.systems.cells.plan.plan`.
        residual: an optional residual around every cell.
        stem_filters: filters of the first convolution; None means 3F for "cifar", 32 for
            "imagenet".
        stem_cell_filters: widths of the imagenet stem's two cells; None means F/4 and F/2.
        batch_norm_momentum, batch_norm_epsilon: None means 0.9 and 1e-5 for "cifar", 0.9997 and
            1e-3 for "imagenet".
        weight_decay: L2 loss on all kernels as the paper counts it, weight_decay * sum(W^2) / 2.
        gradient_checkpointing: trade time for memory in training: the inside of every cell is
            computed twice.
        zero_padded_pools: strided pools as in `keras.applications`, for weights that were trained
            so.
        mean, std: of the training images, one number a channel; the network then normalizes its
            input itself.
        class_names: kept with the model for those who use it.
        dtype: a Keras dtype policy or its name; None is the global one.
        trainable: False freezes all layers.
    Raises: TypeError for an argument that there is not, with the nearest name; ValueError that
        names the argument.
    """

    weights_report = (
        None  # what `nasnet_tf.zoo.load_weights` told, of a network that the zoo has filled
    )

    def __init__(
        self,
        genotype,
        *,
        num_cells=6,
        filters=32,
        classes=10,
        stem="cifar",
        input_shape=None,
        input_tensor=None,
        include_top=True,
        pooling=None,
        classifier_activation="softmax",
        auxiliary_head=False,
        drop_path_rate=0.0,
        drop_path_steps=None,
        dropout_rate=0.0,
        skip_reduction=False,
        residual=False,
        stem_filters=None,
        stem_cell_filters=None,
        batch_norm_momentum=None,
        batch_norm_epsilon=None,
        weight_decay=0.0,
        zero_padded_pools=False,
        gradient_checkpointing=False,
        mean=None,
        std=None,
        class_names=None,
        dtype=None,
        trainable=True,
        name="network",
    ):
        config = arguments(locals())
        check_channels_last()
        config["genotype"] = genotype if isinstance(genotype, Genotype) else published.get(genotype)
        if input_tensor is not None:
            input_tensor, config["input_shape"] = _given_tensor(input_tensor, input_shape)
        config["stem"] = stem or default_stem(config["input_shape"] or (None, None))
        config["input_shape"] = _input_shape(config["input_shape"], config["stem"])
        for statistic in ("mean", "std"):
            if config[statistic] is not None:
                config[statistic] = [float(value) for value in config[statistic]]
        config["dtype"] = policy(dtype)
        x = (
            keras.Input(config["input_shape"], name="image")
            if input_tensor is None
            else input_tensor
        )
        inputs = keras.utils.get_source_inputs(x)
        inputs = inputs[0] if len(inputs) == 1 else inputs
        with _no_garbage_collection():
            outputs, endpoints = assemble(
                x, **{key: value for key, value in config.items() if key not in _OF_THE_MODEL}
            )
        super().__init__(
            inputs,
            outputs,
            {
                key: value
                for key, value in config.items()
                if key not in ("input_tensor", "trainable")
            },
        )
        if not trainable:
            self.trainable = False
        self._input_tensor = input_tensor
        # Outputs by the names of the original code: Stem, Cell_0, Reduction_Cell_0, ...,
        # global_pool, Predictions, AuxLogits.
        self.endpoints = endpoints
        # The last output at each stride 2^k of the image, by "Pk": P2 to P5 with the imagenet stem,
        # P0 to P2 with the cifar stem.
        self.pyramid_outputs = pyramid(endpoints, config["num_cells"], config["stem"])

    def get_config(self):
        if self._input_tensor is None:
            return super().get_config()
        before = keras.saving.serialize_keras_object(
            keras.Model(self.input, self._input_tensor, name="before")
        )
        return super().get_config() | {
            "input_tensor": json.loads(json.dumps(before))
        }  # lists, as a file has them


def assemble(
    inputs,
    genotype,
    *,
    num_cells,
    filters,
    classes,
    stem,
    include_top,
    pooling,
    classifier_activation,
    auxiliary_head,
    drop_path_rate,
    drop_path_steps,
    dropout_rate,
    skip_reduction,
    residual,
    stem_filters,
    stem_cell_filters,
    batch_norm_momentum,
    batch_norm_epsilon,
    weight_decay,
    zero_padded_pools,
    gradient_checkpointing,
    mean,
    std,
    dtype,
):
    """The tensors of a network on `inputs`: (output or dict of outputs, endpoints by name).
    Arguments as `Network`.
    """
    steps = plan(genotype, num_cells, filters, stem, skip_reduction, stem_cell_filters)
    _check(classes, pooling, drop_path_rate, dropout_rate)
    shared = dict(
        batch_norm_momentum=(
            BATCH_NORM[stem]["momentum"] if batch_norm_momentum is None else batch_norm_momentum
        ),
        batch_norm_epsilon=(
            BATCH_NORM[stem]["epsilon"] if batch_norm_epsilon is None else batch_norm_epsilon
        ),
        weight_decay=weight_decay,
        dtype=dtype,
    )
    x = normalized(inputs, mean, std)
    x = ConvNorm(**stem_convolution(stem, filters, stem_filters)._asdict(), name="stem", **shared)(
        x
    )
    outputs, endpoints = [x], {"Stem": x}
    for step in steps:
        x = Cell(
            getattr(genotype, step.kind),
            step.filters,
            step.strides,
            step.adapt,
            drop_path_rate=drop_path_rate * step.drop_ratio,
            drop_path_steps=drop_path_steps,
            residual=residual,
            zero_padded_pools=zero_padded_pools,
            gradient_checkpointing=gradient_checkpointing,
            name=step.name,
            **shared,
        )([outputs[step.h], outputs[step.p]])
        outputs.append(x)
        endpoints["Stem" if step.name == "cell_stem_1" else step.name.title()] = x

    x = layers.ReLU(name="last_relu", dtype=dtype)(x)
    if include_top or pooling == "avg":
        x = endpoints["global_pool"] = layers.GlobalAveragePooling2D(
            name="global_pool", dtype=dtype
        )(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name="global_pool", dtype=dtype)(x)
    if include_top:
        x = layers.Dropout(dropout_rate, name="dropout", dtype=dtype)(x) if dropout_rate else x
        x = endpoints["Predictions"] = dense(
            classes, classifier_activation, weight_decay, "predictions", dtype.compute_dtype
        )(x)
    if not auxiliary_head:
        return x, endpoints
    before = [position for position, step in enumerate(steps) if step.kind == "reduction"][-1]
    head = AuxiliaryHead(
        classes,
        _auxiliary_size(inputs.shape, stem),
        classifier_activation,
        name="auxiliary",
        **shared,
    )
    endpoints["AuxLogits"] = head(outputs[before])
    return {"predictions": x, "auxiliary": endpoints["AuxLogits"]}, endpoints


@contextlib.contextmanager
def _no_garbage_collection():
    """Building makes many objects that all live on: looking for garbage among them takes a quarter
    of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def pyramid(endpoints, num_cells, stem):
    """The features of a detector: {"P2": at a quarter of the image's size, ..., "P5"}, before any
    ReLU; see `Network`.
    """
    last = list(itertools.accumulate(stage_cells(num_cells)))
    names = [
        f"Cell_{count - 1}" if count > before else f"Reduction_Cell_{stage - 1}"
        for stage, (before, count) in enumerate(zip([0, *last], last, strict=False))
    ]
    levels = ["Cell_Stem_0", *names] if stem == "imagenet" else names
    return {
        f"P{level}": endpoints[name]
        for level, name in enumerate(levels, start=2 if stem == "imagenet" else 0)
    }


def _given_tensor(given, input_shape):
    """(the tensor, its shape without the batch), of a Keras tensor or of what `Network.get_config`
    makes of one.
    """
    if isinstance(given, dict):
        given = keras.saving.deserialize_keras_object(given).output
    if not isinstance(given, keras.KerasTensor):
        raise ValueError(
            f"input_tensor is a {type(given).__name__}; give a keras.Input, or what layers make of"
            " one."
        )
    shape = tuple(given.shape[1:])
    if input_shape is not None and tuple(input_shape) != shape:
        raise ValueError(
            f"input_shape is {tuple(input_shape)}, but input_tensor has the shape {shape}; leave"
            " input_shape out."
        )
    return given, shape


def _input_shape(input_shape, stem):
    shape = image_shape(
        (INPUT_SIZE.get(stem, 32),) * 2 + (3,) if input_shape is None else input_shape
    )
    smallest = 3 if stem == "imagenet" else 1
    if any(size is not None and size < smallest for size in shape[:2]):
        raise ValueError(
            f"input_shape is {shape}; the {stem} stem needs at least {smallest} pixels each way."
        )
    return shape


def _check(classes, pooling, drop_path_rate, dropout_rate):
    if not isinstance(classes, int) or classes < 1:
        raise ValueError(f"classes is {classes!r}; give a whole number of at least 1.")
    if pooling not in (None, "avg", "max"):
        raise ValueError(f'pooling is {pooling!r}; give None, "avg" or "max".')
    for name, rate in (("drop_path_rate", drop_path_rate), ("dropout_rate", dropout_rate)):
        if not 0 <= rate < 1:
            raise ValueError(f"{name} is {rate!r}; give a number of at least 0 and below 1.")


def _auxiliary_size(image_shape, stem):
    """Height and width after the auxiliary head's average pool, from the size of the image."""
    sizes = []
    for size in image_shape[1:3]:
        if size is None:
            raise ValueError(
                f"input_shape is {tuple(image_shape[1:])}; the auxiliary head needs a fixed height"
                " and width."
            )
        at_head = (
            halved(halved(halved((size - 3) // 2 + 1, 2), 2), 2)
            if stem == "imagenet"
            else halved(size, 2)
        )
        if at_head < 5:
            raise ValueError(
                f"input_shape is {tuple(image_shape[1:])}: too small for the auxiliary head; set"
                " auxiliary_head=False."
            )
        sizes.append((at_head - 5) // 3 + 1)
    return tuple(sizes)
