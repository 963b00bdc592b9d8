"""Training a network on a data set: rate, augmentation, a bar with the time left, and an end by epochs or by the clock.

Source of the recipe: Zoph et al. 2017, arXiv 1707.07012, appendix A.6 (SGD with momentum 0.9, cosine to 0, gradient norm clipped at 5).
"""

from __future__ import annotations

import math
import time

import keras
import numpy as np

from nasnet_tf.evaluation.graphs import rewrite_graphs
from nasnet_tf.network import Network
from nasnet_tf.plan import default_stem

_FEWEST_EPOCHS = 2
_MOST_EPOCHS = 600
_STEPS_THAT_PAY = 20_000  # for rewriting the graph, see rewrite_graphs


def network_for(genotype, data, **arguments) -> Network:
    """A `Network` for the images and classes of `data`, which normalizes its input by the statistics of the training images.

    Args:
        data: a `nasnet_tf.data.DataSet`.
        **arguments: of `Network`; the stem is "imagenet" from 64 pixels on unless given, batch norms are those of short training.
    """
    stem = arguments.pop("stem", None) or default_stem(data.input_shape)
    short = dict(batch_norm_momentum=0.9, batch_norm_epsilon=1e-5)
    described = dict(input_shape=data.input_shape, classes=data.classes, mean=data.mean, std=data.std, class_names=data.class_names)
    return Network(genotype, stem=stem, **{**short, **described, **arguments})


def train(
    model: Network,
    batches,
    validation,
    *,
    epochs: int | None = None,
    minutes: float | None = None,
    learning_rate: float = 0.05,
    auxiliary_weight: float = 0.4,
    on_epoch=None,
    callbacks=(),
) -> dict[str, list[float]]:
    """Trains `model`; its rate falls from `learning_rate` to 0 along a cosine.

    Args:
        batches, validation: `tf.data.Dataset`s of (images, labels) of known length, such as `nasnet_tf.data.pipeline` gives.
        epochs: how many; or None, then `minutes` decides: as many as fit, by the time the second epoch took (2 to 600).
        minutes: how long at most.
        auxiliary_weight: weight of the auxiliary head's loss, if there is one.
        on_epoch: called after each epoch with its number from 1, the share of the training that is done, and its figures.
    Returns: {name: value after each epoch}, validation figures among them.
    Raises: ValueError if neither epochs nor minutes is given, or one of them is not above 0.
    """
    if (epochs is None and minutes is None) or (epochs is not None and epochs < 1) or (minutes is not None and minutes <= 0):
        raise ValueError(f"epochs is {epochs} and minutes is {minutes}; give one of them, above 0.")
    if isinstance(model.output, dict):
        batches, validation = (part.map(lambda x, y: (x, {"predictions": y, "auxiliary": y})) for part in (batches, validation))
    rewrite_graphs(epochs is not None and epochs * len(batches) > _STEPS_THAT_PAY)
    compile_for_training(model, learning_rate, auxiliary_weight)
    schedule = CosineRate(learning_rate, len(batches), epochs, minutes)
    told = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: on_epoch and on_epoch(epoch + 1, schedule.share_done, _main_head(logs))
    )
    history = model.fit(
        batches,
        validation_data=validation,
        epochs=epochs or _MOST_EPOCHS,
        verbose=0,
        shuffle=False,  # the pipeline shuffles
        callbacks=[schedule, keras.callbacks.TerminateOnNaN(), told, *callbacks],
    )
    if not all(math.isfinite(value) for value in history.history["loss"]):
        raise ArithmeticError(f"training diverged: the loss became {history.history['loss'][-1]}; try a smaller learning rate.")
    return {name: [float(value) for value in values] for name, values in _main_head(history.history).items()}


def _main_head(figures):
    """Figures of the main head under the names they have without an auxiliary one."""
    return {name.replace("predictions_accuracy", "accuracy"): value for name, value in figures.items()}


def compile_for_training(model, learning_rate, auxiliary_weight=0.4):
    """SGD with momentum 0.9, gradients clipped at a global norm of 5; the auxiliary head's loss counts `auxiliary_weight`."""
    heads = isinstance(model.output, dict)
    loss = "sparse_categorical_crossentropy"
    model.compile(
        keras.optimizers.SGD(learning_rate, momentum=0.9, global_clipnorm=5.0),
        loss={"predictions": loss, "auxiliary": loss} if heads else loss,
        loss_weights={"predictions": 1.0, "auxiliary": auxiliary_weight} if heads else None,
        metrics={"predictions": ["accuracy"]} if heads else ["accuracy"],
    )


class CosineRate(keras.callbacks.Callback):
    """Sets the learning rate before every step, and stops after the epochs asked for, or those that fit the time.

    Args:
        steps: of one epoch.
        epochs: or None: planned after the second epoch, the first whose time says anything (the first one traces).
    """

    def __init__(self, learning_rate, steps, epochs=None, minutes=None):
        super().__init__()
        self.learning_rate, self.steps, self.epochs, self.minutes = learning_rate, steps, epochs, minutes
        self.began = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.epoch_began = epoch, time.monotonic()

    def on_train_batch_begin(self, batch, logs=None):
        done = (self.epoch + batch / self.steps) / (self.epochs or math.inf)
        self.model.optimizer.learning_rate = self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1)))

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        left = math.inf if self.minutes is None else self.began + 60 * self.minutes - now
        if self.epochs is None and epoch == 1:
            fitting = 2 + int(left / (now - self.epoch_began))
            self.epochs = min(max(fitting, _FEWEST_EPOCHS), _MOST_EPOCHS)
        if self.epochs is not None and epoch + 1 >= self.epochs or left <= 0 and epoch + 1 >= _FEWEST_EPOCHS:
            self.model.stop_training = True

    @property
    def share_done(self):
        """How much of the training is behind, 0 to 1, as far as it is known."""
        if self.epochs:
            return min((self.epoch + 1) / self.epochs, 1.0)
        return 0.0 if self.minutes is None else min((time.monotonic() - self.began) / (60 * self.minutes), 1.0)


def accuracy(model, x, y, batch_size: int = 128) -> dict[str, float]:
    """{"accuracy", "loss", "images"} of `model` on images in pixels; the loss is the mean cross-entropy."""
    probabilities = predict(model, x, batch_size)
    right = probabilities.argmax(-1) == y
    true = np.clip(probabilities[np.arange(len(y)), y], 1e-7, 1.0)
    return {"accuracy": float(right.mean()), "loss": float(-np.log(true).mean()), "images": len(y)}


def predict(model, x, batch_size: int = 128) -> np.ndarray:
    """(n, classes): the main head's probabilities."""
    output = model.predict(np.asarray(x, "float32"), batch_size=batch_size, verbose=0)
    return output["predictions"] if isinstance(output, dict) else output
