"""Optimizers, learning rates and losses of the recipes."""

from __future__ import annotations

import math

import keras
from keras import ops

from nasnet_tf.training.recipe import Recipe

PACKAGE = "nasnet_tf"


class Averaging:
    """An optimizer whose average of weights spans few steps at first, as
    `tf.train.ExponentialMovingAverage` with `num_updates`.

    `ema_momentum` is min(ema_momentum, (1 + step) / (10 + step)): after t steps the average is over
    the last ninth of them at most. With a constant 0.9999 the initial weights would dominate it for
    thousands of steps.
    Source: slim/train_image_classifier.py.
    """

    @property
    def ema_momentum(self):
        step = ops.cast(self.iterations, "float32")
        return ops.minimum(self._ema_momentum, (1 + step) / (10 + step))

    @ema_momentum.setter
    def ema_momentum(self, momentum):
        self._ema_momentum = momentum

    def finalize_variable_values(self, var_list):
        super().finalize_variable_values(var_list)
        if self.use_ema and keras.backend.backend() == "jax":
            # in Keras 3.15 weight and average are one array now, which the next prediction deletes
            for variable in var_list:
                variable.assign(ops.copy(ops.convert_to_tensor(variable)))

    def get_config(self):
        return {**super().get_config(), "ema_momentum": self._ema_momentum}


@keras.saving.register_keras_serializable(PACKAGE)
class SGD(Averaging, keras.optimizers.SGD):
    """SGD with momentum."""


@keras.saving.register_keras_serializable(PACKAGE)
class RMSprop(Averaging, keras.optimizers.RMSprop):
    """RMSprop of TensorFlow 1: the average of squared gradients starts at one, which matters with
    an epsilon of one.
    """

    def build(self, variables):
        new = not self.built
        super().build(variables)
        if new:
            for velocity in self._velocities:
                velocity.assign(ops.ones(velocity.shape, velocity.dtype))


@keras.saving.register_keras_serializable(PACKAGE)
class Adam(Averaging, keras.optimizers.Adam):
    """Adam."""


@keras.saving.register_keras_serializable(PACKAGE)
class Rate(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate at a step: linear warm-up, then a cosine to 0, a staircase, or constant.

    Args:
        highest: the rate at the start of the schedule.
        schedule: "cosine", "exponential" or "constant".
        steps: of the whole training, warm-up included.
        warmup: steps over which it rises from 0.
        decay_rate, decay_steps: of "exponential": times `decay_rate` after every `decay_steps`.
    """

    def __init__(self, highest, schedule, steps, warmup=0, decay_rate=0.97, decay_steps=1.0):
        self.config = dict(
            highest=highest,
            schedule=schedule,
            steps=steps,
            warmup=warmup,
            decay_rate=decay_rate,
            decay_steps=decay_steps,
        )

    def __call__(self, step):
        own = self.config
        step = ops.cast(step, "float32")
        after = ops.maximum(step - own["warmup"], 0.0)
        if own["schedule"] == "cosine":
            factor = 0.5 * (
                1
                + ops.cos(math.pi * ops.minimum(after / max(own["steps"] - own["warmup"], 1), 1.0))
            )
        elif own["schedule"] == "exponential":
            factor = own["decay_rate"] ** ops.floor(after / own["decay_steps"])
        else:
            factor = ops.ones_like(step)
        return (
            own["highest"]
            * factor
            * (ops.minimum(step / own["warmup"], 1.0) if own["warmup"] else 1.0)
        )

    def get_config(self):
        return dict(self.config)


def rate_for(
    recipe: Recipe, learning_rate: float, epochs: int, steps: int, warmup_epochs: float = 0.0
) -> Rate:
    """The rate over `epochs` of `steps` each."""
    return Rate(
        learning_rate,
        recipe.schedule,
        epochs * steps,
        warmup_epochs * steps,
        recipe.decay_rate,
        recipe.decay_epochs * steps,
    )


def optimizer_for(recipe: Recipe, rate, shares: int = 1):
    """The optimizer of `recipe` at `rate`, a number or a schedule.

    Args:
        shares: how many devices clip their shares of the gradient before the sum (Keras 3.15,
            TFOptimizer).
    """
    options = dict(global_clipnorm=recipe.clip_norm and recipe.clip_norm / shares)
    if recipe.gradient_accumulation_steps > 1:
        options.update(gradient_accumulation_steps=recipe.gradient_accumulation_steps)
    if recipe.average_weights:
        options.update(use_ema=True, ema_momentum=recipe.average_weights)
    if recipe.optimizer == "rmsprop":
        return RMSprop(
            rate, momentum=recipe.momentum, rho=recipe.rho, epsilon=recipe.epsilon, **options
        )
    if recipe.optimizer == "adam":
        return Adam(
            rate, beta_1=recipe.momentum, beta_2=recipe.rho, epsilon=recipe.epsilon, **options
        )
    return SGD(rate, momentum=recipe.momentum, **options)


@keras.saving.register_keras_serializable(PACKAGE)
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of probabilities with whole-number labels, `label_smoothing` of the target
    spread evenly over the classes.

    Labels are (batch,) or (batch, 1) of probabilities (batch, classes), else of the shape of the
    probabilities without the classes. Labels shaped as the probabilities are shares of the classes.
    """

    def __init__(self, label_smoothing=0.0, name="loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        if len(y_pred.shape) > 2 and not self.label_smoothing:  # words: one-hot would be large
            return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)
        if are_shares(y_true, y_pred):
            true = y_true
        else:
            labels = ops.reshape(y_true, (-1,)) if len(y_pred.shape) == 2 else y_true
            true = ops.one_hot(ops.cast(labels, "int32"), y_pred.shape[-1])
        return keras.losses.categorical_crossentropy(
            true, y_pred, label_smoothing=self.label_smoothing
        )

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(PACKAGE)
class Accuracy(keras.metrics.SparseCategoricalAccuracy):
    """The share of images whose most probable class is the correct one.

    Labels are whole numbers (batch,), or shares of the classes (batch, classes), of which the
    largest is the correct one.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        if are_shares(y_true, y_pred):
            y_true = ops.argmax(y_true, axis=-1)
        return super().update_state(y_true, y_pred, sample_weight)


def are_shares(y_true, y_pred) -> bool:
    """Whether labels are shares of the classes, as mixup makes them, not whole numbers."""
    shapes = y_true.shape, y_pred.shape
    return len(shapes[0]) == len(shapes[1]) and shapes[0][-1] == shapes[1][-1] != 1
