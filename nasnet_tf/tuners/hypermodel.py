"""A space as a Keras Tuner hypermodel: any oracle can choose a genotype, which is built as a small
network and trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import keras
import keras_tuner
import numpy as np

from nasnet_tf.children.streams import is_dataset
from nasnet_tf.contracts.space import Space
from nasnet_tf.layers.operations import check_channels_last
from nasnet_tf.scores.limits import SoftLimit
from nasnet_tf.systems import networks, system_of
from nasnet_tf.systems.cells.spaces.nasnet import NASNetSpace
from nasnet_tf.systems.costs import counted_arguments
from nasnet_tf.tuners.progress import Progress

_ANNEALED = "nasnet_tf_annealed"  # attribute of an optimizer: its rate falls along a cosine


class CellHyperModel(keras_tuner.HyperModel):
    """Child networks of a space: one `hp.Choice` a decision, a network of few and narrow cells. A
    point of a space without decisions is a few texts, each an `hp.Fixed`.

    Args:
        input_shape, classes: of the data.
        space: what may be chosen, a `nasnet_tf.spaces.Space` of genotypes; the NASNet space of five
            blocks a cell by default.
        num_cells, filters: N and F of a child, if its genotype has no size of its own. The paper's
            children have N = 2.
        learning_rate: at the start; it falls to 0 along a cosine over the epochs of `fit`. SGD with
            momentum 0.9. A genotype that has a `learning_rate` is trained at that, which stays.
        loss: as in `model.compile`; labels are whole numbers by default.
        reward: from the validation accuracies of all epochs so far, what training tells as "reward"
            after every epoch, such as `nasnet_tf.evaluation.cubed_best`. To search by it, the
            objective is `keras_tuner.Objective("reward", "max")`.
        soft: a `SoftLimit`: the reward, or where there is none the validation accuracy, weighed
            against the cost is told as "reward".
        native: train children in a tuner's worker by `nasnet_tf.native`, where that can do all that
            is asked for: without a GPU, in float32. They begin at once, where Keras traces each for
            longer than a short training takes.
        **network: further arguments of the genotype's network (`systems.networks.build`), such as
            stem, mean, std, drop_path_rate.
    Raises: TypeError for an argument that no network has, with the nearest name; ValueError for one
        of other kinds of network.
    Source: Zoph et al. 2017, arXiv 1707.07012, appendix A.1 and A.6 (children); their width and
        rate are not stated there.
    """

    figure = "val_accuracy"  # what the reward is made of

    def __init__(
        self,
        input_shape,
        classes,
        *,
        space=None,
        num_cells=1,
        filters=8,
        learning_rate=0.05,
        loss="sparse_categorical_crossentropy",
        reward: Callable[[Sequence[float]], float] | None = None,
        soft: SoftLimit | None = None,
        native: bool = True,
        name=None,
        **network,
    ):
        if type(self).build is CellHyperModel.build and len(tuple(input_shape)) == 3:  # of images
            check_channels_last()
        super().__init__(name=name)
        self.space: Space = space or NASNetSpace()
        networks.check(self.space.decode(self.space.first), network)
        self.input_shape, self.classes = tuple(input_shape), classes
        self.num_cells, self.filters, self.learning_rate, self.loss = (
            num_cells,
            filters,
            learning_rate,
            loss,
        )
        self.reward, self.soft, self.native = reward, soft, native
        self.network = network

    @property
    def size(self) -> dict:
        """The arguments that `nasnet_tf.systems.costs.cost_of` takes of those the children are
        built with.
        """
        everything = dict(
            self.network,
            num_cells=self.num_cells,
            filters=self.filters,
            classes=self.classes,
            input_shape=self.input_shape,
        )
        taken = counted_arguments(self.space.decode(self.space.first))
        return {name: value for name, value in everything.items() if name in taken}

    @property
    def objective(self):
        """What a search by the children maximises, for Keras Tuner."""
        return (
            "val_accuracy"
            if self.reward is None and self.soft is None
            else keras_tuner.Objective("reward", "max")
        )

    def declare_hyperparameters(self, hp):
        self.choices(hp)

    def choices(self, hp) -> dict:
        """The value `hp` gives each decision of the space, or what else its points are made of."""
        if not self.space.decisions:
            return {
                name: hp.Fixed(name, value)
                for name, value in self.space.values(self.space.first).items()
            }
        return {
            decision.name: hp.Choice(decision.name, list(decision.options))
            for decision in self.space.decisions
        }

    def genotype(self, hp):
        """The genotype `hp` stands for."""
        return self.space.decode(self.space.choices(self.choices(hp)))

    def build(self, hp):
        genotype = self.genotype(hp)
        model = networks.build(
            genotype,
            num_cells=self.num_cells,
            filters=self.filters,
            input_shape=self.input_shape,
            classes=self.classes,
            **self.network,
        )
        self._compile(model, getattr(genotype, "learning_rate", self.learning_rate))
        setattr(
            model.optimizer, _ANNEALED, not hasattr(genotype, "learning_rate")
        )  # another one, which a tuner gives, is left as it is
        return model

    def build_native(self, hp, args, kwargs):
        """The child as a `nasnet_tf.native.NativeNetwork`; None where `fit` with these arguments
        asks for more than it can.
        """
        own = type(self).build is CellHyperModel.build and type(self).fit is CellHyperModel.fit
        if not (
            self.native
            and own
            and self.loss == "sparse_categorical_crossentropy"
            and plain(args, kwargs, _images_and_labels)
        ):
            return None
        size = dict(
            num_cells=self.num_cells,
            filters=self.filters,
            input_shape=self.input_shape,
            classes=self.classes,
        )
        return native_network(self.genotype(hp), **size, **self.network)

    def fit(self, hp, model, *args, **kwargs):
        """`model.fit(*args, **kwargs)`, with the rate falling to 0 over all its steps where their
        number is known.
        """
        steps = _steps(args, kwargs)
        traced = isinstance(model, keras.Model)
        if (
            steps and traced and getattr(getattr(model, "optimizer", None), _ANNEALED, False)
        ):  # one may be compiled later
            model.optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(
                self.learning_rate, steps * kwargs.get("epochs", 1)
            )
        if (
            self.reward is not None or self.soft is not None
        ):  # first of all callbacks, so that the others are told the reward
            callbacks = list(kwargs.get("callbacks") or ())
            factor = 1.0 if self.soft is None else self.soft.reward(1.0, self.genotype(hp))
            kwargs["callbacks"] = [
                _Reward(self.reward or _newest, self.figure, factor, callbacks),
                *callbacks,
            ]
        return (
            model.fit(*args, **kwargs)
            if traced
            else model.fit(*args, learning_rate=self.learning_rate, steps=steps, **kwargs)
        )

    def _compile(self, model, learning_rate):
        model.compile(
            keras.optimizers.SGD(learning_rate, momentum=0.9), loss=self.loss, metrics=["accuracy"]
        )


class _Reward(keras.callbacks.Callback):
    """Adds the reward, `of` the values of `figure` so far times `factor`, to the figures of each
    epoch.

    Args:
        others: callbacks that come after; a `Progress` among them knows the epochs before an
            interruption.
    """

    def __init__(self, of, figure, factor, others):
        super().__init__()
        self.of, self.figure, self.factor = of, figure, factor
        self.progress = next(
            (callback for callback in others if isinstance(callback, Progress)), None
        )

    def on_train_begin(self, logs=None):
        self.values = None

    def on_epoch_end(self, epoch, logs=None):
        if self.figure in logs:
            if self.values is None:
                self.values = (
                    [] if self.progress is None else self.progress.history.get(self.figure, [])
                )
            self.values.append(logs[self.figure])
            logs["reward"] = self.of(self.values) * self.factor


def _newest(values):
    return values[-1]


def native_network(genotype, *, class_names=None, level=None, **network):
    """The network of `genotype`, trained by compiled kernels; None where there is a GPU, another
    dtype than float32, or something the kernels cannot do.

    What classes are called and what a text is made of changes nothing.
    """
    if keras.config.dtype_policy().name != "float32" or accelerated():
        return None
    native = system_of(genotype).native
    try:
        return native and native()(genotype, **network)
    except (ImportError, NotImplementedError):  # numba is not to be had for every Python
        return None


def accelerated() -> bool:
    """Whether the backend computes on something else than the processor."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return any(device.device_type != "CPU" for device in tf.config.list_physical_devices())
    return not all(device.startswith("cpu") for device in keras.distribution.list_devices())


