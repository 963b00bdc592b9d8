"""A Keras model trained by compiled kernels on all cores: at the end, and whenever a callback may
look, it has the weights and the optimizer's state that its own training would have given it.
"""

from __future__ import annotations

import math

import keras
import numpy as np

from nasnet_tf.cores import cores
from nasnet_tf.layers.model import FROZEN, GenotypeModel, build_optimizer
from nasnet_tf.lowered.fitting import Totals
from nasnet_tf.native.memory import free_workspace
from nasnet_tf.native.network import NativeNetwork, labels_of
from nasnet_tf.systems import system_of
from nasnet_tf.training.norms import Norms
from nasnet_tf.training.trainers import DIVERGED

# Arguments of a network that change nothing of what is computed in training, or for the value here.
_NEUTRAL = ("name", "class_names", "drop_path_steps", "pooling")
_ONLY = {"classifier_activation": "softmax", "include_top": True, "dtype": None}


class NativeTrainer:
    """Trains a compiled model by `nasnet_tf.native`. As `KerasTrainer`.

    Args:
        model: a network of a genotype, compiled by the recipe: by SGD.
        recipe: a `Recipe` for momentum, clipping, label smoothing and averages of weights; the
            learning rate is that of the optimizer.
        threads: None takes all cores that the process may use.
    Raises: NotImplementedError for a model that the kernels do not know.
    """

    def __init__(self, model, recipe, threads: int | None = None):
        self.model, self.recipe = model, recipe
        threads = threads or cores()
        self.what = f"trained by compiled kernels on {threads} core{'s' * (threads > 1)}"
        self.network = native_network(model, threads, label_smoothing=recipe.label_smoothing)
        if FROZEN in model.get_config():
            raise NotImplementedError("a native network trains all of its layers.")
        build_optimizer(model)
        self._weights = _weights(model)
        trained = [variable.path for variable in model.trainable_variables]
        if set(trained) != {weight.name for weight in self.network.graph.trained}:
            raise NotImplementedError("a native network trains all of its weights.")
        optimizer, places = model.optimizer, self.network.velocities
        self._state = []  # (variable of the optimizer, the array that it is here)
        momentums = optimizer.momentums if recipe.momentum else []
        for path, variable in zip(trained, momentums, strict=False):
            self._state.append((variable, places[path]))
        self._average = np.zeros_like(self.network.velocity) if recipe.average_weights else None
        if recipe.average_weights:
            of_paths = {w.name: w.of(self._average) for w in self.network.graph.trained}
            averages = optimizer._model_variables_moving_average
            self._state += [(v, of_paths[p]) for p, v in zip(trained, averages, strict=True)]
        self.norms = _NativeNorms(self)

    def pull(self) -> None:
        """Takes the weights from the model, which callbacks may have changed."""
        for path, values in self.network.named().items():
            values[...] = _numbers(self._weights[path])

    def push(self) -> None:
        """Gives the model the weights, and its optimizer the state."""
        for path, values in self.network.named().items():
            self._weights[path].assign(values)
        for variable, values in self._state:
            variable.assign(values)

    def fit(self, data, validation, epochs, done, callbacks) -> None:
        """As `KerasTrainer.fit`: the callbacks' model is the Keras model, and between epochs it has
        the current weights.
        """
        model, steps = self.model, len(data)
        every = keras.callbacks.CallbackList(
            callbacks, add_history=True, model=model, epochs=epochs, steps=steps, verbose=0
        )
        model.stop_training = False
        every.on_train_begin()
        self.pull()
        for variable, values in self._state:
            values[...] = _numbers(variable)
        for epoch in range(done, epochs):
            every.on_epoch_begin(epoch)
            logs = self._epoch(data, every)
            self.push()
            every.on_test_begin()
            found = self._evaluated(validation, every.callbacks)
            every.on_test_end(found)
            logs |= {f"val_{name}": value for name, value in found.items()}
            every.on_epoch_end(epoch, logs)
            self.pull()
            if not math.isfinite(logs["loss"]):
                every.on_train_end(logs)
                raise ArithmeticError(DIVERGED.format(logs["loss"]))
            if model.stop_training:
                break
        model.optimizer.finalize_variable_values(model.trainable_variables)
        every.on_train_end()
        free_workspace()

    def evaluate(self, validation) -> dict[str, float]:
        """The loss and the accuracy of the batches."""
        return self._evaluated(validation)

    def _epoch(self, data, callbacks):
        optimizer, recipe, totals = self.model.optimizer, self.recipe, Totals()
        done = int(optimizer.iterations)
        for number, (images, labels) in enumerate(data):
            callbacks.on_train_batch_begin(number)
            x = self.network.prepared(np.asarray(images))
            y = np.asarray(labels) if recipe.mixup else labels_of(labels)
            rate = float(optimizer.learning_rate)
            loss, right = self.network.step(x, y, rate, recipe.momentum, recipe.clip_norm)
            if self._average is not None:
                keep = np.float32(float(optimizer.ema_momentum) if done else 0.0)
                self._average *= keep
                self._average += (1 - keep) * self.network.weights
            done += 1
            optimizer.iterations.assign(done)
            totals.add(len(y), loss, right)
            logs = {"accuracy": totals.accuracy, "loss": totals.loss}
            if not math.isfinite(loss):
                self.model.stop_training = True
            for callback in callbacks.callbacks:  # now; the list itself might leave it to a thread
                callback.on_train_batch_end(number, logs)
            if self.model.stop_training:
                break
        return logs

    def _evaluated(self, validation, callbacks=()):
        """The metrics of the model with the weights that it has now."""
        self.pull()
        loss, accuracy = self.network.evaluate(validation, callbacks=callbacks)
        return {"accuracy": accuracy, "loss": loss}


