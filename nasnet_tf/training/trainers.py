"""What trains a network: Keras, or compiled kernels where there is no accelerator."""

from __future__ import annotations

import math

from nasnet_tf.systems import system_of
from nasnet_tf.training.devices import accelerated
from nasnet_tf.training.norms import Norms
from nasnet_tf.training.steps import Finite, NotFarAhead

DIVERGED = "training diverged: the loss became {}; try a smaller learning rate."


class KerasTrainer:
    """Trains a compiled model by `model.fit`.

    Attributes: `norms`, its `Norms`; `what`, in one line, what trains it.
    """

    what = "trained by Keras"

    def __init__(self, model):
        self.model, self.norms = model, Norms(model)

    def fit(self, data, validation, epochs, done, callbacks) -> None:
        """Trains from epoch `done` to `epochs`. Raises ArithmeticError if the loss is no longer a
        number.
        """
        ahead = NotFarAhead()
        fitted = self.model.fit(
            self._batches(data),
            validation_data=self._batches(validation),
            initial_epoch=done,
            epochs=epochs,
            verbose=0,
            shuffle=False,  # the pipeline shuffles
            callbacks=[ahead, Finite(), *callbacks, ahead.done],
        )
        if not all(math.isfinite(value) for value in fitted.history["loss"]):
            raise ArithmeticError(DIVERGED.format(fitted.history["loss"][-1]))

    def evaluate(self, validation) -> None:
        """Computes the metrics of the batches."""
        self.model.evaluate(self._batches(validation), verbose=0)

    def _batches(self, batches):
        return _for_two_heads(batches) if isinstance(self.model.output, dict) else batches


def is_native(genotype, recipe) -> bool:
    """Whether compiled kernels train a network of the genotype by the recipe, as far as these two
    decide it.
    """
    system = system_of(genotype)
    return system.native and genotype.reads == "images" and _is_native(recipe) and not accelerated()


def kernels_of(model):
    """The native network of a model, with its weights; None where the compiled kernels do not know
    it, or are not to be had.
    """
    try:
        from nasnet_tf.training.native import native_network

        return native_network(model)
    except (ImportError, NotImplementedError):  # numba is not to be had for every Python
        return None


def trainer_for(model, recipe, data, validation, callbacks, jit_compile="auto"):
    """The trainer of a compiled model: a `NativeTrainer` where one can do all that is asked for,
    else a `KerasTrainer`.

    Args:
        data, validation: the `tf.data.Dataset`s of batches.
        callbacks: of the caller; ours alone, as others may look into what Keras does within an
            epoch.
    """
    plain = (
        jit_compile == "auto"
        and not accelerated()
        and _is_native(recipe)
        and _images_and_labels(data, 2 if recipe.mixup else 1)
        and _images_and_labels(validation)
        and all(type(callback).__module__.startswith("nasnet_tf.") for callback in callbacks)
    )
    if plain:
        try:
            from nasnet_tf.training.native import NativeTrainer

            return NativeTrainer(model, recipe)
        except (ImportError, NotImplementedError):  # numba is not to be had for every Python
            pass
    return KerasTrainer(model)


def _is_native(recipe):
    """Whether the compiled kernels know how to train by the recipe; what it asks of the network is
    seen there.
    """
    return (
        recipe.optimizer == "sgd"
        and recipe.dtype == "float32"
        and recipe.gradient_accumulation_steps == 1
        and not (recipe.freeze_until or recipe.freeze_batch_norms or recipe.head_epochs)
    )


def _images_and_labels(batches, dimensions=1):
    """Whether the batches are of images of one size and labels of so many dimensions, without
    weights.
    """
    spec = getattr(batches, "element_spec", None)
    if not (isinstance(spec, tuple) and len(spec) == 2):
        return False
    images, labels = (tuple(part.shape) for part in spec)
    return len(images) == 4 and None not in images[1:] and len(labels) == dimensions


def _for_two_heads(batches):
    def doubled(images, labels, *weights):
        return (images, *({"predictions": part, "auxiliary": part} for part in (labels, *weights)))

    return batches.map(doubled)