_FIT = (
    "x",
    "y",
    "batch_size",
    "epochs",
    "verbose",
    "callbacks",
)  # of `keras.Model.fit`, in its order


def plain(args, kwargs, is_data) -> bool:
    """Whether `fit` is given only what `NativeNetwork.fit` knows; of callbacks ours, as others want
    a Keras model.

    Args:
        is_data: whether an (x, y), or x alone where there is no y, is data it can be trained on.
    """
    given = dict(zip(_FIT, args, strict=False)) | kwargs
    x, y, validation = (given.get(name) for name in ("x", "y", "validation_data"))
    return (
        len(args) <= len(_FIT)
        and set(given) <= {*_FIT, "validation_data", "shuffle"}
        and is_data(x if y is None else (x, y))
        and (validation is None or is_data(validation))
        and all(
            type(callback).__module__.startswith("nasnet_tf.")
            for callback in given.get("callbacks") or ()
        )
    )


def _images_and_labels(data) -> bool:
    """Whether these are arrays of images and labels, or a `tf.data.Dataset` of batches of them,
    without weights.
    """
    if is_dataset(data):
        data = data.element_spec
    elif not (isinstance(data, tuple) and all(isinstance(part, np.ndarray) for part in data)):
        return False
    if not (isinstance(data, tuple) and len(data) == 2):
        return False
    images, labels = (part.shape for part in data)
    return len(images) == 4 and (len(labels) == 1 or (len(labels) == 2 and labels[1] == 1))


def _steps(args, kwargs) -> int | None:
    """Steps of one epoch of `fit`, or None if its data does not say."""
    if kwargs.get("steps_per_epoch"):
        return kwargs["steps_per_epoch"]
    data = args[0] if args else kwargs.get("x")
    if hasattr(data, "cardinality"):
        count = int(data.cardinality())
        return count if count > 0 else None
    if hasattr(data, "shape"):
        count = round(data.shape[0] * (1 - kwargs.get("validation_split", 0.0)))
        return math.ceil(count / (kwargs.get("batch_size") or 32))
    return len(data) if hasattr(data, "__len__") else None
