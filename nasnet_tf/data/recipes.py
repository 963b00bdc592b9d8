"""The batches of a recipe."""

from __future__ import annotations

import numpy as np

from nasnet_tf.data.augment import Augmentation
from nasnet_tf.data.batches import pipeline
from nasnet_tf.data.strong import Share
from nasnet_tf.data.text import Text, text_batches

__all__ = ["recipe_batches"]


def recipe_batches(data, recipe, seed: int = 0):
    """(training, validation) for `nasnet_tf.training.train`: a function from the number of the
    first pass to batches, and batches.

    Args:
        data: a `DataSet` or a `Text`.
        recipe: a `nasnet_tf.training.Recipe`, for batch size and, of images, augmentation,
            RandAugment, cutout, mixup and class weights.
        seed: of order and augmentation.
    """
    if isinstance(data, Text):
        return text_batches(data, recipe.batch_size, seed)
    training = TrainingBatches(data, recipe, seed)
    return training, pipeline(data.x_validation, data.y_validation, recipe.batch_size)


class TrainingBatches:
    """A function from the number of the first pass to the training batches of a recipe.

    Attributes: strong, the `Share` of images that are changed strongly, of a recipe whose
        augmentation is adaptive, else None.
    """

    def __init__(self, data, recipe, seed):
        self._data, self._size, self._seed = data, recipe.batch_size, seed
        self._mixup = recipe.mixup
        self._augmentation = augmentation_for(recipe, data.input_shape, data.flip)
        is_balanced = recipe.class_weights == "balanced"
        self._weights = balanced(data.y_train, data.classes) if is_balanced else None
        self.strong = Share() if recipe.augmentation == "adaptive" else None

    def __call__(self, first_pass=0):
        mixing = {"mixup": self._mixup, "classes": self._data.classes}
        return self._batches(first_pass, self._augmentation, strong=self.strong, **mixing)

    def plain(self, first_pass=0):
        """The same without strong changes, RandAugment and mixup: more like what a trained network
        sees.
        """
        weaker = self._augmentation and self._augmentation._replace(rand_augment=0.0)
        return self._batches(first_pass, weaker)

    def _batches(self, first_pass, augmentation, **changes):
        return pipeline(
            self._data.x_train,
            self._data.y_train,
            self._size,
            augmentation=augmentation,
            fill=self._data.mean,
            seed=self._seed,
            first_pass=first_pass,
            weights=self._weights,
            **changes,
        )


def augmentation_for(recipe, input_shape, flip) -> Augmentation | None:
    """The `Augmentation` of a recipe; images are mirrored only if a mirrored image has the same
    class (`flip`).
    """
    if recipe.augmentation in ("standard", "adaptive"):
        found = Augmentation.standard(input_shape, flip)
    elif recipe.augmentation == "inception":
        found = Augmentation.inception()._replace(flip=bool(flip))
    else:
        found = Augmentation()
    found = found._replace(cutout=recipe.cutout, rand_augment=recipe.rand_augment)
    return found if any(found) else None


def balanced(labels, classes: int) -> np.ndarray:
    """Weights of the classes in inverse proportion to their shares, 1 on average over the images; 0
    for a class without images.
    """
    counts = np.bincount(labels, minlength=classes)
    present = np.maximum(counts, 1)
    return np.where(counts > 0, len(labels) / (np.count_nonzero(counts) * present), 0.0)
