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
from nasnet_tf.layers.model import GenotypeModel, arguments, normalized, policy
from nasnet_tf.layers.operations import PACKAGE, ConvNorm, check_channels_last
from nasnet_tf.layers.parts import dense
from nasnet_tf.systems.cells import published
from nasnet_tf.systems.cells.arguments import auxiliary_size, check_rates, given_tensor, shape_for
from nasnet_tf.systems.cells.genotype import Genotype
from nasnet_tf.systems.cells.graph import BATCH_NORM
from nasnet_tf.systems.cells.layer import Cell
from nasnet_tf.systems.cells.plan import plan, stem_convolution
from nasnet_tf.systems.stages import default_stem, stage_cells

__all__ = ["Network", "plan"]


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
        class_names: names of the classes, kept with the model.
        dtype: a Keras dtype policy or its name; None is the global one.
        trainable: False freezes all layers.
    Raises: TypeError for an argument that there is not, with the nearest name; ValueError that
        names the argument.
    """

    weights_report = None  # what `nasnet_tf.zoo.load_weights` told, once it has filled the network

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
            input_tensor, config["input_shape"] = given_tensor(input_tensor, input_shape)
        config["stem"] = stem or default_stem(config["input_shape"] or (None, None))
        config["input_shape"] = shape_for(config["input_shape"], config["stem"])
        for statistic in ("mean", "std"):
            if config[statistic] is not None:
                config[statistic] = [float(value) for value in config[statistic]]
        config["dtype"] = policy(dtype)
        x = input_tensor
        if x is None:
            x = keras.Input(config["input_shape"], name="image")
        inputs = keras.utils.get_source_inputs(x)
        inputs = inputs[0] if len(inputs) == 1 else inputs
        with _no_garbage_collection():
            outputs, endpoints = assemble(x, config)
        kept = {name: config[name] for name in config if name not in ("input_tensor", "trainable")}
        super().__init__(inputs, outputs, kept)
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
        before = keras.Model(self.input, self._input_tensor, name="before")
        plain = json.dumps(keras.saving.serialize_keras_object(before))
        return super().get_config() | {"input_tensor": json.loads(plain)}  # lists, as in a file


def assemble(inputs, config):
    """The tensors of a network on `inputs`: (output or dict of outputs, endpoints by name).

    Args:
        config: the arguments of `Network`, settled.
    """
    genotype, stem = config["genotype"], config["stem"]
    momentum, epsilon = config["batch_norm_momentum"], config["batch_norm_epsilon"]
    sizes = config["num_cells"], config["filters"], stem, config["skip_reduction"]
    steps = plan(genotype, *sizes, config["stem_cell_filters"])
    names = ("classes", "pooling", "drop_path_rate", "dropout_rate")
    check_rates(*(config[name] for name in names))
    norm = BATCH_NORM[stem]
    shared = dict(
        batch_norm_momentum=norm["momentum"] if momentum is None else momentum,
        batch_norm_epsilon=norm["epsilon"] if epsilon is None else epsilon,
        weight_decay=config["weight_decay"],
        dtype=config["dtype"],
    )
    of_cells = ("drop_path_steps", "residual", "zero_padded_pools", "gradient_checkpointing")
    options = {name: config[name] for name in of_cells}
    first = stem_convolution(stem, config["filters"], config["stem_filters"])
    x = normalized(inputs, config["mean"], config["std"])
    x = ConvNorm(**first._asdict(), name="stem", **shared)(x)
    outputs, endpoints = [x], {"Stem": x}
    for step in steps:
        cell = Cell(
            getattr(genotype, step.kind),
            step.filters,
            step.strides,
            step.adapt,
            drop_path_rate=config["drop_path_rate"] * step.drop_ratio,
            name=step.name,
            **options,
            **shared,
        )
        x = cell([outputs[step.h], outputs[step.p]])
        outputs.append(x)
        endpoints["Stem" if step.name == "cell_stem_1" else step.name.title()] = x
    x = _head(layers.ReLU(name="last_relu", dtype=config["dtype"])(x), config, endpoints)
    if not config["auxiliary_head"]:
        return x, endpoints
    before = [position for position, step in enumerate(steps) if step.kind == "reduction"][-1]
    size, activation = auxiliary_size(inputs.shape, stem), config["classifier_activation"]
    head = AuxiliaryHead(config["classes"], size, activation, name="auxiliary", **shared)
    endpoints["AuxLogits"] = head(outputs[before])
    return {"predictions": x, "auxiliary": endpoints["AuxLogits"]}, endpoints


def _head(x, config, endpoints):
    """What the network gives: the classes, or its features, pooled or not."""
    dtype = config["dtype"]
    if config["include_top"] or config["pooling"] == "avg":
        pool = layers.GlobalAveragePooling2D(name="global_pool", dtype=dtype)
        x = endpoints["global_pool"] = pool(x)
    elif config["pooling"] == "max":
        x = layers.GlobalMaxPooling2D(name="global_pool", dtype=dtype)(x)
    if not config["include_top"]:
        return x
    if config["dropout_rate"]:
        x = layers.Dropout(config["dropout_rate"], name="dropout", dtype=dtype)(x)
    given = config["classes"], config["classifier_activation"], config["weight_decay"]
    x = endpoints["Predictions"] = dense(*given, "predictions", dtype.compute_dtype)(x)
    return x


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
