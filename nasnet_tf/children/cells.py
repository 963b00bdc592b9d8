"""Children of a space: what a genotype is judged by, a network of few and narrow cells that is
trained for a short time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from nasnet_tf.children.fitting import is_images_and_labels, is_plain, steps_of
from nasnet_tf.children.kernels import bare_network, kind_of
from nasnet_tf.children.progress import Progress
from nasnet_tf.contracts.space import Space
from nasnet_tf.layers.operations import check_channels_last
from nasnet_tf.scores.limits import SoftLimit
from nasnet_tf.systems import networks
from nasnet_tf.systems.cells.spaces.nasnet import NASNetSpace
from nasnet_tf.systems.costs import counted_arguments

__all__ = ["CellChild"]

_ANNEALED = "nasnet_tf_annealed"  # attribute of an optimizer: its rate falls along a cosine


class CellChild:
    """Builds and trains the child of a trial, told by the trial's values.

    Args:
        input_shape, classes: of the data.
        space: what may be chosen, a `nasnet_tf.spaces.Space` of genotypes; the NASNet space of five
            blocks a cell by default.
        num_cells, filters: N and F of a child, if its genotype has no size of its own. The paper's
            children have N = 2.
        learning_rate: at the start; it falls to 0 along a cosine over the epochs of `fit`. SGD with
            momentum 0.9. A genotype that has a `learning_rate` is trained at that, which stays.
        loss: as in `model.compile`; labels are whole numbers by default.
        reward: a function of the validation accuracies of all epochs so far, such as
            `nasnet_tf.evaluation.cubed_best`: training reports it as "reward" after every epoch,
            and the search maximizes it.
        soft: a `SoftLimit`: the reward, or where there is none the validation accuracy, weighed
            against the cost is reported as "reward".
        native: what trains children in a worker. True takes the faster one here of "cpu", kernels
            of the processor in float32 (`nasnet_tf.native`), and, where JAX has an accelerator,
            "jax", functions compiled once for all children (`nasnet_tf.device`). Children begin at
            once, where Keras traces each for longer than a short training takes. False, and
            whatever these cannot do, is Keras.
        **network: further arguments of the genotype's network (`systems.networks.build`), such as
            stem, mean, std, drop_path_rate.
    Raises: TypeError for an argument that no network has, with the nearest name; ValueError for one
        of other kinds of network.
    Source: Zoph et al. 2017, arXiv 1707.07012, appendix A.1 and A.6 (children); their width and
        rate are not stated there.
    """

    figure = "val_accuracy"  # the metric that the reward is made of
    _is_data = staticmethod(is_images_and_labels)

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
        native: bool | str = True,
        **network,
    ):
        if type(self).build is CellChild.build and len(tuple(input_shape)) == 3:  # of images
            check_channels_last()
        self.space: Space = space or NASNetSpace()
        networks.check(self.space.decode(self.space.first), network)
        self.input_shape, self.classes = tuple(input_shape), classes
        self.num_cells, self.filters = num_cells, filters
        self.learning_rate, self.loss = learning_rate, loss
        self.reward, self.soft, self.native = reward, soft, kind_of(native)
        self.network = network

    @property
    def metric(self) -> str:
        """What a search by the children maximizes."""
        return self.figure if self.reward is None and self.soft is None else "reward"

    @property
    def arguments(self) -> dict:
        """What the network of every child is built with, besides the genotype."""
        size = dict(num_cells=self.num_cells, filters=self.filters)
        return dict(self.network, **size, classes=self.classes, input_shape=self.input_shape)

    @property
    def size(self) -> dict:
        """Those of the arguments that `nasnet_tf.cost.cost_of` takes."""
        counted = counted_arguments(self.space.decode(self.space.first))
        return {name: value for name, value in self.arguments.items() if name in counted}

    def genotype(self, values):
        """The genotype that the values of a trial stand for."""
        return self.space.decode(self.space.choices(values))

    def build(self, values):
        """The child as a compiled Keras model."""
        genotype = self.genotype(values)
        model = networks.build(genotype, **self.arguments)
        self._compile(model, getattr(genotype, "learning_rate", self.learning_rate))
        annealed = not hasattr(genotype, "learning_rate")
        setattr(model.optimizer, _ANNEALED, annealed)  # another optimizer is left as it is
        return model

    def build_native(self, values, args, kwargs):
        """The child as a `nasnet_tf.lowered.BareModel`; None where `fit` with these arguments asks
        for more than it can.
        """
        own = type(self).build is CellChild.build and type(self).fit in FITS
        known = self.loss == "sparse_categorical_crossentropy"
        if not (own and known and is_plain(args, kwargs, self._is_data)):
            return None
        return bare_network(self.genotype(values), self.native, **self.arguments)

    def fit(self, values, model, *args, **kwargs):
        """`model.fit(*args, **kwargs)`, with the rate falling to 0 over all its steps where their
        number is known.
        """
        steps = steps_of(args, kwargs)
        if self.reward is not None or self.soft is not None:
            # First of all callbacks, so that the others are given the reward.
            callbacks = list(kwargs.get("callbacks") or ())
            factor = 1.0 if self.soft is None else self.soft.reward(1.0, self.genotype(values))
            reward = _Reward(self.reward or _newest, self.figure, factor, callbacks)
            kwargs["callbacks"] = [reward, *callbacks]
        if not isinstance(model, keras.Model):
            return model.fit(*args, learning_rate=self.learning_rate, steps=steps, **kwargs)
        optimizer = getattr(model, "optimizer", None)  # one may be compiled later
        if steps and getattr(optimizer, _ANNEALED, False):
            optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(
                self.learning_rate, steps * kwargs.get("epochs", 1)
            )
        return model.fit(*args, **kwargs)

    def _compile(self, model, learning_rate):
        # TensorFlow's XLA compiles for half a minute what is trained for a few seconds.
        jit = False if keras.backend.backend() == "tensorflow" else "auto"
        optimizer, metrics = self._optimizer(learning_rate), self._metrics()
        model.compile(optimizer, loss=self.loss, metrics=metrics, jit_compile=jit)

    def _optimizer(self, learning_rate):
        return keras.optimizers.SGD(learning_rate, momentum=0.9)

    def _metrics(self):
        return ["accuracy"]


FITS = [CellChild.fit]  # of the children that others than Keras can train


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