class _NativeNorms(Norms):
    """`Norms` of a native network: no training step is traced to measure them."""

    def __init__(self, trainer):
        super().__init__(trainer.model)
        self._trainer = trainer
        others = trainer.model.non_trainable_variables
        self._paths = [others[place].path for place in self._places]

    def measure(self, batches, *arguments, **named) -> None:
        self._trainer.pull()
        super().measure(batches, *arguments, **named)

    def _seen(self, averages, images):
        network = self._trainer.network
        found = network.batch_statistics(network.prepared(np.asarray(images)))
        keep = network.graph.momentum
        return [
            keep * average.astype("float64") + (1 - keep) * found[path]
            for average, path in zip(averages, self._paths, strict=True)
        ]


def native_network(model, threads: int | None = None, **arguments) -> NativeNetwork:
    """The native network of a Keras model, with its weights.

    Args:
        threads: None takes all cores that the process may use.
        **arguments: of `NativeNetwork` besides.
    Raises: NotImplementedError for a model that the kernels do not know.
    """
    arguments |= _arguments(model)
    values = {path: _numbers(variable) for path, variable in _weights(model).items()}
    return NativeNetwork(model.genotype, threads=threads or cores(), initial=values, **arguments)


def _weights(model):
    """{path: variable} of all that a native network has too."""
    return {
        variable.path: variable
        for variable in model.variables
        if not variable.path.startswith("normalization/")
    }


def _arguments(model):
    """The arguments of the native network of a Keras model."""
    if not isinstance(model, GenotypeModel) or not system_of(model.genotype).native:
        raise NotImplementedError("no native network computes this model.")
    if model.genotype.reads == "text" or model.dtype_policy.name != "float32":
        raise NotImplementedError("a native network is of images, in float32.")
    config = {name: value for name, value in model.get_config().items() if name not in _NEUTRAL}
    for name in ("genotype", "trainable"):
        config.pop(name, None)
    config["dtype"] = None
    for name, only in _ONLY.items():
        if config.pop(name, only) != only:
            raise NotImplementedError(f"a native network has no other {name} than {only!r}.")
    config.pop(FROZEN, None)
    return config


def _numbers(variable):
    return keras.ops.convert_to_numpy(variable)
